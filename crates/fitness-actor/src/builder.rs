//! Configures and starts the service.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::{Event, HashSeed, NodeId, Snapshot, Tracker, TrackerConfig};
use fitness_store::Store;
use tokio::sync::mpsc;

use crate::clock::{ServiceClock, nanos};
use crate::commit::Committer;
use crate::load;
use crate::shared::Shared;
use crate::task::{Intervals, Task};
use crate::{Clock, Service, StartError, SystemClock, shutdown_signal};

/// The number of flush requests that are queued before further callers of `flush` wait for a free place.
const FLUSH_QUEUE: usize = 64;

/// The maximum number of changes that are kept for a subscriber.
const MAX_SUBSCRIPTION_CAPACITY: usize = 1 << 20;

/// Configures a [`Service`] and starts it.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use fitness_actor::Service;
/// use fitness_core::NodeId;
/// use fitness_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default()))
///     .commit_delay(Duration::from_secs(60))
///     .heartbeat_interval(Duration::from_secs(300))
///     .start()
///     .await?;
/// # service.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "call `start` to start the service"]
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

    /// Sets the configuration of the tracker. Use a preset such as [`TrackerConfig::lnd_0_19`] to count like
    /// lnd.
    pub fn tracker(self, config: TrackerConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets how long changes are collected before they are stored together, counted from the first change.
    ///
    /// A crash loses at most this much. The default comes from the tracker's configuration: one second, or an
    /// hour with the lnd presets.
    pub fn commit_delay(self, delay: Duration) -> Self {
        Self { commit_delay: Some(delay), ..self }
    }

    /// Sets how often an idle service stores that it is still observing. The default is a minute, the minimum
    /// 100 ms.
    ///
    /// After a crash, the time since the last heartbeat counts as unobserved. Every commit is also a
    /// heartbeat.
    pub fn heartbeat_interval(self, interval: Duration) -> Self {
        Self { heartbeat_interval: interval.max(Duration::from_millis(100)), ..self }
    }

    /// Sets how often the service checks whether the process was suspended or stalled. The default is 5 s,
    /// the minimum 50 ms.
    ///
    /// If more than twice this interval passes without a check, an event or a query, by the monotonic clock
    /// or by the wall clock, the time since the last of these counts as unobserved. A stall that is shorter
    /// than the interval is never detected, and one that is longer than twice the interval always is.
    pub fn stall_check_interval(self, interval: Duration) -> Self {
        Self { stall_check_interval: interval.max(Duration::from_millis(50)), ..self }
    }

    /// Sets how often old history is downsampled and expired history deleted, as configured by the tracker's
    /// [`Retention`](fitness_core::Retention). The default is a day, the minimum a second.
    ///
    /// The first maintenance run starts after this interval, but at the latest ten minutes after the start.
    pub fn maintenance_interval(self, interval: Duration) -> Self {
        Self { maintenance_interval: interval.max(Duration::from_secs(1)), ..self }
    }

    /// Sets how long a commit may take before it is abandoned and retried. The default is 30 s.
    pub fn commit_timeout(self, timeout: Duration) -> Self {
        Self { commit_timeout: timeout, ..self }
    }

    /// Sets how long [`Service::shutdown`] may take to store the last changes. The default is 10 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown_timeout: timeout, ..self }
    }

    /// Sets the delay before a failed commit is retried: `min` after the first failure, doubled after each
    /// further failure up to `max`. The default is 1 s and 60 s. `min` is at least 10 ms.
    pub fn retry_backoff(self, min: Duration, max: Duration) -> Self {
        let min = min.max(Duration::from_millis(10));
        Self { retry_backoff: (min, max.max(min)), ..self }
    }

    /// Sets how many changes are kept for a slow [`Subscription`](crate::Subscription). The default is 1,024,
    /// the maximum about a million.
    pub fn subscription_capacity(self, changes: usize) -> Self {
        Self { subscription_capacity: changes.clamp(1, MAX_SUBSCRIPTION_CAPACITY), ..self }
    }

    /// Sets the channels that are open and the peers that are connected. [`ServiceBuilder::start`] reconciles
    /// the stored history with them before it returns.
    ///
    /// If they are not known before the start, record a snapshot as the first event instead.
    pub fn snapshot(self, snapshot: Snapshot) -> Self {
        Self { snapshot: Some(snapshot), ..self }
    }

    /// Sets the source of time. The default is [`SystemClock`].
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Loads the stored history and starts the service's task on the current tokio runtime, whose time driver
    /// must be enabled.
    ///
    /// Writes nothing to the history. Claims the observer until the service has stopped, so that the store
    /// can reject a second service for the same node. The time since the last heartbeat of the previous
    /// process counts as unobserved.
    ///
    /// # Errors
    ///
    /// Returns a [`StartError`] if the history cannot be claimed or loaded, or if there is no tokio runtime.
    /// Nothing was changed in that case.
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
        load::load_tracker(&self.store, self.observer, &mut tracker)
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
            "service started"
        );

        let (flush_sender, flush_requests) = mpsc::channel(FLUSH_QUEUE);
        let commit_delay = self.commit_delay.unwrap_or(Duration::from_secs(1));
        let shared = Arc::new(Shared::new(
            self.observer,
            tracker,
            clock,
            &self.store,
            flush_sender,
            commit_delay,
            self.subscription_capacity,
            self.stall_check_interval,
        ));
        let (shutdown_sender, shutdown) = shutdown_signal::channel();
        let committer = Committer::new(
            Arc::clone(&shared),
            self.store,
            self.commit_timeout,
            shutdown.clone(),
            self.stall_check_interval,
        );
        let (retry_min, retry_max) = self.retry_backoff;
        let intervals = Intervals {
            stall_check: self.stall_check_interval,
            heartbeat: self.heartbeat_interval,
            maintenance: self.maintenance_interval,
            retry_min,
            retry_max,
        };
        let task = Task::new(Arc::clone(&shared), committer, claim, flush_requests, shutdown, intervals);
        let task = runtime.spawn(task.run());
        Ok(Service::new(shared, shutdown_sender, self.shutdown_timeout, task))
    }
}

impl std::fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceBuilder").field("observer", &self.observer).finish_non_exhaustive()
    }
}
