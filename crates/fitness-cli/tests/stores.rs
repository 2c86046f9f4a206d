//! Stores of every kind are opened by name. A store that cannot be opened is rejected and not changed.

mod common;

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use common::{HOUR, T0, block_on, fill_store, ldk_fitness, report, report_json, stderr, stdout};
use fitness_core::NodeId;
use fitness_store_kv::KvStore;
use fitness_store_redb::RedbStore;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SqliteStore};
use ldk_node::lightning::util::persist::KVStoreSync as _;
use lightning_persister::fs_store::FilesystemStore;
use rusqlite::Connection;

const OBSERVER: NodeId = NodeId([2; 33]);

/// Opens an SQLite database of ldk-node, and writes a record of the wallet.
fn wallet(file: &Path, table: &str) -> Arc<SqliteStore> {
    let (directory, name) =
        (file.parent().expect("a parent directory"), file.file_name().expect("a file name"));
    let name = name.to_str().expect("UTF-8").to_owned();
    let wallet = SqliteStore::new(directory.to_owned(), Some(name), Some(table.to_owned()));
    let wallet = Arc::new(wallet.expect("a new database"));
    wallet.write("", "", "manager", vec![7; 5_000]).expect("record is written");
    wallet
}

/// Returns the paths in a directory, with the content of each file.
fn files(directory: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let entries = std::fs::read_dir(directory).expect("readable directory");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).ok()))
        .collect();
    files.sort();
    files
}

/// Runs `report` on a store that cannot be opened. Returns the message.
fn report_error(store: &str) -> String {
    let output = report(store, &["--json"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{store}: {message}");
    assert!(output.stdout.is_empty());
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

#[test]
fn history_is_read_from_every_kind_of_store() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    block_on(fill_store(&RedbStore::open(at("fitness.redb")).expect("a new file"), OBSERVER, 30));
    let expected = report_json(&at("fitness.redb"), &[]);
    assert_eq!(expected["peers"].as_array().map(Vec::len), Some(30));

    let sqlite = wallet(at("ldk_node_data.sqlite").as_ref(), KV_TABLE_NAME);
    block_on(fill_store(&KvStore::from_sync(sqlite, "wallet"), OBSERVER, 30));
    let raw = wallet(at("raw.sqlite").as_ref(), "ldk_data");
    block_on(fill_store(&KvStore::from_sync(raw, "wallet"), OBSERVER, 30));
    let fs_store = Arc::new(FilesystemStore::new(at("fs_store").into()));
    fs_store.write("", "", "manager", vec![7; 5_000]).expect("record is written");
    block_on(fill_store(&KvStore::from_sync(fs_store, "wallet"), OBSERVER, 30));

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
    assert_eq!(files(directory.path()), before, "reading changed a file");
}

#[test]
fn database_of_a_running_wallet_can_be_read() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("ldk_node_data.sqlite");
    let running = KvStore::from_sync(wallet(&file, KV_TABLE_NAME), "wallet");
    block_on(fill_store(&running, OBSERVER, 3));
    let store = format!("sqlite:{}", file.display());
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(3));
    block_on(fill_store(&running, OBSERVER, 5));
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(5));
}

#[test]
fn transaction_interrupted_by_a_crash_is_rolled_back() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name);
    let running = wallet(&at("running.sqlite"), KV_TABLE_NAME);
    block_on(fill_store(&KvStore::from_sync(running, "wallet"), OBSERVER, 3));
    let crashing = Connection::open(at("running.sqlite")).expect("database opens");
    // With a tiny cache, SQLite writes to the file before the transaction ends.
    let unfinished = "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; DELETE FROM ldk_node_data; \
                INSERT INTO ldk_node_data VALUES ('a', '', 'b', zeroblob(1000000));";
    crashing.execute_batch(unfinished).expect("valid SQL");
    for suffix in ["", "-journal"] {
        std::fs::copy(at(&format!("running.sqlite{suffix}")), at(&format!("crashed.sqlite{suffix}")))
            .expect("file is copied");
    }
    let store = format!("sqlite:{}", at("crashed.sqlite").display());
    assert_eq!(report_json(&store, &[])["peers"].as_array().map(Vec::len), Some(3));
    assert!(!at("crashed.sqlite-journal").exists(), "the journal was not applied");
}

#[test]
fn missing_store_is_not_created() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("missing");
    for scheme in ["", "redb:", "sqlite:", "dir:"] {
        for missing in [path.clone(), path.join("deeper")] {
            let message = report_error(&format!("{scheme}{}", missing.display()));
            assert!(message.contains(&missing.display().to_string()), "{message}");
        }
    }
    assert_eq!(files(directory.path()), []);
}

