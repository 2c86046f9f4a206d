//! The faults on the observer's side during a year: restarts, suspensions, stalls and pauses of the process,
//! and faults of the network, the wall clock and the store. Some of them coincide.

use std::ops::Range;

use crate::peers::Intervals;
use crate::random::Random;
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

/// A change of the state of the observer's process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Start,
    /// The node closes its connections before it stops.
    Disconnect,
    /// The process commits everything and stops.
    Stop,
    Crash,
    /// The machine is suspended: its monotonic clock stands still.
    Suspend,
    Wake,
    /// The process stops running while both clocks continue.
    Stall,
    EndStall,
    /// Observation is paused. If the node is stopped for it, the connections are closed.
    Pause {
        stops_node: bool,
    },
    Resume,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Restart { first: Step },
    Suspension,
    Stall,
    Pause { stops_node: bool },
}

/// A fault of the process.
#[derive(Clone, Copy, Debug)]
struct Incident {
    from: u64,
    to: u64,
    kind: Kind,
}

/// All faults, each list in order of time.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) steps: Vec<(u64, Step)>,
    /// The outages of the observer's network.
    pub(crate) network_outages: Intervals,
    /// The time of each change, and by how much the wall clock is ahead of true time from then on.
    pub(crate) wall_clock_offsets: Vec<(u64, i64)>,
    /// When commits fail.
    pub(crate) store_failures: Intervals,
    /// When a network outage cannot be detected, because it begins or ends within a reconnect grace period
    /// or while few peers are connected. Disconnects may be attributed to peers wrongly.
    pub(crate) undetectable: Intervals,
}

pub(crate) fn faults(seed: u64) -> Faults {
    let incidents = incidents(&mut Random::new(seed, "incidents"));
    let mut faults = Faults { steps: vec![(START, Step::Start)], ..Faults::default() };
    for incident in &incidents {
        incident.add_steps(&mut faults.steps);
    }
    faults.steps.sort_by_key(|step| step.0);
    let is_within_pause =
        |at: u64| incidents.iter().any(|incident| incident.is_pause() && incident.contains(at));
    // A pause ends when the process ends.
    let mut paused = false;
    faults.steps.retain(|(at, step)| {
        match step {
            Step::Pause { .. } => paused = true,
            Step::Stop | Step::Crash if is_within_pause(*at) => paused = false,
            Step::Resume => return std::mem::take(&mut paused),
            _ => {}
        }
        true
    });
    (faults.network_outages, faults.undetectable) =
        network_outages(&mut Random::new(seed, "outages"), &incidents);
    faults.wall_clock_offsets = wall_clock_offsets(&mut Random::new(seed, "wall clock"), &incidents);
    faults.store_failures = store_failures(&mut Random::new(seed, "store"), &incidents);
    faults
}

impl Incident {
    fn contains(&self, at: u64) -> bool {
        self.from <= at && at <= self.to
    }

    fn is_pause(&self) -> bool {
        matches!(self.kind, Kind::Pause { .. })
    }

    fn is_restart(&self) -> bool {
        matches!(self.kind, Kind::Restart { .. })
    }

    fn add_steps(&self, steps: &mut Vec<(u64, Step)>) {
        let (first, last) = match self.kind {
            Kind::Restart { first: Step::Disconnect } => {
                steps.push((self.from - 2 * SECOND, Step::Disconnect));
                (Step::Stop, Step::Start)
            }
            Kind::Restart { first } => (first, Step::Start),
            Kind::Suspension => (Step::Suspend, Step::Wake),
            Kind::Stall => (Step::Stall, Step::EndStall),
            Kind::Pause { stops_node } => (Step::Pause { stops_node }, Step::Resume),
        };
        steps.extend([(self.from, first), (self.to, last)]);
    }
}

fn restart(random: &mut Random) -> Kind {
    let crash = random.chance(0.5);
    let orderly = if random.chance(0.5) { Step::Stop } else { Step::Disconnect };
    Kind::Restart { first: if crash { Step::Crash } else { orderly } }
}

