//! A peer's history as a value that answers queries independently of the tracker.
//!
//! A tracker holds only the newest part of a peer's log. Together with the segments from the store, the
//! history is complete, and querying it does not require a lock on the tracker.

use alloc::vec::Vec;

use crate::clock::TrackerClock;
use crate::log::LogEntry;
use crate::presence_interval::{PresenceInterval, split_at_gaps};
use crate::stats::{OutageStats, WindowStats};
use crate::window::WindowCalculator;
use crate::{
    BucketWidth, Gap, Ledger, LogSegment, NodeId, Presence, StandardWindow, Timestamp, Totals, WindowReport,
};

/// The presence history of one peer, or a part of it.
///
/// [`Tracker::history`](crate::Tracker::history) returns the history since the peer was first tracked, and
/// [`Tracker::channel_history`](crate::Tracker::channel_history) the part since a channel was first
/// monitored. All timestamps use the wall clock as it was set when this value was created.
#[derive(Clone, Debug)]
pub struct PeerHistory {
    node_id: NodeId,
    /// The time at which the ledger began, with both totals at 0.
    ledger_start_ns: u64,
    /// Queries are limited to times at or after this one.
    start_ns: u64,
    now_ns: u64,
    /// All changes but the last, in chronological order.
    log: Vec<LogEntry>,
    /// Holds the last change.
    ledger: Ledger,
    clock: TrackerClock,
}

impl PeerHistory {
    /// Creates a history. Entries that are inconsistent with later ones are dropped, because newer entries
    /// are more reliable.
    pub(crate) fn new(
        node_id: NodeId,
        start_ns: u64,
        now_ns: u64,
        log: Vec<LogEntry>,
        ledger: Ledger,
        clock: TrackerClock,
    ) -> Self {
        let mut history = Self { node_id, ledger_start_ns: start_ns, start_ns, now_ns, log, ledger, clock };
        let (initial_entry, mut next) = (history.initial_entry(), ledger.last_change());
        let is_consistent_entry = |entry: &LogEntry| {
            let fits = is_consistent(&initial_entry, entry) && is_consistent(entry, &next);
            if fits {
                next = *entry;
            }
            fits
        };
        let fits: Vec<bool> = history.log.iter().rev().map(is_consistent_entry).collect();
        let mut fits = fits.into_iter().rev();
        history.log.retain(|_| fits.next().unwrap_or_default());
        history
    }

    /// Returns the start of the ledger as an entry.
    fn initial_entry(&self) -> LogEntry {
        LogEntry::new(self.ledger_start_ns, Presence::Unobserved, Totals::default())
    }

    /// Returns the part of the history that starts at `at`. All windows are limited to this part. Has no
    /// effect if the history begins later.
    #[must_use]
    pub fn starting_at(mut self, at: Timestamp) -> Self {
        self.start_ns = self.clock.to_tracker_time(at).clamp(self.start_ns, self.end_ns());
        self
    }

    /// Returns the part of the history that starts at a time at which the totals are known, regardless of the
    /// log.
    pub(crate) fn starting_at_totals(mut self, at_ns: u64, totals: Totals) -> Self {
        let index = self.log.partition_point(|entry| entry.at_ns() <= at_ns);
        let before = index.checked_sub(1).and_then(|i| self.log.get(i)).copied();
        let before = before.unwrap_or_else(|| self.initial_entry());
        let after = self.log.get(index).copied().unwrap_or_else(|| self.ledger.last_change());
        let entry = LogEntry::new(at_ns, before.presence(), totals);
        if before.at_ns() < at_ns && is_consistent(&before, &entry) && is_consistent(&entry, &after) {
            self.log.insert(index, entry);
        }
        self.start_ns = at_ns.clamp(self.start_ns, self.end_ns());
        self
    }

