//! Existing records are not changed by an import.

use std::sync::Arc;

use fitness_core::ObserverRecord;
use fitness_store::{Batch, Store as _};
use fitness_store_redb::RedbStore;
use serde_json::json;

use crate::common::{HOUR, stderr};
use crate::support::{
    ACME, AT, OBSERVER, TestStore, block_on, channels_file, channels_json, entry, peers_file,
};

#[test]
fn existing_peers_are_not_changed() {
    let test_store = TestStore::new();
    let first = test_store.write_file("first.json", channels_json(ACME, 7, &[("100", "50")]));
    test_store.import_at("2026-02-01T00:00:00Z", &[&first], &[]);
    let before = test_store.report(&["--all"]);
    let summary = test_store.import_json(&[&peers_file(), &channels_file()]);
    assert_eq!(summary["already_stored"], json!([ACME]));
    assert_eq!(summary["imported"].as_array().map(Vec::len), Some(4));
    let document = test_store.report(&["--all"]);
    let (old, new) = (entry(&before, "peers", "node_id", ACME), entry(&document, "peers", "node_id", ACME));
    for field in [
        "flap_count",
        "last_flap_ns",
        "tracked_since_ns",
        "observed_ns",
        "uptime_ns",
        "presence_since_ns",
        "imported",
    ] {
        assert_eq!(old[field], new[field], "{field}");
    }
    // The observer's record is the same, evaluated at a later time.
    assert_eq!(document["observers"], {
        let mut observers = before["observers"].clone();
        observers[0]["at_ns"] = json!(AT);
        observers
    });

    let again = test_store.import_json(&[&peers_file(), &channels_file()]);
    assert_eq!(again["imported"], json!([]));
    assert_eq!(again["already_stored"].as_array().map(Vec::len), Some(5));
    assert_eq!(test_store.report(&["--all"]), document);
}

#[test]
fn existing_observer_record_is_kept() {
    let test_store = TestStore::new();
    let record = ObserverRecord {
        started_at_ns: AT - 9 * HOUR,
        last_heartbeat_ns: AT - HOUR,
        first_started_at_ns: AT - 99 * HOUR,
        starts: 4,
        ..ObserverRecord::default()
    };
    let store = RedbStore::open(&test_store.path).expect("a new file");
    let batch = Batch { observer: Some(record), ..Batch::default() };
    block_on(store.commit(&OBSERVER, Arc::new(batch))).expect("batch is committed");
    drop(store);
    test_store.import_json(&[&peers_file(), &channels_file()]);
    let store = RedbStore::open(&test_store.path).expect("redb file opens");
    assert_eq!(block_on(store.observer(&OBSERVER)).expect("readable store"), Some(record));
    assert_eq!(block_on(store.peers(&OBSERVER, None, 99)).expect("readable store").len(), 5);
}

#[test]
fn store_in_use_is_not_changed() {
    let test_store = TestStore::new();
    let store = RedbStore::open(&test_store.path).expect("a new file");
    let output = test_store.import(&[&peers_file()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("fitness.redb"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(block_on(store.peers(&OBSERVER, None, 9)).expect("readable store"), []);
}
