//! A workload with every kind of change, and the contents of the store after each commit.

use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, Ledger, LogEntry, LogSegment, NodeId, ObserverRecord,
    OutPoint, PeerRecord, Presence, SEGMENT_ENTRIES, Totals, UnsavedChanges,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, LogReplacement, MemoryStore, Store, StoreError};

use crate::faulty_disk::{Disk, Step};

pub(crate) const OURS: NodeId = NodeId([3; 33]);
const THEIRS: NodeId = NodeId([4; 33]);

/// Peers with smaller numbers have logs.
const LOGS: u8 = 3;

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Commit(NodeId, Arc<Batch>),
    /// Closes the store and opens it again.
    Reopen,
}

/// Everything that can be read of the two observers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents(Vec<Sight>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    observer: Option<ObserverRecord>,
    peers: Vec<PeerRecord>,
    segments: Vec<LogSegment>,
    gaps: Vec<GapRecord>,
}

impl Contents {
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

    /// Returns a store with these contents.
    fn rebuilt(&self) -> MemoryStore {
        let store = MemoryStore::new();
        for (observer, sight) in [OURS, THEIRS].into_iter().zip(&self.0) {
            let Sight { observer: record, peers, segments, gaps } = sight.clone();
            let changes = UnsavedChanges { peers, segments, gaps, ..UnsavedChanges::default() };
            let batch = Batch { changes, observer: record, ..Batch::default() };
            block_on(store.commit(&observer, Arc::new(batch))).expect("an operation in memory");
        }
        store
    }

    pub(crate) fn after(&self, observer: &NodeId, batch: &Arc<Batch>) -> Self {
        let store = self.rebuilt();
        block_on(store.commit(observer, Arc::clone(batch))).expect("an operation in memory");
        Self::of(&store).expect("an operation in memory")
    }
}

/// Returns the contents before the first commit and after each commit.
pub(crate) fn contents_after_each_commit(first: Contents, actions: &[Action]) -> Vec<Contents> {
    let store = first.rebuilt();
    let mut contents_after_each_commit = vec![first];
    for action in actions {
        let Action::Commit(observer, batch) = action else { continue };
        block_on(store.commit(observer, Arc::clone(batch))).expect("an operation in memory");
        contents_after_each_commit.push(Contents::of(&store).expect("an operation in memory"));
    }
    for (at, contents) in contents_after_each_commit.iter().enumerate() {
        assert!(!contents_after_each_commit[..at].contains(contents), "commit {at} does not show");
    }
    contents_after_each_commit
}

/// Runs the actions on a disk, which records the commits, and closes the store.
pub(crate) fn run_actions(disk: &Disk, actions: &[Action]) {
    let mut store = disk.open().expect("a store");
    for action in actions {
        match action {
            Action::Commit(observer, batch) => {
                disk.record(Step::Begun);
                block_on(store.commit(observer, Arc::clone(batch))).expect("a commit");
                disk.record(Step::Stored);
            }
            Action::Reopen => {
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

/// Returns a commit of one peer's flap with a heartbeat, the usual commit of a service.
fn flap(number: u8, version: u32) -> Action {
    let changes = UnsavedChanges {
        peers: vec![peer(number, version)],
        segments: vec![segment(number, 20, version % 60 + 1, version)],
        ..UnsavedChanges::default()
    };
    let observer = heartbeat(u64::from(version));
    Action::Commit(OURS, Arc::new(Batch { changes, observer, ..Batch::default() }))
}

fn commit_action(batch: Batch) -> Action {
    Action::Commit(OURS, Arc::new(batch))
}

/// Returns enough peers and logs to make the file grow several times.
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

/// Replaces more than half of each log with one downsampled segment.
fn downsampled(version: u32) -> Batch {
    let replaced = (0..LOGS).map(|number| LogReplacement {
        node_id: node(number),
        below_index: 9,
        segments: vec![segment(number, 4, 20, version)],
    });
    Batch { replacements: replaced.collect(), prune_gaps_before: Some(12), ..Batch::default() }
}

/// Forgets almost all peers, so that the file shrinks.
fn forget_most_peers() -> Batch {
    let changes =
        UnsavedChanges { forgotten_peers: (1..140).map(node).collect(), ..UnsavedChanges::default() };
    Batch { changes, observer: heartbeat(1_000), ..Batch::default() }
}

/// Returns the workload of a new file.
pub(crate) fn all_actions() -> Vec<Action> {
    let theirs = UnsavedChanges {
        peers: vec![peer(1, 4)],
        segments: vec![segment(1, 0, 9, 4)],
        ..UnsavedChanges::default()
    };
    let theirs = Batch { changes: theirs, observer: heartbeat(4), ..Batch::default() };
    vec![
        flap(1, 1),
        commit_action(growth(2)),
        commit_action(Batch { observer: heartbeat(3), ..Batch::default() }),
        Action::Commit(THEIRS, Arc::new(theirs)),
        commit_action(downsampled(5)),
        flap(1, 6),
        Action::Reopen,
        commit_action(forget_most_peers()),
        flap(1, 8),
        flap(0, 9),
        flap(2, 10),
        Action::Reopen,
        flap(2, 11),
    ]
}

/// Returns the first actions on a file of an older format.
pub(crate) fn actions_after_upgrade() -> Vec<Action> {
    let gap = UnsavedChanges { gaps: vec![gap(0, 1)], ..UnsavedChanges::default() };
    vec![
        commit_action(Batch { changes: gap, observer: heartbeat(99), ..Batch::default() }),
        Action::Reopen,
        commit_action(growth(2)),
        flap(1, 3),
    ]
}

/// Returns the batch that is committed to a reopened store, to check that it works.
pub(crate) fn probe_batch() -> Arc<Batch> {
    let changes = UnsavedChanges {
        peers: vec![peer(1, 7_777), peer(200, 7_777)],
        segments: (0..3).map(|index| segment(1, 30 + index, SEGMENT_ENTRIES, 7_777)).collect(),
        gaps: vec![gap(300, 7_777)],
        ..UnsavedChanges::default()
    };
    Arc::new(Batch { changes, observer: heartbeat(7_777), ..Batch::default() })
}
