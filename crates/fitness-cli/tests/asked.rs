//! What can be asked: coverage and gaps, one peer by name, timelines, hours, every column's order.

mod common;

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
use serde_json::{Value, json};

const US: NodeId = NodeId([2; 33]);
/// Has two channels, of which one cannot carry payments.
const BUSY: NodeId = NodeId([0x0a; 33]);
/// Was let go at hour 20.
const CLOSED: NodeId = NodeId([0x0b; 33]);
const WATCHED: NodeId = NodeId([0x0c; 33]);

fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

fn opened(number: u8, node_id: NodeId) -> Event {
    let channel_id = ChannelId([number; 32]);
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online: Some(true) })
}

/// Two processes: one until hour 24, one from hour 30 on, whose last heartbeat is at hour 48.
fn events(process: u8) -> Vec<(Timestamp, Event)> {
    let online = |node_id| Event::PeerOnline { node_id };
    let offline = |node_id| Event::PeerOffline { node_id };
    let usable = |number, usable| Event::ChannelUsable { channel_id: ChannelId([number; 32]), usable };
    if process == 1 {
        return vec![
            (at(0), opened(1, BUSY)),
            (at(0), usable(1, true)),
            (at(0), opened(3, CLOSED)),
            (at(0), Event::Watch { node_id: WATCHED }),
            (at(1), online(WATCHED)),
            (at(6), opened(2, BUSY)),
            (at(8), offline(BUSY)),
            (at(9), online(BUSY)),
            (at(12), Event::ObservationPaused),
            (at(13), Event::ObservationResumed),
            (at(13), online(BUSY)),
            (at(13), online(CLOSED)),
            (at(13), online(WATCHED)),
            (at(20), Event::ChannelClosed { channel_id: ChannelId([3; 32]) }),
        ];
    }
    vec![
        (at(30), online(BUSY)),
        (at(30), online(WATCHED)),
        (at(30), usable(1, true)),
        (at(30), usable(2, false)),
        (at(40), offline(BUSY)),
        (at(43), online(BUSY)),
        (at(43), usable(1, true)),
        (at(43), usable(2, false)),
    ]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Stores what both processes saw. The heartbeats are at hours 24 and 48.
fn file(path: &Path) {
    let store = RedbStore::open(path).expect("a new file");
    for (process, heartbeat) in [(1, 24), (2, 48)] {
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        if let Some(record) = block_on(store.observer(&US)).expect("it is read") {
            tracker.resume_observer(&record, &block_on(store.gaps(&US, 0, 100)).expect("they are read"));
        }
        for record in block_on(store.peers(&US, None, 100)).expect("they are read") {
            tracker.resume_peer(&record);
        }
        for (at, event) in events(process) {
            tracker.apply(at, &event);
        }
        let mut changes = UnsavedChanges::default();
        assert!(!tracker.drain_changes(usize::MAX, &mut changes));
        let observer = Some(tracker.observer_record(at(heartbeat)));
        let batch = Batch { changes, observer, ..Batch::default() };
        block_on(store.commit(&US, Arc::new(batch))).expect("it is stored");
    }
}

struct File {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("fitness.redb");
        file(&path);
        Self { _directory: directory, path }
    }

    fn report(&self, args: &[&str]) -> Output {
        ldk_fitness().env("COLUMNS", "80").arg("report").arg(&self.path).args(args).output().expect("it runs")
    }

    fn text(&self, args: &[&str]) -> String {
        let output = self.report(args);
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
        stdout(&output)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[&["--json"], args].concat())).expect("one JSON document")
    }
}

fn hours(value: &Value) -> u64 {
    let ns = value.as_u64().expect("a number");
    assert_eq!(ns % HOUR, 0, "{ns}");
    ns / HOUR
}

