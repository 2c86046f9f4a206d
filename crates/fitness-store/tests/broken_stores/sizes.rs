//! Stores that are correct only for small data.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId};
use fitness_store::{Batch, MemoryStore, Store, StoreError};

use super::{Fault, assert_cases_fail};

/// Limits the length of every read, regardless of the requested limit.
#[derive(Default)]
struct TruncatesReads;
#[async_trait::async_trait]
impl Fault for TruncatesReads {
    fn segments(&self, mut segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments.truncate(100);
        segments
    }

    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        store.gaps(observer, from, limit.min(1_000)).await
    }
}

#[test]
fn truncated_reads_are_detected() {
    assert_cases_fail::<TruncatesReads>(&[
        "log_can_have_hundreds_of_segments",
        "observer_can_have_thousands_of_gaps",
    ]);
}

/// Truncates large records.
#[derive(Default)]
struct TruncatesRecords;
impl Fault for TruncatesRecords {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.peers.iter_mut().for_each(|peer| peer.channels.truncate(1_024));
        batch
    }
}

#[test]
fn truncated_records_are_detected() {
    assert_cases_fail::<TruncatesRecords>(&["peer_can_have_thousands_of_channels"]);
}

/// Stores only the first part of a large batch.
#[derive(Default)]
struct TruncatesBatches;
#[async_trait::async_trait]
impl Fault for TruncatesBatches {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        batch.changes.segments.truncate(4_096);
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn truncated_batches_are_detected() {
    assert_cases_fail::<TruncatesBatches>(&["large_batch_round_trips"]);
}
