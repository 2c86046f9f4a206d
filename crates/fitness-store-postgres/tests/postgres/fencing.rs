//! What keeps two stores apart where a lock does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use fitness_pgtest::{Database, OWNER};
use fitness_regtest::Proxy;
use fitness_store::{Store, StoreError};

use crate::support::*;

/// A way to the server that can be taken away.
fn proxied(database: &Database<'_>) -> (Proxy, String) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, database.cluster().port()));
    let proxy = Proxy::start(server).expect("a proxy");
    let url = database.url_for(OWNER, proxy.addr().port());
    (proxy, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_cut_off_and_overtaken_stores_nothing_more() {
    let database = database!();
    let (proxy, url) = proxied(&database);
    let cut_off = impatient(&url).open().await.expect("it opens");
    let held = cut_off.claim(&OURS).await.expect("a claim");
    cut_off.commit(&OURS, marked(1)).await.expect("it stores");
    proxy.cut();
    until("the server noticed", || lockers(&database).is_empty()).await;
    refused_for_now(cut_off.commit(&OURS, marked(9)).await);

    let other = open(&database).await;
    let others = other.claim(&OURS).await.expect("nobody has it");
    assert_eq!(stored(&other, OURS).await, 1);
    other.commit(&OURS, marked(2)).await.expect("it stores");
    proxy.restore();
    for _ in 0..3 {
        claimed_by(cut_off.commit(&OURS, marked(9)).await);
        assert_eq!(stored(&other, OURS).await, 2);
    }
    // Also after the other has gone: what this one knows is out of date.
    drop((others, other));
    until("the other is gone", || lockers(&database).is_empty()).await;
    let by = claimed_by(cut_off.commit(&OURS, marked(9)).await);
    assert!(by.contains("has stored a part of it"), "{by}");
    // Whoever begins anew knows what there is.
    drop(held);
    let _held = cut_off.claim(&OURS).await.expect("a claim");
    assert_eq!(stored(&cut_off, OURS).await, 2);
    cut_off.commit(&OURS, marked(3)).await.expect("it stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_cut_off_for_a_while_goes_on() {
    let database = database!();
    let (proxy, url) = proxied(&database);
    let store = impatient(&url).open().await.expect("it opens");
    let _held = store.claim(&OURS).await.expect("a claim");
    for version in 1..4 {
        store.commit(&OURS, marked(version)).await.expect("it stores");
        proxy.cut();
        until("the server noticed", || lockers(&database).is_empty()).await;
        proxy.restore();
        // By itself, although nobody asks for anything.
        until("it has its claim again", || !lockers(&database).is_empty()).await;
        claimed_by(open(&database).await.claim(&OURS).await);
    }
    store.commit(&OURS, marked(4)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 4);
}

/// One who came while the holder was cut off, and stored nothing, has to go when it is back, or the
/// holder waits: both cannot have it.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_while_the_holder_is_cut_off_costs_it_nothing() {
    let database = database!();
    let (proxy, url) = proxied(&database);
    let store = impatient(&url).open().await.expect("it opens");
    let _held = store.claim(&OURS).await.expect("a claim");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    proxy.cut();
    until("the server noticed", || lockers(&database).is_empty()).await;
    let visitor = open(&database).await;
    let visit = visitor.claim(&OURS).await.expect("nobody has it");
    proxy.restore();
    claimed_by(store.commit(&OURS, marked(2)).await);
    drop((visit, visitor));
    // As soon as the server has noticed.
    let mut stored_it = store.commit(&OURS, marked(2)).await;
    while matches!(stored_it, Err(StoreError::Claimed { .. })) {
        stored_it = store.commit(&OURS, marked(2)).await;
    }
    stored_it.expect("nothing has changed");
    assert_eq!(stored(&store, OURS).await, 2);
}

/// On CockroachDB everybody gets a lock. Of two, whoever stores something first has the observer.
#[tokio::test(flavor = "multi_thread")]
async fn without_locks_one_of_two_is_refused_at_its_first_commit() {
    let database = database!();
    without_locks(&database);
    let (first, second) = (open(&database).await, open(&database).await);
    let _firsts = first.claim(&OURS).await.expect("everybody gets it");
    let _seconds = second.claim(&OURS).await.expect("everybody gets it");
    first.commit(&OURS, marked(1)).await.expect("it is the first");
    claimed_by(second.commit(&OURS, marked(9)).await);
    for version in 2..5 {
        first.commit(&OURS, marked(version)).await.expect("it stores");
        claimed_by(second.commit(&OURS, marked(9)).await);
    }
    assert_eq!(stored(&first, OURS).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_locks_nothing_of_two_is_mixed() {
    let database = database!();
    without_locks(&database);
    drop(open(&database).await);
    let mut stores = Vec::new();
    for _ in 0..4 {
        let store = open(&database).await;
        assert_eq!(stored(&store, OURS).await, 0);
        stores.push(store);
    }
    let mut tasks = Vec::new();
    for (number, store) in (0..4).zip(stores) {
        tasks.push(tokio::spawn(async move {
            let mut landed = 0;
            for round in 0..10 {
                match store.commit(&OURS, marked(1 + number * 100 + round)).await {
                    Ok(()) => landed = 1 + number * 100 + round,
                    Err(error) if error.is_transient() => {}
                    Err(StoreError::Claimed { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            landed
        }));
    }
    let mut landed = Vec::new();
    for task in tasks {
        landed.push(task.await.expect("no panic"));
    }
    landed.retain(|version| *version != 0);
    assert_eq!(landed.len(), 1, "one of them had it: {landed:?}");
    let observer =
        fitness_store_postgres::PostgresStore::open_read_only(&database.url()).await.expect("it opens");
    assert_eq!(stored(&observer, OURS).await, landed[0]);
}

/// Bytes that were on their way when their sender gave up arrive late. They change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_late_is_too_late() {
    let database = database!();
    let (proxy, url) = proxied(&database);
    let store = Arc::new(impatient(&url).open().await.expect("it opens"));
    store.commit(&OURS, marked(1)).await.expect("it stores");
    for version in (3..30).step_by(2) {
        let sending = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&OURS, marked(version - 1)).await })
        };
        // Anywhere between its beginning and its end.
        for _ in 0..version * 3 {
            tokio::task::yield_now().await;
        }
        proxy.hold();
        sending.abort();
        let _ = sending.await;
        let next = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&OURS, marked(version)).await })
        };
        proxy.restore();
        next.await.expect("no panic").expect("it stores");
        for _ in 0..3 {
            assert_eq!(stored(&*store, OURS).await, version);
        }
    }
}