#[test]
fn wrong_kind_of_store_is_rejected_with_a_suggestion() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (redb, sqlite, wallet_directory) = (at("fitness.redb"), at("ldk_node_data.sqlite"), at("fs_store"));
    block_on(fill_store(&RedbStore::open(&redb).expect("a new file"), OBSERVER, 1));
    block_on(fill_store(&KvStore::from_sync(wallet(sqlite.as_ref(), KV_TABLE_NAME), "wallet"), OBSERVER, 1));
    std::fs::create_dir(&wallet_directory).expect("temporary directory");
    let fs_store = Arc::new(FilesystemStore::new((&wallet_directory).into()));
    block_on(fill_store(&KvStore::from_sync(fs_store, "wallet"), OBSERVER, 1));
    let empty = at("empty");
    std::fs::create_dir(&empty).expect("temporary directory");
    let text = at("notes.txt");
    std::fs::write(&text, "not a database\n".repeat(1_000)).expect("file is written");

    let parent = directory.path().display();
    let before = files(directory.path());
    for (store, part) in [
        (sqlite.clone(), format!("sqlite:{sqlite}")),
        (wallet_directory.clone(), format!("dir:{wallet_directory}")),
        (format!("{parent}"), format!("dir:{wallet_directory}")),
        (format!("dir:{parent}"), format!("dir:{wallet_directory}")),
        (format!("dir:{wallet_directory}/ldk_fitness"), format!("dir:{wallet_directory}")),
        (format!("dir:{redb}"), "omit dir:".to_owned()),
        (format!("sqlite:{redb}"), "omit sqlite:".to_owned()),
        (format!("sqlite:{text}"), format!("sqlite:{text}")),
        (format!("sqlite:{wallet_directory}"), format!("dir:{wallet_directory}")),
        (empty.clone(), "dir:PATH".to_owned()),
        (format!("dir:{empty}"), "ldk_fitness".to_owned()),
        (format!("sqlite:{sqlite}?table=ldk_data"), "ldk_node_data".to_owned()),
    ] {
        let message = report_error(&store);
        assert!(message.contains(&part), "{store}: {message}");
    }
    std::fs::remove_dir_all(&wallet_directory).expect("readable file");
    let message = report_error(&format!("{parent}"));
    assert!(message.contains(&format!("sqlite:{sqlite}")), "{message}");
    let remaining: Vec<_> = before.into_iter().filter(|(path, _)| *path != wallet_directory).collect();
    assert_eq!(files(directory.path()), remaining, "a file was changed");
}

/// Runs `replay --store`, which writes to the store.
fn save_replay(store: &str) -> Output {
    let observer = OBSERVER.to_string();
    let mut command = ldk_fitness();
    command.arg("replay").arg(common::data("small.jsonl")).args(["--store", store, "--observer", &observer]);
    command.output().expect("program runs")
}

#[test]
fn sqlite_files_with_other_contents_are_rejected_and_not_changed() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name);
    let create = |name: &str, sql: &str| {
        Connection::open(at(name)).expect("a new file").execute_batch(sql).expect("valid SQL");
    };
    create("browser.sqlite", "CREATE TABLE cookies (id); PRAGMA user_version = 2000000000;");
    create("notes.sqlite", "CREATE TABLE notes (id);");
    create("other.sqlite", "CREATE TABLE ldk_node_data (id); PRAGMA user_version = 2;");
    let table = "CREATE TABLE ldk_node_data (primary_namespace TEXT, secondary_namespace TEXT, key TEXT, value BLOB);";
    create("older.sqlite", &format!("{table} PRAGMA user_version = 1;"));
    create("later.sqlite", &format!("{table} PRAGMA user_version = 3;"));
    create("truncated.sqlite", table);
    let whole = std::fs::read(at("truncated.sqlite")).expect("readable file");
    std::fs::write(at("truncated.sqlite"), &whole[..whole.len() / 3]).expect("file is written");
    let before = files(directory.path());
    for (name, part) in [
        ("browser.sqlite", "version is 2000000000"),
        ("notes.sqlite", "notes"),
        ("other.sqlite", "table ldk_node_data"),
        ("older.sqlite", "version 1"),
        ("later.sqlite", "version is 3"),
        ("truncated.sqlite", "truncated.sqlite"),
    ] {
        let store = format!("sqlite:{}", at(name).display());
        let message = report_error(&store);
        assert!(message.contains(part), "{name}: {message}");
        let output = save_replay(&store);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(part), "{name}: {}", stderr(&output));
    }
    assert_eq!(files(directory.path()), before);
    // A file without tables has no history, and can be written.
    for name in ["empty.sqlite", "bare.sqlite"] {
        std::fs::write(at("empty.sqlite"), []).expect("file is written");
        create("bare.sqlite", "VACUUM;");
        let store = format!("sqlite:{}", at(name).display());
        report_error(&store);
        assert_eq!(save_replay(&store).status.code(), Some(0));
        assert_eq!(report(&store, &[]).status.code(), Some(0));
    }
}

