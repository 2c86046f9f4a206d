//! A commit that is interrupted, at each of its steps: it is stored whole or not at all, and said which,
//! as far as that can be known.

use std::sync::Arc;
use std::time::Duration;

use fitness_pgtest::Database;
use fitness_store::{Store, StoreError};
use fitness_store_postgres::PostgresStore;
use tokio::task::JoinHandle;

use crate::support::*;

fn commit(store: &Arc<PostgresStore>, version: u32) -> JoinHandle<Result<(), StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.commit(&OURS, marked(version)).await })
}

async fn with_one_commit(database: &Database<'_>) -> Arc<PostgresStore> {
    let store = Arc::new(open(database).await);
    store.commit(&OURS, marked(1)).await.expect("it stores");
    store
}

/// What keeps a commit waiting at its first statement, in the middle of its rows, and in COMMIT itself.
const AT_THE_FENCE: &str = "SELECT 1 FROM ldk_fitness.claims FOR UPDATE";
const AT_ITS_ROWS: &str = "LOCK ldk_fitness.segments IN ACCESS EXCLUSIVE MODE";
const AT_ITS_END: &str = "LOCK public.barrier IN ACCESS EXCLUSIVE MODE";

/// Makes a COMMIT look at a table that somebody may have locked.
fn watch_the_end(database: &Database<'_>) {
    database.sql(
        "CREATE TABLE public.barrier (passed int); GRANT ALL ON public.barrier TO fitness; \
         CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM 1 FROM public.barrier; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON ldk_fitness.observers \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.pass()",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_in_between_is_no_news() {
    let database = database!();
    let store = with_one_commit(&database).await;
    for version in 2..6 {
        assert_eq!(stored(&*store, OURS).await, version - 1);
        assert!(database.terminate_connections() >= 2, "one that writes, one that reads");
        store.commit(&OURS, marked(version)).await.expect("on a new connection");
    }
    database.terminate_connections();
    assert_eq!(stored(&*store, OURS).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_before_anything_was_sent_is_made_again() {
    let database = database!();
    let store = with_one_commit(&database).await;
    let blocker = Blocker::begin(&database, AT_THE_FENCE).await;
    let committing = commit(&store, 2);
    until("it waits", || waiting(&database) == 1).await;
    assert_eq!(terminate_waiting(&database), 1);
    until("it waits again", || waiting(&database) == 1).await;
    drop(blocker);
    committing.await.expect("no panic").expect("it stores");
    assert_eq!(stored(&*store, OURS).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_in_the_middle_stores_nothing() {
    let database = database!();
    let store = with_one_commit(&database).await;
    for version in 2..5 {
        let blocker = Blocker::begin(&database, AT_ITS_ROWS).await;
        let committing = commit(&store, version);
        until("it waits", || waiting(&database) == 1).await;
        assert_eq!(terminate_waiting(&database), 1);
        let error = refused_for_now(committing.await.expect("no panic"));
        assert!(error.contains("terminating connection due to administrator command"), "{error}");
        drop(blocker);
        assert_eq!(stored(&*store, OURS).await, version - 1);
        store.commit(&OURS, marked(version)).await.expect("it stores");
        assert_eq!(stored(&*store, OURS).await, version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_at_the_end_is_whole_or_absent() {
    let database = database!();
    let store = with_one_commit(&database).await;
    watch_the_end(&database);
    let blocker = Blocker::begin(&database, AT_ITS_END).await;
    let committing = commit(&store, 2);
    until("it waits", || waiting(&database) == 1).await;
    assert_eq!(terminate_waiting(&database), 1);
    refused_for_now(committing.await.expect("no panic"));
    drop(blocker);
    let landed = stored(&*store, OURS).await;
    assert!((1..=2).contains(&landed));
    // To store it again does no harm, whichever it was.
    store.commit(&OURS, marked(2)).await.expect("it stores");
    assert_eq!(stored(&*store, OURS).await, 2);
}

/// Whoever gives up on a commit never sees it land after one that he began later.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_given_up_never_lands_late() {
    let database = database!();
    let store = with_one_commit(&database).await;
    watch_the_end(&database);
    let mut version = 1;
    for at in [AT_THE_FENCE, AT_ITS_ROWS, AT_ITS_END, AT_ITS_ROWS, AT_ITS_END, AT_THE_FENCE] {
        let blocker = Blocker::begin(&database, at).await;
        let given_up = commit(&store, version + 1);
        until("it waits", || waiting(&database) == 1).await;
        given_up.abort();
        assert!(given_up.await.expect_err("it was given up").is_cancelled());
        // The server does not know that yet: it ends the statement, or it is ended.
        let next = commit(&store, version + 2);
        drop(blocker);
        next.await.expect("no panic").expect("it stores");
        version += 2;
        for _ in 0..3 {
            assert_eq!(stored(&*store, OURS).await, version, "{at}");
        }
        until("the former connection is gone", || waiting(&database) == 0).await;
        assert_eq!(stored(&*store, OURS).await, version, "{at}");
    }
}

/// The former connection is ended by us: it would have kept its locks for as long as somebody keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_not_in_our_way() {
    let database = database!();
    let store = with_one_commit(&database).await;
    let _blocker = Blocker::begin(&database, AT_ITS_ROWS).await;
    let given_up = commit(&store, 2);
    until("it waits", || waiting(&database) == 1).await;
    let pid =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let former = database.sql(pid);
    given_up.abort();
    // Nobody asks for anything: the store sees to it by itself, so that it keeps its claim.
    until("another connection has the lock", || {
        let holder = lockers(&database);
        !holder.is_empty() && holder != former
    })
    .await;
    claimed_by(open(&database).await.claim(&OURS).await);
    let next = commit(&store, 3);
    until("the next one waits", || waiting(&database) == 1).await;
    assert_ne!(database.sql(pid), former);
    drop(_blocker);
    next.await.expect("no panic").expect("it stores");
    assert_eq!(stored(&*store, OURS).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_given_up() {
    let database = database!();
    open(&database).await.commit(&OURS, marked(1)).await.expect("it stores");
    let store =
        impatient(&database.url()).statement_timeout(Duration::from_secs(1)).open().await.expect("it opens");
    for (at, version) in [(AT_THE_FENCE, 1), (AT_ITS_ROWS, 2), (AT_ITS_ROWS, 3)] {
        let blocker = Blocker::begin(&database, at).await;
        let error = refused_for_now(store.commit(&OURS, marked(version + 1)).await);
        assert!(error.contains("statement timeout (SQLSTATE 57014)"), "{error}");
        if at == AT_ITS_ROWS {
            let error = refused_for_now(store.segments(&OURS, &node(0), 0, 10).await);
            assert!(error.contains("statement timeout"), "{error}");
        }
        drop(blocker);
        assert_eq!(stored(&store, OURS).await, version);
        store.commit(&OURS, marked(version + 1)).await.expect("it stores");
        assert_eq!(stored(&store, OURS).await, version + 1);
    }
}

/// Makes the next so many commits fail with an error of the server's. What a sequence counts no
/// rollback takes back.
fn fail_next(database: &Database<'_>, commits: u32, code: &str, message: &str) {
    database.sql(&format!(
        "DROP SEQUENCE IF EXISTS public.failed CASCADE; CREATE SEQUENCE public.failed; \
         GRANT ALL ON SEQUENCE public.failed TO fitness; \
         CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF nextval(''public.failed'') <= {commits} THEN \
          RAISE EXCEPTION USING ERRCODE = ''{code}'', MESSAGE = ''{message}'', HINT = ''Free some.''; \
          END IF; RETURN NULL; END'; \
         DROP TRIGGER IF EXISTS fail ON ldk_fitness.observers; \
         CREATE TRIGGER fail AFTER INSERT OR UPDATE ON ldk_fitness.observers \
         FOR EACH ROW EXECUTE FUNCTION public.fail()"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_got_in_another_ones_way_is_tried_again() {
    let database = database!();
    let store = with_one_commit(&database).await;
    for (version, code) in [(2, "40001"), (3, "40P01")] {
        fail_next(&database, 3, code, "in the way");
        store.commit(&OURS, marked(version)).await.expect("the fourth time");
        assert_eq!(stored(&*store, OURS).await, version);
    }
    fail_next(&database, 100, "40001", "in the way");
    refused_for_now(store.commit(&OURS, marked(4)).await);
    assert_eq!(stored(&*store, OURS).await, 3);
    assert_eq!(database.sql("SELECT commits FROM ldk_fitness.claims"), "3", "each is counted once");
}

/// What the server says of a full disk reaches whoever asked, and the connection is used again. The real
/// thing is in another file.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_said_in_its_words() {
    let database = database!();
    let store = with_one_commit(&database).await;
    let pid = lockers(&database);
    for code in ["53100", "53200", "XX000"] {
        fail_next(&database, 1, code, "could not extend file: No space left on device");
        let error = refused_for_now(store.commit(&OURS, marked(2)).await);
        for said in ["No space left on device", code, "Free some.", store.location()] {
            assert!(error.contains(said), "{error} does not say {said}");
        }
        assert_eq!(stored(&*store, OURS).await, 1);
    }
    store.commit(&OURS, marked(2)).await.expect("it stores");
    assert_eq!(stored(&*store, OURS).await, 2);
    assert_eq!(lockers(&database), pid);
}
