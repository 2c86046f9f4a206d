//! The store of the example, and of docs/BACKENDS.md, keeps the promises of the port.
#![cfg(feature = "conformance")]

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/one_file.rs"]
mod one_file;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fitness_core::{NodeId, ObserverRecord};
use fitness_store::conformance::{Harness, block_on};
use fitness_store::{Batch, Store, StoreError};
use one_file::OneFile;
use tempfile::TempDir;

// --- fitness: begin 1
/// A directory that is gone with the harness.
struct InDirectory(TempDir);

impl Harness for InDirectory {
    type Store = OneFile;

    fn build() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn open(&self) -> OneFile {
        OneFile::open(self.0.path()).expect("the directory opens")
    }
}

fitness_store::conformance_suite!(InDirectory);
// --- fitness: end

// What the suite cannot know of: the file.

const OURS: NodeId = NodeId([3; 33]);

fn heartbeat(heartbeat_ns: u64) -> ObserverRecord {
    ObserverRecord { last_heartbeat_ns: heartbeat_ns, ..ObserverRecord::default() }
}

fn commit(store: &OneFile, record: ObserverRecord) -> Result<(), StoreError> {
    block_on(store.commit(&OURS, Arc::new(Batch { observer: Some(record), ..Batch::default() })))
}

fn stored(directory: &Path) -> Option<ObserverRecord> {
    block_on(OneFile::open(directory).expect("it opens").observer(&OURS)).expect("an answer")
}

/// A directory in which a heartbeat is stored, and the bytes of its file.
fn filled() -> (TempDir, Vec<u8>) {
    let directory = TempDir::new().expect("a temporary directory");
    let store = OneFile::open(directory.path()).expect("it opens");
    commit(&store, heartbeat(7)).expect("it is stored");
    let bytes = fs::read(directory.path().join("data")).expect("a file");
    (directory, bytes)
}

fn refusal(directory: &Path, bytes: &[u8]) -> StoreError {
    fs::write(directory.join("data"), bytes).expect("it is written");
    let refused = OneFile::open(directory).map(drop).expect_err("it was opened");
    assert_eq!(fs::read(directory.join("data")).expect("a file"), bytes, "it was changed");
    refused
}

#[test]
fn one_process_has_it_at_a_time() {
    let (directory, _) = filled();
    let first = OneFile::open(directory.path()).expect("it opens");
    let second = OneFile::open(directory.path()).map(drop).expect_err("it was opened twice");
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    drop(first);
    assert_eq!(stored(directory.path()), Some(heartbeat(7)));
}

#[test]
fn damage_is_refused_and_left_alone() {
    let (directory, bytes) = filled();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let error = refusal(directory.path(), &flipped);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let error = refusal(directory.path(), &bytes[..place]);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_later_format_is_named() {
    let (directory, mut bytes) = filled();
    bytes.truncate(bytes.len() - 4);
    bytes[7] = 2;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let error = refusal(directory.path(), &bytes);
    assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    bytes.truncate(bytes.len() - 4);
    bytes[0] = b'F';
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let error = refusal(directory.path(), &bytes);
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn a_crash_while_it_is_written_leaves_what_was_there() {
    let (directory, bytes) = filled();
    fs::write(directory.path().join("new"), &bytes[..9]).expect("it is written");
    assert_eq!(stored(directory.path()), Some(heartbeat(7)));
    let store = OneFile::open(directory.path()).expect("it opens");
    commit(&store, heartbeat(8)).expect("it is stored");
    drop(store);
    assert_eq!(stored(directory.path()), Some(heartbeat(8)));
}

#[test]
fn a_commit_that_fails_may_be_tried_again() {
    let (directory, _) = filled();
    let store = OneFile::open(directory.path()).expect("it opens");
    // No file can be written where there is a directory.
    fs::create_dir(directory.path().join("new")).expect("a directory");
    let error = commit(&store, heartbeat(8)).expect_err("it was stored");
    assert!(error.is_transient(), "{error}");
    assert_eq!(block_on(store.observer(&OURS)).expect("an answer"), Some(heartbeat(7)));
    fs::remove_dir(directory.path().join("new")).expect("it is gone");
    commit(&store, heartbeat(8)).expect("it is stored");
    drop(store);
    assert_eq!(stored(directory.path()), Some(heartbeat(8)));
}
