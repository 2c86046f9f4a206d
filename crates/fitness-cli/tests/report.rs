//! `report` on redb files, and on files that are not stores.

mod common;
mod golden;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use common::{HOUR, SECOND, T0, ldk_fitness, stderr, stdout};
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, ObserverRecord, Timestamp, Tracker, TrackerConfig,
    UnsavedChanges,
};
use fitness_store::{Batch, Store as _};
use fitness_store_redb::RedbStore;
use golden::assert_golden;
use serde_json::{Value, json};

const OBSERVER_A: NodeId = NodeId([2; 33]);
const OBSERVER_B: NodeId = NodeId([3; 33]);
const PEER_A: NodeId = NodeId([0x0a; 33]);
const PEER_B: NodeId = NodeId([0x0b; 33]);

fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("start a runtime").block_on(future)
}

/// Peer A has two channels and was offline from hour 3 to hour 4. Peer B is watched, and offline since hour
/// 2.
fn history() -> UnsavedChanges {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    let opened = |number, online| {
        let channel_id = ChannelId([number; 32]);
        Event::ChannelOpened(ChannelOpened { channel_id, node_id: PEER_A, funding: None, online })
    };
    tracker.apply(at(0), &opened(1, Some(true)));
    tracker.apply(at(0), &Event::Watch { node_id: PEER_B });
    tracker.apply(at(1), &Event::PeerOnline { node_id: PEER_B });
    tracker.apply(at(2), &Event::PeerOffline { node_id: PEER_B });
    tracker.apply(at(2), &opened(2, None));
    tracker.apply(at(3), &Event::PeerOffline { node_id: PEER_A });
    tracker.apply(at(4), &Event::PeerOnline { node_id: PEER_A });
    let mut changes = UnsavedChanges::default();
    assert!(!tracker.drain_changes(usize::MAX, &mut changes));
    changes
}

fn commit(store: &RedbStore, observer: NodeId, changes: UnsavedChanges, heartbeat: Timestamp) {
    let record = ObserverRecord {
        started_at_ns: at(0).as_nanos(),
        first_started_at_ns: at(0).as_nanos(),
        starts: 1,
        last_heartbeat_ns: heartbeat.as_nanos(),
        ..ObserverRecord::default()
    };
    let batch = Batch { changes, observer: Some(record), ..Batch::default() };
    block_on(store.commit(&observer, Arc::new(batch))).expect("commit the batch");
}

/// Creates a store with one observer, whose last heartbeat is at hour 10.
fn create_store_with_one_observer(path: &Path) {
    commit(&RedbStore::open(path).expect("create the store"), OBSERVER_A, history(), at(10));
}

fn report(path: &Path, args: &[&str]) -> Output {
    ldk_fitness().arg("report").arg(path).args(args).output().expect("run the program")
}

fn report_json(path: &Path, args: &[&str]) -> Value {
    let output = report(path, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("parse the JSON document")
}

#[test]
fn report_is_as_of_the_last_heartbeat() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    create_store_with_one_observer(&path);
    let before = std::fs::read(&path).expect("read the file");

    let document = report_json(&path, &["--sort", "peer"]);
    assert_eq!(document["at_ns"], T0 + 10 * HOUR);
    let (a, b) = (&document["peers"][0], &document["peers"][1]);
    assert_eq!(a["node_id"], PEER_A.to_string());
    assert_eq!((&a["presence"], &a["presence_since_ns"]), (&json!("online"), &json!(T0 + 4 * HOUR)));
    assert_eq!((&a["flap_count"], &a["disconnects"]), (&json!(2), &json!(1)));
    assert_eq!((&b["presence"], &b["presence_since_ns"]), (&json!("offline"), &json!(T0 + 2 * HOUR)));
    let channels = document["channels"].as_array().expect("an array");
    let numbers: Vec<_> = channels
        .iter()
        .map(|it| [&it["lifetime_ns"], &it["observed_ns"], &it["uptime_ns"]].map(Value::as_u64))
        .collect();
    assert_eq!(
        numbers,
        [[10 * HOUR, 10 * HOUR, 9 * HOUR].map(Some), [8 * HOUR, 8 * HOUR, 7 * HOUR].map(Some)]
    );
    assert_eq!(document["observers"][0]["observer"], OBSERVER_A.to_string());
    assert_eq!(document["observers"][0]["last_heartbeat_ns"], T0 + 10 * HOUR);

    let mut command = ldk_fitness();
    let output = command.env("COLUMNS", "120").arg("report").arg(&path).output().expect("run the program");
    assert_golden("report-120.txt", &stdout(&output));
    assert_eq!(std::fs::read(&path).expect("read the file"), before, "the store is not changed");
}

#[test]
fn time_after_the_last_heartbeat_is_unobserved() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    create_store_with_one_observer(&path);
    let document = report_json(&path, &["--at", "2026-01-02T00:00:00Z", "--sort", "peer"]);
    let (peer, channel) = (&document["peers"][0], &document["channels"][0]);
    assert_eq!(peer["presence"], "unobserved");
    assert_eq!(peer["presence_since_ns"], T0 + 10 * HOUR);
    assert_eq!(channel["lifetime_ns"], 24 * HOUR);
    assert_eq!((&channel["observed_ns"], &channel["uptime_ns"]), (&json!(10 * HOUR), &json!(9 * HOUR)));
    assert_eq!(channel["availability"], 0.9);
    let far = report_json(&path, &["--at", "2400-01-01T00:00:00Z", "--sort", "peer"]);
    assert_eq!(far["channels"][0]["uptime_ns"], 9 * HOUR);
}

