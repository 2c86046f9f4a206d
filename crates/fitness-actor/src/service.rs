//! The running service.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::NodeId;
use fitness_store::Store;
use tokio::task::JoinHandle;

use crate::error::with_sources;
use crate::shared::Shared;
use crate::shutdown_signal::ShutdownSender;
use crate::{FlushError, Handle, ServiceBuilder, ShutdownError};

/// The extra time after the shutdown timeout in which a store can react to its future being dropped.
const DROP_TIME: Duration = Duration::from_secs(1);

/// The running service.
///
/// End it with [`Service::shutdown`], which stores all changes. Dropping the service ends it immediately:
/// changes since the last commit are lost, at most those of one commit delay, and the time since then counts
/// as unobserved. Handles remain usable in both cases and answer from memory.
///
/// ```
/// use std::sync::Arc;
/// use fitness_actor::Service;
/// use fitness_core::NodeId;
/// use fitness_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default())).start().await?;
/// let handle = service.handle();
/// assert!(handle.health().running);
///
/// service.shutdown().await?;
/// assert!(!handle.health().running);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping the service ends it"]
pub struct Service {
    shared: Arc<Shared>,
    shutdown_sender: ShutdownSender,
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
        shutdown_sender: ShutdownSender,
        shutdown_timeout: Duration,
        task: JoinHandle<Result<(), FlushError>>,
    ) -> Self {
        Self { shared, shutdown_sender, shutdown_timeout, task }
    }

    /// Returns a handle that records events and answers queries.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Stores everything that was recorded before this call, and ends the service.
    ///
    /// Finishes a commit that is in progress, and retries a commit that fails, all within the shutdown
    /// timeout ([`ServiceBuilder::shutdown_timeout`]). Releases the store even if handles remain: the store
    /// is closed unless the caller keeps another reference to it. Must be called within a tokio runtime.
    ///
    /// Dropping the future has the same effect as dropping the service.
    ///
    /// # Errors
    ///
    /// Returns a [`ShutdownError`] with the number of peers whose changes were not stored, and the cause. A
    /// batch that timed out may have been stored nevertheless.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.shared.close();
        self.shutdown_sender.send(self.shutdown_timeout);
        let timeout = self.shutdown_timeout.saturating_add(DROP_TIME);
        let result = match tokio::time::timeout(timeout, &mut self.task).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(self.not_flushed(error)),
            Ok(Err(_)) => Err(ShutdownError::AlreadyStopped { unstored_peers: self.unstored_peers() }),
            // The store blocks its thread, so not even its future can be dropped.
            Err(_) => Err(self.not_flushed(FlushError::TimedOut { timeout: self.shutdown_timeout })),
        };
        let observer = self.shared.observer;
        match &result {
            Ok(()) => tracing::info!(%observer, "service stopped"),
            Err(error) => {
                let error = with_sources(error);
                tracing::error!(%observer, error, "service stopped with unstored changes");
            }
        }
        result
    }

    fn not_flushed(&self, source: FlushError) -> ShutdownError {
        let unstored_peers = self.unstored_peers();
        ShutdownError::NotFlushed { unstored_peers, timeout: self.shutdown_timeout, source }
    }

    fn unstored_peers(&self) -> usize {
        let in_flight = self.shared.status().store.in_flight.map_or(0, |commit| commit.peers);
        let state = self.shared.lock();
        state.tracker.dirty_count() + in_flight
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Close immediately: the runtime may drop the aborted task later.
        self.shared.close();
        self.task.abort();
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("observer", &self.shared.observer).finish_non_exhaustive()
    }
}
