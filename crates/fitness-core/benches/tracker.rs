//! Measures the time of an event and of a query, and of an update of a plain hash map with the same keys for
//! comparison.
#![allow(missing_docs)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fitness_core::{Event, TrackerConfig, UnsavedChanges};
use support::{Ids, PEERS, START, raw_map, tracker_with_log, tracker_with_peers, update_raw_value};

fn bench_raw(group: &mut BenchmarkGroup<'_, WallTime>, ids: &Ids) {
    let mut map = raw_map(ids);
    let mut round = 0;
    group.bench_function("raw", |b| {
        b.iter(|| {
            round += 1;
            for &i in &ids.order {
                update_raw_value(&mut map, &ids.peers[i].0, round);
            }
        });
    });
}

/// Measures one event per peer, and one update per key, in the same random order.
fn record(c: &mut Criterion) {
    let ids = Ids::new(PEERS);
    let mut group = c.benchmark_group("core_record");
    group.throughput(Throughput::Elements(PEERS as u64)).sample_size(20);
    bench_raw(&mut group, &ids);
    let mut tracker = tracker_with_peers(&ids, TrackerConfig::default());
    let (mut now, mut online) = (START, true);
    group.bench_function("tracker", |b| {
        // Draining the changes is not measured: it is a part of the commit.
        b.iter_custom(|rounds| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..rounds {
                online = !online;
                now = now.after_secs(60);
                let started = now_instant();
                for &i in &ids.order {
                    let node_id = ids.peers[i];
                    // Half of the peers connect while the others disconnect. If all disconnected, the tracker
                    // would report a network outage.
                    let event = if online == (i % 2 == 0) {
                        Event::PeerOnline { node_id }
                    } else {
                        Event::PeerOffline { node_id }
                    };
                    tracker.apply(now, &event);
                }
                elapsed += started.elapsed();
                let mut changes = UnsavedChanges::default();
                tracker.drain_changes(usize::MAX, &mut changes);
                tracker.mark_stored(&changes);
            }
            elapsed
        });
    });
    group.finish();
}

// Only benchmarks may read the system clock.
#[allow(clippy::disallowed_methods)]
fn now_instant() -> Instant {
    Instant::now()
}

fn channel_query(c: &mut Criterion) {
    let ids = Ids::new(PEERS);
    let mut group = c.benchmark_group("core_channel_query");
    group.throughput(Throughput::Elements(PEERS as u64)).sample_size(20);
    bench_raw(&mut group, &ids);
    let tracker = tracker_with_peers(&ids, TrackerConfig::default());
    let now = START.after_secs(1_000);
    group.bench_function("tracker", |b| {
        b.iter(|| {
            for &i in &ids.order {
                black_box(tracker.channel(now, &ids.channels[i]));
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("core_channel_query_by_log");
    for entries in [10, 1_000, 100_000] {
        let (tracker, channel_id, now) = tracker_with_log(entries);
        group
            .bench_function(entries.to_string(), |b| b.iter(|| tracker.channel(black_box(now), &channel_id)));
    }
    group.finish();
}

fn window_query(c: &mut Criterion) {
    let mut group = c.benchmark_group("core_window_query");
    for entries in [10, 100, 1_000, 10_000, 100_000] {
        let (tracker, channel_id, now) = tracker_with_log(entries);
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
