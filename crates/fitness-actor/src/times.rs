//! How long commits take, as a histogram.

use std::time::Duration;

use crate::clock::nanos;

const MILLI_NS: u64 = 1_000_000;

/// How long the commits took that were stored since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CommitDurations {
    /// How many took no longer than the bound at the same place of [`CommitDurations::BOUNDS_NS`], and
    /// longer than the one before; the last entry is of those that took longer than all.
    pub bucket_counts: [u64; 15],
    /// How long all of them took together, in nanoseconds.
    pub sum_ns: u64,
    /// The longest one, in nanoseconds; 0 before the first.
    pub longest_ns: u64,
}

impl CommitDurations {
    /// The bounds between which commits are counted, ascending, in nanoseconds: from a millisecond to
    /// half a minute.
    pub const BUCKET_BOUNDS_NS: [u64; 14] = [
        MILLI_NS,
        2_500_000,
        5 * MILLI_NS,
        10 * MILLI_NS,
        25 * MILLI_NS,
        50 * MILLI_NS,
        100 * MILLI_NS,
        250 * MILLI_NS,
        500 * MILLI_NS,
        1_000 * MILLI_NS,
        2_500 * MILLI_NS,
        5_000 * MILLI_NS,
        10_000 * MILLI_NS,
        30_000 * MILLI_NS,
    ];

    pub(crate) fn took(&mut self, time: Duration) {
        let time_ns = nanos(time);
        let place = Self::BUCKET_BOUNDS_NS.partition_point(|bound_ns| *bound_ns < time_ns);
        if let Some(count) = self.bucket_counts.get_mut(place) {
            *count += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(time_ns);
        self.longest_ns = self.longest_ns.max(time_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_with_what_is_below_it() {
        let mut times = CommitDurations::default();
        let taken = [Duration::ZERO, Duration::from_millis(1), Duration::from_nanos(1_000_001)];
        taken.into_iter().chain([Duration::MAX]).for_each(|time| times.took(time));
        assert_eq!((times.bucket_counts[0], times.bucket_counts[1], times.bucket_counts[14]), (2, 1, 1));
        assert_eq!((times.sum_ns, times.longest_ns), (u64::MAX, u64::MAX));
        assert!(CommitDurations::BUCKET_BOUNDS_NS.is_sorted());
        assert_eq!(times.bucket_counts.len(), CommitDurations::BUCKET_BOUNDS_NS.len() + 1);
    }
}
