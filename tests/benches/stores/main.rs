//! The same work on every store: the first commit of all, a start's load, a window's read, commits of one
//! peer, of some, of all.
//!
//! Each store holds 100,000 peers with a channel each while it is measured. What its figures are held
//! against is the same bytes in the database underneath, without us. `cargo xtask bench --stores`
//! makes the tables of `docs/STORES.md` of it, and of what `--costs` prints instead.

mod bare_postgres;
mod bare_redb;
mod costs;
mod counted;
mod kind;
mod kv;
mod memory;
mod postgres;
mod redb;
mod sample;
mod work;

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group};
use fitness_store::Store;

use crate::kind::{Bare, BarePlace, Kind, Place};
use crate::sample::{PEERS, Rows, Sample};

/// How many peers change in a commit, and how many commits count as one: enough of them that what a
/// store does now and then is in the figure.
const COMMITS: [(usize, usize); 3] = [(1, 1), (1_000, 12), (PEERS, 1)];

fn stores(c: &mut Criterion) {
    let sample = Sample::new();
    for kind in kind::all() {
        ours(c, &*kind, &sample);
        without_us(c, &format!("{}_bare", kind.name()), &*kind, &sample);
    }
}

fn ours(c: &mut Criterion, kind: &dyn Kind, sample: &Sample) {
    let name = kind.name();
    group(c, "first").bench_function(name, |b| {
        let empty = || {
            let place = kind.fresh();
            let store = place.open();
            place.settle();
            (store, place, sample.batch(PEERS))
        };
        let fill = |(store, place, batch): (Arc<dyn Store>, Box<dyn Place>, _)| {
            work::commit(&*store, batch);
            (store, place)
        };
        b.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    // Made only if something of it is asked for.
    let place: LazyCell<Box<dyn Place>, _> = LazyCell::new(|| {
        let place = kind.fresh();
        let store = place.open();
        sample.all().for_each(|batch| work::commit(&*store, batch));
        place
    });
    group(c, "load").bench_function(name, |b| {
        let load = |()| {
            let store = place.open();
            assert_eq!(work::load(&*store), PEERS + 1);
            store
        };
        b.iter_batched(|| (), load, BatchSize::PerIteration);
    });
    let store: LazyCell<Arc<dyn Store>, _> = LazyCell::new(|| place.open());
    group(c, "window").bench_function(name, |b| b.iter(|| work::window(&*store, sample)));
    for (peers, commits) in COMMITS {
        let mut group = group(c, &format!("commit_{peers}"));
        group.throughput(Throughput::Elements(commits as u64));
        group.bench_function(name, |b| {
            // The first commit after a start is not like the others.
            work::commit(&*store, sample.batch(1));
            let batches = || {
                place.settle();
                (0..commits).map(|_| sample.batch(peers)).collect::<Vec<_>>()
            };
            let commit = |batches: Vec<_>| batches.into_iter().for_each(|some| work::commit(&*store, some));
            b.iter_batched(batches, commit, BatchSize::PerIteration);
        });
    }
}

fn without_us(c: &mut Criterion, name: &str, kind: &dyn Kind, sample: &Sample) {
    let Some(place) = kind.bare() else { return };
    group(c, "first").bench_function(name, |b| {
        let empty = || {
            let place = kind.bare().expect("there was one");
            let bare = place.open();
            place.settle();
            (bare, place, Rows::of(&sample.batch(PEERS)))
        };
        let fill = |(bare, place, rows): (Box<dyn Bare>, Box<dyn BarePlace>, Rows)| {
            bare.first(&rows);
            (bare, place)
        };
        b.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    let place = LazyCell::new(move || {
        let bare = place.open();
        sample.all().for_each(|batch| bare.commit(&Rows::of(&batch)));
        place
    });
    group(c, "load").bench_function(name, |b| {
        let load = |()| {
            let bare = place.open();
            assert_eq!(bare.load(), PEERS + 1);
            bare
        };
        b.iter_batched(|| (), load, BatchSize::PerIteration);
    });
    let bare: LazyCell<Box<dyn Bare>, _> = LazyCell::new(|| place.open());
    group(c, "window").bench_function(name, |b| {
        // A window is asked of records, so they have to be made here, too.
        b.iter(|| work::window_of(&bare.one(&sample.long), sample));
    });
    for (peers, commits) in COMMITS {
        let mut group = group(c, &format!("commit_{peers}"));
        group.throughput(Throughput::Elements(commits as u64));
        group.bench_function(name, |b| {
            bare.commit(&Rows::of(&sample.batch(1)));
            let rows = || {
                place.settle();
                (0..commits).map(|_| Rows::of(&sample.batch(peers))).collect::<Vec<_>>()
            };
            let commit = |rows: Vec<Rows>| rows.iter().for_each(|rows| bare.commit(rows));
            b.iter_batched(rows, commit, BatchSize::PerIteration);
        });
    }
}

fn group<'a>(c: &'a mut Criterion, work: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("stores_{work}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group
}

criterion_group!(benches, stores);

fn main() {
    if std::env::args().any(|arg| arg == "--costs") {
        costs::print();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
