//! What an event and a question cost, beside an update of a bare map with the same keys.
#![allow(missing_docs)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fitness_core::{Event, TrackerConfig, UnsavedChanges};
use support::{Names, PEERS, START, long_log, names, node, raw_map, raw_update};

fn bench_raw(group: &mut BenchmarkGroup<'_, WallTime>, names: &Names) {
    let mut map = raw_map(names);
    let mut round = 0;
    group.bench_function("raw", |b| {
        b.iter(|| {
            round += 1;
            for &i in &names.order {
                raw_update(&mut map, &names.peers[i].0, round);
            }
        });
    });
}

/// One event a peer, or one update a key, in the same random order.
fn record(c: &mut Criterion) {
    let names = names(PEERS);
    let mut group = c.benchmark_group("core_record");
    group.throughput(Throughput::Elements(PEERS as u64)).sample_size(20);
    bench_raw(&mut group, &names);
    let mut tracker = node(&names, TrackerConfig::default());
    let (mut now, mut online) = (START, true);
    group.bench_function("tracker", |b| {
        // The changes are taken outside the measurement: that is the flush's cost.
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                online = !online;
                now = now.after_secs(60);
                let started = started();
                for &i in &names.order {
                    let node_id = names.peers[i];
                    // Half of them come while the other half go: all at once would be our own network.
                    let event = if online == (i % 2 == 0) {
                        Event::PeerOnline { node_id }
                    } else {
                        Event::PeerOffline { node_id }
                    };
                    tracker.apply(now, &event);
                }
                spent += started.elapsed();
                let mut changes = UnsavedChanges::default();
                tracker.drain_changes(usize::MAX, &mut changes);
                tracker.mark_stored(&changes);
            }
            spent
        });
    });
    group.finish();
}

// A stopwatch is what a benchmark is.
#[allow(clippy::disallowed_methods)]
fn started() -> Instant {
    Instant::now()
}

fn channel_query(c: &mut Criterion) {
    let names = names(PEERS);
    let mut group = c.benchmark_group("core_channel_query");
    group.throughput(Throughput::Elements(PEERS as u64)).sample_size(20);
    bench_raw(&mut group, &names);
    let tracker = node(&names, TrackerConfig::default());
    let now = START.after_secs(1_000);
    group.bench_function("tracker", |b| {
        b.iter(|| {
            for &i in &names.order {
                black_box(tracker.channel(now, &names.channels[i]));
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("core_channel_query_by_log");
    for entries in [10, 1_000, 100_000] {
        let (tracker, _, channel_id, now) = long_log(entries);
        group
            .bench_function(entries.to_string(), |b| b.iter(|| tracker.channel(black_box(now), &channel_id)));
    }
    group.finish();
}

fn window_query(c: &mut Criterion) {
    let mut group = c.benchmark_group("core_window_query");
    for entries in [10, 100, 1_000, 10_000, 100_000] {
        let (tracker, _, channel_id, now) = long_log(entries);
        let length = now.nanos_since(START);
        let mut random = support::Random(7);
        group.bench_function(entries.to_string(), |b| {
            b.iter(|| {
                let from = START.after_nanos(random.next() % length);
                tracker.channel_window(now, &channel_id, black_box(from), now)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, record, channel_query, window_query);
criterion_main!(benches);
