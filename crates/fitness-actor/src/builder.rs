//! Starting the service.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::{Event, HashSeed, NodeId, Snapshot, Tracker, TrackerConfig};
use fitness_store::Store;
use tokio::sync::mpsc;

use crate::clock::{ServiceClock, nanos};
use crate::commit::Committer;
use crate::load;
use crate::shared::Shared;
use crate::task::{Task, Timing};
use crate::{Clock, Service, StartError, SystemClock, stop};

/// How many flushes wait to be taken up before those who ask for more wait as well.
const FLUSH_QUEUE: usize = 64;

/// More than this many changes are never kept for a subscriber.
const MAX_SUBSCRIPTION_CAPACITY: usize = 1 << 20;

/// How the service is to behave.
#[must_use = "nothing runs until `start`"]
pub struct ServiceBuilder {
    observer: NodeId,
    store: Arc<dyn Store>,
    config: TrackerConfig,
    commit_delay: Option<Duration>,
    stall_check_interval: Duration,
    heartbeat_interval: Duration,
    maintenance_interval: Duration,
    commit_timeout: Duration,
    shutdown_timeout: Duration,
    retry_backoff: (Duration, Duration),
    subscription_capacity: usize,
    snapshot: Option<Snapshot>,
    clock: Option<Arc<dyn Clock>>,
}

impl ServiceBuilder {
    pub(crate) fn new(observer: NodeId, store: Arc<dyn Store>) -> Self {
        Self {
            observer,
            store,
            config: TrackerConfig::default(),
            commit_delay: None,
            stall_check_interval: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(60),
            maintenance_interval: Duration::from_secs(24 * 3600),
            commit_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
            retry_backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            subscription_capacity: 1_024,
            snapshot: None,
            clock: None,
        }
    }

    /// How the tracker behaves: ours, or lnd's.
    pub fn tracker(self, config: TrackerConfig) -> Self {
        Self { config, ..self }
    }

    /// How long after the first change it is stored, together with all that came until then.
    ///
    /// It is also what a crash can lose. The default is the tracker's: one second, with the lnd
    /// presets an hour.
    pub fn commit_delay(self, delay: Duration) -> Self {
        Self { commit_delay: Some(delay), ..self }
    }

    /// How often an idle service notes down that it still observes; the default is a minute, the
    /// least a tenth of a second.
    ///
    /// After a crash the time since the last note counts as unobserved.
    pub fn heartbeat(self, period: Duration) -> Self {
        Self { heartbeat_interval: period.max(Duration::from_millis(100)), ..self }
    }

    /// How often the service gives itself a sign of life; the default is 5 s, the least 50 ms.
    ///
    /// Where twice as much passes without one, by the monotonic clock or the wall clock, we were
    /// suspended, stopped or starved, and the time since the last one counts as unobserved. So a
    /// process that is held up for less than one period is never found out, and one that is for more
    /// than two always.
    pub fn pulse(self, period: Duration) -> Self {
        Self { stall_check_interval: period.max(Duration::from_millis(50)), ..self }
    }

    /// How often old logs are thinned and peers that left long ago are let go, as the tracker's
    /// [`Retention`](fitness_core::Retention) says; the default is a day, the least a second. The first
    /// time is ten minutes after the start, where that is sooner.
    pub fn upkeep(self, period: Duration) -> Self {
        Self { maintenance_interval: period.max(Duration::from_secs(1)), ..self }
    }

    /// How long the store may take for a commit before it is given up and tried again; the default
    /// is 30 s.
    pub fn commit_timeout(self, timeout: Duration) -> Self {
        Self { commit_timeout: timeout, ..self }
    }

    /// How long [`Service::shutdown`] may take; the default is 10 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown_timeout: timeout, ..self }
    }

    /// How long to wait after a commit that failed, and after many: the wait doubles with each.
    /// The default is 1 s and 60 s, the least a hundredth of a second.
    pub fn retry(self, first: Duration, longest: Duration) -> Self {
        let first = first.max(Duration::from_millis(10));
        Self { retry_backoff: (first, longest.max(first)), ..self }
    }

    /// How many changes are kept for a subscriber that is slow, up to a million; the default is 1,024.
    pub fn subscription_capacity(self, changes: usize) -> Self {
        Self { subscription_capacity: changes.clamp(1, MAX_SUBSCRIPTION_CAPACITY), ..self }
    }

    /// What is open and connected, to be reconciled with what was stored before anybody can ask.
    ///
    /// Where this cannot be had before the start, record it as the first event.
    pub fn snapshot(self, snapshot: Snapshot) -> Self {
        Self { snapshot: Some(snapshot), ..self }
    }

    /// Where time comes from; the default is [`SystemClock`].
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Loads what was stored, and starts the service's task on the present tokio runtime, whose
    /// time driver has to be enabled.
    ///
    /// Nothing is written yet. The observer is claimed until the service has stopped: a second service
    /// for the same node is refused, as far as the store can tell. Between the last heartbeat of the process before and now nothing
    /// was observed.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing was changed then.
    pub async fn start(self) -> Result<Service, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|source| StartError::Random { source })?;
        let config = match self.commit_delay {
            Some(delay) => self.config.with_commit_delay_ns(nanos(delay)),
            None => self.config,
        };

        let claim = self.store.claim(&self.observer).await.map_err(|source| StartError::Claim { source })?;
        let mut tracker = Tracker::new(config, HashSeed(seed));
        load::load(&self.store, self.observer, &mut tracker)
            .await
            .map_err(|source| StartError::Load { source })?;

        let clock = ServiceClock::start(self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())));
        let started_at = clock.started_at();
        tracker.advance(started_at);
        if let Some(snapshot) = self.snapshot {
            tracker.apply(started_at, &Event::Snapshot(snapshot));
        }
        tracing::info!(
            observer = %self.observer,
            peers = tracker.peer_count(),
            channels = tracker.channel_count(),
            "started"
        );

        let (flushes, requests) = mpsc::channel(FLUSH_QUEUE);
        let commit_delay = self.commit_delay.unwrap_or(Duration::from_secs(1));
        let shared = Arc::new(Shared::new(
            self.observer,
            tracker,
            clock,
            &self.store,
            flushes,
            commit_delay,
            self.subscription_capacity,
            self.stall_check_interval,
        ));
        let (stopper, stop) = stop::channel();
        let committer = Committer::new(
            Arc::clone(&shared),
            self.store,
            self.commit_timeout,
            stop.clone(),
            self.stall_check_interval,
        );
        let (retry_min, retry_max) = self.retry_backoff;
        let timing = Timing {
            pulse: self.stall_check_interval,
            heartbeat: self.heartbeat_interval,
            upkeep: self.maintenance_interval,
            retry_min,
            retry_max,
        };
        let task = Task::new(Arc::clone(&shared), committer, claim, requests, stop, timing);
        let task = runtime.spawn(task.run());
        Ok(Service::new(shared, stopper, self.shutdown_timeout, task))
    }
}

impl std::fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceBuilder").field("observer", &self.observer).finish_non_exhaustive()
    }
}
