//! A year of a node and its peers, as it truly was, and what the node told of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fitness_core::OutPoint;

use crate::dice::Dice;
use crate::faults::{Faults, Step, faults};
use crate::peers::{FORMER, NEWCOMER, PEERS, PRIVATE, STRANGERS, Spans, WATCHED, is_up, truths};
use crate::script::{Channel, Happening, Listed, Word, outpoint};
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

pub(crate) struct World {
    pub(crate) script: Vec<(u64, Happening)>,
    pub(crate) truths: Vec<Spans>,
    pub(crate) faults: Faults,
    /// By peer: when its connection was dead, or lost, and the node did not know it yet.
    pub(crate) dead: Vec<Spans>,
    /// By peer: when it was up, and we had yet to connect to it after a gap of ours.
    pub(crate) coming: Vec<Spans>,
}

/// How a connection of ours to a peer stands.
#[derive(Clone, Default)]
struct Link {
    /// As the node takes it to be.
    is_up: bool,
    /// It is not, and the node has yet to find out.
    is_dead: bool,
    /// The node is about to find out, or to connect; what was planned for an earlier one is void.
    plan: u32,
    /// So short a time ago that nobody took notice we were stopped, and it was lost then.
    is_late: bool,
    dead_from: Option<u64>,
    coming_from: Option<u64>,
}

struct State {
    is_open: bool,
    is_usable: bool,
    splices: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    PeerChanges(usize),
    NetworkFails,
    NetworkReturns,
    Step(usize),
    Lose(usize, u32),
    Connect(usize, u32),
    /// Usable after a connection, or for a while not.
    Usable(Channel, bool, u32),
    Open(Channel),
    Close(Channel),
    Splice(Channel),
    List,
    Look,
}

struct Simulation {
    dice: Dice,
    world: World,
    heap: BinaryHeap<Reverse<(u64, u64, Plan)>>,
    planned: u64,
    links: Vec<Link>,
    channels: BTreeMap<Channel, State>,
    now: u64,
    is_running: bool,
    is_awake: bool,
    node_runs: bool,
    network_is_up: bool,
    /// The node is about to be stopped, and connects to nobody.
    is_leaving: bool,
    fell_asleep: u64,
    was_started: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let (truths, faults) = (truths(seed), faults(seed));
        let none = vec![Vec::new(); PEERS];
        let world = Self { script: Vec::new(), truths, faults, dead: none.clone(), coming: none };
        let mut simulation = Simulation {
            dice: Dice::new(seed, "world"),
            world,
            heap: BinaryHeap::new(),
            planned: 0,
            links: vec![Link::default(); PEERS],
            channels: BTreeMap::new(),
            now: START,
            is_running: false,
            is_awake: true,
            node_runs: true,
            network_is_up: true,
            is_leaving: false,
            fell_asleep: START,
            was_started: false,
        };
        simulation.plan_all();
        while let Some(Reverse((at, _, plan))) = simulation.heap.pop() {
            if at >= END {
                break;
            }
            simulation.now = at;
            simulation.carry_out(plan);
        }
        let mut world = simulation.world;
        let steps = world.faults.steps.iter().map(|&(at, step)| (at, Happening::Step(step)));
        let wall = world.faults.wall.iter().map(|&(at, ahead)| (at, Happening::Wall(ahead)));
        let broken = world.faults.broken_disk.iter();
        let disk = broken.flat_map(|&(from, to)| [(from, true), (to, false)]);
        let disk = disk.map(|(at, is_broken)| (at, Happening::Disk { is_broken }));
        // What a step brings about comes after it.
        let told = std::mem::take(&mut world.script);
        world.script = wall.chain(disk).chain(steps).chain(told).collect();
        world.script.sort_by_key(|happening| happening.0);
        world
    }
}

impl World {
    /// Some time of ours, and all further trouble that begins before everybody is back.
    pub(crate) fn with_what_follows(&self, (from, mut to): (u64, u64)) -> (u64, u64) {
        let Faults { steps, outages, .. } = &self.faults;
        let ends = steps.iter().zip(steps.iter().skip(1)).map(|(step, next)| (step.0, next.0, step.1));
        let goes_on = |step: Step| !matches!(step, Step::Start | Step::Wake | Step::Thaw | Step::Resume);
        let steps = ends.filter(|&(_, _, step)| goes_on(step)).map(|(start, end, _)| (start, end));
        let mut troubles: Vec<(u64, u64)> = steps.chain(outages.iter().copied()).collect();
        troubles.sort_unstable();
        for (start, end) in troubles {
            if from < end && start <= to {
                to = to.max(end + 5 * MINUTE);
            }
        }
        (from, to)
    }
}

