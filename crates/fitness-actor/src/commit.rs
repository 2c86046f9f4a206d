//! Stores the tracker's unsaved changes, in as many batches as needed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fitness_core::{ObserverRecord, UnsavedChanges};
use fitness_store::{Batch, Store};
use tokio::time::Instant;

use crate::FlushError;
use crate::error::with_sources;
use crate::health::{CommitError, InFlightCommit, StoreFailure};
use crate::shared::Shared;
use crate::shutdown_signal::ShutdownSignal;

/// The number of peers to process while holding the lock once. Small enough for well below a millisecond: an
/// LDK callback may be waiting for the lock.
const PEERS_PER_LOCK: usize = 1_024;

/// The maximum number of peers whose changes are part of one batch: about 50 MB.
const MAX_PEERS_PER_BATCH: usize = 131_072;

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Store>,
    timeout: Duration,
    shutdown: ShutdownSignal,
    stall_check_interval: Duration,
    /// The current limit of a batch. Halved after a timeout, because a store that is too slow for its timeout
    /// would otherwise never make progress.
    peers_per_batch: usize,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        timeout: Duration,
        shutdown: ShutdownSignal,
        stall_check_interval: Duration,
    ) -> Self {
        Self { shared, store, timeout, shutdown, stall_check_interval, peers_per_batch: MAX_PEERS_PER_BATCH }
    }

    /// Stores everything that was recorded before this call, with a heartbeat at the time of this call.
    ///
    /// After an error, the changes that were not stored are dirty again. `retry_in` is when the caller will
    /// retry; it is logged.
    pub(crate) async fn commit(&mut self, retry_in: Duration) -> Result<(), CommitError> {
        // Everything that is dirty now is part of this commit, so everything before `at` will be stored.
        // Later changes are left to the next commit.
        let (mut remaining, at, observer_record) = {
            let mut state = self.shared.lock();
            let at = self.shared.now(&mut state);
            (state.tracker.begin_commit(), at, state.tracker.observer_record(at))
        };
        loop {
            let peers = remaining.min(self.peers_per_batch);
            remaining -= peers;
            let mut pending = PendingBatch::new(Arc::clone(&self.shared));
            pending.drain_peers(peers).await;
            let batch = pending.finish_batch((remaining == 0).then_some(observer_record));
            self.commit_batch(batch, Some(retry_in)).await?;
            pending.mark_stored();
            if remaining == 0 {
                self.shared.status().store.last_heartbeat = Some(at);
                return Ok(());
            }
        }
    }

    /// Passes one batch to the store, and records the result in the health and the log.
    pub(crate) async fn commit_batch(
        &mut self,
        batch: Arc<Batch>,
        retry_in: Option<Duration>,
    ) -> Result<(), CommitError> {
        let peers = batch.changes.peers.len();
        self.shared.status().store.in_flight =
            Some(InFlightCommit { started_at: self.shared.clock.now(), peers });
        let started = Instant::now();
        let _in_flight = InFlightGuard(&self.shared);
        let result = tokio::select! {
            biased;
            result = self.store.commit(&self.shared.observer, batch) => {
                result.map_err(|error| CommitError::Store(Arc::new(error)))
            }
            () = tokio::time::sleep(self.timeout) => Err(CommitError::TimedOut(self.timeout)),
            timeout = self.shutdown.deadline_passed() => Err(CommitError::TimedOut(timeout)),
            // A slow store must not look like a stalled process.
            never = check_for_stalls(&self.shared, self.stall_check_interval) => match never {},
        };
        match &result {
            Ok(()) => {
                self.peers_per_batch = self.peers_per_batch.saturating_mul(2).min(MAX_PEERS_PER_BATCH);
            }
            Err(CommitError::TimedOut(_)) => self.peers_per_batch = (peers / 2).max(1),
            Err(CommitError::Store(_)) => {}
        }
        match &result {
            Ok(()) => self.record_success(peers, started.elapsed()),
            Err(error) => self.record_failure(error, peers, retry_in),
        }
        result
    }

    fn record_success(&self, peers: usize, duration: Duration) {
        let now = self.shared.clock.now();
        let mut status = self.shared.status();
        let store = &mut status.store;
        store.commits += 1;
        store.commit_durations.record(duration);
        store.last_commit = Some(now);
        let failed_attempts = std::mem::take(&mut store.consecutive_failures);
        drop(status);
        if failed_attempts > 0 {
            tracing::info!(failed_attempts, peers, "store recovered");
        }
        tracing::debug!(peers, ?duration, "commit succeeded");
    }

    fn record_failure(&self, commit_error: &CommitError, peers: usize, retry_in: Option<Duration>) {
        let error = with_sources(&FlushError::from(commit_error.clone()));
        let transient = commit_error.is_transient();
        let now = self.shared.clock.now();
        let mut status = self.shared.status();
        let store = &mut status.store;
        // Log repeated failures with the same error once. The health counts all of them.
        let is_repeated = store.consecutive_failures > 0
            && store.last_error.as_ref().is_some_and(|last| last.error == error);
        store.failures += 1;
        store.consecutive_failures += 1;
        let attempt = store.consecutive_failures;
        store.last_error = Some(StoreFailure { at: now, error: error.clone(), transient });
        drop(status);
        if !is_repeated {
            let retry_in = retry_in.map(tracing::field::debug);
            tracing::warn!(error, transient, attempt, retry_in, peers, "commit failed, will retry");
        }
    }
}

