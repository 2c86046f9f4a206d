//! The task of the service: waits for the next deadline, and stores changes.

use std::sync::Arc;
use std::time::Duration;

use fitness_store::Claim;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::FlushError;
use crate::commit::Committer;
use crate::health::CommitError;
use crate::maintenance::Maintenance;
use crate::shared::{FlushRequest, Shared};
use crate::shutdown_signal::{ShutdownSignal, from_now};

/// The intervals of the task; see [`ServiceBuilder`](crate::ServiceBuilder).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    pub(crate) stall_check: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) maintenance: Duration,
    pub(crate) retry_min: Duration,
    pub(crate) retry_max: Duration,
}

/// The longest time from the start to the first maintenance run.
const MAX_FIRST_MAINTENANCE_DELAY: Duration = Duration::from_secs(600);

/// The pause between two steps of a maintenance run, which is never urgent.
const MAINTENANCE_PAUSE: Duration = Duration::from_millis(50);

/// The first delay between two attempts of the last flush.
const FINAL_RETRY_MIN: Duration = Duration::from_millis(100);

pub(crate) struct Task {
    shared: Arc<Shared>,
    committer: Committer,
    flush_requests: mpsc::Receiver<FlushRequest>,
    shutdown: ShutdownSignal,
    intervals: Intervals,
    /// When the unsaved changes will be stored; `None` if there are none.
    commit_at: Option<Instant>,
    /// When the reconnect grace period of a peer ends; `None` if none is running.
    grace_ends_at: Option<Instant>,
    stall_check_at: Instant,
    /// When to write a heartbeat, unless changes are waiting to be stored.
    heartbeat_at: Instant,
    maintenance_at: Instant,
    maintenance: Maintenance,
    /// When to retry after a failed commit; `None` if the last commit succeeded.
    retry_at: Option<Instant>,
    /// The delay before the retry after the next failure.
    retry_delay: Duration,
    /// Marks the service as stopped however the task ends: by returning, by a panic or by being dropped.
    _stopped: StoppedGuard,
    /// Keeps the observer claimed until the task has ended.
    _claim: Claim,
}

impl Task {
    pub(crate) fn new(
        shared: Arc<Shared>,
        committer: Committer,
        claim: Claim,
        flush_requests: mpsc::Receiver<FlushRequest>,
        shutdown: ShutdownSignal,
        intervals: Intervals,
    ) -> Self {
        // Changes made at start may have times of the previous process. Do not treat them as overdue.
        let commit_at = shared.lock().tracker.is_dirty().then(|| from_now(shared.commit_delay));
        let grace_ends_at = shared.time_until_grace_ends().map(from_now);
        Self {
            _stopped: StoppedGuard(Arc::clone(&shared)),
            _claim: claim,
            shared,
            committer,
            flush_requests,
            shutdown,
            intervals,
            commit_at,
            grace_ends_at,
            stall_check_at: from_now(intervals.stall_check),
            heartbeat_at: from_now(intervals.heartbeat),
            // Not during the start of the wallet, but early enough for a wallet that is restarted every day.
            maintenance_at: from_now(intervals.maintenance.min(MAX_FIRST_MAINTENANCE_DELAY)),
            maintenance: Maintenance::default(),
            retry_at: None,
            retry_delay: intervals.retry_min,
        }
    }

