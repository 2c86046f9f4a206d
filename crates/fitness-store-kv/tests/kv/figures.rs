//! The number of requests of a commit. A remote store pays for each of them.

use fitness_core::{ChannelId, ChannelRecord, Ledger, OutPoint, PeerRecord, Totals, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store};
use fitness_store_kv::KvStore;

use crate::support::{Memory, OBSERVER, commit, contents, flap, observer, peer};

/// Returns a peer with one channel, as most peers have.
fn typical_peer(number: u32, version: u32) -> PeerRecord {
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

fn typical_flap(number: u32, version: u32, entries: u32) -> Batch {
    let mut batch = flap(number, version, entries);
    batch.changes.peers = vec![typical_peer(number, version)];
    batch
}

fn with_values(peers: u32) -> Memory {
    let memory = Memory::default();
    let peers = (0..peers).map(|number| typical_peer(number, 0)).collect();
    let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    commit(&memory.open(), &Batch { changes, ..Batch::default() }).expect("a successful commit");
    memory
}

#[derive(Debug, PartialEq, Eq)]
struct Requests {
    reads: usize,
    writes: usize,
    removals: usize,
    bytes: usize,
    round_trips: usize,
}

fn count_requests(memory: &Memory, call: impl FnOnce()) -> Requests {
    let counts = |memory: &Memory| {
        let state = memory.state();
        (state.reads, state.writes, state.removals, state.bytes, state.round_trips)
    };
    let before = counts(memory);
    call();
    let after = counts(memory);
    Requests {
        reads: after.0 - before.0,
        writes: after.1 - before.1,
        removals: after.2 - before.2,
        bytes: after.3 - before.3,
        round_trips: after.4 - before.4,
    }
}

/// With a thousand peers stored, a flap of one peer is one small write.
#[test]
fn flap_is_one_small_write() {
    let memory = with_values(1_000);
    let store = memory.open();
    commit(&store, &typical_flap(5, 1, 1)).expect("a successful commit");
    let first =
        count_requests(&memory, || commit(&store, &typical_flap(7, 1, 40)).expect("a successful commit"));
    assert_eq!((first.reads, first.writes, first.removals), (1, 1, 0));
    assert!(first.bytes < 1_500, "{first:?}");
    for entries in 41..60 {
        let again = count_requests(&memory, || {
            commit(&store, &typical_flap(7, 2, entries)).expect("a successful commit");
        });
        assert_eq!((again.reads, again.writes, again.removals), (1, 1, 0));
        assert!(again.bytes < 450, "{again:?}");
    }
    let heartbeat = Batch { observer: Some(observer(9)), ..Batch::default() };
    let beat = count_requests(&memory, || commit(&store, &heartbeat).expect("a successful commit"));
    assert_eq!((beat.reads, beat.writes, beat.removals), (1, 1, 0));
    assert!(beat.bytes < 150, "{beat:?}");
}

/// Ten peers take few keys, and little more than one write for each commit.
#[test]
fn small_wallet_needs_few_keys() {
    let memory = with_values(10);
    assert_eq!(memory.state().values.len(), 3);
    let store = memory.open();
    let year = count_requests(&memory, || {
        for version in 1..=1_000 {
            commit(&store, &typical_flap(version % 10, version, version % 60 + 1))
                .expect("a successful commit");
        }
    });
    assert!(year.writes < 1_100, "{year:?}");
    assert!(year.removals < 100, "{year:?}");
    assert!(year.bytes < 1_500_000, "{year:?}");
    assert!(memory.state().values.len() <= 36);
    let start = count_requests(&memory, || {
        let store = memory.open();
        contents(&store, 0).expect("a successful load");
        commit(&store, &typical_flap(1, 1, 1)).expect("a successful commit");
    });
    // The root, the manifest, and one page.
    assert!(start.writes <= 5, "{start:?}");
}

/// The average cost of a flap on a large node, including folds.
#[test]
fn large_node_rewrites_only_a_part() {
    const PEERS: u32 = 20_000;
    let memory = with_values(PEERS);
    let stored: usize = memory.state().values.values().map(Vec::len).sum();
    let store = memory.open();
    let mut rng = fastrand::Rng::with_seed(3);
    let commits = 600;
    let hour = count_requests(&memory, || {
        for version in 0..commits {
            let peers = (0..10).map(|_| typical_peer(rng.u32(0..PEERS), version)).collect();
            let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
            let batch = Batch { changes, observer: Some(observer(u64::from(version))), ..Batch::default() };
            commit(&store, &batch).expect("a successful commit");
        }
    });
    let keys = memory.state().values.len();
    let per_commit = hour.bytes / commits as usize;
    assert!(hour.writes < 2 * commits as usize, "{hour:?}");
    assert!(per_commit < stored / 100, "{stored} bytes in {keys} keys: {hour:?}");
    assert!(keys < 500, "{keys} keys");
    // The journal has more slots than at its beginning.
    let found = contents(&store, 0).expect("a successful read");
    assert_eq!(found.peers.len(), PEERS as usize);
    assert!(
        found == contents(&memory.copy_without_faults().open(), 0).expect("a successful load"),
        "the loaded contents differ"
    );
}

/// Reads all peers in pages of this size, as a start and a report do.
fn load(store: &KvStore, page: usize) -> usize {
    let (mut after, mut count) = (None, 0);
    loop {
        let peers = block_on(store.peers(&OBSERVER, after.as_ref(), page)).expect("a page");
        count += peers.len();
        after = peers.last().map(|peer| peer.node_id);
        if peers.len() < page {
            return count;
        }
    }
}

/// A remote store has a high latency: a start reads many pages concurrently, and few of them twice.
#[test]
fn load_takes_few_round_trips() {
    const PEERS: u32 = 20_000;
    let memory = with_values(PEERS);
    let pages = memory.state().values.keys().filter(|(.., key)| key.starts_with("p-")).count();
    assert!((120..150).contains(&pages), "{pages} pages of 32 KiB");
    // As a starting service, a report and a list on a screen do.
    for (page, most_rounds, most_reads) in [(10_000, 16, 145), (1_000, 30, 180), (100, 350, 650)] {
        let store = memory.open();
        let load = count_requests(&memory, || assert_eq!(load(&store, page), PEERS as usize));
        assert!(load.round_trips <= most_rounds, "{page} at a time, {pages} pages: {load:?}");
        assert!(load.reads <= most_reads, "{page} at a time, {pages} pages: {load:?}");
    }
}

/// A fold that rewrites everything reads, writes and removes many pages concurrently.
#[test]
fn fold_takes_few_round_trips() {
    const PEERS: u32 = 20_000;
    let memory = with_values(PEERS);
    let store = memory.open();
    commit(&store, &typical_flap(5, 1, 1)).expect("a successful commit");
    let peers = (0..PEERS).step_by(50).map(|number| typical_peer(number, 1)).collect();
    let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    let mut batch = Batch { changes, ..Batch::default() };
    let fold = loop {
        let fold = count_requests(&memory, || commit(&store, &batch).expect("a successful commit"));
        if fold.writes > 1 {
            break fold;
        }
        batch.observer = Some(observer(1));
    };
    assert!(fold.reads > 100 && fold.writes > 100 && fold.removals > 100, "{fold:?}");
    assert!(fold.round_trips < 32, "{fold:?}");
}

/// Slots of earlier journals are overwritten and do not accumulate.
#[test]
fn large_commits_leave_little_garbage() {
    const PEERS: u32 = 5_000;
    let memory = with_values(PEERS);
    let stored = |memory: &Memory| memory.state().values.values().map(Vec::len).sum::<usize>();
    let before = stored(&memory);
    let store = memory.open();
    for version in 0..200 {
        let peers = (0..200).map(|number| typical_peer((version * 200 + number) % PEERS, version)).collect();
        let changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
        commit(&store, &Batch { changes, ..Batch::default() }).expect("a successful commit");
    }
    let after = stored(&memory);
    assert!(after < before * 3 / 2, "{before} bytes became {after}");
    assert!(
        contents(&store, 0).expect("a successful read")
            == contents(&memory.copy_without_faults().open(), 0).expect("a successful load")
    );
}
