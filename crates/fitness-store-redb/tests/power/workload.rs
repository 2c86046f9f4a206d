//! A life of a store that does something of everything, and what is there after each commit of it.

use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, Ledger, LogEntry, LogSegment, NodeId, ObserverRecord,
    OutPoint, PeerRecord, Presence, SEGMENT_ENTRIES, Totals, UnsavedChanges,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, LogReplacement, MemoryStore, Store, StoreError};

use crate::disk::{Disk, Step};

pub(crate) const OURS: NodeId = NodeId([3; 33]);
const THEIRS: NodeId = NodeId([4; 33]);

/// Peers with a smaller number than this have logs.
const LOGS: u8 = 3;

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Commit(NodeId, Arc<Batch>),
    /// The store is closed and opened again.
    Reopen,
}

/// Everything that can be read of the two observers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World(Vec<Sight>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    observer: Option<ObserverRecord>,
    peers: Vec<PeerRecord>,
    segments: Vec<LogSegment>,
    gaps: Vec<GapRecord>,
}

impl World {
    pub(crate) fn of(store: &impl Store) -> Result<Self, StoreError> {
        block_on(async {
            let mut sights = Vec::new();
            for observer in [OURS, THEIRS] {
                let mut segments = Vec::new();
                for number in if observer == OURS { 0..LOGS } else { 1..2 } {
                    segments.extend(store.segments(&observer, &node(number), 0, 1_000).await?);
                }
                sights.push(Sight {
                    observer: store.observer(&observer).await?,
                    peers: store.peers(&observer, None, 1_000).await?,
                    segments,
                    gaps: store.gaps(&observer, 0, 1_000).await?,
                });
            }
            Ok(Self(sights))
        })
    }

    /// A store with all of this in it.
    fn rebuilt(&self) -> MemoryStore {
        let store = MemoryStore::new();
        for (observer, sight) in [OURS, THEIRS].into_iter().zip(&self.0) {
            let Sight { observer: record, peers, segments, gaps } = sight.clone();
            let changes = UnsavedChanges { peers, segments, gaps, ..UnsavedChanges::default() };
            let batch = Batch { changes, observer: record, ..Batch::default() };
            block_on(store.commit(&observer, Arc::new(batch))).expect("it is in memory");
        }
        store
    }

    pub(crate) fn after(&self, observer: &NodeId, batch: &Arc<Batch>) -> Self {
        let store = self.rebuilt();
        block_on(store.commit(observer, Arc::clone(batch))).expect("it is in memory");
        Self::of(&store).expect("it is in memory")
    }
}

/// What is there at the beginning, and after each commit.
pub(crate) fn worlds(first: World, acts: &[Act]) -> Vec<World> {
    let store = first.rebuilt();
    let mut worlds = vec![first];
    for act in acts {
        let Act::Commit(observer, batch) = act else { continue };
        block_on(store.commit(observer, Arc::clone(batch))).expect("it is in memory");
        worlds.push(World::of(&store).expect("it is in memory"));
    }
    for (at, world) in worlds.iter().enumerate() {
        assert!(!worlds[..at].contains(world), "commit {at} does not show");
    }
    worlds
}

/// Lives on a disk, closing the store at the end; the disk notes down the commits.
pub(crate) fn live(disk: &Disk, acts: &[Act]) {
    let mut store = disk.open().expect("a store");
    for act in acts {
        match act {
            Act::Commit(observer, batch) => {
                disk.note(Step::Begun);
                block_on(store.commit(observer, Arc::clone(batch))).expect("a commit");
                disk.note(Step::Stored);
            }
            Act::Reopen => {
                drop(store);
                store = disk.open().expect("a store");
            }
        }
    }
}

fn node(number: u8) -> NodeId {
    NodeId([number; 33])
}

fn peer(number: u8, version: u32) -> PeerRecord {
    let totals = Totals { online_ns: u64::from(version), observed_ns: u64::from(version) + 9 };
    let channel = |index: u8| ChannelRecord {
        channel_id: ChannelId([index; 32]),
        funding: Some(OutPoint { txid: [number; 32], vout: version }),
        opened_at_ns: 5,
        opened_totals: totals,
        reported_usable: Some(true),
        usable_ledger: Ledger::starting(5),
    };
    PeerRecord {
        node_id: node(number),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: 1,
        presence: Presence::Online,
        presence_since_ns: 2,
        totals,
        flap_count: version,
        last_flap_ns: Some(u64::from(version)),
        disconnects: version,
        log_end: version,
        imported: None,
        channels: (0..number % 3).map(channel).collect(),
    }
}

