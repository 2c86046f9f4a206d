//! Derives tracker time, which never goes back, from a wall clock, which may.
//!
//! A clock that stands still or steps back adds nothing to tracker time, and tracker time continues from
//! there. Durations therefore stay correct and are never negative, and no deadline waits for a clock to
//! catch up. Results are converted back with the offset of the current clock reading.

use crate::Timestamp;

/// The largest distance by which a reading may lie behind the latest one and still be explained by two
/// threads that stamped their events in one order and delivered them in the other.
const MAX_REORDER_NS: u64 = 1_000_000_000;

/// A forward step longer than this (ten years) means that the clock is broken, not that the time passed.
const MAX_STEP_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// The largest start value of tracker time, so that centuries remain before it overflows.
const MAX_START_NS: u64 = u64::MAX / 2;

/// Counts of implausible timestamps that were passed to a [`Tracker`](crate::Tracker).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ClockFaults {
    /// Timestamps up to a second earlier than the latest one. The latest one was used instead.
    pub reordered: u64,
    /// Steps back by more than a second. Tracker time did not change.
    pub steps_back: u64,
    /// The longest step back, in nanoseconds.
    pub longest_step_back_ns: u64,
    /// Jumps: steps forward by more than ten years. They were ignored.
    pub implausible_jumps: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrackerClock {
    /// The clock reading that corresponds to `now_ns`; `None` before the first reading.
    last_reading: Option<Timestamp>,
    now_ns: u64,
    /// Whether an earlier process has stored times on this scale.
    resumed: bool,
    /// How far a correct wall clock is ahead of tracker time: 0, unless the clock was found to have been
    /// wrong by years while times were recorded.
    clock_ahead_ns: i64,
    faults: ClockFaults,
}

impl TrackerClock {
    /// Continues the tracker time of an earlier process. `at_ns` is its last time and `ahead_ns` the
    /// distance by which a correct wall clock is ahead of it.
    pub(crate) fn resume_from(&mut self, at_ns: u64, ahead_ns: i64) {
        self.now_ns = self.now_ns.max(at_ns.min(MAX_START_NS));
        self.clock_ahead_ns = ahead_ns;
        self.resumed |= at_ns > 0;
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Returns how far a correct wall clock is ahead of tracker time.
    pub(crate) fn clock_ahead_ns(&self) -> i64 {
        self.clock_ahead_ns
    }

    pub(crate) fn faults(&self) -> ClockFaults {
        self.faults
    }

    /// Advances to a clock reading and returns the tracker time.
    pub(crate) fn advance(&mut self, reading: Timestamp) -> u64 {
        *self = self.advanced(reading);
        self.now_ns
    }

    /// Returns the tracker time for a clock reading without advancing to it.
    pub(crate) fn peek(&self, reading: Timestamp) -> u64 {
        self.advanced(reading).now_ns
    }

    /// Advances to the reading of a clock that was just set, and returns the tracker time. If the clock is
    /// ahead, tracker time catches up, unless the difference is more than ten years.
    pub(crate) fn set(&mut self, reading: Timestamp) -> u64 {
        if let Some(back_ns) =
            self.last_reading.and_then(|last| last.as_nanos().checked_sub(reading.as_nanos()))
        {
            if back_ns > MAX_REORDER_NS {
                self.record_step_back(back_ns);
            }
        }
        self.last_reading = Some(reading);
        self.catch_up_with(reading);
        self.now_ns
    }

    fn advanced(mut self, reading: Timestamp) -> Self {
        let Some(last) = self.last_reading else {
            self.start(reading);
            return self;
        };
        if let Some(back_ns) = last.as_nanos().checked_sub(reading.as_nanos()).filter(|&ns| ns > 0) {
            if back_ns <= MAX_REORDER_NS {
                self.faults.reordered += 1;
                return self;
            }
            self.record_step_back(back_ns);
        } else {
            let step_ns = reading.nanos_since(last);
            if step_ns > MAX_STEP_NS {
                self.faults.implausible_jumps += 1;
            } else {
                self.now_ns = self.now_ns.saturating_add(step_ns);
            }
        }
        self.last_reading = Some(reading);
        self
    }

    fn start(&mut self, reading: Timestamp) {
        self.last_reading = Some(reading);
        if !self.resumed {
            self.now_ns = reading.as_nanos().min(MAX_START_NS);
            return;
        }
        let correct_ns = self.correct_tracker_time(reading);
        if correct_ns < self.now_ns {
            self.record_step_back(self.now_ns - correct_ns);
        }
        self.catch_up_with(reading);
    }

    /// Returns the tracker time that corresponds to the reading of a correct clock.
    fn correct_tracker_time(&self, reading: Timestamp) -> u64 {
        if self.clock_ahead_ns >= 0 {
            reading.as_nanos().saturating_sub(self.clock_ahead_ns.unsigned_abs())
        } else {
            reading.as_nanos().saturating_add(self.clock_ahead_ns.unsigned_abs())
        }
    }

    /// Returns the reading of a correct clock at a tracker time.
    fn correct_wall_clock(&self, at_ns: u64) -> Timestamp {
        let ahead_ns = self.clock_ahead_ns.unsigned_abs();
        let uncorrected = Timestamp::from_nanos(at_ns);
        if self.clock_ahead_ns >= 0 {
            uncorrected.after_nanos(ahead_ns)
        } else {
            uncorrected.before_nanos(ahead_ns)
        }
    }

    fn catch_up_with(&mut self, reading: Timestamp) {
        let ahead_ns = self.correct_tracker_time(reading).saturating_sub(self.now_ns);
        if ahead_ns > MAX_STEP_NS {
            // The times recorded so far came from a clock that was wrong by years.
            self.faults.implausible_jumps += 1;
            self.clock_ahead_ns =
                self.clock_ahead_ns.saturating_add(i64::try_from(ahead_ns).unwrap_or(i64::MAX));
        } else {
            self.now_ns = self.now_ns.saturating_add(ahead_ns);
        }
    }

    fn record_step_back(&mut self, back_ns: u64) {
        self.faults.steps_back += 1;
        self.faults.longest_step_back_ns = self.faults.longest_step_back_ns.max(back_ns);
    }

    /// Converts tracker time to wall-clock time, relative to the latest reading.
    pub(crate) fn to_wall_clock(self, at_ns: u64) -> Timestamp {
        let Some(reading) = self.last_reading else { return self.correct_wall_clock(at_ns) };
        if at_ns <= self.now_ns {
            reading.before_nanos(self.now_ns - at_ns)
        } else {
            reading.after_nanos(at_ns - self.now_ns)
        }
    }

    /// Converts wall-clock time, relative to the latest reading, to tracker time.
    pub(crate) fn to_tracker_time(self, at: Timestamp) -> u64 {
        let Some(reading) = self.last_reading else { return self.correct_tracker_time(at) };
        if at <= reading {
            self.now_ns.saturating_sub(reading.nanos_since(at))
        } else {
            self.now_ns.saturating_add(at.nanos_since(reading))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn step_back_adds_no_time() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(secs(1_000));
        clock.advance(secs(1_100));
        clock.advance(secs(500));
        let end = clock.advance(secs(520));
        assert_eq!(end - start, 120_000_000_000);
        assert_eq!(clock.to_wall_clock(start), secs(400), "120 s before the current reading");
        assert_eq!(clock.to_tracker_time(secs(400)), start);
        assert_eq!(clock.faults().steps_back, 1);
        assert_eq!(clock.faults().longest_step_back_ns, 600_000_000_000);
    }

    #[test]
    fn jump_to_max_and_back_adds_no_time() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(secs(1_000));
        clock.advance(Timestamp::MAX);
        clock.advance(secs(1_000));
        assert_eq!(clock.advance(secs(1_010)) - start, 10_000_000_000);
        assert_eq!(clock.faults().implausible_jumps, 1);
    }

    #[test]
    fn start_at_max_does_not_overflow() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(Timestamp::MAX);
        clock.advance(secs(1_000));
        assert_eq!(clock.advance(secs(1_010)) - start, 10_000_000_000);
    }