/// Checks for stalls of the process while the caller waits for something else.
async fn check_for_stalls(shared: &Shared, interval: Duration) -> Infallible {
    loop {
        tokio::time::sleep(interval).await;
        shared.check_for_stall();
    }
}

/// Removes the in-flight commit from the health, even if the future of the commit is dropped.
struct InFlightGuard<'a>(&'a Shared);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.status().store.in_flight = None;
    }
}

/// Changes that were taken from the tracker to be stored. Requeues them on drop unless they were stored:
/// after an error, after a timeout and when the task is aborted.
struct PendingBatch {
    shared: Arc<Shared>,
    batch: Arc<Batch>,
    is_stored: bool,
}

impl PendingBatch {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, batch: Arc::default(), is_stored: false }
    }

    /// Takes the changes of the next `peers` peers. Releases the lock regularly.
    async fn drain_peers(&mut self, peers: usize) {
        let mut remaining = peers;
        loop {
            let limit = remaining.min(PEERS_PER_LOCK);
            remaining -= limit;
            // The batch has no other owner yet, so nothing is cloned.
            let changes = &mut Arc::make_mut(&mut self.batch).changes;
            if !self.shared.lock().tracker.drain_changes(limit, changes) || remaining == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn finish_batch(&mut self, observer: Option<ObserverRecord>) -> Arc<Batch> {
        Arc::make_mut(&mut self.batch).observer = observer;
        Arc::clone(&self.batch)
    }

    fn mark_stored(mut self) {
        self.is_stored = true;
        for segments in self.batch.changes.segments.chunks(PEERS_PER_LOCK) {
            let changes = UnsavedChanges { segments: segments.to_vec(), ..UnsavedChanges::default() };
            self.shared.lock().tracker.mark_stored(&changes);
        }
    }
}

impl Drop for PendingBatch {
    fn drop(&mut self) {
        if self.is_stored {
            return;
        }
        let UnsavedChanges { forgotten_peers, peers, gaps, .. } = &self.batch.changes;
        let without_peers = UnsavedChanges {
            forgotten_peers: forgotten_peers.clone(),
            gaps: gaps.clone(),
            ..UnsavedChanges::default()
        };
        self.shared.lock().tracker.requeue(&without_peers);
        for peers in peers.chunks(PEERS_PER_LOCK) {
            let changes = UnsavedChanges { peers: peers.to_vec(), ..UnsavedChanges::default() };
            self.shared.lock().tracker.requeue(&changes);
        }
    }
}
