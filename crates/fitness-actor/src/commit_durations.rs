//! A histogram of commit durations.

use std::time::Duration;

use crate::clock::nanos;

const MILLI_NS: u64 = 1_000_000;

/// A histogram of the durations of all successful commits since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CommitDurations {
    /// The number of commits in each bucket, not cumulative. A bucket counts the commits that took at most
    /// the bound with the same index in [`CommitDurations::BUCKET_BOUNDS_NS`] and longer than the previous
    /// bound. The last bucket counts the commits that took longer than every bound.
    pub bucket_counts: [u64; 15],
    /// The sum of all durations, in nanoseconds.
    pub sum_ns: u64,
    /// The longest duration, in nanoseconds; 0 before the first commit.
    pub longest_ns: u64,
}

impl CommitDurations {
    /// The inclusive upper bounds of the buckets, ascending, in nanoseconds: from 1 ms to 30 s.
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

    pub(crate) fn record(&mut self, duration: Duration) {
        let duration_ns = nanos(duration);
        let bucket = Self::BUCKET_BOUNDS_NS.partition_point(|bound_ns| *bound_ns < duration_ns);
        if let Some(count) = self.bucket_counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(duration_ns);
        self.longest_ns = self.longest_ns.max(duration_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_bounds_are_inclusive() {
        let mut durations = CommitDurations::default();
        let recorded =
            [Duration::ZERO, Duration::from_millis(1), Duration::from_nanos(1_000_001), Duration::MAX];
        recorded.into_iter().for_each(|duration| durations.record(duration));
        let counts = durations.bucket_counts;
        assert_eq!((counts[0], counts[1], counts[14]), (2, 1, 1));
        assert_eq!((durations.sum_ns, durations.longest_ns), (u64::MAX, u64::MAX));
        assert!(CommitDurations::BUCKET_BOUNDS_NS.is_sorted());
        assert_eq!(counts.len(), CommitDurations::BUCKET_BOUNDS_NS.len() + 1);
    }
}
