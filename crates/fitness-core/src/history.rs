//! A peer's history as a value: windows, timeline, buckets and outages, asked at leisure.
//!
//! A tracker holds the newest part of a peer's log. What is older is in the store's segments; with
//! them the history is whole, and answers without the tracker's lock.

use alloc::vec::Vec;

use crate::log::LogEntry;
use crate::report::availability;
use crate::timeline::Timeline;
use crate::window::Account;
use crate::{Ledger, LogSegment, NodeId, Presence, Timestamp, WindowReport};

/// What happened to one peer's connection, from when it was first followed until a moment.
///
/// Times are in terms of the clock as it read when the history was taken.
#[derive(Clone, Debug)]
pub struct PeerHistory {
    node_id: NodeId,
    start_ns: u64,
    now_ns: u64,
    /// All but the last change, in order of time.
    log: Vec<LogEntry>,
    /// Whose last change is the last one.
    ledger: Ledger,
    line: Timeline,
}

/// A stretch of time in which a peer's presence did not change, or in which it did and the log did
/// not keep when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Interval {
    /// When it began.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// When it ended: where the next one begins.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// The part of it in which we knew whether the peer was online, in nanoseconds.
    pub observed_ns: u64,
    /// The part of the observed time in which it was.
    pub uptime_ns: u64,
    /// The presence throughout; `None` where it changed within and only the sums are known.
    pub presence: Option<Presence>,
}

/// How often a peer was lost, and how long it took to come back.
///
/// Counted from the log: what its rate limit dropped is not among it. The exact number of all
/// disconnects is [`PeerReport::disconnects`](crate::PeerReport::disconnects).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Outages {
    /// How often it went from online to offline.
    pub count: u64,
    /// Online time for each of them, in nanoseconds; `None` without one.
    pub mean_time_between_ns: Option<u64>,
    /// The median length of those that ended in its return, in nanoseconds; `None` without one.
    pub median_return_ns: Option<u64>,
    /// The longest stretch offline, in nanoseconds, one that still lasts included; 0 without one.
    pub longest_ns: u64,
}

impl PeerHistory {
    pub(crate) fn new(
        node_id: NodeId,
        start_ns: u64,
        now_ns: u64,
        log: Vec<LogEntry>,
        ledger: Ledger,
        line: Timeline,
    ) -> Self {
        Self { node_id, start_ns, now_ns, log, ledger, line }
    }

