//! `--store postgres://…`, on a real server.

mod common;

use std::process::Output;

use assert_cmd::Command;
use common::{block_on, data, filled, ldk_fitness, report, report_json, stderr, stdout};
use fitness_core::NodeId;
use fitness_pgtest::{Cluster, OWNER, PASSWORD, READER};
use fitness_store::Store as _;
use fitness_store_postgres::PostgresStore;
use fitness_store_redb::RedbStore;

const OURS: &str = "020000000000000000000000000000000000000000000000000000000000000007";
const US: NodeId = NodeId([2; 33]);
const OTHER: NodeId = NodeId([3; 33]);

fn program(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("ldk-fitness").expect("it is built");
    command
        .env_remove("LDK_FITNESS_STORE")
        .env_remove("PGPASSWORD")
        .env("COLUMNS", "140")
        .env("RUST_LOG", "debug");
    command.args(args).output().expect("it runs")
}

/// Runs it, and expects that it does what it is asked.
fn done(args: &[&str]) -> String {
    let output = program(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    contains_none(&output, PASSWORD);
    String::from_utf8(output.stdout).expect("text")
}

fn contains_none(output: &Output, secret: &str) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(secret), "a password in {text}");
    }
}

#[test]
fn a_history_moves_there_and_back() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    let url = database.url();
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/month.jsonl.gz");
    done(&["replay", trace, "--store", &path("a.redb"), "--observer", OURS]);
    done(&["copy", &path("a.redb"), &url]);
    done(&["copy", &url, &path("b.redb")]);
    let report = done(&["report", &path("a.redb"), "--json", "--window", "7d"]);
    assert_eq!(done(&["report", &url, "--json", "--window", "7d"]), report);
    assert_eq!(done(&["report", &path("b.redb"), "--json", "--window", "7d"]), report);
    assert_eq!(done(&["advise", &url, "--json"]), done(&["advise", &path("a.redb"), "--json"]));
    let again = program(&["replay", trace, "--store", &url, "--observer", OURS]);
    assert!(!again.status.success(), "a history that is there is not written over: {again:?}");
}

#[test]
fn what_cannot_be_opened_says_so_without_the_password() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    let url = database.url();
    // Nothing was ever kept in it.
    let empty = program(&["report", &url]);
    assert!(!empty.status.success(), "{empty:?}");
    for wrong in [
        url.replace("s3cr3t", "hunter2-wrong"),
        url.replace(&format!("{}/", cluster.port()), "1/"),
        format!("{url}-none"),
        url.replace("postgres://", "postgres:/"),
        url.replace("postgres://", "postgras://"),
    ] {
        let output = program(&["report", &wrong]);
        assert!(!output.status.success(), "{output:?}");
        contains_none(&output, "hunter2-wrong");
        contains_none(&output, "s3cr3t");
    }
}

fn copy(from: &str, to: &str, args: &[&str]) -> Output {
    let output = ldk_fitness().args(["copy", from, to]).args(args).output().expect("it runs");
    // Neither as it is nor encoded.
    contains_none(&output, "s3cr3t");
    output
}

fn copied(from: &str, to: &str) {
    let output = copy(from, to, &[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn a_database_is_a_store_like_any_other() {
    let Some(cluster) = Cluster::start() else { return };
    let (first, second) = (cluster.create_database(), cluster.create_database());
    let directory = tempfile::tempdir().expect("a directory");
    let redb = |name: &str| directory.path().join(name).display().to_string();
    let file = RedbStore::open(redb("a.redb")).expect("a new file");
    block_on(filled(&file, US, 300));
    block_on(filled(&file, OTHER, 20));
    drop(file);
    let expected = report_json(&redb("a.redb"), &["--all", "--gaps"]);

    // There is nothing in it yet, and asking makes nothing.
    let asked = report(&first.url(), &[]);
    assert_eq!(asked.status.code(), Some(2), "{}", stderr(&asked));
    assert_eq!(first.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%fitness%'"), "0");

    copied(&redb("a.redb"), &first.url());
    copied(&first.url(), &second.url());
    copied(&second.url(), &redb("b.redb"));
    for store in [first.url(), second.url(), redb("b.redb")] {
        assert_eq!(report_json(&store, &["--all", "--gaps"]), expected);
    }
    let text = stdout(&copy(&first.url(), &second.url(), &[]));
    let named = format!("postgres://{OWNER}@127.0.0.1:{}/{}", cluster.port(), second.name());
    assert!(text.contains(&format!("{named} had all of it already")), "{text}");

    let mut asked = ldk_fitness();
    let asked = asked.env("LDK_FITNESS_STORE", first.url()).args(["report", "--all", "--gaps", "--json"]);
    let told: serde_json::Value =
        serde_json::from_slice(&asked.output().expect("it runs").stdout).expect("JSON");
    assert_eq!(told, expected);

    let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lncli-listchannels.json");
    let third = cluster.create_database().url();
    for store in [&second.url(), &third] {
        let mut import = ldk_fitness();
        import.args(["import", "lnd", lists, "--observer", &US.to_string(), "--store", store]);
        let import = import.output().expect("it runs");
        assert_eq!((import.status.code(), stderr(&import)), (Some(0), String::new()));
    }
    assert_ne!(report_json(&third, &[])["peers"], serde_json::json!([]));
    let mut advise = ldk_fitness();
    let advise = advise.args(["advise", &second.url()]).output().expect("it runs");
    assert_eq!((advise.status.code(), stderr(&advise)), (Some(0), String::new()));

    let observer = NodeId([4; 33]).to_string();
    let mut replay = ldk_fitness();
    let replay = replay.arg("replay").arg(data("small.jsonl")).args([
        "--store",
        &first.url(),
        "--observer",
        &observer,
    ]);
    assert_eq!(replay.output().expect("it runs").status.code(), Some(0));
    assert_eq!(report_json(&first.url(), &[])["observers"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_node_that_runs_is_not_copied() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.redb");
    block_on(filled(&RedbStore::open(&file).expect("a new file"), US, 3));
    let file = file.display().to_string();
    copied(&file, &database.url());

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let running = runtime.block_on(PostgresStore::open(&database.url())).expect("it opens");
    let claim = runtime.block_on(running.claim(&US)).expect("it is free");
    let other = directory.path().join("b.redb").display().to_string();
    for (from, to) in [(&file, &database.url()), (&database.url(), &other)] {
        let output = copy(from, to, &["--overwrite"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("is being written by"), "{message}");
    }
    assert_eq!(
        report_json(&database.url(), &[])["peers"].as_array().map(Vec::len),
        Some(3),
        "it may be asked"
    );
    drop(claim);
    drop(running);
    drop(runtime);
    copied(&database.url(), &other);
}

#[test]
fn who_may_only_read_can_copy_from_it() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    block_on(filled(&RedbStore::open(file("a.redb")).expect("a new file"), US, 3));
    copied(&file("a.redb"), &database.url());
    let schema = database.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%fitness%'");
    database.sql(&format!(
        "GRANT USAGE ON SCHEMA {schema} TO {READER}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}"
    ));
    let reader = database.url_for(READER, cluster.port());
    let output = copy(&reader, &file("b.redb"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("without keeping others out"), "{}", stderr(&output));
    assert_eq!(report_json(&file("b.redb"), &[]), report_json(&file("a.redb"), &[]));
    let refused = copy(&file("a.redb"), &reader, &["--overwrite"]);
    assert_ne!(refused.status.code(), Some(0));
}
