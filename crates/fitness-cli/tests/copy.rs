//! `copy`: histories that move, and what is there when one is cut short.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{block_on, filled, ldk_fitness, report, report_json, stderr, stdout};
use fitness_core::{NodeId, ObserverRecord};
use fitness_store::{Batch, Store};
use fitness_store_kv::KvStore;
use fitness_store_redb::RedbStore;
use lightning_persister::fs_store::FilesystemStore;
use serde_json::{Value, json};

const US: NodeId = NodeId([2; 33]);
const OTHER: NodeId = NodeId([3; 33]);

/// A directory for stores, which are named by their kind and name.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self, name: &str) -> String {
        let (scheme, name) = name.rsplit_once(':').map_or(("", name), |(scheme, name)| (scheme, name));
        let colon = if scheme.is_empty() { "" } else { ":" };
        format!("{scheme}{colon}{}", self.at(name).display())
    }

    fn redb(&self, name: &str, observer: NodeId, peers: u32) -> String {
        let store = RedbStore::open(self.at(name)).expect("a new file");
        block_on(filled(&store, observer, peers));
        self.store(name)
    }
}

fn copy(from: &str, to: &str, args: &[&str]) -> Output {
    ldk_fitness().args(["copy", from, to]).args(args).output().expect("it runs")
}