impl Simulation {
    fn plan(&mut self, at: u64, plan: Plan) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, plan)));
    }

    fn plan_all(&mut self) {
        for number in 0..self.world.faults.steps.len() {
            self.plan(self.world.faults.steps[number].0, Plan::Step(number));
        }
        for (from, to) in self.world.faults.outages.clone() {
            self.plan(from, Plan::NetworkFails);
            self.plan(to, Plan::NetworkReturns);
        }
        for peer in 0..PEERS {
            let (_, next) = is_up(&self.world.truths[peer], START);
            self.plan(next, Plan::PeerChanges(peer));
        }
        for peer in (0..STRANGERS.start).filter(|peer| ![WATCHED, NEWCOMER].contains(peer)) {
            let channel = Channel { peer, number: 0 };
            self.channels.insert(channel, State { is_open: true, is_usable: true, splices: 0 });
        }
        let second = |peer| Channel { peer, number: 1 };
        self.plan(START + 20 * DAY + 1, Plan::Open(second(0)));
        self.plan(START + 40 * DAY, Plan::Open(Channel { peer: 0, number: 2 }));
        self.plan(START + 200 * DAY, Plan::Close(second(0)));
        self.plan(START + 30 * DAY, Plan::Open(second(2)));
        self.plan(START + 10 * DAY, Plan::Close(Channel { peer: FORMER, number: 0 }));
        self.plan(START + 90 * DAY, Plan::Close(Channel { peer: PRIVATE, number: 0 }));
        self.plan(START + 150 * DAY, Plan::Open(second(PRIVATE)));
        self.plan(START + 60 * DAY, Plan::Open(Channel { peer: NEWCOMER, number: 0 }));
        for month in 1..12 {
            let peer = [0, 1, 3, 8][self.dice_within(0..4)];
            self.plan(START + month * 30 * DAY + 3 * HOUR, Plan::Splice(Channel { peer, number: 0 }));
        }
        for day in 1..365 {
            let listed = START + day * DAY + self.dice.within(0..DAY);
            self.plan(listed, Plan::List);
            for peer in [3, 7, 9] {
                if self.dice.chance(0.2) {
                    let at = START + day * DAY + self.dice.within(0..DAY);
                    self.plan(at, Plan::Usable(Channel { peer, number: 0 }, false, u32::MAX));
                }
            }
        }
        for week in 0..52 {
            let at = START + week * 7 * DAY + self.dice.within(HOUR..7 * DAY);
            self.plan(at, Plan::Look);
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn dice_within(&mut self, range: std::ops::Range<u64>) -> usize {
        self.dice.within(range) as usize
    }

    fn tell(&mut self, word: Word) {
        let is_change = matches!(word, Word::Up(_) | Word::Down(_));
        let late = if is_change && self.dice.chance(0.005) { self.dice.within(1..SECOND) } else { 0 };
        self.world.script.push((self.now, Happening::Told(word, late)));
    }

    fn talks(&self) -> bool {
        self.is_running && self.is_awake && self.node_runs
    }

    fn connects(&self) -> bool {
        self.talks() && self.network_is_up && !self.is_leaving
    }

    fn is_truly_up(&self, peer: usize) -> bool {
        is_up(&self.world.truths[peer], self.now).0
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::PeerChanges(peer) => self.peer_changes(peer),
            Plan::NetworkFails => self.network_fails(),
            Plan::NetworkReturns => {
                self.network_is_up = true;
                self.reconnect(MINUTE);
            }
            Plan::Step(number) => self.step(self.world.faults.steps[number].1),
            Plan::Lose(peer, plan) => {
                if self.links[peer].plan == plan && self.links[peer].is_up && self.talks() {
                    let is_late = self.links[peer].is_late;
                    self.lose(peer);
                    self.links[peer].dead_from = Some(self.now).filter(|_| is_late);
                    self.plan_connect(peer, 40 * SECOND);
                }
            }
            Plan::Connect(peer, plan) => {
                let link = &self.links[peer];
                if link.plan == plan && !link.is_up && self.connects() && self.is_truly_up(peer) {
                    self.connect(peer);
                }
            }
            Plan::Usable(channel, usable, plan) => self.usable(channel, usable, plan),
            Plan::Open(channel) => self.open(channel),
            Plan::Close(channel) => self.close(channel),
            Plan::Splice(channel) => self.splice(channel),
            Plan::List => self.list(),
            Plan::Look => self.world.script.push((self.now, Happening::Look)),
        }
    }

    fn peer_changes(&mut self, peer: usize) {
        let (is_up, next) = is_up(&self.world.truths[peer], self.now);
        if next < END {
            self.plan(next, Plan::PeerChanges(peer));
        }
        let link = &self.links[peer];
        match (is_up, link.is_up) {
            (true, false) if self.connects() => self.connect(peer),
            (true, false) => self.links[peer].coming_from = Some(self.now),
            (false, true) if !link.is_dead && self.connects() => self.lose(peer),
            (false, true) => {
                // Nobody tells us, and should it come back, that is another connection.
                self.links[peer].is_dead = true;
                self.links[peer].dead_from.get_or_insert(self.now);
            }
            _ => self.end_lag(peer),
        }
    }

    fn end_lag(&mut self, peer: usize) {
        if let Some(from) = self.links[peer].dead_from.take() {
            self.world.dead[peer].push((from, self.now));
        }
        if let Some(from) = self.links[peer].coming_from.take() {
            self.world.coming[peer].push((from, self.now));
        }
    }

    fn connect(&mut self, peer: usize) {
        self.end_lag(peer);
        let plan = self.links[peer].plan + 1;
        self.links[peer] = Link { is_up: true, plan, ..Link::default() };
        self.tell(Word::Up(peer));
        let channels: Vec<Channel> = self.channels.keys().copied().filter(|id| id.peer == peer).collect();
        for channel in channels {
            let at = self.now + self.dice.within(SECOND / 4..3 * SECOND);
            self.plan(at, Plan::Usable(channel, true, plan));
        }
    }

    fn lose(&mut self, peer: usize) {
        self.end_lag(peer);
        self.cut(peer);
        self.tell(Word::Down(peer));
    }

    fn cut(&mut self, peer: usize) {
        let plan = self.links[peer].plan + 1;
        self.links[peer] = Link { plan, ..Link::default() };
        for (_, state) in self.channels.iter_mut().filter(|(id, _)| id.peer == peer) {
            state.is_usable = false;
        }
    }

    fn reconnect(&mut self, within: u64) {
        for peer in 0..PEERS {
            if !self.links[peer].is_up {
                self.plan_connect(peer, within);
            }
        }
    }

    /// Always before the peer is gone again, and always within the grace.
    fn plan_connect(&mut self, peer: usize, within: u64) {
        let (is_up, next) = is_up(&self.world.truths[peer], self.now);
        if is_up {
            self.links[peer].coming_from.get_or_insert(self.now);
        }
        if !is_up || !self.connects() {
            return;
        }
        let delay = self.dice.within(SECOND..within).min((next - self.now) / 2);
        self.links[peer].plan += 1;
        self.plan(self.now + delay, Plan::Connect(peer, self.links[peer].plan));
    }

    fn plan_loss(&mut self, peer: usize, within: u64) {
        self.links[peer].is_dead = true;
        self.links[peer].plan += 1;
        let at = self.now + self.dice.within(SECOND / 10..within);
        self.plan(at, Plan::Lose(peer, self.links[peer].plan));
    }

    fn network_fails(&mut self) {
        self.network_is_up = false;
        let up = self.links.iter().filter(|link| link.is_up).count();
        if self.talks() && (1..5).contains(&up) {
            self.world.faults.unfair.push((self.now - MINUTE, self.now + 5 * HOUR));
        }
        for peer in 0..PEERS {
            if self.links[peer].is_up {
                self.plan_loss(peer, 20 * SECOND);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start => self.start(),
            Step::Disconnect => {
                let up = self.links.iter().filter(|link| link.is_up).count();
                if self.talks() && (1..5).contains(&up) {
                    self.world.faults.unfair.push((self.now - MINUTE, self.now + 7 * HOUR));
                }
                for peer in 0..PEERS {
                    if self.links[peer].is_up {
                        self.plan_loss(peer, SECOND / 2);
                    }
                }
                self.is_leaving = true;
            }
            Step::Stop | Step::Crash => {
                (self.is_running, self.is_awake) = (false, true);
                (0..PEERS).for_each(|peer| self.forget(peer));
            }
            Step::Sleep | Step::Freeze => {
                (self.is_awake, self.fell_asleep) = (false, self.now);
            }
            Step::Wake => self.wake(0.7),
            Step::Thaw => self.wake(0.2),
            Step::Pause { stops_node } => {
                self.tell(Word::Paused);
                if stops_node {
                    self.node_runs = false;
                    (0..PEERS).for_each(|peer| self.forget(peer));
                }
            }
            Step::Resume => {
                self.tell(Word::Resumed);
                if !std::mem::replace(&mut self.node_runs, true) {
                    self.reconnect(MINUTE);
                }
                let soon = self.now + self.dice.within(SECOND / 10..5 * SECOND);
                self.plan(soon, Plan::List);
            }
        }
        if matches!(step, Step::Start | Step::Wake | Step::Thaw | Step::Resume) && self.dice.chance(0.15) {
            let at = self.now + self.dice.within(1..150 * SECOND);
            self.plan(at, Plan::Look);
        }
    }

    /// The node has no connection, and did not say so.
    fn forget(&mut self, peer: usize) {
        self.end_lag(peer);
        self.cut(peer);
    }

    fn start(&mut self) {
        (self.is_running, self.is_awake, self.node_runs, self.is_leaving) = (true, true, true, false);
        if !std::mem::replace(&mut self.was_started, true) {
            // The node has been running for a while.
            for peer in 0..PEERS {
                self.links[peer].is_up = self.is_truly_up(peer);
            }
            self.tell(Word::Watched(WATCHED));
            return self.list();
        }
        self.reconnect(MINUTE);
        let soon = if self.dice.chance(0.5) { 0 } else { self.dice.within(1..20 * SECOND) };
        self.plan(self.now + soon, Plan::List);
    }

    fn wake(&mut self, dies: f64) {
        self.is_awake = true;
        // Of so short a time nobody takes notice, and what was lost meanwhile was not lost by us.
        let is_short = self.now - self.fell_asleep <= 10 * SECOND;
        for peer in 0..PEERS {
            let link = &mut self.links[peer];
            link.is_late = is_short;
            if link.is_up && (link.is_dead || !is_short && self.dice.chance(dies)) {
                self.plan_loss(peer, 30 * SECOND);
            }
        }
        self.reconnect(40 * SECOND);
    }

    fn usable(&mut self, channel: Channel, usable: bool, plan: u32) {
        let link = &self.links[channel.peer];
        let is_meant = plan == u32::MAX || link.plan == plan;
        if !is_meant || !link.is_up || !self.talks() {
            return;
        }
        let Some(state) = self.channels.get_mut(&channel).filter(|state| state.is_open) else { return };
        state.is_usable = usable;
        let plan = link.plan;
        self.tell(Word::Usable(channel, usable));
        if !usable {
            let at = self.now + self.dice.any_size(MINUTE..5 * HOUR);
            self.plan(at, Plan::Usable(channel, true, plan));
        }
    }

    /// With a peer that is connected; else later.
    fn open(&mut self, channel: Channel) {
        if !self.connects() || !self.links[channel.peer].is_up || self.links[channel.peer].is_dead {
            return self.plan(self.now + 10 * MINUTE, Plan::Open(channel));
        }
        self.channels.insert(channel, State { is_open: true, is_usable: true, splices: 0 });
        self.tell(Word::Opened(channel));
    }

    fn close(&mut self, channel: Channel) {
        if !self.talks() {
            return self.plan(self.now + 10 * MINUTE, Plan::Close(channel));
        }
        if let Some(state) = self.channels.get_mut(&channel) {
            state.is_open = false;
            self.tell(Word::Closed(channel));
        }
    }

    fn splice(&mut self, channel: Channel) {
        if !self.connects() || !self.links[channel.peer].is_up {
            return self.plan(self.now + 10 * MINUTE, Plan::Splice(channel));
        }
        let Some(state) = self.channels.get_mut(&channel) else { return };
        state.splices += 1;
        let funding: OutPoint = outpoint(channel, state.splices);
        self.tell(Word::Spliced(channel, funding));
    }

    /// Everything there is; a node that does not run cannot say.
    fn list(&mut self) {
        if !self.talks() {
            return;
        }
        let up = |peer: &usize| self.links[*peer].is_up;
        let connected: Vec<usize> = (0..PEERS).filter(up).collect();
        let open = self.channels.iter().filter(|(_, state)| state.is_open);
        let open = open.map(|(&id, state)| (id, outpoint(id, state.splices), state.is_usable));
        let listed = Listed { connected, channels: open.collect(), dated: self.dice.chance(0.5) };
        self.tell(Word::Listed(listed));
    }
}
