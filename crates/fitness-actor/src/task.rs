//! The task: waits for what comes first, and has it stored.

use std::sync::Arc;
use std::time::Duration;

use fitness_store::Claim;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::FlushError;
use crate::commit::Committer;
use crate::health::CommitError;
use crate::shared::{FlushRequest, Shared};
use crate::stop::{Stop, from_now};
use crate::upkeep::Upkeep;

/// How often the service does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) pulse: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) upkeep: Duration,
    pub(crate) retry_min: Duration,
    pub(crate) retry_max: Duration,
}

/// When the first upkeep begins at the latest.
const FIRST_UPKEEP: Duration = Duration::from_secs(600);

/// The wait between two parts of an upkeep: it is never urgent.
const UPKEEP_PAUSE: Duration = Duration::from_millis(50);

/// The wait between two tries of the last flush, at first.
const LAST_RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Task {
    shared: Arc<Shared>,
    committer: Committer,
    flushes: mpsc::Receiver<FlushRequest>,
    stop: Stop,
    timing: Timing,
    /// When the changes so far are to be stored; `None` while there are none.
    commit_at: Option<Instant>,
    /// When peers that were waited for count as offline; `None` while nobody is waited for.
    grace_at: Option<Instant>,
    /// When to see whether we were held up.
    pulse_at: Instant,
    /// When a heartbeat is to be written if all else is stored.
    heartbeat_at: Instant,
    /// When what is old is to be thinned and let go.
    upkeep_at: Instant,
    upkeep: Upkeep,
    /// After a failure: when to try again, and how long to wait should that fail, too.
    retry_at: Option<Instant>,
    retry_wait: Duration,
    /// However the task ends, by itself, by panic or by never being polled: the handles are to know.
    _stopped: StoppedGuard,
    /// Until nothing more is stored.
    _claim: Claim,
}

impl Task {
    pub(crate) fn new(
        shared: Arc<Shared>,
        committer: Committer,
        claim: Claim,
        flushes: mpsc::Receiver<FlushRequest>,
        stop: Stop,
        timing: Timing,
    ) -> Self {
        // What is there from the start is not late, whatever its times: they are the last process's.
        let commit_at = shared.lock().tracker.is_dirty().then(|| from_now(shared.commit_delay));
        let grace_at = shared.grace_ends_in().map(from_now);
        let heartbeat_at = from_now(timing.heartbeat);
        let retry_wait = timing.retry_min;
        Self {
            _stopped: StoppedGuard(Arc::clone(&shared)),
            _claim: claim,
            shared,
            committer,
            flushes,
            stop,
            timing,
            commit_at,
            grace_at,
            pulse_at: from_now(timing.pulse),
            heartbeat_at,
            // Not while a wallet starts; and one that is started daily is to get there.
            upkeep_at: from_now(timing.upkeep.min(FIRST_UPKEEP)),
            upkeep: Upkeep::default(),
            retry_at: None,
            retry_wait,
        }
    }

    /// Runs until the service is to stop, and returns what kept the last changes from being stored.
    pub(crate) async fn run(mut self) -> Result<(), FlushError> {
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                _ = self.stop.asked() => break,
                Some(request) = self.flushes.recv() => self.flush(request).await,
                () = self.shared.wake.notified() => self.plan(),
                () = tokio::time::sleep_until(wake_at) => self.on_time().await,
            }
            self.shared.notes().wakeups += 1;
        }
        self.finish().await
    }

    fn wake_at(&self) -> Instant {
        let next = self.retry_at.or(self.commit_at).unwrap_or(self.heartbeat_at);
        let next = self.grace_at.map_or(next, |grace_at| next.min(grace_at));
        next.min(self.heartbeat_at).min(self.pulse_at).min(self.upkeep_at)
    }

    /// There is something to store now, or somebody to wait for.
    fn plan(&mut self) {
        self.commit_at = self.shared.commit_in().map(from_now);
        self.grace_at = self.shared.grace_ends_in().map(from_now);
    }

    async fn on_time(&mut self) {
        let now = Instant::now();
        if now >= self.pulse_at {
            self.shared.pulse();
            self.pulse_at = from_now(self.timing.pulse);
        }
        if self.grace_at.is_some_and(|grace_at| now >= grace_at) {
            self.shared.advance();
            self.plan();
        }
        let beat = now >= self.heartbeat_at;
        if beat {
            self.heartbeat_at = from_now(self.timing.heartbeat);
        }
        let due = match (self.retry_at, self.commit_at) {
            (Some(retry_at), _) => now >= retry_at,
            (None, Some(commit_at)) => now >= commit_at,
            // A heartbeat says that everything until then is stored. While something is not, its
            // commit is the heartbeat.
            (None, None) => beat,
        };
        if due {
            // Why not is in the health and the log.
            let _ = self.commit().await;
        }
        if now >= self.upkeep_at {
            let is_done = self.upkeep.some(&mut self.committer).await;
            self.upkeep_at = from_now(if is_done { self.timing.upkeep } else { UPKEEP_PAUSE });
        }
    }

    async fn commit(&mut self) -> Result<(), CommitError> {
        let result = self.committer.commit().await;
        match &result {
            Ok(()) => {
                self.retry_at = None;
                self.retry_wait = self.timing.retry_min;
                self.heartbeat_at = from_now(self.timing.heartbeat);
            }
            Err(_) => {
                self.retry_at = Some(from_now(self.retry_wait));
                self.retry_wait = self.retry_wait.saturating_mul(2).min(self.timing.retry_max);
            }
        }
        self.plan();
        result
    }

    /// Stores all there is, now, for everybody who waits for it.
    async fn flush(&mut self, request: FlushRequest) {
        let mut requests = vec![request];
        while let Ok(request) = self.flushes.try_recv() {
            requests.push(request);
        }
        let result = if self.shared.lock().tracker.is_dirty() { self.commit().await } else { Ok(()) };
        answer(requests, &result.map_err(FlushError::from));
    }

    /// The last flush: tried until it succeeds, or its time is over.
    async fn finish(&mut self) -> Result<(), FlushError> {
        let mut wait = LAST_RETRY;
        let result = loop {
            let Err(err) = self.committer.commit().await else { break Ok(()) };
            let over = tokio::select! {
                biased;
                _ = self.stop.deadline() => true,
                () = tokio::time::sleep(wait) => false,
            };
            if over {
                break Err(FlushError::from(err));
            }
            wait = wait.saturating_mul(2);
        };
        self.flushes.close();
        let mut requests = Vec::new();
        while let Ok(request) = self.flushes.try_recv() {
            requests.push(request);
        }
        answer(requests, &result);
        result
    }
}

fn answer(requests: Vec<FlushRequest>, result: &Result<(), FlushError>) {
    for request in requests {
        // Whoever does not wait any more needs no answer.
        let _ = request.send(result.clone());
    }
}

struct StoppedGuard(Arc<Shared>);

impl Drop for StoppedGuard {
    fn drop(&mut self) {
        self.0.stopped();
    }
}
