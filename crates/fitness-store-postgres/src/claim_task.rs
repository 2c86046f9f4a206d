//! The background task that releases dropped claims and reacquires lost ones.

use std::sync::Weak;
use std::time::Duration;

use fitness_core::NodeId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use crate::shared::Shared;

/// The first and the longest delay before the next attempt to reconnect.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// An event that the task handles.
#[derive(Debug)]
pub(crate) enum ClaimEvent {
    /// The claim token with this number was dropped.
    TokenDropped(NodeId, u64),
    /// A connection for writing has ended.
    ConnectionEnded,
}

/// Sends [`ClaimEvent::ConnectionEnded`] when it is dropped.
pub(crate) struct ConnectionEndGuard(pub(crate) UnboundedSender<ClaimEvent>);

impl Drop for ConnectionEndGuard {
    fn drop(&mut self) {
        // If the task has ended, the store was dropped, and its connections and locks with it.
        let _ = self.0.send(ClaimEvent::ConnectionEnded);
    }
}

/// Runs until the store is dropped.
pub(crate) async fn run(shared: Weak<Shared>, mut events: UnboundedReceiver<ClaimEvent>) {
    let (mut retry_at, mut delay) = (None, MIN_RETRY_DELAY);
    loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => Some(event),
                None => return,
            },
            () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => None,
        };
        let Some(shared) = shared.upgrade() else { return };
        match event {
            Some(ClaimEvent::TokenDropped(observer, token)) => {
                let mut writer = shared.writer.lock().await;
                let released = async {
                    writer.release_token(&shared, &observer, token).await;
                    Ok(())
                };
                // A timeout drops the connection and thereby releases all of its locks.
                let _ = shared.with_timeout(released).await;
                continue;
            }
            // A retry is already scheduled.
            Some(ClaimEvent::ConnectionEnded) if retry_at.is_some() => continue,
            Some(ClaimEvent::ConnectionEnded) | None => {}
        }
        let reacquired = async { shared.writer.lock().await.reacquire_claims(&shared).await };
        match shared.with_timeout(reacquired).await {
            Ok(()) => (retry_at, delay) = (None, MIN_RETRY_DELAY),
            Err(failure) => {
                let error = failure.into_store_error("reacquire claims", &shared.location);
                tracing::debug!(%error, retry_in = ?delay, "reconnect failed, will retry");
                retry_at = Some(Instant::now() + delay);
                delay = (delay * 2).min(MAX_RETRY_DELAY);
            }
        }
    }
}
