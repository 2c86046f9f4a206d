//! Reduces the detail of old history, which bounds the size of a peer's log.
//!
//! Any subset of a log's entries is a valid log: each entry holds exact totals, and the report of a window
//! that ends between two of them contains its error. Downsampling therefore only selects entries, and
//! interpolates an entry where it needs one exactly at the end of an hour or day. The caller reads and writes
//! the store.

use alloc::vec::Vec;

use crate::{LogEntry, LogSegment, NodeId, Presence, SEGMENT_ENTRIES, Totals};

const HOUR_NS: u64 = 3600 * 1_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;

/// How long a peer's log is kept, and at which level of detail.
///
/// A log has four levels of detail, from new to old:
///
/// | level | up to this age | entries that are kept | set by |
/// |---|---|---|---|
/// | full | 30 days | all, but at most 4,096 | `with_full_detail_ns`, `with_full_detail_entries` |
/// | hourly | 90 days | at most two per hour | `with_hourly_ns` |
/// | daily | 400 days | at most two per day | `with_max_age_ns` |
/// | expired | no limit | a single one, with the totals of everything older | |
///
/// The table shows the defaults. All ages are counted back from the present, so by default the hourly level
/// contains the entries that are between 30 and 90 days old. If the age limit of a level is less than that of
/// the level above it in the table, [`downsample`] raises it to that limit.
///
/// The maximum age also applies to untracked peers
/// ([`Tracker::forget_expired`](crate::Tracker::forget_expired)) and to monitoring gaps
/// ([`Tracker::is_expired`](crate::Tracker::is_expired)).
///
/// ```
/// use fitness_core::Retention;
///
/// let day_ns = 24 * 3600 * 1_000_000_000;
/// let default = Retention::default();
/// let explicit = default
///     .with_full_detail_ns(30 * day_ns)
///     .with_hourly_ns(90 * day_ns)
///     .with_max_age_ns(400 * day_ns);
/// assert_eq!(default, explicit);
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

    /// Sets the age up to which all entries are kept, in nanoseconds; the default is 30 days.
    #[must_use]
    pub const fn with_full_detail_ns(self, full_detail_ns: u64) -> Self {
        Self { full_detail_ns, ..self }
    }

    /// Sets the maximum number of entries that are kept in full detail. The default is 4,096; the minimum is
    /// 1.
    ///
    /// All entries except the newest `entries` are downsampled, regardless of their age.
    #[must_use]
    pub const fn with_full_detail_entries(self, entries: u32) -> Self {
        Self { full_detail_entries: if entries < 1 { 1 } else { entries }, ..self }
    }

    /// Sets the age up to which hourly totals are kept, in nanoseconds; the default is 90 days. Older history
    /// has daily totals.
    #[must_use]
    pub const fn with_hourly_ns(self, hourly_ns: u64) -> Self {
        Self { hourly_ns, ..self }
    }

    /// Sets the maximum age of history, in nanoseconds; the default is 400 days.
    ///
    /// The history of an untracked peer is deleted when the peer has been untracked for this long.
    #[must_use]
    pub const fn with_max_age_ns(self, max_age_ns: u64) -> Self {
        Self { max_age_ns, ..self }
    }

    pub(crate) const fn max_age_ns(&self) -> u64 {
        self.max_age_ns
    }

    /// Returns the maximum number of entries that [`downsample`] returns for any log.
    ///
    /// It is the sum of the entries in full detail, two per hour, two per day, and one for everything older:
    /// 9,087 by default.
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

