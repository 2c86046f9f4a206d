//! One line of time that never goes back, made from clocks that do.
//!
//! The tracker measures on this clock. A clock that stands still or steps back adds nothing to it,
//! and time goes on from there, so durations stay right, nothing is negative and nothing waits for
//! a clock to catch up. Moments are handed out in terms of the clock as it reads now.

use crate::Timestamp;

/// How far a moment may lie behind the latest one and still be the work of two threads that
/// stamped their events in one order and delivered them in the other.
const MAX_REORDER_NS: u64 = 1_000_000_000;

/// A forward step beyond this (ten years) is a broken clock and not time that passed.
const MAX_STEP_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// The line starts here at the latest, so that centuries are left ahead of it.
const MAX_START_NS: u64 = u64::MAX / 2;

/// What was wrong with the times that were passed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ClockFaults {
    /// Times up to a second behind the latest one, taken as the latest.
    pub reordered: u64,
    /// Steps back of more than a second. No time passed, for us, while the clock stepped.
    pub steps_back: u64,
    /// The longest of the steps back, in nanoseconds.
    pub longest_step_back_ns: u64,
    /// Steps ahead of more than ten years, taken as no time at all.
    pub implausible_jumps: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrackerClock {
    /// The clock's reading that `now_ns` stands for; `None` before the first.
    last_reading: Option<Timestamp>,
    now_ns: u64,
    /// Whether an earlier process has left times on this clock.
    resumed: bool,
    /// How far a clock that is right is ahead of the line: 0, unless the clock was found to have
    /// been wrong by years while times were noted by it.
    clock_ahead_ns: i64,
    faults: ClockFaults,
}

impl TrackerClock {
    /// Goes on with the line of an earlier process, whose last moment was `at_ns`, and which a clock
    /// that is right is ahead of by `ahead_ns`.
    pub(crate) fn resume_from(&mut self, at_ns: u64, ahead_ns: i64) {
        self.now_ns = self.now_ns.max(at_ns.min(MAX_START_NS));
        self.clock_ahead_ns = ahead_ns;
        self.resumed |= at_ns > 0;
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How far a clock that is right is ahead of the clock.
    pub(crate) fn clock_ahead_ns(&self) -> i64 {
        self.clock_ahead_ns
    }

    pub(crate) fn faults(&self) -> ClockFaults {
        self.faults
    }

    /// Takes a reading of the clock and returns the moment on the clock.
    pub(crate) fn advance(&mut self, reading: Timestamp) -> u64 {
        *self = self.advanced(reading);
        self.now_ns
    }

    /// The moment on the line for a reading of the clock, without taking it.
    pub(crate) fn peek(&self, reading: Timestamp) -> u64 {
        self.advanced(reading).now_ns
    }

    /// The clock was set, and reads `clock` at this moment. Returns the moment on the line: where
    /// the clock is ahead of it the line catches up, unless that takes years.
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

    /// Where a clock that is right puts the clock.
    fn correct_tracker_time(&self, reading: Timestamp) -> u64 {
        if self.clock_ahead_ns >= 0 {
            reading.as_nanos().saturating_sub(self.clock_ahead_ns.unsigned_abs())
        } else {
            reading.as_nanos().saturating_add(self.clock_ahead_ns.unsigned_abs())
        }
    }

    /// What a clock that is right reads at a moment on the clock.
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
            // What was noted so far was noted by a clock that was wrong by years.
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

    /// A moment on the line, in terms of the clock as it reads now.
    pub(crate) fn to_wall_clock(self, at_ns: u64) -> Timestamp {
        let Some(reading) = self.last_reading else { return self.correct_wall_clock(at_ns) };
        if at_ns <= self.now_ns {
            reading.before_nanos(self.now_ns - at_ns)
        } else {
            reading.after_nanos(at_ns - self.now_ns)
        }
    }

    /// A moment in terms of the clock as it reads now, on the clock.
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
    fn a_step_back_costs_nothing_and_time_goes_on() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(secs(1_000));
        clock.advance(secs(1_100));
        clock.advance(secs(500));
        let end = clock.advance(secs(520));
        assert_eq!(end - start, 120_000_000_000);
        assert_eq!(clock.to_wall_clock(start), secs(400), "120 s before what the clock reads now");
        assert_eq!(clock.to_tracker_time(secs(400)), start);
        assert_eq!(clock.faults().steps_back, 1);
        assert_eq!(clock.faults().longest_step_back_ns, 600_000_000_000);
    }