/// Whatever takes a claim from under its holder is noticed by its next commit, which takes it again where
/// nothing has been stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_looks_whose_the_claim_is() {
    let database = database!();
    let store = open(&database).await;
    let _held = store.claim(&OURS).await.expect("a claim");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    let claim = || database.sql("SELECT epoch, encode(session, 'hex') FROM ldk_fitness.claims");
    let ours = claim();
    store.commit(&OURS, marked(2)).await.expect("it stores");
    assert_eq!(claim(), ours, "nothing has changed");
    for (version, change) in [(3, "epoch = epoch + 7"), (4, "session = '\\x00'")] {
        database.sql(&format!("UPDATE ldk_fitness.claims SET {change}"));
        let epoch: u32 = claim().split_once('|').expect("a row").0.parse().expect("a number");
        store.commit(&OURS, marked(version)).await.expect("it stores");
        let again = claim();
        let (new_epoch, session) = again.split_once('|').expect("a row");
        assert_eq!(new_epoch.parse(), Ok(epoch + 1), "{change}");
        assert_eq!(Some(session), ours.split_once('|').map(|(_, session)| session));
    }
    database.sql("UPDATE ldk_fitness.claims SET session = '\\x00', writer = '\\x00', commits = commits + 1");
    claimed_by(store.commit(&OURS, marked(5)).await);
    assert_eq!(stored(&store, OURS).await, 4);
}
