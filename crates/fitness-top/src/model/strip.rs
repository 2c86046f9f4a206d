//! A peer's last hours, a mark each.

use fitness_core::Timestamp;

use crate::api::{Interval, OwnGap, Sums};

pub(crate) const HOUR_NS: u64 = 3_600_000_000_000;

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The peer was not followed yet.
    Nothing,
    /// We could not tell.
    Unobserved,
    /// We could not tell, because we were gone.
    Gone,
    Offline,
    /// Online for a part of the time, in sixths, from 0 to 5.
    Partly(u8),
    Online,
}

impl Mark {
    fn of(length_ns: u64, observed_ns: u64, uptime_ns: u64, gone: bool) -> Self {
        match (observed_ns, uptime_ns) {
            _ if length_ns == 0 => Self::Nothing,
            (0, _) if gone => Self::Gone,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            (observed, uptime) if uptime >= observed => Self::Online,
            (observed, uptime) => {
                let sixths = u128::from(uptime) * 6 / u128::from(observed);
                Self::Partly(u8::try_from(sixths).unwrap_or(5).min(5))
            }
        }
    }
}

/// What was observed of a peer in each of its last hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hours {
    /// When it was asked for.
    pub(crate) at: Timestamp,
    pub(crate) sums: Vec<Sums>,
}

impl Hours {
    /// The last `hours` hours before `now`, a mark each, the oldest first; the last one is the hour that
    /// has begun.
    pub(crate) fn marks(&self, now: Timestamp, hours: u16, gaps: &[OwnGap]) -> Vec<Mark> {
        let this_hour = now.as_nanos() / HOUR_NS;
        let hours_ago = |ago: u64| this_hour.checked_sub(ago).map(|hour| hour.saturating_mul(HOUR_NS));
        (0..u64::from(hours))
            .rev()
            .map(|ago| {
                let Some(begins) = hours_ago(ago).map(Timestamp::from_nanos) else { return Mark::Nothing };
                let ends = begins.after_nanos(HOUR_NS);
                let within = |sums: &&Sums| sums.from_ns >= begins && sums.from_ns < ends;
                let Some(sums) = self.sums.iter().find(within) else { return Mark::Nothing };
                let gone = overlaps(gaps, sums.from_ns, sums.to_ns);
                let length_ns = sums.to_ns.nanos_since(sums.from_ns);
                Mark::of(length_ns, sums.observed_ns, sums.uptime_ns, gone)
            })
            .collect()
    }
}

fn overlaps(gaps: &[OwnGap], from: Timestamp, to: Timestamp) -> bool {
    gaps.iter().any(|gap| gap.from_ns < to && gap.to_ns > from)
}

/// A timeline in so many marks of equal length, from `from` until `to`.
///
/// Where only the sums of an interval are known, each mark has its share of them: an order that was lost is
/// not drawn as if it were known.
pub(crate) fn marks_of(timeline: &[Interval], from: Timestamp, to: Timestamp, width: u16) -> Vec<Mark> {
    let length_ns = to.nanos_since(from);
    let edge = |mark: u16| {
        let into = u128::from(length_ns) * u128::from(mark) / u128::from(width.max(1));
        from.after_nanos(u64::try_from(into).unwrap_or(length_ns))
    };
    let share = |of_ns: u64, inside_ns: u64, whole_ns: u64| {
        let share = u128::from(of_ns) * u128::from(inside_ns) / u128::from(whole_ns.max(1));
        u64::try_from(share).unwrap_or(of_ns)
    };
    let mut first = 0;
    (0..width)
        .map(|mark| {
            let (begins, ends) = (edge(mark), edge(mark + 1));
            let (mut length, mut observed, mut uptime, mut gone) = (0_u64, 0_u64, 0_u64, false);
            while timeline.get(first).is_some_and(|interval| interval.to_ns <= begins) {
                first += 1;
            }
            let touched = timeline.get(first..).unwrap_or_default();
            for interval in touched.iter().take_while(|interval| interval.from_ns < ends) {
                let inside = interval.to_ns.min(ends).nanos_since(interval.from_ns.max(begins));
                let whole = interval.to_ns.nanos_since(interval.from_ns);
                length = length.saturating_add(inside);
                observed = observed.saturating_add(share(interval.observed_ns, inside, whole));
                uptime = uptime.saturating_add(share(interval.uptime_ns, inside, whole));
                gone |= interval.cause.is_some();
            }
            Mark::of(length, observed, uptime, gone)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Cause, Word};

    fn hour(number: u64, observed: u64, uptime: u64) -> Sums {
        let from_ns = Timestamp::from_nanos(number * HOUR_NS);
        let to_ns = from_ns.after_nanos(HOUR_NS);
        Sums { from_ns, to_ns, observed_ns: observed * HOUR_NS / 6, uptime_ns: uptime * HOUR_NS / 6 }
    }

    #[test]
    fn an_hour_is_a_mark() {
        let sums = vec![hour(96, 6, 6), hour(97, 6, 3), hour(98, 6, 0), hour(99, 0, 0), hour(100, 0, 0)];
        let hours = Hours { at: Timestamp::EPOCH, sums };
        let now = Timestamp::from_nanos(100 * HOUR_NS + HOUR_NS / 2);
        let gap =
            OwnGap { cause: Cause::NotRunning, from_ns: Timestamp::from_nanos(100 * HOUR_NS), to_ns: now };
        assert_eq!(
            hours.marks(now, 6, &[gap]),
            [Mark::Nothing, Mark::Online, Mark::Partly(3), Mark::Offline, Mark::Unobserved, Mark::Gone]
        );
        assert_eq!(hours.marks(Timestamp::EPOCH, 3, &[]), [Mark::Nothing; 3]);
        assert_eq!(hours.marks(Timestamp::MAX, 2, &[]), [Mark::Nothing; 2]);
    }

    #[test]
    fn a_timeline_is_cut_into_marks() {
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
            interval(20, 40, 20, 20, Some(Word::Online), None),
            interval(40, 50, 10, 0, Some(Word::Offline), None),
            interval(50, 60, 0, 0, Some(Word::Unobserved), Some(Cause::NotRunning)),
            interval(60, 80, 20, 10, None, None),
        ];
        assert_eq!(
            marks_of(&timeline, at(0), at(80), 8),
            [
                Mark::Nothing,
                Mark::Nothing,
                Mark::Online,
                Mark::Online,
                Mark::Offline,
                Mark::Gone,
                Mark::Partly(3),
                Mark::Partly(3)
            ]
        );
        assert_eq!(marks_of(&timeline, at(0), at(80), 0), []);
        assert_eq!(marks_of(&[], at(5), at(5), 3), [Mark::Nothing; 3]);
    }
}
