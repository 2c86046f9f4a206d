//! A simulated node: peers with various behaviors over months, generated from a seed. The events pass through
//! a tracker into an in-memory store. Used by the tests, the bench and the example.
#![allow(dead_code, reason = "each user of this module needs only a part of it")]

mod aliases;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use fitness_actor::{Service, ServiceBuilder};
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, ImportSource, Imported, NodeId, OpenChannel, OutPoint,
    PeerRecord, Snapshot, Timestamp, Totals, Tracker, TrackerConfig, UnsavedChanges,
};
use fitness_store::{Batch, MemoryStore, Store};

pub(crate) const OBSERVER: NodeId = NodeId([2; 33]);

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3_600 * SECOND_NS;
const DAY_NS: u64 = 24 * HOUR_NS;

/// How long before the end of the simulated time the process stops, so that a service started on the result
/// begins after a gap.
const FINAL_GAP_NS: u64 = 40 * SECOND_NS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    /// A server that restarts from time to time.
    Stable,
    /// A wallet that is offline at night.
    OfflineAtNight,
    /// Disconnects several times a day.
    Unstable,
    /// Disconnects about once an hour.
    Flapping,
    /// Goes offline once and does not return.
    Departing,
}

struct Peer {
    node_id: NodeId,
    behavior: Behavior,
    online: bool,
    channels: Vec<(ChannelId, OutPoint)>,
}

/// The result of a simulation: the stored history, and the state of the node at its end.
pub(crate) struct SimulatedNode {
    pub(crate) peers: Vec<NodeId>,
    pub(crate) aliases: HashMap<NodeId, String>,
    pub(crate) store: MemoryStore,
    snapshot: Snapshot,
}

impl SimulatedNode {
    /// A node without peers.
    pub(crate) fn empty() -> Self {
        let (aliases, store, snapshot) = (HashMap::new(), MemoryStore::new(), Snapshot::default());
        Self { peers: Vec::new(), aliases, store, snapshot }
    }

    /// Simulates `peers` peers over `days` days until `end`. The same seed yields the same history.
    pub(crate) async fn new(seed: u64, peers: usize, days: u64, end: Timestamp) -> Self {
        let mut simulation = Simulation::new(seed, peers, end.before_nanos(days * DAY_NS));
        simulation.run(end.before_nanos(FINAL_GAP_NS)).await;
        simulation.mark_some_as_imported().await;
        simulation.finish()
    }

    /// Configures a service that continues the history.
    pub(crate) fn service(&self) -> ServiceBuilder {
        Service::builder(OBSERVER, Arc::new(self.store.clone())).snapshot(self.snapshot.clone())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    /// The peer with this index opens its channels, or changes its presence.
    Peer(usize),
    RestartProcess,
    NetworkOutage,
    Pause,
    Commit,
}

struct Simulation {
    rng: fastrand::Rng,
    peers: Vec<Peer>,
    queue: BinaryHeap<Reverse<(Timestamp, Action)>>,
    tracker: Tracker,
    store: MemoryStore,
    now: Timestamp,
}

fn new_tracker() -> Tracker {
    Tracker::new(TrackerConfig::default(), HashSeed([5; 16]))
}

impl Simulation {
    fn new(seed: u64, count: usize, start: Timestamp) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let peers: Vec<Peer> = (0..count).map(|index| new_peer(&mut rng, index)).collect();
        let mut simulation = Self {
            rng,
            peers,
            queue: BinaryHeap::new(),
            tracker: new_tracker(),
            store: MemoryStore::new(),
            now: start,
        };
        simulation.apply(&Event::Snapshot(Snapshot::default()));
        for index in 0..count {
            // Most peers are there from the start; some are added later.
            let delay_ns = if index % 7 == 3 { simulation.rng.u64(0..40 * DAY_NS) } else { index as u64 };
            simulation.queue.push(Reverse((start.after_nanos(delay_ns), Action::Peer(index))));
        }
        simulation.schedule(9 * DAY_NS, Action::RestartProcess);
        simulation.schedule(21 * DAY_NS, Action::NetworkOutage);
        simulation.schedule(33 * DAY_NS, Action::Pause);
        simulation.schedule(DAY_NS, Action::Commit);
        simulation
    }

