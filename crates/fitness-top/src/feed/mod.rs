//! Asks the source for what is seen, follows what happens, and finds it again when it is gone.

mod ask;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Health;
use crate::model::{News, Wants};
use crate::source::{self, Source, SourceError};

/// How many strips are asked for before something that is more urgent.
const STRIPS_AT_A_TIME: usize = 16;

/// How long changes are gathered before they are asked about.
const GATHER: Duration = Duration::from_millis(100);

/// From so many peers with changes on, all are asked about at once.
const MANY: usize = 24;

/// How often all is asked for, whatever happens; a page; and a strip. Numbers in between are worked out.
const ALL_EVERY: Duration = Duration::from_secs(60);
const PAGE_EVERY: Duration = Duration::from_secs(15);
const STRIP_EVERY: Duration = Duration::from_secs(300);

/// How often is asked where there is no live stream.
const POLL_EVERY: Duration = Duration::from_secs(5);

/// How long is never, for a clock.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The longest that is waited before a service that is gone is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Feed {
    source: Source,
    wants: watch::Receiver<Wants>,
    told: mpsc::Sender<News>,
    /// The service's clock, and when it was read.
    clock: (Timestamp, Instant),
    /// Whether time stands still there, as in a store that no service runs on.
    at_rest: bool,
    /// Whether anything can change.
    is_running: bool,
    /// Peers that are not any more as they were told, and since when there are some.
    changed: BTreeSet<NodeId>,
    changed_at: Option<Instant>,
    /// When all is to be asked for again, and may be.
    all_due: Instant,
    all_from: Instant,
    refreshed: u32,
    /// What was asked for, and when.
    page: Option<((NodeId, StandardWindow), Instant)>,
    strips: HashMap<NodeId, (u16, Instant)>,
    /// Whether it is told what happens, and whether it was told since the source was found.
    is_streamed: bool,
    live_since: Option<Instant>,
}

/// Why nothing more is told.
enum Stopped {
    /// Nobody listens.
    Over,
    /// Perhaps there is a stream by now.
    Again,
    Lost(SourceError),
}

impl From<SourceError> for Stopped {
    fn from(failure: SourceError) -> Self {
        Self::Lost(failure)
    }
}

impl Feed {
    pub(crate) fn new(source: Source, wants: watch::Receiver<Wants>, told: mpsc::Sender<News>) -> Self {
        let now = Instant::now();
        Self {
            source,
            wants,
            told,
            clock: (Timestamp::EPOCH, now),
            at_rest: false,
            is_running: true,
            changed: BTreeSet::new(),
            changed_at: None,
            all_due: now,
            all_from: now,
            refreshed: 0,
            page: None,
            strips: HashMap::new(),
            is_streamed: false,
            live_since: None,
        }
    }

