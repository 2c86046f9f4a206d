//! What a commit costs over a bare COPY of the same rows into the same server, and how long a start takes.
//!
//! The server syncs to disk, as in earnest. The rows of the bare COPY are encoded beforehand, in the order in
//! which the peers happened to change.

use std::pin::pin;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fitness_core::{
    Changes, ChannelId, ChannelRecord, Ledger, NodeId, ObserverRecord, OutPoint, PeerRecord, Presence, Totals,
};
use fitness_pgtest::Cluster;
use fitness_store::codec::encode_peer;
use fitness_store::{Batch, Store};
use fitness_store_postgres::PostgresStore;
use futures_util::SinkExt;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

const OBSERVER: NodeId = NodeId([3; 33]);
const PEERS: u32 = 100_000;
const PAGE: usize = 10_000;
/// How much of a COPY is sent at a time.
const CHUNK: usize = 64 << 10;

/// Random and the same in each run.
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

/// Peers with one channel each under random ids, in the order in which they happened to change. Those of
/// another `version` are the same peers at another time.
fn peers(count: u32, version: u64) -> Vec<PeerRecord> {
    let (mut ids, mut state) = (7, version);
    let peer = |number: u32| {
        let mut id = bytes(&mut ids);
        id[0] = 2 + (number & 1) as u8;
        let totals = Totals { online_ns: random(&mut state) >> 20, observed_ns: u64::MAX >> 12 };
        PeerRecord {
            node_id: NodeId(id),
            watched: false,
            awaited: false,
            first_seen_ns: 1_700_000_000_000_000_000,
            presence: Presence::Online,
            since_ns: 1_700_000_000_000_000_000 + random(&mut state) % 1_000_000_000_000,
            totals,
            flap_count: number % 50,
            last_flap_ns: Some(1_700_000_000_000_000_000),
            disconnects: number % 20,
            log_end: number % 100,
            taken_over: None,
            channels: vec![ChannelRecord {
                channel_id: ChannelId(bytes(&mut ids)),
                funding: Some(OutPoint { txid: bytes(&mut ids), vout: number % 3 }),
                opened_at_ns: 1_700_000_000_000_000_000,
                opened_totals: Totals::default(),
                ready: Some(true),
                usable: Ledger::from_parts(Presence::Online, 1_700_000_000_000_000_000, totals),
            }],
        }
    };
    (0..count).map(peer).collect()
}

fn batch(peers: Vec<PeerRecord>) -> Arc<Batch> {
    Arc::new(Batch {
        changes: Changes { peers, ..Changes::default() },
        observer: Some(ObserverRecord::default()),
        ..Batch::default()
    })
}

/// The rows of the table of peers, as COPY takes them.
fn copy_data(peers: &[PeerRecord]) -> &'static [u8] {
    let field = |out: &mut Vec<u8>, value: &[u8]| {
        out.extend_from_slice(&i32::try_from(value.len()).expect("short").to_be_bytes());
        out.extend_from_slice(value);
    };
    let number = |ns: u64| i64::try_from(ns).expect("a moment of our time").to_be_bytes();
    let mut out = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    let mut record = Vec::new();
    for peer in peers {
        record.clear();
        encode_peer(peer, &mut record).expect("a sound record");
        out.extend_from_slice(&13_i16.to_be_bytes());
        field(&mut out, &OBSERVER.0);
        field(&mut out, &peer.node_id.0);
        for moment in [peer.first_seen_ns, peer.since_ns, peer.totals.online_ns, peer.totals.observed_ns] {
            field(&mut out, &number(moment));
        }
        field(&mut out, &number(peer.last_flap_ns.expect("it has flapped")));
        field(&mut out, &number(peer.flap_count.into()));
        field(&mut out, &number(peer.disconnects.into()));
        field(&mut out, &1_i32.to_be_bytes());
        field(&mut out, &2_i16.to_be_bytes());
        field(&mut out, &[0]);
        field(&mut out, &record);
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out.leak()
}