fn segment(number: u8, index: u32, entries: u32, version: u32) -> LogSegment {
    let entry = |position: u32| {
        LogEntry::new(
            1_000_000 * u64::from(index * SEGMENT_ENTRIES + position),
            Presence::Online,
            Totals { online_ns: u64::from(version), observed_ns: u64::from(position + version) },
        )
    };
    let entries = (0..entries).map(entry).collect();
    LogSegment { node_id: node(number), first_number: index * SEGMENT_ENTRIES, entries }
}

fn gap(number: u32, version: u32) -> GapRecord {
    let from_ns = u64::from(version);
    GapRecord { number, cause: GapCause::Suspended, from_ns, to_ns: from_ns + 7 }
}

fn heartbeat(version: u64) -> Option<ObserverRecord> {
    Some(ObserverRecord { started_at_ns: 1, last_heartbeat_ns: version, ..ObserverRecord::default() })
}

/// A peer's flap with the heartbeat, as a service commits it most of the time.
fn flap(number: u8, version: u32) -> Act {
    let changes = UnsavedChanges {
        peers: vec![peer(number, version)],
        segments: vec![segment(number, 20, version % 60 + 1, version)],
        ..UnsavedChanges::default()
    };
    let observer = heartbeat(u64::from(version));
    Act::Commit(OURS, Arc::new(Batch { changes, observer, ..Batch::default() }))
}

fn ours(batch: Batch) -> Act {
    Act::Commit(OURS, Arc::new(batch))
}

/// Peers and logs enough to make the file grow several times.
fn growth(version: u32) -> Batch {
    let segments = (0..LOGS).flat_map(|number| (0..14).map(move |index| (number, index)));
    let changes = UnsavedChanges {
        peers: (0..150).map(|number| peer(number, version)).collect(),
        segments: segments.map(|(number, index)| segment(number, index, SEGMENT_ENTRIES, version)).collect(),
        gaps: (0..20).map(|number| gap(number, version)).collect(),
        ..UnsavedChanges::default()
    };
    Batch { changes, observer: heartbeat(u64::from(version)), ..Batch::default() }
}

/// More than half of each log, thinned to one segment.
fn thinned(version: u32) -> Batch {
    let replaced = (0..LOGS).map(|number| LogReplacement {
        node_id: node(number),
        below_index: 9,
        segments: vec![segment(number, 4, 20, version)],
    });
    Batch { replacements: replaced.collect(), prune_gaps_before: Some(12), ..Batch::default() }
}

/// Nearly everybody is forgotten, so that the file shrinks.
fn exodus() -> Batch {
    let changes =
        UnsavedChanges { forgotten_peers: (1..140).map(node).collect(), ..UnsavedChanges::default() };
    Batch { changes, observer: heartbeat(1_000), ..Batch::default() }
}

/// A life from the first day on.
pub(crate) fn life() -> Vec<Act> {
    let theirs = UnsavedChanges {
        peers: vec![peer(1, 4)],
        segments: vec![segment(1, 0, 9, 4)],
        ..UnsavedChanges::default()
    };
    let theirs = Batch { changes: theirs, observer: heartbeat(4), ..Batch::default() };
    vec![
        flap(1, 1),
        ours(growth(2)),
        ours(Batch { observer: heartbeat(3), ..Batch::default() }),
        Act::Commit(THEIRS, Arc::new(theirs)),
        ours(thinned(5)),
        flap(1, 6),
        Act::Reopen,
        ours(exodus()),
        flap(1, 8),
        flap(0, 9),
        flap(2, 10),
        Act::Reopen,
        flap(2, 11),
    ]
}

/// What comes first into a file of an earlier release.
pub(crate) fn life_after_an_upgrade() -> Vec<Act> {
    let gap = UnsavedChanges { gaps: vec![gap(0, 1)], ..UnsavedChanges::default() };
    vec![
        ours(Batch { changes: gap, observer: heartbeat(99), ..Batch::default() }),
        Act::Reopen,
        ours(growth(2)),
        flap(1, 3),
    ]
}

/// What is committed to a disk that survived, to see whether it works.
pub(crate) fn aftermath() -> Arc<Batch> {
    let changes = UnsavedChanges {
        peers: vec![peer(1, 7_777), peer(200, 7_777)],
        segments: (0..3).map(|index| segment(1, 30 + index, SEGMENT_ENTRIES, 7_777)).collect(),
        gaps: vec![gap(300, 7_777)],
        ..UnsavedChanges::default()
    };
    Arc::new(Batch { changes, observer: heartbeat(7_777), ..Batch::default() })
}
