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

/// lnd's rate-limited log: the newest entry is staged, and is replaced by the next one unless it
/// has stood for the time that the peer's flap count asks for.
///
/// Entries are numbered from 0 for the peer's whole history; those that were dropped for space
/// keep their numbers. Entries are in order of time.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    // The last one is the staged entry.
    entries: Vec<LogEntry>,
    // Number of the first entry that is held.
    first: u32,
    // Number of the first entry that is not known to be stored.
    unsaved: u32,
}

impl EventLog {
    /// An empty log whose next entry starts the segment after `entries` earlier ones, of which
    /// only the store knows.
    #[must_use]
    pub fn continuing(entries: u32) -> Self {
        let first = entries.div_ceil(SEGMENT_ENTRIES).saturating_mul(SEGMENT_ENTRIES);
        Self { entries: Vec::new(), first, unsaved: first }
    }

    /// The entries that are held, oldest first, the staged one last.
    #[must_use]
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// The entries that will not be replaced any more, oldest first.
    #[must_use]
    pub fn committed(&self) -> &[LogEntry] {
        self.entries.split_last().map_or(&[], |(_, committed)| committed)
    }

    /// The newest entry, which the next one replaces if it comes too soon.
    #[must_use]
    pub fn staged(&self) -> Option<&LogEntry> {
        self.entries.last()
    }

    /// The number that the next entry will bear: how many there were, give or take the fill of
    /// segments that a restart cut short.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.entries.len()).unwrap_or(u32::MAX))
    }

    /// Stages `entry`, in place of the staged one if `replaces`.
    ///
    /// At most `capacity` entries are held (at least 2 are): when it is full, the oldest quarter goes.
    // The caller tells whether the staged entry has stood long enough, because it mostly knows
    // without reading it: the entries lie elsewhere in memory, and reading them is what an event
    // would wait for.
    pub(crate) fn add(&mut self, entry: LogEntry, replaces: bool, capacity: u32) {
        if let Some(staged) = self.entries.last_mut().filter(|_| replaces) {
            *staged = entry;
            self.unsaved = self.unsaved.min(self.end().saturating_sub(1));
            return;
        }
        self.make_room(capacity.max(2));
        self.entries.push(entry);
    }

    fn make_room(&mut self, capacity: u32) {
        let capacity = capacity as usize;
        if self.entries.len() >= capacity {
            let segment = SEGMENT_ENTRIES as usize;
            let quarter = (capacity / 4).max(1);
            // Whole segments where there is room for them: one that is dropped in part would be
            // stored again without its beginning.
            let quarter = if capacity >= 2 * segment { quarter.next_multiple_of(segment) } else { quarter };
            let dropped = (self.entries.len() - capacity).next_multiple_of(quarter) + quarter;
            let dropped = dropped.min(self.entries.len());
            self.entries.drain(..dropped);
            self.first = self.first.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
        }
        if self.entries.len() == self.entries.capacity() {
            // Doubling would leave half of a long log's memory empty; a little at a time is enough.
            let more = (self.entries.len() / 32).clamp(4, 64);
            self.entries.reserve_exact(more.min(capacity - self.entries.len()));
        }
    }

    /// Forgets all entries, as lnd does when the last channel closes.
    pub(crate) fn clear(&mut self) {
        *self = Self::continuing(self.end());
    }

    /// The entries of every segment that has to be stored: the number of the first, and the
    /// entries, the last segment's staged entry included.
    pub(crate) fn unsaved_segments(&self) -> impl Iterator<Item = (u32, &[LogEntry])> {
        let segment_start = self.unsaved - self.unsaved % SEGMENT_ENTRIES;
        // A log that overflowed before it was saved starts in the middle of a segment.
        let start = segment_start.max(self.first);
        let skip = (start - self.first) as usize;
        let pending = if self.unsaved < self.end() { self.entries.get(skip..).unwrap_or(&[]) } else { &[] };
        let mut rest = (start, pending);
        core::iter::from_fn(move || {
            let (start, entries) = rest;
            if entries.is_empty() {
                return None;
            }
            let room = (SEGMENT_ENTRIES - start % SEGMENT_ENTRIES) as usize;
            let (segment, later) = entries.split_at(room.min(entries.len()));
            rest = (start.saturating_add(u32::try_from(segment.len()).unwrap_or(u32::MAX)), later);
            Some((start, segment))
        })
    }

    /// Notes that every entry up to `end`, as [`EventLog::end`] was when they were taken, is stored.
    pub(crate) fn saved_up_to(&mut self, end: u32) {
        self.unsaved = self.unsaved.max(end.min(self.end()));
    }

    /// Notes that the entries from number `first` on are not stored after all.
    pub(crate) fn unsaved_from(&mut self, first: u32) {
        self.unsaved = self.unsaved.min(first);
    }

    /// Nanoseconds online within `[from_ns, to_ns)` as lnd reads its log: rate-limited, and so
    /// often far from the truth.
    ///
    /// It is what a preset is compared by; the exact figure is the ledger's.
    #[must_use]
    pub fn uptime_ns(&self, from_ns: u64, to_ns: u64, now_ns: u64) -> u64 {
        let mut uptime_ns = 0_u64;
        let mut online_since = None;
        let mut count = |start_ns: u64, end_ns: u64| {
            let inside = end_ns.min(to_ns).saturating_sub(start_ns.max(from_ns));
            uptime_ns = uptime_ns.saturating_add(inside);
        };
        for entry in &self.entries {
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
