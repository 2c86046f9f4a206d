//! Files of every earlier format can be read.
//!
//! Each fixture was written by the release that introduced its format and must never change. A new format
//! gets a new file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, GapTotals, Ledger, LogEntry, LogSegment, NodeId,
    ObserverRecord, OutPoint, PeerRecord, Presence, Totals, UnsavedChanges,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, LogReplacement, Store};
use fitness_store_redb::RedbStore;
use redb::{Database, ReadableDatabase, TableDefinition};
use tempfile::TempDir;

const OBSERVERS: [NodeId; 2] = [NodeId([3; 33]), NodeId([4; 33])];
const FORMAT_1: &[u8] = include_bytes!("fixtures/format-1.redb");
const FORMAT_2: &[u8] = include_bytes!("fixtures/format-2.redb");

/// The contents of the fixture of format 1 for each observer.
fn batch_of_format_1(observer: NodeId) -> Batch {
    let mark = u64::from(observer.0[0]);
    let totals = Totals { online_ns: mark, observed_ns: mark + 1 };
    let channel = ChannelRecord {
        channel_id: ChannelId([5; 32]),
        funding: Some(OutPoint { txid: [6; 32], vout: 7 }),
        opened_at_ns: mark + 2,
        opened_totals: totals,
        reported_usable: None,
        usable_ledger: Ledger::starting(mark + 2),
    };
    let peer = |number: u8| PeerRecord {
        node_id: NodeId([number; 33]),
        watched: number == 2,
        in_reconnect_grace: false,
        tracked_since_ns: mark + 3,
        presence: Presence::Offline,
        presence_since_ns: mark + 4,
        totals,
        flap_count: 8,
        last_flap_ns: Some(mark + 5),
        disconnects: 9,
        log_end: 70,
        imported: None,
        channels: vec![channel; usize::from(number)],
    };
    let entry = LogEntry::new(mark + 6, Presence::Online, totals);
    let segment = |first, entries| LogSegment {
        node_id: NodeId([1; 33]),
        first_number: first,
        entries: vec![entry; entries],
    };
    Batch {
        changes: UnsavedChanges {
            peers: vec![peer(1), peer(2)],
            segments: vec![segment(0, 64), segment(64, 6)],
            ..UnsavedChanges::default()
        },
        observer: Some(ObserverRecord {
            started_at_ns: mark + 7,
            last_heartbeat_ns: mark + 8,
            first_started_at_ns: mark + 7,
            starts: 1,
            ..ObserverRecord::default()
        }),
        ..Batch::default()
    }
}

/// The contents of the fixture of format 2 for each observer: those of format 1 and the fields that are new.
fn batch_of_format_2(observer: NodeId) -> Batch {
    let mark = u64::from(observer.0[0]);
    let totals = Totals { online_ns: mark, observed_ns: mark + 1 };
    let mut batch = batch_of_format_1(observer);
    let [first, second] = &mut batch.changes.peers[..] else { panic!("expected two peers") };
    first.in_reconnect_grace = true;
    first.channels[0].reported_usable = Some(true);
    first.channels[0].usable_ledger = Ledger::from_parts(Presence::Online, mark + 9, totals);
    second.last_flap_ns = None;
    second.channels[1].funding = None;
    second.channels[1].reported_usable = Some(false);
    second.channels[1].usable_ledger = Ledger::from_parts(Presence::Offline, mark + 10, totals);
    let gap = |number: u32, cause| GapRecord { number, cause, from_ns: mark + 11, to_ns: mark + 12 };
    batch.changes.gaps = (5..).zip(GapCause::ALL).map(|(number, cause)| gap(number, cause)).collect();
    batch.observer = Some(ObserverRecord {
        started_at_ns: mark + 7,
        last_heartbeat_ns: mark + 8,
        first_started_at_ns: mark + 6,
        starts: 3,
        clock_ahead_ns: -13,
        gap_count: 9,
        gap_totals: [14, 15, 16, 17].map(|count| GapTotals { count, length_ns: mark + u64::from(count) }),
        ongoing_gap: Some((GapCause::Paused, mark + 8)),
    });
    batch
}

fn assert_holds(store: &RedbStore, observer: NodeId, expected: &Batch) {
    block_on(async {
        assert_eq!(store.observer(&observer).await.expect("the observer"), expected.observer);
        assert_eq!(store.peers(&observer, None, 10).await.expect("peers"), expected.changes.peers);
        for peer in &expected.changes.peers {
            let found = store.peer(&observer, &peer.node_id).await.expect("a peer");
            assert_eq!(found.as_ref(), Some(peer));
        }
        let log = store.segments(&observer, &NodeId([1; 33]), 0, 10).await.expect("a log");
        assert_eq!(log, expected.changes.segments);
        assert_eq!(store.gaps(&observer, 0, 10).await.expect("gaps"), expected.changes.gaps);
    });
}