fn copy_json(from: &str, to: &str, args: &[&str]) -> Value {
    let output = copy(from, to, &[&["--json"], args].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn refused(from: &str, to: &str, args: &[&str], code: i32) -> String {
    let output = copy(from, to, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty());
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

#[test]
fn round_the_kinds_nothing_is_lost() {
    let place = Place::new();
    let first = place.redb("first.redb", US, 300);
    block_on(filled(&RedbStore::open(place.at("first.redb")).expect("it is there"), OTHER, 20));
    let asked = ["--all", "--gaps", "--timeline", "--buckets", "day", "--window", "lifetime"];
    let expected = report_json(&first, &asked);
    let before = std::fs::read(place.at("first.redb")).expect("it is there");
    let mut from = first.clone();
    for to in
        ["dir:wallet", "sqlite:wallet.sqlite", "sqlite:wallet.sqlite?table=raw", "dir:wallet2", "last.redb"]
    {
        let to = place.store(to);
        let copied = copy_json(&from, &to, &[]);
        assert_eq!((&copied["from"], &copied["to"]), (&json!(from), &json!(to)));
        assert!(copied["took_ns"].as_u64() > Some(0));
        let of = |observer: NodeId, peers: u64, segments: u64, bytes: &Value| {
            let rows = peers + segments + 2;
            json!({
                "node_id": observer.to_string(), "peers": peers, "segments": segments, "gaps": 1,
                "written": rows, "unchanged": 0, "deleted": 0, "bytes": bytes,
            })
        };
        let bytes = |index: usize| &copied["observers"][index]["bytes"];
        assert!(bytes(0).as_u64() > Some(300 * 100));
        let both = json!([of(US, 300, 300, bytes(0)), of(OTHER, 20, 20, bytes(1))]);
        assert_eq!(copied["observers"], both);
        assert_eq!(report_json(&to, &asked), expected, "{to}");
        from = to;
    }
    assert_eq!(
        std::fs::read(place.at("first.redb")).expect("it is there"),
        before,
        "the source is only read"
    );
}

#[test]
fn what_was_copied_is_told() {
    let place = Place::new();
    let (from, to) = (place.redb("a.redb", US, 1_200), place.store("dir:b"));
    let told = |args: &[&str]| {
        let text = stdout(&copy(&from, &to, args));
        // How long it took, and how many bytes it was.
        let digits = text.replace(|it: char| it.is_ascii_digit(), "#");
        (text, digits)
    };
    let (text, digits) = told(&[]);
    let first =
        format!("Node {US}: 1,200 peers, 1,200 log segments, 1 gap.\n2,402 records written to {to}, ");
    assert!(text.starts_with(&first), "{text}");
    assert!(digits.contains(" KiB in "), "{text}");
    assert!(
        text.ends_with(&format!(
            ".\nAll were read back, and are equal.\nTo read it: ldk-fitness report {to}\n"
        )),
        "{text}"
    );

    let (text, _) = told(&[]);
    assert!(text.contains(&format!("\n{to} had all of it already: 2,402 records compared in ")), "{text}");
    let more = place.redb("a.redb", US, 1_201);
    let text = stdout(&copy(&more, &to, &["--overwrite"]));
    assert!(
        text.contains("\n2 records written to ") && text.contains("; 2,402 were there already.\n"),
        "{text}"
    );
    place.redb("c.redb", US, 1_000);
    let text = stdout(&copy(&place.store("c.redb"), &to, &["--overwrite"]));
    assert!(text.contains("; 201 deleted that ") && text.contains("c.redb does not have.\n"), "{text}");
    assert_eq!(report_json(&to, &["--all"]), report_json(&place.store("c.redb"), &["--all"]));
}

#[test]
fn a_history_that_is_there_is_not_overwritten_unasked() {
    let place = Place::new();
    let (from, to) = (place.redb("a.redb", US, 10), place.redb("b.redb", US, 12));
    let before = std::fs::read(place.at("b.redb")).expect("it is there");
    let message = refused(&from, &to, &[], 2);
    let parts = ["b.redb has another history of node", &US.to_string(), "--overwrite"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    let told = report_json(&to, &[]);
    assert_eq!(report_json(&to, &[]), told);
    assert_eq!(told["peers"].as_array().map(Vec::len), Some(12));
    assert!(std::fs::read(place.at("b.redb")).expect("it is there").len() >= before.len());

    let copied = copy_json(&from, &to, &["--overwrite"]);
    assert_eq!(copied["observers"][0]["deleted"], 2);
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
    // Another node's history is nobody's business here.
    let third = place.redb("c.redb", OTHER, 3);
    copy_json(&third, &to, &[]);
    let both = report_json(&to, &[]);
    assert_eq!(both["observers"].as_array().map(Vec::len), Some(2));
    assert_eq!(both["peers"].as_array().map(Vec::len), Some(13));
}

#[test]
fn one_of_several_histories_can_be_chosen() {
    let place = Place::new();
    let from = place.redb("a.redb", US, 3);
    block_on(filled(&RedbStore::open(place.at("a.redb")).expect("it is there"), OTHER, 5));
    let to = place.store("b.redb");
    copy_json(&from, &to, &["--observer", &OTHER.to_string()]);
    assert_eq!(report_json(&to, &[]), report_json(&from, &["--observer", &OTHER.to_string()]));

    let nobody = NodeId([9; 33]).to_string();
    let message = refused(&from, &place.store("c.redb"), &["--observer", &nobody], 2);
    assert!(
        [&nobody, &US.to_string(), &OTHER.to_string()].iter().all(|id| message.contains(*id)),
        "{message}"
    );
    assert!(!place.at("c.redb").exists(), "nothing is made for a copy that was not to be");
}

#[test]
fn a_store_is_not_copied_to_itself() {
    let place = Place::new();
    place.redb("a.redb", US, 3);
    let a = place.store("a.redb");
    copy_json(&a, &place.store("dir:d"), &[]);
    copy_json(&a, &place.store("sqlite:s"), &[]);
    let detour = |name: &str| {
        place
            .store(name)
            .replace(place.0.path().to_str().expect("text"), &format!("{}/d/..", place.0.path().display()))
    };
    for name in ["a.redb", "dir:d", "sqlite:s", "sqlite:s?table=LDK_node_data"] {
        let plain = place.store(name.split('?').next().expect("something"));
        for to in [plain.clone(), detour(name)] {
            let message = refused(&plain, &to, &["--overwrite"], 2);
            assert!(message.contains("cannot be copied to itself"), "{message}");
        }
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.at("a.redb"), place.at("link.redb")).expect("a link");
        assert!(refused(&a, &place.store("link.redb"), &[], 2).contains("to itself"));
    }
}

#[test]
fn stores_that_cannot_be_opened_are_named() {
    let place = Place::new();
    let from = place.redb("a.redb", US, 3);
    for scheme in ["", "sqlite:", "dir:"] {
        let message = refused(&place.store(&format!("{scheme}missing")), &place.store("b.redb"), &[], 2);
        assert!(message.contains("there is no such file or directory"), "{message}");
        assert!(!place.at("b.redb").exists());
        // The directory that a store is to be in has to be there.
        let message = refused(&from, &place.store(&format!("{scheme}missing/deeper")), &[], 2);
        assert!(message.contains("missing/deeper") && message.contains("create the directory"), "{message}");
        assert!(!place.at("missing").exists());
    }
    std::fs::create_dir(place.at("directory")).expect("a directory");
    assert!(refused(&from, &place.store("directory"), &[], 2).contains("it is a directory"));
    assert!(refused(&from, &place.store("dir:a.redb"), &[], 2).contains("it is a file"));
    assert!(refused(&from, &place.store("sqlite:a.redb"), &[], 2).contains("no SQLite file"));
    assert_eq!(copy(&from, "ftp://x", &[]).status.code(), Some(2));
    assert_eq!(copy(&from, &place.store("dir:directory"), &[]).status.code(), Some(0), "it may be there");
}

#[test]
fn a_store_in_use_is_said_to_be() {
    let place = Place::new();
    let (from, to) = (place.redb("a.redb", US, 3), place.redb("b.redb", US, 3));
    for name in ["a.redb", "b.redb"] {
        let running = RedbStore::open(place.at(name)).expect("it is there");
        let message = refused(&from, &to, &["--overwrite"], 1);
        assert!(message.contains(name) && message.contains("in use by another process"), "{message}");
        drop(running);
    }
    copy_json(&from, &to, &["--overwrite"]);
}

#[test]
fn a_store_without_a_history_leaves_nothing_behind() {
    let place = Place::new();
    drop(RedbStore::open(place.at("empty.redb")).expect("a new file"));
    let (from, to) = (place.store("empty.redb"), place.store("b.redb"));
    let text = stdout(&copy(&from, &to, &[]));
    assert!(text.contains("empty.redb yet: there is nothing to copy."), "{text}");
    assert_eq!(copy_json(&from, &to, &[])["observers"], json!([]));
    assert!(!place.at("b.redb").exists());
}

#[test]
fn it_goes_on_with_what_somebody_left() {
    let place = Place::new();
    let from = place.redb("a.redb", US, 40);
    let to = place.store("dir:b");
    std::fs::create_dir(place.at("b")).expect("a directory");
    let kept = Arc::new(FilesystemStore::new(place.at("b")));
    let target = KvStore::from_sync(kept, "a directory");
    // Half of it, a peer that is not what it should be, and no record of the observer's.
    block_on(async {
        let source = RedbStore::open_read_only(place.at("a.redb")).expect("it is there");
        let mut batch = Batch::default();
        batch.changes.peers = source.peers(&US, None, 20).await.expect("peers");
        batch.changes.peers[7].flap_count += 1;
        target.commit(&US, Arc::new(batch)).await.expect("it is stored");
    });
    drop(target);
    assert_eq!(stdout(&report(&to, &[])), "Nothing has been recorded yet.\n");
    let copied = copy_json(&from, &to, &[]);
    assert_eq!(copied["observers"][0]["unchanged"], 19);
    assert_eq!(report_json(&to, &["--all"]), report_json(&from, &["--all"]));
}

/// A copy of many peers that was seen to write, and has not ended.
fn under_way(place: &Place, from: &str, to: &Path) -> std::process::Child {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("ldk-fitness"))
        .args(["copy", from, &place.store("dir:b")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let observer = to.join("ldk_fitness").join(US.to_string());
    let is_written = || {
        let mut names =
            std::fs::read_dir(&observer).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("m-") && !name.to_string_lossy().contains('.'))
    };
    while !is_written() {
        assert!(matches!(child.try_wait(), Ok(None)), "it ended before it wrote anything");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn it_goes_on_after_it_was_killed() {
    let place = Place::new();
    let from = place.redb("a.redb", US, 12_000);
    let to = place.store("dir:b");
    // Again and again, each time at another moment of what there is to do.
    for _ in 0..2 {
        let mut child = under_way(&place, &from, &place.at("b"));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(report_json(&to, &[]).get("observers"), None, "it is not listed before it is all there");
    }
    let copied = copy_json(&from, &to, &[]);
    assert!(copied["observers"][0]["unchanged"].as_u64() > Some(0), "{copied}");
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
}

#[cfg(unix)]
#[test]
fn it_goes_on_after_it_was_interrupted() {
    let place = Place::new();
    let from = place.redb("a.redb", US, 12_000);
    let child = under_way(&place, &from, &place.at("b"));
    let pid = i32::try_from(child.id()).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("it is not 0");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let message = "error: interrupted; what was copied stays, and the same command goes on with it\n";
    assert_eq!((stderr(&output), stdout(&output)), (message.to_owned(), String::new()));
    let to = place.store("dir:b");
    let copied = copy_json(&from, &to, &[]);
    assert!(copied["observers"][0]["unchanged"].as_u64() > Some(0), "{copied}");
    assert_eq!(report_json(&to, &[]), report_json(&from, &[]));
}

#[test]
fn a_node_that_goes_on_meanwhile_is_noticed_where_it_cannot_be_locked_out() {
    let place = Place::new();
    std::fs::create_dir(place.at("wallet")).expect("a directory");
    let running = KvStore::from_sync(Arc::new(FilesystemStore::new(place.at("wallet"))), "a wallet");
    block_on(filled(&running, US, 12_000));
    let (from, to) = (place.store("dir:wallet"), place.store("dir:b"));
    let before = report_json(&from, &[]);
    let child = under_way(&place, &from, &place.at("b"));
    block_on(async {
        let record = running.observer(&US).await.expect("it is there").expect("it has one");
        let later = ObserverRecord { last_heartbeat_ns: record.last_heartbeat_ns + 1, ..record };
        running.commit(&US, Arc::new(Batch { observer: Some(later), ..Batch::default() })).await
    })
    .expect("it is stored");
    let output = child.wait_with_output().expect("it ends");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("has gone on") && message.contains("stop its node"), "{message}");
    assert_eq!(report_json(&to, &[]), before, "it is what it was when the copy began");
}
