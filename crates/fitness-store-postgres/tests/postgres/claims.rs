//! Two services with one node id: the second is refused, and told by whom.

use std::process::{Command, Stdio};
use std::time::Duration;

use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_store_is_refused_and_told_by_whom() {
    let database = database!();
    let first = impatient(&database.url()).application_name("node a").open().await.expect("it opens");
    let second = open(&database).await;
    let held = first.claim(&OURS).await.expect("a claim");
    let by = claimed_by(second.claim(&OURS).await);
    let pid = lockers(&database);
    let since = database.sql("SET TimeZone = 'UTC'; SELECT claimed_at FROM ldk_fitness.claims");
    for said in ["\"node a\"", "user fitness", "127.0.0.1", &since, &format!("server process {pid}")] {
        assert!(by.contains(said), "{by} does not say {said}");
    }
    assert_eq!(claimed_by(second.commit(&OURS, marked(1)).await), by);
    assert_eq!(stored(&second, OURS).await, 0);
    // Another observer is another matter.
    let theirs = second.claim(&THEIRS).await.expect("a claim");
    second.commit(&THEIRS, marked(5)).await.expect("it stores");
    first.commit(&OURS, marked(1)).await.expect("it stores");
    claimed_by(first.commit(&THEIRS, marked(6)).await);
    drop(theirs);

    drop(held);
    let held = second.claim(&OURS).await.expect("it is free");
    claimed_by(first.claim(&OURS).await);
    assert_eq!(stored(&second, OURS).await, 1);
    second.commit(&OURS, marked(2)).await.expect("it stores");
    drop((held, second));
    drop(first.claim(&OURS).await.expect("it is free"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_ends_with_its_store() {
    let database = database!();
    let mut claims = Vec::new();
    for round in 1..5 {
        let store = PostgresStore::open(&database.url()).await.expect("it opens");
        claims.push(store.claim(&OURS).await.expect("the store before is gone"));
        store.commit(&OURS, marked(round)).await.expect("it stores");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_claims_what_nobody_has() {
    let database = database!();
    let (first, second) = (open(&database).await, open(&database).await);
    first.commit(&OURS, marked(1)).await.expect("it stores");
    claimed_by(second.commit(&OURS, marked(2)).await);
    claimed_by(second.claim(&OURS).await);
    // Within a store whoever claims after that has it.
    let held = first.claim(&OURS).await.expect("it is this store's");
    first.commit(&OURS, marked(2)).await.expect("it stores");
    drop(held);
    drop(first);
    assert_eq!(stored(&second, OURS).await, 2);
}

/// Whoever read, did not claim, and was overtaken does not know what he would be writing over.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_another_stored_is_no_ground_to_go_on_from() {
    let database = database!();
    let late = open(&database).await;
    assert_eq!(stored(&late, OURS).await, 0);
    let quick = open(&database).await;
    quick.commit(&OURS, marked(1)).await.expect("it stores");
    drop(quick);
    until("the quick one is gone", || lockers(&database).is_empty()).await;
    let by = claimed_by(late.commit(&OURS, marked(9)).await);
    assert!(by.contains("has stored a part of it since this store read it"), "{by}");
    assert_eq!(stored(&late, OURS).await, 1, "nothing of it was stored");
    // Refusing leaves nothing locked.
    let held = late.claim(&OURS).await.expect("a claim");
    assert_eq!(stored(&late, OURS).await, 1);
    late.commit(&OURS, marked(2)).await.expect("read after the claim");
    drop(held);
}

/// Another one that came and went, and stored nothing, is no reason to refuse anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_changes_nothing() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&THEIRS, marked(1)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 0);
    let visitor = open(&database).await;
    drop(visitor.claim(&OURS).await.expect("a claim"));
    drop(visitor);
    store.commit(&OURS, marked(1)).await.expect("nothing has changed");
    assert_eq!(stored(&store, OURS).await, 1);
}

/// Run by the next one in a process that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "waits to be killed"]
async fn held_until_killed() {
    let url = std::env::var("FITNESS_TEST_URL").expect("the URL");
    let store = PostgresStore::open(&url).await.expect("it opens");
    let _held = store.claim(&OURS).await.expect("a claim");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    println!("\nclaimed");
    std::thread::park();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_has_no_claim() {
    use std::io::{BufRead, BufReader};

    let database = database!();
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--ignored", "--exact", "claims::held_until_killed", "--nocapture"]);
    command.env("FITNESS_TEST_URL", database.url()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line") == "claimed"));

    let store = PostgresStore::open(&database.url()).await.expect("it opens");
    let impatient = open(&database).await;
    claimed_by(impatient.claim(&OURS).await);
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    // With the patience that a store has by default.
    let _held = store.claim(&OURS).await.expect("the server noticed");
    assert_eq!(stored(&store, OURS).await, 1);
}

/// A claim is waited for as long as is said, and no longer than it takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_ends_meanwhile_is_waited_for() {
    let database = database!();
    let first = open(&database).await;
    let held = first.claim(&OURS).await.expect("a claim");
    let url = database.url();
    let waiting = tokio::spawn(async move {
        let second = PostgresStore::builder(&url).claim_timeout(Duration::from_secs(600)).open().await?;
        second.claim(&OURS).await.map(drop)
    });
    let tries = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_locks l%'";
    until("it looks who has it", || database.sql(tries) != "1").await;
    drop(held);
    waiting.await.expect("no panic").expect("a claim");
}
