//! The delay before a node is dialled again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// How long to wait before a node is dialled again.
///
/// The delay doubles after each failure, up to `max`. Each delay is drawn at random between its base and
/// twice its base, so nodes that were lost together are not dialled together. The end of an outage is noticed
/// at the next dial, so an outage is measured too long by up to one delay.
///
/// If a node sends data after a time in which none did, our own network was down: the delays of all nodes
/// start again at `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay. The default is 1 s, the minimum 1 ms.
    pub min: Duration,
    /// The longest delay. The default is 5 min, the minimum is `min`.
    pub max: Duration,
    /// A connection that lasted at least this long resets the delay to `min`. The default is 1 min.
    /// After a shorter one the delay continues to grow, so a node that drops us at once is not dialled in
    /// quick succession.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_secs(5 * 60),
            reset_after: Duration::from_secs(60),
        }
    }
}

/// The sequence of delays of one node.
#[derive(Debug)]
pub(crate) struct RetryDelays {
    backoff: Backoff,
    delays: ExponentialBackoff,
}

impl RetryDelays {
    pub(crate) fn new(backoff: Backoff) -> Self {
        let min = backoff.min.max(Duration::from_millis(1));
        let backoff = Backoff { min, max: backoff.max.max(min), ..backoff };
        Self { backoff, delays: exponential(&backoff) }
    }

    /// Records that a connection ended after `connected_for`, and resets the delay if it was stable.
    pub(crate) fn connection_ended(&mut self, connected_for: Duration) {
        if connected_for >= self.backoff.reset_after {
            self.reset();
        }
    }

    /// Starts again with the first delay.
    pub(crate) fn reset(&mut self) {
        self.delays = exponential(&self.backoff);
    }

    /// Returns the next delay.
    pub(crate) fn next(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.backoff.max).min(self.backoff.max)
    }
}

fn exponential(backoff: &Backoff) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(backoff.min)
        // The jitter is added to this and can double it.
        .with_max_delay((backoff.max / 2).max(backoff.min))
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    #[test]
    fn delays_double_and_stay_within_their_bounds() {
        let mut delays = RetryDelays::new(Backoff::default());
        let mut base = 1.0;
        for _ in 0..8 {
            let delay = delays.next();
            assert!(delay >= secs(base) && delay <= secs(2.0 * base), "{delay:?}, base {base}");
            base *= 2.0;
        }
        for _ in 0..100 {
            let delay = delays.next();
            assert!(delay >= secs(150.0) && delay <= secs(300.0), "{delay:?}");
        }
    }

    #[test]
    fn delays_of_different_nodes_differ() {
        let mut nodes: Vec<RetryDelays> = (0..20).map(|_| RetryDelays::new(Backoff::default())).collect();
        let mut delays: Vec<Duration> = nodes.iter_mut().map(RetryDelays::next).collect();
        delays.sort_unstable();
        delays.dedup();
        assert!(delays.len() > 15, "{delays:?}");
    }

    #[test]
    fn only_a_stable_connection_resets_the_delay() {
        let mut delays = RetryDelays::new(Backoff::default());
        for _ in 0..5 {
            delays.next();
            delays.connection_ended(secs(59.9));
        }
        assert!(delays.next() >= secs(32.0));
        delays.connection_ended(secs(60.0));
        assert!(delays.next() <= secs(2.0));
    }

    #[test]
    fn bounds_out_of_range_are_clamped() {
        let zero = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
        let mut delays = RetryDelays::new(zero);
        assert!((0..50).all(|_| delays.next() == Duration::from_millis(1)));
        let endless = Backoff { min: Duration::MAX, max: Duration::MAX, ..Backoff::default() };
        let mut delays = RetryDelays::new(endless);
        assert!((0..5).all(|_| delays.next() >= Duration::from_secs(u32::MAX.into())));
    }
}
