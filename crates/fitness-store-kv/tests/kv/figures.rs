//! What a commit costs: a remote store pays for each write.

use fitness_core::{ChannelId, ChannelRecord, Ledger, OutPoint, PeerRecord, Totals, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store};
use fitness_store_kv::KvStore;

use crate::support::{Memory, OURS, commit, flap, observer, peer, sight};

/// A peer with a channel, as most have.
fn usual(number: u32, version: u32) -> PeerRecord {
    let channel = ChannelRecord {
        channel_id: ChannelId([9; 32]),
        funding: Some(OutPoint { txid: [8; 32], vout: 1 }),
        opened_at_ns: 1,
        opened_totals: Totals::default(),
        reported_usable: Some(true),
        usable_ledger: Ledger::starting(1),
    };
    PeerRecord { channels: vec![channel], ..peer(number, version) }
}

fn usual_flap(number: u32, version: u32, entries: u32) -> Batch {
    let mut batch = flap(number, version, entries);
    batch.changes.peers = vec![usual(number, version)];
    batch
}

fn holding(peers: u32) -> Memory {
    let memory = Memory::default();
    let peers = (0..peers).map(|number| usual(number, 0)).collect();
    let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    commit(&memory.open(), &Batch { changes, ..Batch::default() }).expect("it is stored");
    memory
}

#[derive(Debug, PartialEq, Eq)]
struct Cost {
    reads: usize,
    writes: usize,
    removals: usize,
    bytes: usize,
    rounds: usize,
}

fn cost(memory: &Memory, call: impl FnOnce()) -> Cost {
    let counts = |memory: &Memory| {
        let shelves = memory.shelves();
        (shelves.reads, shelves.writes, shelves.removals, shelves.bytes, shelves.rounds)
    };
    let before = counts(memory);
    call();
    let after = counts(memory);
    Cost {
        reads: after.0 - before.0,
        writes: after.1 - before.1,
        removals: after.2 - before.2,
        bytes: after.3 - before.3,
        rounds: after.4 - before.4,
    }
}

/// With a thousand peers stored, one peer's flap is one small write.
#[test]
fn a_flap_is_one_small_write() {
    let memory = holding(1_000);
    let store = memory.open();
    commit(&store, &usual_flap(5, 1, 1)).expect("it is stored");
    let first = cost(&memory, || commit(&store, &usual_flap(7, 1, 40)).expect("it is stored"));
    assert_eq!((first.reads, first.writes, first.removals), (1, 1, 0));
    assert!(first.bytes < 1_500, "{first:?}");
    for entries in 41..60 {
        let again = cost(&memory, || commit(&store, &usual_flap(7, 2, entries)).expect("it is stored"));
        assert_eq!((again.reads, again.writes, again.removals), (1, 1, 0));
        assert!(again.bytes < 450, "{again:?}");
    }
    let heartbeat = Batch { observer: Some(observer(9)), ..Batch::default() };
    let beat = cost(&memory, || commit(&store, &heartbeat).expect("it is stored"));
    assert_eq!((beat.reads, beat.writes, beat.removals), (1, 1, 0));
    assert!(beat.bytes < 150, "{beat:?}");
}

/// A phone's ten peers take a handful of keys, and hardly more than a write a commit.
#[test]
fn a_wallet_needs_few_keys() {
    let memory = holding(10);
    assert_eq!(memory.shelves().values.len(), 3);
    let store = memory.open();
    let year = cost(&memory, || {
        for version in 1..=1_000 {
            commit(&store, &usual_flap(version % 10, version, version % 60 + 1)).expect("it is stored");
        }
    });
    assert!(year.writes < 1_100, "{year:?}");
    assert!(year.removals < 100, "{year:?}");
    assert!(year.bytes < 1_500_000, "{year:?}");
    assert!(memory.shelves().values.len() <= 36);
    let start = cost(&memory, || {
        let store = memory.open();
        sight(&store, 0).expect("it loads");
        commit(&store, &usual_flap(1, 1, 1)).expect("it is stored");
    });
    // The root, the manifest, and the page that all of it is in.
    assert!(start.writes <= 5, "{start:?}");
}

