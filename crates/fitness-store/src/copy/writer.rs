//! What is to be written to the target, gathered into batches of a bounded size.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use super::CopySummary;
use crate::codec::{encode_gap, encode_observer, encode_peer, encode_segment};
use crate::{Batch, Store, StoreError};

pub(super) struct Writer<'a> {
    store: &'a dyn Store,
    batch: Batch,
    rows: usize,
    most_rows: usize,
    copied: CopySummary,
    /// To count bytes in.
    buffer: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a dyn Store, observer: NodeId, most_rows: usize) -> Self {
        let (batch, copied) = (Batch::default(), CopySummary::none(observer));
        Self { store, batch, rows: 0, most_rows, copied, buffer: Vec::new() }
    }

    /// Makes a peer of the target what it is in the source. Where the source has none it has no log.
    ///
    /// Peers come in ascending order, each once: within a batch what is forgotten is so before anything is
    /// written.
    pub(super) async fn peer(
        &mut self,
        source: (Option<PeerRecord>, Vec<LogSegment>),
        target: (Option<PeerRecord>, Vec<LogSegment>),
        node_id: NodeId,
    ) -> Result<(), StoreError> {
        let ((source, log), (mut there, mut log_there)) = (source, target);
        let is_too_much = |segment: &LogSegment| position(&log, segment.index()).is_none();
        if there.is_none() || source.is_none() || log_there.iter().any(is_too_much) {
            // With it goes what there may be of a log without a peer.
            self.batch.changes.forgotten_peers.push(node_id);
            self.copied.records_deleted += u64::from(source.is_none());
            self.rows += usize::from(there.is_some());
            (there, log_there) = (None, Vec::new());
        }
        self.flush_if_full().await?;
        let Some(source) = source else { return Ok(()) };
        self.copied.peers += 1;
        if there.as_ref() == Some(&source) {
            self.copied.records_unchanged += 1;
        } else {
            self.count_bytes(|bytes| encode_peer(&source, bytes))?;
            self.batch.changes.peers.push(source);
        }
        self.copied.segments += log.len() as u64;
        for segment in log {
            if position(&log_there, segment.index()).is_some_and(|at| log_there.get(at) == Some(&segment)) {
                self.copied.records_unchanged += 1;
            } else {
                self.flush_if_full().await?;
                self.count_bytes(|bytes| encode_segment(&segment, bytes))?;
                self.batch.changes.segments.push(segment);
            }
        }
        self.flush_if_full().await
    }

    /// Makes the target's gaps those of the source.
    pub(super) async fn gaps(
        &mut self,
        source: &[GapRecord],
        target: &[GapRecord],
    ) -> Result<(), StoreError> {
        let find = |gaps: &[GapRecord], number| gaps.binary_search_by_key(&number, |gap| gap.number).ok();
        // All up to the last one that is too much go at once, and those that are not come back.
        let too_much = || target.iter().filter(|gap| find(source, gap.number).is_none());
        let kept_from = too_much().map(|gap| gap.number.saturating_add(1)).max().unwrap_or(0);
        self.copied.records_deleted += too_much().count() as u64;
        if kept_from > 0 {
            // Within a batch gaps are written before any are deleted, so the others are of a later one.
            self.batch.prune_gaps_before = Some(kept_from);
            self.flush().await?;
        }
        self.copied.gaps = source.len() as u64;
        for gap in source {
            let there = find(target, gap.number).and_then(|at| target.get(at));
            if gap.number >= kept_from && there == Some(gap) {
                self.copied.records_unchanged += 1;
            } else {
                self.count_bytes(|bytes| encode_gap(gap, bytes))?;
                self.batch.changes.gaps.push(*gap);
                self.flush_if_full().await?;
            }
        }
        Ok(())
    }

    /// Writes the observer's record, unless it is there; and tells what there was to do.
    pub(super) async fn finish(
        mut self,
        record: ObserverRecord,
        there: Option<ObserverRecord>,
    ) -> Result<CopySummary, StoreError> {
        if there == Some(record) {
            self.copied.records_unchanged += 1;
        } else {
            let observer = self.copied.observer;
            self.count_bytes(|bytes| encode_observer(&observer, &record, bytes))?;
            self.batch.observer = Some(record);
        }
        self.flush().await?;
        Ok(self.copied)
    }

    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let batch = std::mem::take(&mut self.batch);
        self.rows = 0;
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(&self.copied.observer, Arc::new(batch)).await
    }

    async fn flush_if_full(&mut self) -> Result<(), StoreError> {
        if self.rows >= self.most_rows { self.flush().await } else { Ok(()) }
    }

    fn count_bytes(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.buffer.clear();
        encode(&mut self.buffer)?;
        self.copied.bytes_written += self.buffer.len() as u64;
        self.copied.records_written += 1;
        self.rows += 1;
        Ok(())
    }
}

/// Where a log has the segment of an index.
fn position(log: &[LogSegment], index: u32) -> Option<usize> {
    log.binary_search_by_key(&index, LogSegment::index).ok()
}
