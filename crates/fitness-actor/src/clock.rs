//! Where time comes from: the only file of the workspace that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fitness_core::Timestamp;

/// The two clocks that service time is made of.
///
/// Both are read from any thread, often, and with locks held: an implementation must not block.
pub trait Clock: Send + Sync + 'static {
    /// Time since an arbitrary point, which never goes back and never jumps.
    fn monotonic(&self) -> Duration;

    /// What the wall clock says, which may do both.
    fn wall(&self) -> Timestamp;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    fn wall(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // Before 1970 is a clock that was never set.
        since_epoch.map_or(Timestamp::EPOCH, |since| Timestamp::from_nanos(nanos(since)))
    }
}

/// The clock of a tokio runtime, for tests: where tokio's time is paused, so is this.
///
/// Its wall clock starts where it is told and then keeps pace. It has to be read within the
/// runtime whose time it follows; elsewhere it tells the system's time.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    wall_at_origin: Timestamp,
}

impl TokioClock {
    /// A clock whose wall reads `wall` now.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { origin: tokio::time::Instant::now(), wall_at_origin: wall }
    }
}

impl Clock for TokioClock {
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall(&self) -> Timestamp {
        self.wall_at_origin.after_nanos(nanos(self.origin.elapsed()))
    }
}

/// Service time: the wall clock at start plus the monotonic time since, and what the wall clock was
/// found to have jumped ahead by.
///
/// It is what events are stamped with, so a wall clock that is set back while we run moves nothing.
pub(crate) struct ServiceClock {
    clock: Arc<dyn Clock>,
    wall_at_start: Timestamp,
    monotonic_at_start: Duration,
    /// In nanoseconds; it only grows, while the tracker's lock is held.
    jumped: AtomicU64,
}

impl ServiceClock {
    /// Service time starts now.
    pub(crate) fn start(clock: Arc<dyn Clock>) -> Self {
        let (wall_at_start, monotonic_at_start) = (clock.wall(), clock.monotonic());
        Self { clock, wall_at_start, monotonic_at_start, jumped: AtomicU64::new(0) }
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.wall_at_start
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self.clock.monotonic().saturating_sub(self.monotonic_at_start);
        self.wall_at_start.after_nanos(nanos(elapsed).saturating_add(self.jumped.load(Ordering::Relaxed)))
    }

    /// Service time goes on from `by_ns` later.
    pub(crate) fn jump(&self, by_ns: u64) {
        self.jumped.fetch_add(by_ns, Ordering::Relaxed);
    }

    /// By how much service time has jumped so far, in nanoseconds.
    pub(crate) fn jumped_ns(&self) -> u64 {
        self.jumped.load(Ordering::Relaxed)
    }

    /// How far the wall clock is ahead of `now`, a moment of service time just read, in nanoseconds.
    pub(crate) fn wall_ahead_ns(&self, now: Timestamp) -> u64 {
        self.clock.wall().nanos_since(now)
    }

    /// How far the wall clock is ahead of service time, in nanoseconds; negative where it is behind.
    pub(crate) fn wall_drift_ns(&self) -> i64 {
        // Whatever holds us up between two readings must not look like a clock that stepped.
        let before = self.now();
        let wall = self.clock.wall();
        let after = self.now();
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        signed(wall.nanos_since(after)) - signed(before.nanos_since(wall))
    }
}

/// A duration in nanoseconds; saturates.
pub(crate) fn nanos(duration: Duration) -> u64 {
    // Cheaper than the 128 bits of `Duration::as_nanos`, and this is on the way of every event.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Dial(Mutex<(Duration, Timestamp)>);

    impl Clock for Dial {
        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().0
        }

        fn wall(&self) -> Timestamp {
            self.0.lock().unwrap().1
        }
    }

    #[test]
    fn service_time_keeps_pace_with_the_monotonic_clock_alone() {
        let start = Timestamp::from_secs(1_000);
        let dial = Arc::new(Dial(Mutex::new((Duration::from_secs(7), start))));
        let service = ServiceClock::start(dial.clone());
        *dial.0.lock().unwrap() = (Duration::from_secs(17), Timestamp::from_secs(500));
        assert_eq!(service.now(), start.after_secs(10));
        assert_eq!(service.wall_drift_ns(), -510_000_000_000);
        *dial.0.lock().unwrap() = (Duration::from_secs(17), Timestamp::from_secs(1_013));
        assert_eq!(service.wall_drift_ns(), 3_000_000_000);
        *dial.0.lock().unwrap() = (Duration::ZERO, Timestamp::MAX);
        assert_eq!(service.now(), start, "a monotonic clock that is not one does no harm");
        assert!(service.wall_drift_ns() > 0);
    }

    #[test]
    fn long_durations_saturate() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::new(2, 3)), 2_000_000_003);
    }
}
