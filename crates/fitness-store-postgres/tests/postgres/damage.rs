//! Rows that somebody changed are found, and named.

use fitness_core::NodeId;
use fitness_store::{Store, StoreError};

use crate::support::*;

/// The record of a peer of a format that there is not yet, whole otherwise.
fn from_the_future(node_id: &NodeId) -> String {
    let mut bytes = vec![fitness_store::codec::FORMAT_VERSION + 1, 1, 2, 3];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"P");
    hasher.update(&node_id.0);
    hasher.update(&bytes);
    bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_named() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    let flip = "set_byte(record, 3, get_byte(record, 3) # 1)";
    for (table, named) in [
        ("peers", format!("the record of peer {}", node(0))),
        ("segments", format!("log segment 2 of peer {}", node(0))),
        ("gaps", "gap 1 of the observer".to_owned()),
        ("observers", format!("the record of observer {OURS}")),
    ] {
        for damage in [flip, "substring(record FROM 1 FOR 9)", "''", "record || '\\x00'"] {
            database.sql(&format!("CREATE TABLE public.kept AS SELECT * FROM ldk_fitness.{table}"));
            database.sql(&format!("UPDATE ldk_fitness.{table} SET record = {damage}"));
            let error = match table {
                "peers" => store.peers(&OURS, None, 10).await.expect_err("it is damaged"),
                "segments" => store.segments(&OURS, &node(0), 0, 10).await.expect_err("it is damaged"),
                "gaps" => store.gaps(&OURS, 0, 10).await.expect_err("it is damaged"),
                _ => store.observer(&OURS).await.expect_err("it is damaged"),
            };
            assert!(matches!(&error, StoreError::Corrupt { item: what, .. } if *what == named), "{error}");
            assert!(!error.is_transient());
            database.sql(&format!(
                "TRUNCATE ldk_fitness.{table}; INSERT INTO ldk_fitness.{table} SELECT * FROM public.kept; \
                 DROP TABLE public.kept"
            ));
        }
    }
    let error = {
        database.sql(&format!(
            "UPDATE ldk_fitness.peers SET record = (SELECT record FROM ldk_fitness.peers WHERE node_id = '\\x{}') \
             WHERE node_id = '\\x{}'",
            node(1),
            node(0)
        ));
        store.peer(&OURS, &node(0)).await.expect_err("it is another's")
    };
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    store.commit(&OURS, marked(1)).await.expect("it stores");
    assert_eq!(stored(&store, OURS).await, 1, "what is written again is well again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_later_release_is_told_from_a_damaged_one() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    let bytes = from_the_future(&node(0));
    database
        .sql(&format!("UPDATE ldk_fitness.peers SET record = '\\x{bytes}' WHERE node_id = '\\x{}'", node(0)));
    let error = store.peer(&OURS, &node(0)).await.expect_err("it is newer");
    assert!(matches!(error, StoreError::NewerFormat { .. }), "{error}");
    assert!(error.to_string().contains(&node(0).to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_is_found() {
    let database = database!();
    let store = open(&database).await;
    store.commit(&OURS, marked(1)).await.expect("it stores");
    database.sql(&format!("UPDATE ldk_fitness.peers SET node_id = '\\x02' WHERE node_id = '\\x{}'", node(1)));
    database.sql("UPDATE ldk_fitness.segments SET number = 4294967296 WHERE number = 2");
    database.sql("UPDATE ldk_fitness.gaps SET number = 4294967296 WHERE number = 2");
    for error in [
        store.peers(&OURS, None, 10).await.expect_err("there is no such peer"),
        store.segments(&OURS, &node(0), 0, 10).await.expect_err("there is no such segment"),
        store.gaps(&OURS, 0, 10).await.expect_err("there is no such gap"),
    ] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}