    #[test]
    fn start_before_last_heartbeat_continues_from_it() {
        let mut clock = TrackerClock::default();
        clock.resume_from(secs(1_000).as_nanos(), 0);
        assert_eq!(clock.advance(secs(3)), secs(1_000).as_nanos());
        assert_eq!(clock.advance(secs(5)), secs(1_002).as_nanos());
        assert_eq!(clock.faults().steps_back, 1);
        assert_eq!(clock.set(secs(1_500)), secs(1_500).as_nanos(), "the clock is correct again");
        assert_eq!(clock.to_wall_clock(secs(1_000).as_nanos()), secs(1_000));
    }

    #[test]
    fn clock_set_forward_first_compensates_for_steps_back() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(10_000));
        clock.advance(secs(6_400));
        clock.advance(secs(6_500));
        assert_eq!(clock.set(secs(10_200)), secs(10_200).as_nanos());
        assert_eq!(clock.set(secs(10_100)), secs(10_200).as_nanos());
        assert_eq!(clock.faults().steps_back, 2);
    }

    #[test]
    fn clock_wrong_by_decades_adds_no_time() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(100));
        let opened = clock.advance(secs(200));
        let now = clock.set(secs(1_700_000_000));
        assert_eq!(now, opened, "no time passed");
        assert_eq!(
            clock.to_wall_clock(opened),
            secs(1_700_000_000),
            "recorded times are converted with the corrected clock"
        );
        let (ahead_ns, heartbeat) = (clock.clock_ahead_ns(), clock.advance(secs(1_700_000_060)));

        let mut next = TrackerClock::default();
        next.resume_from(heartbeat, ahead_ns);
        assert_eq!(next.to_wall_clock(opened), secs(1_700_000_000), "also before the first reading");
        assert_eq!(next.to_wall_clock(next.peek(secs(1_700_000_090))), secs(1_700_000_090));
        assert_eq!(next.advance(secs(1_700_000_090)) - heartbeat, 30_000_000_000);
        assert_eq!(next.to_wall_clock(opened), secs(1_700_000_000));
        assert_eq!(next.faults(), ClockFaults::default());
    }

    #[test]
    fn reordered_times_are_not_steps() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(10));
        assert_eq!(clock.advance(Timestamp::from_nanos(9_999_999_999)), secs(10).as_nanos());
        assert_eq!(clock.advance(secs(11)), secs(11).as_nanos());
        assert_eq!(clock.faults().reordered, 1);
        assert_eq!(clock.faults().steps_back, 0);
    }
}
