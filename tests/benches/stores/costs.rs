//! What stores take of the disk, and what is asked of a `KVStore`: counted, so there is nothing to time.
//!
//! Prints a line of JSON a figure.

use std::sync::Arc;

use fitness_store_kv::KvStore;
use lightning::util::persist::KVStore;
use tempfile::TempDir;

use crate::counted::{Counted, Counter};
use crate::kind::{Kind, Place};
use crate::sample::{PEERS, Sample};
use crate::{kind, kv, work};

/// How many peers change in a commit, and how many commits make an average: three folds of its journal.
const COMMITS: [(usize, u64); 3] = [(1, 3_075), (1_000, 33), (PEERS, 1)];

pub(crate) fn print() {
    let sample = Sample::new();
    for kind in kind::all() {
        disk(&*kind, &sample);
    }
    asked("files", kv::files, &sample);
    asked("sqlite", kv::sqlite, &sample);
}

/// What is there once all is stored, and once a third of it was written over.
fn disk(kind: &dyn Kind, sample: &Sample) {
    let place = kind.fresh();
    let print = |when: &str, place: &dyn Place| {
        if let Some(bytes) = place.bytes() {
            println!("{{\"store\":\"{}\",\"disk\":\"{when}\",\"bytes\":{bytes}}}", kind.name());
        }
    };
    let store = place.open();
    sample.all().for_each(|batch| work::commit(&*store, batch));
    drop(store);
    print("stored", &*place);
    let store = place.open();
    (0..32).for_each(|_| work::commit(&*store, sample.batch(1_000)));
    drop(store);
    print("written_over", &*place);
}

/// What a start, a report and commits ask of the `KVStore`.
fn asked<K: KVStore + Send + Sync + 'static>(name: &str, open: impl Fn(&TempDir) -> K, sample: &Sample) {
    let (directory, counter) = (tempfile::tempdir().expect("a directory"), Counter::default());
    let opened = || {
        let counted = Counted { keys: open(&directory), counter: counter.clone() };
        Arc::new(KvStore::new(Arc::new(counted), "a directory"))
    };
    let print = |work: &str, times: u64| {
        let counted = counter.take();
        println!(
            "{{\"store\":\"{name}\",\"work\":\"{work}\",\"times\":{times},\"reads\":{},\"writes\":{},\"removals\":{},\"bytes\":{},\"rounds\":{}}}",
            counted.reads, counted.writes, counted.removals, counted.bytes, counted.rounds,
        );
    };
    let store = opened();
    sample.all().for_each(|batch| work::commit(&*store, batch));
    print("stored", 1);
    let store = opened();
    assert_eq!(work::load(&*store), PEERS + 1);
    print("load", 1);
    work::window(&*store, sample);
    print("window", 1);
    work::commit(&*store, sample.batch(1));
    print("first_commit", 1);
    for (peers, commits) in COMMITS {
        (0..commits).for_each(|_| work::commit(&*store, sample.batch(peers)));
        print(&format!("commit_{peers}"), commits);
    }
}