fn assert_complete(store: &RedbStore, expected: fn(NodeId) -> Batch) {
    assert_eq!(block_on(store.observers()).expect("the observers"), OBSERVERS);
    for observer in OBSERVERS {
        assert_holds(store, observer, &expected(observer));
    }
}

/// Returns the format number of a file, which older releases check, and the names of its tables.
fn format(path: &Path) -> (u32, Vec<String>) {
    const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
    let database = Database::open(path).expect("a database");
    let transaction = database.begin_read().expect("a transaction");
    let tables = transaction.list_tables().expect("tables");
    let mut names: Vec<_> = tables.map(|table| redb::TableHandle::name(&table).to_owned()).collect();
    names.sort_unstable();
    let meta = transaction.open_table(META).expect("a table");
    let format = meta.get("format").expect("a row").expect("a row").value();
    (format, names)
}

fn copy_of(fixture: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("fitness.redb");
    fs::write(&path, fixture).expect("a file");
    (directory, path)
}

fn assert_readable_and_unchanged(fixture: &[u8], expected: fn(NodeId) -> Batch) {
    let (_directory, path) = copy_of(fixture);
    assert_complete(&RedbStore::open_read_only(&path).expect("a fitness database"), expected);
    assert!(fs::read(&path).expect("a file") == fixture, "reading changed the file");
    // Opening it for writing keeps the contents as well. redb itself updates its header.
    assert_complete(&RedbStore::open(&path).expect("a fitness database"), expected);
    assert_complete(&RedbStore::open(&path).expect("a fitness database"), expected);
}

#[test]
fn format_1_is_read() {
    assert_readable_and_unchanged(FORMAT_1, batch_of_format_1);
}

#[test]
fn format_2_is_read() {
    assert_readable_and_unchanged(FORMAT_2, batch_of_format_2);
    let (_directory, path) = copy_of(FORMAT_2);
    assert_eq!(format(&path), (2, ["gaps", "meta", "observers", "peers", "segments"].map(Into::into).into()));
}

/// Until the first commit, the older release can still open the file.
#[test]
fn opening_a_file_of_format_1_does_not_upgrade_it() {
    let (_directory, path) = copy_of(FORMAT_1);
    let before = format(&path);
    assert_eq!(before.0, 1);
    drop(RedbStore::open(&path).expect("a fitness database"));
    assert_eq!(format(&path), before);
    let store = RedbStore::open(&path).expect("a fitness database");
    block_on(store.commit(&OBSERVERS[0], Arc::default())).expect("an empty commit");
    drop(store);
    assert_eq!(format(&path), before);
}

/// The upgrade keeps the existing records beside those of the commit.
#[test]
fn first_commit_upgrades_format_1_to_2() {
    let (_directory, path) = copy_of(FORMAT_1);
    let [first, second] = OBSERVERS;
    let mut heartbeat = batch_of_format_1(first).observer.expect("a record");
    heartbeat.last_heartbeat_ns += 1;
    let store = RedbStore::open(&path).expect("a fitness database");
    let batch = Batch { observer: Some(heartbeat), ..Batch::default() };
    block_on(store.commit(&first, Arc::new(batch))).expect("a commit");
    drop(store);
    assert_eq!(format(&path).0, 2);
    let store = RedbStore::open(&path).expect("a fitness database");
    assert_holds(&store, first, &Batch { observer: Some(heartbeat), ..batch_of_format_1(first) });
    assert_holds(&store, second, &batch_of_format_1(second));

    // Records of format 2 replace those of format 1.
    block_on(store.commit(&first, Arc::new(batch_of_format_2(first)))).expect("a commit");
    drop(store);
    let store = RedbStore::open(&path).expect("a fitness database");
    assert_holds(&store, first, &batch_of_format_2(first));
    assert_holds(&store, second, &batch_of_format_1(second));

    // Records of format 1 can be replaced and forgotten.
    let mut batch = Batch::default();
    batch.changes.forgotten_peers = vec![NodeId([2; 33])];
    let mut downsampled = batch_of_format_1(second).changes.segments[0].clone();
    downsampled.entries.truncate(9);
    batch.replacements = vec![LogReplacement {
        node_id: downsampled.node_id,
        below_index: 1,
        segments: vec![downsampled.clone()],
    }];
    block_on(store.commit(&second, Arc::new(batch))).expect("a commit");
    let mut remaining = batch_of_format_1(second);
    remaining.changes.peers.pop();
    remaining.changes.segments[0] = downsampled;
    assert_holds(&store, second, &remaining);
}

/// Writes the fixture of the current format into the directory that `FITNESS_WRITE_FIXTURE` names. Does
/// nothing if the variable is not set.
#[test]
fn write_fixture_on_request() {
    let Some(target) = std::env::var_os("FITNESS_WRITE_FIXTURE") else { return };
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let store = RedbStore::open(&path).expect("a store");
    for observer in OBSERVERS {
        block_on(store.commit(&observer, Arc::new(batch_of_format_2(observer)))).expect("a commit");
    }
    drop(store);
    fs::copy(&path, Path::new(&target).join("format-2.redb")).expect("a copy");
}
