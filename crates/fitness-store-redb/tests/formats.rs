//! Files of every released format are read by every later release.
//!
//! The fixtures were written by the release that introduced the format, and must never be changed:
//! a new format gets a file of its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fitness_core::{
    Changes, ChannelId, ChannelRecord, LogEntry, LogSegment, NodeId, ObserverRecord, OutPoint, PeerRecord,
    Presence, Totals,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store};
use fitness_store_redb::RedbStore;
use tempfile::TempDir;

const OBSERVERS: [NodeId; 2] = [NodeId([3; 33]), NodeId([4; 33])];
const FORMAT_1: &[u8] = include_bytes!("fixtures/format-1.redb");

/// What is in the fixture under each observer.
fn batch(observer: NodeId) -> Batch {
    let mark = u64::from(observer.0[0]);
    let totals = Totals { online_ns: mark, observed_ns: mark + 1 };
    let channel = ChannelRecord {
        channel_id: ChannelId([5; 32]),
        funding: Some(OutPoint { txid: [6; 32], vout: 7 }),
        opened_at_ns: mark + 2,
        opened_totals: totals,
    };
    let peer = |number: u8| PeerRecord {
        node_id: NodeId([number; 33]),
        watched: number == 2,
        awaited: false,
        first_seen_ns: mark + 3,
        presence: Presence::Offline,
        since_ns: mark + 4,
        totals,
        flap_count: 8,
        last_flap_ns: Some(mark + 5),
        disconnects: 9,
        log_end: 70,
        channels: vec![channel; usize::from(number)],
    };
    let entry = LogEntry::new(mark + 6, Presence::Online, totals);
    let segment =
        |first, entries| LogSegment { node_id: NodeId([1; 33]), first, entries: vec![entry; entries] };
    Batch {
        changes: Changes { peers: vec![peer(1), peer(2)], segments: vec![segment(0, 64), segment(64, 6)] },
        observer: Some(ObserverRecord { started_at_ns: mark + 7, heartbeat_ns: mark + 8 }),
        forgotten: Vec::new(),
    }
}

fn assert_whole(store: &RedbStore) {
    block_on(async {
        assert_eq!(store.observers().await.expect("the observers"), OBSERVERS);
        for observer in OBSERVERS {
            let expected = batch(observer);
            assert_eq!(store.observer(&observer).await.expect("the observer"), expected.observer);
            assert_eq!(store.peers(&observer, None, 10).await.expect("peers"), expected.changes.peers);
            let log = store.segments(&observer, &NodeId([1; 33]), 0, 10).await.expect("a log");
            assert_eq!(log, expected.changes.segments);
        }
    });
}

#[test]
fn format_1_is_read_and_written_on() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("fitness.redb");
    fs::write(&path, FORMAT_1).expect("a file");
    assert_whole(&RedbStore::open_existing(&path).expect("a file of ours"));
    assert!(fs::read(&path).expect("a file") == FORMAT_1, "reading changed it");

    let store = RedbStore::open(&path).expect("a file of ours");
    assert_whole(&store);
    let forget = Batch { forgotten: vec![NodeId([1; 33])], ..Batch::default() };
    block_on(store.commit(&OBSERVERS[0], Arc::new(forget))).expect("a commit");
    assert_eq!(block_on(store.peers(&OBSERVERS[0], None, 10)).expect("peers").len(), 1);
}

/// Makes the fixture of the present format: `cargo test -- --ignored write_the_fixture`, once.
#[test]
#[ignore = "writes to the source tree"]
fn write_the_fixture() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let store = RedbStore::open(&path).expect("a store");
    for observer in OBSERVERS {
        block_on(store.commit(&observer, Arc::new(batch(observer)))).expect("a commit");
    }
    drop(store);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.redb");
    assert!(!fixture.exists() || FORMAT_1.is_empty(), "a fixture is never changed");
    fs::copy(&path, fixture).expect("a copy");
}
