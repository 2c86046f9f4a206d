//! Simulates a node and its peers for a year: the actual connections, and what the node reports of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fitness_core::OutPoint;

use crate::faults::{Faults, Step, faults};
use crate::peers::{FORMER, Intervals, NEWCOMER, PEERS, PRIVATE, STRANGERS, WATCHED, is_up, peer_uptimes};
use crate::random::Random;
use crate::script::{Channel, NodeEvent, NodeSnapshot, ScriptEvent, outpoint};
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

pub(crate) struct SimulatedYear {
    pub(crate) script: Vec<(u64, ScriptEvent)>,
    /// When each peer is up.
    pub(crate) peer_uptimes: Vec<Intervals>,
    pub(crate) faults: Faults,
    /// For each peer, when its connection was dead and the node had not noticed it.
    pub(crate) dead_connections: Vec<Intervals>,
    /// For each peer, when it was up and the node had not reconnected to it after a gap.
    pub(crate) pending_reconnects: Vec<Intervals>,
}

/// The state of the connection with a peer.
#[derive(Clone, Default)]
struct Connection {
    /// Whether the node considers the peer connected.
    is_up: bool,
    /// Whether the connection is dead and the node has not noticed it.
    is_dead: bool,
    /// Increases with each connection and each scheduled connect or disconnect. Actions scheduled for an
    /// earlier version are void.
    version: u32,
    /// Whether a dead connection is noticed after a stall too short to be a monitoring gap.
    after_short_halt: bool,
    dead_since: Option<u64>,
    reconnect_pending_since: Option<u64>,
}

struct ChannelState {
    is_open: bool,
    is_usable: bool,
    splices: u32,
}

/// A version that matches any version of a connection.
const ANY_VERSION: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    ChangePeer(usize),
    BeginNetworkOutage,
    EndNetworkOutage,
    Step(usize),
    Disconnect(usize, u32),
    Connect(usize, u32),
    SetUsable(Channel, bool, u32),
    OpenChannel(Channel),
    CloseChannel(Channel),
    Splice(Channel),
    ReportSnapshot,
    Check,
}

struct Simulation {
    random: Random,
    year: SimulatedYear,
    queue: BinaryHeap<Reverse<(u64, u64, Action)>>,
    scheduled: u64,
    connections: Vec<Connection>,
    channels: BTreeMap<Channel, ChannelState>,
    now: u64,
    process_runs: bool,
    is_awake: bool,
    node_runs: bool,
    network_is_up: bool,
    /// Whether the node is about to stop and opens no connections.
    is_stopping: bool,
    halted_at: u64,
    has_started: bool,
}

impl SimulatedYear {
    pub(crate) fn new(seed: u64) -> Self {
        let none = vec![Vec::new(); PEERS];
        let year = Self {
            script: Vec::new(),
            peer_uptimes: peer_uptimes(seed),
            faults: faults(seed),
            dead_connections: none.clone(),
            pending_reconnects: none,
        };
        let mut simulation = Simulation {
            random: Random::new(seed, "connections"),
            year,
            queue: BinaryHeap::new(),
            scheduled: 0,
            connections: vec![Connection::default(); PEERS],
            channels: BTreeMap::new(),
            now: START,
            process_runs: false,
            is_awake: true,
            node_runs: true,
            network_is_up: true,
            is_stopping: false,
            halted_at: START,
            has_started: false,
        };
        simulation.schedule_year();
        while let Some(Reverse((at, _, action))) = simulation.queue.pop() {
            if at >= END {
                break;
            }
            simulation.now = at;
            simulation.execute(action);
        }
        let mut year = simulation.year;
        let steps = year.faults.steps.iter().map(|&(at, step)| (at, ScriptEvent::Step(step)));
        let offsets = year.faults.wall_clock_offsets.iter();
        let offsets = offsets.map(|&(at, offset)| (at, ScriptEvent::WallClockOffset(offset)));
        let failures = year.faults.store_failures.iter();
        let failures = failures.flat_map(|&(from, to)| [(from, true), (to, false)]);
        let failures = failures.map(|(at, fails)| (at, ScriptEvent::StoreFails(fails)));
        // The sort is stable: reports follow the step that caused them.
        let reports = std::mem::take(&mut year.script);
        year.script = offsets.chain(failures).chain(steps).chain(reports).collect();
        year.script.sort_by_key(|entry| entry.0);
        year
    }

