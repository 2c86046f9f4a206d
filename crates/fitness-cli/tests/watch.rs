//! `watch` and `compare` with real nodes.

mod common;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use common::{ldk_fitness, node as node_id_of, report_json, stderr, stdout};
use fitness_regtest::ChainlessNode;
use serde_json::{Value, json};

fn start_node(seed: u8) -> ChainlessNode {
    ChainlessNode::start([seed; 32], ldk_node::bitcoin::Network::Regtest).expect("start a node")
}

/// Returns the node as a target: `NODE_ID@HOST:PORT`.
fn target(node: &ChainlessNode) -> String {
    format!("{}@{}", node.id(), node.addr())
}

/// A running `watch --json`, and the lines of its output.
struct WatchProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl WatchProcess {
    fn start(args: &[&str]) -> Self {
        Self::start_with_input(args, "")
    }

    fn start_with_input(args: &[&str], input: &str) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
            .args(["watch", "--json"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the program");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("write the input");
        drop(stdin);
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    fn next_event(&mut self) -> Value {
        let line = self.lines.next().expect("another line").expect("valid UTF-8");
        serde_json::from_str(&line).expect("parse the JSON line")
    }

    /// Sends the signal, waits for the program to end, and returns the summary.
    #[cfg(unix)]
    fn interrupt(mut self, signal: rustix::process::Signal) -> Value {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).expect("send the signal");
        let mut event = self.next_event();
        while event["event"] != "summary" {
            event = self.next_event();
        }
        assert!(self.lines.next().is_none(), "the summary is the last line");
        let output = self.child.wait_with_output().expect("wait for the program");
        assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
        event
    }
}

fn run(args: &[&str]) -> Output {
    ldk_fitness().args(args).output().expect("run the program")
}

/// Asserts that `watch` exits with 2, with a message that has all parts, and creates no file in `directory`.
fn assert_rejected(args: &[&str], parts: &[&str], directory: &Path) {
    let output = run(&[&["watch"], args].concat());
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    assert!(parts.iter().all(|part| stderr(&output).contains(part)), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    let entries: Vec<_> = std::fs::read_dir(directory).expect("read the directory").collect();
    let is_list = |entry: &std::io::Result<std::fs::DirEntry>| {
        entry.as_ref().is_ok_and(|entry| entry.file_name() == "list")
    };
    assert!(entries.iter().all(is_list), "{entries:?}");
}

#[cfg(unix)]
#[test]
fn history_continues_with_each_run_and_can_be_compared() {
    use rustix::process::Signal;

    let directory = tempfile::tempdir().expect("create a directory");
    let store = directory.path().join("lsps.redb");
    let store = store.to_str().expect("valid UTF-8");
    let (steady, other) = (start_node(1), start_node(2));
    // The node at this address has a different key.
    let wrong_key = format!("{}@{}", start_node(3).id(), other.addr());
    let mut observers = Vec::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut watch = WatchProcess::start(&[&target(&steady), &wrong_key, "--store", store]);
        let (mut has_connected, mut has_wrong_key) = (false, false);
        while !(has_connected && has_wrong_key) {
            let event = watch.next_event();
            assert_eq!(event["event"], "dialled", "{event}");
            if event["node_id"] == steady.id().to_string() {
                assert_eq!(event["outcome"], "connected", "{event}");
                assert!(event["handshake_ns"].as_u64().expect("an integer") > 0);
                has_connected = true;
            } else {
                assert_eq!(event["outcome"], "wrong_key", "{event}");
                has_wrong_key = true;
            }
        }
        let summary = watch.interrupt(signal);
        let targets = summary["targets"].as_array().expect("an array");
        assert_eq!(targets.len(), 2);
        assert_eq!((&targets[0]["state"], &targets[0]["chains"]), (&json!("connected"), &json!(["regtest"])));
        assert_eq!(summary["ranks"][0]["node_id"], steady.id().to_string());
        assert_eq!(summary["ranks"][0]["stats"]["availability"], 1.0);
        observers.push(summary["observer"].as_str().expect("a node id").to_owned());
    }
    assert_eq!(observers[0], observers[1], "the identity key is kept");

    let document = report_json(store, &[]);
    assert_eq!(document["observers"].as_array().expect("an array").len(), 1);
    let peer = |id: String| {
        let peers = document["peers"].as_array().expect("an array");
        peers.iter().find(|peer| peer["node_id"] == id).expect("the peer is watched").clone()
    };
    let steady_peer = peer(steady.id().to_string());
    assert_eq!((&steady_peer["disconnects"], &steady_peer["availability"]), (&json!(0), &json!(1.0)));
    let offline_id = start_node(3).id().to_string();
    assert_eq!(peer(offline_id.clone())["availability"], 0.0);

    let document: Value =
        serde_json::from_slice(&run(&["compare", store, "--json"]).stdout).expect("parse the JSON document");
    let ranks = document["observers"][0]["ranks"].as_array().expect("an array");
    let order: Vec<_> = ranks.iter().map(|row| (row["rank"].clone(), row["node_id"].clone())).collect();
    assert_eq!(order, [(json!(1), json!(steady.id().to_string())), (json!(2), json!(offline_id))]);
    assert_eq!(ranks[1]["rank_uncertain"], true, "only seconds were observed");
    let table = stdout(&run(&["compare", store]));
    assert!(table.starts_with("2 nodes ") && table.contains("~2"), "{table}");
    let unknown_observer = run(&["compare", store, "--observer", &node_id_of('a')]);
    assert_eq!(unknown_observer.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn targets_are_read_from_arguments_files_and_standard_input() {
    let directory = tempfile::tempdir().expect("create a directory");
    let list = directory.path().join("list");
    let (one, two, three) = (start_node(1), start_node(2), start_node(3));
    std::fs::write(&list, format!("# a comment\n{}\n\n", target(&one))).expect("write the list");
    let list = list.to_str().expect("valid UTF-8");
    let input = format!("{} # a comment\n", target(&two));
    let mut watch = WatchProcess::start_with_input(&[list, "-", &target(&three)], &input);
    for _ in 0..3 {
        assert_eq!(watch.next_event()["outcome"], "connected");
    }
    let summary = watch.interrupt(rustix::process::Signal::INT);
    let targets = summary["targets"].as_array().expect("an array");
    let ids: Vec<_> = targets.iter().map(|target| &target["node_id"]).collect();
    assert_eq!(ids, [&one, &two, &three].map(|node| json!(node.id().to_string())).each_ref());
    let files: Vec<_> = std::fs::read_dir(directory.path()).expect("read the directory").collect();
    assert_eq!(files.len(), 1, "without --store no file is created");
}

/// Runs `watch` until it has printed a line, and returns that line and the table at the end.
#[cfg(unix)]
fn first_line_and_table(args: &[&str]) -> (String, String) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .arg("watch")
        .args(args)
        .env("COLUMNS", "200")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the program");
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    stderr.read_line(&mut line).expect("read a line");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("send the signal");
    let output = child.wait_with_output().expect("wait for the program");
    assert_eq!(output.status.code(), Some(0));
    (line, stdout(&output))
}

#[cfg(unix)]
#[test]
fn text_output_has_a_line_per_event_and_a_table() {
    let node = start_node(1);
    let (line, table) = first_line_and_table(&[&target(&node), "--network", "mainnet"]);
    assert!(line.contains(&node.addr().to_string()) && line.contains("regtest"), "{line}");
    assert!(table.contains("n/a") && table.contains("regtest"), "{table}");
    // Without --network, the node's network is shown.
    let (line, table) = first_line_and_table(&[&target(&node)]);
    assert!(line.contains(&node.addr().to_string()) && !line.contains("regtest"), "{line}");
    assert!(table.contains("100.00") && table.contains("regtest"), "{table}");
}

#[test]
fn watch_ends_after_the_given_duration() {
    let output = run(&["watch", &target(&start_node(1)), "--duration", "1ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("rank "), "{}", stdout(&output));
}

#[test]
fn invalid_targets_and_options_are_rejected_before_files_are_created() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("valid UTF-8").to_owned();
    let (store, list) = (path("lsps.redb"), path("list"));
    let id = start_node(1).id();
    let valid = format!("{id}@127.0.0.1");
    std::fs::write(&list, format!("{valid}\n# a comment\n{valid}:x\n")).expect("write the list");
    let rejected = |args: &[&str], parts: &[&str]| assert_rejected(args, parts, directory.path());
    rejected(&[&list, "--store", &store], &["list", "line 3", "\"x\""]);
    rejected(&["02ab@host", "--store", &store], &["02ab@host"]);
    rejected(&[&path("missing"), "--store", &store], &["missing"]);
    let onion = format!("{id}@pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion");
    rejected(&[&onion, "--store", &store], &[&id.to_string(), "SOCKS5"]);
    rejected(&["-"], &["standard input"]);
    rejected(&[&valid, "--store", "postgres://u@localhost/db"], &["--key"]);
    rejected(&[&valid, "--key-file", &list], &["list"]);
    rejected(&[&valid, "--network", "moon"], &["moon"]);
}

#[test]
fn compare_without_watched_nodes_prints_no_table() {
    let directory = tempfile::tempdir().expect("create a directory");
    let store = directory.path().join("wallet.redb");
    common::block_on(async {
        let store = fitness_store_redb::RedbStore::open(&store).expect("create the store");
        common::fill_store(&store, fitness_core::NodeId([3; 33]), 2).await;
    });
    let output = run(&["compare", store.to_str().expect("valid UTF-8")]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 1, "{}", stdout(&output));
}
