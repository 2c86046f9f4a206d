//! Clocks. This is the only file in the workspace that reads the system time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fitness_core::Timestamp;

/// The two clocks that service time is derived from.
///
/// Both are read often, from any thread and with locks held: an implementation must not block.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time since an arbitrary point. It never goes back and never jumps.
    fn monotonic(&self) -> Duration;

    /// Returns the time of the wall clock. It may go back and jump.
    fn wall(&self) -> Timestamp;
}

/// The monotonic clock and the wall clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic time starts now.
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
        // A wall clock before 1970 was never set.
        since_epoch.map_or(Timestamp::EPOCH, |since| Timestamp::from_nanos(nanos(since)))
    }
}

/// The clock of a tokio runtime, for tests: it stops while tokio's time is paused.
///
/// The wall clock starts at a given time and advances with the monotonic clock. Read it within the runtime
/// whose time it follows; elsewhere it follows the system time.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
    wall_at_origin: Timestamp,
}

impl TokioClock {
    /// Creates a clock whose wall clock shows `wall` now.
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

/// Service time: the wall clock at start, plus the monotonic time since then, plus the forward jumps of the
/// wall clock that were detected.
///
/// Events are stamped with service time, so setting the wall clock back has no effect on them.
pub(crate) struct ServiceClock {
    clock: Arc<dyn Clock>,
    wall_at_start: Timestamp,
    monotonic_at_start: Duration,
    /// The sum of all adjustments, in nanoseconds. It only grows, and only while the tracker's lock is held.
    adjusted_ns: AtomicU64,
}

impl ServiceClock {
    /// Starts service time at the current wall clock time.
    pub(crate) fn start(clock: Arc<dyn Clock>) -> Self {
        let (wall_at_start, monotonic_at_start) = (clock.wall(), clock.monotonic());
        Self { clock, wall_at_start, monotonic_at_start, adjusted_ns: AtomicU64::new(0) }
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.wall_at_start
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self.clock.monotonic().saturating_sub(self.monotonic_at_start);
        self.wall_at_start.after_nanos(nanos(elapsed).saturating_add(self.adjusted_ns()))
    }

    /// Sets service time forward by `ns`.
    pub(crate) fn adjust(&self, ns: u64) {
        self.adjusted_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Returns how far service time has been set forward so far, in nanoseconds.
    pub(crate) fn adjusted_ns(&self) -> u64 {
        self.adjusted_ns.load(Ordering::Relaxed)
    }

    /// Returns how far the wall clock is ahead of `now`, the current service time, in nanoseconds. Returns 0
    /// if it is behind.
    pub(crate) fn wall_ahead_ns(&self, now: Timestamp) -> u64 {
        self.clock.wall().nanos_since(now)
    }

    /// Returns how far the wall clock is ahead of service time, in nanoseconds; negative if it is behind.
    pub(crate) fn wall_drift_ns(&self) -> i64 {
        // A delay between the readings must not look like a step of the clock.
        let before = self.now();
        let wall = self.clock.wall();
        let after = self.now();
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        signed(wall.nanos_since(after)) - signed(before.nanos_since(wall))
    }
}

/// Converts a duration to nanoseconds. Saturates at `u64::MAX`.
pub(crate) fn nanos(duration: Duration) -> u64 {
    // Every event calls this, and 64-bit arithmetic is cheaper than `Duration::as_nanos`, which uses 128
    // bits.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct ManualClock(Mutex<(Duration, Timestamp)>);

    impl Clock for ManualClock {
        fn monotonic(&self) -> Duration {
            self.0.lock().unwrap().0
        }

        fn wall(&self) -> Timestamp {
            self.0.lock().unwrap().1
        }
    }

    #[test]
    fn service_time_follows_the_monotonic_clock() {
        let start = Timestamp::from_secs(1_000);
        let manual = Arc::new(ManualClock(Mutex::new((Duration::from_secs(7), start))));
        let service = ServiceClock::start(manual.clone());
        *manual.0.lock().unwrap() = (Duration::from_secs(17), Timestamp::from_secs(500));
        assert_eq!(service.now(), start.after_secs(10));
        assert_eq!(service.wall_drift_ns(), -510_000_000_000);
        *manual.0.lock().unwrap() = (Duration::from_secs(17), Timestamp::from_secs(1_013));
        assert_eq!(service.wall_drift_ns(), 3_000_000_000);
        *manual.0.lock().unwrap() = (Duration::ZERO, Timestamp::MAX);
        assert_eq!(service.now(), start, "a monotonic clock that goes back is tolerated");
        assert!(service.wall_drift_ns() > 0);
    }

    #[test]
    fn nanos_saturates() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::new(2, 3)), 2_000_000_003);
    }
}