    /// Extends an interval by all faults that begin before the peers have reconnected after it.
    pub(crate) fn with_subsequent_faults(&self, (from, mut to): (u64, u64)) -> (u64, u64) {
        let Faults { steps, network_outages, .. } = &self.faults;
        let ends = steps.iter().zip(steps.iter().skip(1)).map(|(step, next)| (step.0, next.0, step.1));
        let begins_fault =
            |step: Step| !matches!(step, Step::Start | Step::Wake | Step::EndStall | Step::Resume);
        let steps = ends.filter(|&(_, _, step)| begins_fault(step)).map(|(start, end, _)| (start, end));
        let mut faults: Vec<(u64, u64)> = steps.chain(network_outages.iter().copied()).collect();
        faults.sort_unstable();
        for (start, end) in faults {
            if from < end && start <= to {
                to = to.max(end + 5 * MINUTE);
            }
        }
        (from, to)
    }
}

impl Simulation {
    fn schedule(&mut self, at: u64, action: Action) {
        self.scheduled += 1;
        self.queue.push(Reverse((at, self.scheduled, action)));
    }

    fn schedule_year(&mut self) {
        for number in 0..self.year.faults.steps.len() {
            self.schedule(self.year.faults.steps[number].0, Action::Step(number));
        }
        for (from, to) in self.year.faults.network_outages.clone() {
            self.schedule(from, Action::BeginNetworkOutage);
            self.schedule(to, Action::EndNetworkOutage);
        }
        for peer in 0..PEERS {
            let (_, next) = is_up(&self.year.peer_uptimes[peer], START);
            self.schedule(next, Action::ChangePeer(peer));
        }
        for peer in (0..STRANGERS.start).filter(|peer| ![WATCHED, NEWCOMER].contains(peer)) {
            let state = ChannelState { is_open: true, is_usable: true, splices: 0 };
            self.channels.insert(Channel { peer, number: 0 }, state);
        }
        let second = |peer| Channel { peer, number: 1 };
        self.schedule(START + 20 * DAY + 1, Action::OpenChannel(second(0)));
        self.schedule(START + 40 * DAY, Action::OpenChannel(Channel { peer: 0, number: 2 }));
        self.schedule(START + 200 * DAY, Action::CloseChannel(second(0)));
        self.schedule(START + 30 * DAY, Action::OpenChannel(second(2)));
        self.schedule(START + 10 * DAY, Action::CloseChannel(Channel { peer: FORMER, number: 0 }));
        self.schedule(START + 90 * DAY, Action::CloseChannel(Channel { peer: PRIVATE, number: 0 }));
        self.schedule(START + 150 * DAY, Action::OpenChannel(second(PRIVATE)));
        self.schedule(START + 60 * DAY, Action::OpenChannel(Channel { peer: NEWCOMER, number: 0 }));
        for month in 1..12 {
            let peer = [0, 1, 3, 8][self.random_index(4)];
            self.schedule(START + month * 30 * DAY + 3 * HOUR, Action::Splice(Channel { peer, number: 0 }));
        }
        for day in 1..365 {
            let at = START + day * DAY + self.random.uniform(0..DAY);
            self.schedule(at, Action::ReportSnapshot);
            for peer in [3, 7, 9] {
                if self.random.chance(0.2) {
                    let at = START + day * DAY + self.random.uniform(0..DAY);
                    self.schedule(at, Action::SetUsable(Channel { peer, number: 0 }, false, ANY_VERSION));
                }
            }
        }
        for week in 0..52 {
            let at = START + week * 7 * DAY + self.random.uniform(HOUR..7 * DAY);
            self.schedule(at, Action::Check);
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn random_index(&mut self, length: u64) -> usize {
        self.random.uniform(0..length) as usize
    }

    fn report(&mut self, event: NodeEvent) {
        let is_connection_change = matches!(event, NodeEvent::Connected(_) | NodeEvent::Disconnected(_));
        let is_delayed = is_connection_change && self.random.chance(0.005);
        let delay = if is_delayed { self.random.uniform(1..SECOND) } else { 0 };
        self.year.script.push((self.now, ScriptEvent::NodeEvent { event, delay }));
    }

    fn can_report(&self) -> bool {
        self.process_runs && self.is_awake && self.node_runs
    }

    fn can_connect(&self) -> bool {
        self.can_report() && self.network_is_up && !self.is_stopping
    }

    fn peer_is_up(&self, peer: usize) -> bool {
        is_up(&self.year.peer_uptimes[peer], self.now).0
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::ChangePeer(peer) => self.change_peer(peer),
            Action::BeginNetworkOutage => self.begin_network_outage(),
            Action::EndNetworkOutage => {
                self.network_is_up = true;
                self.schedule_reconnects(MINUTE);
            }
            Action::Step(number) => self.step(self.year.faults.steps[number].1),
            Action::Disconnect(peer, version) => {
                let connection = &self.connections[peer];
                if connection.version == version && connection.is_up && self.can_report() {
                    let after_short_halt = connection.after_short_halt;
                    self.disconnect(peer);
                    self.connections[peer].dead_since = Some(self.now).filter(|_| after_short_halt);
                    self.schedule_connect(peer, 40 * SECOND);
                }
            }
            Action::Connect(peer, version) => {
                let connection = &self.connections[peer];
                let is_valid = connection.version == version && !connection.is_up;
                if is_valid && self.can_connect() && self.peer_is_up(peer) {
                    self.connect(peer);
                }
            }
            Action::SetUsable(channel, usable, version) => self.set_usable(channel, usable, version),
            Action::OpenChannel(channel) => self.open_channel(channel),
            Action::CloseChannel(channel) => self.close_channel(channel),
            Action::Splice(channel) => self.splice(channel),
            Action::ReportSnapshot => self.report_snapshot(),
            Action::Check => self.year.script.push((self.now, ScriptEvent::Check)),
        }
    }

    fn change_peer(&mut self, peer: usize) {
        let (is_up, next) = is_up(&self.year.peer_uptimes[peer], self.now);
        if next < END {
            self.schedule(next, Action::ChangePeer(peer));
        }
        let connection = &self.connections[peer];
        match (is_up, connection.is_up) {
            (true, false) if self.can_connect() => self.connect(peer),
            (true, false) => self.connections[peer].reconnect_pending_since = Some(self.now),
            (false, true) if !connection.is_dead && self.can_connect() => self.disconnect(peer),
            (false, true) => {
                // The node cannot notice it. If the peer comes up again, this connection stays dead.
                self.connections[peer].is_dead = true;
                self.connections[peer].dead_since.get_or_insert(self.now);
            }
            _ => self.record_delays(peer),
        }
    }

    /// Records for how long the node's state differed from the peer's state. The two agree now.
    fn record_delays(&mut self, peer: usize) {
        if let Some(from) = self.connections[peer].dead_since.take() {
            self.year.dead_connections[peer].push((from, self.now));
        }
        if let Some(from) = self.connections[peer].reconnect_pending_since.take() {
            self.year.pending_reconnects[peer].push((from, self.now));
        }
    }

    fn connect(&mut self, peer: usize) {
        self.record_delays(peer);
        let version = self.connections[peer].version + 1;
        self.connections[peer] = Connection { is_up: true, version, ..Connection::default() };
        self.report(NodeEvent::Connected(peer));
        let channels: Vec<Channel> = self.channels.keys().copied().filter(|id| id.peer == peer).collect();
        for channel in channels {
            let at = self.now + self.random.uniform(SECOND / 4..3 * SECOND);
            self.schedule(at, Action::SetUsable(channel, true, version));
        }
    }

    fn disconnect(&mut self, peer: usize) {
        self.drop_connection(peer);
        self.report(NodeEvent::Disconnected(peer));
    }

    /// Closes the connection with a peer without a report.
    fn drop_connection(&mut self, peer: usize) {
        self.record_delays(peer);
        let version = self.connections[peer].version + 1;
        self.connections[peer] = Connection { version, ..Connection::default() };
        for (_, state) in self.channels.iter_mut().filter(|(id, _)| id.peer == peer) {
            state.is_usable = false;
        }
    }

    fn schedule_reconnects(&mut self, within: u64) {
        for peer in 0..PEERS {
            if !self.connections[peer].is_up {
                self.schedule_connect(peer, within);
            }
        }
    }

    /// Schedules a connect before the peer goes down again, and within the reconnect grace period.
    fn schedule_connect(&mut self, peer: usize, within: u64) {
        let (is_up, next) = is_up(&self.year.peer_uptimes[peer], self.now);
        if is_up {
            self.connections[peer].reconnect_pending_since.get_or_insert(self.now);
        }
        if !is_up || !self.can_connect() {
            return;
        }
        let delay = self.random.uniform(SECOND..within).min((next - self.now) / 2);
        self.connections[peer].version += 1;
        self.schedule(self.now + delay, Action::Connect(peer, self.connections[peer].version));
    }

    /// Marks a connection as dead, and schedules the moment at which the node notices it.
    fn schedule_disconnect(&mut self, peer: usize, within: u64) {
        self.connections[peer].is_dead = true;
        self.connections[peer].version += 1;
        let at = self.now + self.random.uniform(SECOND / 10..within);
        self.schedule(at, Action::Disconnect(peer, self.connections[peer].version));
    }

    fn disconnect_all(&mut self, within: u64) {
        for peer in 0..PEERS {
            if self.connections[peer].is_up {
                self.schedule_disconnect(peer, within);
            }
        }
    }

    /// Records that the loss of all connections cannot be detected as a network outage if few are up.
    fn record_undetectable_outage(&mut self, max_duration: u64) {
        let up = self.connections.iter().filter(|connection| connection.is_up).count();
        if self.can_report() && (1..5).contains(&up) {
            self.year.faults.undetectable.push((self.now - MINUTE, self.now + max_duration));
        }
    }

    fn begin_network_outage(&mut self) {
        self.network_is_up = false;
        self.record_undetectable_outage(5 * HOUR);
        self.disconnect_all(20 * SECOND);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start => self.start(),
            Step::Disconnect => {
                self.record_undetectable_outage(7 * HOUR);
                self.disconnect_all(SECOND / 2);
                self.is_stopping = true;
            }
            Step::Stop | Step::Crash => {
                (self.process_runs, self.is_awake) = (false, true);
                (0..PEERS).for_each(|peer| self.drop_connection(peer));
            }
            Step::Suspend | Step::Stall => {
                (self.is_awake, self.halted_at) = (false, self.now);
            }
            Step::Wake => self.wake(0.7),
            Step::EndStall => self.wake(0.2),
            Step::Pause { stops_node } => {
                self.report(NodeEvent::Paused);
                if stops_node {
                    self.node_runs = false;
                    (0..PEERS).for_each(|peer| self.drop_connection(peer));
                }
            }
            Step::Resume => {
                self.report(NodeEvent::Resumed);
                if !std::mem::replace(&mut self.node_runs, true) {
                    self.schedule_reconnects(MINUTE);
                }
                let delay = self.random.uniform(SECOND / 10..5 * SECOND);
                self.schedule(self.now + delay, Action::ReportSnapshot);
            }
        }
        let ends_gap = matches!(step, Step::Start | Step::Wake | Step::EndStall | Step::Resume);
        if ends_gap && self.random.chance(0.15) {
            let at = self.now + self.random.uniform(1..150 * SECOND);
            self.schedule(at, Action::Check);
        }
    }

