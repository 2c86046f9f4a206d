//! Helpers of the program's tests: running it, and ids, traces and histories to test it with.

#![allow(dead_code, reason = "each test file uses only some of the helpers")]

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

/// Returns a command that runs the program without the environment variables that affect its output.
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

/// Returns the path of a file in tests/data.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8 on standard output")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8 on standard error")
}

/// Runs `replay -` on `trace` with additional arguments.
pub(crate) fn replay(trace: impl Into<Vec<u8>>, args: &[&str]) -> Output {
    ldk_fitness().args(["replay", "-"]).args(args).write_stdin(trace).output().expect("program runs")
}

/// Returns the JSON of `replay - --json`. Panics if the program fails or writes to standard error.
pub(crate) fn replay_json(trace: impl Into<Vec<u8>>, args: &[&str]) -> Value {
    let output = replay(trace, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

/// Returns a node id of `02` and repeated `digit`s.
pub(crate) fn node(digit: char) -> String {
    format!("02{}", digit.to_string().repeat(64))
}

/// Returns a channel id of repeated `digit`s.
pub(crate) fn channel(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Runs `report` on a store with additional arguments.
pub(crate) fn report(store: &str, args: &[&str]) -> Output {
    ldk_fitness().arg("report").arg(store).args(args).output().expect("program runs")
}

/// Returns the JSON of `report --json`. Panics if the program fails or writes to standard error.
pub(crate) fn report_json(store: &str, args: &[&str]) -> Value {
    let output = report(store, &[&["--json"], args].concat());
    assert_eq!(stderr(&output), "", "{store}");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime starts").block_on(future)
}

/// Returns the time `hours` after [`T0`].
pub(crate) fn at(hours: u64) -> Timestamp {
    Timestamp::from_nanos(T0 + hours * HOUR)
}

/// Returns the node id of a peer in [`eight_hour_tracker`].
pub(crate) fn peer_id(number: u32) -> NodeId {
    let mut node_id = NodeId([2; 33]);
    node_id.0[29..].copy_from_slice(&number.to_be_bytes());
    node_id
}

/// Returns a tracker with eight hours of history of `peers` peers that have one channel each.
///
/// Every second peer goes offline after three hours. Monitoring is paused during the last hour.
pub(crate) fn eight_hour_tracker(peers: u32) -> Tracker {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    for number in 0..peers {
        let mut channel_id = ChannelId([1; 32]);
        channel_id.0[28..].copy_from_slice(&number.to_be_bytes());
        let opened =
            ChannelOpened { channel_id, node_id: peer_id(number), funding: None, online: Some(true) };
        tracker.apply(at(0), &Event::ChannelOpened(opened));
    }
    for number in (0..peers).step_by(2) {
        // Spread out, because simultaneous disconnects would be attributed to our network.
        let later = at(3).after_secs(u64::from(number) / 10);
        tracker.apply(later, &Event::PeerOffline { node_id: peer_id(number) });
    }
    tracker.apply(at(7), &Event::ObservationPaused);
    tracker.apply(at(8), &Event::ObservationResumed);
    tracker
}

/// Stores the state of a tracker as of ten hours after [`T0`].
pub(crate) async fn store_tracker(store: &dyn Store, observer: NodeId, mut tracker: Tracker) {
    let mut changes = UnsavedChanges::default();
    assert!(!tracker.drain_changes(usize::MAX, &mut changes));
    let batch = Batch { changes, observer: Some(tracker.observer_record(at(10))), ..Batch::default() };
    store.commit(&observer, Arc::new(batch)).await.expect("batch is committed");
}

/// Stores the history of [`eight_hour_tracker`], as of ten hours after [`T0`].
pub(crate) async fn fill_store(store: &dyn Store, observer: NodeId, peers: u32) {
    store_tracker(store, observer, eight_hour_tracker(peers)).await;
}
