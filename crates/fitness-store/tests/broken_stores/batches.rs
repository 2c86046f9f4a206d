//! Stores that apply batches incorrectly or in the wrong order.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use fitness_core::{NodeId, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_fails, assert_fails_eventually, lock, yield_once};

/// Rejects a batch that equals the previous one, like an insert of a duplicate key.
#[derive(Default)]
struct RejectsRepeats(Mutex<String>);
#[async_trait::async_trait]
impl Fault for RejectsRepeats {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let description = format!("{observer} {batch:?}");
        if !batch.is_empty() && std::mem::replace(&mut *lock(&self.0), description.clone()) == description {
            return Err(StoreError::ReadOnly { location: "memory".to_owned() });
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn rejected_repeat_is_detected() {
    assert_fails::<RejectsRepeats>(&["repeated_commit_is_idempotent"]);
}

/// Ignores every batch that equals an earlier one.
#[derive(Default)]
struct IgnoresRepeats(Mutex<HashSet<String>>);
#[async_trait::async_trait]
impl Fault for IgnoresRepeats {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let description = format!("{observer} {batch:?}");
        if codec::validate_batch(observer, &batch).is_ok() && !lock(&self.0).insert(description) {
            return Ok(());
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn ignored_repeat_is_detected() {
    assert_fails::<IgnoresRepeats>(&["earlier_batch_committed_again_takes_effect"]);
}

/// Writes batches to a write-ahead log before validating them, and applies rejected ones at the next opening.
#[derive(Default)]
struct WritesAheadUnchecked(Mutex<Vec<(NodeId, Batch)>>);
#[async_trait::async_trait]
impl Fault for WritesAheadUnchecked {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let result = store.commit(observer, Arc::new(batch.clone())).await;
        if result.is_err() {
            batch.changes.gaps.clear();
            lock(&self.0).push((*observer, batch));
        }
        result
    }

    fn opened(&self, store: &MemoryStore) -> MemoryStore {
        for (observer, batch) in lock(&self.0).drain(..) {
            // Some of them are rejected again.
            let _ = block_on(store.commit(&observer, Arc::new(batch)));
        }
        store.clone()
    }
}

#[test]
fn rejected_batch_that_reappears_is_detected() {
    assert_fails::<WritesAheadUnchecked>(&["rejected_batch_is_absent_after_reopening"]);
}

/// Never stores segments.
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
fn lost_segments_are_detected() {
    assert_fails::<LosesSegments>(&[
        "segment_round_trips",
        "last_segment_can_be_rewritten",
        "batch_is_stored_completely",
        "committed_data_survives_dropping_the_store",
    ]);
}

/// Loses everything when the store is reopened.
#[derive(Default)]
struct LosesDataOnReopen;
impl Fault for LosesDataOnReopen {
    fn opened(&self, _: &MemoryStore) -> MemoryStore {
        MemoryStore::new()
    }
}

#[test]
fn data_lost_on_reopen_is_detected() {
    assert_fails::<LosesDataOnReopen>(&[
        "peer_round_trips",
        "observer_record_round_trips",
        "committed_data_survives_dropping_the_store",
        "large_batch_round_trips",
    ]);
}

/// Stores a batch in several commits.
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
fn batches_stored_in_parts_are_detected() {
    assert_fails::<NotAtomic>(&["rejected_batch_changes_nothing", "dropped_commit_is_atomic"]);
    assert_fails_eventually::<NotAtomic>("reads_never_see_partial_batches");
}

/// Keeps the log of a forgotten peer.
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
fn logs_of_forgotten_peers_are_detected() {
    assert_fails::<KeepsLogs>(&[
        "forgetting_a_peer_deletes_its_log",
        "peers_are_forgotten_before_records_are_written",
    ]);
}

/// Forgets peers after writing the other changes.
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
fn forgetting_last_is_detected() {
    assert_fails::<ForgetsLast>(&["peers_are_forgotten_before_records_are_written"]);
}

/// Keeps the first of several records of one peer in a batch.
#[derive(Default)]
struct KeepsFirstDuplicate;
impl Fault for KeepsFirstDuplicate {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.peers.reverse();
        batch
    }
}

#[test]
fn first_duplicate_kept_is_detected() {
    assert_fails::<KeepsFirstDuplicate>(&["last_duplicate_in_batch_wins"]);
}