#[test]
fn window_is_computed_from_the_stored_log() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    create_store_with_one_observer(&path);
    let document = report_json(&path, &["--window", "7h", "--sort", "peer"]);
    let times = |entry: &Value| {
        let window = &entry["window"];
        ["length_ns", "observed_ns", "uptime_ns", "uptime_error_ns"].map(|name| window[name].as_u64())
    };
    // From hour 3 to 10, A was offline for the first hour and B for all seven.
    let a = [7 * HOUR, 7 * HOUR, 6 * HOUR, 0].map(Some);
    assert_eq!(
        document["peers"].as_array().expect("an array").iter().map(times).collect::<Vec<_>>(),
        [a, [7 * HOUR, 7 * HOUR, 0, 0].map(Some)]
    );
    assert_eq!(
        document["channels"].as_array().expect("an array").iter().map(times).collect::<Vec<_>>(),
        [a, a]
    );
    // The window of a channel starts no earlier than the channel.
    let document = report_json(&path, &["--window", "9h", "--sort", "peer"]);
    assert_eq!(times(&document["channels"][1]), [8 * HOUR, 8 * HOUR, 7 * HOUR, 0].map(Some));
}

#[test]
fn time_before_the_last_heartbeat_is_rejected() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    create_store_with_one_observer(&path);
    let output = report(&path, &["--at", "2026-01-01T09:59:59Z"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    let parts = ["fitness.redb", "2026-01-01T09:59:59Z", "2026-01-01T10:00:00Z", "--at"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn change_after_the_last_heartbeat_counts_as_observed() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    commit(&RedbStore::open(&path).expect("create the store"), OBSERVER_A, history(), at(3));
    let document = report_json(&path, &["--sort", "peer"]);
    assert_eq!(document["at_ns"], T0 + 4 * HOUR);
    assert_eq!(document["peers"][0]["presence"], "online");
    assert_eq!(document["peers"][0]["uptime_ns"], 3 * HOUR);
    assert_eq!(document["peers"][1]["presence"], "unobserved", "no heartbeat in the last hour");
}

#[test]
fn each_observer_has_a_section() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    let file = RedbStore::open(&path).expect("create the store");
    commit(&file, OBSERVER_A, history(), at(10));
    commit(&file, OBSERVER_B, history(), at(5));
    drop(file);

    let all = report_json(&path, &[]);
    assert_eq!(all["at_ns"], Value::Null, "the sections are as of different times");
    assert_eq!(all["observers"][1]["at_ns"], T0 + 5 * HOUR);
    let observers = |list: &str| -> Vec<String> {
        let entries = all[list].as_array().expect("an array").iter();
        entries.map(|entry| entry["observer"].as_str().expect("an observer").to_owned()).collect()
    };
    assert_eq!(observers("peers"), [OBSERVER_A, OBSERVER_A, OBSERVER_B, OBSERVER_B].map(|id| id.to_string()));
    assert_eq!(
        observers("channels"),
        [OBSERVER_A, OBSERVER_A, OBSERVER_B, OBSERVER_B].map(|id| id.to_string())
    );
    let table = stdout(&report(&path, &[]));
    assert_eq!(table.matches("Observer ").count(), 2);
    assert_eq!(table.matches("\n\nObserver ").count(), 1, "{table}");

    let one = report_json(&path, &["--observer", &OBSERVER_B.to_string()]);
    assert_eq!(one["at_ns"], T0 + 5 * HOUR);
    assert_eq!(one["observers"].as_array().map(Vec::len), Some(1));
    assert!(one["peers"][0].get("observer").is_none());

    let output = report(&path, &["--observer", &PEER_A.to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&OBSERVER_A.to_string()), "{}", stderr(&output));
    assert_eq!(report(&path, &["--observer", "02"]).status.code(), Some(2));
}

#[test]
fn peers_are_read_in_several_pages() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..2_500_u16 {
        let mut node_id = NodeId([2; 33]);
        node_id.0[31..].copy_from_slice(&number.to_be_bytes());
        tracker.apply(at(0), &Event::Watch { node_id });
    }
    let mut changes = UnsavedChanges::default();
    tracker.drain_changes(usize::MAX, &mut changes);
    commit(&RedbStore::open(&path).expect("create the store"), OBSERVER_A, changes, at(1));
    assert_eq!(report_json(&path, &[])["peers"].as_array().map(Vec::len), Some(2_500));
}

#[test]
fn empty_store_has_an_empty_report() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    drop(RedbStore::open(&path).expect("create the store"));
    assert_eq!(report_json(&path, &[]), json!({"at_ns": null, "peers": [], "channels": []}));
    assert_eq!(stdout(&report(&path, &[])).lines().count(), 1);
}

#[test]
fn files_that_are_not_stores_are_rejected_and_not_changed() {
    let directory = tempfile::tempdir().expect("create a directory");
    let missing = directory.path().join("missing.redb");
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "not a database\n".repeat(1_000)).expect("write the file");
    let valid = directory.path().join("fitness.redb");
    create_store_with_one_observer(&valid);
    let truncated = directory.path().join("truncated.redb");
    let content = std::fs::read(&valid).expect("read the file");
    std::fs::write(&truncated, &content[..content.len() / 3]).expect("write the file");

    for path in [missing.as_path(), &text, &truncated, directory.path()] {
        let before = std::fs::read(path).ok();
        let output = report(path, &["--json"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        assert!(message.starts_with("error: ") && message.contains(&path.display().to_string()), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert_eq!(std::fs::read(path).ok(), before);
    }
    assert!(!missing.exists(), "no file is created");
}

#[test]
fn store_in_use_is_reported() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("fitness.redb");
    let file = RedbStore::open(&path).expect("create the store");
    commit(&file, OBSERVER_A, history(), Timestamp::from_nanos(T0 + SECOND));
    let output = report(&path, &[]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("fitness.redb") && message.contains("in use"), "{message}");
}
