//! `--listen`: the dashboard of a trace, of a store at rest, of nodes that are watched, and of the demo.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{ldk_fitness, node, stderr};
use fitness_core::NodeId;
use fitness_regtest::ChainlessNode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The program while it serves.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
            .args(args)
            .args(["--listen", "127.0.0.1:0"])
            .env_remove("LDK_FITNESS_TOKEN")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut all = String::new();
        let url = loop {
            let Some(Ok(line)) = said.next() else { panic!("it serves nothing: {all}") };
            if let Some(rest) = line.strip_prefix("Dashboard at ") {
                let (url, _) = rest.split_once("/ until").expect("an address");
                break url.to_owned();
            }
            all += &line;
        };
        // What else it has to say is read, so that it can go on.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, url }
    }

    /// What it answers; `None` where nobody does.
    fn ask(&self, path: &str) -> Option<String> {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        assert!(!is_chunked, "{path}: its length is known");
        Some(body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.ask(path).expect("it answers")).expect("JSON")
    }

    fn stop(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

#[test]
fn a_trace_is_shown_as_of_its_end_with_the_names_beside_it() {
    let serving = Serving::start(&["replay", &example("month.jsonl.gz")]);
    let peers = serving.json("/api/v1/peers?limit=100");
    assert_eq!((&peers["total"], &peers["at_ns"]), (&28.into(), &1_793_491_200_520_045_245_u64.into()));
    let named = peers["peers"].as_array().expect("a list").iter().filter(|peer| peer["label"].is_string());
    assert_eq!(named.count(), 28);
    let page = serving.ask("/peers").expect("it answers");
    assert!(page.contains("candidate-one") && page.contains("A store at rest"), "{page}");
    assert_eq!(serving.json("/api/v1/health")["at_rest"], true);
    assert!(serving.ask("/metrics").expect("it answers").contains("ldk_fitness"));
    serving.stop(Signal::INT);
}

#[test]
fn a_store_at_rest_is_shown_and_nothing_in_it_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("wallet.redb");
    let store = path.to_str().expect("it is text");
    let (ours, theirs) = (NodeId([3; 33]), NodeId([4; 33]));
    common::block_on(async {
        let store = fitness_store_redb::RedbStore::open(&path).expect("it opens");
        common::filled(&store, ours, 20).await;
        common::filled(&store, theirs, 3).await;
    });
    let before = std::fs::read(&path).expect("it is there");

    let output = ldk_fitness().args(["report", store, "--listen", "127.0.0.1:0"]).output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    let said = stderr(&output);
    assert!(said.contains("2 nodes have observed") && said.contains("--observer"), "{said}");

    let serving = Serving::start(&["report", store, "--observer", &ours.to_string()]);
    assert_eq!(serving.json("/api/v1/peers?limit=1")["total"], 20);
    assert_eq!(serving.json("/api/v1/health")["observer"], ours.to_string());
    serving.stop(Signal::TERM);
    assert!(before == std::fs::read(&path).expect("it is there"), "as it was");
}

#[test]
fn nodes_that_are_watched_are_served() {
    let peer = ChainlessNode::start([1; 32], ldk_node::bitcoin::Network::Regtest).expect("a node");
    let serving = Serving::start(&["watch", &format!("{}@{}", peer.id(), peer.addr())]);
    // It is dialled while it is served.
    let online = || serving.json(&format!("/api/v1/peers/{}", peer.id()))["online"].clone();
    while online() != true {
        std::thread::sleep(Duration::from_millis(20));
    }
    serving.stop(Signal::INT);
}

/// The wallet is restarted meanwhile: the page is there before and after, and when all is over.
#[test]
fn the_demo_is_served_while_it_plays_and_when_it_is_over() {
    let serving = Serving::start(&["demo", "--seconds", "10"]);
    let health = || Some(serde_json::from_str::<Value>(&serving.ask("/api/v1/health")?).expect("JSON"));
    let (mut lives, mut running) = (0, false);
    loop {
        let now = health();
        let at_rest = now.as_ref().is_some_and(|health| health["at_rest"] == true);
        if at_rest {
            break;
        }
        lives += usize::from(now.is_some() && !running);
        running = now.is_some();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lives, 2, "once before the restart and once after it");
    let peers = serving.json("/api/v1/peers");
    let labels: Vec<_> =
        peers["peers"].as_array().expect("a list").iter().map(|peer| &peer["label"]).collect();
    assert_eq!(labels.len(), 4);
    assert!(labels.contains(&&"steady".into()), "{labels:?}");
    serving.stop(Signal::INT);
}

#[test]
fn what_cannot_be_served_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path.display().to_string()
    };
    let (short, names) = (file("token", "short"), file("names", &format!("{} one\nnobody", node('a'))));
    for (args, code, why) in [
        (vec!["0.0.0.0:0"], 2, "set a token"),
        (vec![&taken], 1, "cannot listen on"),
        (vec!["127.0.0.1:0", "--token-file", &short], 2, "token"),
        (vec!["127.0.0.1:0", "--names", &names], 2, "line 2: expected a node id and a name"),
        (vec!["127.0.0.1:0", "--preset", "lnd-0.19"], 2, "cannot be used with"),
        (vec!["localhost"], 2, "invalid value 'localhost'"),
    ] {
        let output = ldk_fitness()
            .args(["replay", &example("month.jsonl.gz"), "--listen"])
            .args(&args)
            .env_remove("LDK_FITNESS_TOKEN")
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(why), "{args:?}: {}", stderr(&output));
    }
}
