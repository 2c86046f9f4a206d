//! Computes a peer's uptime and observed time within any window from its log and ledger.
//!
//! The totals of two consecutive log entries give the uptime and the observed time between them. If the
//! presence was the same all the time, the totals at every time in between are known exactly. If entries were
//! dropped, the order of the presences is not known. The estimate then assumes one order that is consistent
//! with the totals, and the error covers every other consistent order.

use crate::clock::TrackerClock;
use crate::log::LogEntry;
use crate::{Ledger, Presence, Totals, WindowReport};

/// A duration with its maximum error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) value_ns: u64,
    pub(crate) error_ns: u64,
}

/// The data of one peer from which windows are computed, as of `now_ns`.
#[derive(Clone, Copy)]
pub(crate) struct WindowCalculator<'a> {
    /// The start of the ledger, with both totals at 0. Nothing is observed before it.
    pub(crate) start_ns: u64,
    /// All log entries but the last change, which the ledger holds.
    pub(crate) log: &'a [LogEntry],
    pub(crate) ledger: &'a Ledger,
    /// Nothing is observed after this time.
    pub(crate) now_ns: u64,
}

impl WindowCalculator<'_> {
    /// Returns the report for `[from_ns, to_ns)`, limited to the time between `start_ns` and `now_ns`.
    pub(crate) fn window(
        &self,
        start_ns: u64,
        from_ns: u64,
        to_ns: u64,
        clock: TrackerClock,
    ) -> WindowReport {
        let from_ns = from_ns.clamp(start_ns, self.now_ns.max(start_ns));
        let to_ns = to_ns.clamp(from_ns, self.now_ns.max(from_ns));
        let (online, observed) = self.estimate(from_ns, to_ns);
        WindowReport::new(
            clock.to_wall_clock(from_ns),
            clock.to_wall_clock(to_ns),
            to_ns - from_ns,
            online,
            observed,
        )
    }

    /// Returns uptime and observed time in `[from_ns, to_ns)`, by two searches in the log.
    fn estimate(&self, from_ns: u64, to_ns: u64) -> (Estimate, Estimate) {
        let end_ns = self.now_ns.max(self.start_ns);
        let from_ns = from_ns.clamp(self.start_ns, end_ns);
        let to_ns = to_ns.clamp(from_ns, end_ns);
        let first = self.interval_at(from_ns);
        let last = self.interval_at(to_ns);
        (
            first.estimate_until(&last, from_ns, to_ns, Measure::Online),
            first.estimate_until(&last, from_ns, to_ns, Measure::Observed),
        )
    }

    /// Returns the interval between two entries that contains `at_ns`.
    fn interval_at(&self, at_ns: u64) -> LogInterval {
        let last = self.ledger.last_change();
        if at_ns >= last.at_ns() {
            let (end_ns, end) = (self.now_ns, self.ledger.totals_at(self.now_ns));
            return LogInterval::new(
                usize::MAX,
                (last.at_ns(), last.totals()),
                last.presence(),
                (end_ns, end),
            );
        }
        let after = count_until(self.log, at_ns);
        let (start, presence_at_start) = match after.checked_sub(1).and_then(|i| self.log.get(i)) {
            Some(entry) => ((entry.at_ns(), entry.totals()), entry.presence()),
            None => ((self.start_ns, Totals::default()), Presence::Unobserved),
        };
        let end = self.log.get(after).copied().unwrap_or(last);
        LogInterval::new(after, start, presence_at_start, (end.at_ns(), end.totals()))
    }
}

