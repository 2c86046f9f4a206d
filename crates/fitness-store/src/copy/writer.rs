//! Writes records to the target in batches of bounded size.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use super::CopySummary;
use crate::codec::{encode_gap, encode_observer, encode_peer, encode_segment};
use crate::{Batch, Store, StoreError};

pub(super) struct Writer<'a> {
    store: &'a dyn Store,
    batch: Batch,
    batch_records: usize,
    max_batch_records: usize,
    summary: CopySummary,
    /// A buffer for encoding records, to count their bytes.
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a dyn Store, observer: NodeId, max_batch_records: usize) -> Self {
        let (batch, summary) = (Batch::default(), CopySummary::empty(observer));
        Self { store, batch, batch_records: 0, max_batch_records, summary, buffer: Vec::new() }
    }

    /// Makes a peer and its log in the target equal to the source. If the source does not have the peer, its
    /// log is empty.
    ///
    /// The caller passes each peer once, in ascending order: a batch forgets peers before it writes any.
    pub(super) async fn peer(
        &mut self,
        source: (Option<PeerRecord>, Vec<LogSegment>),
        target: (Option<PeerRecord>, Vec<LogSegment>),
        node_id: NodeId,
    ) -> Result<(), StoreError> {
        let ((source, log), (mut target, mut target_log)) = (source, target);
        let is_surplus = |segment: &LogSegment| position(&log, segment.index()).is_none();
        if target.is_none() || source.is_none() || target_log.iter().any(is_surplus) {
            // Forgetting also deletes segments that the target may have without a peer record.
            self.batch.changes.forgotten_peers.push(node_id);
            self.summary.records_deleted += u64::from(source.is_none());
            self.batch_records += usize::from(target.is_some());
            (target, target_log) = (None, Vec::new());
        }
        self.flush_if_full().await?;
        let Some(source) = source else { return Ok(()) };
        self.summary.peers += 1;
        if target.as_ref() == Some(&source) {
            self.summary.records_unchanged += 1;
        } else {
            self.count_bytes(|bytes| encode_peer(&source, bytes))?;
            self.batch.changes.peers.push(source);
        }
        self.summary.segments += log.len() as u64;
        for segment in log {
            if position(&target_log, segment.index()).is_some_and(|at| target_log.get(at) == Some(&segment)) {
                self.summary.records_unchanged += 1;
            } else {
                self.flush_if_full().await?;
                self.count_bytes(|bytes| encode_segment(&segment, bytes))?;
                self.batch.changes.segments.push(segment);
            }
        }
        self.flush_if_full().await
    }

    /// Makes the target's gaps equal to the source's.
    pub(super) async fn gaps(
        &mut self,
        source: &[GapRecord],
        target: &[GapRecord],
    ) -> Result<(), StoreError> {
        let find = |gaps: &[GapRecord], number| gaps.binary_search_by_key(&number, |gap| gap.number).ok();
        // One prune deletes all gaps up to the last surplus one; the others among them are written again.
        let surplus = || target.iter().filter(|gap| find(source, gap.number).is_none());
        let kept_from = surplus().map(|gap| gap.number.saturating_add(1)).max().unwrap_or(0);
        self.summary.records_deleted += surplus().count() as u64;
        if kept_from > 0 {
            // A batch writes gaps before it prunes, so the gaps to keep are written in a later batch.
            self.batch.prune_gaps_before = Some(kept_from);
            self.flush().await?;
        }
        self.summary.gaps = source.len() as u64;
        for gap in source {
            let existing = find(target, gap.number).and_then(|at| target.get(at));
            if gap.number >= kept_from && existing == Some(gap) {
                self.summary.records_unchanged += 1;
            } else {
                self.count_bytes(|bytes| encode_gap(gap, bytes))?;
                self.batch.changes.gaps.push(*gap);
                self.flush_if_full().await?;
            }
        }
        Ok(())
    }

    /// Writes the observer's record unless the target already has it, and returns the summary.
    pub(super) async fn finish(
        mut self,
        record: ObserverRecord,
        target_record: Option<ObserverRecord>,
    ) -> Result<CopySummary, StoreError> {
        if target_record == Some(record) {
            self.summary.records_unchanged += 1;
        } else {
            let observer = self.summary.observer;
            self.count_bytes(|bytes| encode_observer(&observer, &record, bytes))?;
            self.batch.observer = Some(record);
        }
        self.flush().await?;
        Ok(self.summary)
    }

    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_records = 0;
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(&self.summary.observer, Arc::new(batch)).await
    }

    async fn flush_if_full(&mut self) -> Result<(), StoreError> {
        if self.batch_records >= self.max_batch_records { self.flush().await } else { Ok(()) }
    }

    fn count_bytes(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.buffer.clear();
        encode(&mut self.buffer)?;
        self.summary.bytes_written += self.buffer.len() as u64;
        self.summary.records_written += 1;
        self.batch_records += 1;
        Ok(())
    }
}

/// Returns the position of the segment with the given index in a log.
fn position(log: &[LogSegment], index: u32) -> Option<usize> {
    log.binary_search_by_key(&index, LogSegment::index).ok()
}
