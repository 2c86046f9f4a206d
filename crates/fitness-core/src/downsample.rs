//! Less and less of a peer's log, the older it is: what keeps a history bounded for ever.
//!
//! Any part of a log is a log: its entries carry exact totals, and what is gone between two of them
//! is a window's stated error. So thinning is choosing, and where a moment of the choice has no
//! entry of its own, interpolating one. Reading the log and writing it back is the store's user's.

use alloc::vec::Vec;

use crate::{LogEntry, LogSegment, NodeId, Presence, SEGMENT_ENTRIES, Totals};

const HOUR_NS: u64 = 3600 * 1_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;

/// How long which detail of a peer's log is kept: every entry, then hours, then days, then nothing.
///
/// Each time counts from now. One that is shorter than the one before it counts as that one.
///
/// ```
/// use fitness_core::Retention;
///
/// let (day_ns, default) = (24 * 3600 * 1_000_000_000, Retention::default());
/// assert_eq!(default, default.with_full_detail_ns(30 * day_ns).with_hourly_ns(90 * day_ns).with_max_age_ns(400 * day_ns));
/// assert_eq!(default.max_entries(), 4_096 + 2 * (91 * 24 + 1) + 2 * 310 + 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    full_detail_ns: u64,
    full_detail_entries: u32,
    hourly_ns: u64,
    max_age_ns: u64,
}

impl Retention {
    pub(crate) const DEFAULT: Self = Self {
        full_detail_ns: 30 * DAY_NS,
        full_detail_entries: 4096,
        hourly_ns: 90 * DAY_NS,
        max_age_ns: 400 * DAY_NS,
    };
    pub(crate) const UNLIMITED: Self = Self {
        full_detail_ns: u64::MAX,
        full_detail_entries: u32::MAX,
        hourly_ns: u64::MAX,
        max_age_ns: u64::MAX,
    };

    /// How long every entry is kept, in nanoseconds; the default is 30 days.
    #[must_use]
    pub const fn with_full_detail_ns(self, full_detail_ns: u64) -> Self {
        Self { full_detail_ns, ..self }
    }

    /// How many entries are kept in full at most, the newest ones; the default is 4,096, the least 1.
    /// Those before them count as old, however young they are.
    #[must_use]
    pub const fn with_full_detail_entries(self, entries: u32) -> Self {
        Self { full_detail_entries: if entries < 1 { 1 } else { entries }, ..self }
    }

    /// How long the totals at every hour are kept, in nanoseconds; the default is 90 days. What is
    /// older knows the totals at every day.
    #[must_use]
    pub const fn with_hourly_ns(self, hourly_ns: u64) -> Self {
        Self { hourly_ns, ..self }
    }

    /// How long anything is kept, in nanoseconds; the default is 400 days. It is also how long a peer is
    /// remembered after its last channel was closed.
    #[must_use]
    pub const fn with_max_age_ns(self, max_age_ns: u64) -> Self {
        Self { max_age_ns, ..self }
    }

    pub(crate) const fn max_age_ns(&self) -> u64 {
        self.max_age_ns
    }

