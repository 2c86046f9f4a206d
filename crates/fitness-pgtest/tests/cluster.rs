//! Clusters start, stop, fail over, and are deleted.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use fitness_pgtest::{Cluster, NEEDS_POSTGRESQL};

/// Set in the child process of [`cluster_is_deleted_when_its_process_is_killed`].
const CHILD: &str = "FITNESS_PGTEST_CHILD";

fn start_cluster() -> Cluster {
    Cluster::start().expect(NEEDS_POSTGRESQL)
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn data_survives_a_stop_and_a_crash() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    database.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    for stop in [Cluster::stop_immediate, Cluster::kill, Cluster::stop] {
        stop(&cluster);
        assert!(cluster.try_sql("postgres", "SELECT 1").is_err());
        cluster.restart();
        assert_eq!(database.sql("SELECT answer FROM kept"), "42");
    }
    let directory = cluster.socket_directory().to_owned();
    drop(cluster);
    assert!(!directory.exists());
}

/// Runs in the child process of [`cluster_is_deleted_when_its_process_is_killed`]. Elsewhere it returns at
/// once.
#[test]
fn child_process_runs_a_cluster_until_it_is_killed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let cluster = start_cluster();
    println!("\ndirectory {}", cluster.socket_directory().display());
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn cluster_is_deleted_when_its_process_is_killed() {
    let mut command = Command::new(std::env::current_exe().expect("path of this program"));
    command.args(["--exact", "child_process_runs_a_cluster_until_it_is_killed", "--nocapture"]);
    command.env(CHILD, "1").stdout(Stdio::piped());
    let mut child = command.spawn().expect("child process");
    let lines = BufReader::new(child.stdout.take().expect("piped output")).lines();
    let directory = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("directory ").map(PathBuf::from))
        .expect(NEEDS_POSTGRESQL);
    assert!(directory.join("data/postmaster.pid").exists());
    child.kill().expect("running child");
    child.wait().expect("killed child");
    let mut attempts = 3_000;
    while directory.exists() {
        attempts -= 1;
        assert!(attempts > 0, "{} still exists after a minute", directory.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn standby_has_all_commits_and_can_be_promoted() {
    let cluster = start_cluster();
    let database = cluster.create_database();
    let standby = cluster.start_standby();
    database.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    assert!(standby.try_sql(database.name(), "INSERT INTO kept VALUES (43)").is_err());
    cluster.kill();
    standby.promote();
    standby.sql(database.name(), "INSERT INTO kept VALUES (43)");
    assert_eq!(standby.sql(database.name(), "SELECT sum(answer) FROM kept"), "85");
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql) and root"]
fn limited_disk_can_be_filled_and_freed() {
    let cluster = Cluster::builder().disk_size_mb(160).start().expect(NEEDS_POSTGRESQL);
    let database = cluster.create_database();
    // The first connection to a database writes a file, so it must happen before the disk is full.
    database.sql("SELECT 1");
    cluster.fill_disk();
    let result =
        database.try_sql("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
    let error = result.expect_err("the disk is full");
    assert!(error.contains("No space left on device"), "{error}");
    cluster.free_disk();
    database.sql("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)");
    let directory = cluster.socket_directory().to_owned();
    drop(cluster);
    assert!(!directory.exists());
}
