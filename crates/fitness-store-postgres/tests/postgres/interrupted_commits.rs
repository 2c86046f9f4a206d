//! Commits that are interrupted at each of their steps. Each is stored completely or not at all.

use std::sync::Arc;
use std::time::Duration;

use fitness_pgtest::Database;
use fitness_store::{Store, StoreError};
use fitness_store_postgres::PostgresStore;
use tokio::task::JoinHandle;

use crate::support::*;

fn spawn_commit(store: &Arc<PostgresStore>, version: u32) -> JoinHandle<Result<(), StoreError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.commit(&OBSERVER, batch(version)).await })
}

async fn open_with_one_commit(database: &Database<'_>) -> Arc<PostgresStore> {
    let store = Arc::new(open(database).await);
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    store
}

/// Locks that block a commit at its first statement, between its rows, and in COMMIT.
const BLOCK_FENCE: &str = "SELECT 1 FROM ldk_fitness.claims FOR UPDATE";
const BLOCK_ROWS: &str = "LOCK ldk_fitness.log_segments IN ACCESS EXCLUSIVE MODE";
const BLOCK_COMMIT: &str = "LOCK public.barrier IN ACCESS EXCLUSIVE MODE";

/// Adds a deferred trigger that reads the table of [`BLOCK_COMMIT`] during COMMIT.
fn add_commit_barrier(database: &Database<'_>) {
    database.sql(
        "CREATE TABLE public.barrier (passed int); GRANT ALL ON public.barrier TO fitness; \
         CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM 1 FROM public.barrier; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON ldk_fitness.observers \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.pass()",
    );
}

