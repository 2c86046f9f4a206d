//! Being told of changes as they happen.

use fitness_core::Change;
use tokio::sync::broadcast::{self, error::RecvError};

/// A stream of changes, in the order in which they happened, from the subscription on.
///
/// At most [`ServiceBuilder::subscription_capacity`](crate::ServiceBuilder::subscription_capacity) changes wait
/// for a subscriber. One that is slower loses the oldest, and is told how many.
#[derive(Debug)]
pub struct Subscription {
    changes: broadcast::Receiver<Change>,
}

/// A subscriber was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{skipped} changes were missed")]
pub struct ChangesLagged {
    /// How many changes it lost. The next one that it receives is the oldest that was kept.
    pub skipped: u64,
}

impl Subscription {
    pub(crate) fn new(changes: broadcast::Receiver<Change>) -> Self {
        Self { changes }
    }

    /// Waits for the next change; `None` once the service has stopped and all were received.
    ///
    /// Cancel-safe: a call whose future is dropped takes nothing.
    ///
    /// # Errors
    ///
    /// [`Missed`] where changes were lost because this subscriber was too slow. The next call goes
    /// on with those that were kept; a question to the handle tells what is so now.
    pub async fn next(&mut self) -> Option<Result<Change, ChangesLagged>> {
        match self.changes.recv().await {
            Ok(change) => Some(Ok(change)),
            Err(RecvError::Lagged(count)) => Some(Err(ChangesLagged { skipped: count })),
            Err(RecvError::Closed) => None,
        }
    }
}
