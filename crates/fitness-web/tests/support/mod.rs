//! A node that never was: peers of every kind over months, from a seed, through the tracker into a store
//! in memory. For the tests, and for the example that people look at.
#![allow(dead_code, reason = "each of those who include this needs a part of it")]

mod names;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use fitness_actor::{Service, ServiceBuilder};
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, ImportSource, Imported, NodeId, OpenChannel, OutPoint,
    PeerRecord, Snapshot, Timestamp, Totals, Tracker, TrackerConfig, UnsavedChanges,
};
use fitness_store::{Batch, MemoryStore, Store};

pub(crate) const OURSELVES: NodeId = NodeId([2; 33]);

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3_600 * SECOND_NS;
const DAY_NS: u64 = 24 * HOUR_NS;

/// How long before the end our program went down.
const DOWN_AT_LAST_NS: u64 = 40 * SECOND_NS;

/// How a peer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A server that is restarted now and then.
    Steady,
    /// A wallet that sleeps at night.
    Sleeper,
    /// Behind a connection that is lost several times a day.
    Shaky,
    /// Behind one that hardly holds.
    Flapping,
    /// It left, and is not coming back.
    Gone,
}

struct Peer {
    node_id: NodeId,
    kind: Kind,
    online: bool,
    channels: Vec<(ChannelId, OutPoint)>,
}

/// A history, and what is so at its end.
pub(crate) struct World {
    pub(crate) peers: Vec<NodeId>,
    pub(crate) names: HashMap<NodeId, String>,
    pub(crate) store: MemoryStore,
    snapshot: Snapshot,
}

impl World {
    /// Nobody yet.
    pub(crate) fn empty() -> Self {
        let (names, store, snapshot) = (HashMap::new(), MemoryStore::new(), Snapshot::default());
        Self { peers: Vec::new(), names, store, snapshot }
    }

    /// `peers` peers over `days` days until `end`: the same for the same seed.
    pub(crate) async fn new(seed: u64, peers: usize, days: u64, end: Timestamp) -> Self {
        let mut life = Life::new(seed, peers, end.before_nanos(days * DAY_NS));
        life.live(end.before_nanos(DOWN_AT_LAST_NS)).await;
        life.come_from_lnd().await;
        life.end()
    }

    /// A service that goes on with it.
    pub(crate) fn service(&self) -> ServiceBuilder {
        Service::builder(OURSELVES, Arc::new(self.store.clone())).snapshot(self.snapshot.clone())
    }

    pub(crate) fn name(&self, node_id: &NodeId) -> Option<String> {
        self.names.get(node_id).cloned()
    }
}

/// What is going to happen to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Peer(usize),
    /// Our program is stopped, and started again.
    Restart,
    /// Our network goes, and comes back.
    Outage,
    /// The wallet pauses us.
    Pause,
    /// Somebody stores what is new.
    Flush,
}

struct Life {
    dice: fastrand::Rng,
    peers: Vec<Peer>,
    next: BinaryHeap<Reverse<(Timestamp, Next)>>,
    tracker: Tracker,
    store: MemoryStore,
    now: Timestamp,
}

fn tracker() -> Tracker {
    Tracker::new(TrackerConfig::default(), HashSeed([5; 16]))
}

