//! What the tests of the program share: how to run it, and ids and traces to feed it.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use assert_cmd::Command;
use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, Timestamp, Tracker, TrackerConfig, UnsavedChanges,
};
use fitness_store::{Batch, Store};
use serde_json::Value;

pub(crate) const T0: u64 = 1_767_225_600_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;

/// The program, in an environment that says nothing.
pub(crate) fn ldk_fitness() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("ldk-fitness");
    for name in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG", "LDK_FITNESS_STORE"] {
        command.env_remove(name);
    }
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command
}

/// A committed file.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are text")
}

/// Runs `replay -` over `trace` with more arguments.
pub(crate) fn replay(trace: impl Into<Vec<u8>>, args: &[&str]) -> Output {
    ldk_fitness().args(["replay", "-"]).args(args).write_stdin(trace).output().expect("it runs")
}

/// The JSON of `replay - --json`, with nothing on standard error.
pub(crate) fn replay_json(trace: impl Into<Vec<u8>>, args: &[&str]) -> Value {
    let output = replay(trace, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// A node id that ends in `digit`s.
pub(crate) fn node(digit: char) -> String {
    format!("02{}", digit.to_string().repeat(64))
}

/// A channel id of `digit`s.
pub(crate) fn channel(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Runs `report` on a store.
pub(crate) fn report(store: &str, args: &[&str]) -> Output {
    ldk_fitness().arg("report").arg(store).args(args).output().expect("it runs")
}

/// The JSON of `report --json`, with nothing on standard error.
pub(crate) fn report_json(store: &str, args: &[&str]) -> Value {
    let output = report(store, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "", "{store}");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A moment, so many hours after the beginning.
pub(crate) fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

/// A peer of [`eight_hours`].
pub(crate) fn id(number: u32) -> NodeId {
    let mut node_id = NodeId([2; 33]);
    node_id.0[29..].copy_from_slice(&number.to_be_bytes());
    node_id
}

/// Eight hours of so many peers with a channel each, every other one of which went off in the fourth. We were
/// paused in the last of them.
pub(crate) fn eight_hours(peers: u32) -> Tracker {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..peers {
        let mut channel_id = ChannelId([1; 32]);
        channel_id.0[28..].copy_from_slice(&number.to_be_bytes());
        let opened = ChannelOpened { channel_id, node_id: id(number), funding: None, online: Some(true) };
        tracker.apply(at(0), &Event::ChannelOpened(opened));
    }
    for number in (0..peers).step_by(2) {
        // Not all at once, which would be an outage of ours.
        let later = at(3).after_secs(u64::from(number) / 10);
        tracker.apply(later, &Event::PeerOffline { node_id: id(number) });
    }
    tracker.apply(at(7), &Event::ObservationPaused);
    tracker.apply(at(8), &Event::ObservationResumed);
    tracker
}

/// Stores all that a tracker knows, until the tenth hour.
pub(crate) async fn keep(store: &dyn Store, observer: NodeId, mut tracker: Tracker) {
    let mut changes = UnsavedChanges::default();
    assert!(!tracker.drain_changes(usize::MAX, &mut changes));
    let batch = Batch { changes, observer: Some(tracker.observer_record(at(10))), ..Batch::default() };
    store.commit(&observer, Arc::new(batch)).await.expect("it is stored");
}

/// Stores [`eight_hours`], and two more in which nobody came back.
pub(crate) async fn filled(store: &dyn Store, observer: NodeId, peers: u32) {
    keep(store, observer, eight_hours(peers)).await;
}
