//! The records that are stored: random, but the same in each run.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use fastrand::Rng;
use fitness_core::{
    ChannelId, ChannelOpened, ChannelRecord, Event, HashSeed, Ledger, LogEntry, LogSegment, NodeId,
    ObserverRecord, OutPoint, PeerRecord, Presence, Timestamp, Totals, Tracker, TrackerConfig,
    UnsavedChanges,
};
use fitness_store::Batch;
use fitness_store::codec::{encode_observer, encode_peer, encode_segment};

pub(crate) const OBSERVER: NodeId = NodeId([3; 33]);

/// How many peers a store holds, each with one channel.
pub(crate) const PEERS: usize = 100_000;

/// Entries in the log of the peer with a long log, two hours apart: most of a year.
const LONG_LOG_ENTRIES: u32 = 4_000;

const HOUR_NS: u64 = 3_600 * 1_000_000_000;
const OPENED_NS: u64 = 1_700_000_000 * 1_000_000_000;

pub(crate) struct Sample {
    peers: Vec<PeerRecord>,
    /// The peer with a long log, the number of its segments, and the time of its end.
    pub(crate) long: NodeId,
    pub(crate) segments: usize,
    pub(crate) at: Timestamp,
    long_batch: Arc<Batch>,
    /// Incremented for each batch, so that all batches differ.
    version: Cell<u32>,
    rng: RefCell<Rng>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let mut rng = Rng::with_seed(7);
        let peers = (0..PEERS).map(|_| peer(&mut rng)).collect();
        let (long, long_batch) = long();
        let segments = long_batch.changes.segments.len();
        let heartbeat_ns = long_batch.observer.map_or(0, |observer| observer.last_heartbeat_ns);
        Self {
            peers,
            long,
            segments,
            at: Timestamp::from_nanos(heartbeat_ns),
            long_batch: Arc::new(long_batch),
            version: Cell::new(0),
            rng: RefCell::new(rng),
        }
    }

    /// Returns everything that a measured store holds: `PEERS` peers and the peer with a long log.
    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Batch>> {
        [self.batch(PEERS), Arc::clone(&self.long_batch)].into_iter()
    }

    /// Returns a commit in which so many peers changed: their records and last segments, and the observer's record.
    pub(crate) fn batch(&self, peers: usize) -> Arc<Batch> {
        let version = self.version.get() + 1;
        self.version.set(version);
        let mut rng = self.rng.borrow_mut();
        let changed: Vec<&PeerRecord> = rng.choose_multiple(self.peers.iter(), peers);
        let peers =
            changed.iter().map(|peer| PeerRecord { flap_count: version, ..(*peer).clone() }).collect();
        let segments = changed.iter().map(|peer| segment(peer, version)).collect();
        let changes = UnsavedChanges { peers, segments, ..UnsavedChanges::default() };
        let observer = ObserverRecord {
            last_heartbeat_ns: self.at.as_nanos() + u64::from(version),
            ..self.long_batch.observer.unwrap_or_default()
        };
        Arc::new(Batch { changes, observer: Some(observer), ..Batch::default() })
    }
}

fn bytes<const N: usize>(rng: &mut Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}

/// Returns a random peer. Peers flap a few times: their last segment has 1 to 16 entries.
fn peer(rng: &mut Rng) -> PeerRecord {
    let mut id: [u8; 33] = bytes(rng);
    id[0] = 2 + (id[0] & 1);
    let entries = rng.u32(1..=16);
    let since_ns = OPENED_NS + u64::from(entries) * HOUR_NS;
    let totals = Totals { online_ns: rng.u64(0..HOUR_NS), observed_ns: u64::from(entries) * HOUR_NS };
    PeerRecord {
        node_id: NodeId(id),
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: OPENED_NS,
        presence: Presence::Online,
        presence_since_ns: since_ns,
        totals,
        flap_count: entries,
        last_flap_ns: Some(since_ns),
        disconnects: entries / 2,
        log_end: entries,
        imported: None,
        channels: vec![ChannelRecord {
            channel_id: ChannelId(bytes(rng)),
            funding: Some(OutPoint { txid: bytes(rng), vout: rng.u32(0..3) }),
            opened_at_ns: OPENED_NS,
            opened_totals: Totals::default(),
            reported_usable: Some(true),
            usable_ledger: Ledger::from_parts(Presence::Online, since_ns, totals),
        }],
    }
}

fn segment(peer: &PeerRecord, version: u32) -> LogSegment {
    let entry = |number: u32| {
        let observed_ns = u64::from(number) * HOUR_NS + u64::from(version);
        let presence = if number.is_multiple_of(2) { Presence::Online } else { Presence::Offline };
        let totals = Totals { online_ns: observed_ns / 2, observed_ns };
        LogEntry::new(OPENED_NS + observed_ns, presence, totals)
    };
    LogSegment { node_id: peer.node_id, first_number: 0, entries: (0..peer.log_end).map(entry).collect() }
}

/// Returns a peer that disconnects and reconnects every two hours, as the model has tracked it for most of a year.
fn long() -> (NodeId, Batch) {
    let node_id = NodeId([2; 33]);
    let config = TrackerConfig::default()
        .with_log_capacity(2 * LONG_LOG_ENTRIES)
        .with_unsaved_log_capacity(2 * LONG_LOG_ENTRIES);
    let mut tracker = Tracker::new(config, HashSeed([7; 16]));
    let at = |entry: u32| Timestamp::from_nanos(OPENED_NS + u64::from(entry) * 2 * HOUR_NS);
    let (channel_id, funding) = (ChannelId([1; 32]), None);
    let opened = ChannelOpened { channel_id, node_id, funding, online: Some(false) };
    tracker.apply(at(0), &Event::ChannelOpened(opened));
    for entry in 1..=LONG_LOG_ENTRIES {
        tracker.apply(
            at(entry),
            &match entry % 2 {
                0 => Event::PeerOffline { node_id },
                _ => Event::PeerOnline { node_id },
            },
        );
    }
    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(usize::MAX, &mut changes) {}
    let observer = Some(tracker.observer_record(at(LONG_LOG_ENTRIES + 1)));
    (node_id, Batch { changes, observer, ..Batch::default() })
}

/// A batch as encoded rows, in the order of its changes.
pub(crate) struct Rows {
    pub(crate) observer: Vec<u8>,
    pub(crate) peers: Vec<(NodeId, Vec<u8>)>,
    pub(crate) segments: Vec<(NodeId, u32, Vec<u8>)>,
}

impl Rows {
    pub(crate) fn of(batch: &Batch) -> Self {
        let encoded = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut value = Vec::new();
            encode(&mut value);
            value
        };
        let observer = batch.observer.as_ref().expect("every batch has an observer record");
        let peer = |peer: &PeerRecord| {
            (peer.node_id, encoded(&|out| encode_peer(peer, out).expect("a valid record")))
        };
        let segment = |segment: &LogSegment| {
            let value = encoded(&|out| encode_segment(segment, out).expect("a valid record"));
            (segment.node_id, segment.index(), value)
        };
        Self {
            observer: encoded(&|out| encode_observer(&OBSERVER, observer, out).expect("a valid record")),
            peers: batch.changes.peers.iter().map(peer).collect(),
            segments: batch.changes.segments.iter().map(segment).collect(),
        }
    }
}