async fn wait_until_blocked(database: &Database<'_>) {
    wait_until("the commit is blocked", || blocked_sessions(database) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn idle_connections_that_were_lost_are_replaced() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    for version in 2..6 {
        assert_eq!(stored_version(&*store, OBSERVER).await, version - 1);
        assert!(database.terminate_connections() >= 2, "expected a writing and a reading connection");
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
    }
    database.terminate_connections();
    assert_eq!(stored_version(&*store, OBSERVER).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn commit_is_retried_if_the_connection_is_lost_before_any_row_was_sent() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    let blocker = Blocker::start(&database, BLOCK_FENCE).await;
    let commit = spawn_commit(&store, 2);
    wait_until_blocked(&database).await;
    assert_eq!(terminate_blocked_sessions(&database), 1);
    wait_until_blocked(&database).await;
    drop(blocker);
    commit.await.expect("no panic").expect("a commit");
    assert_eq!(stored_version(&*store, OBSERVER).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn connection_lost_between_rows_stores_nothing() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    for version in 2..5 {
        let blocker = Blocker::start(&database, BLOCK_ROWS).await;
        let commit = spawn_commit(&store, version);
        wait_until_blocked(&database).await;
        assert_eq!(terminate_blocked_sessions(&database), 1);
        let error = transient_error(commit.await.expect("no panic"));
        assert!(error.contains("terminating connection due to administrator command"), "{error}");
        drop(blocker);
        assert_eq!(stored_version(&*store, OBSERVER).await, version - 1);
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
        assert_eq!(stored_version(&*store, OBSERVER).await, version);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn connection_lost_in_commit_stores_everything_or_nothing() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    add_commit_barrier(&database);
    let blocker = Blocker::start(&database, BLOCK_COMMIT).await;
    let commit = spawn_commit(&store, 2);
    wait_until_blocked(&database).await;
    assert_eq!(terminate_blocked_sessions(&database), 1);
    transient_error(commit.await.expect("no panic"));
    drop(blocker);
    let version = stored_version(&*store, OBSERVER).await;
    assert!((1..=2).contains(&version));
    // A retry has the same result in both cases.
    store.commit(&OBSERVER, batch(2)).await.expect("a commit");
    assert_eq!(stored_version(&*store, OBSERVER).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn dropped_commit_is_never_stored_after_a_later_one() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    add_commit_barrier(&database);
    let mut version = 1;
    for lock in [BLOCK_FENCE, BLOCK_ROWS, BLOCK_COMMIT, BLOCK_ROWS, BLOCK_COMMIT, BLOCK_FENCE] {
        let blocker = Blocker::start(&database, lock).await;
        let dropped = spawn_commit(&store, version + 1);
        wait_until_blocked(&database).await;
        dropped.abort();
        assert!(dropped.await.expect_err("the task was aborted").is_cancelled());
        // The server has not noticed yet. It cancels the statement later, or the store ends the session.
        let next = spawn_commit(&store, version + 2);
        drop(blocker);
        next.await.expect("no panic").expect("a commit");
        version += 2;
        for _ in 0..3 {
            assert_eq!(stored_version(&*store, OBSERVER).await, version, "{lock}");
        }
        wait_until("the abandoned session has ended", || blocked_sessions(&database) == 0).await;
        assert_eq!(stored_version(&*store, OBSERVER).await, version, "{lock}");
    }
}

/// The session of the dropped commit would keep its lock for as long as it is blocked.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn session_of_a_dropped_commit_is_terminated_in_the_background() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    let blocker = Blocker::start(&database, BLOCK_ROWS).await;
    let dropped = spawn_commit(&store, 2);
    wait_until_blocked(&database).await;
    let blocked_pid =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let former = database.sql(blocked_pid);
    dropped.abort();
    wait_until("another session of the store has the lock", || {
        let holder = lock_holders(&database);
        !holder.is_empty() && holder != former
    })
    .await;
    claim_holder(open(&database).await.claim(&OBSERVER).await);
    let next = spawn_commit(&store, 3);
    wait_until_blocked(&database).await;
    assert_ne!(database.sql(blocked_pid), former);
    drop(blocker);
    next.await.expect("no panic").expect("a commit");
    assert_eq!(stored_version(&*store, OBSERVER).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn statement_timeout_is_a_transient_error() {
    let database = create_database();
    open(&database).await.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let builder = short_timeout(&database.url()).statement_timeout(Duration::from_secs(1));
    let store = builder.open().await.expect("an open store");
    for (lock, version) in [(BLOCK_FENCE, 1), (BLOCK_ROWS, 2), (BLOCK_ROWS, 3)] {
        let blocker = Blocker::start(&database, lock).await;
        let error = transient_error(store.commit(&OBSERVER, batch(version + 1)).await);
        assert!(error.contains("57014"), "{error}");
        if lock == BLOCK_ROWS {
            let error = transient_error(store.segments(&OBSERVER, &node(0), 0, 10).await);
            assert!(error.contains("57014"), "{error}");
        }
        drop(blocker);
        assert_eq!(stored_version(&store, OBSERVER).await, version);
        store.commit(&OBSERVER, batch(version + 1)).await.expect("a commit");
        assert_eq!(stored_version(&store, OBSERVER).await, version + 1);
    }
}

/// Makes the next commits fail with a server error. A sequence counts them, because a rollback does not
/// reset it.
fn fail_next_commits(database: &Database<'_>, commits: u32, sqlstate: &str, message: &str) {
    database.sql(&format!(
        "DROP SEQUENCE IF EXISTS public.failed CASCADE; CREATE SEQUENCE public.failed; \
         GRANT ALL ON SEQUENCE public.failed TO fitness; \
         CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF nextval(''public.failed'') <= {commits} THEN \
          RAISE EXCEPTION USING ERRCODE = ''{sqlstate}'', MESSAGE = ''{message}'', HINT = ''Free some.''; \
          END IF; RETURN NULL; END'; \
         DROP TRIGGER IF EXISTS fail ON ldk_fitness.observers; \
         CREATE TRIGGER fail AFTER INSERT OR UPDATE ON ldk_fitness.observers \
         FOR EACH ROW EXECUTE FUNCTION public.fail()"
    ));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn serialization_failures_and_deadlocks_are_retried() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    for (version, sqlstate) in [(2, "40001"), (3, "40P01")] {
        fail_next_commits(&database, 3, sqlstate, "conflict");
        store.commit(&OBSERVER, batch(version)).await.expect("a commit at the fourth attempt");
        assert_eq!(stored_version(&*store, OBSERVER).await, version);
    }
    fail_next_commits(&database, 100, "40001", "conflict");
    transient_error(store.commit(&OBSERVER, batch(4)).await);
    assert_eq!(stored_version(&*store, OBSERVER).await, 3);
    assert_eq!(database.sql("SELECT commits FROM ldk_fitness.claims"), "3", "a failed attempt was counted");
}

/// `full_disk_loses_no_change` in `tests/service.rs` fills a real disk.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn server_error_contains_message_code_and_hint_and_keeps_the_connection() {
    let database = create_database();
    let store = open_with_one_commit(&database).await;
    let pid = lock_holders(&database);
    for sqlstate in ["53100", "53200", "XX000"] {
        fail_next_commits(&database, 1, sqlstate, "could not extend file: No space left on device");
        let error = transient_error(store.commit(&OBSERVER, batch(2)).await);
        for part in ["No space left on device", sqlstate, "Free some.", store.location()] {
            assert!(error.contains(part), "{error} does not contain {part}");
        }
        assert_eq!(stored_version(&*store, OBSERVER).await, 1);
    }
    store.commit(&OBSERVER, batch(2)).await.expect("a commit");
    assert_eq!(stored_version(&*store, OBSERVER).await, 2);
    assert_eq!(lock_holders(&database), pid);
}
