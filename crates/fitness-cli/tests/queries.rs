//! Queries of stored history: coverage and gaps, single peers, timelines, buckets and sort keys.

mod common;
mod golden;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use common::{HOUR, SECOND, T0, data, ldk_fitness, stderr, stdout};
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, Timestamp, Tracker, TrackerConfig, UnsavedChanges,
};
use fitness_store::{Batch, Store as _};
use fitness_store_redb::RedbStore;
use golden::assert_golden;
use serde_json::{Value, json};

const OBSERVER: NodeId = NodeId([2; 33]);
/// Has two channels, one of them unusable.
const TWO_CHANNELS: NodeId = NodeId([0x0a; 33]);
/// Untracked since hour 20.
const UNTRACKED: NodeId = NodeId([0x0b; 33]);
const WATCHED: NodeId = NodeId([0x0c; 33]);

fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

fn opened(number: u8, node_id: NodeId) -> Event {
    let channel_id = ChannelId([number; 32]);
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online: Some(true) })
}

/// The events that two processes recorded: one until hour 24, and one from hour 30 to hour 48.
fn events(process: u8) -> Vec<(Timestamp, Event)> {
    let online = |node_id| Event::PeerOnline { node_id };
    let offline = |node_id| Event::PeerOffline { node_id };
    let usable = |number, usable| Event::ChannelUsable { channel_id: ChannelId([number; 32]), usable };
    if process == 1 {
        return vec![
            (at(0), opened(1, TWO_CHANNELS)),
            (at(0), usable(1, true)),
            (at(0), opened(3, UNTRACKED)),
            (at(0), Event::Watch { node_id: WATCHED }),
            (at(1), online(WATCHED)),
            (at(6), opened(2, TWO_CHANNELS)),
            (at(8), offline(TWO_CHANNELS)),
            (at(9), online(TWO_CHANNELS)),
            (at(12), Event::ObservationPaused),
            (at(13), Event::ObservationResumed),
            (at(13), online(TWO_CHANNELS)),
            (at(13), online(UNTRACKED)),
            (at(13), online(WATCHED)),
            (at(20), Event::ChannelClosed { channel_id: ChannelId([3; 32]) }),
        ];
    }
    vec![
        (at(30), online(TWO_CHANNELS)),
        (at(30), online(WATCHED)),
        (at(30), usable(1, true)),
        (at(30), usable(2, false)),
        (at(40), offline(TWO_CHANNELS)),
        (at(43), online(TWO_CHANNELS)),
        (at(43), usable(1, true)),
        (at(43), usable(2, false)),
    ]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("start a runtime").block_on(future)
}

/// Stores the history of both processes. The last heartbeats are at hours 24 and 48.
fn create_store(path: &Path) {
    let store = RedbStore::open(path).expect("create the store");
    for (process, heartbeat) in [(1, 24), (2, 48)] {
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        if let Some(record) = block_on(store.observer(&OBSERVER)).expect("read the observer") {
            tracker
                .resume_observer(&record, &block_on(store.gaps(&OBSERVER, 0, 100)).expect("read the gaps"));
        }
        for record in block_on(store.peers(&OBSERVER, None, 100)).expect("read the peers") {
            tracker.resume_peer(&record);
        }
        for (at, event) in events(process) {
            tracker.apply(at, &event);
        }
        let mut changes = UnsavedChanges::default();
        assert!(!tracker.drain_changes(usize::MAX, &mut changes));
        let observer = Some(tracker.observer_record(at(heartbeat)));
        let batch = Batch { changes, observer, ..Batch::default() };
        block_on(store.commit(&OBSERVER, Arc::new(batch))).expect("commit the batch");
    }
}

/// A store in a temporary directory.
struct StoreFile {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl StoreFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("create a directory");
        let path = directory.path().join("fitness.redb");
        create_store(&path);
        Self { _directory: directory, path }
    }

    fn report(&self, args: &[&str]) -> Output {
        ldk_fitness()
            .env("COLUMNS", "80")
            .arg("report")
            .arg(&self.path)
            .args(args)
            .output()
            .expect("run the program")
    }

    fn text(&self, args: &[&str]) -> String {
        let output = self.report(args);
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
        stdout(&output)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[&["--json"], args].concat())).expect("parse the JSON document")
    }
}

