//! Strips: a peer's last hours or a timeline, drawn as a row of marks.

use fitness_core::Timestamp;

use crate::api::{Interval, MonitoringGap, TimeTotals};

pub(crate) const HOUR_NS: u64 = 3_600_000_000_000;

/// The state that a mark shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The peer was not tracked yet.
    NotTracked,
    /// Unobserved, for another reason than a monitoring gap.
    Unobserved,
    /// Unobserved because of a monitoring gap.
    Gap,
    Offline,
    /// Online for a part of the observed time, in sixths from 0 to 5.
    Partial(u8),
    Online,
}

impl Mark {
    fn new(length_ns: u64, observed_ns: u64, uptime_ns: u64, has_gap: bool) -> Self {
        match (observed_ns, uptime_ns) {
            _ if length_ns == 0 => Self::NotTracked,
            (0, _) if has_gap => Self::Gap,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            (observed, uptime) if uptime >= observed => Self::Online,
            (observed, uptime) => {
                let sixths = u128::from(uptime) * 6 / u128::from(observed);
                Self::Partial(u8::try_from(sixths).unwrap_or(5).min(5))
            }
        }
    }
}

/// The totals of a peer in each of its last hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strip {
    /// When the totals were fetched.
    pub(crate) fetched_at: Timestamp,
    pub(crate) hours: Vec<TimeTotals>,
}

impl Strip {
    /// Returns one mark for each of the last `count` hours, the oldest first. The last mark is the current
    /// hour.
    pub(crate) fn marks(&self, now: Timestamp, count: u16, gaps: &[MonitoringGap]) -> Vec<Mark> {
        let this_hour = now.as_nanos() / HOUR_NS;
        let start_of_hour = |ago: u64| this_hour.checked_sub(ago).map(|hour| hour.saturating_mul(HOUR_NS));
        (0..u64::from(count))
            .rev()
            .map(|ago| {
                let Some(start) = start_of_hour(ago).map(Timestamp::from_nanos) else {
                    return Mark::NotTracked;
                };
                let end = start.after_nanos(HOUR_NS);
                let is_in_hour = |totals: &&TimeTotals| totals.from_ns >= start && totals.from_ns < end;
                let Some(totals) = self.hours.iter().find(is_in_hour) else { return Mark::NotTracked };
                let has_gap = has_overlap(gaps, totals.from_ns, totals.to_ns);
                let length_ns = totals.to_ns.nanos_since(totals.from_ns);
                Mark::new(length_ns, totals.observed_ns, totals.uptime_ns, has_gap)
            })
            .collect()
    }
}

fn has_overlap(gaps: &[MonitoringGap], from: Timestamp, to: Timestamp) -> bool {
    gaps.iter().any(|gap| gap.from_ns < to && gap.to_ns > from)
}

/// Divides a timeline from `from` to `to` into `width` marks of equal length.
///
/// If an interval was downsampled, its totals are distributed evenly over its marks, because the order of its
/// changes is unknown.
pub(crate) fn timeline_marks(timeline: &[Interval], from: Timestamp, to: Timestamp, width: u16) -> Vec<Mark> {
    let length_ns = to.nanos_since(from);
    let start_of_mark = |mark: u16| {
        let offset = u128::from(length_ns) * u128::from(mark) / u128::from(width.max(1));
        from.after_nanos(u64::try_from(offset).unwrap_or(length_ns))
    };
    let share = |total_ns: u64, overlap_ns: u64, whole_ns: u64| {
        let share = u128::from(total_ns) * u128::from(overlap_ns) / u128::from(whole_ns.max(1));
        u64::try_from(share).unwrap_or(total_ns)
    };
    let mut first = 0;
    (0..width)
        .map(|mark| {
            let (start, end) = (start_of_mark(mark), start_of_mark(mark + 1));
            let (mut length, mut observed, mut uptime, mut has_gap) = (0_u64, 0_u64, 0_u64, false);
            while timeline.get(first).is_some_and(|interval| interval.to_ns <= start) {
                first += 1;
            }
            let rest = timeline.get(first..).unwrap_or_default();
            for interval in rest.iter().take_while(|interval| interval.from_ns < end) {
                let overlap = interval.to_ns.min(end).nanos_since(interval.from_ns.max(start));
                let whole = interval.to_ns.nanos_since(interval.from_ns);
                length = length.saturating_add(overlap);
                observed = observed.saturating_add(share(interval.observed_ns, overlap, whole));
                uptime = uptime.saturating_add(share(interval.uptime_ns, overlap, whole));
                has_gap |= interval.cause.is_some();
            }
            Mark::new(length, observed, uptime, has_gap)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use fitness_core::Presence;

    use super::*;
    use crate::api::Cause;

    fn hour(number: u64, observed_sixths: u64, uptime_sixths: u64) -> TimeTotals {
        let from_ns = Timestamp::from_nanos(number * HOUR_NS);
        let to_ns = from_ns.after_nanos(HOUR_NS);
        let (observed_ns, uptime_ns) = (observed_sixths * HOUR_NS / 6, uptime_sixths * HOUR_NS / 6);
        TimeTotals { from_ns, to_ns, observed_ns, uptime_ns }
    }

    #[test]
    fn a_strip_has_one_mark_per_hour() {
        let hours = vec![hour(96, 6, 6), hour(97, 6, 3), hour(98, 6, 0), hour(99, 0, 0), hour(100, 0, 0)];
        let strip = Strip { fetched_at: Timestamp::EPOCH, hours };
        let now = Timestamp::from_nanos(100 * HOUR_NS + HOUR_NS / 2);
        let gap = MonitoringGap {
            cause: Cause::NotRunning,
            from_ns: Timestamp::from_nanos(100 * HOUR_NS),
            to_ns: now,
        };
        assert_eq!(
            strip.marks(now, 6, &[gap]),
            [Mark::NotTracked, Mark::Online, Mark::Partial(3), Mark::Offline, Mark::Unobserved, Mark::Gap]
        );
        assert_eq!(strip.marks(Timestamp::EPOCH, 3, &[]), [Mark::NotTracked; 3]);
        assert_eq!(strip.marks(Timestamp::MAX, 2, &[]), [Mark::NotTracked; 2]);
    }

    #[test]
    fn a_timeline_is_divided_into_marks() {
        let at = Timestamp::from_secs;
        let interval = |from, to, observed: u64, uptime: u64, presence, cause| Interval {
            from_ns: at(from),
            to_ns: at(to),
            observed_ns: observed * 1_000_000_000,
            uptime_ns: uptime * 1_000_000_000,
            presence,
            cause,
        };
        let timeline = [
            interval(20, 40, 20, 20, Some(Presence::Online), None),
            interval(40, 50, 10, 0, Some(Presence::Offline), None),
            interval(50, 60, 0, 0, Some(Presence::Unobserved), Some(Cause::NotRunning)),
            interval(60, 80, 20, 10, None, None),
        ];
        assert_eq!(
            timeline_marks(&timeline, at(0), at(80), 8),
            [
                Mark::NotTracked,
                Mark::NotTracked,
                Mark::Online,
                Mark::Online,
                Mark::Offline,
                Mark::Gap,
                Mark::Partial(3),
                Mark::Partial(3)
            ]
        );
        assert_eq!(timeline_marks(&timeline, at(0), at(80), 0), []);
        assert_eq!(timeline_marks(&[], at(5), at(5), 3), [Mark::NotTracked; 3]);
    }
}