#[test]
fn a_report_tells_how_long_we_watched() {
    let file = File::new();
    let document = file.json(&[]);
    let coverage = &document["coverage"][0];
    assert_eq!((hours(&coverage["lifetime_ns"]), hours(&coverage["monitored_ns"])), (48, 41));
    assert_eq!(coverage["starts"], 2);
    assert_eq!(coverage["down"], json!({"count": 1, "length_ns": 6 * HOUR}));
    assert_eq!(coverage["paused"], json!({"count": 1, "length_ns": HOUR}));
    assert_eq!(coverage["ongoing"], Value::Null);
    let gaps = coverage["gaps"].as_array().expect("a list");
    let causes: Vec<_> = gaps.iter().map(|gap| gap["cause"].as_str().expect("a cause")).collect();
    assert_eq!(causes, ["paused", "down"]);
    let text = file.text(&[]);
    let expected = "\
We watched 1d 17h of 2d 00h (85.42 %) since 2026-01-01T00:00:00Z.
We were gone: down once (6h 00m), paused once (1h 00m).

our gap   from                   to                     length
--------------------------------------------------------------
paused    2026-01-01T12:00:00Z   2026-01-01T13:00:00Z   1h 00m
down      2026-01-02T00:00:00Z   2026-01-02T06:00:00Z   6h 00m
";
    assert!(text.ends_with(expected), "{text}");

    // After the last heartbeat nobody watched.
    let later = &file.json(&["--at", "2026-01-03T10:00:00Z"])["coverage"][0];
    assert_eq!((hours(&later["lifetime_ns"]), hours(&later["monitored_ns"])), (58, 41));
    assert_eq!((&later["starts"], &later["started_at_ns"]), (&json!(2), &coverage["started_at_ns"]));
    assert_eq!((&later["down"]["count"], &later["paused"]["count"]), (&json!(1), &json!(1)));
    let ongoing =
        json!({"cause": "down", "from_ns": T0 + 48 * HOUR, "to_ns": T0 + 58 * HOUR, "ongoing": true});
    assert_eq!(later["ongoing"], ongoing);
    assert_eq!(later["gaps"].as_array().and_then(|gaps| gaps.last()), Some(&ongoing));
    let text = file.text(&["--at", "2026-01-03T10:00:00Z"]);
    assert!(text.contains("\nWe are gone since 2026-01-03T00:00:00Z: down (10h 00m so far).\n"), "{text}");
    assert!(text.ends_with("down      2026-01-03T00:00:00Z   -                      10h 00m\n"), "{text}");

    // A window has its own gaps.
    let day = &file.json(&["--window", "24h"])["coverage"][0]["gaps"];
    assert_eq!(day.as_array().map(Vec::len), Some(1), "{day}");
}

#[test]
fn many_gaps_are_cut_short_unless_they_are_asked_for() {
    let line = |at: u64, event: &str| format!("{{\"at_ns\": {at}, \"event\": \"{event}\"}}\n");
    let mut trace = format!("{{\"at_ns\": {T0}, \"event\": \"watch\", \"node_id\": \"{WATCHED}\"}}\n");
    for hour in (1..20).step_by(2) {
        trace += &(line(T0 + hour * HOUR, "observation_paused")
            + &line(T0 + hour * HOUR + 60 * SECOND, "observation_resumed"));
    }
    let cut = stdout(&common::replay(trace.clone(), &[]));
    assert_eq!(cut.matches("\npaused ").count(), 5);
    assert!(cut.ends_with("\n5 more gaps before: --gaps lists all\n"), "{cut}");
    let all = stdout(&common::replay(trace.clone(), &["--gaps"]));
    assert_eq!(all.matches("\npaused ").count(), 10);
    let json = common::replay_json(trace, &[]);
    assert_eq!(json["coverage"][0]["gaps"].as_array().map(Vec::len), Some(10));
}

