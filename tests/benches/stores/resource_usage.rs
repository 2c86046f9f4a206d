//! The size of stores on disk, and the requests to a `KVStore`. They are counted, not timed.
//!
//! Prints one line of JSON for each figure.

use std::sync::Arc;

use fitness_store_kv::KvStore;
use lightning::util::persist::KVStore;
use tempfile::TempDir;

use crate::backend::{Backend, Location};
use crate::counting_kv_store::{Counter, CountingKvStore};
use crate::sample::{PEERS, Sample};
use crate::{backend, kv, operations};

/// How many peers change in a commit, and how many commits are averaged: enough to fold the journal three times.
const COMMITS: [(usize, u64); 3] = [(1, 3_075), (1_000, 33), (PEERS, 1)];

pub(crate) fn print() {
    let sample = Sample::new();
    for backend in backend::all() {
        disk_size(&*backend, &sample);
    }
    requests("files", kv::files, &sample);
    requests("sqlite", kv::sqlite, &sample);
}

/// Prints the size after the first commit of all peers, and after a third of them were overwritten.
fn disk_size(backend: &dyn Backend, sample: &Sample) {
    let location = backend.create();
    let print = |state: &str, location: &dyn Location| {
        if let Some(bytes) = location.bytes() {
            println!("{{\"store\":\"{}\",\"disk_state\":\"{state}\",\"bytes\":{bytes}}}", backend.name());
        }
    };
    let store = location.open();
    sample.all().for_each(|batch| operations::commit(&*store, batch));
    drop(store);
    print("initial", &*location);
    let store = location.open();
    (0..32).for_each(|_| operations::commit(&*store, sample.batch(1_000)));
    drop(store);
    print("after_overwrites", &*location);
}

/// Prints how many requests a start, a report and commits send to the `KVStore`.
fn requests<K: KVStore + Send + Sync + 'static>(name: &str, open: impl Fn(&TempDir) -> K, sample: &Sample) {
    let (directory, counter) = (tempfile::tempdir().expect("a temporary directory"), Counter::default());
    let open_store = || {
        let counting = CountingKvStore { inner: open(&directory), counter: counter.clone() };
        Arc::new(KvStore::new(Arc::new(counting), "a temporary directory"))
    };
    let print = |work: &str, iterations: u64| {
        let counts = counter.take();
        println!(
            "{{\"store\":\"{name}\",\"work\":\"{work}\",\"iterations\":{iterations},\"reads\":{},\"writes\":{},\"removals\":{},\"bytes\":{},\"round_trips\":{}}}",
            counts.reads, counts.writes, counts.removals, counts.bytes, counts.round_trips,
        );
    };
    let store = open_store();
    sample.all().for_each(|batch| operations::commit(&*store, batch));
    print("initial_commit", 1);
    let store = open_store();
    assert_eq!(operations::load(&*store), PEERS + 1);
    print("load", 1);
    operations::window(&*store, sample);
    print("window", 1);
    operations::commit(&*store, sample.batch(1));
    print("commit_after_open", 1);
    for (peers, commits) in COMMITS {
        (0..commits).for_each(|_| operations::commit(&*store, sample.batch(peers)));
        print(&format!("commit_{peers}"), commits);
    }
}
