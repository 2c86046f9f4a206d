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
    pub absurd_jumps: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeline {
    /// The clock's reading that `now_ns` stands for; `None` before the first.
    clock: Option<Timestamp>,
    now_ns: u64,
    faults: ClockFaults,
}

impl Timeline {
    /// Starts the line no earlier than `at_ns`, the last moment of an earlier process.
    pub(crate) fn resume_from(&mut self, at_ns: u64) {
        self.now_ns = self.now_ns.max(at_ns.min(LATEST_START_NS));
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How far the line is ahead of the clock.
    pub(crate) fn ahead_ns(&self) -> u64 {
        self.clock.map_or(0, |clock| self.now_ns.saturating_sub(clock.as_nanos()))
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

    fn advanced(mut self, clock: Timestamp) -> Self {
        let Some(last) = self.clock else {
            let start_ns = clock.as_nanos().min(LATEST_START_NS);
            if start_ns < self.now_ns {
                self.step_back(self.now_ns - start_ns);
            }
            self.now_ns = self.now_ns.max(start_ns);
            self.clock = Some(clock);
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
                self.faults.absurd_jumps += 1;
            } else {
                self.now_ns = self.now_ns.saturating_add(step_ns);
            }
        }
        self.clock = Some(clock);
        self
    }

    fn step_back(&mut self, back_ns: u64) {
        self.faults.steps_back += 1;
        self.faults.longest_step_back_ns = self.faults.longest_step_back_ns.max(back_ns);
    }

    /// A moment on the line, in terms of the clock as it reads now.
    pub(crate) fn to_clock(self, at_ns: u64) -> Timestamp {
        let Some(clock) = self.clock else { return Timestamp::from_nanos(at_ns) };
        if at_ns <= self.now_ns {
            clock.before_nanos(self.now_ns - at_ns)
        } else {
            clock.after_nanos(at_ns - self.now_ns)
        }
    }

    /// A moment in terms of the clock as it reads now, on the line.
    pub(crate) fn to_line(self, at: Timestamp) -> u64 {
        let Some(clock) = self.clock else { return at.as_nanos() };
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
        assert_eq!(line.faults().absurd_jumps, 1);
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
        line.resume_from(secs(1_000).as_nanos());
        assert_eq!(line.advance(secs(3)), secs(1_000).as_nanos());
        assert_eq!(line.advance(secs(5)), secs(1_002).as_nanos());
        assert_eq!(line.faults().steps_back, 1);
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
