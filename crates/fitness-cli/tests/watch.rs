//! `watch` and `compare`: real nodes, dialled by the program, and what is left of it in a store.

mod common;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use common::{ldk_fitness, node as odd_node, report_json, stderr, stdout};
use fitness_regtest::ChainlessNode;
use serde_json::{Value, json};

fn node(seed: u8) -> ChainlessNode {
    ChainlessNode::start([seed; 32], ldk_node::bitcoin::Network::Regtest).expect("a node")
}

fn at(node: &ChainlessNode) -> String {
    format!("{}@{}", node.id(), node.addr())
}

/// The program while it watches, with its news.
struct Watching {
    child: Child,
    news: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(args: &[&str]) -> Self {
        Self::reading(args, "")
    }

    fn reading(args: &[&str], input: &str) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
            .args(["watch", "--json"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let news = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, news }
    }

    fn next(&mut self) -> Value {
        let line = self.news.next().expect("it goes on").expect("it is text");
        serde_json::from_str(&line).expect("a JSON object a line")
    }

    /// Has it end, as Ctrl-C does; and returns what all came to.
    #[cfg(unix)]
    fn interrupt(mut self, signal: rustix::process::Signal) -> Value {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).expect("it runs");
        let mut last = self.next();
        while last["news"] != "end" {
            last = self.next();
        }
        assert!(self.news.next().is_none(), "that is the last line");
        let output = self.child.wait_with_output().expect("it ends");
        assert_eq!((stderr(&output), output.status.code()), (String::new(), Some(0)));
        last
    }
}

fn run(args: &[&str]) -> Output {
    ldk_fitness().args(args).output().expect("it runs")
}

/// That it is bad usage, says why, and has made nothing.
fn refuses(args: &[&str], why: &str, directory: &Path) {
    let output = run(&[&["watch"], args].concat());
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    assert!(stderr(&output).contains(why), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    let made: Vec<_> = std::fs::read_dir(directory).expect("a directory").collect();
    assert!(made.iter().all(|entry| entry.as_ref().is_ok_and(|it| it.file_name() == "list")), "{made:?}");
}

#[cfg(unix)]
#[test]
fn a_history_goes_on_with_each_run_and_is_compared() {
    use rustix::process::Signal;

    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("lsps.redb");
    let store = store.to_str().expect("it is text");
    let (steady, other) = (node(1), node(2));
    // At the other's address nobody has this key.
    let stranger = format!("{}@{}", node(3).id(), other.addr());
    let mut observers = Vec::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut watching = Watching::start(&[&at(&steady), &stranger, "--store", store]);
        let (mut connected, mut wrong) = (false, false);
        while !(connected && wrong) {
            let news = watching.next();
            assert_eq!(news["news"], "dialled", "{news}");
            if news["node_id"] == steady.id().to_string() {
                assert_eq!(news["outcome"], "connected", "{news}");
                assert!(news["handshake_ns"].as_u64().expect("a number") > 0);
                connected = true;
            } else {
                assert_eq!(news["outcome"], "wrong_key", "{news}");
                wrong = true;
            }
        }
        let end = watching.interrupt(signal);
        let targets = end["targets"].as_array().expect("a list");
        assert_eq!(targets.len(), 2);
        assert_eq!((&targets[0]["state"], &targets[0]["chains"]), (&json!("connected"), &json!(["regtest"])));
        assert_eq!(end["ranks"][0]["node_id"], steady.id().to_string());
        assert_eq!(end["ranks"][0]["stats"]["availability"], 1.0);
        observers.push(end["observer"].as_str().expect("an id").to_owned());
    }
    assert_eq!(observers[0], observers[1], "the key is kept");

    let document = report_json(store, &[]);
    assert_eq!(document["observers"].as_array().expect("a list").len(), 1);
    let peer = |id: String| {
        let peers = document["peers"].as_array().expect("a list");
        peers.iter().find(|peer| peer["node_id"] == id).expect("it is there").clone()
    };
    let steady_peer = peer(steady.id().to_string());
    assert_eq!((&steady_peer["disconnects"], &steady_peer["availability"]), (&json!(0), &json!(1.0)));
    assert_eq!(peer(node(3).id().to_string())["availability"], 0.0);

    let answer: Value =
        serde_json::from_slice(&run(&["compare", store, "--json"]).stdout).expect("one JSON document");
    let ranks = answer["observers"][0]["ranks"].as_array().expect("a list");
    let order: Vec<_> = ranks.iter().map(|row| (row["rank"].clone(), row["node_id"].clone())).collect();
    let expected = [(json!(1), json!(steady.id().to_string())), (json!(2), json!(node(3).id().to_string()))];
    assert_eq!(order, expected);
    assert_eq!(ranks[1]["rank_uncertain"], true, "after seconds");
    let table = stdout(&run(&["compare", store]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("2 nodes watched by ") && lines[0].contains("window 30d"), "{table}");
    assert!(table.contains("100.00 %") && table.contains("~ may turn out better"), "{table}");
    let unknown = run(&["compare", store, "--observer", &odd_node('a')]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn nodes_come_from_files_and_from_standard_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let list = directory.path().join("list");
    let (one, two, three) = (node(1), node(2), node(3));
    std::fs::write(&list, format!("# those that we like\n{}\n\n", at(&one))).expect("it is written");
    let list = list.to_str().expect("it is text");
    let mut watching = Watching::reading(&[list, "-", &at(&three)], &format!("{} # piped\n", at(&two)));
    for _ in 0..3 {
        assert_eq!(watching.next()["outcome"], "connected");
    }
    let end = watching.interrupt(rustix::process::Signal::INT);
    let ids: Vec<_> = end["targets"].as_array().expect("a list").iter().map(|it| &it["node_id"]).collect();
    assert_eq!(ids, [&one, &two, &three].map(|node| json!(node.id().to_string())).each_ref());
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "without a store nothing is kept");
}

/// Watches until something was said, and returns that and the table at the end.
#[cfg(unix)]
fn told(args: &[&str]) -> (String, String) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .arg("watch")
        .args(args)
        .env("COLUMNS", "200")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    lines.read_line(&mut said).expect("it says something");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    (said, stdout(&output))
}

