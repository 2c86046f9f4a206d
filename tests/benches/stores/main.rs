//! Compares the stores: the first commit of all peers, the load at a start, a window query, and commits of
//! one peer, of some and of all.
//!
//! Each store holds 100,000 peers with one channel each. Stores on a database are compared with the same
//! bytes in that database alone. `cargo xtask bench --stores` makes the tables of `docs/storage.md` from
//! these figures and from those that `--resource-usage` prints.

mod backend;
mod counting_kv_store;
mod kv;
mod memory;
mod operations;
mod postgres;
mod raw_postgres;
mod raw_redb;
mod redb;
mod resource_usage;
mod sample;

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group};
use fitness_store::Store;

use crate::backend::{Backend, Location, RawDatabase, RawLocation};
use crate::sample::{PEERS, Rows, Sample};

/// How many peers change in a commit, and how many commits make one iteration: enough to include what a
/// store does only after several commits.
const COMMITS: [(usize, usize); 3] = [(1, 1), (1_000, 12), (PEERS, 1)];

fn stores(c: &mut Criterion) {
    let sample = Sample::new();
    for backend in backend::all() {
        store(c, &*backend, &sample);
        raw(c, &format!("{}_raw", backend.name()), &*backend, &sample);
    }
}

fn store(c: &mut Criterion, backend: &dyn Backend, sample: &Sample) {
    let name = backend.name();
    group(c, "initial_commit").bench_function(name, |b| {
        let empty = || {
            let location = backend.create();
            let store = location.open();
            location.checkpoint();
            (store, location, sample.batch(PEERS))
        };
        let fill = |(store, location, batch): (Arc<dyn Store>, Box<dyn Location>, _)| {
            operations::commit(&*store, batch);
            (store, location)
        };
        b.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    // Created only if a benchmark that needs it is selected.
    let location: LazyCell<Box<dyn Location>, _> = LazyCell::new(|| {
        let location = backend.create();
        let store = location.open();
        sample.all().for_each(|batch| operations::commit(&*store, batch));
        location
    });
    group(c, "load").bench_function(name, |b| {
        let load = |()| {
            let store = location.open();
            assert_eq!(operations::load(&*store), PEERS + 1);
            store
        };
        b.iter_batched(|| (), load, BatchSize::PerIteration);
    });
    let store: LazyCell<Arc<dyn Store>, _> = LazyCell::new(|| location.open());
    group(c, "window").bench_function(name, |b| b.iter(|| operations::window(&*store, sample)));
    for (peers, commits) in COMMITS {
        let mut group = group(c, &format!("commit_{peers}"));
        group.throughput(Throughput::Elements(commits as u64));
        group.bench_function(name, |b| {
            // The first commit after an open does more work than the others.
            operations::commit(&*store, sample.batch(1));
            let batches = || {
                location.checkpoint();
                (0..commits).map(|_| sample.batch(peers)).collect::<Vec<_>>()
            };
            let commit =
                |batches: Vec<_>| batches.into_iter().for_each(|batch| operations::commit(&*store, batch));
            b.iter_batched(batches, commit, BatchSize::PerIteration);
        });
    }
}

fn raw(c: &mut Criterion, name: &str, backend: &dyn Backend, sample: &Sample) {
    let Some(location) = backend.raw() else { return };
    group(c, "initial_commit").bench_function(name, |b| {
        let empty = || {
            let location = backend.raw().expect("it has one");
            let database = location.open();
            location.checkpoint();
            (database, location, Rows::of(&sample.batch(PEERS)))
        };
        let fill = |(database, location, rows): (Box<dyn RawDatabase>, Box<dyn RawLocation>, Rows)| {
            database.initial_commit(&rows);
            (database, location)
        };
        b.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    let location = LazyCell::new(move || {
        let database = location.open();
        sample.all().for_each(|batch| database.commit(&Rows::of(&batch)));
        location
    });
    group(c, "load").bench_function(name, |b| {
        let load = |()| {
            let database = location.open();
            assert_eq!(database.load(), PEERS + 1);
            database
        };
        b.iter_batched(|| (), load, BatchSize::PerIteration);
    });
    let database: LazyCell<Box<dyn RawDatabase>, _> = LazyCell::new(|| location.open());
    group(c, "window").bench_function(name, |b| {
        // A window query needs decoded records.
        b.iter(|| operations::window_of(&database.read_peer(&sample.long), sample));
    });
    for (peers, commits) in COMMITS {
        let mut group = group(c, &format!("commit_{peers}"));
        group.throughput(Throughput::Elements(commits as u64));
        group.bench_function(name, |b| {
            database.commit(&Rows::of(&sample.batch(1)));
            let rows = || {
                location.checkpoint();
                (0..commits).map(|_| Rows::of(&sample.batch(peers))).collect::<Vec<_>>()
            };
            let commit = |rows: Vec<Rows>| rows.iter().for_each(|rows| database.commit(rows));
            b.iter_batched(rows, commit, BatchSize::PerIteration);
        });
    }
}

fn group<'a>(c: &'a mut Criterion, operation: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("stores_{operation}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group
}

criterion_group!(benches, stores);

fn main() {
    if std::env::args().any(|arg| arg == "--resource-usage") {
        resource_usage::print();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
