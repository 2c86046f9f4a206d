//! Stores of every kind, as they are named: opened where they are what they should be, refused and left alone
//! where they are not.

mod common;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use common::{HOUR, T0, block_on, filled, ldk_fitness, report, report_json, stderr, stdout};
use fitness_core::NodeId;
use fitness_store_kv::KvStore;
use fitness_store_redb::RedbStore;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SqliteStore};
use ldk_node::lightning::util::persist::KVStoreSync as _;
use lightning_persister::fs_store::FilesystemStore;
use rusqlite::Connection;

const US: NodeId = NodeId([2; 33]);

/// A wallet's own database, with its channels in it.
fn wallet(file: &Path, table: &str) -> Arc<SqliteStore> {
    let (directory, name) = (file.parent().expect("it is in one"), file.file_name().expect("it has one"));
    let name = name.to_str().expect("it is text").to_owned();
    let wallet = SqliteStore::new(directory.to_owned(), Some(name), Some(table.to_owned()));
    let wallet = Arc::new(wallet.expect("a new database"));
    wallet.write("", "", "manager", vec![7; 5_000]).expect("it is stored");
    wallet
}

fn files(directory: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let entries = std::fs::read_dir(directory).expect("it can be listed");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).ok()))
        .collect();
    files.sort();
    files
}

fn refused(store: &str) -> String {
    let output = report(store, &["--json"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{store}: {message}");
    assert!(output.stdout.is_empty());
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

#[test]
fn a_history_is_read_from_where_a_wallet_keeps_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    block_on(filled(&RedbStore::open(at("fitness.redb")).expect("a new file"), US, 30));
    let expected = report_json(&at("fitness.redb"), &[]);
    assert_eq!(expected["peers"].as_array().map(Vec::len), Some(30));

    let sqlite = wallet(at("ldk_node_data.sqlite").as_ref(), KV_TABLE_NAME);
    block_on(filled(&KvStore::from_sync(sqlite, "a wallet"), US, 30));
    let raw = wallet(at("raw.sqlite").as_ref(), "ldk_data");
    block_on(filled(&KvStore::from_sync(raw, "a wallet"), US, 30));
    let kept = Arc::new(FilesystemStore::new(at("fs_store").into()));
    kept.write("", "", "manager", vec![7; 5_000]).expect("it is stored");
    block_on(filled(&KvStore::from_sync(kept, "a wallet"), US, 30));

    let before = files(directory.path());
    for store in [
        format!("redb:{}", at("fitness.redb")),
        format!("sqlite:{}", at("ldk_node_data.sqlite")),
        format!("SQLITE://{}", at("ldk_node_data.sqlite")),
        format!("sqlite:{}?table=ldk_data", at("raw.sqlite")),
        format!("dir:{}", at("fs_store")),
    ] {
        assert_eq!(report_json(&store, &[]), expected, "{store}");
    }
    assert_eq!(files(directory.path()), before, "asking changes nothing");
}

#[test]
fn a_wallet_that_runs_can_be_asked_about() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ldk_node_data.sqlite");
    let running = KvStore::from_sync(wallet(&file, KV_TABLE_NAME), "a wallet");
    block_on(filled(&running, US, 3));
    let store = format!("sqlite:{}", file.display());
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(3));
    block_on(filled(&running, US, 5));
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(5));
}

#[test]
fn what_a_wallet_left_half_done_in_a_crash_is_undone() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let running = wallet(&at("running.sqlite"), KV_TABLE_NAME);
    block_on(filled(&KvStore::from_sync(running, "a wallet"), US, 3));
    let crashing = Connection::open(at("running.sqlite")).expect("it is there");
    // So little memory that it writes before it is done.
    let half = "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; DELETE FROM ldk_node_data; \
                INSERT INTO ldk_node_data VALUES ('a', '', 'b', zeroblob(1000000));";
    crashing.execute_batch(half).expect("it is SQL");
    for end in ["", "-journal"] {
        std::fs::copy(at(&format!("running.sqlite{end}")), at(&format!("crashed.sqlite{end}")))
            .expect("a copy");
    }
    let store = format!("sqlite:{}", at("crashed.sqlite").display());
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(3));
    assert!(!at("crashed.sqlite-journal").exists(), "it was there, and needed");
}

#[test]
fn what_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing");
    for scheme in ["", "redb:", "sqlite:", "dir:"] {
        let message = refused(&format!("{scheme}{}", path.display()));
        assert!(message.contains("there is no such file or directory"), "{message}");
        let message = refused(&format!("{scheme}{}/deeper", path.display()));
        assert!(message.contains("there is no such file or directory"), "{message}");
    }
    assert_eq!(files(directory.path()), []);
}

