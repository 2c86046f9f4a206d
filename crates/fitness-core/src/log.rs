//! The event log: the timestamped changes that we remember of a peer, rate-limited and bounded.

use alloc::vec::Vec;

use crate::{Presence, Totals};

/// How many entries a persisted segment of the log holds at most.
pub const SEGMENT_ENTRIES: u32 = 64;

const PRESENCE_SHIFT: u32 = 62;

/// A change of presence, with the totals of the peer's ledger at that moment: 24 bytes.
///
/// The totals are exact whatever the log dropped before, which is why any window is the
/// difference of two moments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogEntry {
    at_ns: u64,
    online_ns: u64,
    // The presence in the two upper bits: totals stop at `Totals::LIMIT_NS`, below 2^62.
    observed_ns_and_presence: u64,
}

impl LogEntry {
    /// A change to `presence` at `at_ns`, when the ledger stood at `totals`.
    #[must_use]
    pub fn new(at_ns: u64, presence: Presence, totals: Totals) -> Self {
        Self {
            at_ns,
            online_ns: totals.online_ns.min(Totals::LIMIT_NS),
            observed_ns_and_presence: totals.observed_ns.min(Totals::LIMIT_NS)
                | (presence as u64) << PRESENCE_SHIFT,
        }
    }

    /// When, in nanoseconds on the tracker's line.
    #[must_use]
    pub const fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// What the peer changed to.
    #[must_use]
    pub const fn presence(&self) -> Presence {
        match self.observed_ns_and_presence >> PRESENCE_SHIFT {
            0 => Presence::Unobserved,
            1 => Presence::Offline,
            _ => Presence::Online,
        }
    }

    /// The ledger's totals at that moment.
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

/// A peer's event log, as it is at one moment: lnd's rate-limited log.
///
/// The newest entry is staged: the next one replaces it, unless it has stood for the time that the
/// peer's flap count asks for; then it is committed. Entries are numbered from 0 for the peer's
/// whole history; those that were dropped for space keep their numbers. They are in order of time.
#[derive(Clone, Copy, Debug)]
pub struct EventLog<'a> {
    committed: &'a [LogEntry],
    staged: Option<LogEntry>,
    first: u32,
}

impl<'a> EventLog<'a> {
    /// The entries that will not be replaced any more, oldest first.
    #[must_use]
    pub const fn committed(&self) -> &'a [LogEntry] {
        self.committed
    }

    /// The newest entry, which the next one replaces if it comes too soon.
    #[must_use]
    pub const fn staged(&self) -> Option<LogEntry> {
        self.staged
    }

    /// All entries that are held, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = LogEntry> + use<'a> {
        self.committed.iter().copied().chain(self.staged)
    }

    /// The number of the first entry that is held.
    #[must_use]
    pub const fn first_number(&self) -> u32 {
        self.first
    }

    /// The entry at a place, counted from the first that is held.
    pub(crate) fn entry(&self, place: usize) -> Option<LogEntry> {
        if place == self.committed.len() { self.staged } else { self.committed.get(place).copied() }
    }

    /// How many entries are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.committed.len() + self.staged.is_some() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number that the next entry will bear: how many there were, give or take the fill of
    /// segments that a restart cut short.
    #[must_use]
    pub fn end_number(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.len()).unwrap_or(u32::MAX))
    }

    /// Nanoseconds online within `[from_ns, to_ns)` as lnd reads its log: rate-limited, and so
    /// often far from the truth.
    ///
    /// It is what a preset is compared by; the exact figure is the ledger's.
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

/// The numbers of a log's committed entries, which stand elsewhere, and how much of it is stored.
///
/// The staged entry is not among them: it is the last change of the peer's ledger. So an event that
/// only replaces it touches no memory but the peer's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogNumbers {
    /// Number of the first entry that is held.
    first: u32,
    /// Number of the first entry, the staged one included, that is not known to be stored.
    unsaved: u32,
}

/// How many entries of a log are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogCapacity {
    /// Of those that are stored.
    pub(crate) stored: u32,
    /// Of all, while they cannot be stored.
    pub(crate) unsaved: u32,
}

impl LogNumbers {
    /// None held, after `entries` earlier ones of which only the store knows: the next one starts
    /// another segment.
    pub(crate) fn continuing(entries: u32) -> Self {
        let first = entries.div_ceil(SEGMENT_ENTRIES).saturating_mul(SEGMENT_ENTRIES);
        Self { first, unsaved: first }
    }

    pub(crate) fn log(self, entries: &[LogEntry], staged: Option<LogEntry>) -> EventLog<'_> {
        EventLog { committed: entries, staged, first: self.first }
    }

    /// Adds the entry that was staged, after making room for it.
    ///
    /// What is stored goes in whole segments: the last one has to be stored again, with its
    /// beginning. What is not stored goes only if there is too much of it.
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
            // Doubling would leave half of a long log's memory empty; a little at a time is enough.
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

    /// The staged entry is another one now, or is there now, after `committed` others that are held.
    pub(crate) fn note_staged_change(&mut self, committed: usize) {
        let staged = self.first.saturating_add(u32::try_from(committed).unwrap_or(u32::MAX));
        self.unsaved = self.unsaved.min(staged);
    }

    /// The entries of every segment that has to be stored, each with the number of its first entry.
    pub(crate) fn unsaved(self, log: EventLog<'_>) -> Vec<(u32, Vec<LogEntry>)> {
        let end = log.end_number();
        let mut segments: Vec<(u32, Vec<LogEntry>)> = Vec::new();
        if self.unsaved < end {
            // A log that overflowed before it was saved starts in the middle of a segment.
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

    /// Notes that these entries, from number `first` on, are stored: as far as they are still the same.
    pub(crate) fn saved(&mut self, first: u32, entries: &[LogEntry], log: EventLog<'_>) {
        let Some(last) = entries.last() else { return };
        let end = first.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let place = (end - 1).checked_sub(self.first);
        let is_same = place.is_none_or(|place| log.entry(place as usize) == Some(*last));
        if first <= self.unsaved {
            self.unsaved = self.unsaved.max(if is_same { end } else { end - 1 });
        }
    }
}
