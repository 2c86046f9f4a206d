//! Stores that are wrong about gaps.

use std::sync::Arc;

use fitness_core::{GapCause, GapRecord, NodeId, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_fails};

/// Gaps are never stored.
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
fn lost_gaps_are_noticed() {
    assert_fails::<LosesGaps>(&["a_gap_comes_back", "a_batch_lands_as_a_whole", "gaps_are_no_part_of_a_log"]);
}

/// Why there was a gap is not stored.
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
fn lost_causes_are_noticed() {
    assert_fails::<LosesCauses>(&["a_gap_comes_back", "extreme_gaps_come_back"]);
}

/// A batch with nothing but gaps is taken for an empty one.
#[derive(Default)]
struct NeedsMoreThanGaps;
impl Fault for NeedsMoreThanGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        let UnsavedChanges { forgotten_peers: forgotten, peers, segments, .. } = &batch.changes;
        let others = forgotten.len() + peers.len() + segments.len() + batch.replacements.len();
        if others == 0 && batch.observer.is_none() { Batch::default() } else { batch.clone() }
    }
}

#[test]
fn gaps_that_are_not_seen_in_a_batch_are_noticed() {
    assert_fails::<NeedsMoreThanGaps>(&["a_gap_comes_back", "old_gaps_are_deleted"]);
}

/// A gap that is there already stays as it is.
#[derive(Default)]
struct KeepsTheFirst;
#[async_trait::async_trait]
impl Fault for KeepsTheFirst {
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
fn gaps_that_are_not_overwritten_are_noticed() {
    assert_fails::<KeepsTheFirst>(&["a_gap_is_overwritten", "a_batch_lands_as_a_whole"]);
}

/// Old gaps are never deleted.
#[derive(Default)]
struct KeepsAllGaps;
impl Fault for KeepsAllGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        Batch { prune_gaps_before: None, ..batch.clone() }
    }
}

#[test]
fn gaps_that_stay_for_ever_are_noticed() {
    assert_fails::<KeepsAllGaps>(&[
        "old_gaps_are_deleted",
        "deleting_gaps_comes_after_writing_them",
        "deleting_stays_with_its_observer",
    ]);
}

/// The first gap that is to stay is deleted as well.
#[derive(Default)]
struct DeletesOneTooMany;
impl Fault for DeletesOneTooMany {
    fn batch(&self, batch: &Batch) -> Batch {
        let prune_gaps_before = batch.prune_gaps_before.map(|before| before.saturating_add(1));
        Batch { prune_gaps_before, ..batch.clone() }
    }
}

#[test]
fn a_gap_too_many_is_noticed() {
    assert_fails::<DeletesOneTooMany>(&["old_gaps_are_deleted", "deleting_gaps_comes_after_writing_them"]);
}

/// Old gaps are deleted before those of the batch are written.
#[derive(Default)]
struct DeletesFirst;
#[async_trait::async_trait]
impl Fault for DeletesFirst {
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
fn deleting_too_early_is_noticed() {
    assert_fails::<DeletesFirst>(&["deleting_gaps_comes_after_writing_them"]);
}

/// To forget a peer takes the gaps along.
#[derive(Default)]
struct ForgetsGaps;
impl Fault for ForgetsGaps {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        if !batch.changes.forgotten_peers.is_empty() {
            batch.prune_gaps_before = Some(u32::MAX);
        }
        batch
    }
}

#[test]
fn gaps_that_go_with_a_peer_are_noticed() {
    assert_fails::<ForgetsGaps>(&["gaps_are_no_part_of_a_log", "forgetting_takes_nothing_else"]);
}

/// Gaps are sorted as text is.
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
fn gaps_sorted_as_text_are_noticed() {
    assert_fails::<SortsGapsAsText>(&["gaps_ascend_by_number", "ranges_of_gaps"]);
}

/// A limit counts numbers, not gaps.
#[derive(Default)]
struct CountsNumbers;
#[async_trait::async_trait]
impl Fault for CountsNumbers {
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
fn a_limit_on_numbers_is_noticed() {
    assert_fails::<CountsNumbers>(&["ranges_of_gaps"]);
}

/// A read starts after the number that it is told.
#[derive(Default)]
struct StartsAfter;
#[async_trait::async_trait]
impl Fault for StartsAfter {
    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        // As an SQL `number > from`, put right for the first page alone.
        let from = if from == 0 { 0 } else { from.saturating_add(1) };
        store.gaps(observer, from, limit).await
    }
}

#[test]
fn a_read_that_starts_too_late_is_noticed() {
    assert_fails::<StartsAfter>(&["ranges_of_gaps", "gaps_ascend_by_number"]);
}
