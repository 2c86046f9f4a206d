//! Clusters come and go.

use std::process::{Command, Stdio};
use std::time::Duration;

use fitness_pgtest::Cluster;

#[test]
fn it_answers_and_survives_a_crash() {
    let Some(cluster) = Cluster::start() else { return };
    let database = cluster.create_database();
    database.sql("CREATE TABLE kept AS SELECT 42 AS answer");
    for end in [Cluster::stop_immediate, Cluster::kill, Cluster::stop] {
        end(&cluster);
        assert!(cluster.try_sql("postgres", "SELECT 1").is_err());
        cluster.restart();
        assert_eq!(database.sql("SELECT answer FROM kept"), "42");
    }
    let directory = cluster.socket_directory().to_owned();
    drop(cluster);
    assert!(!directory.exists());
}

/// Run by the next one in a process that is killed.
#[test]
#[ignore = "waits to be killed"]
fn held_until_killed() {
    let cluster = Cluster::start().expect("it is installed");
    println!("\nin {}", cluster.socket_directory().display());
    std::thread::park();
}

#[test]
fn it_goes_with_a_process_that_is_killed() {
    use std::io::{BufRead, BufReader};

    if Cluster::start().is_none() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--ignored", "--exact", "held_until_killed", "--nocapture"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let directory = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("in ").map(std::path::PathBuf::from))
        .expect("it says where");
    assert!(directory.join("data/postmaster.pid").exists());
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    let mut patience = 3_000;
    while directory.exists() {
        patience -= 1;
        assert!(patience > 0, "{} is still there", directory.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_standby_has_what_was_committed_and_takes_over() {
    let Some(cluster) = Cluster::start() else { return };
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
fn a_disk_of_its_own_can_be_full() {
    let Some(cluster) = Cluster::builder().disk_size_mb(160).start() else { return };
    let database = cluster.create_database();
    // The first to connect to a database writes a file.
    database.sql("SELECT 1");
    cluster.fill_disk();
    let full =
        database.try_sql("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
    let said = full.expect_err("there is no room");
    assert!(said.contains("No space left on device"), "{said}");
    cluster.free_disk();
    database.sql("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)");
    let directory = cluster.socket_directory().to_owned();
    drop(cluster);
    assert!(!directory.exists());
}
