//! Stores that are right about what is small.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId};
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_cases_fail};

/// No answer is longer than this store likes, whatever it was asked for.
#[derive(Default)]
struct AnswersAreShort;
#[async_trait::async_trait]
impl Fault for AnswersAreShort {
    fn segments(&self, mut segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments.truncate(100);
        segments
    }

    async fn gaps(
        &self,
        store: &MemoryStore,
        who: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        store.gaps(who, from, limit.min(1_000)).await
    }
}

#[test]
fn short_answers_are_noticed() {
    assert_cases_fail::<AnswersAreShort>(&[
        "a_log_may_have_hundreds_of_segments",
        "there_may_be_thousands_of_gaps",
    ]);
}

/// What goes beyond the size of a record is cut off.
#[derive(Default)]
struct RecordsAreSmall;
impl Fault for RecordsAreSmall {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.peers.iter_mut().for_each(|peer| peer.channels.truncate(1_024));
        batch
    }
}

#[test]
fn small_records_are_noticed() {
    assert_cases_fail::<RecordsAreSmall>(&["a_peer_may_have_thousands_of_channels"]);
}

/// A batch is stored in two where it is large, and the second half is lost.
#[derive(Default)]
struct BatchesAreSmall;
#[async_trait::async_trait]
impl Fault for BatchesAreSmall {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        batch.changes.segments.truncate(4_096);
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn small_batches_are_noticed() {
    assert_cases_fail::<BatchesAreSmall>(&["a_huge_batch_comes_back_whole"]);
}
