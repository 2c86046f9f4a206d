//! Tables are made once, and found by all.

use fitness_store::{Store, StoreError};
use fitness_store_postgres::PostgresStore;

use crate::support::*;

/// The tables as they are, with their rows.
fn snapshot(database: &fitness_pgtest::Database<'_>) -> String {
    let tables = "SELECT string_agg(n.nspname || '.' || c.relname || ' ' || c.xmin, ',' ORDER BY 1) FROM pg_class c \
                  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ldk_fitness'";
    let rows = "SELECT * FROM ldk_fitness.schema_version ORDER BY version";
    format!("{}\n{}", database.sql(tables), database.sql(rows))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_start_at_once() {
    let database = database!();
    let nodes: Vec<_> = (0..10u8)
        .map(|number| {
            let url = database.url();
            tokio::spawn(async move {
                let store = PostgresStore::open(&url).await.expect("it opens");
                let observer = fitness_core::NodeId([number; 33]);
                store.commit(&observer, marked(u32::from(number) + 1)).await.expect("it stores");
                store
            })
        })
        .collect();
    for (number, node) in (0..10u8).zip(nodes) {
        let store = node.await.expect("no panic");
        assert_eq!(stored(&store, fitness_core::NodeId([number; 33])).await, u32::from(number) + 1);
        assert_eq!(
            store.location(),
            format!("postgres://fitness@127.0.0.1:{}/{}", database.cluster().port(), database.name())
        );
    }
    assert_eq!(database.sql("SELECT version FROM ldk_fitness.schema_version ORDER BY 1"), "1\n2");
}

/// Where the lock is not one, as on CockroachDB, the row of the version is.
#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_start_at_once_without_locks() {
    let database = database!();
    without_locks(&database);
    let nodes: Vec<_> = (0..10)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { PostgresStore::open(&url).await })
        })
        .collect();
    for node in nodes {
        node.await.expect("no panic").expect("it opens");
    }
    assert_eq!(database.sql("SELECT version FROM ldk_fitness.schema_version ORDER BY 1"), "1\n2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_may_have_any_name() {
    let database = database!();
    let names = ["ldk_fitness", "a\"b'; DROP TABLE x; --", "Ünïcode schema", "select", "@schema@"];
    let mut stores = Vec::new();
    for (name, version) in names.iter().zip(1..) {
        let store = impatient(&database.url()).schema(name).open().await.expect("it opens");
        // The same observer in another schema is somebody else.
        store.commit(&OURS, marked(version)).await.expect("it stores");
        stores.push(store);
    }
    for (store, version) in stores.iter().zip(1..) {
        assert_eq!(stored(store, OURS).await, version);
    }
    let url = format!("{}?schema=select", database.url());
    let named = PostgresStore::open_read_only(&url).await.expect("it opens");
    assert_eq!(stored(&named, OURS).await, 4);
    for name in ["", "a\0b", &"x".repeat(64)] {
        cannot_open(impatient(&database.url()).schema(name).open().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_release_made_is_refused_and_left_alone() {
    let database = database!();
    open(&database).await.commit(&OURS, marked(1)).await.expect("it stores");
    database.sql("INSERT INTO ldk_fitness.schema_version (version) VALUES (3)");
    let before = snapshot(&database);
    for opened in
        [PostgresStore::open(&database.url()).await, PostgresStore::open_read_only(&database.url()).await]
    {
        let error = opened.expect_err("it is newer");
        assert!(matches!(error, StoreError::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    }
    assert_eq!(snapshot(&database), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_made_is_brought_up_to_date() {
    let database = database!();
    open(&database).await.commit(&OURS, marked(7)).await.expect("it stores");
    database.sql(
        "DROP VIEW ldk_fitness.worst_peers, ldk_fitness.seen_differently, ldk_fitness.fleet_peers, \
         ldk_fitness.peer_availability; DELETE FROM ldk_fitness.schema_version WHERE version = 2",
    );
    let before = snapshot(&database);
    let reading = PostgresStore::open_read_only(&database.url()).await.expect("it can be read as it is");
    assert_eq!(stored(&reading, OURS).await, 7);
    assert_eq!(snapshot(&database), before, "who reads changes nothing");
    assert_eq!(stored(&open(&database).await, OURS).await, 7);
    assert_eq!(database.sql("SELECT count(*) FROM ldk_fitness.worst_peers"), "51");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_read_there_has_to_be_something() {
    let database = database!();
    let reason = cannot_open(PostgresStore::open_read_only(&database.url()).await);
    assert!(reason.contains("no history in the schema \"ldk_fitness\""), "{reason}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'ldk_fitness'"), "0");

    let writing = open(&database).await;
    writing.commit(&OURS, marked(1)).await.expect("it stores");
    let reading = PostgresStore::open_read_only(&database.url()).await.expect("it opens");
    assert_eq!(stored(&reading, OURS).await, 1);
    writing.commit(&OURS, marked(2)).await.expect("it stores, whoever reads");
    assert_eq!(stored(&reading, OURS).await, 2);
    for refused in [reading.commit(&OURS, marked(3)).await, reading.claim(&THEIRS).await.map(drop)] {
        let error = refused.expect_err("it was opened to read");
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_ours_are_left_alone() {
    let database = database!();
    database
        .sql("CREATE SCHEMA ldk_fitness AUTHORIZATION fitness; CREATE TABLE ldk_fitness.peers (theirs int)");
    let reason = cannot_open(PostgresStore::open(&database.url()).await);
    assert!(reason.contains("not ours"), "{reason}");
    let tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'ldk_fitness'";
    assert_eq!(database.sql(tables), "peers");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_are_closed_with_the_store() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 1);
    assert!(database.connection_count() >= 2);
    let claim = store.claim(&THEIRS).await.expect("a claim");
    drop(store);
    until("nobody is connected", || database.connection_count() == 0).await;
    drop(claim);
}

/// Outside of a runtime it says so.
#[test]
fn without_a_runtime_nothing_is_opened() {
    let database = database!();
    let opened = fitness_store::conformance::block_on(PostgresStore::open(&database.url()));
    assert!(cannot_open(opened).contains("tokio runtime"));
}

/// Rows that change stay where they are, but for those that somebody happened to look at: after the tenth
/// time the table is hardly larger than after the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_rows_change_does_not_grow() {
    let database = database!();
    let store = open(&database).await;
    let mut sizes: Vec<u32> = Vec::new();
    for version in 0..10 {
        let peers = (0..4_000).map(|number| peer(number, version)).collect();
        let changes = fitness_core::UnsavedChanges { peers, ..Default::default() };
        let batch = std::sync::Arc::new(fitness_store::Batch { changes, ..Default::default() });
        store.commit(&OURS, batch).await.expect("it stores");
        let size =
            "SELECT pg_relation_size('ldk_fitness.peers') + pg_relation_size('ldk_fitness.peers_pkey')";
        sizes.push(database.sql(size).parse().expect("a size"));
    }
    assert!(sizes[9] < sizes[1] / 4 * 5, "{sizes:?}");
}