    /// Runs until the shutdown signal, and then stores the last changes. Returns the error that prevented
    /// that.
    pub(crate) async fn run(mut self) -> Result<(), FlushError> {
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = self.shutdown.received() => break,
                Some(request) = self.flush_requests.recv() => self.flush(request).await,
                () = self.shared.wake.notified() => self.update_schedule(),
                () = tokio::time::sleep_until(wake_at) => self.run_due_work().await,
            }
            self.shared.status().wakeups += 1;
        }
        self.finish().await
    }

    fn wake_at(&self) -> Instant {
        let next = self.retry_at.or(self.commit_at).unwrap_or(self.heartbeat_at);
        let next = self.grace_ends_at.map_or(next, |grace_ends_at| next.min(grace_ends_at));
        next.min(self.heartbeat_at).min(self.stall_check_at).min(self.maintenance_at)
    }

    fn update_schedule(&mut self) {
        self.commit_at = self.shared.time_until_commit().map(from_now);
        self.grace_ends_at = self.shared.time_until_grace_ends().map(from_now);
    }

    async fn run_due_work(&mut self) {
        let now = Instant::now();
        if now >= self.stall_check_at {
            self.shared.check_for_stall();
            self.stall_check_at = from_now(self.intervals.stall_check);
        }
        if self.grace_ends_at.is_some_and(|grace_ends_at| now >= grace_ends_at) {
            self.shared.advance();
            self.update_schedule();
        }
        let is_heartbeat_due = now >= self.heartbeat_at;
        if is_heartbeat_due {
            self.heartbeat_at = from_now(self.intervals.heartbeat);
        }
        let is_commit_due = match (self.retry_at, self.commit_at) {
            (Some(retry_at), _) => now >= retry_at,
            (None, Some(commit_at)) => now >= commit_at,
            // A heartbeat states that everything before it is stored. While changes wait, their commit is the
            // next heartbeat.
            (None, None) => is_heartbeat_due,
        };
        if is_commit_due {
            // The committer has logged the error and recorded it in the health.
            let _ = self.commit().await;
        }
        if now >= self.maintenance_at {
            let is_done = self.maintenance.run_step(&mut self.committer).await;
            self.maintenance_at =
                from_now(if is_done { self.intervals.maintenance } else { MAINTENANCE_PAUSE });
        }
    }

    async fn commit(&mut self) -> Result<(), CommitError> {
        let result = self.committer.commit(self.retry_delay).await;
        match &result {
            Ok(()) => {
                self.retry_at = None;
                self.retry_delay = self.intervals.retry_min;
                self.heartbeat_at = from_now(self.intervals.heartbeat);
            }
            Err(_) => {
                self.retry_at = Some(from_now(self.retry_delay));
                self.retry_delay = self.retry_delay.saturating_mul(2).min(self.intervals.retry_max);
            }
        }
        self.update_schedule();
        result
    }

    /// Stores all changes now, and replies to all callers that wait for that.
    async fn flush(&mut self, request: FlushRequest) {
        let mut requests = vec![request];
        while let Ok(request) = self.flush_requests.try_recv() {
            requests.push(request);
        }
        let result = if self.shared.lock().tracker.is_dirty() { self.commit().await } else { Ok(()) };
        reply(requests, &result.map_err(FlushError::from));
    }

    /// Stores the last changes. Retries until that succeeds or the shutdown deadline has passed.
    async fn finish(&mut self) -> Result<(), FlushError> {
        let mut retry_delay = FINAL_RETRY_MIN;
        let result = loop {
            let Err(error) = self.committer.commit(retry_delay).await else { break Ok(()) };
            let is_deadline_passed = tokio::select! {
                biased;
                _ = self.shutdown.deadline_passed() => true,
                () = tokio::time::sleep(retry_delay) => false,
            };
            if is_deadline_passed {
                break Err(FlushError::from(error));
            }
            retry_delay = retry_delay.saturating_mul(2);
        };
        self.flush_requests.close();
        let mut requests = Vec::new();
        while let Ok(request) = self.flush_requests.try_recv() {
            requests.push(request);
        }
        reply(requests, &result);
        result
    }
}

fn reply(requests: Vec<FlushRequest>, result: &Result<(), FlushError>) {
    for request in requests {
        // The caller may have stopped waiting.
        let _ = request.send(result.clone());
    }
}

struct StoppedGuard(Arc<Shared>);

impl Drop for StoppedGuard {
    fn drop(&mut self) {
        self.0.mark_stopped();
    }
}