#[test]
fn a_window_counts_losses_and_returns() {
    let file = File::new();
    let document = file.json(&["--window", "lifetime", "--peer", "0a"]);
    let outages = &document["peers"][0]["window"]["outages"];
    let expected = json!({
        "count": 2, "mean_time_between_disconnects_ns": 37 * HOUR / 2, "median_recovery_ns": 2 * HOUR,
        "longest_recovery_ns": 3 * HOUR, "longest_ns": 3 * HOUR, "complete": true,
    });
    assert_eq!(outages, &expected);
    let channels = document["channels"].as_array().expect("a list");
    assert_eq!(channels[0]["window"]["outages"], expected);
    for channel in channels {
        let (window, whole) = (&channel["window"], &channel["windows"]["lifetime"]);
        assert_eq!(
            (&window["uptime_ns"], &whole["uptime_ns"]),
            (&channel["uptime_ns"], &channel["uptime_ns"])
        );
        assert_eq!(window["from_ns"], channel["opened_at_ns"]);
        assert_eq!(window["online"], true, "until the last heartbeat");
    }
    let day = file.json(&["--window", "24h", "--peer", "0a"]);
    assert_eq!(day["peers"][0]["window"]["outages"]["median_recovery_ns"], 3 * HOUR);
    let windows = document["peers"][0]["windows"].as_object().expect("an object");
    assert_eq!(windows.keys().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(windows["24h"], day["peers"][0]["window"]);

    let text = file.text(&["--window", "lifetime"]);
    assert!(text.contains(", over their lifetimes\n") && text.contains("  losses  return  state"), "{text}");
}

#[test]
fn a_peer_is_found_by_how_its_id_begins() {
    let file = File::new();
    for prefix in ["0a", "0A0a0", &BUSY.to_string()] {
        let document = file.json(&["--peer", prefix]);
        assert_eq!(document["peers"].as_array().map(Vec::len), Some(1));
        assert_eq!(document["peers"][0]["node_id"], BUSY.to_string());
    }
    assert_eq!(file.json(&["--peer", "0b"])["peers"][0]["untracked_at_ns"], T0 + 20 * HOUR, "let go or not");
    let cases = [
        ("0", format!("error: 3 peers begin with 0: {BUSY}, {CLOSED}, {WATCHED}; say more of the id\n")),
        ("ff", "error: no peer begins with ff, of 3 that are known\n".to_owned()),
    ];
    for (prefix, message) in cases {
        let output = file.report(&["--peer", prefix]);
        assert_eq!((stderr(&output), output.status.code()), (message, Some(2)));
    }
    for prefix in ["", "peer", &"0".repeat(67)] {
        let output = file.report(&["--peer", prefix]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("expected a node id"), "{}", stderr(&output));
    }
}

#[test]
fn a_timeline_says_what_was_when_and_why() {
    let file = File::new();
    let text = file.text(&["--peer", "0a", "--timeline", "--buckets", "day"]);
    let expected = "\
from                   to                     length   state
-------------------------------------------------------------------------
2026-01-01T00:00:00Z   2026-01-01T08:00:00Z   8h 00m   online
2026-01-01T08:00:00Z   2026-01-01T09:00:00Z   1h 00m   offline
2026-01-01T09:00:00Z   2026-01-01T12:00:00Z   3h 00m   online
2026-01-01T12:00:00Z   2026-01-01T13:00:00Z   1h 00m   unobserved: paused
2026-01-01T13:00:00Z   2026-01-02T00:00:00Z  11h 00m   online
2026-01-02T00:00:00Z   2026-01-02T06:00:00Z   6h 00m   unobserved: down
2026-01-02T06:00:00Z   2026-01-02T16:00:00Z  10h 00m   online
2026-01-02T16:00:00Z   2026-01-02T19:00:00Z   3h 00m   offline
2026-01-02T19:00:00Z   2026-01-03T00:00:00Z   5h 00m   online

day                     length   observed   uptime   availability
-----------------------------------------------------------------
2026-01-01T00:00:00Z   1d 00h    23h 00m  22h 00m        95.65 %
";
    let (timeline, days) = expected.split_once("\n\n").expect("two parts");
    let squeeze = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let told = squeeze(&text);
    for line in squeeze(timeline).into_iter().chain(squeeze(days)).filter(|line| !line.starts_with('-')) {
        assert!(told.contains(&line), "{line} is not in\n{text}");
    }
    let document = file.json(&["--peer", "0a", "--timeline", "--buckets", "hour", "--window", "12h"]);
    let peer = &document["peers"][0];
    assert_eq!(peer["buckets"].as_array().map(Vec::len), Some(12));
    assert_eq!(peer["buckets"][4]["availability"], 0.0);
    let presences: Vec<_> =
        peer["timeline"].as_array().expect("a list").iter().map(|it| &it["presence"]).collect();
    assert_eq!(presences, ["online", "offline", "online"]);
}

#[test]
fn a_channel_that_is_inactive_shows() {
    let file = File::new();
    let text = file.text(&["--sort", "peer"]);
    let states: Vec<_> = text.lines().filter(|line| line.ends_with("inactive")).collect();
    assert_eq!(states.len(), 1, "{text}");
    assert!(states[0].contains("0202…0202"), "{text}");
    assert!(text.contains(" usable "), "{text}");
    let channels = &file.json(&["--peer", "0a"])["channels"];
    assert_eq!((&channels[0]["usable"], &channels[1]["usable"]), (&json!(true), &json!(false)));
    assert_eq!(channels[1]["usable_ns"], 0);
    assert!(hours(&channels[0]["usable_ns"]) > 20);
}

#[test]
fn peers_that_were_let_go_are_told_with_all() {
    let file = File::new();
    assert!(!file.text(&[]).contains(" closed"));
    let text = file.text(&["--all"]);
    assert!(text.starts_with("Observer 020202…0202\n3 peers, 2 channels, at "), "{text}");
    assert_eq!(text.matches(" closed").count(), 1, "{text}");
    let document = file.json(&["--all", "--sort", "peer"]);
    assert_eq!(document["peers"][1]["untracked_at_ns"], T0 + 20 * HOUR);
    assert_eq!(document["peers"][0]["untracked_at_ns"], Value::Null);
}

#[test]
fn every_column_sorts_from_either_end() {
    let help = stdout(&ldk_fitness().args(["report", "--help"]).output().expect("it runs"));
    let listed = help.split("--sort ").nth(1).and_then(|rest| rest.split("[default").next()).expect("a list");
    let keys: Vec<&str> =
        listed.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next()).collect();
    assert_eq!(keys.len(), 20, "{keys:?}");
    let file = File::new();
    let order = |sort: &str| -> Vec<Value> {
        let document = file.json(&["--all", "--window", "lifetime", "--sort", sort]);
        document["peers"].as_array().expect("a list").iter().map(|peer| peer["node_id"].clone()).collect()
    };
    for key in keys {
        let (asc, desc, default) = (order(&format!("{key}:asc")), order(&format!("{key}:desc")), order(key));
        assert!(default == asc || default == desc, "{key}");
        assert_eq!(asc.len(), 3);
    }
    let ids = |ids: [NodeId; 3]| ids.map(|id| Value::from(id.to_string())).to_vec();
    assert_eq!(order("losses"), ids([BUSY, CLOSED, WATCHED]));
    assert_eq!(order("worst:asc"), ids([BUSY, CLOSED, WATCHED]), "who never returned is last either way");
    assert_eq!(order("peer:desc"), ids([WATCHED, CLOSED, BUSY]));
    assert_eq!(order("state"), ids([BUSY, CLOSED, WATCHED]));
    assert_eq!(order("observed:asc"), ids([CLOSED, BUSY, WATCHED]), "by its younger channel");

    let output = file.report(&["--sort", "worst"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: this --sort needs --window, such as --window lifetime\n");
}

#[test]
fn ascii_is_ascii_and_has_no_colours_of_its_own() {
    let file = File::new();
    let text = file.text(&["--ascii", "--all", "--window", "36h"]);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("#") && text.contains("_") && text.contains("0a0a..0a0a"), "{text}");
    assert!(!file.text(&["--all"]).is_ascii(), "a pipe takes UTF-8");
    assert!(!text.contains('\x1b'));
    let coloured = file.text(&["--color", "always"]);
    assert!(coloured.contains("\x1b[32m█") && coloured.contains("\x1b[31m▁"), "{coloured}");
}

#[test]
fn lines_fit_whatever_is_asked() {
    let file = File::new();
    for width in [80_usize, 81, 90, 100, 110, 120, 140, 200] {
        for args in [
            &["--all"][..],
            &["--window", "7d"],
            &["--window", "lifetime", "--all", "--gaps"],
            &["--peer", "0a", "--timeline", "--buckets", "hour"],
        ] {
            let mut command = ldk_fitness();
            let output = command.env("COLUMNS", width.to_string()).arg("report").arg(&file.path).args(args);
            for line in stdout(&output.output().expect("it runs")).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

/// Every name that a document has, docs/JSON.md has, too.
#[test]
fn every_name_is_documented() {
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
    let file = File::new();
    let everything = ["--all", "--window", "7d", "--timeline", "--buckets", "day"];
    collect(&file.json(&everything), &mut names);
    collect(&file.json(&["--peer", "0a"]), &mut names);
    let trace = std::fs::read(data("small.jsonl")).expect("it is committed");
    collect(&common::replay_json(trace, &["--preset", "lnd-0.19"]), &mut names);
    assert!(names.len() > 50, "{names:?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/JSON.md");
    let text = std::fs::read_to_string(path).expect("docs/JSON.md");
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
