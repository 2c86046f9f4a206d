//! What goes wrong on our side in a year: restarts, sleeps, stalls, pauses, our network, our clock and
//! our disk. Each alone most of the time, and some on top of each other.

use crate::dice::Dice;
use crate::peers::Spans;
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

/// What happens to our process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Start,
    /// The node lets go of its connections, and is stopped next.
    Disconnect,
    /// With everything stored.
    Stop,
    Crash,
    /// The machine is suspended: its monotonic clock stands still.
    Sleep,
    Wake,
    /// The process is stopped, and both clocks go on.
    Freeze,
    Thaw,
    /// The embedder says so; where the node is stopped for it, the connections are gone.
    Pause {
        stops_node: bool,
    },
    Resume,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Restart { first: Step },
    Sleep,
    Stall,
    Pause { stops_node: bool },
}

#[derive(Clone, Copy, Debug)]
struct Incident {
    from: u64,
    to: u64,
    kind: Kind,
}

/// All of it, each in order of time.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) steps: Vec<(u64, Step)>,
    /// When our network is out.
    pub(crate) outages: Vec<(u64, u64)>,
    /// By how much the wall clock is ahead of the truth, and since when.
    pub(crate) wall: Vec<(u64, i64)>,
    /// When nothing can be stored.
    pub(crate) broken_disk: Vec<(u64, u64)>,
    /// When an outage begins or ends in a moment in which no rule can tell that it is one: with
    /// hardly anybody connected, or within the grace. Peers may be blamed for it.
    pub(crate) unfair: Vec<(u64, u64)>,
}

pub(crate) fn faults(seed: u64) -> Faults {
    let incidents = incidents(&mut Dice::new(seed, "incidents"));
    let mut faults = Faults { steps: vec![(START, Step::Start)], ..Faults::default() };
    for incident in &incidents {
        incident.add_steps(&mut faults.steps);
    }
    faults.steps.sort_by_key(|step| step.0);
    let within_a_pause = |at: u64| incidents.iter().any(|pause| pause.is_pause() && pause.has(at));
    // A pause ends with its process.
    let mut paused = false;
    faults.steps.retain(|(at, step)| {
        match step {
            Step::Pause { .. } => paused = true,
            Step::Stop | Step::Crash if within_a_pause(*at) => paused = false,
            Step::Resume => return std::mem::take(&mut paused),
            _ => {}
        }
        true
    });
    (faults.outages, faults.unfair) = outages(&mut Dice::new(seed, "outages"), &incidents);
    faults.wall = wall(&mut Dice::new(seed, "wall"), &incidents);
    faults.broken_disk = broken_disk(&mut Dice::new(seed, "disk"), &incidents);
    faults
}

impl Incident {
    fn has(&self, at: u64) -> bool {
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
            Kind::Sleep => (Step::Sleep, Step::Wake),
            Kind::Stall => (Step::Freeze, Step::Thaw),
            Kind::Pause { stops_node } => (Step::Pause { stops_node }, Step::Resume),
        };
        steps.extend([(self.from, first), (self.to, last)]);
    }
}

fn restart(dice: &mut Dice) -> Kind {
    let crash = dice.chance(0.5);
    let orderly = if dice.chance(0.5) { Step::Stop } else { Step::Disconnect };
    Kind::Restart { first: if crash { Step::Crash } else { orderly } }
}

fn pause(dice: &mut Dice) -> Kind {
    Kind::Pause { stops_node: dice.chance(0.5) }
}

/// Of one day each, on their own.
fn candidates(dice: &mut Dice) -> Vec<Incident> {
    let mut all = Vec::new();
    for day in 1..363 {
        let midnight = START - START % DAY + day * DAY;
        let mut add = |dice: &mut Dice, from: u64, length: std::ops::Range<u64>, kind| {
            let to = from + dice.any_size(length);
            all.push(Incident { from, to, kind });
        };
        let any = |dice: &mut Dice| midnight + dice.within(0..DAY);
        if day % 7 == 6 || dice.chance(0.02) {
            let (at, kind) = (any(dice), restart(dice));
            add(dice, at, 20 * SECOND..6 * HOUR, kind);
        }
        if day / 7 % 3 == 1 {
            let late = midnight + 22 * HOUR + dice.within(0..HOUR);
            add(dice, late, 7 * HOUR..9 * HOUR, Kind::Sleep);
        }
        if dice.chance(0.05) {
            let mut at = any(dice);
            for _ in 0..12 {
                add(dice, at, 2 * MINUTE..20 * MINUTE, Kind::Sleep);
                at += dice.within(25 * MINUTE..60 * MINUTE);
            }
        }
        if dice.chance(0.3) {
            let at = any(dice);
            add(dice, at, 11 * SECOND..20 * MINUTE, Kind::Stall);
        }
        if dice.chance(0.2) {
            let at = any(dice);
            add(dice, at, SECOND..10 * SECOND, Kind::Stall);
        }
        if dice.chance(0.15) {
            let (at, kind) = (any(dice), pause(dice));
            add(dice, at, MINUTE..3 * HOUR, kind);
        }
    }
    all.sort_by_key(|incident| incident.from);
    all
}