/// Downsamples a peer's log: returns the entries to keep at the time `now_ns`, oldest first.
///
/// All times are in tracker time. `start_ns` is the time at which the peer's ledger began
/// ([`PeerRecord::tracked_since_ns`](crate::PeerRecord::tracked_since_ns)). The result is never longer than
/// `entries`, and has at most [`Retention::max_entries`] entries if no entry is after `now_ns`.
///
/// # Which entries are kept
///
/// [`Retention`] describes the four levels of detail.
///
/// - **Full**: all entries are kept unchanged. The last entry of the log always belongs to this level.
/// - **Hourly**: two entries are kept per hour: the first entry of the hour, and an entry with the totals at
///   the end of the hour. An hour with a single entry keeps only that entry. The first entry of an hour is
///   not kept if there is an entry exactly at the start of the hour, such as the one that was kept for the
///   end of the previous hour.
/// - **Daily**: the same as hourly, for days instead of hours.
/// - **Expired**: a single entry is kept, with the totals at the end of this level. All totals since the
///   start of the ledger therefore stay exact.
///
/// The entry at the end of an hour or day is computed from the last entry before and the first entry after
/// that time. This is impossible if entries between these two were dropped earlier, so that the presence
/// between them is not known. In that case the last entry of the hour or day is kept instead. The same
/// applies to the end of the expired level.
///
/// Hours and days are those of UTC, applied to tracker time. An hour or day that overlaps the boundary
/// between two levels belongs to the more detailed one. If the limit on the number of entries in full detail
/// falls within an hour or day, only the entries before the limit are downsampled.
///
/// # What stays exact
///
/// The totals of every entry that is kept are exact. A window gives the same result as before if each of its
/// ends is at an hour boundary in the hourly level, at a day boundary in the daily level, or anywhere in the
/// full level. The result of any other window may have a nonzero error. Downsampling the result again, with
/// the same `now_ns`, changes nothing.
///
/// # Invalid logs
///
/// If the entries do not form a valid log, they are returned unchanged. A log is invalid if its times go
/// back, if an entry is earlier than `start_ns`, or if totals shrink or grow by more than the time that
/// passed.
///
/// ```
/// use fitness_core::{LogEntry, Presence, Retention, Totals, downsample};
///
/// let minute_ns = 60 * 1_000_000_000;
/// // One day, long ago, with a change every ten minutes.
/// let mut totals = Totals::default();
/// let mut log = Vec::new();
/// for i in 1..=144 {
///     let (before, after) = match i % 2 {
///         0 => (Presence::Offline, Presence::Online),
///         _ => (Presence::Online, Presence::Offline),
///     };
///     totals = totals.after(before, 10 * minute_ns);
///     log.push(LogEntry::new(i * 10 * minute_ns, after, totals));
/// }
/// let day_ns = 24 * 60 * minute_ns;
/// let kept_after = |days| downsample(&log, 0, days * day_ns, &Retention::default());
/// assert_eq!(kept_after(30), log);
/// // The first entry and the ends of 24 hours.
/// assert_eq!(kept_after(40).len(), 25);
/// // The first entry and the end of the day.
/// assert_eq!(kept_after(100), [log[0], log[143]]);
/// assert_eq!(kept_after(500), [log[143]]);
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
    /// Splits a log into segments and renumbers its entries from 0. All segments except the last are full.
    ///
    /// The new numbers need not equal the previous ones, because only their order matters.
    #[must_use]
    pub fn pack(node_id: NodeId, entries: &[LogEntry]) -> Vec<Self> {
        let runs = entries.chunks(SEGMENT_ENTRIES as usize);
        let numbered = (0..=u32::MAX).step_by(SEGMENT_ENTRIES as usize).zip(runs);
        numbered.map(|(first, run)| Self { node_id, first_number: first, entries: run.to_vec() }).collect()
    }
}

/// The start times of the levels of detail, in descending order. The last two are at the start of a day.
struct Tiers {
    full_detail_ns: u64,
    full_detail_entries: usize,
    hourly_ns: u64,
    max_age_ns: u64,
}

impl Tiers {
    fn new(now_ns: u64, retention: &Retention) -> Self {
        let hourly_ns = retention.hourly_ns.max(retention.full_detail_ns);
        // An hour or day that is only partly older than the limit belongs to the more detailed level, so each
        // level begins at the start of an hour or day.
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

    /// Returns how many of the oldest entries are not kept in full detail. Never includes the last entry.
    fn old_count(&self, entries: &[LogEntry]) -> usize {
        let by_age = entries.partition_point(|entry| entry.at_ns() < self.full_detail_ns);
        let by_number = entries.len().saturating_sub(self.full_detail_entries);
        by_age.max(by_number).min(entries.len().saturating_sub(1))
    }

    /// Returns the period that is downsampled together with an old entry at `at_ns`.
    fn period_of(&self, at_ns: u64) -> Period {
        if at_ns < self.max_age_ns {
            return Period { start_ns: 0, end_ns: self.max_age_ns, is_expired: true };
        }
        let width_ns = if at_ns < self.hourly_ns { DAY_NS } else { HOUR_NS };
        let start_ns = at_ns - at_ns % width_ns;
        Period { start_ns, end_ns: start_ns.saturating_add(width_ns), is_expired: false }
    }
}

/// An hour, a day, or all the time beyond the maximum age.
#[derive(PartialEq, Eq)]
struct Period {
    start_ns: u64,
    end_ns: u64,
    is_expired: bool,
}

impl Period {
    /// Appends the entries to keep of this period's `entries`. `next` is the entry that follows them.
    fn keep(&self, entries: &[LogEntry], next: &LogEntry, kept: &mut Vec<LogEntry>) {
        // The totals at the end of the period can be computed if the presence did not change between the last
        // entry and the next one. Otherwise the last entry is kept instead.
        let at_end = |last: &LogEntry| interpolate(last, next, self.end_ns).unwrap_or(*last);
        let end = entries.last().filter(|_| next.at_ns() > self.end_ns).map(at_end);
        if self.is_expired {
            kept.extend(end);
            return;
        }
        // An entry exactly at the start is the end of the previous period and does not belong to this one. If
        // it did, a period with a single entry would have two when the log is downsampled again.
        let within = entries.partition_point(|entry| entry.at_ns() <= self.start_ns);
        let (at_start, within) = entries.split_at_checked(within).unwrap_or_default();
        kept.extend(at_start.last());
        if within.len() <= 1 {
            kept.extend_from_slice(within);
            return;
        }
        // The first entry is kept so that the totals at the start of the period can be computed from it. An
        // entry exactly at the start makes it unnecessary.
        if kept.last().is_none_or(|before| before.at_ns() < self.start_ns) {
            kept.extend(within.first());
        }
        kept.extend(end);
    }
}

/// Returns the entry at a time between two consecutive ones, if the presence was the same in between.
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

/// Returns whether a ledger that began at `start_ns` can have produced these entries.
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
