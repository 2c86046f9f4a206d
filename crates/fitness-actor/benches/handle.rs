//! What the handle costs, beside what a bare hash map would.
//!
//! `raw` is the same number of updates of a bare `hashbrown` map of 144-byte values
//! under random 33-byte keys, in the same order. The ratios count; the machine does not.

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

/// The system's clock, which a history can be told to in less than the time it took.
struct JumpingClock {
    system: SystemClock,
    ahead_secs: AtomicU64,
}

impl Clock for JumpingClock {
    fn monotonic(&self) -> Duration {
        self.system.monotonic() + Duration::from_secs(self.ahead_secs.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        self.system.wall()
    }
}

/// Numbers without a pattern, the same in every run (SplitMix64).
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
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

struct Names {
    peers: Vec<NodeId>,
    channels: Vec<ChannelId>,
    /// All of them, in random order.
    order: Vec<usize>,
}

fn names() -> Names {
    let mut random = Random(7);
    let mut order: Vec<usize> = (0..PEERS).collect();
    for i in (1..PEERS).rev() {
        order.swap(i, random.below(i + 1));
    }
    let peers = (0..PEERS).map(|_| NodeId(random.bytes())).collect();
    let channels = (0..PEERS).map(|_| ChannelId(random.bytes())).collect();
    Names { peers, channels, order }
}

fn opened(node_id: NodeId, channel_id: ChannelId) -> Event {
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online: Some(false) })
}

fn start(runtime: &Runtime, commit_delay: Duration, clock: Arc<dyn Clock>) -> (Service, Handle) {
    let service = Service::builder(NodeId([2; 33]), Arc::new(MemoryStore::default()))
        .tracker(TrackerConfig::default().with_log_capacity(200_000).with_unsaved_log_capacity(200_000))
        .commit_delay(commit_delay)
        // A clock that jumps is not a process that was held up.
        .pulse(Duration::from_secs(10 * HOUR))
        .clock(clock);
    let service = runtime.block_on(service.start()).expect("the store is empty");
    let handle = service.handle();
    (service, handle)
}

fn with_all_channels(runtime: &Runtime, names: &Names, commit_delay: Duration) -> (Service, Handle) {
    let (service, handle) = start(runtime, commit_delay, Arc::new(SystemClock::new()));
    for (&node_id, &channel_id) in names.peers.iter().zip(&names.channels) {
        handle.record(opened(node_id, channel_id));
    }
    runtime.block_on(handle.flush()).expect("it is in memory");
    (service, handle)
}

fn raw_map(names: &Names) -> HashMap<[u8; 33], [u64; 18]> {
    names.peers.iter().map(|node_id| (node_id.0, [0; 18])).collect()
}

/// Goes round the peers in their random order; the round's number says which way they change.
struct Rounds<'a> {
    order: &'a [usize],
    at: usize,
    round: u64,
}

impl<'a> Rounds<'a> {
    fn new(order: &'a [usize]) -> Self {
        Self { order, at: 0, round: 0 }
    }

    fn step(&mut self) -> (usize, u64) {
        if self.at == self.order.len() {
            self.at = 0;
            self.round += 1;
        }
        self.at += 1;
        (self.order[self.at - 1], self.round)
    }
}

/// One update of the bare map: a ledger's worth of words.
fn update(map: &mut HashMap<[u8; 33], [u64; 18]>, peer: &NodeId, round: u64) {
    let value = map.entry(peer.0).or_insert([0; 18]);
    value[0] = round;
    value[1] += value[0];
    value[2] += 1;
    value[17] = round;
}

