//! Stores that mix up observers or list them incorrectly.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fitness_core::NodeId;
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_fails, lock};

/// Treats all observers as one.
#[derive(Default)]
struct MixesObservers;
impl Fault for MixesObservers {
    fn observer(&self, _: &NodeId) -> NodeId {
        NodeId([9; 33])
    }
}

#[test]
fn mixed_observers_are_detected() {
    assert_fails::<MixesObservers>(&[
        "observers_are_isolated",
        "adjacent_ids_do_not_overlap",
        "forgetting_affects_only_its_observer",
        "observers_are_listed_in_order",
    ]);
}

/// Deletes the observer's peers when it writes the observer's record.
#[derive(Default)]
struct HeartbeatDeletesPeers;
#[async_trait::async_trait]
impl Fault for HeartbeatDeletesPeers {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        if batch.observer.is_some() {
            let peers = store.peers(observer, None, usize::MAX).await?;
            batch.changes.forgotten_peers.extend(peers.iter().map(|peer| peer.node_id));
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn heartbeat_that_deletes_peers_is_detected() {
    assert_fails::<HeartbeatDeletesPeers>(&["heartbeat_changes_only_the_observer_record"]);
}

/// Lists every observer that has stored anything.
#[derive(Default)]
struct ListsObserversWithoutRecord(Mutex<BTreeSet<NodeId>>);
#[async_trait::async_trait]
impl Fault for ListsObserversWithoutRecord {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let is_change = !batch.is_empty();
        store.commit(observer, Arc::new(batch)).await?;
        if is_change {
            lock(&self.0).insert(*observer);
        }
        Ok(())
    }

    async fn observers(&self, _: &MemoryStore) -> Result<Vec<NodeId>, StoreError> {
        Ok(lock(&self.0).iter().copied().collect())
    }
}

#[test]
fn observer_listed_without_record_is_detected() {
    assert_fails::<ListsObserversWithoutRecord>(&["observer_is_listed_once_its_record_is_stored"]);
}
