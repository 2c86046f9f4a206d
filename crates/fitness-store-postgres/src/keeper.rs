//! Does what nobody waits for: lets go of claims whose tokens were dropped, and takes lost ones again.

use std::sync::Weak;
use std::time::Duration;

use fitness_core::NodeId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use crate::shared::Shared;

/// How long to wait before another try to connect, at first and at last.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// The token of that number was dropped.
    Released(NodeId, u64),
    /// A connection that writes has ended.
    Lost,
}

/// Tells the keeper of the end of what it belongs to.
pub(crate) struct Ended(pub(crate) UnboundedSender<Word>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Without a keeper the store is gone, and all its locks with it.
        let _ = self.0.send(Word::Lost);
    }
}

/// Runs for as long as the store is there.
pub(crate) async fn keep(shared: Weak<Shared>, mut words: UnboundedReceiver<Word>) {
    let (mut retry_at, mut wait) = (None, FIRST_WAIT);
    loop {
        let word = tokio::select! {
            word = words.recv() => match word {
                Some(word) => Some(word),
                None => return,
            },
            () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => None,
        };
        let Some(shared) = shared.upgrade() else { return };
        match word {
            Some(Word::Released(observer, token)) => {
                let mut writer = shared.writer.lock().await;
                let released = async {
                    writer.release(&shared, &observer, token).await;
                    Ok(())
                };
                // Given up on, it drops the connection, and all locks with it.
                let _ = shared.limited(released).await;
                continue;
            }
            // Another try is planned already.
            Some(Word::Lost) if retry_at.is_some() => continue,
            Some(Word::Lost) | None => {}
        }
        let restored = async { shared.writer.lock().await.restore(&shared).await };
        match shared.limited(restored).await {
            Ok(()) => (retry_at, wait) = (None, FIRST_WAIT),
            Err(fault) => {
                let error = fault.explain("take the claims again", &shared.location);
                tracing::debug!(%error, ?wait, "not connected");
                retry_at = Some(Instant::now() + wait);
                wait = (wait * 2).min(LAST_WAIT);
            }
        }
    }
}