    /// Tells what there is until nobody listens.
    pub(crate) async fn run(mut self) {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(PATIENCE)
            .with_jitter()
            .without_max_times();
        let mut delays = backoff.build();
        loop {
            self.live_since = None;
            let failure = match self.follow().await {
                Stopped::Lost(failure) => failure,
                Stopped::Again => continue,
                Stopped::Over => return,
            };
            // One that comes and goes is not asked for all it has each time it does.
            if self.live_since.is_some_and(|since| since.elapsed() > PATIENCE) {
                delays = backoff.build();
            }
            let lost = News::Lost { silent_ns: nanos(failure.silence()), why: failure.to_string() };
            if self.told.send(lost).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(delays.next().unwrap_or(PATIENCE)) => {}
                () = self.told.closed() => return,
            }
        }
    }

    /// Tells all there is, and then what changes, until that ends.
    async fn follow(&mut self) -> Stopped {
        match self.followed().await {
            Ok(never) => match never {},
            Err(stopped) => stopped,
        }
    }

    async fn followed(&mut self) -> Result<Infallible, Stopped> {
        // The stream comes first: whoever has that and then asks misses nothing.
        let mut changes: BoxStream<'static, source::News> = match self.source.changes().await {
            Ok(changes) => {
                self.is_streamed = true;
                changes
            }
            // It is there and tells nothing by itself: too many listen, or something between keeps it back.
            Err(failure) if failure.is_answer() && !matches!(failure, SourceError::Unauthorized) => {
                self.is_streamed = false;
                stream::pending().boxed()
            }
            Err(failure) => return Err(failure.into()),
        };
        self.strips.clear();
        self.page = None;
        self.tell_all().await?;
        self.tell(News::Live { at: self.now() }).await?;
        let now = Instant::now();
        self.live_since = Some(now);
        let mut look_at = now + if self.is_running { ALL_EVERY } else { POLL_EVERY };
        if !self.is_running {
            // What does not run has no news, and ends its stream at once.
            changes = stream::pending().boxed();
        }
        let looks = self.source.is_remote() && !(self.is_running && self.is_streamed);
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                news = changes.next() => self.hear(news)?,
                wanted = self.wants.changed() => wanted.map_err(|_| Stopped::Over)?,
                () = self.told.closed() => return Err(Stopped::Over),
                () = sleep_until(look_at), if looks => {
                    self.look().await?;
                    look_at = Instant::now() + POLL_EVERY;
                }
                () = sleep_until(due) => self.work().await?,
            }
        }
    }

    /// Whether it is still there, and by now there may be more to follow.
    async fn look(&self) -> Result<(), Stopped> {
        let health: Health = self.source.get("health").await?;
        if health.running { Err(Stopped::Again) } else { Ok(()) }
    }

    fn hear(&mut self, news: Option<source::News>) -> Result<(), Stopped> {
        let now = Instant::now();
        match news {
            Some(source::News::Change(changed)) => match changed.who() {
                Some(node_id) => {
                    self.changed.insert(node_id);
                    self.changed_at.get_or_insert(now);
                }
                None => self.all_changed(now),
            },
            Some(source::News::Missed) => self.all_changed(now),
            Some(source::News::Broke(failure)) => return Err(failure.into()),
            None => return Err(Stopped::Again),
        }
        Ok(())
    }

    fn all_changed(&mut self, now: Instant) {
        self.all_due = now.max(self.all_from);
        self.strips.clear();
        self.page = None;
    }

    /// Those that changed; their strips and their page are to be asked for again.
    fn take_changed(&mut self) -> BTreeSet<NodeId> {
        self.changed_at = None;
        let changed = std::mem::take(&mut self.changed);
        for node_id in &changed {
            self.strips.remove(node_id);
            self.page.take_if(|((told, _), _)| told == node_id);
        }
        changed
    }

    /// When there is something to ask for.
    fn due(&self) -> Instant {
        let wants = self.wants.borrow();
        let now = Instant::now();
        if wants.refreshed != self.refreshed {
            return now;
        }
        let mut due = self.all_due;
        if let Some(since) = self.changed_at {
            due = due.min(since + GATHER);
        }
        if let Some(wanted) = wants.page {
            due = due.min(self.page_due(wanted).unwrap_or(now));
        }
        let strips = wants.strips.iter().map(|node_id| self.strip_due(node_id, wants.hours).unwrap_or(now));
        strips.min().map_or(due, |strip| strip.min(due))
    }

    /// When a page is to be asked for again; none where it never was.
    fn page_due(&self, wanted: (NodeId, StandardWindow)) -> Option<Instant> {
        let (_, asked_at) = self.page.filter(|(told, _)| *told == wanted)?;
        Some(asked_at + self.every(PAGE_EVERY))
    }

    fn strip_due(&self, node_id: &NodeId, hours: u16) -> Option<Instant> {
        let (_, asked_at) = self.strips.get(node_id).filter(|(told, _)| *told >= hours)?;
        Some(*asked_at + self.every(STRIP_EVERY))
    }

    /// How often something is asked for: never again where nothing changes.
    const fn every(&self, usual: Duration) -> Duration {
        if self.is_running { usual } else { NEVER }
    }

    /// Asks for what is needed most.
    async fn work(&mut self) -> Result<(), Stopped> {
        let wants = self.wants.borrow().clone();
        let now = Instant::now();
        if let Some((node_id, span)) = wants.page
            && self.page_due((node_id, span)).is_none_or(|due| due <= now)
        {
            return self.tell_page(node_id, span).await;
        }
        if self.changed.len() > MANY {
            self.all_due = self.all_due.min(now.max(self.all_from));
        }
        if wants.refreshed != self.refreshed {
            self.refreshed = wants.refreshed;
            self.all_changed(now);
            self.all_due = now;
        }
        if self.all_due <= now {
            return self.tell_all().await;
        }
        if self.changed_at.is_some_and(|since| since + GATHER <= now) && self.changed.len() <= MANY {
            return self.tell_changed().await;
        }
        if self.changed.len() > MANY {
            // They are asked for with all the others, as soon as that may be.
            self.changed_at = None;
        }
        let is_due = |node_id: &&NodeId| self.strip_due(node_id, wants.hours).is_none_or(|due| due <= now);
        let due: Vec<NodeId> = wants.strips.iter().filter(is_due).take(STRIPS_AT_A_TIME).copied().collect();
        self.tell_strips(due, wants.hours).await
    }

    /// What the service's clock reads by now.
    fn now(&self) -> Timestamp {
        let (at, read) = self.clock;
        if self.at_rest { at } else { at.after_nanos(nanos(read.elapsed())) }
    }

    async fn tell(&self, news: News) -> Result<(), Stopped> {
        self.told.send(news).await.map_err(|_| Stopped::Over)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
