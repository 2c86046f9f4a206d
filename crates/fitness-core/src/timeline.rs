//! One line of time that never goes back, made from clocks that do.
//!
//! The tracker measures on this line. A clock that stands still or steps back adds nothing to it,
//! and time goes on from there, so durations stay right, nothing is negative and nothing waits for
//! a clock to catch up. Moments are handed out in terms of the clock as it reads now.

use crate::Timestamp;

/// How far a moment may lie behind the latest one and still be the work of two threads that
/// stamped their events in one order and delivered them in the other.
const REORDER_NS: u64 = 1_000_000_000;

/// A forward step beyond this (ten years) is a broken clock and not time that passed.
const LONGEST_STEP_NS: u64 = 10 * 365 * 24 * 3600 * 1_000_000_000;

/// The line starts here at the latest, so that centuries are left ahead of it.
const LATEST_START_NS: u64 = u64::MAX / 2;

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
pub(crate) struct Timeline {
    /// The clock's reading that `now_ns` stands for; `None` before the first.
    clock: Option<Timestamp>,
    now_ns: u64,
    /// Whether an earlier process has left times on this line.
    resumed: bool,
    /// How far a clock that is right is ahead of the line: 0, unless the clock was found to have
    /// been wrong by years while times were noted by it.
    clock_ahead_ns: i64,
    faults: ClockFaults,
}

