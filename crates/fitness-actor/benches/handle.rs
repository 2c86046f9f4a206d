//! Compares the cost of the handle with that of a bare hash map.
//!
//! `raw` is the same number of updates of a bare `hashbrown` map of 144-byte values under random 33-byte
//! keys, in the same order. Compare the ratios, which depend little on the machine.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use fitness_actor::{Clock, Handle, Service, SystemClock};
use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, Timestamp, TrackerConfig};
use fitness_store::MemoryStore;
use hashbrown::HashMap;
use tokio::runtime::Runtime;

const PEERS: usize = 100_000;
const HOUR: u64 = 3600;

/// The system clock with an adjustable offset, so that a long history can be recorded quickly.
struct OffsetClock {
    system: SystemClock,
    offset_secs: AtomicU64,
}

impl Clock for OffsetClock {
    fn monotonic(&self) -> Duration {
        self.system.monotonic() + Duration::from_secs(self.offset_secs.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        self.system.wall()
    }
}

/// A pseudo-random generator with a fixed seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("the remainder is below a usize")
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

struct Ids {
    peers: Vec<NodeId>,
    channels: Vec<ChannelId>,
    /// All indexes, in random order.
    order: Vec<usize>,
}

fn random_ids() -> Ids {
    let mut random = Random(7);
    let mut order: Vec<usize> = (0..PEERS).collect();
    for i in (1..PEERS).rev() {
        order.swap(i, random.below(i + 1));
    }
    let peers = (0..PEERS).map(|_| NodeId(random.bytes())).collect();
    let channels = (0..PEERS).map(|_| ChannelId(random.bytes())).collect();
    Ids { peers, channels, order }
}

fn opened(node_id: NodeId, channel_id: ChannelId) -> Event {
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online: Some(false) })
}

fn start(runtime: &Runtime, commit_delay: Duration, clock: Arc<dyn Clock>) -> (Service, Handle) {
    let service = Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default()))
        .tracker(TrackerConfig::default().with_log_capacity(200_000).with_unsaved_log_capacity(200_000))
        .commit_delay(commit_delay)
        // The clock jumps, which must not look like a stalled process.
        .stall_check_interval(Duration::from_secs(10 * HOUR))
        .clock(clock);
    let service = runtime.block_on(service.start()).expect("an empty store can be loaded");
    let handle = service.handle();
    (service, handle)
}

fn with_all_channels(runtime: &Runtime, ids: &Ids, commit_delay: Duration) -> (Service, Handle) {
    let (service, handle) = start(runtime, commit_delay, Arc::new(SystemClock::new()));
    for (&node_id, &channel_id) in ids.peers.iter().zip(&ids.channels) {
        handle.record(opened(node_id, channel_id));
    }
    runtime.block_on(handle.flush()).expect("the store is in memory");
    (service, handle)
}

fn raw_map(ids: &Ids) -> HashMap<[u8; 33], [u64; 18]> {
    ids.peers.iter().map(|node_id| (node_id.0, [0; 18])).collect()
}

/// Iterates over the peers in random order, again and again. The round's number determines the new presence.
struct Rounds<'a> {
    order: &'a [usize],
    position: usize,
    round: u64,
}

impl<'a> Rounds<'a> {
    fn new(order: &'a [usize]) -> Self {
        Self { order, position: 0, round: 0 }
    }

    fn next(&mut self) -> (usize, u64) {
        if self.position == self.order.len() {
            self.position = 0;
            self.round += 1;
        }
        self.position += 1;
        (self.order[self.position - 1], self.round)
    }
}

/// Updates one value of the bare map, as a ledger would be updated.
fn update(map: &mut HashMap<[u8; 33], [u64; 18]>, peer: &NodeId, round: u64) {
    let value = map.entry(peer.0).or_insert([0; 18]);
    value[0] = round;
    value[1] += value[0];
    value[2] += 1;
    value[17] = round;
}

/// Measures the bare map, and the map behind a lock with timestamps from a clock, which is the least that a
/// service needs.
fn bench_raw(group: &mut BenchmarkGroup<'_, WallTime>, ids: &Ids) {
    let mut map = raw_map(ids);
    let mut rounds = Rounds::new(&ids.order);
    group.bench_function("raw", |b| {
        b.iter(|| {
            let (peer, round) = rounds.next();
            update(&mut map, &ids.peers[peer], round);
        });
    });
    let (map, clock) = (Mutex::new(map), SystemClock::new());
    let mut rounds = Rounds::new(&ids.order);
    group.bench_function("raw_locked", |b| {
        b.iter(|| {
            let (peer, _) = rounds.next();
            let mut map = map.lock().expect("no thread panics");
            let nanos = clock.monotonic().subsec_nanos();
            update(&mut map, &ids.peers[peer], nanos.into());
        });
    });
}