    /// Returns the peer.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Returns the start of the history: the time at which the peer was first tracked, the time at which the
    /// channel was first monitored, or the time passed to [`PeerHistory::starting_at`].
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.clock.to_wall_clock(self.start_ns)
    }

    /// Returns the end of the history.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.clock.to_wall_clock(self.now_ns)
    }

    /// Returns the presence at [`PeerHistory::end`].
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.ledger.presence()
    }

    /// Returns the time at which the presence at [`PeerHistory::end`] began, but not before
    /// [`PeerHistory::start`].
    #[must_use]
    pub fn presence_since(&self) -> Timestamp {
        self.clock.to_wall_clock(self.ledger.presence_since_ns().max(self.start_ns))
    }

    /// Returns the uptime and observed time in `[from, to)`, limited to this history.
    ///
    /// O(log n) in the length of the log.
    #[must_use]
    pub fn window(&self, from: Timestamp, to: Timestamp) -> WindowReport {
        self.window_in_tracker_time(self.clock.to_tracker_time(from), self.clock.to_tracker_time(to))
    }

    fn window_in_tracker_time(&self, from_ns: u64, to_ns: u64) -> WindowReport {
        self.calculator().window(self.start_ns, from_ns, to_ns, self.clock)
    }

    fn calculator(&self) -> WindowCalculator<'_> {
        WindowCalculator {
            start_ns: self.ledger_start_ns,
            log: &self.log,
            ledger: &self.ledger,
            now_ns: self.now_ns,
        }
    }

    /// Returns the uptime and outage statistics of `[from, to)`, limited to this history.
    ///
    /// O(n log n) in the length of the log.
    #[must_use]
    pub fn stats(&self, from: Timestamp, to: Timestamp) -> WindowStats {
        WindowStats {
            window: self.window(from, to),
            outages: self.outage_stats(from, to),
            presence: self.presence(),
            presence_since: self.presence_since(),
        }
    }

    /// Returns the statistics of a standard window that ends at [`PeerHistory::end`].
    ///
    /// ```
    /// # use fitness_core::{Event, HashSeed, NodeId, StandardWindow, Timestamp, Tracker, TrackerConfig};
    /// # let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    /// # let (node_id, t) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
    /// # tracker.apply(t, &Event::Watch { node_id });
    /// # tracker.apply(t, &Event::PeerOnline { node_id });
    /// # tracker.apply(t.after_secs(600), &Event::PeerOffline { node_id });
    /// # tracker.apply(t.after_secs(630), &Event::PeerOnline { node_id });
    /// let history = tracker.history(t.after_secs(3600), &node_id, &[]).expect("the peer is watched");
    /// let day = history.stats_over(StandardWindow::Day);
    /// assert_eq!(day.window.uptime_ns, 3570 * 1_000_000_000);
    /// assert_eq!((day.outages.disconnects, day.outages.median_recovery_ns), (1, Some(30 * 1_000_000_000)));
    /// ```
    #[must_use]
    pub fn stats_over(&self, window: StandardWindow) -> WindowStats {
        self.stats(window.start(self.end()), self.end())
    }

    /// Splits `[from, to)` into windows of `width_ns`, for charts.
    ///
    /// The first window begins at `from` or at [`PeerHistory::start`], whichever is later. The last one may
    /// be shorter than `width_ns`. Returns at most `limit` windows.
    #[must_use]
    pub fn buckets(&self, from: Timestamp, to: Timestamp, width_ns: u64, limit: usize) -> Vec<WindowReport> {
        self.split(from, to, limit, |at_ns| at_ns.saturating_add(width_ns.max(1)))
    }

    /// Splits `[from, to)` at UTC hour or day boundaries, for charts.
    ///
    /// The first and the last window may be shorter than an hour or day. Returns at most `limit` windows.
    #[must_use]
    pub fn calendar_buckets(
        &self,
        from: Timestamp,
        to: Timestamp,
        width: BucketWidth,
        limit: usize,
    ) -> Vec<WindowReport> {
        self.split(from, to, limit, |at_ns| {
            self.clock.to_tracker_time(width.bucket_end(self.clock.to_wall_clock(at_ns)))
        })
    }

    fn split(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
        bucket_end: impl Fn(u64) -> u64,
    ) -> Vec<WindowReport> {
        let (mut at_ns, end_ns) = self.clamp(from, to);
        let mut buckets = Vec::new();
        while at_ns < end_ns && buckets.len() < limit {
            let next_ns = bucket_end(at_ns).clamp(at_ns + 1, end_ns);
            buckets.push(self.window_in_tracker_time(at_ns, next_ns));
            at_ns = next_ns;
        }
        buckets
    }

    /// Returns the peer's presence in `[from, to)` as adjacent intervals.
    ///
    /// Adjacent intervals have different presences. The exception is a part of the log whose changes were
    /// dropped: it may consist of several intervals whose [`PresenceInterval::presence`] is `None`.
    #[must_use]
    pub fn timeline(&self, from: Timestamp, to: Timestamp) -> Vec<PresenceInterval> {
        let (from_ns, to_ns) = self.clamp(from, to);
        self.timeline_in_tracker_time(from_ns, to_ns)
    }

    /// Returns the timeline with the causes of unobserved time: unobserved intervals are split where `gaps`
    /// begin and end.
    ///
    /// `gaps` must be in chronological order, as returned by [`Tracker::gaps`](crate::Tracker::gaps) for
    /// the time of [`PeerHistory::end`].
    ///
    /// An unobserved interval without a [`PresenceInterval::cause`] has a reason that concerns only this
    /// peer: no event had reported the connection yet, the peer was in its reconnect grace period, or the
    /// peer was not tracked.
    #[must_use]
    pub fn timeline_with_gaps(&self, from: Timestamp, to: Timestamp, gaps: &[Gap]) -> Vec<PresenceInterval> {
        split_at_gaps(&self.timeline(from, to), gaps)
    }

    fn timeline_in_tracker_time(&self, from_ns: u64, to_ns: u64) -> Vec<PresenceInterval> {
        let changes = self.changes().filter(|&at_ns| from_ns < at_ns && at_ns < to_ns);
        let edges: Vec<u64> = [from_ns].into_iter().chain(changes).chain([to_ns]).collect();
        let mut intervals: Vec<PresenceInterval> = Vec::new();
        for (&from_ns, &to_ns) in edges.iter().zip(edges.iter().skip(1)).filter(|(from, to)| from < to) {
            let next = PresenceInterval::from(self.window_in_tracker_time(from_ns, to_ns));
            match intervals.last_mut() {
                Some(last) if last.presence.is_some() && last.presence == next.presence => last.extend(&next),
                _ => intervals.push(next),
            }
        }
        intervals
    }

    fn changes(&self) -> impl Iterator<Item = u64> {
        self.log.iter().map(LogEntry::at_ns).chain([self.ledger.presence_since_ns()])
    }

    /// Returns how often the peer disconnected in `[from, to)`, and how long its outages lasted.
    #[must_use]
    pub fn outage_stats(&self, from: Timestamp, to: Timestamp) -> OutageStats {
        let (from_ns, to_ns) = self.clamp(from, to);
        OutageStats::from_timeline(
            &self.timeline_in_tracker_time(from_ns, to_ns),
            self.presence_before(from_ns),
        )
    }

    /// Returns the presence just before `at_ns`; `None` if the log dropped it. Before the start of the ledger
    /// the peer was unobserved.
    fn presence_before(&self, at_ns: u64) -> Option<Presence> {
        let earlier = self.changes().take_while(|&change_ns| change_ns < at_ns).last();
        let since_ns = earlier.unwrap_or(self.ledger_start_ns);
        if since_ns >= at_ns {
            return Some(Presence::Unobserved);
        }
        PresenceInterval::from(self.calculator().window(self.ledger_start_ns, since_ns, at_ns, self.clock))
            .presence
    }

    fn end_ns(&self) -> u64 {
        self.now_ns.max(self.start_ns)
    }

    /// Converts a window to tracker time and limits it to this history.
    fn clamp(&self, from: Timestamp, to: Timestamp) -> (u64, u64) {
        let from_ns = self.clock.to_tracker_time(from).clamp(self.start_ns, self.end_ns());
        (from_ns, self.clock.to_tracker_time(to).clamp(from_ns, self.end_ns()))
    }
}