impl Timeline {
    /// Goes on with the line of an earlier process, whose last moment was `at_ns`, and which a clock
    /// that is right is ahead of by `ahead_ns`.
    pub(crate) fn resume_from(&mut self, at_ns: u64, ahead_ns: i64) {
        self.now_ns = self.now_ns.max(at_ns.min(LATEST_START_NS));
        self.clock_ahead_ns = ahead_ns;
        self.resumed |= at_ns > 0;
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How far a clock that is right is ahead of the line.
    pub(crate) fn clock_ahead_ns(&self) -> i64 {
        self.clock_ahead_ns
    }

    pub(crate) fn faults(&self) -> ClockFaults {
        self.faults
    }

    /// Takes a reading of the clock and returns the moment on the line.
    pub(crate) fn advance(&mut self, clock: Timestamp) -> u64 {
        *self = self.advanced(clock);
        self.now_ns
    }

    /// The moment on the line for a reading of the clock, without taking it.
    pub(crate) fn peek(&self, clock: Timestamp) -> u64 {
        self.advanced(clock).now_ns
    }

    /// The clock was set, and reads `clock` at this moment. Returns the moment on the line: where
    /// the clock is ahead of it the line catches up, unless that takes years.
    pub(crate) fn set(&mut self, clock: Timestamp) -> u64 {
        if let Some(back_ns) = self.clock.and_then(|last| last.as_nanos().checked_sub(clock.as_nanos())) {
            if back_ns > REORDER_NS {
                self.step_back(back_ns);
            }
        }
        self.clock = Some(clock);
        self.catch_up(clock);
        self.now_ns
    }

    fn advanced(mut self, clock: Timestamp) -> Self {
        let Some(last) = self.clock else {
            self.start(clock);
            return self;
        };
        if let Some(back_ns) = last.as_nanos().checked_sub(clock.as_nanos()).filter(|&ns| ns > 0) {
            if back_ns <= REORDER_NS {
                self.faults.reordered += 1;
                return self;
            }
            self.step_back(back_ns);
        } else {
            let step_ns = clock.nanos_since(last);
            if step_ns > LONGEST_STEP_NS {
                self.faults.implausible_jumps += 1;
            } else {
                self.now_ns = self.now_ns.saturating_add(step_ns);
            }
        }
        self.clock = Some(clock);
        self
    }

    fn start(&mut self, clock: Timestamp) {
        self.clock = Some(clock);
        if !self.resumed {
            self.now_ns = clock.as_nanos().min(LATEST_START_NS);
            return;
        }
        let right_ns = self.line_of(clock);
        if right_ns < self.now_ns {
            self.step_back(self.now_ns - right_ns);
        }
        self.catch_up(clock);
    }

    /// Where a clock that is right puts the line.
    fn line_of(&self, clock: Timestamp) -> u64 {
        if self.clock_ahead_ns >= 0 {
            clock.as_nanos().saturating_sub(self.clock_ahead_ns.unsigned_abs())
        } else {
            clock.as_nanos().saturating_add(self.clock_ahead_ns.unsigned_abs())
        }
    }

    /// What a clock that is right reads at a moment on the line.
    fn right_clock(&self, at_ns: u64) -> Timestamp {
        let ahead_ns = self.clock_ahead_ns.unsigned_abs();
        let line = Timestamp::from_nanos(at_ns);
        if self.clock_ahead_ns >= 0 { line.after_nanos(ahead_ns) } else { line.before_nanos(ahead_ns) }
    }

    fn catch_up(&mut self, clock: Timestamp) {
        let by_ns = self.line_of(clock).saturating_sub(self.now_ns);
        if by_ns > LONGEST_STEP_NS {
            // What was noted so far was noted by a clock that was wrong by years.
            self.faults.implausible_jumps += 1;
            self.clock_ahead_ns =
                self.clock_ahead_ns.saturating_add(i64::try_from(by_ns).unwrap_or(i64::MAX));
        } else {
            self.now_ns = self.now_ns.saturating_add(by_ns);
        }
    }

    fn step_back(&mut self, back_ns: u64) {
        self.faults.steps_back += 1;
        self.faults.longest_step_back_ns = self.faults.longest_step_back_ns.max(back_ns);
    }

    /// A moment on the line, in terms of the clock as it reads now.
    pub(crate) fn to_clock(self, at_ns: u64) -> Timestamp {
        let Some(clock) = self.clock else { return self.right_clock(at_ns) };
        if at_ns <= self.now_ns {
            clock.before_nanos(self.now_ns - at_ns)
        } else {
            clock.after_nanos(at_ns - self.now_ns)
        }
    }

    /// A moment in terms of the clock as it reads now, on the line.
    pub(crate) fn to_line(self, at: Timestamp) -> u64 {
        let Some(clock) = self.clock else { return self.line_of(at) };
        if at <= clock {
            self.now_ns.saturating_sub(clock.nanos_since(at))
        } else {
            self.now_ns.saturating_add(at.nanos_since(clock))
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
        let mut line = Timeline::default();
        let start = line.advance(secs(1_000));
        line.advance(secs(1_100));
        line.advance(secs(500));
        let end = line.advance(secs(520));
        assert_eq!(end - start, 120_000_000_000);
        assert_eq!(line.to_clock(start), secs(400), "120 s before what the clock reads now");
        assert_eq!(line.to_line(secs(400)), start);
        assert_eq!(line.faults().steps_back, 1);
        assert_eq!(line.faults().longest_step_back_ns, 600_000_000_000);
    }

    #[test]
    fn the_end_of_time_and_back_is_no_time() {
        let mut line = Timeline::default();
        let start = line.advance(secs(1_000));
        line.advance(Timestamp::MAX);
        line.advance(secs(1_000));
        assert_eq!(line.advance(secs(1_010)) - start, 10_000_000_000);
        assert_eq!(line.faults().implausible_jumps, 1);
    }

    #[test]
    fn starting_at_the_end_of_time_leaves_room() {
        let mut line = Timeline::default();
        let start = line.advance(Timestamp::MAX);
        line.advance(secs(1_000));
        assert_eq!(line.advance(secs(1_010)) - start, 10_000_000_000);
    }

    #[test]
    fn a_start_before_the_last_heartbeat_goes_on_from_it() {
        let mut line = Timeline::default();
        line.resume_from(secs(1_000).as_nanos(), 0);
        assert_eq!(line.advance(secs(3)), secs(1_000).as_nanos());
        assert_eq!(line.advance(secs(5)), secs(1_002).as_nanos());
        assert_eq!(line.faults().steps_back, 1);
        assert_eq!(line.set(secs(1_500)), secs(1_500).as_nanos(), "the clock is right again");
        assert_eq!(line.to_clock(secs(1_000).as_nanos()), secs(1_000));
    }

    #[test]
    fn a_clock_that_is_set_ahead_first_makes_up_for_what_it_was_set_back() {
        let mut line = Timeline::default();
        line.advance(secs(10_000));
        line.advance(secs(6_400));
        line.advance(secs(6_500));
        assert_eq!(line.set(secs(10_200)), secs(10_200).as_nanos());
        assert_eq!(line.set(secs(10_100)), secs(10_200).as_nanos());
        assert_eq!(line.faults().steps_back, 2);
    }

    #[test]
    fn a_clock_that_was_wrong_by_decades_moves_nothing_then_or_later() {
        let mut line = Timeline::default();
        line.advance(secs(100));
        let opened = line.advance(secs(200));
        let now = line.set(secs(1_700_000_000));
        assert_eq!(now, opened, "no time passed");
        assert_eq!(line.to_clock(opened), secs(1_700_000_000), "what was noted is told by the right clock");
        let (ahead_ns, heartbeat) = (line.clock_ahead_ns(), line.advance(secs(1_700_000_060)));

        let mut next = Timeline::default();
        next.resume_from(heartbeat, ahead_ns);
        assert_eq!(next.to_clock(opened), secs(1_700_000_000), "before the clock is read, too");
        assert_eq!(next.to_clock(next.peek(secs(1_700_000_090))), secs(1_700_000_090));
        assert_eq!(next.advance(secs(1_700_000_090)) - heartbeat, 30_000_000_000);
        assert_eq!(next.to_clock(opened), secs(1_700_000_000));
        assert_eq!(next.faults(), ClockFaults::default());
    }

    #[test]
    fn small_disorder_is_no_step() {
        let mut line = Timeline::default();
        line.advance(secs(10));
        assert_eq!(line.advance(Timestamp::from_nanos(9_999_999_999)), secs(10).as_nanos());
        assert_eq!(line.advance(secs(11)), secs(11).as_nanos());
        assert_eq!(line.faults().reordered, 1);
        assert_eq!(line.faults().steps_back, 0);
    }
}
