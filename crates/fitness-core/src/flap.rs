//! The flap count with lnd's decay, and the rate limit of the event log, which depends on the flap count.
//!
//! The constants and formulas are those of lnd's `chanfitness/rate_limit.go`.

/// The decay period of the flap count, in nanoseconds: 8 hours.
///
/// The count does not decay if the next flap follows within one period.
pub const FLAP_DECAY_PERIOD_NS: u64 = 8 * 3600 * 1_000_000_000;

/// The factor by which the flap count decays per [`FLAP_DECAY_PERIOD_NS`].
///
/// If the time `t` since the last flap is at least one period, the decay is continuous: `0.95^(t / period)`.
pub const FLAP_DECAY_FACTOR: f64 = 0.95;

const FLAPS_PER_TIER: u32 = 200;

const SECOND_NS: u64 = 1_000_000_000;
const TIER_LIMITS_NS: [u64; 6] =
    [SECOND_NS, 5 * SECOND_NS, 30 * SECOND_NS, 60 * SECOND_NS, 30 * 60 * SECOND_NS, 3600 * SECOND_NS];

/// Returns the length of the log's rate limit for a peer with this flap count, in nanoseconds: from one
/// second to one hour.
///
/// A change between online and offline that follows within this time replaces the newest entry
/// ([`EventLog::staged`](crate::EventLog::staged)) instead of adding one. [`EventLog`](crate::EventLog)
/// describes from which entry the time is measured.
#[must_use]
pub fn log_rate_limit_ns(flap_count: u32) -> u64 {
    let tier = (flap_count / FLAPS_PER_TIER) as usize;
    TIER_LIMITS_NS[tier.min(TIER_LIMITS_NS.len() - 1)]
}

/// The number of flaps of a peer, with decay, and the time of the last flap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlapCount {
    count: u32,
    // 0 means no flap. A flap at tracker time 0 is recorded as 1.
    last_ns: u64,
}

impl FlapCount {
    /// Creates a count from stored values; `last_ns` is in tracker time.
    #[must_use]
    pub const fn from_parts(count: u32, last_ns: Option<u64>) -> Self {
        Self {
            count,
            last_ns: match last_ns {
                Some(at) => at,
                None => 0,
            },
        }
    }

    /// Returns the count as of the last flap. As in lnd, the decay is applied only when the next flap is
    /// recorded.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Returns the tracker time of the last flap; `None` before the first.
    #[must_use]
    pub const fn last_flap_ns(&self) -> Option<u64> {
        if self.last_ns == 0 { None } else { Some(self.last_ns) }
    }

    /// Applies the decay for the time since the last flap, and then records a flap at `at_ns`.
    ///
    /// The decayed count is `count * 0.95^(t / 8 h)`, truncated, if `t` is at least 8 h.
    pub fn record_flap(&mut self, at_ns: u64) {
        if let Some(last_ns) = self.last_flap_ns() {
            self.count = decayed(self.count, at_ns.saturating_sub(last_ns));
        }
        self.count = self.count.saturating_add(1);
        self.last_ns = at_ns.max(1);
    }
}

// lnd truncates as well. The product is never negative and never above `count`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn decayed(count: u32, since_flap_ns: u64) -> u32 {
    if since_flap_ns < FLAP_DECAY_PERIOD_NS {
        return count;
    }
    let periods = since_flap_ns as f64 / FLAP_DECAY_PERIOD_NS as f64;
    (f64::from(count) * libm::pow(FLAP_DECAY_FACTOR, periods)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_tiers_equal_lnd() {
        assert_eq!(log_rate_limit_ns(0), SECOND_NS);
        assert_eq!(log_rate_limit_ns(199), SECOND_NS);
        assert_eq!(log_rate_limit_ns(200), 5 * SECOND_NS);
        assert_eq!(log_rate_limit_ns(1000), 3600 * SECOND_NS);
        assert_eq!(log_rate_limit_ns(u32::MAX), 3600 * SECOND_NS);
    }

    #[test]
    fn decay_starts_after_a_whole_period() {
        let mut flaps = FlapCount::from_parts(100, Some(1));
        flaps.record_flap(FLAP_DECAY_PERIOD_NS);
        assert_eq!(flaps.count(), 101, "one nanosecond short of eight hours");
        flaps.record_flap(2 * FLAP_DECAY_PERIOD_NS);
        assert_eq!(flaps.count(), 96, "101 * 0.95 = 95.95, truncated, and one more");
    }

    #[test]
    fn count_saturates() {
        let mut flaps = FlapCount::from_parts(u32::MAX, Some(5));
        flaps.record_flap(6);
        assert_eq!(flaps.count(), u32::MAX);
        flaps.record_flap(u64::MAX);
        assert_eq!(flaps.count(), 1);
    }
}
