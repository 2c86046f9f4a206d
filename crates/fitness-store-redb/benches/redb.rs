//! Compares commits of the store with redb alone, and measures a start.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fitness_core::{
    ChannelId, ChannelRecord, HashSeed, Ledger, NodeId, OutPoint, PeerRecord, Presence, Totals, Tracker,
    TrackerConfig, UnsavedChanges,
};
use fitness_store::codec::encode_peer;
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store};
use fitness_store_redb::RedbStore;
use redb::{Database, TableDefinition};
use tempfile::TempDir;

const OBSERVER: NodeId = NodeId([3; 33]);
const PAGE: usize = 10_000;

/// Returns the next pseudo-random number; the sequence is the same in each run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn bytes<const N: usize>(state: &mut u64) -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random(state).to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// Returns peers with random ids and one channel each, in random order.
fn peers(count: u32) -> Vec<PeerRecord> {
    let mut state = 7;
    let peer = |number: u32| {
        let mut id = bytes(&mut state);
        id[0] = 2 + (number & 1) as u8;
        let totals = Totals { online_ns: random(&mut state) >> 20, observed_ns: u64::MAX >> 12 };
        PeerRecord {
            node_id: NodeId(id),
            watched: false,
            in_reconnect_grace: false,
            tracked_since_ns: 1_700_000_000_000_000_000,
            presence: Presence::Online,
            presence_since_ns: 1_700_000_000_000_000_000 + random(&mut state) % 1_000_000_000_000,
            totals,
            flap_count: number % 50,
            last_flap_ns: Some(1_700_000_000_000_000_000),
            disconnects: number % 20,
            log_end: number % 100,
            imported: None,
            channels: vec![ChannelRecord {
                channel_id: ChannelId(bytes(&mut state)),
                funding: Some(OutPoint { txid: bytes(&mut state), vout: number % 3 }),
                opened_at_ns: 1_700_000_000_000_000_000,
                opened_totals: Totals::default(),
                reported_usable: Some(true),
                usable_ledger: Ledger::from_parts(Presence::Online, 1_700_000_000_000_000_000, totals),
            }],
        }
    };
    (0..count).map(peer).collect()
}

fn batch(peers: Vec<PeerRecord>) -> Arc<Batch> {
    Arc::new(Batch { changes: UnsavedChanges { peers, ..UnsavedChanges::default() }, ..Batch::default() })
}

fn commit(c: &mut Criterion) {
    const RAW: TableDefinition<'_, &[u8; 66], &[u8]> = TableDefinition::new("peers");

    let peers = peers(100_000);
    let rows: Vec<([u8; 66], Vec<u8>)> = peers
        .iter()
        .map(|peer| {
            let (mut key, mut value) = ([0; 66], Vec::new());
            key[..33].copy_from_slice(&OBSERVER.0);
            key[33..].copy_from_slice(&peer.node_id.0);
            encode_peer(peer, &mut value).expect("a valid record");
            (key, value)
        })
        .collect();
    let batch = batch(peers);

    let insert_raw = |database: &Database| {
        let mut transaction = database.begin_write().expect("a transaction");
        // As durable as the store.
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction.open_table(RAW).expect("a table");
            for (key, value) in &rows {
                table.insert(key, &**value).expect("an insert");
            }
        }
        transaction.commit().expect("a commit");
    };
    let create_raw = || {
        let directory = TempDir::new().expect("a directory");
        let database = Database::create(directory.path().join("raw.redb")).expect("a database");
        (database, directory)
    };
    let create_store = || {
        let directory = TempDir::new().expect("a directory");
        let store = RedbStore::open(directory.path().join("store.redb")).expect("a store");
        (store, directory)
    };
    let commit_store =
        |store: &RedbStore| block_on(store.commit(&OBSERVER, Arc::clone(&batch))).expect("a commit");

    let mut group = c.benchmark_group("commit_100k");
    group.sample_size(10);
    group.bench_function("raw_redb", |b| {
        b.iter_batched_ref(create_raw, |(database, _)| insert_raw(database), BatchSize::PerIteration);
    });
    group.bench_function("store", |b| {
        b.iter_batched_ref(create_store, |(store, _)| commit_store(store), BatchSize::PerIteration);
    });
    group.finish();

    // The same rows again in a file that has them, as in every commit after the first.
    let mut group = c.benchmark_group("recommit_100k");
    group.sample_size(10);
    let (raw, _raw_directory) = create_raw();
    insert_raw(&raw);
    group.bench_function("raw_redb", |b| b.iter(|| insert_raw(&raw)));
    let (store, _store_directory) = create_store();
    commit_store(&store);
    group.bench_function("store", |b| b.iter(|| commit_store(&store)));
    group.finish();
}

/// Reads all peers page by page; returns their number.
fn load(store: &RedbStore, mut visit: impl FnMut(&PeerRecord)) -> usize {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = block_on(store.peers(&OBSERVER, after.as_ref(), PAGE)).expect("a page");
        page.iter().for_each(&mut visit);
        count += page.len();
        after = page.last().map(|peer| peer.node_id);
        if page.len() < PAGE {
            return count;
        }
    }
}

fn start(c: &mut Criterion) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("fitness.redb");
    {
        let store = RedbStore::open(&path).expect("a store");
        for chunk in peers(1_000_000).chunks(100_000) {
            block_on(store.commit(&OBSERVER, batch(chunk.to_vec()))).expect("a commit");
        }
    }

    let mut group = c.benchmark_group("start_1m");
    group.sample_size(10);
    group.bench_function("read", |b| {
        b.iter_with_large_drop(|| {
            let store = RedbStore::open(&path).expect("a store");
            assert_eq!(load(&store, |_| {}), 1_000_000);
            store
        });
    });
    group.bench_function("resume", |b| {
        b.iter_with_large_drop(|| {
            let store = RedbStore::open(&path).expect("a store");
            let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
            assert_eq!(load(&store, |peer| tracker.resume_peer(peer)), 1_000_000);
            (store, tracker)
        });
    });
    group.finish();
}

criterion_group!(benches, commit, start);
criterion_main!(benches);
