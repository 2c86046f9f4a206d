//! Rows that were changed from outside are detected and named.

use fitness_core::NodeId;
use fitness_store::{Store, StoreError};

use crate::support::*;

/// Returns a peer's record, in hexadecimal, with a later format and a valid checksum.
fn record_of_later_format(node_id: &NodeId) -> String {
    let mut bytes = vec![fitness_store::codec::FORMAT_VERSION + 1, 1, 2, 3];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"P");
    hasher.update(&node_id.0);
    hasher.update(&bytes);
    bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn damaged_record_is_reported_with_its_key() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let flip_bit = "set_byte(record, 3, get_byte(record, 3) # 1)";
    for (table, key) in [
        ("peers", node(0).to_string()),
        ("log_segments", node(0).to_string()),
        ("gaps", "gap 1".to_owned()),
        ("observers", OBSERVER.to_string()),
    ] {
        for damage in [flip_bit, "substring(record FROM 1 FOR 9)", "''", "record || '\\x00'"] {
            database.sql(&format!("CREATE TABLE public.backup AS SELECT * FROM ldk_fitness.{table}"));
            database.sql(&format!("UPDATE ldk_fitness.{table} SET record = {damage}"));
            let error = match table {
                "peers" => store.peers(&OBSERVER, None, 10).await.expect_err("a damaged peer"),
                "log_segments" => {
                    store.segments(&OBSERVER, &node(0), 0, 10).await.expect_err("a damaged segment")
                }
                "gaps" => store.gaps(&OBSERVER, 0, 10).await.expect_err("a damaged gap"),
                _ => store.observer(&OBSERVER).await.expect_err("a damaged observer"),
            };
            assert!(matches!(&error, StoreError::Corrupt { item, .. } if item.contains(&key)), "{error}");
            assert!(!error.is_transient());
            database.sql(&format!(
                "TRUNCATE ldk_fitness.{table}; INSERT INTO ldk_fitness.{table} SELECT * FROM public.backup; \
                 DROP TABLE public.backup"
            ));
        }
    }
    database.sql(&format!(
        "UPDATE ldk_fitness.peers SET record = (SELECT record FROM ldk_fitness.peers WHERE node_id = '\\x{}') \
         WHERE node_id = '\\x{}'",
        node(1),
        node(0)
    ));
    let error = store.peer(&OBSERVER, &node(0)).await.expect_err("the record of another peer");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    assert_eq!(stored_version(&store, OBSERVER).await, 1, "overwriting the record did not repair it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn record_of_a_later_format_is_not_reported_as_damaged() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    let (id, record) = (node(0), record_of_later_format(&node(0)));
    database.sql(&format!("UPDATE ldk_fitness.peers SET record = '\\x{record}' WHERE node_id = '\\x{id}'"));
    let error = store.peer(&OBSERVER, &id).await.expect_err("a later format");
    assert!(
        matches!(&error, StoreError::NewerFormat { item, .. } if item.contains(&id.to_string())),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: postgresql)"]
async fn invalid_key_is_reported_as_damaged() {
    let database = create_database();
    let store = open(&database).await;
    store.commit(&OBSERVER, batch(1)).await.expect("a commit");
    database.sql(&format!("UPDATE ldk_fitness.peers SET node_id = '\\x02' WHERE node_id = '\\x{}'", node(1)));
    database.sql("UPDATE ldk_fitness.log_segments SET segment_index = 4294967296 WHERE segment_index = 2");
    database.sql("UPDATE ldk_fitness.gaps SET number = 4294967296 WHERE number = 2");
    for error in [
        store.peers(&OBSERVER, None, 10).await.expect_err("an invalid node id"),
        store.segments(&OBSERVER, &node(0), 0, 10).await.expect_err("an invalid segment index"),
        store.gaps(&OBSERVER, 0, 10).await.expect_err("an invalid gap number"),
    ] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}
