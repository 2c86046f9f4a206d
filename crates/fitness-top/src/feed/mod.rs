//! Fetches the data that is visible, follows changes, and reconnects when the source becomes unreachable.

mod fetch;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Health;
use crate::model::{DataNeeds, FeedUpdate};
use crate::source::{ChangeEvent, Source, SourceError};

/// How many strips are fetched before more urgent data gets its turn.
const STRIP_BATCH: usize = 16;

/// How long changes are collected before the changed peers are fetched.
const CHANGE_DELAY: Duration = Duration::from_millis(100);

/// If more peers than this changed, all peers are fetched.
const MAX_CHANGED_PEERS: usize = 24;

/// How often a snapshot, a page and a strip are fetched without any change. The model extrapolates in
/// between.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(60);
const PAGE_INTERVAL: Duration = Duration::from_secs(15);
const STRIP_INTERVAL: Duration = Duration::from_secs(300);

/// How often a snapshot is fetched without a live stream.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// An interval that never ends in practice.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The longest delay before an unreachable service is contacted again. A connection that lasted longer than
/// this resets the delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

pub(crate) struct Feed {
    source: Source,
    needs: watch::Receiver<DataNeeds>,
    updates: mpsc::Sender<FeedUpdate>,
    /// The service's clock, and when it was read.
    clock: (Timestamp, Instant),
    /// Whether the source is stored history, whose time does not advance.
    is_archive: bool,
    /// Whether the service runs, so that its data can change.
    is_running: bool,
    /// The peers that changed since they were fetched, and when the first of them changed.
    changed: BTreeSet<NodeId>,
    changed_at: Option<Instant>,
    /// When the next snapshot is due, and the earliest time for it.
    snapshot_due: Instant,
    snapshot_not_before: Instant,
    /// The last refresh request that was handled.
    refresh_count: u32,
    /// The page and the strips that were fetched, and when.
    page: Option<((NodeId, StandardWindow), Instant)>,
    strips: HashMap<NodeId, (u16, Instant)>,
    /// Whether the source has a live stream.
    is_streaming: bool,
    /// Since when the feed is connected.
    connected_at: Option<Instant>,
}

/// Why the feed stopped following the source.
enum Stop {
    /// The receiver of the updates is gone.
    ReceiverClosed,
    /// The stream ended, or the service started: connect again.
    Reconnect,
    Failed(SourceError),
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl Feed {
    pub(crate) fn new(
        source: Source,
        needs: watch::Receiver<DataNeeds>,
        updates: mpsc::Sender<FeedUpdate>,
    ) -> Self {
        let now = Instant::now();
        Self {
            source,
            needs,
            updates,
            clock: (Timestamp::EPOCH, now),
            is_archive: false,
            is_running: true,
            changed: BTreeSet::new(),
            changed_at: None,
            snapshot_due: now,
            snapshot_not_before: now,
            refresh_count: 0,
            page: None,
            strips: HashMap::new(),
            is_streaming: false,
            connected_at: None,
        }
    }

    /// Sends updates until the receiver is closed.
    pub(crate) async fn run(mut self) {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(MAX_RETRY_DELAY)
            .with_jitter()
            .without_max_times();
        let mut delays = backoff.build();
        loop {
            self.connected_at = None;
            let error = match self.follow().await {
                Ok(never) => match never {},
                Err(Stop::Failed(error)) => error,
                Err(Stop::Reconnect) => continue,
                Err(Stop::ReceiverClosed) => return,
            };
            // Each connection fetches a whole snapshot, so an unstable source must not reset the delay.
            if self.connected_at.is_some_and(|at| at.elapsed() > MAX_RETRY_DELAY) {
                delays = backoff.build();
            }
            let idle_ns = nanos(error.idle_for());
            let disconnected = FeedUpdate::Disconnected { idle_ns, reason: error.to_string() };
            if self.updates.send(disconnected).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(delays.next().unwrap_or(MAX_RETRY_DELAY)) => {}
                () = self.updates.closed() => return,
            }
        }
    }

