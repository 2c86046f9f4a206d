//! Subscriptions to changes.

use fitness_core::Change;
use tokio::sync::broadcast::{self, error::RecvError};

/// A stream of changes in order, from the subscription on. Created by
/// [`Handle::subscribe`](crate::Handle::subscribe).
///
/// At most [`ServiceBuilder::subscription_capacity`](crate::ServiceBuilder::subscription_capacity) changes
/// are kept for a subscriber. A slower subscriber misses the oldest changes and receives [`ChangesLagged`]
/// instead.
#[derive(Debug)]
pub struct Subscription {
    changes: broadcast::Receiver<Change>,
}

/// The subscriber was too slow and missed changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("subscriber lagged: {skipped} changes skipped")]
pub struct ChangesLagged {
    /// The number of skipped changes. The next change received is the oldest that was kept.
    pub skipped: u64,
}

impl Subscription {
    pub(crate) fn new(changes: broadcast::Receiver<Change>) -> Self {
        Self { changes }
    }

    /// Waits for the next change. Returns `None` once the service has stopped and all changes were received.
    ///
    /// Cancel-safe: no change is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`ChangesLagged`] if this subscriber was too slow and missed changes. The next call continues
    /// with the changes that were kept. Query the [`Handle`](crate::Handle) for the current state.
    pub async fn next(&mut self) -> Option<Result<Change, ChangesLagged>> {
        match self.changes.recv().await {
            Ok(change) => Some(Ok(change)),
            Err(RecvError::Lagged(skipped)) => Some(Err(ChangesLagged { skipped })),
            Err(RecvError::Closed) => None,
        }
    }
}
