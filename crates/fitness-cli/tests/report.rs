//! `report`: files that were written by the store itself, and files that were not.

mod common;

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
use serde_json::{Value, json};

const US: NodeId = NodeId([2; 33]);
const OTHER: NodeId = NodeId([3; 33]);
const PEER_A: NodeId = NodeId([0x0a; 33]);
const PEER_B: NodeId = NodeId([0x0b; 33]);

fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A has two channels and was off from hour 3 to 4; B is watched, and offline since hour 2.
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

fn store(store: &RedbStore, observer: NodeId, changes: UnsavedChanges, heartbeat: Timestamp) {
    let record = ObserverRecord {
        started_at_ns: at(0).as_nanos(),
        first_started_at_ns: at(0).as_nanos(),
        starts: 1,
        last_heartbeat_ns: heartbeat.as_nanos(),
        ..ObserverRecord::default()
    };
    let batch = Batch { changes, observer: Some(record), ..Batch::default() };
    block_on(store.commit(&observer, Arc::new(batch))).expect("it is stored");
}

/// A file with one observer whose last heartbeat was at hour 10.
fn one_observer(path: &Path) {
    store(&RedbStore::open(path).expect("a new file"), US, history(), at(10));
}

fn report(path: &Path, args: &[&str]) -> Output {
    ldk_fitness().arg("report").arg(path).args(args).output().expect("it runs")
}

fn report_json(path: &Path, args: &[&str]) -> Value {
    let output = report(path, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

#[test]
fn a_file_answers_for_its_last_heartbeat() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    one_observer(&path);
    let before = std::fs::read(&path).expect("it is there");

    let document = report_json(&path, &["--sort", "peer"]);
    assert_eq!(document["at_ns"], T0 + 10 * HOUR);
    let (a, b) = (&document["peers"][0], &document["peers"][1]);
    assert_eq!(a["node_id"], PEER_A.to_string());
    assert_eq!((&a["online"], &a["since_ns"]), (&json!(true), &json!(T0 + 4 * HOUR)));
    assert_eq!((&a["flap_count"], &a["disconnects"]), (&json!(2), &json!(1)));
    assert_eq!((&b["online"], &b["since_ns"]), (&json!(false), &json!(T0 + 2 * HOUR)));
    let channels = document["channels"].as_array().expect("a list");
    let numbers: Vec<_> = channels
        .iter()
        .map(|it| [&it["lifetime_ns"], &it["observed_ns"], &it["uptime_ns"]].map(Value::as_u64))
        .collect();
    assert_eq!(
        numbers,
        [[10 * HOUR, 10 * HOUR, 9 * HOUR].map(Some), [8 * HOUR, 8 * HOUR, 7 * HOUR].map(Some)]
    );
    assert_eq!(document["observers"][0]["node_id"], US.to_string());
    assert_eq!(document["observers"][0]["heartbeat_ns"], T0 + 10 * HOUR);

    let table = "\
Observer 020202…0202
2 peers, 2 channels, at 2026-01-01T10:00:00Z

peer       channel    lifetime  observed  uptime   avail-  flaps  last    state    for
                                                  ability         flap                     -10h 00m             now
-------------------------------------------------------------------------------------------------------------------
0b0b…0b0b  -           10h 00m    9h 00m  1h 00m  11.11 %      1  8h 00m  offline  8h 00m  ··██▆▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
0a0a…0a0a  0101…0101   10h 00m   10h 00m  9h 00m  90.00 %      2  6h 00m  online   6h 00m  ███████▃▁▄██████████████
           0202…0202    8h 00m    8h 00m  7h 00m  87.50 %

A mark is 25m 00s: █ online, ▂ to ▇ in part, ▁ offline, · unobserved

We watched 10h 00m of 10h 00m (100.00 %) since 2026-01-01T00:00:00Z.
";
    let mut command = ldk_fitness();
    let output = command.env("COLUMNS", "120").arg("report").arg(&path).output().expect("it runs");
    assert_eq!(stdout(&output), table);
    assert_eq!(std::fs::read(&path).expect("it is there"), before, "asking changes nothing");
}

#[test]
fn after_the_heartbeat_nothing_is_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    one_observer(&path);
    let document = report_json(&path, &["--at", "2026-01-02T00:00:00Z", "--sort", "peer"]);
    let (peer, channel) = (&document["peers"][0], &document["channels"][0]);
    assert_eq!((&peer["online"], &peer["since_ns"]), (&Value::Null, &json!(T0 + 10 * HOUR)));
    assert_eq!(channel["lifetime_ns"], 24 * HOUR);
    assert_eq!((&channel["observed_ns"], &channel["uptime_ns"]), (&json!(10 * HOUR), &json!(9 * HOUR)));
    assert_eq!(channel["availability"], 0.9);
    let far = report_json(&path, &["--at", "2400-01-01T00:00:00Z", "--sort", "peer"]);
    assert_eq!(far["channels"][0]["uptime_ns"], 9 * HOUR);
}