/// Returns whether a ledger in the state of the earlier entry can have reached that of the later one.
fn is_consistent(earlier: &LogEntry, later: &LogEntry) -> bool {
    let (before, after) = (earlier.totals(), later.totals());
    let grown = after.since(before);
    before.online_ns <= after.online_ns
        && before.observed_ns <= after.observed_ns
        && grown.online_ns <= grown.observed_ns
        && later.at_ns().checked_sub(earlier.at_ns()).is_some_and(|passed_ns| grown.observed_ns <= passed_ns)
}

/// Returns the entries of stored segments with numbers below `end`, in order.
///
/// The segments may be in any order. If two segments contain the same entry, the one in the later segment
/// is used.
pub(crate) fn older_entries(node_id: &NodeId, segments: &[LogSegment], end: u32) -> Vec<LogEntry> {
    let mut segments: Vec<&LogSegment> =
        segments.iter().filter(|segment| segment.node_id == *node_id).collect();
    segments.sort_by_key(|segment| segment.first_number);
    let numbered = segments.into_iter().flat_map(|segment| (segment.first_number..end).zip(&segment.entries));
    let mut entries: Vec<(u32, LogEntry)> = Vec::new();
    for (number, entry) in numbered {
        while entries.last().is_some_and(|last| last.0 >= number) {
            entries.pop();
        }
        entries.push((number, *entry));
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}
