//! The running service, as its owner holds it.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::NodeId;
use fitness_store::Store;
use tokio::task::JoinHandle;

use crate::shared::Shared;
use crate::stop::Stopper;
use crate::{FlushError, Handle, ServiceBuilder, ShutdownError};

/// What a store gets beyond the shutdown timeout, to notice that its future was dropped.
const GRACE: Duration = Duration::from_secs(1);

/// The running service.
///
/// [`Service::shutdown`] ends it with everything stored. Dropping it ends it at once: what was
/// recorded since the last commit, up to the commit delay's worth, is lost, and the time since
/// then counts as unobserved. Handles outlive both.
#[must_use = "dropping the service ends it"]
pub struct Service {
    shared: Arc<Shared>,
    stopper: Stopper,
    shutdown_timeout: Duration,
    task: JoinHandle<Result<(), FlushError>>,
}

impl Service {
    /// Returns a builder of a service for the node `observer`, with its history in `store`.
    pub fn builder(observer: NodeId, store: Arc<dyn Store>) -> ServiceBuilder {
        ServiceBuilder::new(observer, store)
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        stopper: Stopper,
        shutdown_timeout: Duration,
        task: JoinHandle<Result<(), FlushError>>,
    ) -> Self {
        Self { shared, stopper, shutdown_timeout, task }
    }

    /// A handle: to record, and to ask.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Stores everything that was recorded before this call, and ends the service.
    ///
    /// A commit that is under way is finished first, and one that fails is tried again, all within
    /// the shutdown timeout. The store is released, so that it is closed if nobody else holds it,
    /// even while there are handles. To be called within a tokio runtime.
    ///
    /// Dropping the future has the effect of dropping the service.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] says how many peers' changes were lost, and why. A batch that the store
    /// did not answer may still turn out to have been stored.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.shared.close();
        self.stopper.stop(self.shutdown_timeout);
        let bound = self.shutdown_timeout.saturating_add(GRACE);
        let result = match tokio::time::timeout(bound, &mut self.task).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(reason))) => Err(self.not_flushed(reason)),
            Ok(Err(_)) => Err(ShutdownError::AlreadyStopped { unstored_peers: self.unstored_peers() }),
            // The store blocks its thread, so that not even its future can be dropped.
            Err(_) => Err(self.not_flushed(FlushError::TimedOut { timeout: self.shutdown_timeout })),
        };
        match &result {
            Ok(()) => tracing::info!(observer = %self.shared.observer, "stopped"),
            Err(err) => {
                tracing::error!(observer = %self.shared.observer, error = %err, "stopped, not all stored");
            }
        }
        result
    }

    fn not_flushed(&self, reason: FlushError) -> ShutdownError {
        let unstored_peers = self.unstored_peers();
        ShutdownError::NotFlushed { unstored_peers, timeout: self.shutdown_timeout, source: reason }
    }

    fn unstored_peers(&self) -> usize {
        let in_flight = self.shared.notes().store.in_flight.map_or(0, |in_flight| in_flight.peers);
        let state = self.shared.lock();
        state.tracker.dirty_count() + in_flight
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // At once, and not only when the runtime gets round to dropping the task.
        self.shared.close();
        self.task.abort();
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("observer", &self.shared.observer).finish_non_exhaustive()
    }
}
