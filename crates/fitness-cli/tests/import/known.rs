//! What the store knows already stays as it is.

use std::sync::Arc;

use fitness_core::ObserverRecord;
use fitness_store::{Batch, Store as _};
use fitness_store_redb::RedbStore;
use serde_json::json;

use crate::common::{HOUR, stderr, stdout};
use crate::support::{ACME, AT, CAROL, Place, US, block_on, channels_file, entry, peer_channel, peers_file};

#[test]
fn whom_the_store_knows_is_left_alone() {
    let place = Place::new();
    let first = place.file("first.json", peer_channel(ACME, 7, &[("100", "50")]));
    place.import_at("2026-02-01T00:00:00Z", &[&first], &[]);
    let before = place.report(&["--all"]);
    let told = place.import_json(&[&peers_file(), &channels_file()]);
    assert_eq!(told["known"], json!([ACME]));
    assert_eq!(told["imported"].as_array().map(Vec::len), Some(4));
    let document = place.report(&["--all"]);
    let (was, is) = (entry(&before, "peers", "node_id", ACME), entry(&document, "peers", "node_id", ACME));
    for name in
        ["flap_count", "last_flap_ns", "tracked_since_ns", "observed_ns", "uptime_ns", "since_ns", "imported"]
    {
        assert_eq!(was[name], is[name], "{name}");
    }
    // What is known of the observer does not begin anew.
    assert_eq!(document["observers"], {
        let mut observers = before["observers"].clone();
        observers[0]["at_ns"] = json!(AT);
        observers
    });

    let again = place.import(&[&peers_file(), &channels_file()], &[]);
    assert_eq!(again.status.code(), Some(0));
    assert!(
        stdout(&again).starts_with("ConnectTimings over 0 peers with 0 open channels"),
        "{}",
        stdout(&again)
    );
    assert!(
        stdout(&again)
            .contains(&format!("The store knew these already, and they are left as they were:\n  {CAROL}\n"))
    );
    assert_eq!(place.report(&["--all"]), document);
}

#[test]
fn a_history_that_is_there_goes_on() {
    let place = Place::new();
    let record = ObserverRecord {
        started_at_ns: AT - 9 * HOUR,
        last_heartbeat_ns: AT - HOUR,
        first_started_at_ns: AT - 99 * HOUR,
        starts: 4,
        ..ObserverRecord::default()
    };
    let store = RedbStore::open(&place.store).expect("a new file");
    let batch = Batch { observer: Some(record), ..Batch::default() };
    block_on(store.commit(&US, Arc::new(batch))).expect("it is stored");
    drop(store);
    place.import_json(&[&peers_file(), &channels_file()]);
    let store = RedbStore::open(&place.store).expect("a file");
    assert_eq!(block_on(store.observer(&US)).expect("an answer"), Some(record));
    assert_eq!(block_on(store.peers(&US, None, 99)).expect("an answer").len(), 5);
}

#[test]
fn a_store_in_use_is_not_written() {
    let place = Place::new();
    let store = RedbStore::open(&place.store).expect("a new file");
    let output = place.import(&[&peers_file()], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is in use by another process"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert_eq!(block_on(store.peers(&US, None, 9)).expect("an answer"), []);
}