#[test]
fn the_wrong_kind_is_told_the_right_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (redb, sqlite, wallet_directory) = (at("fitness.redb"), at("ldk_node_data.sqlite"), at("fs_store"));
    block_on(filled(&RedbStore::open(&redb).expect("a new file"), US, 1));
    block_on(filled(&KvStore::from_sync(wallet(sqlite.as_ref(), KV_TABLE_NAME), "a wallet"), US, 1));
    std::fs::create_dir(&wallet_directory).expect("a directory");
    let kept = Arc::new(FilesystemStore::new((&wallet_directory).into()));
    block_on(filled(&KvStore::from_sync(kept, "a wallet"), US, 1));
    let empty = at("empty");
    std::fs::create_dir(&empty).expect("a directory");
    let text = at("notes.txt");
    std::fs::write(&text, "not a database\n".repeat(1_000)).expect("it can be written");

    let here = directory.path().display();
    let before = files(directory.path());
    for (store, hint) in [
        (sqlite.clone(), format!("sqlite:{sqlite}")),
        (wallet_directory.clone(), format!("dir:{wallet_directory}")),
        (format!("{here}"), format!("dir:{wallet_directory}")),
        (format!("dir:{here}"), format!("dir:{wallet_directory}")),
        (format!("dir:{wallet_directory}/ldk_fitness"), format!("dir:{wallet_directory}")),
        (format!("dir:{redb}"), "it is a file; that of a redb store is given without dir:".to_owned()),
        (format!("sqlite:{redb}"), "it is no SQLite file".to_owned()),
        (format!("sqlite:{text}"), "it is no SQLite file".to_owned()),
        (format!("sqlite:{wallet_directory}"), format!("dir:{wallet_directory}")),
        (empty.clone(), "dir:PATH".to_owned()),
        (format!("dir:{empty}"), "there is no history in it".to_owned()),
        (format!("sqlite:{sqlite}?table=ldk_data"), "has ldk_node_data".to_owned()),
    ] {
        let message = refused(&store);
        assert!(message.contains(&hint), "{store}: {message}");
    }
    std::fs::remove_dir_all(&wallet_directory).expect("it is there");
    let message = refused(&format!("{here}"));
    assert!(message.contains(&format!("sqlite:{sqlite}")), "a wallet's own directory: {message}");
    let left: Vec<_> = before.into_iter().filter(|(path, _)| *path != wallet_directory).collect();
    assert_eq!(files(directory.path()), left, "none of them was changed");
}

/// The program writing into a store: that of a replay.
fn keep(store: &str) -> Output {
    let observer = US.to_string();
    let mut command = ldk_fitness();
    command.arg("replay").arg(common::data("small.jsonl")).args(["--store", store, "--observer", &observer]);
    command.output().expect("it runs")
}

#[test]
fn databases_of_others_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let made = |name: &str, sql: &str| {
        Connection::open(at(name)).expect("a new file").execute_batch(sql).expect("it is SQL");
    };
    made("browser.sqlite", "CREATE TABLE cookies (id); PRAGMA user_version = 2000000000;");
    made("notes.sqlite", "CREATE TABLE notes (id);");
    made("other.sqlite", "CREATE TABLE ldk_node_data (id); PRAGMA user_version = 2;");
    let table = "CREATE TABLE ldk_node_data (primary_namespace TEXT, secondary_namespace TEXT, key TEXT, value BLOB);";
    made("older.sqlite", &format!("{table} PRAGMA user_version = 1;"));
    made("later.sqlite", &format!("{table} PRAGMA user_version = 3;"));
    made("cut.sqlite", table);
    let whole = std::fs::read(at("cut.sqlite")).expect("it is there");
    std::fs::write(at("cut.sqlite"), &whole[..whole.len() / 3]).expect("it can be written");
    let before = files(directory.path());
    for (name, why) in [
        ("browser.sqlite", "a later one"),
        ("notes.sqlite", "has notes"),
        ("other.sqlite", "is none of LDK's"),
        ("older.sqlite", "of an older ldk-node; start the wallet"),
        ("later.sqlite", "version 3"),
        ("cut.sqlite", "is damaged"),
    ] {
        let store = format!("sqlite:{}", at(name).display());
        let message = refused(&store);
        assert!(message.contains(why), "{name}: {message}");
        let output = keep(&store);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(why), "{name}: {}", stderr(&output));
    }
    assert_eq!(files(directory.path()), before);
    // One that nobody has put anything into is as good as none.
    for name in ["empty.sqlite", "bare.sqlite"] {
        std::fs::write(at("empty.sqlite"), []).expect("it can be written");
        made("bare.sqlite", "VACUUM;");
        let store = format!("sqlite:{}", at(name).display());
        refused(&store);
        assert_eq!(keep(&store).status.code(), Some(0));
        assert_eq!(report(&store, &[]).status.code(), Some(0));
    }
}

