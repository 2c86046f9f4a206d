//! Stores that replace another part of a log than they are told, or at another time.

use std::collections::BTreeSet;
use std::sync::Arc;

use fitness_core::{LogSegment, NodeId, UnsavedChanges};
use fitness_store::{Batch, LogReplacement, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_cases_fail, assert_fails, assert_fails_sooner_or_later, yield_once};

/// Takes the replacements out of a batch, if that may be done at all.
fn take(observer: &NodeId, batch: &mut Batch) -> Result<Vec<LogReplacement>, StoreError> {
    codec::validate_batch(observer, batch)?;
    Ok(std::mem::take(&mut batch.replacements))
}

fn replacing(replaced: Vec<LogReplacement>) -> Arc<Batch> {
    Arc::new(Batch { replacements: replaced, ..Batch::default() })
}

/// Replacements are never done.
#[derive(Default)]
struct ReplacesNothing;
#[async_trait::async_trait]
impl Fault for ReplacesNothing {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        take(observer, &mut batch)?;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn logs_that_are_never_replaced_are_noticed() {
    assert_fails::<ReplacesNothing>(&[
        "a_replacement_replaces_exactly_its_range",
        "a_replacement_may_delete_alone",
        "many_logs_are_replaced_at_once",
        "deleting_stays_with_its_observer",
    ]);
}

/// The new segments are written, and those old ones that they do not overwrite are left.
#[derive(Default)]
struct DeletesNothing;
#[async_trait::async_trait]
impl Fault for DeletesNothing {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let mut segments: Vec<LogSegment> = Vec::new();
        for replacement in take(observer, &mut batch)? {
            let written = batch.changes.peers.iter().any(|peer| peer.node_id == replacement.node_id);
            let forgotten = batch.changes.forgotten_peers.contains(&replacement.node_id);
            let stored = store.peer(observer, &replacement.node_id).await?.is_some() && !forgotten;
            if written || stored {
                segments.extend(replacement.segments);
            }
        }
        batch.changes.segments.splice(0..0, segments);
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn old_parts_that_stay_are_noticed() {
    assert_fails::<DeletesNothing>(&[
        "a_replacement_replaces_exactly_its_range",
        "a_replacement_may_delete_alone",
        "extreme_ranges_are_replaced",
    ]);
}

/// The whole log is replaced, whatever was to stay of it.
#[derive(Default)]
struct ReplacesAll;
impl Fault for ReplacesAll {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for replacement in &mut batch.replacements {
            if replacement.segments.iter().all(|segment| segment.index() < replacement.below_index) {
                replacement.below_index = u32::MAX;
            }
        }
        batch
    }
}

#[test]
fn newer_parts_that_go_are_noticed() {
    assert_fails::<ReplacesAll>(&[
        "a_replacement_replaces_exactly_its_range",
        "extreme_ranges_are_replaced",
        "many_logs_are_replaced_at_once",
    ]);
}

/// The first segment that is to stay goes as well.
#[derive(Default)]
struct ReplacesOneTooMany;
impl Fault for ReplacesOneTooMany {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for replacement in &mut batch.replacements {
            replacement.below_index = replacement.below_index.saturating_add(1);
        }
        batch
    }
}

#[test]
fn a_segment_too_many_is_noticed() {
    assert_fails::<ReplacesOneTooMany>(&[
        "a_replacement_replaces_exactly_its_range",
        "a_replacement_may_delete_alone",
        "extreme_ranges_are_replaced",
        "a_replacement_that_is_none_is_refused",
    ]);
}

/// Replacements are done at the end of a batch.
#[derive(Default)]
struct ReplacesLast;
#[async_trait::async_trait]
impl Fault for ReplacesLast {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let replaced = take(observer, &mut batch)?;
        store.commit(observer, Arc::new(batch)).await?;
        store.commit(observer, replacing(replaced)).await
    }
}

#[test]
fn replacing_too_late_is_noticed() {
    assert_fails::<ReplacesLast>(&["writing_comes_after_replacing"]);
}

/// Replacements are done at the beginning of a batch.
#[derive(Default)]
struct ReplacesFirst;
#[async_trait::async_trait]
impl Fault for ReplacesFirst {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let replaced = take(observer, &mut batch)?;
        store.commit(observer, replacing(replaced)).await?;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn replacing_too_early_is_noticed() {
    assert_fails::<ReplacesFirst>(&["forgetting_comes_before_replacing", "an_absent_peer_is_passed_over"]);
}

/// Replacements are done in a transaction of their own.
#[derive(Default)]
struct ReplacesApart;
#[async_trait::async_trait]
impl Fault for ReplacesApart {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let replaced = take(observer, &mut batch)?;
        let segments = std::mem::take(&mut batch.changes.segments);
        store.commit(observer, Arc::new(batch)).await?;
        yield_once().await;
        let changes = UnsavedChanges { segments, ..UnsavedChanges::default() };
        store.commit(observer, Arc::new(Batch { changes, replacements: replaced, ..Batch::default() })).await
    }
}

#[test]
fn replacing_apart_is_noticed() {
    assert_cases_fail::<ReplacesApart>(&["a_dropped_commit_is_whole_or_absent"]);
    assert_fails_sooner_or_later::<ReplacesApart>("readers_see_whole_batches");
}

/// Of several replacements of one log the last is done first.
#[derive(Default)]
struct ReplacesBackwards;
impl Fault for ReplacesBackwards {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.replacements.reverse();
        batch
    }
}

#[test]
fn replacing_backwards_is_noticed() {
    assert_fails::<ReplacesBackwards>(&["replacements_are_done_in_their_order"]);
}

/// The segments of an absent peer are written all the same.
#[derive(Default)]
struct WritesOrphans;
#[async_trait::async_trait]
impl Fault for WritesOrphans {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        let mut segments: Vec<LogSegment> = Vec::new();
        for replacement in &batch.replacements {
            if store.peer(observer, &replacement.node_id).await?.is_none() {
                segments.extend(replacement.segments.iter().cloned());
            }
        }
        batch.changes.segments.splice(0..0, segments);
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn orphans_are_noticed() {
    assert_fails::<WritesOrphans>(&["an_absent_peer_is_passed_over", "a_forgotten_peer_is_passed_over"]);
}

/// What was read of a peer before it is forgotten in the same batch is written again.
#[derive(Default)]
struct BringsBack;
#[async_trait::async_trait]
impl Fault for BringsBack {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let forgotten: BTreeSet<NodeId> = batch.changes.forgotten_peers.iter().copied().collect();
        codec::validate_batch(observer, &batch)?;
        for replacement in &batch.replacements {
            if forgotten.contains(&replacement.node_id) {
                batch.changes.segments.splice(0..0, replacement.segments.iter().cloned());
            }
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn logs_that_come_back_are_noticed() {
    assert_fails::<BringsBack>(&["a_forgotten_peer_is_passed_over"]);
}

/// A batch that replaces for an absent peer is refused as a whole.
#[derive(Default)]
struct RefusesAbsentPeers;
#[async_trait::async_trait]
impl Fault for RefusesAbsentPeers {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        for replacement in &batch.replacements {
            if store.peer(observer, &replacement.node_id).await?.is_none() {
                return Err(StoreError::ReadOnly { location: "memory".to_owned() });
            }
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn a_refusal_of_absent_peers_is_noticed() {
    assert_fails::<RefusesAbsentPeers>(&["an_absent_peer_is_passed_over", "a_forgotten_peer_is_passed_over"]);
}