struct Bench {
    runtime: Runtime,
    cluster: Cluster,
    database: String,
    store: PostgresStore,
    /// A connection without any of ours.
    bare: Client,
}

impl Bench {
    fn start() -> Option<Self> {
        let cluster = Cluster::builder().durable().setting("max_wal_size", "'4GB'").start()?;
        let runtime = Runtime::new().expect("a runtime");
        let database = cluster.database();
        let (name, url) = (database.name().to_owned(), database.url());
        let store = runtime.block_on(PostgresStore::open(&url)).expect("it opens");
        let bare = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("it connects");
            tokio::spawn(connection);
            client
        });
        // As ours but for its name: with a primary key, and no room left free.
        let create = "CREATE TABLE bare (LIKE ldk_fitness.peers INCLUDING ALL)";
        runtime.block_on(bare.batch_execute(create)).expect("a table");
        Some(Self { runtime, cluster, database: name, store, bare })
    }

    fn sql(&self, sql: &str) {
        self.cluster.sql(&self.database, sql);
    }

    /// An empty table, and no checkpoint on its way.
    fn empty(&self, table: &str) {
        self.sql(&format!("TRUNCATE {table}"));
        self.sql("CHECKPOINT");
    }

    fn copy(&self, data: &'static [u8]) {
        self.runtime.block_on(async {
            let sink = self.bare.copy_in("COPY bare FROM STDIN BINARY").await.expect("it begins");
            let mut sink = pin!(sink);
            for chunk in data.chunks(CHUNK) {
                sink.send(chunk).await.expect("it takes it");
            }
            assert_eq!(sink.finish().await.expect("it ends"), u64::from(PEERS));
        });
    }

    fn commit(&self, batch: &Arc<Batch>) {
        self.runtime.block_on(self.store.commit(&OBSERVER, Arc::clone(batch))).expect("it stores");
    }
}

fn commits(c: &mut Criterion) {
    let Some(bench) = Bench::start() else { return };
    let versions = [1, 2].map(|version| peers(PEERS, version));
    let data = copy_data(&versions[0]);
    let batches = versions.map(batch);

    let mut group = c.benchmark_group("postgres_100k");
    group.sample_size(10);
    group.bench_function("bare_copy", |b| {
        b.iter_batched(|| bench.empty("bare"), |()| bench.copy(data), BatchSize::PerIteration);
    });
    group.bench_function("ours", |b| {
        let empty = || bench.empty("ldk_fitness.peers");
        b.iter_batched(empty, |()| bench.commit(&batches[0]), BatchSize::PerIteration);
    });
    // What a flush is from the second on: rows that are there and have changed.
    bench.commit(&batches[0]);
    let mut version = 0;
    group.bench_function("ours_again", |b| {
        let checkpoint = || {
            version = 1 - version;
            bench.sql("CHECKPOINT");
            &batches[version]
        };
        b.iter_batched(checkpoint, |batch| bench.commit(batch), BatchSize::PerIteration);
    });
    group.finish();

    let mut group = c.benchmark_group("postgres_commit");
    for count in [1, 1_000] {
        let batches = [1, 2].map(|version| batch(peers(count, version)));
        let mut version = 0;
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                version = 1 - version;
                bench.commit(&batches[version]);
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("postgres_load");
    group.sample_size(10);
    group.bench_function("100k", |b| {
        b.iter(|| {
            let (mut after, mut count) = (None, 0);
            loop {
                let page = bench.store.peers(&OBSERVER, after.as_ref(), PAGE);
                let page = bench.runtime.block_on(page).expect("a page");
                after = page.last().map(|peer| peer.node_id);
                count += page.len();
                if page.len() < PAGE {
                    assert_eq!(count, PEERS as usize);
                    return;
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, commits);
criterion_main!(benches);
