//! A claim excludes all other stores, and its holder is named in their errors.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

/// Set to the database's URL in the child process of [`killed_process_loses_its_claim`].
const CHILD_URL: &str = "FITNESS_TEST_POSTGRES_URL";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn second_claim_fails_and_names_the_holder() {
    let database = create_database();
    let first =
        short_timeout(&database.url()).application_name("node a").open().await.expect("an open store");
    let second = open(&database).await;
    let claim = first.claim(&OBSERVER).await.expect("a claim");
    let holder = claim_holder(second.claim(&OBSERVER).await);
    let pid = lock_holders(&database);
    let since = database.sql("SET TimeZone = 'UTC'; SELECT claimed_at FROM ldk_fitness.claims");
    for fact in ["\"node a\"", "fitness", "127.0.0.1", &since, &pid] {
        assert!(holder.contains(fact), "{holder} does not contain {fact}");
    }
    assert_eq!(claim_holder(second.commit(&OBSERVER, batch(1)).await), holder);
    assert_eq!(stored_version(&second, OBSERVER).await, 0);
    // The claim covers one observer only.
    let other_claim = second.claim(&OTHER_OBSERVER).await.expect("a claim");
    second.commit(&OTHER_OBSERVER, batch(5)).await.expect("a commit");
    first.commit(&OBSERVER, batch(1)).await.expect("a commit");
    claim_holder(first.commit(&OTHER_OBSERVER, batch(6)).await);
    drop(other_claim);

    drop(claim);
    let claim = second.claim(&OBSERVER).await.expect("a free claim");
    claim_holder(first.claim(&OBSERVER).await);
    assert_eq!(stored_version(&second, OBSERVER).await, 1);
    second.commit(&OBSERVER, batch(2)).await.expect("a commit");
    drop((claim, second));
    drop(first.claim(&OBSERVER).await.expect("a free claim"));
}

/// The claims of the earlier stores are kept alive: dropping the store is enough.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn dropped_store_releases_its_claims() {
    let database = create_database();
    let mut claims = Vec::new();
    for version in 1..5 {
        let store = PostgresStore::open(&database.url()).await.expect("an open store");
        claims.push(store.claim(&OBSERVER).await.expect("a free claim"));
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn commit_without_a_claim_claims_the_observer() {
    let database = create_database();
    let (first, second) = (open(&database).await, open(&database).await);
    first.commit(&OBSERVER, batch(1)).await.expect("a commit");
    claim_holder(second.commit(&OBSERVER, batch(2)).await);
    claim_holder(second.claim(&OBSERVER).await);
    // The store that committed can still claim the observer, and the claim ends as usual.
    let claim = first.claim(&OBSERVER).await.expect("a claim");
    first.commit(&OBSERVER, batch(2)).await.expect("a commit");
    drop(claim);
    drop(first);
    assert_eq!(stored_version(&second, OBSERVER).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn commit_fails_if_another_store_committed_since_the_read() {
    let database = create_database();
    let stale = open(&database).await;
    assert_eq!(stored_version(&stale, OBSERVER).await, 0);
    let other = open(&database).await;
    other.commit(&OBSERVER, batch(1)).await.expect("a commit");
    drop(other);
    wait_until("the other store's lock is released", || lock_holders(&database).is_empty()).await;
    claim_holder(stale.commit(&OBSERVER, batch(9)).await);
    assert_eq!(stored_version(&stale, OBSERVER).await, 1, "the rejected commit stored something");
    // The rejected commit has not kept the lock.
    let claim = stale.claim(&OBSERVER).await.expect("a free claim");
    assert_eq!(stored_version(&stale, OBSERVER).await, 1);
    stale.commit(&OBSERVER, batch(2)).await.expect("a commit after a read under the claim");
    drop(claim);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn claim_without_a_commit_does_not_invalidate_an_earlier_read() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OTHER_OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 0);
    let other = open(&database).await;
    drop(other.claim(&OBSERVER).await.expect("a claim"));
    drop(other);
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
}

/// Runs in the child process of [`killed_process_loses_its_claim`]. Elsewhere it returns at once.
#[tokio::test(flavor = "multi_thread")]
async fn child_process_holds_a_claim_until_it_is_killed() {
    let Ok(url) = std::env::var(CHILD_URL) else { return };
    let store = PostgresStore::open(&url).await.expect("an open store");
    let _claim = store.claim(&OBSERVER).await.expect("a claim");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    println!("\nclaimed");
    loop {
        std::thread::park();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn killed_process_loses_its_claim() {
    let database = create_database();
    let mut command = Command::new(std::env::current_exe().expect("path of this program"));
    command.args(["--exact", "claims::child_process_holds_a_claim_until_it_is_killed", "--nocapture"]);
    command.env(CHILD_URL, database.url()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a child process");
    let mut lines = BufReader::new(child.stdout.take().expect("piped output")).lines();
    assert!(lines.any(|line| line.expect("a line") == "claimed"));

    let store = PostgresStore::open(&database.url()).await.expect("an open store");
    let second = open(&database).await;
    claim_holder(second.claim(&OBSERVER).await);
    child.kill().expect("a running child");
    child.wait().expect("a killed child");
    // The default claim timeout is long enough for the server to notice.
    let _claim = store.claim(&OBSERVER).await.expect("a free claim");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn claim_succeeds_when_the_other_claim_ends_within_the_timeout() {
    let database = create_database();
    let first = open(&database).await;
    let claim = first.claim(&OBSERVER).await.expect("a claim");
    let url = database.url();
    let waiting = tokio::spawn(async move {
        let second = PostgresStore::builder(&url).claim_timeout(Duration::from_secs(600)).open().await?;
        second.claim(&OBSERVER).await.map(drop)
    });
    // The query itself is one of the sessions that it counts.
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND query LIKE '%pg_locks l%'";
    wait_until("the second store looks up the holder", || database.sql(sessions) != "1").await;
    drop(claim);
    waiting.await.expect("no panic").expect("a claim");
}