fn pause(random: &mut Random) -> Kind {
    Kind::Pause { stops_node: random.chance(0.5) }
}

/// Draws the incidents of each day. They may overlap.
fn candidates(random: &mut Random) -> Vec<Incident> {
    let mut all = Vec::new();
    for day in 1..363 {
        let midnight = START - START % DAY + day * DAY;
        let mut add = |random: &mut Random, from: u64, length: Range<u64>, kind| {
            let to = from + random.log_uniform(length);
            all.push(Incident { from, to, kind });
        };
        let any_time = |random: &mut Random| midnight + random.uniform(0..DAY);
        if day % 7 == 6 || random.chance(0.02) {
            let (at, kind) = (any_time(random), restart(random));
            add(random, at, 20 * SECOND..6 * HOUR, kind);
        }
        if day / 7 % 3 == 1 {
            let late = midnight + 22 * HOUR + random.uniform(0..HOUR);
            add(random, late, 7 * HOUR..9 * HOUR, Kind::Suspension);
        }
        if random.chance(0.05) {
            let mut at = any_time(random);
            for _ in 0..12 {
                add(random, at, 2 * MINUTE..20 * MINUTE, Kind::Suspension);
                at += random.uniform(25 * MINUTE..60 * MINUTE);
            }
        }
        if random.chance(0.3) {
            let at = any_time(random);
            add(random, at, 11 * SECOND..20 * MINUTE, Kind::Stall);
        }
        if random.chance(0.2) {
            let at = any_time(random);
            add(random, at, SECOND..10 * SECOND, Kind::Stall);
        }
        if random.chance(0.15) {
            let (at, kind) = (any_time(random), pause(random));
            add(random, at, MINUTE..3 * HOUR, kind);
        }
    }
    all.sort_by_key(|incident| incident.from);
    all
}

/// Selects incidents that do not overlap, and adds some within a pause and some soon after another one.
fn incidents(random: &mut Random) -> Vec<Incident> {
    let mut all: Vec<Incident> = Vec::new();
    let mut free_from = START + 10 * MINUTE;
    for incident in candidates(random) {
        if incident.from < free_from {
            continue;
        }
        all.push(incident);
        let Incident { from, mut to, .. } = incident;
        if incident.is_pause() && to - from > 2 * MINUTE && random.chance(0.4) {
            let from = from + random.uniform(5 * SECOND..(to - from) / 2);
            let to = from + random.uniform(5 * SECOND..to - from - 10 * SECOND);
            let kind = match random.uniform(0..4) {
                0 => Kind::Restart { first: Step::Crash },
                1 => Kind::Restart { first: Step::Stop },
                2 => Kind::Suspension,
                _ => Kind::Stall,
            };
            all.push(Incident { from, to, kind });
        }
        while random.chance(0.2) {
            let from = to + random.log_uniform(3 * SECOND..200 * SECOND);
            let (length, kind) = match random.uniform(0..4) {
                0 => (random.log_uniform(5 * SECOND..10 * MINUTE), restart(random)),
                1 => (random.log_uniform(30 * SECOND..HOUR), Kind::Suspension),
                2 => (random.log_uniform(5 * SECOND..2 * MINUTE), Kind::Stall),
                _ => (random.log_uniform(5 * SECOND..10 * MINUTE), pause(random)),
            };
            to = from + length;
            all.push(Incident { from, to, kind });
        }
        free_from = to + 5 * MINUTE;
    }
    all
}

