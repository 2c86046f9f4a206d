//! Creating, migrating and opening the tables.

use std::sync::Arc;

use fitness_core::{NodeId, UnsavedChanges};
use fitness_pgtest::{Cluster, Database, NEEDS_POSTGRESQL};
use fitness_store::{Batch, Store, StoreError};
use fitness_store_postgres::PostgresStore;

use crate::support::*;

/// Returns the tables and views of the schema with the transactions that created them, and its versions.
fn schema_snapshot(database: &Database<'_>) -> String {
    let tables = "SELECT string_agg(n.nspname || '.' || c.relname || ' ' || c.xmin, ',' ORDER BY 1) \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ldk_fitness'";
    let versions = "SELECT * FROM ldk_fitness.schema_version ORDER BY version";
    format!("{}\n{}", database.sql(tables), database.sql(versions))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn ten_nodes_can_start_at_the_same_time() {
    let database = create_database();
    let nodes: Vec<_> = (0..10u8)
        .map(|number| {
            let url = database.url();
            tokio::spawn(async move {
                let store = PostgresStore::open(&url).await.expect("an open store");
                let version = u32::from(number) + 1;
                store.commit(&NodeId([number; 33]), batch(version)).await.expect("a commit");
                store
            })
        })
        .collect();
    for (number, node) in (0..10u8).zip(nodes) {
        let store = node.await.expect("no panic");
        assert_eq!(stored_version(&store, NodeId([number; 33])).await, u32::from(number) + 1);
        assert_eq!(
            store.location(),
            format!("postgres://fitness@127.0.0.1:{}/{}", database.cluster().port(), database.name())
        );
    }
    assert_eq!(database.sql("SELECT version FROM ldk_fitness.schema_version ORDER BY 1"), "1\n2");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn ten_nodes_can_start_at_the_same_time_without_locks() {
    let database = create_database();
    disable_advisory_locks(&database);
    let nodes: Vec<_> = (0..10)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { PostgresStore::open(&url).await })
        })
        .collect();
    for node in nodes {
        node.await.expect("no panic").expect("an open store");
    }
    assert_eq!(database.sql("SELECT version FROM ldk_fitness.schema_version ORDER BY 1"), "1\n2");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn schema_can_have_any_valid_name_and_is_isolated() {
    let database = create_database();
    let names = ["ldk_fitness", "a\"b'; DROP TABLE x; --", "Ünïcode schema", "select", "@schema@"];
    let mut stores = Vec::new();
    for (name, version) in names.iter().zip(1..) {
        let store = short_timeout(&database.url()).schema(name).open().await.expect("an open store");
        store.commit(&OBSERVER, batch(version)).await.expect("a commit");
        stores.push(store);
    }
    for (store, version) in stores.iter().zip(1..) {
        assert_eq!(stored_version(store, OBSERVER).await, version);
    }
    let url = format!("{}?schema=select", database.url());
    let reader = PostgresStore::open_read_only(&url).await.expect("an open store");
    assert_eq!(stored_version(&reader, OBSERVER).await, 4);
    for name in ["", "a\0b", &"x".repeat(64)] {
        open_failure(short_timeout(&database.url()).schema(name).open().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn schema_of_a_later_release_is_rejected_and_unchanged() {
    let database = create_database();
    open(&database).await.commit(&OBSERVER, batch(1)).await.expect("a commit");
    database.sql("INSERT INTO ldk_fitness.schema_version (version) VALUES (3)");
    let before = schema_snapshot(&database);
    for opened in
        [PostgresStore::open(&database.url()).await, PostgresStore::open_read_only(&database.url()).await]
    {
        let error = opened.expect_err("a later version");
        assert!(matches!(error, StoreError::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    }
    assert_eq!(schema_snapshot(&database), before);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn schema_of_an_earlier_release_is_readable_and_migrated_when_opened_for_writing() {
    let database = create_database();
    open(&database).await.commit(&OBSERVER, batch(7)).await.expect("a commit");
    database.sql(
        "DROP VIEW ldk_fitness.peers_by_availability, ldk_fitness.presence_conflicts, \
         ldk_fitness.fleet_peers, ldk_fitness.peer_availability; \
         DELETE FROM ldk_fitness.schema_version WHERE version = 2",
    );
    let before = schema_snapshot(&database);
    let reader = PostgresStore::open_read_only(&database.url()).await.expect("an open store");
    assert_eq!(stored_version(&reader, OBSERVER).await, 7);
    assert_eq!(schema_snapshot(&database), before, "opening for reading changed the schema");
    assert_eq!(stored_version(&open(&database).await, OBSERVER).await, 7);
    assert_eq!(database.sql("SELECT count(*) FROM ldk_fitness.peers_by_availability"), "51");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn read_only_store_requires_tables_and_rejects_writes() {
    let database = create_database();
    let reason = open_failure(PostgresStore::open_read_only(&database.url()).await);
    assert!(reason.contains("\"ldk_fitness\""), "{reason}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'ldk_fitness'"), "0");

    let writer = open(&database).await;
    writer.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let reader = PostgresStore::open_read_only(&database.url()).await.expect("an open store");
    assert_eq!(stored_version(&reader, OBSERVER).await, 1);
    writer.commit(&OBSERVER, batch(2)).await.expect("a commit");
    assert_eq!(stored_version(&reader, OBSERVER).await, 2);
    for result in [reader.commit(&OBSERVER, batch(3)).await, reader.claim(&OTHER_OBSERVER).await.map(drop)] {
        let error = result.expect_err("a read-only store");
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn tables_of_another_program_are_left_unchanged() {
    let database = create_database();
    database
        .sql("CREATE SCHEMA ldk_fitness AUTHORIZATION fitness; CREATE TABLE ldk_fitness.peers (other int)");
    let reason = open_failure(PostgresStore::open(&database.url()).await);
    assert!(reason.contains("\"ldk_fitness\""), "{reason}");
    let tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'ldk_fitness'";
    assert_eq!(database.sql(tables), "peers");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn dropped_store_closes_all_connections() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 1);
    assert!(database.connection_count() >= 2);
    let claim = store.claim(&OTHER_OBSERVER).await.expect("a claim");
    drop(store);
    wait_until("all connections are closed", || database.connection_count() == 0).await;
    drop(claim);
}

#[test]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
fn open_fails_outside_of_a_tokio_runtime() {
    let database = create_database();
    let opened = fitness_store::conformance::block_on(PostgresStore::open(&database.url()));
    let reason = open_failure(opened);
    assert!(reason.contains("tokio"), "{reason}");
}

/// PostgreSQL reuses the space of old row versions, unless a transaction is in progress that may need them.
/// The test has its own server, because transactions in other databases count as well. The queries for the
/// size can still delay the reuse, so the table may grow a little between the second and the tenth commit.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn repeated_commits_do_not_grow_the_table() {
    let cluster = Cluster::start().expect(NEEDS_POSTGRESQL);
    let database = cluster.create_database();
    let store = open(&database).await;
    let mut sizes: Vec<u32> = Vec::new();
    for version in 0..10 {
        let peers = (0..4_000).map(|number| peer(number, version)).collect();
        let changes = UnsavedChanges { peers, ..Default::default() };
        store.commit(&OBSERVER, Arc::new(Batch { changes, ..Default::default() })).await.expect("a commit");
        let size =
            "SELECT pg_relation_size('ldk_fitness.peers') + pg_relation_size('ldk_fitness.peers_pkey')";
        sizes.push(database.sql(size).parse().expect("a size"));
    }
    assert!(sizes[9] < sizes[1] / 4 * 5, "{sizes:?}");
}