/// The bare map; and as one would have to keep it to do the same job: behind a lock, stamped by a
/// clock.
fn bench_raw(group: &mut BenchmarkGroup<'_, WallTime>, names: &Names) {
    let mut map = raw_map(names);
    let mut rounds = Rounds::new(&names.order);
    group.bench_function("raw", |b| {
        b.iter(|| {
            let (peer, round) = rounds.step();
            update(&mut map, &names.peers[peer], round);
        });
    });
    let (map, clock) = (Mutex::new(map), SystemClock::new());
    let mut rounds = Rounds::new(&names.order);
    group.bench_function("raw_locked", |b| {
        b.iter(|| {
            let (peer, _) = rounds.step();
            let mut map = map.lock().expect("nobody panics");
            let nanos = clock.monotonic().subsec_nanos();
            update(&mut map, &names.peers[peer], nanos.into());
        });
    });
}

fn record(c: &mut Criterion) {
    let names = names();
    let runtime = Runtime::new().expect("there are threads");
    let mut group = c.benchmark_group("record");

    bench_raw(&mut group, &names);

    // Without a commit while it is measured, and with one every second.
    for (name, commit_delay) in [("handle", HOUR), ("handle_while_storing", 1)] {
        let (service, handle) = with_all_channels(&runtime, &names, Duration::from_secs(commit_delay));
        let mut rounds = Rounds::new(&names.order);
        group.bench_function(name, |b| {
            b.iter(|| {
                let (peer, round) = rounds.step();
                let node_id = names.peers[peer];
                // Half of them come while the other half go: all at once would be our own network.
                handle.record(match (round + peer as u64) % 2 {
                    0 => Event::PeerOnline { node_id },
                    _ => Event::PeerOffline { node_id },
                });
            });
        });
        runtime.block_on(service.shutdown()).expect("it is in memory");
    }
    group.finish();
}

/// A channel whose peer's log has `entries` entries, two hours apart.
fn with_history(runtime: &Runtime, entries: usize) -> (Service, Handle, NodeId, ChannelId) {
    let clock = Arc::new(JumpingClock { system: SystemClock::new(), ahead_secs: AtomicU64::new(0) });
    let (service, handle) =
        start(runtime, Duration::from_secs(HOUR), Arc::<JumpingClock>::clone(&clock) as Arc<dyn Clock>);
    let (node_id, channel_id) = (NodeId([3; 33]), ChannelId([9; 32]));
    handle.record(opened(node_id, channel_id));
    for entry in 0..entries {
        clock.ahead_secs.fetch_add(2 * HOUR, Ordering::Relaxed);
        handle.record(match entry % 2 {
            0 => Event::PeerOnline { node_id },
            _ => Event::PeerOffline { node_id },
        });
    }
    clock.ahead_secs.fetch_add(2 * HOUR, Ordering::Relaxed);
    (service, handle, node_id, channel_id)
}

fn channel_query(c: &mut Criterion) {
    let names = names();
    let runtime = Runtime::new().expect("there are threads");
    let mut group = c.benchmark_group("channel_query");

    bench_raw(&mut group, &names);

    let (service, handle) = with_all_channels(&runtime, &names, Duration::from_secs(HOUR));
    let mut rounds = Rounds::new(&names.order);
    group.bench_function("handle", |b| {
        b.iter(|| handle.channel(&names.channels[rounds.step().0]));
    });
    runtime.block_on(service.shutdown()).expect("it is in memory");

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
    let runtime = Runtime::new().expect("there are threads");
    let mut group = c.benchmark_group("window_query");
    for entries in [100, 1_000, 10_000, 100_000] {
        let (service, handle, _, channel_id) = with_history(&runtime, entries);
        let report = handle.channel(&channel_id).expect("it is open");
        let mut random = Random(11);
        let hours = usize::try_from(report.lifetime_ns / 1_000_000_000 / HOUR).expect("it is years");
        let windows: Vec<_> = (0..4_096)
            .map(|_| {
                let ends = [random.below(hours), random.below(hours)].map(|hours| {
                    report.opened_at.after_secs(HOUR * u64::try_from(hours).expect("it was one"))
                });
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            })
            .collect();
        let mut next = windows.iter().cycle();
        group.bench_function(BenchmarkId::new("log_entries", entries), |b| {
            b.iter(|| {
                let &(from, to) = next.next().expect("it goes round");
                handle.channel_window(&channel_id, from, to).expect("it is open")
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