    /// Sends a snapshot, and then the changes and the data that the view needs.
    async fn follow(&mut self) -> Result<Infallible, Stop> {
        // The stream is opened before the snapshot is fetched, so no change is missed.
        let mut changes: BoxStream<'static, ChangeEvent> = match self.source.changes().await {
            Ok(changes) => {
                self.is_streaming = true;
                changes
            }
            // The service responds but has no stream: it has too many already, or a proxy blocks streams.
            Err(error) if error.is_response() && !matches!(error, SourceError::Unauthorized) => {
                self.is_streaming = false;
                stream::pending().boxed()
            }
            Err(error) => return Err(error.into()),
        };
        self.strips.clear();
        self.page = None;
        self.fetch_snapshot().await?;
        self.send(FeedUpdate::Connected { at: self.now() }).await?;
        let now = Instant::now();
        self.connected_at = Some(now);
        let mut health_check_due = now + if self.is_running { SNAPSHOT_INTERVAL } else { POLL_INTERVAL };
        if !self.is_running {
            // A service that does not run has no changes, and closes its stream at once.
            changes = stream::pending().boxed();
        }
        let checks_health = self.source.is_remote() && !(self.is_running && self.is_streaming);
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                event = changes.next() => self.handle_change(event)?,
                needs = self.needs.changed() => needs.map_err(|_| Stop::ReceiverClosed)?,
                () = self.updates.closed() => return Err(Stop::ReceiverClosed),
                () = sleep_until(health_check_due), if checks_health => {
                    self.check_health().await?;
                    health_check_due = Instant::now() + POLL_INTERVAL;
                }
                () = sleep_until(due) => self.fetch_next().await?,
            }
        }
    }

    /// Checks that the service still responds. Reconnects if it runs, because it may have a stream by now.
    async fn check_health(&self) -> Result<(), Stop> {
        let health: Health = self.source.get("health").await?;
        if health.running { Err(Stop::Reconnect) } else { Ok(()) }
    }

    fn handle_change(&mut self, event: Option<ChangeEvent>) -> Result<(), Stop> {
        let now = Instant::now();
        match event {
            Some(ChangeEvent::Change(change)) => match change.peer() {
                Some(node_id) => {
                    self.changed.insert(node_id);
                    self.changed_at.get_or_insert(now);
                }
                None => self.invalidate_all(now),
            },
            Some(ChangeEvent::Lagged) => self.invalidate_all(now),
            Some(ChangeEvent::Failed(error)) => return Err(error.into()),
            None => return Err(Stop::Reconnect),
        }
        Ok(())
    }

    fn invalidate_all(&mut self, now: Instant) {
        self.snapshot_due = now.max(self.snapshot_not_before);
        self.strips.clear();
        self.page = None;
    }

    /// Removes and returns the changed peers. Their strips and pages have to be fetched again.
    fn take_changed(&mut self) -> BTreeSet<NodeId> {
        self.changed_at = None;
        let changed = std::mem::take(&mut self.changed);
        for node_id in &changed {
            self.strips.remove(node_id);
            self.page.take_if(|((fetched, _), _)| fetched == node_id);
        }
        changed
    }

    /// Returns when the next fetch is due.
    fn next_due(&self) -> Instant {
        let needs = self.needs.borrow();
        let now = Instant::now();
        if needs.refresh_count != self.refresh_count {
            return now;
        }
        let mut due = self.snapshot_due;
        if let Some(changed_at) = self.changed_at {
            due = due.min(changed_at + CHANGE_DELAY);
        }
        if let Some(page) = needs.page {
            due = due.min(self.page_due(page).unwrap_or(now));
        }
        let strips =
            needs.strips.iter().map(|node_id| self.strip_due(node_id, needs.strip_hours).unwrap_or(now));
        strips.min().map_or(due, |strip| strip.min(due))
    }

    /// Returns when a page has to be fetched again, or `None` if it was not fetched yet.
    fn page_due(&self, page: (NodeId, StandardWindow)) -> Option<Instant> {
        let (_, fetched_at) = self.page.filter(|(fetched, _)| *fetched == page)?;
        Some(fetched_at + self.interval(PAGE_INTERVAL))
    }

    /// Returns when a strip has to be fetched again, or `None` if it was not fetched yet or is too short.
    fn strip_due(&self, node_id: &NodeId, hours: u16) -> Option<Instant> {
        let (_, fetched_at) = self.strips.get(node_id).filter(|(fetched, _)| *fetched >= hours)?;
        Some(*fetched_at + self.interval(STRIP_INTERVAL))
    }

    /// Returns `usual`, or an endless interval if the data cannot change.
    const fn interval(&self, usual: Duration) -> Duration {
        if self.is_running { usual } else { FOREVER }
    }

    /// Fetches the most urgent data that is due.
    async fn fetch_next(&mut self) -> Result<(), Stop> {
        let needs = self.needs.borrow().clone();
        let now = Instant::now();
        if let Some((node_id, window)) = needs.page
            && self.page_due((node_id, window)).is_none_or(|due| due <= now)
        {
            return self.fetch_page(node_id, window).await;
        }
        if self.changed.len() > MAX_CHANGED_PEERS {
            self.snapshot_due = self.snapshot_due.min(now.max(self.snapshot_not_before));
        }
        if needs.refresh_count != self.refresh_count {
            self.refresh_count = needs.refresh_count;
            self.invalidate_all(now);
            self.snapshot_due = now;
        }
        if self.snapshot_due <= now {
            return self.fetch_snapshot().await;
        }
        let is_change_due = self.changed_at.is_some_and(|at| at + CHANGE_DELAY <= now);
        if is_change_due && self.changed.len() <= MAX_CHANGED_PEERS {
            return self.fetch_changed_peers().await;
        }
        if self.changed.len() > MAX_CHANGED_PEERS {
            // The next snapshot includes these peers.
            self.changed_at = None;
        }
        let is_due =
            |node_id: &&NodeId| self.strip_due(node_id, needs.strip_hours).is_none_or(|due| due <= now);
        let due: Vec<NodeId> = needs.strips.iter().filter(is_due).take(STRIP_BATCH).copied().collect();
        self.fetch_strips(due, needs.strip_hours).await
    }

    /// Returns the current time by the service's clock.
    fn now(&self) -> Timestamp {
        let (at, read_at) = self.clock;
        if self.is_archive { at } else { at.after_nanos(nanos(read_at.elapsed())) }
    }

    async fn send(&self, update: FeedUpdate) -> Result<(), Stop> {
        self.updates.send(update).await.map_err(|_| Stop::ReceiverClosed)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