    fn start(&mut self) {
        (self.process_runs, self.is_awake, self.node_runs, self.is_stopping) = (true, true, true, false);
        if !std::mem::replace(&mut self.has_started, true) {
            // The node was running before its first observation.
            for peer in 0..PEERS {
                self.connections[peer].is_up = self.peer_is_up(peer);
            }
            self.report(NodeEvent::Watch(WATCHED));
            return self.report_snapshot();
        }
        self.schedule_reconnects(MINUTE);
        let delay = if self.random.chance(0.5) { 0 } else { self.random.uniform(1..20 * SECOND) };
        self.schedule(self.now + delay, Action::ReportSnapshot);
    }

    /// Continues after a suspension or stall, in which each connection died with `death_probability`.
    fn wake(&mut self, death_probability: f64) {
        self.is_awake = true;
        // So short a halt is not a monitoring gap, and disconnects during it are the peers'.
        let is_short = self.now - self.halted_at <= 10 * SECOND;
        for peer in 0..PEERS {
            let connection = &mut self.connections[peer];
            connection.after_short_halt = is_short;
            if connection.is_up && (connection.is_dead || !is_short && self.random.chance(death_probability))
            {
                self.schedule_disconnect(peer, 30 * SECOND);
            }
        }
        self.schedule_reconnects(40 * SECOND);
    }

