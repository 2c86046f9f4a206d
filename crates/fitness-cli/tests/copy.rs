//! `copy`: histories are copied completely, and interrupted copies can be continued.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{block_on, fill_store, ldk_fitness, report_json, stderr, stdout};
use fitness_core::{NodeId, ObserverRecord};
use fitness_store::{Batch, Store};
use fitness_store_kv::KvStore;
use fitness_store_redb::RedbStore;
use lightning_persister::fs_store::FilesystemStore;
use serde_json::{Value, json};

const OBSERVER: NodeId = NodeId([2; 33]);
const OTHER_OBSERVER: NodeId = NodeId([3; 33]);

/// A temporary directory with stores.
struct Stores(tempfile::TempDir);

impl Stores {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns the URL of a store, from its scheme (if any) and its name in the directory.
    fn url(&self, name: &str) -> String {
        let (scheme, name) = name.rsplit_once(':').map_or(("", name), |(scheme, name)| (scheme, name));
        let colon = if scheme.is_empty() { "" } else { ":" };
        format!("{scheme}{colon}{}", self.path(name).display())
    }

    /// Creates a redb file with a history, or adds a history to it.
    fn redb(&self, name: &str, observer: NodeId, peers: u32) -> String {
        let store = RedbStore::open(self.path(name)).expect("redb file opens");
        block_on(fill_store(&store, observer, peers));
        self.url(name)
    }
}

fn copy(from: &str, to: &str, args: &[&str]) -> Output {
    ldk_fitness().args(["copy", from, to]).args(args).output().expect("program runs")
}

