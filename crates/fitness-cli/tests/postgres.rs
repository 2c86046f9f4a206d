//! `--store postgres://…`, on a real server.

use assert_cmd::Command;
use fitness_pgtest::{Cluster, PASSWORD};

const OURS: &str = "020000000000000000000000000000000000000000000000000000000000000007";

fn program(args: &[&str]) -> std::process::Output {
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

fn contains_none(output: &std::process::Output, secret: &str) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(secret), "a password in {text}");
    }
}

#[test]
fn a_history_moves_there_and_back() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.database();
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
    let database = cluster.database();
    let url = database.url();
    // Nothing was ever kept in it.
    let empty = program(&["report", &url]);
    assert!(!empty.status.success(), "{empty:?}");
    for wrong in [
        url.replace(PASSWORD, "hunter2-wrong"),
        url.replace(&format!("{}/", cluster.port()), "1/"),
        format!("{url}-none"),
        url.replace("postgres://", "postgres:/"),
    ] {
        let output = program(&["report", &wrong]);
        assert!(!output.status.success(), "{output:?}");
        contains_none(&output, "hunter2-wrong");
        contains_none(&output, PASSWORD);
    }
}
