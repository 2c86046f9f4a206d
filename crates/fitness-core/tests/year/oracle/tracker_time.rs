//! Dates observations in tracker time.
//!
//! Within a process, tracker time advances with a clock that neither stops nor steps back. At the start of a
//! process and when the wall clock is found to be ahead, it catches up with the wall clock. It never goes
//! back.

use fitness_core::ClockFaults;

use crate::facts::Fact;
use crate::script::NodeEvent;
use crate::time::DAY;

const TEN_YEARS: u64 = 10 * 365 * DAY;

/// An observation at a moment of tracker time.
pub(crate) struct Observation {
    pub(crate) at: u64,
    pub(crate) kind: ObservationKind,
}

pub(crate) enum ObservationKind {
    NodeEvent(NodeEvent),
    /// A process started. No process has run since `from`.
    NotRunning {
        from: u64,
    },
    /// The process was suspended or stalled, or its clock was set, since `from`.
    Suspended {
        from: u64,
    },
    MaintenanceRan,
}

/// An interval of true time in which tracker time advanced at the same rate.
#[derive(Clone, Copy)]
struct Segment {
    from: u64,
    to: u64,
    /// The tracker time at `from`.
    tracker_time: u64,
}

#[derive(Default)]
pub(crate) struct TrackerTimeline {
    pub(crate) observations: Vec<Observation>,
    segments: Vec<Segment>,
    /// The current tracker time.
    pub(crate) now: u64,
    /// The current reading of the clock.
    pub(crate) clock: u64,
    clock_faults: ExpectedClockFaults,
    pub(crate) starts: u32,
    pub(crate) first_started_at: u64,
    pub(crate) started_at: u64,
    /// How far a correct clock is ahead of tracker time.
    clock_ahead: u64,
}

#[derive(Default)]
struct ExpectedClockFaults {
    reordered: u64,
    steps_back: u64,
    longest_step_back: u64,
    implausible_jumps: u64,
}

impl TrackerTimeline {
    pub(crate) fn new(facts: &[Fact], now: u64) -> Self {
        let mut timeline = Self::default();
        let mut remaining = facts;
        let mut index = 0;
        while !remaining.is_empty() {
            let end = remaining.iter().position(|fact| matches!(fact, Fact::Ended { .. }));
            let length = end.map_or(remaining.len(), |last| last + 1);
            let (process, others) = remaining.split_at(length);
            match process.last() {
                // Everything after the last commit is lost.
                Some(&Fact::Ended { last_commit_at, committed_facts }) => {
                    if committed_facts > index {
                        timeline.add_process(&process[..committed_facts - index], last_commit_at);
                    }
                }
                _ => timeline.add_process(process, now),
            }
            (remaining, index) = (others, index + length);
        }
        timeline
    }

    /// Adds the facts of a process that ran, or committed, until `until`.
    fn add_process(&mut self, facts: &[Fact], until: u64) {
        self.clock_faults = ExpectedClockFaults::default();
        for fact in facts {
            match *fact {
                Fact::Started { at, wall } => self.start(at, wall),
                Fact::Suspended { from, to } => {
                    self.advance_to(from);
                    self.segments.push(Segment { from: to, to, tracker_time: self.now });
                }
                Fact::ClockSet { at, wall } => {
                    self.advance_to(at);
                    let from = self.now;
                    self.catch_up_with(wall);
                    self.clock = wall;
                    self.observe(ObservationKind::Suspended { from });
                    self.segments.push(Segment { from: at, to: at, tracker_time: self.now });
                }
                Fact::Stalled { since, at } => {
                    self.advance_to(at);
                    let from = self.to_tracker_time(since);
                    self.observe(ObservationKind::Suspended { from });
                }
                Fact::Reordered => self.clock_faults.reordered += 1,
                Fact::Reported { at, ref event } => {
                    self.advance_to(at);
                    self.observe(ObservationKind::NodeEvent(event.clone()));
                }
                Fact::MaintenanceRan { at } => {
                    self.advance_to(at);
                    self.observe(ObservationKind::MaintenanceRan);
                }
                Fact::Ended { .. } => {}
            }
        }
        self.advance_to(until);
    }

    fn start(&mut self, at: u64, wall: u64) {
        if self.starts == 0 {
            (self.now, self.first_started_at) = (wall, wall);
        } else {
            let (from, correct) = (self.now, wall.saturating_sub(self.clock_ahead));
            if correct < from {
                self.clock_faults.steps_back += 1;
                self.clock_faults.longest_step_back = from - correct;
            }
            self.catch_up_with(wall);
            self.observe(ObservationKind::NotRunning { from });
        }
        (self.clock, self.started_at) = (wall, self.now);
        self.starts += 1;
        self.segments.push(Segment { from: at, to: at, tracker_time: self.now });
    }

    fn catch_up_with(&mut self, wall: u64) {
        let step = wall.saturating_sub(self.clock_ahead).saturating_sub(self.now);
        if step > TEN_YEARS {
            self.clock_faults.implausible_jumps += 1;
            self.clock_ahead += step;
        } else {
            self.now += step;
        }
    }

    fn observe(&mut self, kind: ObservationKind) {
        self.observations.push(Observation { at: self.now, kind });
    }

    fn advance_to(&mut self, at: u64) {
        let segment = self.segments.last_mut().expect("a process has started");
        let duration = at - segment.to;
        segment.to = at;
        self.now += duration;
        self.clock += duration;
    }

    /// Converts true time to tracker time.
    fn to_tracker_time(&self, at: u64) -> u64 {
        let segment = self.segments.iter().rev().find(|segment| segment.from <= at);
        segment.map_or(0, |segment| segment.tracker_time + at.min(segment.to) - segment.from)
    }

    /// Converts tracker time to clock time, relative to the current reading.
    pub(crate) fn to_clock(&self, at: u64) -> u64 {
        self.clock.saturating_sub(self.now - at)
    }

    pub(crate) fn matches_clock_faults(&self, faults: ClockFaults) -> bool {
        let expected = &self.clock_faults;
        (expected.reordered, expected.steps_back, expected.longest_step_back, expected.implausible_jumps)
            == (faults.reordered, faults.steps_back, faults.longest_step_back_ns, faults.implausible_jumps)
    }

    /// Converts an interval of tracker time to intervals of true time.
    pub(crate) fn to_true_intervals(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let end = |segment: &Segment| segment.tracker_time + (segment.to - segment.from);
        let first = self.segments.partition_point(|segment| end(segment) <= from);
        let overlapping = self.segments[first..].iter().take_while(move |segment| segment.tracker_time < to);
        overlapping.filter_map(move |segment| {
            let start = from.max(segment.tracker_time) - segment.tracker_time;
            let end = (to - segment.tracker_time).min(segment.to - segment.from);
            (start < end).then_some((segment.from + start, segment.from + end))
        })
    }
}