/// One after the other; some soon after the one before, some within a pause.
fn incidents(dice: &mut Dice) -> Vec<Incident> {
    let mut all: Vec<Incident> = Vec::new();
    let mut free_from = START + 10 * MINUTE;
    for incident in candidates(dice) {
        if incident.from < free_from {
            continue;
        }
        all.push(incident);
        let Incident { from, mut to, .. } = incident;
        if incident.is_pause() && to - from > 2 * MINUTE && dice.chance(0.4) {
            let from = from + dice.within(5 * SECOND..(to - from) / 2);
            let to = from + dice.within(5 * SECOND..to - from - 10 * SECOND);
            let kind = match dice.within(0..4) {
                0 => Kind::Restart { first: Step::Crash },
                1 => Kind::Restart { first: Step::Stop },
                2 => Kind::Sleep,
                _ => Kind::Stall,
            };
            all.push(Incident { from, to, kind });
        }
        while dice.chance(0.2) {
            let from = to + dice.any_size(3 * SECOND..200 * SECOND);
            let (length, kind) = match dice.within(0..4) {
                0 => (dice.any_size(5 * SECOND..10 * MINUTE), restart(dice)),
                1 => (dice.any_size(30 * SECOND..HOUR), Kind::Sleep),
                2 => (dice.any_size(5 * SECOND..2 * MINUTE), Kind::Stall),
                _ => (dice.any_size(5 * SECOND..10 * MINUTE), pause(dice)),
            };
            to = from + length;
            all.push(Incident { from, to, kind });
        }
        free_from = to + 5 * MINUTE;
    }
    all
}

fn outages(dice: &mut Dice, incidents: &[Incident]) -> (Spans, Spans) {
    let mut candidates = Vec::new();
    for _ in 0..110 {
        let from = START + dice.within(DAY..363 * DAY);
        candidates.push((from, from + dice.any_size(MINUTE..5 * HOUR)));
    }
    for incident in incidents {
        // On top of each other.
        if dice.chance(0.15) {
            let length = incident.to - incident.from;
            let from = if dice.chance(0.5) {
                incident.from + dice.within(0..length)
            } else {
                incident.from - dice.any_size(70 * SECOND..HOUR)
            };
            let to = if dice.chance(0.5) {
                incident.to + dice.any_size(4 * MINUTE..3 * HOUR)
            } else {
                incident.from + dice.within(0..length)
            };
            candidates.push((from, to));
        }
    }
    candidates.sort_unstable();
    let (mut outages, mut unfair) = (Vec::new(), Vec::new());
    let mut free_from = START;
    for (from, to) in candidates {
        if from < free_from || to < from + MINUTE || to > END - DAY {
            continue;
        }
        let close = |incident: &&Incident| {
            let end = incident.to;
            let starts_after = end <= from && from < end + 200 * SECOND;
            let ends_after = end < to + 10 * SECOND && to < end + 200 * SECOND;
            let was_young = incident.from <= from + MINUTE && from <= incident.from;
            let is_told_on = matches!(incident.kind, Kind::Pause { stops_node: false });
            starts_after || ends_after || was_young || is_told_on && from <= end && incident.from <= to
        };
        let close: Vec<&Incident> = incidents.iter().filter(close).collect();
        if !close.is_empty() {
            if !dice.chance(0.3) {
                continue;
            }
            let first = close.iter().map(|incident| incident.from).min().unwrap_or(from);
            let last = close.iter().map(|incident| incident.to).max().unwrap_or(to);
            unfair.push((first.min(from) - MINUTE, last.max(to) + 6 * MINUTE));
        }
        outages.push((from, to));
        free_from = to + 6 * MINUTE;
    }
    (outages, unfair)
}

fn wall(dice: &mut Dice, incidents: &[Incident]) -> Vec<(u64, i64)> {
    let hour = i64::try_from(HOUR).expect("an hour is short");
    let since_1970 = |at: u64| -i64::try_from(at).expect("this century");
    let mut wrong: Vec<(u64, u64, i64)> = Vec::new();
    if dice.chance(0.4) {
        // A device without a battery for its clock, at its very first start.
        wrong.push((START, START + 30 * SECOND, since_1970(START - 20 * SECOND)));
    }
    for restart in incidents.iter().filter(|incident| incident.is_restart()) {
        let before = restart.from - dice.within(MINUTE..HOUR);
        let later = restart.to + dice.any_size(5 * SECOND..2 * DAY);
        match dice.within(0..8) {
            0 => wrong.push((before, later, -hour)),
            1 => wrong.push((before, later, hour)),
            2 => {
                wrong.push((
                    restart.from + 1,
                    restart.to + 30 * SECOND,
                    since_1970(restart.to - 20 * SECOND),
                ));
            }
            _ => {}
        }
    }
    for _ in 0..20 {
        let from = START + dice.within(DAY..360 * DAY);
        let by = match dice.within(0..3) {
            0 => hour,
            1 => -hour,
            _ => i64::try_from(dice.within(0..18 * SECOND)).expect("seconds") - hour / 400,
        };
        wrong.push((from, from + dice.any_size(MINUTE..5 * DAY), by));
    }
    wrong.sort_unstable();
    let mut wall = vec![(0, 0)];
    let mut free_from = 0;
    for (from, to, by) in wrong {
        if from >= free_from {
            wall.extend([(from, by), (to, 0)]);
            free_from = to + 1;
        }
    }
    wall
}

fn broken_disk(dice: &mut Dice, incidents: &[Incident]) -> Vec<(u64, u64)> {
    let mut broken: Vec<(u64, u64)> = Vec::new();
    for _ in 0..12 {
        let from = START + dice.within(DAY..360 * DAY);
        broken.push((from, from + dice.any_size(5 * SECOND..20 * MINUTE)));
    }
    for restart in incidents.iter().filter(|incident| incident.is_restart()) {
        if dice.chance(0.1) {
            broken.push((restart.from - dice.any_size(SECOND..5 * MINUTE), restart.from + SECOND));
        }
    }
    broken.sort_unstable();
    broken
}