/// Returns the number of entries at or before `at_ns`, which is the index of the first entry after it.
///
/// The search starts where the entry would be if all entries were equally far apart, and then doubles its
/// range. It is short if they nearly are, and O(log n) in any case.
fn count_until(log: &[LogEntry], at_ns: u64) -> usize {
    let is_before = |i: usize| log.get(i).is_some_and(|entry| entry.at_ns() <= at_ns);
    let (Some(first), Some(last)) = (log.first(), log.last()) else { return 0 };
    if at_ns < first.at_ns() {
        return 0;
    }
    if at_ns >= last.at_ns() {
        return log.len();
    }
    let into = u128::from(at_ns - first.at_ns()) * log.len() as u128;
    let length = u128::from(last.at_ns() - first.at_ns()).max(1);
    let guess = usize::try_from(into / length).unwrap_or(usize::MAX).min(log.len() - 1);
    let (mut low, mut high, mut step) = (guess, guess, 1);
    while low > 0 && !is_before(low) {
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 1;
    while is_before(high) {
        high = high.saturating_add(step).min(log.len());
        step *= 2;
    }
    low + log.get(low..high).map_or(0, |range| range.partition_point(|entry| entry.at_ns() <= at_ns))
}

#[derive(Clone, Copy)]
enum Measure {
    Online,
    Observed,
}

impl Measure {
    fn of(self, totals: Totals) -> u64 {
        match self {
            Self::Online => totals.online_ns,
            Self::Observed => totals.observed_ns,
        }
    }
}

/// The interval between two times at which the totals are known.
struct LogInterval {
    /// The index of the interval, counted from the start of the ledger.
    index: usize,
    start_ns: u64,
    start_totals: Totals,
    length_ns: u64,
    /// The growth of the totals during the interval.
    growth: Totals,
    /// The presence at the start, which comes first in the assumed order.
    presence_at_start: Presence,
}

impl LogInterval {
    fn new(index: usize, start: (u64, Totals), presence_at_start: Presence, end: (u64, Totals)) -> Self {
        Self {
            index,
            start_ns: start.0,
            start_totals: start.1,
            length_ns: end.0.saturating_sub(start.0),
            growth: end.1.since(start.1),
            presence_at_start,
        }
    }

    fn estimate_until(&self, last: &Self, from_ns: u64, to_ns: u64, measure: Measure) -> Estimate {
        let (x, y) = (from_ns - self.start_ns, to_ns - last.start_ns);
        let value_ns = (measure.of(last.start_totals) + last.assumed(y, measure))
            - (measure.of(self.start_totals) + self.assumed(x, measure));
        let (min_ns, max_ns) = if self.index == last.index {
            self.bounds(y - x, measure)
        } else {
            let between =
                measure.of(last.start_totals) - measure.of(self.start_totals) - measure.of(self.growth);
            let head = self.bounds(self.length_ns.saturating_sub(x), measure);
            let tail = last.bounds(y, measure);
            (between + head.0 + tail.0, between + head.1 + tail.1)
        };
        Estimate { value_ns, error_ns: max_ns.saturating_sub(value_ns).max(value_ns.saturating_sub(min_ns)) }
    }

    /// Returns the measured time in the first `x` nanoseconds, in the assumed order.
    ///
    /// The order is one block of the presence at the start, followed by one block of each other
    /// presence: unobserved, offline, online.
    fn assumed(&self, x: u64, measure: Measure) -> u64 {
        let blocks = [
            (Presence::Unobserved, self.length_ns.saturating_sub(self.growth.observed_ns)),
            (Presence::Offline, self.growth.observed_ns - self.growth.online_ns),
            (Presence::Online, self.growth.online_ns),
        ];
        let first = blocks.iter().filter(|(presence, _)| *presence == self.presence_at_start);
        let others = blocks.iter().filter(|(presence, _)| *presence != self.presence_at_start);
        let mut left = x;
        let mut totals = Totals::default();
        for &(presence, block_ns) in first.chain(others) {
            let part = left.min(block_ns);
            totals = totals.after(presence, part);
            left -= part;
        }
        measure.of(totals)
    }

    /// Returns the minimum and maximum of the measured time in any part of the interval with this length.
    fn bounds(&self, length: u64, measure: Measure) -> (u64, u64) {
        let growth = measure.of(self.growth).min(self.length_ns);
        let others = self.length_ns - growth;
        (length.saturating_sub(others), length.min(growth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn search_agrees_with_linear_scan(
            mut times in prop::collection::vec(0_u64..200, 0..60),
            far: bool,
            at in 0_u64..220,
        ) {
            times.sort_unstable();
            let scale = if far { u64::MAX / 220 } else { 1 };
            let entry = |time: &u64| LogEntry::new(time * scale, Presence::Online, Totals::default());
            let log: Vec<_> = times.iter().map(entry).collect();
            let scanned = times.iter().filter(|time| **time <= at).count();
            prop_assert_eq!(count_until(&log, at * scale), scanned);
        }
    }
}