/// A large node does not write everything again: what a flap costs on average, folds included.
#[test]
fn a_large_node_writes_a_part() {
    const PEERS: u32 = 20_000;
    let memory = holding(PEERS);
    let stored: usize = memory.shelves().values.values().map(Vec::len).sum();
    let store = memory.open();
    let mut rng = fastrand::Rng::with_seed(3);
    let commits = 600;
    let hour = cost(&memory, || {
        for version in 0..commits {
            let peers = (0..10).map(|_| usual(rng.u32(0..PEERS), version)).collect();
            let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
            let batch = Batch { changes, observer: Some(observer(u64::from(version))), ..Batch::default() };
            commit(&store, &batch).expect("it is stored");
        }
    });
    let keys = memory.shelves().values.len();
    let per_commit = hour.bytes / commits as usize;
    assert!(hour.writes < 2 * commits as usize, "{hour:?}");
    assert!(per_commit < stored / 100, "{stored} bytes in {keys} keys: {hour:?}");
    assert!(keys < 500, "{keys} keys");
    // The journal has other slots than it began with.
    let seen = sight(&store, 0).expect("it reads");
    assert_eq!(seen.peers.len(), PEERS as usize);
    assert!(seen == sight(&memory.survivor().open(), 0).expect("it loads"), "it loads as something else");
}

/// Reads everything in pages of so many peers, as a start does, and a report.
fn load(store: &KvStore, page: usize) -> usize {
    let (mut after, mut count) = (None, 0);
    loop {
        let peers = block_on(store.peers(&OURS, after.as_ref(), page)).expect("a page");
        count += peers.len();
        after = peers.last().map(|peer| peer.node_id);
        if peers.len() < page {
            return count;
        }
    }
}

/// What is far away answers late: a start asks for many pages at once, and for few of them twice.
#[test]
fn a_load_waits_for_few_rounds() {
    const PEERS: u32 = 20_000;
    let memory = holding(PEERS);
    let pages = memory.shelves().values.keys().filter(|(.., key)| key.starts_with("p-")).count();
    assert!((120..150).contains(&pages), "{pages} pages of 32 KiB");
    // A service's start, a report, and a screenful at a time.
    for (page, most_rounds, most_reads) in [(10_000, 16, 145), (1_000, 30, 180), (100, 350, 650)] {
        let store = memory.open();
        let load = cost(&memory, || assert_eq!(load(&store, page), PEERS as usize));
        assert!(load.rounds <= most_rounds, "{page} at a time, {pages} pages: {load:?}");
        assert!(load.reads <= most_reads, "{page} at a time, {pages} pages: {load:?}");
    }
}

/// A fold that rewrites everything reads, writes and removes many pages at once.
#[test]
fn a_fold_waits_for_few_rounds() {
    const PEERS: u32 = 20_000;
    let memory = holding(PEERS);
    let store = memory.open();
    commit(&store, &usual_flap(5, 1, 1)).expect("it is stored");
    let peers = (0..PEERS).step_by(50).map(|number| usual(number, 1)).collect();
    let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    let mut batch = Batch { changes, ..Batch::default() };
    let fold = loop {
        let fold = cost(&memory, || commit(&store, &batch).expect("it is stored"));
        if fold.writes > 1 {
            break fold;
        }
        batch.observer = Some(observer(1));
    };
    assert!(fold.reads > 100 && fold.writes > 100 && fold.removals > 100, "{fold:?}");
    assert!(fold.rounds < 32, "{fold:?}");
}

/// What is left of journals before is written over, and does not pile up.
#[test]
fn many_large_commits_leave_little_behind() {
    const PEERS: u32 = 5_000;
    let memory = holding(PEERS);
    let stored = |memory: &Memory| memory.shelves().values.values().map(Vec::len).sum::<usize>();
    let before = stored(&memory);
    let store = memory.open();
    for version in 0..200 {
        let peers = (0..200).map(|number| usual((version * 200 + number) % PEERS, version)).collect();
        let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
        commit(&store, &Batch { changes, ..Batch::default() }).expect("it is stored");
    }
    let after = stored(&memory);
    assert!(after < before * 3 / 2, "{before} bytes became {after}");
    assert!(sight(&store, 0).expect("it reads") == sight(&memory.survivor().open(), 0).expect("it loads"));
}