/// Returns the network outages, and the intervals in which they cannot be detected.
fn network_outages(random: &mut Random, incidents: &[Incident]) -> (Intervals, Intervals) {
    let mut candidates = Vec::new();
    for _ in 0..110 {
        let from = START + random.uniform(DAY..363 * DAY);
        candidates.push((from, from + random.log_uniform(MINUTE..5 * HOUR)));
    }
    for incident in incidents {
        // Some outages overlap with an incident.
        if random.chance(0.15) {
            let length = incident.to - incident.from;
            let from = if random.chance(0.5) {
                incident.from + random.uniform(0..length)
            } else {
                incident.from - random.log_uniform(70 * SECOND..HOUR)
            };
            let to = if random.chance(0.5) {
                incident.to + random.log_uniform(4 * MINUTE..3 * HOUR)
            } else {
                incident.from + random.uniform(0..length)
            };
            candidates.push((from, to));
        }
    }
    candidates.sort_unstable();
    let (mut outages, mut undetectable) = (Vec::new(), Vec::new());
    let mut free_from = START;
    for (from, to) in candidates {
        if from < free_from || to < from + MINUTE || to > END - DAY {
            continue;
        }
        let conflicts = |incident: &&Incident| {
            let end = incident.to;
            let starts_soon_after = end <= from && from < end + 200 * SECOND;
            let ends_soon_after = end < to + 10 * SECOND && to < end + 200 * SECOND;
            let starts_just_before = incident.from <= from + MINUTE && from <= incident.from;
            let node_reports_during_pause = matches!(incident.kind, Kind::Pause { stops_node: false });
            let overlaps = from <= end && incident.from <= to;
            starts_soon_after
                || ends_soon_after
                || starts_just_before
                || node_reports_during_pause && overlaps
        };
        let conflicting: Vec<&Incident> = incidents.iter().filter(conflicts).collect();
        if !conflicting.is_empty() {
            if !random.chance(0.3) {
                continue;
            }
            let first = conflicting.iter().map(|incident| incident.from).min().unwrap_or(from);
            let last = conflicting.iter().map(|incident| incident.to).max().unwrap_or(to);
            undetectable.push((first.min(from) - MINUTE, last.max(to) + 6 * MINUTE));
        }
        outages.push((from, to));
        free_from = to + 6 * MINUTE;
    }
    (outages, undetectable)
}

fn wall_clock_offsets(random: &mut Random, incidents: &[Incident]) -> Vec<(u64, i64)> {
    let hour = i64::try_from(HOUR).expect("an hour fits");
    let since_1970 = |at: u64| -i64::try_from(at).expect("the time fits");
    let mut errors: Vec<(u64, u64, i64)> = Vec::new();
    if random.chance(0.4) {
        // A device without a battery for its clock, at its first start.
        errors.push((START, START + 30 * SECOND, since_1970(START - 20 * SECOND)));
    }
    for restart in incidents.iter().filter(|incident| incident.is_restart()) {
        let before = restart.from - random.uniform(MINUTE..HOUR);
        let after = restart.to + random.log_uniform(5 * SECOND..2 * DAY);
        match random.uniform(0..8) {
            0 => errors.push((before, after, -hour)),
            1 => errors.push((before, after, hour)),
            2 => {
                errors.push((
                    restart.from + 1,
                    restart.to + 30 * SECOND,
                    since_1970(restart.to - 20 * SECOND),
                ));
            }
            _ => {}
        }
    }
    for _ in 0..20 {
        let from = START + random.uniform(DAY..360 * DAY);
        let offset = match random.uniform(0..3) {
            0 => hour,
            1 => -hour,
            _ => i64::try_from(random.uniform(0..18 * SECOND)).expect("18 s fit") - hour / 400,
        };
        errors.push((from, from + random.log_uniform(MINUTE..5 * DAY), offset));
    }
    errors.sort_unstable();
    let mut offsets = vec![(0, 0)];
    let mut free_from = 0;
    for (from, to, offset) in errors {
        if from >= free_from {
            offsets.extend([(from, offset), (to, 0)]);
            free_from = to + 1;
        }
    }
    offsets
}

fn store_failures(random: &mut Random, incidents: &[Incident]) -> Intervals {
    let mut failures: Intervals = Vec::new();
    for _ in 0..12 {
        let from = START + random.uniform(DAY..360 * DAY);
        failures.push((from, from + random.log_uniform(5 * SECOND..20 * MINUTE)));
    }
    for restart in incidents.iter().filter(|incident| incident.is_restart()) {
        if random.chance(0.1) {
            failures.push((restart.from - random.log_uniform(SECOND..5 * MINUTE), restart.from + SECOND));
        }
    }
    failures.sort_unstable();
    failures
}
