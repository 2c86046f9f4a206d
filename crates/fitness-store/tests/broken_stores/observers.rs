//! Stores that are wrong about whose things are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fitness_core::NodeId;
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_fails, lock};

/// All observers are one.
#[derive(Default)]
struct MixesObservers;
impl Fault for MixesObservers {
    fn observer(&self, _: &NodeId) -> NodeId {
        NodeId([9; 33])
    }
}

#[test]
fn mixed_observers_are_noticed() {
    assert_fails::<MixesObservers>(&[
        "observers_do_not_see_each_other",
        "neighbouring_ids_are_kept_apart",
        "forgetting_stays_with_its_observer",
        "observers_are_listed_in_order",
    ]);
}

/// A heartbeat starts the observer's data anew.
#[derive(Default)]
struct HeartbeatClears;
#[async_trait::async_trait]
impl Fault for HeartbeatClears {
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
fn a_heartbeat_that_clears_is_noticed() {
    assert_fails::<HeartbeatClears>(&["a_heartbeat_changes_nothing_else"]);
}

/// Whoever has stored anything is listed.
#[derive(Default)]
struct ListsEverybody(Mutex<BTreeSet<NodeId>>);
#[async_trait::async_trait]
impl Fault for ListsEverybody {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let is_something = !batch.is_empty();
        store.commit(who, Arc::new(batch)).await?;
        if is_something {
            lock(&self.0).insert(*who);
        }
        Ok(())
    }

    async fn observers(&self, _: &MemoryStore) -> Result<Vec<NodeId>, StoreError> {
        Ok(lock(&self.0).iter().copied().collect())
    }
}

#[test]
fn an_observer_that_is_listed_too_early_is_noticed() {
    assert_fails::<ListsEverybody>(&["an_observer_is_listed_with_its_record"]);
}