#[test]
fn a_window_is_read_from_the_stored_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    one_observer(&path);
    let document = report_json(&path, &["--window", "7h", "--sort", "peer"]);
    let spans = |entry: &Value| {
        let window = &entry["window"];
        ["length_ns", "observed_ns", "uptime_ns", "uptime_error_ns"].map(|name| window[name].as_u64())
    };
    // From hour 3 to 10: A was off for the first of them, B for all.
    let a = [7 * HOUR, 7 * HOUR, 6 * HOUR, 0].map(Some);
    assert_eq!(
        document["peers"].as_array().expect("a list").iter().map(spans).collect::<Vec<_>>(),
        [a, [7 * HOUR, 7 * HOUR, 0, 0].map(Some)]
    );
    assert_eq!(
        document["channels"].as_array().expect("a list").iter().map(spans).collect::<Vec<_>>(),
        [a, a]
    );
    // A channel's window begins with the channel.
    let document = report_json(&path, &["--window", "9h", "--sort", "peer"]);
    assert_eq!(spans(&document["channels"][1]), [8 * HOUR, 8 * HOUR, 7 * HOUR, 0].map(Some));
}

#[test]
fn before_the_heartbeat_it_cannot_be_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    one_observer(&path);
    let output = report(&path, &["--at", "2026-01-01T09:59:59Z"]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    let parts = ["fitness.redb", "2026-01-01T09:59:59Z", "2026-01-01T10:00:00Z", "leave --at out"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_change_after_the_last_heartbeat_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    store(&RedbStore::open(&path).expect("a new file"), US, history(), at(3));
    let document = report_json(&path, &["--sort", "peer"]);
    assert_eq!(document["at_ns"], T0 + 4 * HOUR);
    assert_eq!(document["peers"][0]["online"], true);
    assert_eq!(document["peers"][0]["uptime_ns"], 3 * HOUR);
    assert_eq!(document["peers"][1]["online"], Value::Null, "nobody looked at B in the last hour");
}

#[test]
fn several_observers_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let file = RedbStore::open(&path).expect("a new file");
    store(&file, US, history(), at(10));
    store(&file, OTHER, history(), at(5));
    drop(file);

    let all = report_json(&path, &[]);
    assert_eq!(all["at_ns"], Value::Null, "they were not asked about one moment");
    assert_eq!(all["observers"][1]["at_ns"], T0 + 5 * HOUR);
    let observers = |list: &str| -> Vec<String> {
        let entries = all[list].as_array().expect("a list").iter();
        entries.map(|entry| entry["observer"].as_str().expect("its observer").to_owned()).collect()
    };
    assert_eq!(observers("peers"), [US, US, OTHER, OTHER].map(|id| id.to_string()));
    assert_eq!(observers("channels"), [US, US, OTHER, OTHER].map(|id| id.to_string()));
    let table = stdout(&report(&path, &[]));
    assert_eq!(table.matches("Observer ").count(), 2);
    assert_eq!(table.matches("\n\nObserver ").count(), 1, "{table}");

    let one = report_json(&path, &["--observer", &OTHER.to_string()]);
    assert_eq!(one["at_ns"], T0 + 5 * HOUR);
    assert_eq!(one["observers"].as_array().map(Vec::len), Some(1));
    assert!(one["peers"][0].get("observer").is_none());

    let output = report(&path, &["--observer", &PEER_A.to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(&US.to_string()), "it says who is there: {}", stderr(&output));
    assert_eq!(report(&path, &["--observer", "02"]).status.code(), Some(2));
}

#[test]
fn many_peers_come_in_pages() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..2_500_u16 {
        let mut node_id = NodeId([2; 33]);
        node_id.0[31..].copy_from_slice(&number.to_be_bytes());
        tracker.apply(at(0), &Event::Watch { node_id });
    }
    let mut changes = UnsavedChanges::default();
    tracker.drain_changes(usize::MAX, &mut changes);
    store(&RedbStore::open(&path).expect("a new file"), US, changes, at(1));
    assert_eq!(report_json(&path, &[])["peers"].as_array().map(Vec::len), Some(2_500));
}

#[test]
fn an_empty_file_of_ours_is_an_empty_answer() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    drop(RedbStore::open(&path).expect("a new file"));
    assert_eq!(report_json(&path, &[]), json!({"at_ns": null, "peers": [], "channels": []}));
    assert_eq!(stdout(&report(&path, &[])), "Nothing has been recorded yet.\n");
}

#[test]
fn files_that_are_not_ours_are_named_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing.redb");
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "not a database\n".repeat(1_000)).expect("it can be written");
    let real = directory.path().join("fitness.redb");
    one_observer(&real);
    let cut = directory.path().join("cut.redb");
    let whole = std::fs::read(&real).expect("it is there");
    std::fs::write(&cut, &whole[..whole.len() / 3]).expect("it can be written");

    for path in [missing.as_path(), &text, &cut, directory.path()] {
        let before = std::fs::read(path).ok();
        let output = report(path, &["--json"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        assert!(message.starts_with("error: ") && message.contains(&path.display().to_string()), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert_eq!(std::fs::read(path).ok(), before);
    }
    assert!(!missing.exists(), "asking makes no files");
}

#[test]
fn a_file_in_use_is_said_to_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    let file = RedbStore::open(&path).expect("a new file");
    store(&file, US, history(), Timestamp::from_nanos(T0 + SECOND));
    let output = report(&path, &[]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("fitness.redb") && message.contains("in use by another process"), "{message}");
}