fn copy_json(from: &str, to: &str, args: &[&str]) -> Value {
    let output = copy(from, to, &[&["--json"], args].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    serde_json::from_slice(&output.stdout).expect("a JSON document")
}

/// Runs a copy that fails with an exit code and a message of one line. Returns the message.
fn copy_error(from: &str, to: &str, args: &[&str], code: i32) -> String {
    let output = copy(from, to, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty());
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

/// Returns the length of a list in a JSON document.
fn count(document: &Value, list: &str) -> Option<usize> {
    document[list].as_array().map(Vec::len)
}

#[test]
fn copies_between_all_kinds_are_lossless() {
    let stores = Stores::new();
    let first = stores.redb("first.redb", OBSERVER, 300);
    stores.redb("first.redb", OTHER_OBSERVER, 20);
    let report_args = ["--all", "--gaps", "--timeline", "--buckets", "day", "--window", "lifetime"];
    let expected = report_json(&first, &report_args);
    let source_before = std::fs::read(stores.path("first.redb")).expect("readable file");
    let mut from = first.clone();
    for to in
        ["dir:wallet", "sqlite:wallet.sqlite", "sqlite:wallet.sqlite?table=raw", "dir:wallet2", "last.redb"]
    {
        let to = stores.url(to);
        let summary = copy_json(&from, &to, &[]);
        assert_eq!((&summary["from"], &summary["to"]), (&json!(from), &json!(to)));
        assert!(summary["duration_ns"].as_u64() > Some(0));
        let observer_summary = |observer: NodeId, peers: u64, segments: u64, bytes: &Value| {
            json!({
                "observer": observer.to_string(), "peers": peers, "segments": segments, "gaps": 1,
                "written": peers + segments + 2, "unchanged": 0, "deleted": 0, "bytes": bytes,
            })
        };
        let bytes = |index: usize| &summary["observers"][index]["bytes"];
        assert!(bytes(0).as_u64() > Some(300 * 100));
        let expected_summaries = json!([
            observer_summary(OBSERVER, 300, 300, bytes(0)),
            observer_summary(OTHER_OBSERVER, 20, 20, bytes(1)),
        ]);
        assert_eq!(summary["observers"], expected_summaries);
        assert_eq!(report_json(&to, &report_args), expected, "{to}");
        from = to;
    }
    let source_after = std::fs::read(stores.path("first.redb")).expect("readable file");
    assert!(source_after == source_before, "copying changed the source");
}

#[test]
fn summary_counts_records() {
    let stores = Stores::new();
    let (from, to) = (stores.redb("a.redb", OBSERVER, 1_200), stores.url("dir:b"));
    let counts = |summary: &Value| {
        ["written", "unchanged", "deleted"].map(|name| summary["observers"][0][name].as_u64().expect(name))
    };
    // The text has the same numbers as the JSON, and ends with a command to read the copy.
    let text = stdout(&copy(&from, &to, &[]));
    assert!(text.contains(&OBSERVER.to_string()) && text.contains("2,402"), "{text}");
    assert!(text.ends_with(&format!("ldk-fitness report {to}\n")), "{text}");

    assert_eq!(counts(&copy_json(&from, &to, &[])), [0, 2_402, 0]);
    let more = stores.redb("a.redb", OBSERVER, 1_201);
    assert_eq!(counts(&copy_json(&more, &to, &["--overwrite"])), [2, 2_402, 0]);
    let fewer = stores.redb("c.redb", OBSERVER, 1_000);
    let [_, _, deleted] = counts(&copy_json(&fewer, &to, &["--overwrite"]));
    assert_eq!(deleted, 201);
    assert_eq!(report_json(&to, &["--all"]), report_json(&fewer, &["--all"]));
}

#[test]
fn existing_history_is_kept_without_overwrite() {
    let stores = Stores::new();
    let (from, to) = (stores.redb("a.redb", OBSERVER, 10), stores.redb("b.redb", OBSERVER, 12));
    let before = report_json(&to, &[]);
    let message = copy_error(&from, &to, &[], 2);
    for part in ["b.redb", &OBSERVER.to_string(), "--overwrite"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(report_json(&to, &[]), before);
    assert_eq!(count(&before, "peers"), Some(12));

    let summary = copy_json(&from, &to, &["--overwrite"]);
    assert_eq!(summary["observers"][0]["deleted"], 2);
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
    // The history of another observer does not conflict.
    let third = stores.redb("c.redb", OTHER_OBSERVER, 3);
    copy_json(&third, &to, &[]);
    let both = report_json(&to, &[]);
    assert_eq!((count(&both, "observers"), count(&both, "peers")), (Some(2), Some(13)));
}

#[test]
fn one_observer_can_be_selected() {
    let stores = Stores::new();
    let from = stores.redb("a.redb", OBSERVER, 3);
    stores.redb("a.redb", OTHER_OBSERVER, 5);
    let to = stores.url("b.redb");
    let other = OTHER_OBSERVER.to_string();
    copy_json(&from, &to, &["--observer", &other]);
    assert_eq!(report_json(&to, &[]), report_json(&from, &["--observer", &other]));

    let unknown = NodeId([9; 33]).to_string();
    let message = copy_error(&from, &stores.url("c.redb"), &["--observer", &unknown], 2);
    for id in [&unknown, &OBSERVER.to_string(), &other] {
        assert!(message.contains(id), "{message}");
    }
    assert!(!stores.path("c.redb").exists(), "a rejected copy created its target");
}

#[test]
fn store_cannot_be_copied_to_itself() {
    let stores = Stores::new();
    let redb = stores.redb("a.redb", OBSERVER, 3);
    copy_json(&redb, &stores.url("dir:d"), &[]);
    copy_json(&redb, &stores.url("sqlite:s"), &[]);
    let directory = stores.0.path().to_str().expect("UTF-8 path");
    let indirect = |name: &str| stores.url(name).replace(directory, &format!("{directory}/d/.."));
    for name in ["a.redb", "dir:d", "sqlite:s", "sqlite:s?table=LDK_node_data"] {
        let direct = stores.url(name.split('?').next().expect("a name"));
        for to in [direct.clone(), indirect(name)] {
            let message = copy_error(&direct, &to, &["--overwrite"], 2);
            assert!(message.contains(&direct), "{message}");
        }
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(stores.path("a.redb"), stores.path("link.redb")).expect("a link");
        copy_error(&redb, &stores.url("link.redb"), &[], 2);
    }
}

#[test]
fn stores_that_cannot_be_opened_are_named() {
    let stores = Stores::new();
    let from = stores.redb("a.redb", OBSERVER, 3);
    for scheme in ["", "sqlite:", "dir:"] {
        let missing = stores.url(&format!("{scheme}missing"));
        let message = copy_error(&missing, &stores.url("b.redb"), &[], 2);
        assert!(message.contains(&missing), "{message}");
        assert!(!stores.path("b.redb").exists());
        // The parent directory of a new store is not created.
        let without_parent = stores.url(&format!("{scheme}missing/deeper"));
        let message = copy_error(&from, &without_parent, &[], 2);
        assert!(message.contains(&without_parent), "{message}");
        assert!(!stores.path("missing").exists());
    }
    std::fs::create_dir(stores.path("directory")).expect("a new directory");
    for to in ["directory", "dir:a.redb", "sqlite:a.redb"] {
        let to = stores.url(to);
        let message = copy_error(&from, &to, &[], 2);
        assert!(message.contains(&to), "{message}");
    }
    assert_eq!(copy(&from, "ftp://x", &[]).status.code(), Some(2));
    // An existing, empty directory is a valid target.
    assert_eq!(copy(&from, &stores.url("dir:directory"), &[]).status.code(), Some(0));
}

#[test]
fn store_in_use_is_rejected() {
    let stores = Stores::new();
    let (from, to) = (stores.redb("a.redb", OBSERVER, 3), stores.redb("b.redb", OBSERVER, 3));
    for name in ["a.redb", "b.redb"] {
        let in_use = RedbStore::open(stores.path(name)).expect("redb file opens");
        let message = copy_error(&from, &to, &["--overwrite"], 1);
        assert!(message.contains(name), "{message}");
        drop(in_use);
    }
    copy_json(&from, &to, &["--overwrite"]);
}

#[test]
fn copying_an_empty_store_creates_nothing() {
    let stores = Stores::new();
    drop(RedbStore::open(stores.path("empty.redb")).expect("a new file"));
    let (from, to) = (stores.url("empty.redb"), stores.url("b.redb"));
    let text = stdout(&copy(&from, &to, &[]));
    assert!(text.contains("empty.redb"), "{text}");
    assert_eq!(copy_json(&from, &to, &[])["observers"], json!([]));
    assert!(!stores.path("b.redb").exists());
}

#[test]
fn partial_copy_is_hidden_and_completed_by_the_next() {
    let stores = Stores::new();
    let from = stores.redb("a.redb", OBSERVER, 40);
    let to = stores.url("dir:b");
    std::fs::create_dir(stores.path("b")).expect("a new directory");
    let target = KvStore::from_sync(Arc::new(FilesystemStore::new(stores.path("b"))), "target");
    // Half of the peers, one of them with a wrong record, and no observer record.
    block_on(async {
        let source = RedbStore::open_read_only(stores.path("a.redb")).expect("redb file opens");
        let mut batch = Batch::default();
        batch.changes.peers = source.peers(&OBSERVER, None, 20).await.expect("peers");
        batch.changes.peers[7].flap_count += 1;
        target.commit(&OBSERVER, Arc::new(batch)).await.expect("batch is committed");
    });
    drop(target);
    assert_eq!(report_json(&to, &[]).get("observers"), None, "an incomplete history is listed");
    let summary = copy_json(&from, &to, &[]);
    assert_eq!(summary["observers"][0]["unchanged"], 19);
    assert_eq!(report_json(&to, &["--all"]), report_json(&from, &["--all"]));
}

/// Starts a copy to `dir:b` and waits until it has written the first peer.
fn copy_in_progress(stores: &Stores, from: &str, directory: &Path) -> std::process::Child {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .args(["copy", from, &stores.url("dir:b")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("program starts");
    let observer_directory = directory.join("ldk_fitness").join(OBSERVER.to_string());
    let has_written = || {
        let mut names = std::fs::read_dir(&observer_directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("m-") && !name.to_string_lossy().contains('.'))
    };
    while !has_written() {
        assert!(matches!(child.try_wait(), Ok(None)), "the copy ended before it wrote anything");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn killed_copy_can_be_continued() {
    let stores = Stores::new();
    let from = stores.redb("a.redb", OBSERVER, 12_000);
    let to = stores.url("dir:b");
    for _ in 0..2 {
        let mut child = copy_in_progress(&stores, &from, &stores.path("b"));
        child.kill().expect("running process");
        child.wait().expect("process ends");
        assert_eq!(report_json(&to, &[]).get("observers"), None, "an incomplete history is listed");
    }
    let summary = copy_json(&from, &to, &[]);
    assert!(summary["observers"][0]["unchanged"].as_u64() > Some(0), "{summary}");
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
}

#[cfg(unix)]
#[test]
fn interrupted_copy_can_be_continued() {
    let stores = Stores::new();
    let from = stores.redb("a.redb", OBSERVER, 12_000);
    let child = copy_in_progress(&stores, &from, &stores.path("b"));
    let pid = i32::try_from(child.id()).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id other than 0");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("running process");
    let output = child.wait_with_output().expect("process ends");
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    assert_eq!(stdout(&output), "");
    let to = stores.url("dir:b");
    let summary = copy_json(&from, &to, &[]);
    assert!(summary["observers"][0]["unchanged"].as_u64() > Some(0), "{summary}");
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
}

#[test]
fn source_that_changes_during_the_copy_is_detected() {
    let stores = Stores::new();
    std::fs::create_dir(stores.path("wallet")).expect("a new directory");
    let wallet = KvStore::from_sync(Arc::new(FilesystemStore::new(stores.path("wallet"))), "wallet");
    block_on(fill_store(&wallet, OBSERVER, 12_000));
    let (from, to) = (stores.url("dir:wallet"), stores.url("dir:b"));
    let before = report_json(&from, &[]);
    let child = copy_in_progress(&stores, &from, &stores.path("b"));
    block_on(async {
        let record = wallet.observer(&OBSERVER).await.expect("readable").expect("an observer record");
        let later = ObserverRecord { last_heartbeat_ns: record.last_heartbeat_ns + 1, ..record };
        wallet.commit(&OBSERVER, Arc::new(Batch { observer: Some(later), ..Batch::default() })).await
    })
    .expect("batch is committed");
    let output = child.wait_with_output().expect("process ends");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&from) && message.contains(&OBSERVER.to_string()), "{message}");
    assert_eq!(report_json(&to, &[]), before, "the copy does not have the state from when it started");
}