    fn apply(&mut self, event: &Event) {
        self.tracker.apply(self.now, event);
    }

    /// Schedules an action after a random delay with the given mean.
    fn schedule(&mut self, mean_ns: u64, action: Action) {
        let delay_ns = self.rng.u64(mean_ns / 4..mean_ns * 7 / 4);
        self.queue.push(Reverse((self.now.after_nanos(delay_ns), action)));
    }

    async fn run(&mut self, end: Timestamp) {
        while let Some(Reverse((at, action))) = self.queue.pop().filter(|Reverse((at, _))| *at < end) {
            self.now = self.now.max(at);
            match action {
                Action::Peer(index) => self.peer_action(index),
                Action::RestartProcess => self.restart_process().await,
                Action::NetworkOutage => self.network_outage(),
                Action::Pause => {
                    self.apply(&Event::ObservationPaused);
                    self.now = self.now.after_nanos(self.rng.u64(60 * SECOND_NS..HOUR_NS));
                    self.apply(&Event::ObservationResumed);
                    let snapshot = self.snapshot();
                    self.apply(&Event::Snapshot(snapshot));
                    self.schedule(30 * DAY_NS, Action::Pause);
                }
                Action::Commit => {
                    self.commit().await;
                    self.schedule(DAY_NS, Action::Commit);
                }
            }
        }
        self.now = end;
        self.commit().await;
    }

    fn peer_action(&mut self, index: usize) {
        let Peer { node_id, behavior, online, ref channels } = self.peers[index];
        let is_tracked = self.tracker.peer(self.now, &node_id).is_some();
        if is_tracked {
            self.peers[index].online = !online;
            self.apply(&if online { Event::PeerOffline { node_id } } else { Event::PeerOnline { node_id } });
        } else {
            let channels = channels.clone();
            self.apply(&Event::PeerOnline { node_id });
            for (channel_id, funding) in channels {
                let opened =
                    ChannelOpened { channel_id, node_id, funding: Some(funding), online: Some(true) };
                self.apply(&Event::ChannelOpened(opened));
                self.apply(&Event::ChannelUsable { channel_id, usable: true });
            }
            // Peers without a channel must be watched to be tracked.
            self.apply(&Event::Watch { node_id });
            if self.peers[index].channels.len() > 1 {
                self.apply(&Event::Unwatch { node_id });
            }
            self.peers[index].online = true;
        }
        let is_online = self.peers[index].online;
        let mean_ns = match (behavior, is_online) {
            (Behavior::Departing, false) => return,
            (Behavior::Departing, true) => 60 * DAY_NS,
            (Behavior::Stable, true) => 20 * DAY_NS,
            (Behavior::Stable, false) => 12 * 60 * SECOND_NS,
            (Behavior::OfflineAtNight, true) => 15 * HOUR_NS,
            (Behavior::OfflineAtNight, false) => 8 * HOUR_NS,
            (Behavior::Unstable, true) => 6 * HOUR_NS,
            (Behavior::Unstable, false) => 10 * 60 * SECOND_NS,
            (Behavior::Flapping, true) => HOUR_NS,
            (Behavior::Flapping, false) => 5 * 60 * SECOND_NS,
        };
        self.schedule(mean_ns, Action::Peer(index));
    }

    /// Replaces the tracker by a new one that loads the stored state, after a gap.
    async fn restart_process(&mut self) {
        self.commit().await;
        self.now = self.now.after_nanos(self.rng.u64(20 * SECOND_NS..3 * HOUR_NS));
        let mut tracker = new_tracker();
        let observer =
            self.store.observer(&OBSERVER).await.expect("read observer").expect("observer is stored");
        let gaps = self.store.gaps(&OBSERVER, 0, usize::MAX).await.expect("read gaps");
        tracker.resume_observer(&observer, &gaps);
        for record in self.store.peers(&OBSERVER, None, usize::MAX).await.expect("read peers") {
            tracker.resume_peer(&record);
        }
        self.tracker = tracker;
        self.tracker.advance(self.now);
        let snapshot = self.snapshot();
        self.apply(&Event::Snapshot(snapshot));
        self.schedule(9 * DAY_NS, Action::RestartProcess);
    }

