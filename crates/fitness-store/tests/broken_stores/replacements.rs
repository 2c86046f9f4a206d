//! Stores that replace the wrong part of a log, or in the wrong order.

use std::collections::BTreeSet;
use std::sync::Arc;

use fitness_core::{LogSegment, NodeId, UnsavedChanges};
use fitness_store::{Batch, LogReplacement, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_cases_fail, assert_fails, assert_fails_eventually, yield_once};

/// Validates a batch and removes its replacements.
fn take_replacements(observer: &NodeId, batch: &mut Batch) -> Result<Vec<LogReplacement>, StoreError> {
    codec::validate_batch(observer, batch)?;
    Ok(std::mem::take(&mut batch.replacements))
}

fn replacing_batch(replacements: Vec<LogReplacement>) -> Arc<Batch> {
    Arc::new(Batch { replacements, ..Batch::default() })
}

/// Never applies replacements.
#[derive(Default)]
struct IgnoresReplacements;
#[async_trait::async_trait]
impl Fault for IgnoresReplacements {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        take_replacements(observer, &mut batch)?;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn ignored_replacements_are_detected() {
    assert_fails::<IgnoresReplacements>(&[
        "replacement_affects_only_its_range",
        "replacement_without_segments_deletes",
        "many_logs_are_replaced_in_one_batch",
        "pruning_and_replacing_affect_only_their_observer",
    ]);
}

/// Writes the new segments without deleting the old ones.
#[derive(Default)]
struct DeletesNoSegments;
#[async_trait::async_trait]
impl Fault for DeletesNoSegments {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let mut segments: Vec<LogSegment> = Vec::new();
        for replacement in take_replacements(observer, &mut batch)? {
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
fn old_segments_kept_are_detected() {
    assert_fails::<DeletesNoSegments>(&[
        "replacement_affects_only_its_range",
        "replacement_without_segments_deletes",
        "extreme_ranges_are_replaced",
    ]);
}

/// Replaces the whole log.
#[derive(Default)]
struct ReplacesWholeLog;
impl Fault for ReplacesWholeLog {
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
fn newer_segments_deleted_are_detected() {
    assert_fails::<ReplacesWholeLog>(&[
        "replacement_affects_only_its_range",
        "extreme_ranges_are_replaced",
        "many_logs_are_replaced_in_one_batch",
    ]);
}

/// Also deletes the first segment that must be kept.
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
fn replacing_one_segment_too_many_is_detected() {
    assert_fails::<ReplacesOneTooMany>(&[
        "replacement_affects_only_its_range",
        "replacement_without_segments_deletes",
        "extreme_ranges_are_replaced",
        "invalid_replacement_is_rejected",
    ]);
}

/// Applies replacements at the end of a batch.
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
        let replacements = take_replacements(observer, &mut batch)?;
        store.commit(observer, Arc::new(batch)).await?;
        store.commit(observer, replacing_batch(replacements)).await
    }
}

#[test]
fn replacing_last_is_detected() {
    assert_fails::<ReplacesLast>(&["segments_are_written_after_logs_are_replaced"]);
}

/// Applies replacements at the start of a batch.
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
        let replacements = take_replacements(observer, &mut batch)?;
        store.commit(observer, replacing_batch(replacements)).await?;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn replacing_first_is_detected() {
    assert_fails::<ReplacesFirst>(&[
        "peers_are_forgotten_before_logs_are_replaced",
        "replacement_for_absent_peer_is_skipped",
    ]);
}

/// Applies replacements and segments in a separate transaction.
#[derive(Default)]
struct ReplacesInOwnTransaction;
#[async_trait::async_trait]
impl Fault for ReplacesInOwnTransaction {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let replacements = take_replacements(observer, &mut batch)?;
        let segments = std::mem::take(&mut batch.changes.segments);
        store.commit(observer, Arc::new(batch)).await?;
        yield_once().await;
        let changes = UnsavedChanges { segments, ..UnsavedChanges::default() };
        store.commit(observer, Arc::new(Batch { changes, replacements, ..Batch::default() })).await
    }
}

#[test]
fn replacing_in_own_transaction_is_detected() {
    assert_cases_fail::<ReplacesInOwnTransaction>(&["dropped_commit_is_atomic"]);
    assert_fails_eventually::<ReplacesInOwnTransaction>("reads_never_see_partial_batches");
}

/// Applies the replacements of a batch in reverse order.
#[derive(Default)]
struct ReplacesInReverseOrder;
impl Fault for ReplacesInReverseOrder {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.replacements.reverse();
        batch
    }
}

#[test]
fn replacing_in_reverse_order_is_detected() {
    assert_fails::<ReplacesInReverseOrder>(&["replacements_are_applied_in_order"]);
}

/// Writes the segments of a replacement even if its peer is absent.
#[derive(Default)]
struct WritesSegmentsOfAbsentPeers;
#[async_trait::async_trait]
impl Fault for WritesSegmentsOfAbsentPeers {
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
fn segments_of_absent_peers_are_detected() {
    assert_fails::<WritesSegmentsOfAbsentPeers>(&[
        "replacement_for_absent_peer_is_skipped",
        "replacement_for_forgotten_peer_is_skipped",
    ]);
}

/// Writes the replacement of a peer that the same batch forgets.
#[derive(Default)]
struct ReplacesForgottenLogs;
#[async_trait::async_trait]
impl Fault for ReplacesForgottenLogs {
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
fn reappearing_logs_are_detected() {
    assert_fails::<ReplacesForgottenLogs>(&["replacement_for_forgotten_peer_is_skipped"]);
}

/// Rejects a batch with a replacement for an absent peer.
#[derive(Default)]
struct RejectsAbsentPeers;
#[async_trait::async_trait]
impl Fault for RejectsAbsentPeers {
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
fn rejected_absent_peers_are_detected() {
    assert_fails::<RejectsAbsentPeers>(&[
        "replacement_for_absent_peer_is_skipped",
        "replacement_for_forgotten_peer_is_skipped",
    ]);
}