    #[test]
    fn the_end_of_time_and_back_is_no_time() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(secs(1_000));
        clock.advance(Timestamp::MAX);
        clock.advance(secs(1_000));
        assert_eq!(clock.advance(secs(1_010)) - start, 10_000_000_000);
        assert_eq!(clock.faults().implausible_jumps, 1);
    }

    #[test]
    fn starting_at_the_end_of_time_leaves_room() {
        let mut clock = TrackerClock::default();
        let start = clock.advance(Timestamp::MAX);
        clock.advance(secs(1_000));
        assert_eq!(clock.advance(secs(1_010)) - start, 10_000_000_000);
    }

    #[test]
    fn a_start_before_the_last_heartbeat_goes_on_from_it() {
        let mut clock = TrackerClock::default();
        clock.resume_from(secs(1_000).as_nanos(), 0);
        assert_eq!(clock.advance(secs(3)), secs(1_000).as_nanos());
        assert_eq!(clock.advance(secs(5)), secs(1_002).as_nanos());
        assert_eq!(clock.faults().steps_back, 1);
        assert_eq!(clock.set(secs(1_500)), secs(1_500).as_nanos(), "the clock is right again");
        assert_eq!(clock.to_wall_clock(secs(1_000).as_nanos()), secs(1_000));
    }

    #[test]
    fn a_clock_that_is_set_ahead_first_makes_up_for_what_it_was_set_back() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(10_000));
        clock.advance(secs(6_400));
        clock.advance(secs(6_500));
        assert_eq!(clock.set(secs(10_200)), secs(10_200).as_nanos());
        assert_eq!(clock.set(secs(10_100)), secs(10_200).as_nanos());
        assert_eq!(clock.faults().steps_back, 2);
    }

    #[test]
    fn a_clock_that_was_wrong_by_decades_moves_nothing_then_or_later() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(100));
        let opened = clock.advance(secs(200));
        let now = clock.set(secs(1_700_000_000));
        assert_eq!(now, opened, "no time passed");
        assert_eq!(
            clock.to_wall_clock(opened),
            secs(1_700_000_000),
            "what was noted is told by the right clock"
        );
        let (ahead_ns, heartbeat) = (clock.clock_ahead_ns(), clock.advance(secs(1_700_000_060)));

        let mut next = TrackerClock::default();
        next.resume_from(heartbeat, ahead_ns);
        assert_eq!(next.to_wall_clock(opened), secs(1_700_000_000), "before the clock is read, too");
        assert_eq!(next.to_wall_clock(next.peek(secs(1_700_000_090))), secs(1_700_000_090));
        assert_eq!(next.advance(secs(1_700_000_090)) - heartbeat, 30_000_000_000);
        assert_eq!(next.to_wall_clock(opened), secs(1_700_000_000));
        assert_eq!(next.faults(), ClockFaults::default());
    }

    #[test]
    fn small_disorder_is_no_step() {
        let mut clock = TrackerClock::default();
        clock.advance(secs(10));
        assert_eq!(clock.advance(Timestamp::from_nanos(9_999_999_999)), secs(10).as_nanos());
        assert_eq!(clock.advance(secs(11)), secs(11).as_nanos());
        assert_eq!(clock.faults().reordered, 1);
        assert_eq!(clock.faults().steps_back, 0);
    }
}
