//! Tests of the example store, which is also the store of docs/writing-a-backend.md.
#![cfg(feature = "conformance")]

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/single_file_store.rs"]
mod single_file_store;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fitness_core::{NodeId, ObserverRecord};
use fitness_store::conformance::{Harness, block_on};
use fitness_store::{Batch, Store, StoreError};
use single_file_store::SingleFileStore;
use tempfile::TempDir;

// --- fitness: begin 1
/// A temporary directory that is deleted with the harness.
struct TempDirHarness(TempDir);

impl Harness for TempDirHarness {
    type Store = SingleFileStore;

    fn build() -> Self {
        Self(TempDir::new().expect("creating a temporary directory failed"))
    }

    fn open(&self) -> SingleFileStore {
        SingleFileStore::open(self.0.path()).expect("opening the store failed")
    }
}

fitness_store::conformance_suite!(TempDirHarness);
// --- fitness: end

// The suite cannot test the file itself.

const OBSERVER: NodeId = NodeId([3; 33]);

fn heartbeat(last_heartbeat_ns: u64) -> ObserverRecord {
    ObserverRecord { last_heartbeat_ns, ..ObserverRecord::default() }
}

fn commit(store: &SingleFileStore, record: ObserverRecord) -> Result<(), StoreError> {
    block_on(store.commit(&OBSERVER, Arc::new(Batch { observer: Some(record), ..Batch::default() })))
}

fn stored_record(directory: &Path) -> Option<ObserverRecord> {
    block_on(SingleFileStore::open(directory).expect("opening the store failed").observer(&OBSERVER))
        .expect("reading the observer failed")
}

/// Returns a directory with a stored heartbeat of 7, and the bytes of its file.
fn directory_with_record() -> (TempDir, Vec<u8>) {
    let directory = TempDir::new().expect("creating a temporary directory failed");
    let store = SingleFileStore::open(directory.path()).expect("opening the store failed");
    commit(&store, heartbeat(7)).expect("the commit failed");
    let bytes = fs::read(directory.path().join("data")).expect("reading the file failed");
    (directory, bytes)
}

/// Writes `bytes` to the file and returns the error of opening it. Checks that the file is not changed.
fn open_error(directory: &Path, bytes: &[u8]) -> StoreError {
    fs::write(directory.join("data"), bytes).expect("writing the file failed");
    let error = SingleFileStore::open(directory).map(drop).expect_err("opening succeeded");
    assert_eq!(fs::read(directory.join("data")).expect("reading the file failed"), bytes, "the file changed");
    error
}

#[test]
fn store_cannot_be_opened_twice() {
    let (directory, _) = directory_with_record();
    let first = SingleFileStore::open(directory.path()).expect("opening the store failed");
    let second =
        SingleFileStore::open(directory.path()).map(drop).expect_err("opening a second time succeeded");
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    drop(first);
    assert_eq!(stored_record(directory.path()), Some(heartbeat(7)));
}

#[test]
fn damaged_file_is_rejected_and_not_changed() {
    let (directory, bytes) = directory_with_record();
    for offset in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 1;
        let error = open_error(directory.path(), &flipped);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let error = open_error(directory.path(), &bytes[..offset]);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn later_format_is_reported() {
    let (directory, mut bytes) = directory_with_record();
    bytes.truncate(bytes.len() - 4);
    bytes[7] = 2;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let error = open_error(directory.path(), &bytes);
    assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    bytes.truncate(bytes.len() - 4);
    bytes[0] = b'F';
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let error = open_error(directory.path(), &bytes);
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn interrupted_write_keeps_previous_data() {
    let (directory, bytes) = directory_with_record();
    fs::write(directory.path().join("new"), &bytes[..9]).expect("writing the file failed");
    assert_eq!(stored_record(directory.path()), Some(heartbeat(7)));
    let store = SingleFileStore::open(directory.path()).expect("opening the store failed");
    commit(&store, heartbeat(8)).expect("the commit failed");
    drop(store);
    assert_eq!(stored_record(directory.path()), Some(heartbeat(8)));
}

#[test]
fn failed_commit_can_be_retried() {
    let (directory, _) = directory_with_record();
    let store = SingleFileStore::open(directory.path()).expect("opening the store failed");
    // A directory with the name of the new file makes writing it fail.
    fs::create_dir(directory.path().join("new")).expect("creating the directory failed");
    let error = commit(&store, heartbeat(8)).expect_err("the commit succeeded");
    assert!(error.is_transient(), "{error}");
    assert_eq!(block_on(store.observer(&OBSERVER)).expect("reading the observer failed"), Some(heartbeat(7)));
    fs::remove_dir(directory.path().join("new")).expect("removing the directory failed");
    commit(&store, heartbeat(8)).expect("the commit failed");
    drop(store);
    assert_eq!(stored_record(directory.path()), Some(heartbeat(8)));
}
