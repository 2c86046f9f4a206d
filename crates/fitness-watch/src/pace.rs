//! When to dial again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// How long to wait before a node is dialled again.
///
/// The wait doubles with each time, up to `longest`. Each is drawn at random between itself and its
/// double, so that nodes that were lost together are not dialled together. An absence is found to be
/// over at the next dial, so it is measured too long by up to that wait.
///
/// When somebody is heard of after nobody was for some time, it was our own network: the waits of all
/// nodes begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait; the default is 1 s, the least a millisecond.
    pub min: Duration,
    /// No wait is longer; the default is 5 min, the least is `first`.
    pub max: Duration,
    /// After a connection that lasted as long as this the waits begin anew; the default is 1 min.
    /// After a shorter one they go on growing, so that a node that drops us at once is not hammered.
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

/// The waits of one node.
#[derive(Debug)]
pub(crate) struct Pace {
    backoff: Backoff,
    waits: ExponentialBackoff,
}

impl Pace {
    pub(crate) fn new(backoff: Backoff) -> Self {
        let first = backoff.min.max(Duration::from_millis(1));
        let backoff = Backoff { min: first, max: backoff.max.max(first), ..backoff };
        Self { backoff, waits: waits(&backoff) }
    }

    /// A connection came to its end that had lasted so long.
    pub(crate) fn lasted(&mut self, time: Duration) {
        if time >= self.backoff.reset_after {
            self.begin_anew();
        }
    }

    /// Whatever went wrong before does not count.
    pub(crate) fn begin_anew(&mut self) {
        self.waits = waits(&self.backoff);
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.backoff.max).min(self.backoff.max)
    }
}

fn waits(backoff: &Backoff) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(backoff.min)
        // The jitter comes on top, and adds as much again at most.
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
    fn waits_double_and_stay_within_their_bounds() {
        let mut pace = Pace::new(Backoff::default());
        let mut least = 1.0;
        for _ in 0..8 {
            let wait = pace.next();
            assert!(wait >= secs(least) && wait <= secs(2.0 * least), "{wait:?} of {least}");
            least *= 2.0;
        }
        for _ in 0..100 {
            let wait = pace.next();
            assert!(wait >= secs(150.0) && wait <= secs(300.0), "{wait:?}");
        }
    }

    #[test]
    fn no_two_nodes_are_dialled_in_step() {
        let mut paces: Vec<Pace> = (0..20).map(|_| Pace::new(Backoff::default())).collect();
        let mut waits: Vec<Duration> = paces.iter_mut().map(Pace::next).collect();
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 15, "{waits:?}");
    }

    #[test]
    fn only_a_stable_connection_begins_them_anew() {
        let mut pace = Pace::new(Backoff::default());
        for _ in 0..5 {
            pace.next();
            pace.lasted(secs(59.9));
        }
        assert!(pace.next() >= secs(32.0));
        pace.lasted(secs(60.0));
        assert!(pace.next() <= secs(2.0));
    }

    #[test]
    fn bounds_that_make_no_sense_are_brought_to_sense() {
        let zero = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
        let mut pace = Pace::new(zero);
        assert!((0..50).all(|_| pace.next() == Duration::from_millis(1)));
        let endless = Backoff { min: Duration::MAX, max: Duration::MAX, ..Backoff::default() };
        let mut pace = Pace::new(endless);
        assert!((0..5).all(|_| pace.next() >= Duration::from_secs(u32::MAX.into())));
    }
}