    fn set_usable(&mut self, channel: Channel, usable: bool, version: u32) {
        let connection = &self.connections[channel.peer];
        let is_valid = version == ANY_VERSION || connection.version == version;
        if !is_valid || !connection.is_up || !self.can_report() {
            return;
        }
        let Some(state) = self.channels.get_mut(&channel).filter(|state| state.is_open) else { return };
        state.is_usable = usable;
        let version = connection.version;
        self.report(NodeEvent::ChannelUsable(channel, usable));
        if !usable {
            let at = self.now + self.random.log_uniform(MINUTE..5 * HOUR);
            self.schedule(at, Action::SetUsable(channel, true, version));
        }
    }

    /// Opens a channel if the peer is connected; otherwise tries again later.
    fn open_channel(&mut self, channel: Channel) {
        let connection = &self.connections[channel.peer];
        if !self.can_connect() || !connection.is_up || connection.is_dead {
            return self.schedule(self.now + 10 * MINUTE, Action::OpenChannel(channel));
        }
        self.channels.insert(channel, ChannelState { is_open: true, is_usable: true, splices: 0 });
        self.report(NodeEvent::ChannelOpened(channel));
    }

    fn close_channel(&mut self, channel: Channel) {
        if !self.can_report() {
            return self.schedule(self.now + 10 * MINUTE, Action::CloseChannel(channel));
        }
        if let Some(state) = self.channels.get_mut(&channel) {
            state.is_open = false;
            self.report(NodeEvent::ChannelClosed(channel));
        }
    }

    fn splice(&mut self, channel: Channel) {
        if !self.can_connect() || !self.connections[channel.peer].is_up {
            return self.schedule(self.now + 10 * MINUTE, Action::Splice(channel));
        }
        let Some(state) = self.channels.get_mut(&channel) else { return };
        state.splices += 1;
        let funding: OutPoint = outpoint(channel, state.splices);
        self.report(NodeEvent::FundingChanged(channel, funding));
    }

    /// Reports all connected peers and open channels, if the node runs.
    fn report_snapshot(&mut self) {
        if !self.can_report() {
            return;
        }
        let is_connected = |peer: &usize| self.connections[*peer].is_up;
        let connected: Vec<usize> = (0..PEERS).filter(is_connected).collect();
        let open = self.channels.iter().filter(|(_, state)| state.is_open);
        let open = open.map(|(&id, state)| (id, outpoint(id, state.splices), state.is_usable));
        let has_time = self.random.chance(0.5);
        let snapshot = NodeSnapshot { connected, channels: open.collect(), has_time };
        self.report(NodeEvent::Snapshot(snapshot));
    }
}
