//! Bringing the store in step with the tracker: one flush, in as many batches as it takes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, Store};
use tokio::time::Instant;

use crate::health::{CommitError, InFlightCommit, StoreFailure};
use crate::shared::Shared;
use crate::stop::Stop;

/// How many peers are taken with one hold of the lock, which an LDK callback may be waiting for:
/// well below a millisecond's worth.
const PEERS_PER_LOCK: usize = 1_024;

/// How many peers' changes a batch carries at most: some 50 MB.
const PEERS_PER_BATCH: usize = 131_072;

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) timeout: Duration,
    pub(crate) stop: Stop,
    pulse: Duration,
    /// A store that is too slow for its timeout gets smaller batches, or it would never get on.
    peers_per_batch: usize,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        timeout: Duration,
        stop: Stop,
        pulse: Duration,
    ) -> Self {
        Self { shared, store, timeout, stop, pulse, peers_per_batch: PEERS_PER_BATCH }
    }

    /// Stores everything that was recorded before this call, and that we observed until then.
    ///
    /// After an error the changes that were not stored are dirty again.
    pub(crate) async fn commit(&mut self) -> Result<(), CommitError> {
        // Of this moment: what is dirty now goes along, so everything before `at` is going to be
        // stored. What comes while we are at it is for the next commit.
        let (mut left, at, record) = {
            let mut state = self.shared.lock();
            let at = self.shared.now(&mut state);
            (state.tracker.begin_commit(), at, state.tracker.observer_record(at))
        };
        loop {
            let peers = left.min(self.peers_per_batch);
            left -= peers;
            let mut taken = Taken::new(Arc::clone(&self.shared));
            taken.take(peers).await;
            let batch = taken.batch((left == 0).then_some(record));
            self.store_one(batch).await?;
            taken.arrived();
            if left == 0 {
                self.shared.notes().store.last_heartbeat = Some(at);
                return Ok(());
            }
        }
    }

    pub(crate) async fn store_one(&mut self, batch: Arc<Batch>) -> Result<(), CommitError> {
        let peers = batch.changes.peers.len();
        self.shared.notes().store.in_flight =
            Some(InFlightCommit { started_at: self.shared.clock.now(), peers });
        let began = Instant::now();
        // Also where this future is dropped halfway.
        let _answered = InFlightGuard(&self.shared);
        let result = tokio::select! {
            biased;
            result = self.store.commit(&self.shared.observer, batch) => {
                result.map_err(|err| CommitError::Store(Arc::new(err)))
            }
            () = tokio::time::sleep(self.timeout) => Err(CommitError::TimedOut(self.timeout)),
            after = self.stop.deadline() => Err(CommitError::TimedOut(after)),
            // A store that is slow is not a process that was held up.
            never = pulse(&self.shared, self.pulse) => match never {},
        };
        match &result {
            Ok(()) => {
                self.peers_per_batch = self.peers_per_batch.saturating_mul(2).min(PEERS_PER_BATCH);
            }
            Err(CommitError::TimedOut(_)) => self.peers_per_batch = (peers / 2).max(1),
            Err(CommitError::Store(_)) => {}
        }
        self.note(&result, peers, began.elapsed());
        result
    }

    fn note(&self, result: &Result<(), CommitError>, peers: usize, took: Duration) {
        let now = self.shared.clock.now();
        let mut notes = self.shared.notes();
        let store = &mut notes.store;
        match result {
            Ok(()) => {
                store.commits += 1;
                store.commit_durations.took(took);
                store.last_commit = Some(now);
                let failed = std::mem::take(&mut store.consecutive_failures);
                drop(notes);
                if failed > 0 {
                    tracing::info!(failed, peers, "the store takes changes again");
                }
                tracing::debug!(peers, "stored");
            }
            Err(err) => {
                let error = crate::FlushError::from(err.clone()).to_string();
                let is_news = store.consecutive_failures == 0
                    || store.last_error.as_ref().is_none_or(|last| last.error != error);
                store.failures += 1;
                store.consecutive_failures += 1;
                let failed = store.consecutive_failures;
                let transient = err.is_transient();
                store.last_error = Some(StoreFailure { at: now, error: error.clone(), transient });
                drop(notes);
                // The same again and again is in the health, and would only fill the log.
                if is_news {
                    tracing::warn!(error, transient, failed, peers, "not stored; kept, and tried again");
                }
            }
        }
    }
}

/// Signs of life while something else is waited for.
async fn pulse(shared: &Shared, period: Duration) -> Infallible {
    loop {
        tokio::time::sleep(period).await;
        shared.pulse();
    }
}

struct InFlightGuard<'a>(&'a Shared);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.notes().store.in_flight = None;
    }
}

/// Changes on their way to the store, which are put back unless they arrive: after an error, a
/// timeout, and where the task is aborted in between.
struct Taken {
    shared: Arc<Shared>,
    batch: Arc<Batch>,
    stored: bool,
}

impl Taken {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, batch: Arc::default(), stored: false }
    }

    /// Takes the changes of the next `peers` peers, and lets others at the lock in between.
    async fn take(&mut self, peers: usize) {
        let mut left = peers;
        loop {
            let some = left.min(PEERS_PER_LOCK);
            left -= some;
            // Nobody else has it yet, so nothing is cloned.
            let changes = &mut Arc::make_mut(&mut self.batch).changes;
            if !self.shared.lock().tracker.drain_changes(some, changes) || left == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn batch(&mut self, observer: Option<fitness_core::ObserverRecord>) -> Arc<Batch> {
        Arc::make_mut(&mut self.batch).observer = observer;
        Arc::clone(&self.batch)
    }

    fn arrived(mut self) {
        self.stored = true;
        for segments in self.batch.changes.segments.chunks(PEERS_PER_LOCK) {
            let some = UnsavedChanges { segments: segments.to_vec(), ..UnsavedChanges::default() };
            self.shared.lock().tracker.mark_stored(&some);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.stored {
            return;
        }
        let UnsavedChanges { forgotten_peers: forgotten, peers, gaps, .. } = &self.batch.changes;
        let rest = UnsavedChanges {
            forgotten_peers: forgotten.clone(),
            gaps: gaps.clone(),
            ..UnsavedChanges::default()
        };
        self.shared.lock().tracker.requeue(&rest);
        for peers in peers.chunks(PEERS_PER_LOCK) {
            let some = UnsavedChanges { peers: peers.to_vec(), ..UnsavedChanges::default() };
            self.shared.lock().tracker.requeue(&some);
        }
    }
}
