//! What a peer's log and ledger say of any stretch of time.
//!
//! Between two neighbours in the log we know how much time was online and how much was observed.
//! If all of it was of one kind, every moment in between is known exactly. If entries were dropped
//! there, the order of the kinds is not known: the answer is then one history that fits all that
//! is known, and the error bounds every other that fits too.

use crate::clock::TrackerClock;
use crate::log::LogEntry;
use crate::{Ledger, Presence, Totals, WindowReport};

/// A duration that may be known only up to an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) value_ns: u64,
    pub(crate) error_ns: u64,
}

/// A peer's account, as it is at `now_ns`.
#[derive(Clone, Copy)]
pub(crate) struct WindowCalculator<'a> {
    /// When it began, with both totals at 0. Before it nothing is observed.
    pub(crate) start_ns: u64,
    /// The entries of the log but the last change, which is the ledger's.
    pub(crate) log: &'a [LogEntry],
    pub(crate) ledger: &'a Ledger,
    /// After it nothing is observed.
    pub(crate) now_ns: u64,
}

impl WindowCalculator<'_> {
    /// What there is to say of `[from_ns, to_ns)`, cut to what lies between `start_ns` and now.
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

    /// Online and observed time in `[from_ns, to_ns)`, two searches in the log.
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

    /// The stretch between two known moments that `at_ns` lies in.
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

/// How many entries are not after `at_ns`: where the first one after it stands.
///
/// Starts where the entry would stand if all were equally far apart, and widens the search from
/// there by doubling, so that it is short where they nearly are and O(log n) always.
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

/// The time between two moments at which the totals are known.
struct LogInterval {
    /// Which one it is, counted from the account's beginning.
    index: usize,
    start_ns: u64,
    start_totals: Totals,
    length_ns: u64,
    /// What the totals grew by.
    growth: Totals,
    /// The presence at its start, which an order that was lost is guessed to begin with.
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

    /// Time of this kind in the first `x` nanoseconds, in the history that is guessed: three
    /// blocks, the presence at the start first, then unobserved, offline, online.
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

    /// The least and the most time of this kind that any part of `length` nanoseconds at one end,
    /// or anywhere, can hold.
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
        fn search_agrees_with_linear_scan(mut times in prop::collection::vec(0_u64..200, 0..60), far: bool, at in 0_u64..220) {
            times.sort_unstable();
            let scale = if far { u64::MAX / 220 } else { 1 };
            let entry = |time: &u64| LogEntry::new(time * scale, Presence::Online, Totals::default());
            let log: Vec<_> = times.iter().map(entry).collect();
            let scanned = times.iter().filter(|time| **time <= at).count();
            prop_assert_eq!(count_until(&log, at * scale), scanned);
        }
    }
}