    /// How many entries [`thin`] leaves of a log at most, whatever happened in it: the detailed
    /// ones, two an hour, two a day, and one from before. 9,087 by default.
    #[must_use]
    pub fn max_entries(&self) -> usize {
        let hourly_ns = self.hourly_ns.max(self.full_detail_ns);
        let hours = hourly_ns.saturating_add(DAY_NS) / HOUR_NS + 1;
        let days = self.max_age_ns.saturating_sub(hourly_ns).div_ceil(DAY_NS);
        let entries = u64::from(self.full_detail_entries) + 2 * (hours + days) + 1;
        usize::try_from(entries).unwrap_or(usize::MAX)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What to keep of a peer's log as of `now_ns`; oldest first, as it was given, and no longer.
///
/// All times are on the tracker's line, and `start_ns` is when the peer's account began
/// ([`PeerRecord::tracked_since_ns`](crate::PeerRecord::tracked_since_ns)). At most
/// [`Retention::max_entries`] are left if none is after `now_ns`.
///
/// - The newest entries, by age and number, stay as they are; so does the last one in any case.
/// - Of what is older, an hour with more than one entry in it keeps its first, or the totals at its
///   start where the hour before keeps them, and the totals at its end. Of what is older than that,
///   a day does. Hours and days are those of the line, which are UTC's.
/// - Where entries were dropped across the end of an hour or day, its totals are not known; its last
///   entry stays instead.
/// - Of what is older than all that, the totals at the end stay, and with them every sum since the
///   account began.
/// - An hour or day that is in part younger counts as younger; one in which the number of entries
///   kept in full runs out is thinned up to there.
///
/// The totals of every entry are exact. A window is as exact as before if each of its ends is an
/// hour of the hourly part, a day of the daily part, or in what is kept in full; every other window
/// states its error. Thinning again at the same time changes nothing.
///
/// What cannot be a log is returned as it is: if its times go back, if it has entries before
/// `start_ns`, or if its totals shrink or grow by more than the time that passed.
///
/// ```
/// use fitness_core::{LogEntry, Presence, Retention, Totals, thin};
///
/// let minute_ns = 60 * 1_000_000_000;
/// // Up and down every ten minutes of a day, a long time ago.
/// let mut totals = Totals::default();
/// let mut log = Vec::new();
/// for i in 1..=144 {
///     let (totals_before, totals) = if i % 2 == 0 { (false, true) } else { (true, false) };
///     totals = totals.after(was.into(), 10 * minute_ns);
///     log.push(LogEntry::new(i * 10 * minute_ns, is.into(), totals));
/// }
/// let day_ns = 24 * 60 * minute_ns;
/// let after = |days| thin(&log, 0, days * day_ns, &Retention::default());
/// assert_eq!(after(30), log);
/// // Twenty-five ends of hours; the last entry is one of them, and the first is the first one.
/// assert_eq!(after(40).len(), 25);
/// assert_eq!(after(100), [log[0], log[143]]);
/// assert_eq!(after(500), [log[143]]);
/// assert_eq!(log[143].totals().online_ns, day_ns / 2);
/// ```
#[must_use]
pub fn downsample(entries: &[LogEntry], start_ns: u64, now_ns: u64, retention: &Retention) -> Vec<LogEntry> {
    let tiers = Tiers::new(now_ns, retention);
    let Some((mut old, detail)) = entries.split_at_checked(tiers.old_count(entries)) else {
        return entries.to_vec();
    };
    if !is_valid_log(start_ns, entries) {
        return entries.to_vec();
    }
    let mut kept = Vec::new();
    while let Some(first) = old.first() {
        let period = tiers.period_of(first.at_ns());
        let end = old.partition_point(|entry| tiers.period_of(entry.at_ns()) == period);
        let Some((within, later)) = old.split_at_checked(end.max(1)) else { break };
        let Some(next) = later.iter().chain(detail).next() else { break };
        period.keep(within, next, &mut kept);
        old = later;
    }
    kept.extend_from_slice(detail);
    kept
}

impl LogSegment {
    /// A whole log in segments, full ones but the last, its entries numbered from 0.
    #[must_use]
    pub fn pack(node_id: NodeId, entries: &[LogEntry]) -> Vec<Self> {
        let runs = entries.chunks(SEGMENT_ENTRIES as usize);
        let numbered = (0..=u32::MAX).step_by(SEGMENT_ENTRIES as usize).zip(runs);
        numbered.map(|(first, run)| Self { node_id, first_number: first, entries: run.to_vec() }).collect()
    }
}

/// From when on there is which detail. They are in this order, the last two at the start of a day.
struct Tiers {
    full_detail_ns: u64,
    full_detail_entries: usize,
    hourly_ns: u64,
    max_age_ns: u64,
}

impl Tiers {
    fn new(now_ns: u64, retention: &Retention) -> Self {
        let hourly_ns = retention.hourly_ns.max(retention.full_detail_ns);
        // What is in part younger is younger: they begin where an hour or a day does.
        let tier_start = |ns, width_ns| {
            let at_ns = now_ns.saturating_sub(ns);
            at_ns - at_ns % width_ns
        };
        Self {
            full_detail_ns: tier_start(retention.full_detail_ns, HOUR_NS),
            full_detail_entries: usize::try_from(retention.full_detail_entries).unwrap_or(usize::MAX),
            hourly_ns: tier_start(hourly_ns, DAY_NS),
            max_age_ns: tier_start(hourly_ns.max(retention.max_age_ns), DAY_NS),
        }
    }

    /// How many entries, the oldest ones, are not kept in full: never the last.
    fn old_count(&self, entries: &[LogEntry]) -> usize {
        let by_age = entries.partition_point(|entry| entry.at_ns() < self.full_detail_ns);
        let by_number = entries.len().saturating_sub(self.full_detail_entries);
        by_age.max(by_number).min(entries.len().saturating_sub(1))
    }

    /// What is thinned as one with an old entry at `at_ns`.
    fn period_of(&self, at_ns: u64) -> Period {
        if at_ns < self.max_age_ns {
            return Period { start_ns: 0, end_ns: self.max_age_ns, is_expired: true };
        }
        let width_ns = if at_ns < self.hourly_ns { DAY_NS } else { HOUR_NS };
        let start_ns = at_ns - at_ns % width_ns;
        Period { start_ns, end_ns: start_ns.saturating_add(width_ns), is_expired: false }
    }
}

/// An hour, a day, or all the time of which nothing is kept.
#[derive(PartialEq, Eq)]
struct Period {
    start_ns: u64,
    end_ns: u64,
    is_expired: bool,
}

impl Period {
    /// Adds what to keep of this span's `entries`, which the `next` one follows.
    fn keep(&self, entries: &[LogEntry], next: &LogEntry, kept: &mut Vec<LogEntry>) {
        // The totals at the end, which the next entry may tell, too; where they are not known, the
        // last entry stands in for them.
        let at_end = |last: &LogEntry| interpolate(last, next, self.end_ns).unwrap_or(*last);
        let end = entries.last().filter(|_| next.at_ns() > self.end_ns).map(at_end);
        if self.is_expired {
            kept.extend(end);
            return;
        }
        // An entry at the very start is the end of the span before, and does not count as within:
        // it would else be one too many for a span with a single entry, the next time.
        let within = entries.partition_point(|entry| entry.at_ns() <= self.start_ns);
        let (at_start, within) = entries.split_at_checked(within).unwrap_or_default();
        kept.extend(at_start.last());
        if within.len() <= 1 {
            kept.extend_from_slice(within);
            return;
        }
        // The totals at the start follow from those at the first entry, which tells more; but one of
        // the two is enough.
        if kept.last().is_none_or(|before| before.at_ns() < self.start_ns) {
            kept.extend(within.first());
        }
        kept.extend(end);
    }
}

/// The entry at a moment between two neighbours, if all the time between them was of one kind.
fn interpolate(from: &LogEntry, to: &LogEntry, at_ns: u64) -> Option<LogEntry> {
    let length_ns = to.at_ns().checked_sub(from.at_ns())?;
    let growth = to.totals().since(from.totals());
    let presence = match (growth.observed_ns, growth.online_ns) {
        (0, 0) => Presence::Unobserved,
        (observed_ns, 0) if observed_ns == length_ns => Presence::Offline,
        (_, online_ns) if online_ns == length_ns => Presence::Online,
        _ => return None,
    };
    let totals = from.totals().after(presence, at_ns.checked_sub(from.at_ns())?);
    Some(LogEntry::new(at_ns, presence, totals))
}

/// Whether an account that began at `start_ns` can have come by these entries.
fn is_valid_log(start_ns: u64, entries: &[LogEntry]) -> bool {
    let mut before = LogEntry::new(start_ns, Presence::Unobserved, Totals::default());
    entries.iter().all(|entry| {
        let (totals_before, totals) = (before.totals(), entry.totals());
        let growth = totals.since(totals_before);
        let passed_ns = entry.at_ns().checked_sub(before.at_ns());
        before = *entry;
        totals_before.online_ns <= totals.online_ns
            && totals_before.observed_ns <= totals.observed_ns
            && growth.online_ns <= growth.observed_ns
            && passed_ns.is_some_and(|passed_ns| growth.observed_ns <= passed_ns)
    })
}
