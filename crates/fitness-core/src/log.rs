//! The event log: the presence changes of a peer, limited in rate and number.

use alloc::vec::Vec;

use crate::{Presence, Totals};

/// The maximum number of entries in a stored segment of a log.
pub const SEGMENT_ENTRIES: u32 = 64;

const PRESENCE_SHIFT: u32 = 62;

/// A presence change, with the totals of the peer's ledger at that time. Takes 24 bytes.
///
/// The totals are exact even if the log dropped entries, so the uptime in a window follows from the totals at
/// the ends of the window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogEntry {
    at_ns: u64,
    online_ns: u64,
    // The presence is in the two highest bits: `Totals::LIMIT_NS` is below 2^62.
    observed_ns_and_presence: u64,
}

impl LogEntry {
    /// Creates an entry for a change to `presence` at `at_ns`, with the ledger at `totals`.
    #[must_use]
    pub fn new(at_ns: u64, presence: Presence, totals: Totals) -> Self {
        Self {
            at_ns,
            online_ns: totals.online_ns.min(Totals::LIMIT_NS),
            observed_ns_and_presence: totals.observed_ns.min(Totals::LIMIT_NS)
                | (presence as u64) << PRESENCE_SHIFT,
        }
    }

    /// Returns the tracker time of the change.
    #[must_use]
    pub const fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// Returns the presence after the change.
    #[must_use]
    pub const fn presence(&self) -> Presence {
        match self.observed_ns_and_presence >> PRESENCE_SHIFT {
            0 => Presence::Unobserved,
            1 => Presence::Offline,
            _ => Presence::Online,
        }
    }

    /// Returns the ledger's totals at the time of the change.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        Totals { online_ns: self.online_ns, observed_ns: self.observed_ns_and_presence & Totals::LIMIT_NS }
    }
}

impl core::fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LogEntry")
            .field("at_ns", &self.at_ns)
            .field("presence", &self.presence())
            .field("totals", &self.totals())
            .finish()
    }
}

/// A view of a peer's log of presence changes, which is rate-limited.
///
/// The newest entry is *staged*: the next change replaces it if it follows too soon. Otherwise the next
/// change first makes the staged entry final, or *committed*, and is then staged itself. (The two words are
/// those of lnd. They are unrelated to commits to the store.)
///
/// A change between online and offline follows too soon if it is within
/// [`log_rate_limit_ns`](crate::log_rate_limit_ns) of the last committed entry. With the lnd presets, the
/// time is measured from the staged entry. A change from or to unobserved replaces the staged entry only if
/// both have the same time.
///
/// Entries are in chronological order, and their numbers ascend from 0 over the peer's whole history. Entries
/// that left memory keep their numbers.
#[derive(Clone, Copy, Debug)]
pub struct EventLog<'a> {
    committed: &'a [LogEntry],
    staged: Option<LogEntry>,
    first: u32,
}

impl<'a> EventLog<'a> {
    /// Returns the final entries in memory, oldest first.
    #[must_use]
    pub const fn committed(&self) -> &'a [LogEntry] {
        self.committed
    }

    /// Returns the newest entry, which the next change replaces if it follows within the rate limit.
    #[must_use]
    pub const fn staged(&self) -> Option<LogEntry> {
        self.staged
    }

    /// Returns all entries in memory, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = LogEntry> + use<'a> {
        self.committed.iter().copied().chain(self.staged)
    }

    /// Returns the number of the first entry in memory.
    #[must_use]
    pub const fn first_number(&self) -> u32 {
        self.first
    }

    /// Returns the entry at an index, counted from the first entry in memory.
    pub(crate) fn entry(&self, index: usize) -> Option<LogEntry> {
        if index == self.committed.len() { self.staged } else { self.committed.get(index).copied() }
    }

    /// Returns the number of entries in memory.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.committed.len() + self.staged.is_some() as usize
    }

    /// Returns whether no entries are in memory.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of the next entry.
    ///
    /// Entry numbers are not contiguous: each process starts a new segment, and the unused numbers of the
    /// last segment are skipped.
    #[must_use]
    pub fn end_number(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.len()).unwrap_or(u32::MAX))
    }

    /// Returns the uptime within `[from_ns, to_ns)` in nanoseconds, as lnd computes it from its log.
    ///
    /// Because the log is rate-limited, the result may differ widely from the real uptime. Use it only to
    /// compare a preset with lnd. The ledger has the exact value.
    #[must_use]
    pub fn lnd_uptime_ns(&self, from_ns: u64, to_ns: u64, now_ns: u64) -> u64 {
        let mut uptime_ns = 0_u64;
        let mut online_since = None;
        let mut count = |start_ns: u64, end_ns: u64| {
            let inside = end_ns.min(to_ns).saturating_sub(start_ns.max(from_ns));
            uptime_ns = uptime_ns.saturating_add(inside);
        };
        for entry in self.entries() {
            match (entry.presence(), online_since) {
                (Presence::Online, None) => online_since = Some(entry.at_ns),
                (Presence::Offline | Presence::Unobserved, Some(start_ns)) => {
                    count(start_ns, entry.at_ns);
                    online_since = None;
                }
                _ => {}
            }
        }
        if let Some(start_ns) = online_since {
            count(start_ns, now_ns);
        }
        uptime_ns
    }
}

