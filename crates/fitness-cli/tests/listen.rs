//! `--listen` of `replay`, `report`, `watch` and `demo`.
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

/// The running program.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
            .args(args)
            .args(["--listen", "127.0.0.1:0"])
            .env_remove("LDK_FITNESS_TOKEN")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the program");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut output = String::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else { panic!("no dashboard address: {output}") };
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(url) = words.iter().find(|word| word.starts_with("http://")) {
                break url.trim_end_matches('/').to_owned();
            }
            output += &line;
        };
        // Keep reading, so that the program never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// Returns the body of the response, or `None` if the server does not respond.
    fn get(&self, path: &str) -> Option<String> {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        let (head, body) = response.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        assert!(!is_chunked, "{path}: the length is known");
        Some(body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).expect("a response")).expect("parse the JSON")
    }

    fn stop(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("run the program");
        assert_eq!(self.child.wait().expect("wait for the program").code(), Some(0));
    }
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

#[test]
fn trace_is_served_with_the_aliases_from_the_file_beside_it() {
    let server = Server::start(&["replay", &example("month.jsonl.gz")]);
    let peers = server.json("/api/v1/peers?limit=100");
    assert_eq!((&peers["total"], &peers["at_ns"]), (&28.into(), &1_793_491_200_520_045_245_u64.into()));
    let with_alias =
        peers["peers"].as_array().expect("an array").iter().filter(|peer| peer["alias"].is_string());
    assert_eq!(with_alias.count(), 28);
    let page = server.get("/peers").expect("a response");
    assert!(page.contains("candidate-one"), "{page}");
    assert_eq!(server.json("/api/v1/health")["archived"], true);
    assert!(server.get("/metrics").expect("a response").contains("ldk_fitness"));
    server.stop(Signal::INT);
}

#[test]
fn store_is_served_and_not_changed() {
    let directory = tempfile::tempdir().expect("create a directory");
    let path = directory.path().join("wallet.redb");
    let store = path.to_str().expect("valid UTF-8");
    let (observer, other) = (NodeId([3; 33]), NodeId([4; 33]));
    common::block_on(async {
        let store = fitness_store_redb::RedbStore::open(&path).expect("create the store");
        common::fill_store(&store, observer, 20).await;
        common::fill_store(&store, other, 3).await;
    });
    let before = std::fs::read(&path).expect("read the store");

    let output =
        ldk_fitness().args(["report", store, "--listen", "127.0.0.1:0"]).output().expect("run the program");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    let message = stderr(&output);
    for part in ["--observer", &observer.to_string(), &other.to_string()] {
        assert!(message.contains(part), "{message}");
    }

    let server = Server::start(&["report", store, "--observer", &observer.to_string()]);
    assert_eq!(server.json("/api/v1/peers?limit=1")["total"], 20);
    assert_eq!(server.json("/api/v1/health")["observer"], observer.to_string());
    server.stop(Signal::TERM);
    assert!(before == std::fs::read(&path).expect("read the store"), "the store is not changed");
}

#[test]
fn watched_nodes_are_served() {
    let peer = ChainlessNode::start([1; 32], ldk_node::bitcoin::Network::Regtest).expect("start a node");
    let server = Server::start(&["watch", &format!("{}@{}", peer.id(), peer.addr())]);
    // The node is dialled after the server has started.
    let presence = || server.json(&format!("/api/v1/peers/{}", peer.id()))["presence"].clone();
    while presence() != "online" {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.stop(Signal::INT);
}

/// The demo restarts the wallet, and the server with it. Afterwards the stored history is served.
#[test]
fn demo_is_served_during_and_after_the_scenario() {
    let server = Server::start(&["demo", "--seconds", "10"]);
    let health =
        || Some(serde_json::from_str::<Value>(&server.get("/api/v1/health")?).expect("parse the JSON"));
    let (mut starts, mut running) = (0, false);
    loop {
        let health = health();
        if health.as_ref().is_some_and(|health| health["archived"] == true) {
            break;
        }
        starts += usize::from(health.is_some() && !running);
        running = health.is_some();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(starts, 2, "before and after the restart of the wallet");
    let peers = server.json("/api/v1/peers");
    let aliases: Vec<_> =
        peers["peers"].as_array().expect("an array").iter().map(|peer| &peer["alias"]).collect();
    assert_eq!(aliases.len(), 4);
    assert!(aliases.contains(&&"steady".into()), "{aliases:?}");
    server.stop(Signal::INT);
}

#[test]
fn invalid_options_are_reported() {
    let in_use = TcpListener::bind("127.0.0.1:0").expect("bind a port");
    let in_use = in_use.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("create a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("write the file");
        path.display().to_string()
    };
    let short_token = file("token", "short");
    let aliases = file("aliases", &format!("{} one\ninvalid", node('a')));
    for (args, code, part) in [
        (vec!["0.0.0.0:0"], 2, "token"),
        (vec![&in_use], 1, &in_use),
        (vec!["127.0.0.1:0", "--token-file", &short_token], 2, "token"),
        (vec!["127.0.0.1:0", "--aliases", &aliases], 2, "line 2"),
        (vec!["127.0.0.1:0", "--preset", "lnd-0.19"], 2, "--preset"),
        (vec!["localhost"], 2, "localhost"),
    ] {
        let output = ldk_fitness()
            .args(["replay", &example("month.jsonl.gz"), "--listen"])
            .args(&args)
            .env_remove("LDK_FITNESS_TOKEN")
            .output()
            .expect("run the program");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
    }
}