    /// Disconnects all peers at once, and reconnects them later.
    fn network_outage(&mut self) {
        let online = self.peers.iter().filter(|peer| peer.online);
        let online: Vec<NodeId> = online.map(|peer| peer.node_id).collect();
        for &node_id in &online {
            self.now = self.now.after_nanos(self.rng.u64(0..SECOND_NS / 1_000));
            self.apply(&Event::PeerOffline { node_id });
        }
        self.now = self.now.after_nanos(self.rng.u64(120 * SECOND_NS..2 * HOUR_NS));
        for node_id in online {
            self.apply(&Event::PeerOnline { node_id });
        }
        self.schedule(25 * DAY_NS, Action::NetworkOutage);
    }

    async fn commit(&mut self) {
        self.tracker.advance(self.now);
        let mut changes = UnsavedChanges::default();
        while self.tracker.drain_changes(usize::MAX, &mut changes) {}
        self.tracker.mark_stored(&changes);
        let observer = Some(self.tracker.observer_record(self.now));
        let batch = Batch { changes, observer, ..Batch::default() };
        self.store.commit(&OBSERVER, Arc::new(batch)).await.expect("commit");
    }

    fn snapshot(&self) -> Snapshot {
        let is_tracked = |peer: &&Peer| self.tracker.peer(self.now, &peer.node_id).is_some();
        let channels = self.peers.iter().filter(is_tracked).flat_map(|peer| {
            let open_channel = |&(channel_id, funding): &(ChannelId, OutPoint)| OpenChannel {
                channel_id,
                node_id: peer.node_id,
                funding: Some(funding),
                usable: Some(peer.online),
            };
            peer.channels.iter().map(open_channel)
        });
        let connected = self.peers.iter().filter(|peer| peer.online).map(|peer| peer.node_id);
        Snapshot { channels: channels.collect(), connected: connected.collect(), taken_at: None }
    }

    /// Marks the first quarter of some histories as imported from lnd.
    async fn mark_some_as_imported(&self) {
        let records = self.store.peers(&OBSERVER, None, usize::MAX).await.expect("read peers");
        let with_import = |record: PeerRecord| {
            let Totals { online_ns, observed_ns } = record.totals;
            let totals = Totals { online_ns: online_ns / 4, observed_ns: observed_ns / 4 };
            let at_ns = record.tracked_since_ns + (record.presence_since_ns - record.tracked_since_ns) / 4;
            let imported = Some(Imported { source: ImportSource::Lnd, at_ns, totals, flap_count: 2 });
            PeerRecord { imported, ..record }
        };
        let peers = records.into_iter().skip(4).step_by(11).map(with_import);
        let changes = UnsavedChanges { peers: peers.collect(), ..UnsavedChanges::default() };
        let batch = Batch { changes, ..Batch::default() };
        self.store.commit(&OBSERVER, Arc::new(batch)).await.expect("commit");
    }

    fn finish(self) -> SimulatedNode {
        let snapshot = self.snapshot();
        let peers: Vec<NodeId> = self.peers.iter().map(|peer| peer.node_id).collect();
        let aliases = peers.iter().enumerate();
        let aliases = aliases.filter_map(|(index, node_id)| Some((*node_id, aliases::alias(index)?)));
        SimulatedNode { aliases: aliases.collect(), peers, store: self.store, snapshot }
    }
}

fn new_peer(rng: &mut fastrand::Rng, index: usize) -> Peer {
    let mut id = [0; 33];
    rng.fill(&mut id);
    id[0] = 2 + u8::from(rng.bool());
    let behavior = match index % 20 {
        0..=11 => Behavior::Stable,
        12..=14 => Behavior::OfflineAtNight,
        15..=17 => Behavior::Unstable,
        18 => Behavior::Flapping,
        _ => Behavior::Departing,
    };
    let channels = rng.usize(0..4);
    let channels = (0..channels).map(|_| {
        let (mut channel, mut txid) = ([0; 32], [0; 32]);
        rng.fill(&mut channel);
        rng.fill(&mut txid);
        (ChannelId(channel), OutPoint { txid, vout: rng.u32(0..3) })
    });
    let channels = channels.collect();
    Peer { node_id: NodeId(id), behavior, online: false, channels }
}

/// Aliases that try to inject markup or to disturb the layout.
pub(crate) const fn hostile_aliases() -> &'static [&'static str] {
    aliases::HOSTILE
}
