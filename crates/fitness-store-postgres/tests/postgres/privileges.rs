//! Privileges of roles, and the errors if they are missing.

use fitness_pgtest::{Database, READER};
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

/// Returns the URL of a role that owns nothing.
fn reader_url(database: &Database<'_>) -> String {
    database.url_for(READER, database.cluster().port())
}

/// Returns the SQL in an error's reason, which starts with CREATE or GRANT and ends with the last semicolon.
fn suggested_sql(reason: &str) -> String {
    let (_, rest) = reason.split_once("run: ").expect("suggested SQL");
    let (sql, _) = rest.rsplit_once(';').expect("an SQL statement");
    format!("{sql};")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn error_without_a_schema_contains_the_sql_that_creates_it() {
    let database = create_database();
    let reason = open_failure(PostgresStore::open(&reader_url(&database)).await);
    assert!(reason.contains("permission denied for database"), "{reason}");
    let sql = suggested_sql(&reason);
    assert_eq!(sql, "CREATE SCHEMA \"ldk_fitness\" AUTHORIZATION \"reader\";");
    database.sql(&sql);
    let store = PostgresStore::open(&reader_url(&database)).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn error_without_tables_contains_the_sql_that_allows_creating_them() {
    let database = create_database();
    database.sql("CREATE SCHEMA ldk_fitness");
    let reason = open_failure(PostgresStore::open(&reader_url(&database)).await);
    database.sql(&suggested_sql(&reason));
    let store = PostgresStore::open(&reader_url(&database)).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn role_with_write_privileges_need_not_own_the_tables() {
    let database = create_database();
    drop(open(&database).await);
    let reason = open_failure(PostgresStore::open(&reader_url(&database)).await);
    let sql = suggested_sql(&reason);
    assert!(sql.contains("SELECT, INSERT, UPDATE, DELETE"), "{reason}");
    database.sql(&sql);
    let store = PostgresStore::open(&reader_url(&database)).await.expect("an open store");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
    drop(store.claim(&OTHER_OBSERVER).await.expect("a claim"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn role_with_read_privileges_can_open_read_only() {
    let database = create_database();
    open(&database).await.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let reason = open_failure(PostgresStore::open_read_only(&reader_url(&database)).await);
    let sql = suggested_sql(&reason);
    assert!(!sql.contains("INSERT"), "{reason}");
    database.sql(&sql);
    let store = PostgresStore::open_read_only(&reader_url(&database)).await.expect("an open store");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn revoked_privilege_is_reported_until_it_is_granted_again() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    database.sql("REVOKE INSERT, UPDATE ON ldk_fitness.peers FROM fitness");
    let reason = open_failure(store.commit(&OBSERVER, batch(2)).await);
    assert!(reason.contains("permission denied for table peers"), "{reason}");
    database.sql("GRANT INSERT, UPDATE ON ldk_fitness.peers TO fitness");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
    store.commit(&OBSERVER, batch(2)).await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn deleted_tables_are_not_a_transient_error() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    database.sql("DROP SCHEMA ldk_fitness CASCADE");
    for reason in [
        open_failure(store.commit(&OBSERVER, batch(2)).await),
        open_failure(store.peers(&OBSERVER, None, 10).await),
    ] {
        // The SQLSTATE code of an undefined table.
        assert!(reason.contains("42P01"), "{reason}");
    }
}