fn hours(value: &Value) -> u64 {
    let ns = value.as_u64().expect("an integer");
    assert_eq!(ns % HOUR, 0, "{ns}");
    ns / HOUR
}

#[test]
fn report_has_coverage_and_gaps() {
    let store = StoreFile::new();
    let document = store.json(&[]);
    let coverage = &document["coverage"][0];
    assert_eq!((hours(&coverage["lifetime_ns"]), hours(&coverage["monitored_ns"])), (48, 41));
    assert_eq!(coverage["starts"], 2);
    assert_eq!(coverage["not_running"], json!({"count": 1, "length_ns": 6 * HOUR}));
    assert_eq!(coverage["paused"], json!({"count": 1, "length_ns": HOUR}));
    assert_eq!(coverage["ongoing_gap"], Value::Null);
    let gaps = coverage["gaps"].as_array().expect("an array");
    let causes: Vec<_> = gaps.iter().map(|gap| gap["cause"].as_str().expect("a cause")).collect();
    assert_eq!(causes, ["paused", "not_running"]);
    assert_golden("report-80.txt", &store.text(&[]));
}

#[test]
fn time_after_the_last_heartbeat_is_an_ongoing_gap() {
    let store = StoreFile::new();
    let stored = &store.json(&[])["coverage"][0];
    let args = ["--at", "2026-01-03T10:00:00Z"];
    let later = &store.json(&args)["coverage"][0];
    assert_eq!((hours(&later["lifetime_ns"]), hours(&later["monitored_ns"])), (58, 41));
    assert_eq!((&later["starts"], &later["started_at_ns"]), (&json!(2), &stored["started_at_ns"]));
    assert_eq!((&later["not_running"]["count"], &later["paused"]["count"]), (&json!(1), &json!(1)));
    let ongoing =
        json!({"cause": "not_running", "from_ns": T0 + 48 * HOUR, "to_ns": T0 + 58 * HOUR, "ongoing": true});
    assert_eq!(later["ongoing_gap"], ongoing);
    assert_eq!(later["gaps"].as_array().and_then(|gaps| gaps.last()), Some(&ongoing));
    assert_golden("report-80-ongoing-gap.txt", &store.text(&args));
}

#[test]
fn window_has_only_the_gaps_in_it() {
    let store = StoreFile::new();
    let gaps = &store.json(&["--window", "24h"])["coverage"][0]["gaps"];
    assert_eq!(gaps.as_array().map(Vec::len), Some(1), "{gaps}");
}

#[test]
fn only_the_latest_gaps_are_listed_without_the_gaps_option() {
    let line = |at: u64, event: &str| format!("{{\"at_ns\": {at}, \"event\": \"{event}\"}}\n");
    let mut trace = format!("{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{WATCHED}\"}}\n");
    for hour in (1..20).step_by(2) {
        trace += &(line(T0 + hour * HOUR, "observation_paused")
            + &line(T0 + hour * HOUR + 60 * SECOND, "observation_resumed"));
    }
    let latest = stdout(&common::replay(trace.clone(), &[]));
    assert_eq!(latest.matches("\npaused ").count(), 5);
    assert!(latest.lines().last().is_some_and(|line| line.starts_with("5 ") && line.contains("--gaps")));
    let all = stdout(&common::replay(trace.clone(), &["--gaps"]));
    assert_eq!(all.matches("\npaused ").count(), 10);
    let json = common::replay_json(trace, &[]);
    assert_eq!(json["coverage"][0]["gaps"].as_array().map(Vec::len), Some(10));
}

