//! Stores in PostgreSQL, on a real server.

mod common;

use std::process::Output;

use assert_cmd::Command;
use common::{block_on, data, fill_store, ldk_fitness, report, report_json, stderr, stdout};
use fitness_core::NodeId;
use fitness_pgtest::{Cluster, OWNER, PASSWORD, READER};
use fitness_store::Store as _;
use fitness_store_postgres::PostgresStore;
use fitness_store_redb::RedbStore;

const REPLAY_OBSERVER: &str = "020000000000000000000000000000000000000000000000000000000000000007";
const OBSERVER: NodeId = NodeId([2; 33]);
const OTHER_OBSERVER: NodeId = NodeId([3; 33]);

/// Starts a server. Panics if PostgreSQL is not installed.
fn start_cluster() -> Cluster {
    Cluster::start().expect("PostgreSQL is not installed; install it (Debian: postgresql)")
}

/// Runs the program with debug logs, which must not contain a password.
fn run(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("ldk-fitness").expect("program is built");
    command
        .env_remove("LDK_FITNESS_STORE")
        .env_remove("PGPASSWORD")
        .env("COLUMNS", "140")
        .env("RUST_LOG", "debug");
    command.args(args).output().expect("program runs")
}

/// Runs the program, which must succeed without printing the password. Returns its standard output.
fn run_successfully(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    assert_not_printed(&output, PASSWORD);
    String::from_utf8(output.stdout).expect("text")
}

fn assert_not_printed(output: &Output, secret: &str) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(secret), "password in {text}");
    }
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn history_can_be_copied_there_and_back() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    let url = database.url();
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/month.jsonl.gz");
    run_successfully(&["replay", trace, "--store", &path("a.redb"), "--observer", REPLAY_OBSERVER]);
    run_successfully(&["copy", &path("a.redb"), &url]);
    run_successfully(&["copy", &url, &path("b.redb")]);
    let report = run_successfully(&["report", &path("a.redb"), "--json", "--window", "7d"]);
    assert_eq!(run_successfully(&["report", &url, "--json", "--window", "7d"]), report);
    assert_eq!(run_successfully(&["report", &path("b.redb"), "--json", "--window", "7d"]), report);
    assert_eq!(
        run_successfully(&["advise", &url, "--json"]),
        run_successfully(&["advise", &path("a.redb"), "--json"])
    );
    let again = run(&["replay", trace, "--store", &url, "--observer", REPLAY_OBSERVER]);
    assert!(!again.status.success(), "an existing history was overwritten: {again:?}");
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn errors_do_not_contain_the_password() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    let url = database.url();
    // The database exists and has no history.
    let empty = run(&["report", &url]);
    assert!(!empty.status.success(), "{empty:?}");
    for wrong in [
        url.replace("s3cr3t", "hunter2-wrong"),
        url.replace(&format!("{}/", cluster.port()), "1/"),
        format!("{url}-none"),
        url.replace("postgres://", "postgres:/"),
        url.replace("postgres://", "postgras://"),
    ] {
        let output = run(&["report", &wrong]);
        assert!(!output.status.success(), "{output:?}");
        assert_not_printed(&output, "hunter2-wrong");
        assert_not_printed(&output, "s3cr3t");
    }
}

fn copy(from: &str, to: &str, args: &[&str]) -> Output {
    let output = ldk_fitness().args(["copy", from, to]).args(args).output().expect("program runs");
    // The common part of the password and its percent-encoded form.
    assert_not_printed(&output, "s3cr3t");
    output
}