#[test]
fn a_trace_is_kept_in_any_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let replayed = ldk_fitness().arg("replay").arg(common::data("small.jsonl")).arg("--json").output();
    let replayed: serde_json::Value =
        serde_json::from_slice(&replayed.expect("it runs").stdout).expect("JSON");
    let stores = [
        at("test.redb"),
        format!("sqlite:{}", at("test.sqlite")),
        format!("sqlite:{}?table=other", at("test.sqlite")),
        format!("dir:{}", at("test")),
    ];
    for store in &stores {
        let output = keep(store);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{store}");
        let kept = report_json(store, &["--window", "lifetime"]);
        assert_eq!(kept["observers"][0]["node_id"], US.to_string());
        assert_eq!(kept["at_ns"], replayed["at_ns"]);
        for list in ["peers", "channels", "coverage"] {
            let mut kept = kept[list].clone();
            kept.as_array_mut().expect("a list").iter_mut().for_each(|entry| {
                entry.as_object_mut().expect("an entry").remove("window");
            });
            assert_eq!(kept, replayed[list], "{store}: {list}");
        }
        // What is there is not touched.
        let again = keep(store);
        assert_eq!(again.status.code(), Some(2));
        assert!(stderr(&again).contains("has another history of node"), "{}", stderr(&again));
    }
    let bad = |args: &[&str]| {
        let output = ldk_fitness().args(["replay", "-"]).args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    };
    bad(&["--store", &at("new.redb")]);
    bad(&["--observer", &US.to_string()]);
    bad(&["--store", &at("new.redb"), "--observer", &US.to_string(), "--preset", "lnd-0.19"]);
    assert!(!Path::new(&at("new.redb")).exists());
}

/// A device that boots in 1970: what it noted then is told by the clock as it was set.
#[test]
fn a_store_tells_times_by_the_clock_that_was_set() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, node) = (directory.path().join("test.redb"), common::node('a'));
    let store = store.to_str().expect("it is text");
    let trace = format!(
        "{{\"at_ns\":1000000000,\"event\":\"watch\",\"node_id\":\"{node}\"}}\n\
         {{\"at_ns\":1000000000,\"event\":\"peer_online\",\"node_id\":\"{node}\"}}\n\
         {{\"at_ns\":5000000000,\"event\":\"clock_set\",\"to_ns\":{T0}}}\n\
         {{\"at_ns\":{},\"event\":\"peer_offline\",\"node_id\":\"{node}\"}}\n",
        T0 + HOUR
    );
    let output = common::replay(trace, &["--json", "--store", store, "--observer", &US.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let replayed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kept = report_json(store, &[]);
    assert_eq!(replayed["at_ns"], T0 + HOUR);
    assert_eq!(kept["observers"][0]["heartbeat_ns"], T0 + HOUR);
    for told in ["at_ns", "peers", "coverage"] {
        assert_eq!(kept[told], replayed[told], "{told}");
    }
    let later = report_json(store, &["--at", &(T0 + 2 * HOUR).to_string()]);
    assert_eq!(later["coverage"][0]["ongoing"]["from_ns"], T0 + HOUR);
}

#[test]
fn the_environment_names_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fitness.redb");
    block_on(filled(&RedbStore::open(&path).expect("a new file"), US, 2));
    let run = |value: &std::ffi::OsStr, args: &[&str]| {
        ldk_fitness().env("LDK_FITNESS_STORE", value).arg("report").args(args).output().expect("it runs")
    };
    let output = run(path.as_ref(), &["--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["at_ns"], T0 + 10 * HOUR);
    // What is typed counts more.
    let other = directory.path().join("other.redb");
    assert!(stderr(&run(path.as_ref(), &[&other.display().to_string()])).contains("other.redb"));
    let secret = "postgres://me:hunter2@db/fitness";
    let help = stdout(&run(secret.as_ref(), &["--help"]));
    assert!(help.contains("LDK_FITNESS_STORE") && !help.contains("hunter2"), "{help}");
    assert_eq!(run("".as_ref(), &[]).status.code(), Some(2));
    assert_eq!(ldk_fitness().arg("report").output().expect("it runs").status.code(), Some(2));
}

#[test]
fn what_names_no_store_is_told_the_forms_and_no_password_is_repeated() {
    for store in
        ["sqllite:x", "mysql://me:hunter2@db/fitness", "redb:", "dir:", "sqlite:x?table=a;b", "postgres:me"]
    {
        let output = report(store, &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.starts_with("error: <STORE>: ") && !message.contains("hunter2"), "{message}");
    }
    let message = stderr(&report("sqllite:x", &[]));
    for form in ["\"sqllite\"", "\n  PATH, redb:PATH ", "\n  sqlite:PATH", "\n  dir:PATH", "\n  postgres://"]
    {
        assert!(message.contains(form), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"fit\xffness.redb"));
    block_on(filled(&RedbStore::open(&path).expect("a new file"), US, 2));
    let output = ldk_fitness().arg("report").arg(&path).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = ldk_fitness().arg("report").arg(std::ffi::OsStr::from_bytes(b"dir:a\xff")).output();
    assert!(stderr(&output.expect("it runs")).contains("UTF-8"));
}