/// The numbers of a log's committed entries, and how many of them are stored. The entries are in
/// `PeerExtras::entries`.
///
/// The staged entry is not among them: it is the last change of the peer's ledger. An event that only
/// replaces it therefore accesses no memory outside the peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogNumbers {
    /// The number of the first entry in memory.
    first: u32,
    /// The number of the first entry, including the staged one, that may not be stored.
    unsaved: u32,
}

/// The maximum number of log entries in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogCapacity {
    /// For entries that are stored.
    pub(crate) stored: u32,
    /// For all entries, while the store is unavailable.
    pub(crate) unsaved: u32,
}

impl LogNumbers {
    /// Creates an empty log that continues after `entries` earlier entries, which are only in the store. The
    /// next entry begins a new segment.
    pub(crate) fn continuing(entries: u32) -> Self {
        let first = entries.div_ceil(SEGMENT_ENTRIES).saturating_mul(SEGMENT_ENTRIES);
        Self { first, unsaved: first }
    }

    pub(crate) fn log(self, entries: &[LogEntry], staged: Option<LogEntry>) -> EventLog<'_> {
        EventLog { committed: entries, staged, first: self.first }
    }

    /// Appends the entry that was staged, after making room for it.
    ///
    /// Stored entries are dropped in whole segments, because the last segment is stored again from its
    /// beginning. Unsaved entries are dropped only if there are too many of them.
    pub(crate) fn push(&mut self, entries: &mut Vec<LogEntry>, entry: LogEntry, capacity: LogCapacity) {
        let committed = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let held = committed.saturating_add(1);
        if held >= capacity.stored {
            let stored = self.unsaved.min(self.first.saturating_add(committed));
            let stored = (stored - stored % SEGMENT_ENTRIES).saturating_sub(self.first);
            let some = (capacity.stored / 4).next_multiple_of(SEGMENT_ENTRIES);
            self.drop_oldest(entries, stored.min(some.max(held - capacity.stored)));
        }
        let held = u32::try_from(entries.len()).unwrap_or(u32::MAX).saturating_add(1);
        if held >= capacity.unsaved.max(2) {
            let quarter = (capacity.unsaved / 4).max(1);
            self.drop_oldest(entries, quarter.max(held - capacity.unsaved));
        }
        if entries.len() == entries.capacity() {
            // Doubling the capacity would leave half of a long log's memory unused.
            entries.reserve_exact((entries.len() / 32).clamp(4, 64));
        }
        entries.push(entry);
    }

    fn drop_oldest(&mut self, entries: &mut Vec<LogEntry>, count: u32) {
        let count = (count as usize).min(entries.len());
        entries.drain(..count);
        self.first = self.first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.unsaved = self.unsaved.max(self.first);
        if entries.capacity() > 2 * entries.len() + SEGMENT_ENTRIES as usize {
            entries.shrink_to_fit();
        }
    }

    /// Records that the staged entry was added or replaced. It follows `committed` other entries.
    pub(crate) fn record_staged_change(&mut self, committed: usize) {
        let staged = self.first.saturating_add(u32::try_from(committed).unwrap_or(u32::MAX));
        self.unsaved = self.unsaved.min(staged);
    }

    /// Returns the entries of every segment that must be stored, each with the number of its first entry.
    pub(crate) fn unsaved(self, log: EventLog<'_>) -> Vec<(u32, Vec<LogEntry>)> {
        let end = log.end_number();
        let mut segments: Vec<(u32, Vec<LogEntry>)> = Vec::new();
        if self.unsaved < end {
            // A log that overflowed before it was saved begins in the middle of a segment.
            let start = (self.unsaved - self.unsaved % SEGMENT_ENTRIES).max(self.first);
            for (number, entry) in (start..end).zip(log.entries().skip((start - self.first) as usize)) {
                match segments.last_mut() {
                    Some((_, segment)) if number % SEGMENT_ENTRIES != 0 => segment.push(entry),
                    _ => segments.push((number, [entry].into())),
                }
            }
        }
        segments
    }

    /// Records that these entries, from number `first` on, are stored, unless they have changed since.
    pub(crate) fn saved(&mut self, first: u32, entries: &[LogEntry], log: EventLog<'_>) {
        let Some(last) = entries.last() else { return };
        let end = first.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let index = (end - 1).checked_sub(self.first);
        let is_same = index.is_none_or(|index| log.entry(index as usize) == Some(*last));
        if first <= self.unsaved {
            self.unsaved = self.unsaved.max(if is_same { end } else { end - 1 });
        }
    }
}