#[test]
fn window_has_outage_statistics() {
    let store = StoreFile::new();
    let document = store.json(&["--window", "lifetime", "--peer", "0a"]);
    let outages = &document["peers"][0]["window"]["outages"];
    let expected = json!({
        "disconnects": 2, "mean_time_between_disconnects_ns": 37 * HOUR / 2, "median_recovery_ns": 2 * HOUR,
        "longest_recovery_ns": 3 * HOUR, "longest_outage_ns": 3 * HOUR, "complete": true,
    });
    assert_eq!(outages, &expected);
    let channels = document["channels"].as_array().expect("an array");
    assert_eq!(channels[0]["window"]["outages"], expected);
    for channel in channels {
        let (window, whole) = (&channel["window"], &channel["windows"]["lifetime"]);
        assert_eq!(
            (&window["uptime_ns"], &whole["uptime_ns"]),
            (&channel["uptime_ns"], &channel["uptime_ns"])
        );
        assert_eq!(window["from_ns"], channel["opened_at_ns"]);
        assert_eq!(window["presence"], "online", "as of the last heartbeat");
    }
    let day = store.json(&["--window", "24h", "--peer", "0a"]);
    assert_eq!(day["peers"][0]["window"]["outages"]["median_recovery_ns"], 3 * HOUR);
    let windows = document["peers"][0]["windows"].as_object().expect("an object");
    assert_eq!(windows.keys().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(windows["24h"], day["peers"][0]["window"]);

    assert_golden("report-80-window.txt", &store.text(&["--window", "lifetime", "--all"]));
}

#[test]
fn peer_is_selected_by_a_prefix_of_its_id() {
    let store = StoreFile::new();
    for prefix in ["0a", "0A0a0", &TWO_CHANNELS.to_string()] {
        let document = store.json(&["--peer", prefix]);
        assert_eq!(document["peers"].as_array().map(Vec::len), Some(1));
        assert_eq!(document["peers"][0]["node_id"], TWO_CHANNELS.to_string());
    }
    assert_eq!(store.json(&["--peer", "0b"])["peers"][0]["untracked_at_ns"], T0 + 20 * HOUR, "without --all");
    let ambiguous = store.report(&["--peer", "0"]);
    assert_eq!(ambiguous.status.code(), Some(2));
    for id in [TWO_CHANNELS, UNTRACKED, WATCHED] {
        assert!(stderr(&ambiguous).contains(&id.to_string()), "{}", stderr(&ambiguous));
    }
    let unknown = store.report(&["--peer", "ff"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("ff") && stderr(&unknown).contains('3'), "{}", stderr(&unknown));
    for prefix in ["", "peer", &"0".repeat(67)] {
        let output = store.report(&["--peer", prefix]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--peer"), "{}", stderr(&output));
    }
}

#[test]
fn peer_has_timeline_and_buckets() {
    let store = StoreFile::new();
    let text = store.text(&["--peer", "0a", "--timeline", "--buckets", "day"]);
    assert_golden("report-80-peer.txt", &text);
    let document = store.json(&["--peer", "0a", "--timeline", "--buckets", "hour", "--window", "12h"]);
    let peer = &document["peers"][0];
    assert_eq!(peer["buckets"].as_array().map(Vec::len), Some(12));
    assert_eq!(peer["buckets"][4]["availability"], 0.0);
    let presences: Vec<_> =
        peer["timeline"].as_array().expect("an array").iter().map(|it| &it["presence"]).collect();
    assert_eq!(presences, ["online", "offline", "online"]);
}

#[test]
fn unusable_channel_is_shown() {
    let store = StoreFile::new();
    let text = store.text(&["--sort", "peer"]);
    let states: Vec<_> = text.lines().filter(|line| line.ends_with("unusable")).collect();
    assert_eq!(states.len(), 1, "{text}");
    assert!(states[0].contains("0202…0202"), "{text}");
    assert!(text.contains(" usable "), "{text}");
    let channels = &store.json(&["--peer", "0a"])["channels"];
    assert_eq!((&channels[0]["usable"], &channels[1]["usable"]), (&json!(true), &json!(false)));
    assert_eq!(channels[1]["usable_ns"], 0);
    assert!(hours(&channels[0]["usable_ns"]) > 20);
}

#[test]
fn untracked_peers_are_included_with_all() {
    let store = StoreFile::new();
    assert!(!store.text(&[]).contains(" untracked"));
    let text = store.text(&["--all"]);
    assert_eq!(text.matches(" untracked").count(), 1, "{text}");
    let document = store.json(&["--all", "--sort", "peer"]);
    assert_eq!(document["peers"][1]["untracked_at_ns"], T0 + 20 * HOUR);
    assert_eq!(document["peers"][0]["untracked_at_ns"], Value::Null);
}

#[test]
fn every_sort_key_works_in_both_directions() {
    let help = stdout(&ldk_fitness().args(["report", "--help"]).output().expect("run the program"));
    let listed = help.split("--sort ").nth(1).and_then(|rest| rest.split("[default").next()).expect("a list");
    let keys: Vec<&str> =
        listed.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next()).collect();
    assert_eq!(keys.len(), 17, "{keys:?}");
    let store = StoreFile::new();
    let order = |sort: &str| -> Vec<Value> {
        let document = store.json(&["--all", "--window", "lifetime", "--sort", sort]);
        document["peers"].as_array().expect("an array").iter().map(|peer| peer["node_id"].clone()).collect()
    };
    for key in keys {
        let (asc, desc, default) = (order(&format!("{key}:asc")), order(&format!("{key}:desc")), order(key));
        assert!(default == asc || default == desc, "{key}");
        assert_eq!(asc.len(), 3);
    }
    let ids = |ids: [NodeId; 3]| ids.map(|id| Value::from(id.to_string())).to_vec();
    assert_eq!(order("disconnects"), ids([TWO_CHANNELS, UNTRACKED, WATCHED]));
    let longest_recovery = order("longest-recovery:asc");
    assert_eq!(longest_recovery, ids([TWO_CHANNELS, UNTRACKED, WATCHED]), "unknown values are last");
    assert_eq!(order("peer:desc"), ids([WATCHED, UNTRACKED, TWO_CHANNELS]));
    assert_eq!(order("state"), ids([TWO_CHANNELS, UNTRACKED, WATCHED]));
    assert_eq!(order("observed:asc"), ids([UNTRACKED, TWO_CHANNELS, WATCHED]), "by the younger channel");
}

#[test]
fn sort_keys_of_windows_need_a_window() {
    let store = StoreFile::new();
    for key in ["mtbd", "median-recovery", "longest-recovery", "longest-outage"] {
        let output = store.report(&["--sort", key]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--window"), "{}", stderr(&output));
    }
    assert_eq!(store.report(&["--sort", "disconnects"]).status.code(), Some(0));
}

#[test]
fn compare_ranks_watched_nodes() {
    let store = StoreFile::new();
    let mut command = ldk_fitness();
    let output = command.env("COLUMNS", "100").arg("compare").arg(&store.path).output();
    assert_golden("compare-100.txt", &stdout(&output.expect("run the program")));
}

#[test]
fn ascii_output_has_only_ascii_characters() {
    let store = StoreFile::new();
    let text = store.text(&["--ascii", "--all", "--window", "36h"]);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("#") && text.contains("_") && text.contains("0a0a..0a0a"), "{text}");
    assert!(!store.text(&["--all"]).is_ascii(), "pipes are UTF-8");
    assert!(!text.contains('\x1b'));
    let coloured = store.text(&["--color", "always"]);
    assert!(coloured.contains("\x1b[32m█") && coloured.contains("\x1b[31m▁"), "{coloured}");
}

#[test]
fn lines_fit_the_width() {
    let store = StoreFile::new();
    for width in [80_usize, 81, 90, 100, 110, 120, 140, 200] {
        for args in [
            &["--all"][..],
            &["--window", "7d"],
            &["--window", "lifetime", "--all", "--gaps"],
            &["--peer", "0a", "--timeline", "--buckets", "hour"],
        ] {
            let mut command = ldk_fitness();
            let output = command.env("COLUMNS", width.to_string()).arg("report").arg(&store.path).args(args);
            for line in stdout(&output.output().expect("run the program")).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn every_json_field_is_documented() {
    fn collect(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    names.insert(name.clone());
                    collect(value, names);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    let store = StoreFile::new();
    let everything = ["--all", "--window", "7d", "--timeline", "--buckets", "day"];
    collect(&store.json(&everything), &mut names);
    collect(&store.json(&["--peer", "0a"]), &mut names);
    let trace = std::fs::read(data("small.jsonl")).expect("read the trace");
    collect(&common::replay_json(trace, &["--preset", "lnd-0.19"]), &mut names);
    assert!(names.len() > 50, "{names:?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/json.md");
    let text = std::fs::read_to_string(path).expect("read the reference");
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