#[test]
fn replay_can_be_saved_in_every_kind_of_store() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name).display().to_string();
    let replayed = ldk_fitness().arg("replay").arg(common::data("small.jsonl")).arg("--json").output();
    let replayed: serde_json::Value =
        serde_json::from_slice(&replayed.expect("program runs").stdout).expect("JSON");
    let stores = [
        at("test.redb"),
        format!("sqlite:{}", at("test.sqlite")),
        format!("sqlite:{}?table=other", at("test.sqlite")),
        format!("dir:{}", at("test")),
    ];
    for store in &stores {
        let output = save_replay(store);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{store}");
        let saved = report_json(store, &["--window", "lifetime"]);
        assert_eq!(saved["observers"][0]["observer"], OBSERVER.to_string());
        assert_eq!(saved["at_ns"], replayed["at_ns"]);
        for list in ["peers", "channels", "coverage"] {
            let mut saved = saved[list].clone();
            saved.as_array_mut().expect("a list").iter_mut().for_each(|entry| {
                entry.as_object_mut().expect("an entry").remove("window");
            });
            assert_eq!(saved, replayed[list], "{store}: {list}");
        }
        // An existing history is not overwritten.
        let again = save_replay(store);
        assert_eq!(again.status.code(), Some(2));
        assert!(stderr(&again).contains(&OBSERVER.to_string()), "{}", stderr(&again));
    }
    let assert_bad_usage = |args: &[&str]| {
        let output = ldk_fitness().args(["replay", "-"]).args(args).output().expect("program runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    };
    assert_bad_usage(&["--store", &at("new.redb")]);
    assert_bad_usage(&["--observer", &OBSERVER.to_string()]);
    assert_bad_usage(&[
        "--store",
        &at("new.redb"),
        "--observer",
        &OBSERVER.to_string(),
        "--preset",
        "lnd-0.19",
    ]);
    assert!(!Path::new(&at("new.redb")).exists());
}

/// A device starts with its clock at 1970. The times of earlier events are converted to the corrected clock.
#[test]
fn times_before_a_clock_correction_are_converted() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (store, node) = (directory.path().join("test.redb"), common::node('a'));
    let store = store.to_str().expect("UTF-8");
    let trace = format!(
        "{{\"at_ns\":1000000000,\"event\":\"watch\",\"node_id\":\"{node}\"}}\n\
         {{\"at_ns\":1000000000,\"event\":\"peer_online\",\"node_id\":\"{node}\"}}\n\
         {{\"at_ns\":5000000000,\"event\":\"clock_set\",\"to_ns\":{T0}}}\n\
         {{\"at_ns\":{},\"event\":\"peer_offline\",\"node_id\":\"{node}\"}}\n",
        T0 + HOUR
    );
    let output = common::replay(trace, &["--json", "--store", store, "--observer", &OBSERVER.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let replayed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let saved = report_json(store, &[]);
    assert_eq!(replayed["at_ns"], T0 + HOUR);
    assert_eq!(saved["observers"][0]["last_heartbeat_ns"], T0 + HOUR);
    for field in ["at_ns", "peers", "coverage"] {
        assert_eq!(saved[field], replayed[field], "{field}");
    }
    let later = report_json(store, &["--at", &(T0 + 2 * HOUR).to_string()]);
    assert_eq!(later["coverage"][0]["ongoing_gap"]["from_ns"], T0 + HOUR);
}

#[test]
fn environment_variable_names_the_default_store() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("fitness.redb");
    block_on(fill_store(&RedbStore::open(&path).expect("a new file"), OBSERVER, 2));
    let run = |value: &std::ffi::OsStr, args: &[&str]| {
        ldk_fitness().env("LDK_FITNESS_STORE", value).arg("report").args(args).output().expect("program runs")
    };
    let output = run(path.as_ref(), &["--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["at_ns"], T0 + 10 * HOUR);
    // An argument takes precedence.
    let other = directory.path().join("other.redb");
    assert!(stderr(&run(path.as_ref(), &[&other.display().to_string()])).contains("other.redb"));
    let secret = "postgres://me:hunter2@db/fitness";
    let help = stdout(&run(secret.as_ref(), &["--help"]));
    assert!(help.contains("LDK_FITNESS_STORE") && !help.contains("hunter2"), "{help}");
    assert_eq!(run("".as_ref(), &[]).status.code(), Some(2));
    assert_eq!(ldk_fitness().arg("report").output().expect("program runs").status.code(), Some(2));
}

#[test]
fn invalid_store_name_is_rejected_without_repeating_a_password() {
    for store in
        ["sqllite:x", "mysql://me:hunter2@db/fitness", "redb:", "dir:", "sqlite:x?table=a;b", "postgres:me"]
    {
        let output = report(store, &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.starts_with("error: <STORE>: ") && !message.contains("hunter2"), "{message}");
    }
    let message = stderr(&report("sqllite:x", &[]));
    for format in
        ["\"sqllite\"", "\n  PATH, redb:PATH ", "\n  sqlite:PATH", "\n  dir:PATH", "\n  postgres://"]
    {
        assert!(message.contains(format), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn path_may_be_other_than_utf8() {
    use std::os::unix::ffi::OsStrExt as _;

    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"fit\xffness.redb"));
    block_on(fill_store(&RedbStore::open(&path).expect("a new file"), OBSERVER, 2));
    let output = ldk_fitness().arg("report").arg(&path).output().expect("program runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = ldk_fitness().arg("report").arg(std::ffi::OsStr::from_bytes(b"dir:a\xff")).output();
    assert!(stderr(&output.expect("program runs")).contains("UTF-8"));
}