fn record(c: &mut Criterion) {
    let ids = random_ids();
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = c.benchmark_group("record");

    bench_raw(&mut group, &ids);

    // Without a commit during the measurement, and with one every second.
    for (name, commit_delay) in [("handle", HOUR), ("handle_while_committing", 1)] {
        let (service, handle) = with_all_channels(&runtime, &ids, Duration::from_secs(commit_delay));
        let mut rounds = Rounds::new(&ids.order);
        group.bench_function(name, |b| {
            b.iter(|| {
                let (peer, round) = rounds.next();
                let node_id = ids.peers[peer];
                // Half of the peers connect while the others disconnect. If all disconnected at once, that
                // would count as a failure of our network.
                handle.record(match (round + peer as u64) % 2 {
                    0 => Event::PeerOnline { node_id },
                    _ => Event::PeerOffline { node_id },
                });
            });
        });
        runtime.block_on(service.shutdown()).expect("the store is in memory");
    }
    group.finish();
}

/// Starts a service with one channel whose peer's log has `entries` entries, two hours apart.
fn with_history(runtime: &Runtime, entries: usize) -> (Service, Handle, NodeId, ChannelId) {
    let clock = Arc::new(OffsetClock { system: SystemClock::new(), offset_secs: AtomicU64::new(0) });
    let (service, handle) =
        start(runtime, Duration::from_secs(HOUR), Arc::<OffsetClock>::clone(&clock) as Arc<dyn Clock>);
    let (node_id, channel_id) = (NodeId([3; 33]), ChannelId([9; 32]));
    handle.record(opened(node_id, channel_id));
    for entry in 0..entries {
        clock.offset_secs.fetch_add(2 * HOUR, Ordering::Relaxed);
        handle.record(match entry % 2 {
            0 => Event::PeerOnline { node_id },
            _ => Event::PeerOffline { node_id },
        });
    }
    clock.offset_secs.fetch_add(2 * HOUR, Ordering::Relaxed);
    (service, handle, node_id, channel_id)
}

fn channel_query(c: &mut Criterion) {
    let ids = random_ids();
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = c.benchmark_group("channel_query");

    bench_raw(&mut group, &ids);

    let (service, handle) = with_all_channels(&runtime, &ids, Duration::from_secs(HOUR));
    let mut rounds = Rounds::new(&ids.order);
    group.bench_function("handle", |b| {
        b.iter(|| handle.channel(&ids.channels[rounds.next().0]));
    });
    runtime.block_on(service.shutdown()).expect("the store is in memory");

    for entries in [10, 1_000, 100_000] {
        let (service, handle, _, channel_id) = with_history(&runtime, entries);
        group.bench_function(BenchmarkId::new("log_entries", entries), |b| {
            b.iter(|| handle.channel(black_box(&channel_id)));
        });
        drop(service);
    }
    group.finish();
}

fn window_query(c: &mut Criterion) {
    let runtime = Runtime::new().expect("threads can be started");
    let mut group = c.benchmark_group("window_query");
    for entries in [100, 1_000, 10_000, 100_000] {
        let (service, handle, _, channel_id) = with_history(&runtime, entries);
        let report = handle.channel(&channel_id).expect("the channel is open");
        let mut random = Random(11);
        let hours = usize::try_from(report.lifetime_ns / 1_000_000_000 / HOUR)
            .expect("the lifetime is years at most");
        let windows: Vec<_> = (0..4_096)
            .map(|_| {
                let ends = [random.below(hours), random.below(hours)].map(|hours| {
                    report.opened_at.after_secs(HOUR * u64::try_from(hours).expect("a usize fits into u64"))
                });
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            })
            .collect();
        let mut next = windows.iter().cycle();
        group.bench_function(BenchmarkId::new("log_entries", entries), |b| {
            b.iter(|| {
                let &(from, to) = next.next().expect("the iterator is endless");
                handle.channel_window(&channel_id, from, to).expect("the channel is open")
            });
        });
        drop(service);
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(5));
    targets = record, channel_query, window_query
}
criterion_main!(benches);