impl Life {
    fn new(seed: u64, count: usize, start: Timestamp) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let peers: Vec<Peer> = (0..count).map(|number| peer(&mut dice, number)).collect();
        let mut life = Self {
            dice,
            peers,
            next: BinaryHeap::new(),
            tracker: tracker(),
            store: MemoryStore::new(),
            now: start,
        };
        life.tell(&Event::Snapshot(Snapshot::default()));
        for number in 0..count {
            // Most were there from the start on, some came later.
            let late_ns = if number % 7 == 3 { life.dice.u64(0..40 * DAY_NS) } else { number as u64 };
            life.next.push(Reverse((start.after_nanos(late_ns), Next::Peer(number))));
        }
        life.later(9 * DAY_NS, Next::Restart);
        life.later(21 * DAY_NS, Next::Outage);
        life.later(33 * DAY_NS, Next::Pause);
        life.later(DAY_NS, Next::Flush);
        life
    }

    fn tell(&mut self, event: &Event) {
        self.tracker.apply(self.now, event);
    }

    /// Some time around `about_ns` from now.
    fn later(&mut self, about_ns: u64, next: Next) {
        let in_ns = self.dice.u64(about_ns / 4..about_ns * 7 / 4);
        self.next.push(Reverse((self.now.after_nanos(in_ns), next)));
    }

    async fn live(&mut self, end: Timestamp) {
        while let Some(Reverse((at, next))) = self.next.pop().filter(|Reverse((at, _))| *at < end) {
            self.now = self.now.max(at);
            match next {
                Next::Peer(number) => self.turn(number),
                Next::Restart => self.restart().await,
                Next::Outage => self.outage(),
                Next::Pause => {
                    self.tell(&Event::ObservationPaused);
                    self.now = self.now.after_nanos(self.dice.u64(60 * SECOND_NS..HOUR_NS));
                    self.tell(&Event::ObservationResumed);
                    let snapshot = self.snapshot();
                    self.tell(&Event::Snapshot(snapshot));
                    self.later(30 * DAY_NS, Next::Pause);
                }
                Next::Flush => {
                    self.flush().await;
                    self.later(DAY_NS, Next::Flush);
                }
            }
        }
        self.now = end;
        self.flush().await;
    }

    /// A peer's turn: it opens its channels, or it comes or goes.
    fn turn(&mut self, number: usize) {
        let Peer { node_id, kind, online, ref channels } = self.peers[number];
        let is_known = self.tracker.peer(self.now, &node_id).is_some();
        if !is_known {
            let channels = channels.clone();
            self.tell(&Event::PeerOnline { node_id });
            for (channel_id, funding) in channels {
                let opened =
                    ChannelOpened { channel_id, node_id, funding: Some(funding), online: Some(true) };
                self.tell(&Event::ChannelOpened(opened));
                self.tell(&Event::ChannelUsable { channel_id, usable: true });
            }
            // Without a channel it is followed because somebody wants to know.
            self.tell(&Event::Watch { node_id });
            if self.peers[number].channels.len() > 1 {
                self.tell(&Event::Unwatch { node_id });
            }
            self.peers[number].online = true;
        } else {
            self.peers[number].online = !online;
            self.tell(&if online { Event::PeerOffline { node_id } } else { Event::PeerOnline { node_id } });
        }
        let is_online = self.peers[number].online;
        let about_ns = match (kind, is_online) {
            (Kind::Gone, false) => return,
            (Kind::Gone, true) => 60 * DAY_NS,
            (Kind::Steady, true) => 20 * DAY_NS,
            (Kind::Steady, false) => 12 * 60 * SECOND_NS,
            (Kind::Sleeper, true) => 15 * HOUR_NS,
            (Kind::Sleeper, false) => 8 * HOUR_NS,
            (Kind::Shaky, true) => 6 * HOUR_NS,
            (Kind::Shaky, false) => 10 * 60 * SECOND_NS,
            (Kind::Flapping, true) => HOUR_NS,
            (Kind::Flapping, false) => 5 * 60 * SECOND_NS,
        };
        self.later(about_ns, Next::Peer(number));
    }

    /// Our program goes, and another one comes that knows what was stored.
    async fn restart(&mut self) {
        self.flush().await;
        self.now = self.now.after_nanos(self.dice.u64(20 * SECOND_NS..3 * HOUR_NS));
        let mut next = tracker();
        let observer = self.store.observer(&OURSELVES).await.expect("memory answers").expect("it was stored");
        let gaps = self.store.gaps(&OURSELVES, 0, usize::MAX).await.expect("memory answers");
        next.resume_observer(&observer, &gaps);
        for record in self.store.peers(&OURSELVES, None, usize::MAX).await.expect("memory answers") {
            next.resume_peer(&record);
        }
        self.tracker = next;
        self.tracker.advance(self.now);
        let snapshot = self.snapshot();
        self.tell(&Event::Snapshot(snapshot));
        self.later(9 * DAY_NS, Next::Restart);
    }

    /// Everybody is lost at once, and is back some time later.
    fn outage(&mut self) {
        let online: Vec<NodeId> =
            self.peers.iter().filter(|peer| peer.online).map(|peer| peer.node_id).collect();
        for node_id in online {
            self.now = self.now.after_nanos(self.dice.u64(0..SECOND_NS / 1_000));
            self.tell(&Event::PeerOffline { node_id });
        }
        self.now = self.now.after_nanos(self.dice.u64(120 * SECOND_NS..2 * HOUR_NS));
        self.seen_again();
        self.later(25 * DAY_NS, Next::Outage);
    }

    /// What is so is told again.
    fn seen_again(&mut self) {
        let told: Vec<Event> = self.peers.iter().filter(|peer| peer.online).map(Peer::online).collect();
        told.iter().for_each(|event| self.tell(event));
    }

    async fn flush(&mut self) {
        self.tracker.advance(self.now);
        let mut changes = UnsavedChanges::default();
        while self.tracker.drain_changes(usize::MAX, &mut changes) {}
        self.tracker.mark_stored(&changes);
        let observer = Some(self.tracker.observer_record(self.now));
        let batch = Batch { changes, observer, ..Batch::default() };
        self.store.commit(&OURSELVES, Arc::new(batch)).await.expect("memory takes it");
    }

    fn snapshot(&self) -> Snapshot {
        let known = |peer: &&Peer| self.tracker.peer(self.now, &peer.node_id).is_some();
        let channels = self.peers.iter().filter(known).flat_map(|peer| {
            let open = |&(channel_id, funding): &(ChannelId, OutPoint)| OpenChannel {
                channel_id,
                node_id: peer.node_id,
                funding: Some(funding),
                usable: Some(peer.online),
            };
            peer.channels.iter().map(open)
        });
        let connected = self.peers.iter().filter(|peer| peer.online).map(|peer| peer.node_id);
        Snapshot { channels: channels.collect(), connected: connected.collect(), taken_at: None }
    }

    /// Some of it was counted by another program, for a quarter of the time.
    async fn come_from_lnd(&self) {
        let records = self.store.peers(&OURSELVES, None, usize::MAX).await.expect("memory answers");
        let taken = |number: usize, record: PeerRecord| {
            let Totals { online_ns, observed_ns } = record.totals;
            let totals = Totals { online_ns: online_ns / 4, observed_ns: observed_ns / 4 };
            let at_ns = record.tracked_since_ns + (record.presence_since_ns - record.tracked_since_ns) / 4;
            let imported = Some(Imported { source: ImportSource::Lnd, at_ns, totals, flap_count: 2 });
            (number % 11 == 4).then_some(PeerRecord { imported, ..record })
        };
        let peers = records.into_iter().enumerate().filter_map(|(number, record)| taken(number, record));
        let changes = UnsavedChanges { peers: peers.collect(), ..UnsavedChanges::default() };
        let batch = Batch { changes, ..Batch::default() };
        self.store.commit(&OURSELVES, Arc::new(batch)).await.expect("memory takes it");
    }

    fn end(self) -> World {
        let snapshot = self.snapshot();
        let peers: Vec<NodeId> = self.peers.iter().map(|peer| peer.node_id).collect();
        let named = peers.iter().enumerate();
        let names = named.filter_map(|(number, node_id)| Some((*node_id, names::name(number)?))).collect();
        World { peers, names, store: self.store, snapshot }
    }
}

impl Peer {
    const fn online(&self) -> Event {
        Event::PeerOnline { node_id: self.node_id }
    }
}

fn peer(dice: &mut fastrand::Rng, number: usize) -> Peer {
    let mut id = [0; 33];
    dice.fill(&mut id);
    id[0] = 2 + u8::from(dice.bool());
    let kind = match number % 20 {
        0..=11 => Kind::Steady,
        12..=14 => Kind::Sleeper,
        15..=17 => Kind::Shaky,
        18 => Kind::Flapping,
        _ => Kind::Gone,
    };
    let channels = dice.usize(0..4);
    let channels = (0..channels).map(|_| {
        let (mut channel, mut txid) = ([0; 32], [0; 32]);
        dice.fill(&mut channel);
        dice.fill(&mut txid);
        (ChannelId(channel), OutPoint { txid, vout: dice.u32(0..3) })
    });
    let channels = channels.collect();
    Peer { node_id: NodeId(id), kind, online: false, channels }
}

/// Names that would like to be more than text.
pub(crate) const fn hostile_names() -> &'static [&'static str] {
    names::HOSTILE
}