#[cfg(unix)]
#[test]
fn people_are_told_line_by_line_and_get_a_table() {
    let node = node(1);
    let (said, table) = told(&[&at(&node), "--network", "mainnet"]);
    assert!(said.trim_end().ends_with(": wrong network: it is on regtest"), "{said}");
    assert!(table.lines().next().expect("a heading").ends_with("last attempt"), "{table}");
    assert!(table.contains("n/a") && table.contains("wrong network: it is on regtest"), "{table}");
    // Where no network is asked for, that of each is learnt.
    let (said, table) = told(&[&at(&node)]);
    assert!(said.contains(": connected in "), "{said}");
    assert!(table.contains("connected in ") && table.contains(", on regtest"), "{table}");
}

#[test]
fn it_ends_by_itself_where_it_was_told_when() {
    let output = run(&["watch", &at(&node(1)), "--for", "1ms"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("last attempt"), "{}", stdout(&output));
}

#[test]
fn what_is_no_node_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("it is text").to_owned();
    let (store, list) = (path("lsps.redb"), path("list"));
    let good = format!("{}@127.0.0.1", node(1).id());
    std::fs::write(&list, format!("{good}\n# fine so far\n{good}:x\n")).expect("it is written");
    let kept = |target: &str, why: &str| refuses(&[target, "--store", &store], why, directory.path());
    kept(&list, "list, line 3: port \"x\" is no number from 1 to 65535");
    kept("02ab@host", "02ab@host: the node id: expected 66 hexadecimal digits, found 4 characters");
    kept(&path("missing"), "cannot read");
    kept(
        &format!("{}@pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", node(1).id()),
        "is at an onion service: that takes a SOCKS5 proxy",
    );
    refuses(&["-"], "standard input names no node to watch", directory.path());
    refuses(&[&good, "--store", "postgres://u@localhost/db"], "needs --key FILE", directory.path());
    refuses(&[&good, "--key", &list], "is no key", directory.path());
    refuses(&[&good, "--network", "moon"], "expected mainnet, testnet", directory.path());
}

#[test]
fn a_store_without_watched_nodes_has_nobody_to_compare() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("wallet.redb");
    common::block_on(async {
        let store = fitness_store_redb::RedbStore::open(&store).expect("it opens");
        common::filled(&store, fitness_core::NodeId([3; 33]), 2).await;
    });
    let output = run(&["compare", store.to_str().expect("it is text")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("Nobody is watched by 03"), "{}", stdout(&output));
}
