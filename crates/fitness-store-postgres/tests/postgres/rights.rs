//! A role needs no more than it uses, and is told what it lacks.

use fitness_pgtest::{Database, READER};
use fitness_store::Store;
use fitness_store_postgres::PostgresStore;

use crate::support::*;

fn url(database: &Database<'_>) -> String {
    database.url_for(READER, database.cluster().port())
}

/// What an error says an administrator is to run.
fn advice(reason: &str) -> String {
    let (_, advice) = reason.split_once("have an administrator run: ").expect("there is advice");
    let sql = advice.rsplit_once(';').expect("it is SQL").0;
    format!("{sql};")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_a_schema_is_told_what_to_ask_for() {
    let database = database!();
    let reason = cannot_open(PostgresStore::open(&url(&database)).await);
    assert!(reason.contains("permission denied for database"), "{reason}");
    assert_eq!(advice(&reason), "CREATE SCHEMA \"ldk_fitness\" AUTHORIZATION \"onlooker\";");
    database.sql(&advice(&reason));
    let store = PostgresStore::open(&url(&database)).await.expect("the advice was good");
    store.commit(&OURS, marked(1)).await.expect("it stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_tables_is_told_what_to_ask_for() {
    let database = database!();
    database.sql("CREATE SCHEMA ldk_fitness");
    let reason = cannot_open(PostgresStore::open(&url(&database)).await);
    database.sql(&advice(&reason));
    let store = PostgresStore::open(&url(&database)).await.expect("the advice was good");
    store.commit(&OURS, marked(1)).await.expect("it stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_owns_nothing_can_write_where_that_is_granted() {
    let database = database!();
    drop(open(&database).await);
    let reason = cannot_open(PostgresStore::open(&url(&database)).await);
    assert!(advice(&reason).contains("SELECT, INSERT, UPDATE, DELETE"), "{reason}");
    database.sql(&advice(&reason));
    let store = PostgresStore::open(&url(&database)).await.expect("the advice was good");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 1);
    drop(store.claim(&THEIRS).await.expect("it claims"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_can_read() {
    let database = database!();
    open(&database).await.commit(&OURS, marked(1)).await.expect("it stores");
    let reason = cannot_open(PostgresStore::open_read_only(&url(&database)).await);
    assert!(!advice(&reason).contains("INSERT"), "{reason}");
    database.sql(&advice(&reason));
    let store = PostgresStore::open_read_only(&url(&database)).await.expect("the advice was good");
    assert_eq!(stored(&store, OURS).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_is_named() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    database.sql("REVOKE INSERT, UPDATE ON ldk_fitness.peers FROM fitness");
    let reason = cannot_open(store.commit(&OURS, marked(2)).await);
    assert!(reason.contains("permission denied for table peers"), "{reason}");
    database.sql("GRANT INSERT, UPDATE ON ldk_fitness.peers TO fitness");
    assert_eq!(stored(&store, OURS).await, 1);
    store.commit(&OURS, marked(2)).await.expect("it stores");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_gone_are_missed() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    database.sql("DROP SCHEMA ldk_fitness CASCADE");
    for reason in
        [cannot_open(store.commit(&OURS, marked(2)).await), cannot_open(store.peers(&OURS, None, 10).await)]
    {
        assert!(reason.contains("does not exist") && reason.contains("restore a backup"), "{reason}");
    }
}
