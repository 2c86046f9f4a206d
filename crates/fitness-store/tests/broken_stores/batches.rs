//! Stores that do something else than a batch says, or do it when it is not its turn.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use fitness_core::{NodeId, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_fails, assert_fails_sooner_or_later, lock, yield_once};

/// A batch cannot be stored twice, as a key cannot be inserted twice.
#[derive(Default)]
struct RefusesRepeats(Mutex<String>);
#[async_trait::async_trait]
impl Fault for RefusesRepeats {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let name = format!("{who} {batch:?}");
        if !batch.is_empty() && std::mem::replace(&mut *lock(&self.0), name.clone()) == name {
            return Err(StoreError::ReadOnly { location: "memory".to_owned() });
        }
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn a_store_that_refuses_repeats_is_noticed() {
    assert_fails::<RefusesRepeats>(&["a_batch_committed_again_changes_nothing"]);
}

/// A batch that was stored once is taken for a repeat ever after.
#[derive(Default)]
struct IgnoresRepeats(Mutex<HashSet<String>>);
#[async_trait::async_trait]
impl Fault for IgnoresRepeats {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let name = format!("{who} {batch:?}");
        if codec::validate_batch(who, &batch).is_ok() && !lock(&self.0).insert(name) {
            return Ok(());
        }
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn a_store_that_ignores_repeats_is_noticed() {
    assert_fails::<IgnoresRepeats>(&["a_batch_committed_again_later_counts"]);
}

/// A batch is written ahead before it is checked, and what is left of it is done at the next opening.
#[derive(Default)]
struct WritesAheadUnchecked(Mutex<Vec<(NodeId, Batch)>>);
#[async_trait::async_trait]
impl Fault for WritesAheadUnchecked {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        let result = store.commit(who, Arc::new(batch.clone())).await;
        if result.is_err() {
            batch.changes.gaps.clear();
            lock(&self.0).push((*who, batch));
        }
        result
    }

    fn opened(&self, store: &MemoryStore) -> MemoryStore {
        for (who, batch) in lock(&self.0).drain(..) {
            // Some of them are refused again.
            let _ = block_on(store.commit(&who, Arc::new(batch)));
        }
        store.clone()
    }
}

#[test]
fn a_refused_batch_that_comes_back_is_noticed() {
    assert_fails::<WritesAheadUnchecked>(&["a_refused_batch_is_not_there_after_reopening"]);
}

/// Segments are never stored.
#[derive(Default)]
struct LosesSegments;
impl Fault for LosesSegments {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.segments.clear();
        batch
    }
}

#[test]
fn lost_segments_are_noticed() {
    assert_fails::<LosesSegments>(&[
        "a_segment_comes_back",
        "the_last_segment_is_stored_again",
        "a_batch_lands_as_a_whole",
        "dropping_a_store_loses_nothing",
    ]);
}

/// Everything is gone when the store is opened again.
#[derive(Default)]
struct Forgetful;
impl Fault for Forgetful {
    fn opened(&self, _: &MemoryStore) -> MemoryStore {
        MemoryStore::new()
    }
}

#[test]
fn what_is_gone_after_reopening_is_noticed() {
    assert_fails::<Forgetful>(&[
        "a_peer_comes_back",
        "the_observer_comes_back",
        "dropping_a_store_loses_nothing",
        "a_huge_batch_comes_back_whole",
    ]);
}

/// A batch is stored piece by piece.
#[derive(Default)]
struct NotAtomic;
#[async_trait::async_trait]
impl Fault for NotAtomic {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let UnsavedChanges { forgotten_peers: forgotten, peers, segments, gaps } = batch.changes;
        let changes = UnsavedChanges { forgotten_peers: forgotten, ..UnsavedChanges::default() };
        let first = Batch { changes, observer: batch.observer, ..Batch::default() };
        store.commit(observer, Arc::new(first)).await?;
        for peer in peers {
            let changes = UnsavedChanges { peers: vec![peer], ..UnsavedChanges::default() };
            store.commit(observer, Arc::new(Batch { changes, ..Batch::default() })).await?;
            yield_once().await;
        }
        let changes = UnsavedChanges { segments, gaps, ..UnsavedChanges::default() };
        store.commit(observer, Arc::new(Batch { changes, observer: None, ..batch })).await
    }
}

#[test]
fn batches_in_pieces_are_noticed() {
    assert_fails::<NotAtomic>(&["a_refused_batch_leaves_no_trace", "a_dropped_commit_is_whole_or_absent"]);
    assert_fails_sooner_or_later::<NotAtomic>("readers_see_whole_batches");
}

/// Forgetting keeps the log.
#[derive(Default)]
struct KeepsLogs;
#[async_trait::async_trait]
impl Fault for KeepsLogs {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let written: BTreeSet<(NodeId, u32)> =
            batch.changes.segments.iter().map(|segment| (segment.node_id, segment.index())).collect();
        for node_id in batch.changes.forgotten_peers.clone() {
            let log = store.segments(observer, &node_id, 0, usize::MAX).await?;
            let kept = log.into_iter().filter(|segment| !written.contains(&(node_id, segment.index())));
            batch.changes.segments.extend(kept);
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn logs_that_outlive_their_peers_are_noticed() {
    assert_fails::<KeepsLogs>(&["forgetting_takes_the_log_along", "forgetting_comes_before_writing"]);
}

/// Changes are written before peers are forgotten.
#[derive(Default)]
struct ForgetsLast;
#[async_trait::async_trait]
impl Fault for ForgetsLast {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let forgotten = std::mem::take(&mut batch.changes.forgotten_peers);
        store.commit(observer, Arc::new(batch)).await?;
        let changes = UnsavedChanges { forgotten_peers: forgotten, ..UnsavedChanges::default() };
        store.commit(observer, Arc::new(Batch { changes, ..Batch::default() })).await
    }
}

#[test]
fn forgetting_too_late_is_noticed() {
    assert_fails::<ForgetsLast>(&["forgetting_comes_before_writing"]);
}

/// Of several records of one peer in a batch the first is kept.
#[derive(Default)]
struct FirstCounts;
impl Fault for FirstCounts {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.peers.reverse();
        batch
    }
}

#[test]
fn stale_duplicates_are_noticed() {
    assert_fails::<FirstCounts>(&["the_last_of_duplicates_counts"]);
}