    /// The peer.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// When it was first followed.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.line.to_clock(self.start_ns)
    }

    /// The moment until which this history goes.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.line.to_clock(self.now_ns)
    }

    /// The peer's fitness within `[from, to)`, cut to this history. O(log n).
    #[must_use]
    pub fn window(&self, from: Timestamp, to: Timestamp) -> WindowReport {
        self.window_on_line(self.line.to_line(from), self.line.to_line(to))
    }

    fn window_on_line(&self, from_ns: u64, to_ns: u64) -> WindowReport {
        self.account().window(self.start_ns, from_ns, to_ns, self.line)
    }

    fn account(&self) -> Account<'_> {
        Account { start_ns: self.start_ns, log: &self.log, ledger: &self.ledger, now_ns: self.now_ns }
    }

    /// `[from, to)` cut into windows of `width_ns`, for drawing: the first begins at `from` or where
    /// this history does, the last may be shorter. At most `limit` of them.
    #[must_use]
    pub fn buckets(&self, from: Timestamp, to: Timestamp, width_ns: u64, limit: usize) -> Vec<WindowReport> {
        let (mut at_ns, end_ns) = self.cut(from, to);
        let mut buckets = Vec::new();
        while at_ns < end_ns && buckets.len() < limit {
            let next_ns = at_ns.saturating_add(width_ns.max(1)).min(end_ns);
            buckets.push(self.window_on_line(at_ns, next_ns));
            at_ns = next_ns;
        }
        buckets
    }

    /// What the peer was when within `[from, to)`: intervals that meet, neighbours different.
    #[must_use]
    pub fn timeline(&self, from: Timestamp, to: Timestamp) -> Vec<Interval> {
        let (from_ns, to_ns) = self.cut(from, to);
        let changes = self.log.iter().map(LogEntry::at_ns).chain([self.ledger.since_ns()]);
        let inside = changes.filter(|&at_ns| from_ns < at_ns && at_ns < to_ns);
        let edges: Vec<u64> = [from_ns].into_iter().chain(inside).chain([to_ns]).collect();
        let mut intervals: Vec<Interval> = Vec::new();
        for (&from_ns, &to_ns) in edges.iter().zip(edges.iter().skip(1)).filter(|(from, to)| from < to) {
            let next = Interval::from(self.window_on_line(from_ns, to_ns));
            match intervals.last_mut() {
                Some(last) if last.presence.is_some() && last.presence == next.presence => {
                    last.to = next.to;
                    last.observed_ns += next.observed_ns;
                    last.uptime_ns += next.uptime_ns;
                }
                _ => intervals.push(next),
            }
        }
        intervals
    }

    /// How often the peer was lost within `[from, to)`, and for how long.
    #[must_use]
    pub fn outages(&self, from: Timestamp, to: Timestamp) -> Outages {
        let timeline = self.timeline(from, to);
        let mut outages = Outages::default();
        let mut returns: Vec<u64> = Vec::new();
        for (i, interval) in timeline.iter().enumerate() {
            if interval.presence != Some(Presence::Offline) {
                continue;
            }
            let neighbour =
                |i: Option<usize>| i.and_then(|i| timeline.get(i)).and_then(|other| other.presence);
            let length_ns = interval.to.nanos_since(interval.from);
            outages.longest_ns = outages.longest_ns.max(length_ns);
            if neighbour(i.checked_sub(1)) == Some(Presence::Online) {
                outages.count += 1;
            }
            if neighbour(i.checked_add(1)) == Some(Presence::Online) {
                returns.push(length_ns);
            }
        }
        returns.sort_unstable();
        outages.median_return_ns = returns.get(returns.len() / 2).copied();
        let uptime_ns: u64 = timeline.iter().map(|interval| interval.uptime_ns).sum();
        outages.mean_time_between_ns = uptime_ns.checked_div(outages.count);
        outages
    }

    /// The window on the line, cut to this history.
    fn cut(&self, from: Timestamp, to: Timestamp) -> (u64, u64) {
        let end_ns = self.now_ns.max(self.start_ns);
        let from_ns = self.line.to_line(from).clamp(self.start_ns, end_ns);
        (from_ns, self.line.to_line(to).clamp(from_ns, end_ns))
    }
}

impl Interval {
    /// Uptime over observed time, from 0 to 1; `None` where nothing was observed.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        availability(self.uptime_ns, self.observed_ns)
    }
}

impl From<WindowReport> for Interval {
    fn from(window: WindowReport) -> Self {
        let is_exact = window.uptime_error_ns == 0 && window.observed_error_ns == 0;
        let presence = match (window.observed_ns, window.uptime_ns) {
            _ if !is_exact => None,
            (0, _) => Some(Presence::Unobserved),
            (observed_ns, _) if observed_ns < window.length_ns => None,
            (_, 0) => Some(Presence::Offline),
            (observed_ns, uptime_ns) if uptime_ns == observed_ns => Some(Presence::Online),
            _ => None,
        };
        Self {
            from: window.from,
            to: window.to,
            observed_ns: window.observed_ns,
            uptime_ns: window.uptime_ns,
            presence,
        }
    }
}

/// Entries of stored segments that come before entry number `end`, in order.
///
/// The segments may come in any order; of an entry that two of them hold, the later segment's counts.
pub(crate) fn older_entries(segments: &[LogSegment], end: u32) -> Vec<LogEntry> {
    let mut segments: Vec<&LogSegment> = segments.iter().collect();
    segments.sort_by_key(|segment| segment.first);
    let numbered = segments.into_iter().flat_map(|segment| (segment.first..end).zip(&segment.entries));
    let mut entries: Vec<(u32, LogEntry)> = Vec::new();
    for (number, entry) in numbered {
        while entries.last().is_some_and(|last| last.0 >= number) {
            entries.pop();
        }
        entries.push((number, *entry));
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}
