//! The check of the epoch in each commit separates two stores where the lock does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use fitness_pgtest::{Database, OWNER};
use fitness_regtest::Proxy;
use fitness_store::{Store, StoreError};

use crate::support::*;

/// Starts a proxy to the server, and returns it with the URL that connects through it.
fn start_proxy(database: &Database<'_>) -> (Proxy, String) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, database.cluster().port()));
    let proxy = Proxy::start(server).expect("a proxy");
    let url = database.url_for(OWNER, proxy.addr().port());
    (proxy, url)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn disconnected_holder_cannot_commit_after_another_store_has() {
    let database = create_database();
    let (proxy, url) = start_proxy(&database);
    let disconnected = short_timeout(&url).open().await.expect("an open store");
    let claim = disconnected.claim(&OBSERVER).await.expect("a claim");
    disconnected.commit(&OBSERVER, batch(1)).await.expect("a commit");
    proxy.cut();
    wait_until("the server has released the lock", || lock_holders(&database).is_empty()).await;
    transient_error(disconnected.commit(&OBSERVER, batch(9)).await);

    let other = open(&database).await;
    let other_claim = other.claim(&OBSERVER).await.expect("a free claim");
    assert_eq!(stored_version(&other, OBSERVER).await, 1);
    other.commit(&OBSERVER, batch(2)).await.expect("a commit");
    proxy.restore();
    for _ in 0..3 {
        claim_holder(disconnected.commit(&OBSERVER, batch(9)).await);
        assert_eq!(stored_version(&other, OBSERVER).await, 2);
    }
    // The former holder's data is out of date, so its commits also fail after the other store is closed.
    drop((other_claim, other));
    wait_until("the other store's lock is released", || lock_holders(&database).is_empty()).await;
    claim_holder(disconnected.commit(&OBSERVER, batch(9)).await);
    assert_eq!(stored_version(&disconnected, OBSERVER).await, 2);
    // After a new claim it reads the history again and can commit.
    drop(claim);
    let _claim = disconnected.claim(&OBSERVER).await.expect("a free claim");
    assert_eq!(stored_version(&disconnected, OBSERVER).await, 2);
    disconnected.commit(&OBSERVER, batch(3)).await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn disconnected_holder_reacquires_its_claim_in_the_background() {
    let database = create_database();
    let (proxy, url) = start_proxy(&database);
    let store = short_timeout(&url).open().await.expect("an open store");
    let _claim = store.claim(&OBSERVER).await.expect("a claim");
    for version in 1..4 {
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
        proxy.cut();
        wait_until("the server has released the lock", || lock_holders(&database).is_empty()).await;
        proxy.restore();
        wait_until("the store has the lock again", || !lock_holders(&database).is_empty()).await;
        claim_holder(open(&database).await.claim(&OBSERVER).await);
    }
    store.commit(&OBSERVER, batch(4)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn disconnected_holder_can_commit_after_a_claim_without_a_commit() {
    let database = create_database();
    let (proxy, url) = start_proxy(&database);
    let store = short_timeout(&url).open().await.expect("an open store");
    let _claim = store.claim(&OBSERVER).await.expect("a claim");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    proxy.cut();
    wait_until("the server has released the lock", || lock_holders(&database).is_empty()).await;
    let other = open(&database).await;
    let other_claim = other.claim(&OBSERVER).await.expect("a free claim");
    proxy.restore();
    // Both stores cannot have the claim, so the commit fails as long as the other store has it.
    claim_holder(store.commit(&OBSERVER, batch(2)).await);
    drop((other_claim, other));
    // The server needs a moment to notice.
    let mut result = store.commit(&OBSERVER, batch(2)).await;
    while matches!(result, Err(StoreError::Claimed { .. })) {
        result = store.commit(&OBSERVER, batch(2)).await;
    }
    result.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn without_locks_the_first_store_to_commit_has_the_observer() {
    let database = create_database();
    disable_advisory_locks(&database);
    let (first, second) = (open(&database).await, open(&database).await);
    let _first_claim = first.claim(&OBSERVER).await.expect("a claim");
    let _second_claim = second.claim(&OBSERVER).await.expect("a claim, because nothing is locked");
    first.commit(&OBSERVER, batch(1)).await.expect("a commit");
    claim_holder(second.commit(&OBSERVER, batch(9)).await);
    for version in 2..5 {
        first.commit(&OBSERVER, batch(version)).await.expect("a commit");
        claim_holder(second.commit(&OBSERVER, batch(9)).await);
    }
    assert_eq!(stored_version(&first, OBSERVER).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn without_locks_only_one_of_several_stores_commits() {
    let database = create_database();
    disable_advisory_locks(&database);
    drop(open(&database).await);
    let mut stores = Vec::new();
    for _ in 0..4 {
        let store = open(&database).await;
        assert_eq!(stored_version(&store, OBSERVER).await, 0);
        stores.push(store);
    }
    let mut tasks = Vec::new();
    for (number, store) in (0..4).zip(stores) {
        tasks.push(tokio::spawn(async move {
            let mut committed = 0;
            for round in 0..10 {
                match store.commit(&OBSERVER, batch(1 + number * 100 + round)).await {
                    Ok(()) => committed = 1 + number * 100 + round,
                    Err(error) if error.is_transient() => {}
                    Err(StoreError::Claimed { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            committed
        }));
    }
    let mut committed = Vec::new();
    for task in tasks {
        committed.push(task.await.expect("no panic"));
    }
    committed.retain(|version| *version != 0);
    assert_eq!(committed.len(), 1, "expected commits of one store: {committed:?}");
    let reader = fitness_store_postgres::PostgresStore::open_read_only(&database.url()).await;
    assert_eq!(stored_version(&reader.expect("an open store"), OBSERVER).await, committed[0]);
}

/// The bytes of an abandoned commit reach the server after the next commit has begun.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn delayed_bytes_of_an_abandoned_commit_change_nothing() {
    let database = create_database();
    let (proxy, url) = start_proxy(&database);
    let store = Arc::new(short_timeout(&url).open().await.expect("an open store"));
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    for version in (3..30).step_by(2) {
        let abandoned = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&OBSERVER, batch(version - 1)).await })
        };
        // Stop the network at a different point of the commit in each round.
        for _ in 0..version * 3 {
            tokio::task::yield_now().await;
        }
        proxy.hold();
        abandoned.abort();
        let _ = abandoned.await;
        let next = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&OBSERVER, batch(version)).await })
        };
        proxy.restore();
        next.await.expect("no panic").expect("a commit");
        for _ in 0..3 {
            assert_eq!(stored_version(&*store, OBSERVER).await, version);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn commit_reclaims_the_observer_if_no_other_store_has_committed() {
    let database = create_database();
    let store = open(&database).await;
    let _claim = store.claim(&OBSERVER).await.expect("a claim");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let read_row = || database.sql("SELECT epoch, encode(holder_session, 'hex') FROM ldk_fitness.claims");
    let original = read_row();
    store.commit(&OBSERVER, batch(2)).await.expect("a commit");
    assert_eq!(read_row(), original, "a commit under a valid claim changed the epoch");
    for (version, change) in [(3, "epoch = epoch + 7"), (4, "holder_session = '\\x00'")] {
        database.sql(&format!("UPDATE ldk_fitness.claims SET {change}"));
        let epoch: u32 = read_row().split_once('|').expect("two columns").0.parse().expect("a number");
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
        let reclaimed = read_row();
        let (new_epoch, session) = reclaimed.split_once('|').expect("two columns");
        assert_eq!(new_epoch.parse(), Ok(epoch + 1), "{change}");
        assert_eq!(Some(session), original.split_once('|').map(|(_, session)| session));
    }
    database.sql(
        "UPDATE ldk_fitness.claims \
         SET holder_session = '\\x00', last_writer_session = '\\x00', commits = commits + 1",
    );
    claim_holder(store.commit(&OBSERVER, batch(5)).await);
    assert_eq!(stored_version(&store, OBSERVER).await, 4);
}