fn copy_successfully(from: &str, to: &str) {
    let output = copy(from, to, &[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn every_command_accepts_a_database() {
    let cluster = start_cluster();
    let (first, second) = (cluster.create_database(), cluster.create_database());
    let directory = tempfile::tempdir().expect("temporary directory");
    let redb = |name: &str| directory.path().join(name).display().to_string();
    let file = RedbStore::open(redb("a.redb")).expect("a new file");
    block_on(fill_store(&file, OBSERVER, 300));
    block_on(fill_store(&file, OTHER_OBSERVER, 20));
    drop(file);
    let expected = report_json(&redb("a.redb"), &["--all", "--gaps"]);

    // Reading an empty database fails and creates nothing.
    let output = report(&first.url(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(first.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%fitness%'"), "0");

    copy_successfully(&redb("a.redb"), &first.url());
    copy_successfully(&first.url(), &second.url());
    copy_successfully(&second.url(), &redb("b.redb"));
    for store in [first.url(), second.url(), redb("b.redb")] {
        assert_eq!(report_json(&store, &["--all", "--gaps"]), expected);
    }
    let text = stdout(&copy(&first.url(), &second.url(), &[]));
    let redacted = format!("postgres://{OWNER}@127.0.0.1:{}/{}", cluster.port(), second.name());
    assert!(text.contains(&redacted), "{text}");

    let mut command = ldk_fitness();
    command.env("LDK_FITNESS_STORE", first.url()).args(["report", "--all", "--gaps", "--json"]);
    let document: serde_json::Value =
        serde_json::from_slice(&command.output().expect("program runs").stdout).expect("a JSON document");
    assert_eq!(document, expected);

    let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lncli-listchannels.json");
    let third = cluster.create_database().url();
    for store in [&second.url(), &third] {
        let mut import = ldk_fitness();
        import.args(["import", "lnd", lists, "--observer", &OBSERVER.to_string(), "--store", store]);
        let import = import.output().expect("program runs");
        assert_eq!((import.status.code(), stderr(&import)), (Some(0), String::new()));
    }
    assert_ne!(report_json(&third, &[])["peers"], serde_json::json!([]));
    let mut advise = ldk_fitness();
    let advise = advise.args(["advise", &second.url()]).output().expect("program runs");
    assert_eq!((advise.status.code(), stderr(&advise)), (Some(0), String::new()));

    let observer = NodeId([4; 33]).to_string();
    let mut replay = ldk_fitness();
    let replay = replay.arg("replay").arg(data("small.jsonl")).args([
        "--store",
        &first.url(),
        "--observer",
        &observer,
    ]);
    assert_eq!(replay.output().expect("program runs").status.code(), Some(0));
    assert_eq!(report_json(&first.url(), &[])["observers"].as_array().map(Vec::len), Some(3));
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn history_in_use_is_not_copied() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("a.redb");
    block_on(fill_store(&RedbStore::open(&file).expect("a new file"), OBSERVER, 3));
    let file = file.display().to_string();
    copy_successfully(&file, &database.url());

    let runtime = tokio::runtime::Runtime::new().expect("runtime starts");
    let store = runtime.block_on(PostgresStore::open(&database.url())).expect("store opens");
    let claim = runtime.block_on(store.claim(&OBSERVER)).expect("unclaimed observer");
    let other = directory.path().join("b.redb").display().to_string();
    for (from, to) in [(&file, &database.url()), (&database.url(), &other)] {
        let output = copy(from, to, &["--overwrite"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(&OBSERVER.to_string()), "{message}");
    }
    assert_eq!(
        report_json(&database.url(), &[])["peers"].as_array().map(Vec::len),
        Some(3),
        "a claimed history can be read"
    );
    drop(claim);
    drop(store);
    drop(runtime);
    copy_successfully(&database.url(), &other);
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn copying_from_a_database_needs_only_read_permission() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    block_on(fill_store(&RedbStore::open(file("a.redb")).expect("a new file"), OBSERVER, 3));
    copy_successfully(&file("a.redb"), &database.url());
    let schema = database.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%fitness%'");
    database.sql(&format!(
        "GRANT USAGE ON SCHEMA {schema} TO {READER}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}"
    ));
    let reader = database.url_for(READER, cluster.port());
    let output = copy(&reader, &file("b.redb"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("WARN"), "the source is not locked: {}", stderr(&output));
    assert_eq!(report_json(&file("b.redb"), &[]), report_json(&file("a.redb"), &[]));
    let output = copy(&file("a.redb"), &reader, &["--overwrite"]);
    assert_ne!(output.status.code(), Some(0));
}
