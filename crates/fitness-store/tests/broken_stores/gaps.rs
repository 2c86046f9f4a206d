//! Stores that handle gaps incorrectly.

use std::sync::Arc;

use fitness_core::{GapCause, GapRecord, NodeId, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_fails};

/// Never stores gaps.
#[derive(Default)]
struct LosesGaps;
impl Fault for LosesGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.gaps.clear();
        batch
    }
}

#[test]
fn lost_gaps_are_detected() {
    assert_fails::<LosesGaps>(&[
        "gap_round_trips",
        "batch_is_stored_completely",
        "gaps_are_unaffected_by_other_changes",
    ]);
}

/// Does not store the cause of a gap.
#[derive(Default)]
struct LosesCauses;
impl Fault for LosesCauses {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.gaps.iter_mut().for_each(|gap| gap.cause = GapCause::NotRunning);
        batch
    }
}

#[test]
fn lost_causes_are_detected() {
    assert_fails::<LosesCauses>(&["gap_round_trips", "extreme_gaps_round_trip"]);
}

/// Treats a batch with only gaps as empty.
#[derive(Default)]
struct IgnoresGapOnlyBatches;
impl Fault for IgnoresGapOnlyBatches {
    fn batch(&self, batch: &Batch) -> Batch {
        let UnsavedChanges { forgotten_peers: forgotten, peers, segments, .. } = &batch.changes;
        let others = forgotten.len() + peers.len() + segments.len() + batch.replacements.len();
        if others == 0 && batch.observer.is_none() { Batch::default() } else { batch.clone() }
    }
}

#[test]
fn ignored_gap_only_batches_are_detected() {
    assert_fails::<IgnoresGapOnlyBatches>(&["gap_round_trips", "gaps_before_the_given_number_are_pruned"]);
}

/// Does not overwrite a stored gap.
#[derive(Default)]
struct NeverOverwritesGaps;
#[async_trait::async_trait]
impl Fault for NeverOverwritesGaps {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let stored = store.gaps(observer, 0, usize::MAX).await?;
        batch.changes.gaps.extend(stored);
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn gaps_not_overwritten_are_detected() {
    assert_fails::<NeverOverwritesGaps>(&["gap_is_overwritten", "batch_is_stored_completely"]);
}

/// Never prunes gaps.
#[derive(Default)]
struct NeverPrunesGaps;
impl Fault for NeverPrunesGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        Batch { prune_gaps_before: None, ..batch.clone() }
    }
}

#[test]
fn gaps_not_pruned_are_detected() {
    assert_fails::<NeverPrunesGaps>(&[
        "gaps_before_the_given_number_are_pruned",
        "gaps_are_pruned_after_being_written",
        "pruning_and_replacing_affect_only_their_observer",
    ]);
}

/// Also prunes the first gap that must be kept.
#[derive(Default)]
struct PrunesOneTooMany;
impl Fault for PrunesOneTooMany {
    fn batch(&self, batch: &Batch) -> Batch {
        let prune_gaps_before = batch.prune_gaps_before.map(|before| before.saturating_add(1));
        Batch { prune_gaps_before, ..batch.clone() }
    }
}

#[test]
fn pruning_one_gap_too_many_is_detected() {
    assert_fails::<PrunesOneTooMany>(&[
        "gaps_before_the_given_number_are_pruned",
        "gaps_are_pruned_after_being_written",
    ]);
}

/// Prunes gaps before writing those of the batch.
#[derive(Default)]
struct PrunesFirst;
#[async_trait::async_trait]
impl Fault for PrunesFirst {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let prune_gaps_before = batch.prune_gaps_before.take();
        store.commit(observer, Arc::new(Batch { prune_gaps_before, ..Batch::default() })).await?;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn pruning_first_is_detected() {
    assert_fails::<PrunesFirst>(&["gaps_are_pruned_after_being_written"]);
}

/// Deletes all gaps when a peer is forgotten.
#[derive(Default)]
struct ForgettingDeletesGaps;
impl Fault for ForgettingDeletesGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        if !batch.changes.forgotten_peers.is_empty() {
            batch.prune_gaps_before = Some(u32::MAX);
        }
        batch
    }
}

#[test]
fn gaps_deleted_with_a_peer_are_detected() {
    assert_fails::<ForgettingDeletesGaps>(&[
        "gaps_are_unaffected_by_other_changes",
        "forgetting_a_peer_deletes_nothing_else",
    ]);
}

/// Sorts gaps by their number as text.
#[derive(Default)]
struct SortsGapsAsText;
#[async_trait::async_trait]
impl Fault for SortsGapsAsText {
    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        let mut gaps = store.gaps(observer, from, limit).await?;
        gaps.sort_by_key(|gap| gap.number.to_string());
        Ok(gaps)
    }
}

#[test]
fn gaps_sorted_as_text_are_detected() {
    assert_fails::<SortsGapsAsText>(&["gaps_are_ordered_by_number", "gap_reads_respect_start_and_limit"]);
}

/// Applies the limit to gap numbers instead of gaps.
#[derive(Default)]
struct LimitsNumbers;
#[async_trait::async_trait]
impl Fault for LimitsNumbers {
    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        let mut gaps = store.gaps(observer, from, limit).await?;
        let end = u64::from(from) + u64::try_from(limit).unwrap_or(u64::MAX / 2);
        gaps.retain(|gap| u64::from(gap.number) < end);
        Ok(gaps)
    }
}

#[test]
fn limit_applied_to_numbers_is_detected() {
    assert_fails::<LimitsNumbers>(&["gap_reads_respect_start_and_limit"]);
}

/// Starts a read after the given number instead of at it.
#[derive(Default)]
struct ReadsAfterStart;
#[async_trait::async_trait]
impl Fault for ReadsAfterStart {
    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        // Like an SQL condition `number > from` with a special case for the first page.
        let from = if from == 0 { 0 } else { from.saturating_add(1) };
        store.gaps(observer, from, limit).await
    }
}

#[test]
fn read_starting_after_the_given_number_is_detected() {
    assert_fails::<ReadsAfterStart>(&["gap_reads_respect_start_and_limit", "gaps_are_ordered_by_number"]);
}
