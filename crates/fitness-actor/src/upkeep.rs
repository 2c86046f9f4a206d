//! What is done once a day: who left long ago is let go, and old logs are thinned. In small parts,
//! with commits and flushes in between.

use std::sync::Arc;

use fitness_core::{LogSegment, StoredLog};
use fitness_store::{Batch, LogReplacement, Store, StoreError};

use crate::commit::Committer;
use crate::health::CommitError;

/// How many peers are looked at with one hold of the lock.
const PEERS_PER_LOCK: usize = 1_024;

/// How many segments are read at a time.
const PAGE: usize = 256;

/// How many segments a batch carries, give or take one peer's: some 400 kB.
const SEGMENTS_PER_BATCH: usize = 256;

/// How many gaps are looked at in an upkeep.
const GAPS: usize = 10_000;

/// Where an upkeep has got to.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    expired_from: Option<usize>,
    logs_from: Option<usize>,
    /// Logs to thin next.
    logs: Vec<StoredLog>,
    running: bool,
}

impl Upkeep {
    /// Does the next part, and returns whether it was the last one.
    ///
    /// What fails is in the log, and is done the next time.
    pub(crate) async fn some(&mut self, committer: &mut Committer) -> bool {
        if !self.running {
            *self = Self { expired_from: Some(0), logs_from: Some(0), logs: Vec::new(), running: true };
        }
        let shared = Arc::clone(&committer.shared);
        if let Some(place) = self.expired_from {
            let now = shared.clock.now();
            self.expired_from =
                shared.change(|state| state.tracker.forget_expired(now, place, PEERS_PER_LOCK));
            return false;
        }
        if let (true, Some(place)) = (self.logs.is_empty(), self.logs_from) {
            (self.logs, self.logs_from) = shared.lock().tracker.stored_logs(place, PEERS_PER_LOCK);
            return false;
        }
        let result = if self.logs.is_empty() {
            self.running = false;
            drop_gaps(committer).await
        } else {
            thin(committer, &mut self.logs).await
        };
        if let Err(err) = result {
            tracing::warn!(error = %crate::FlushError::from(err), "old history is not thinned today");
            self.running = false;
        }
        !self.running
    }
}

/// Thins some of the logs, as one batch.
async fn thin(committer: &mut Committer, logs: &mut Vec<StoredLog>) -> Result<(), CommitError> {
    let (mut replaced, mut segments) = (Vec::new(), 0);
    while segments < SEGMENTS_PER_BATCH {
        let Some(log) = logs.pop() else { break };
        let stored = read(committer, &log).await.map_err(|err| CommitError::Store(Arc::new(err)))?;
        let (now, state) = (committer.shared.clock.now(), committer.shared.lock());
        let Some(kept) = state.tracker.downsampled(now, &log, &stored) else { continue };
        segments += kept.len().max(1);
        replaced.push(LogReplacement { node_id: log.node_id, below_index: log.end_index, segments: kept });
    }
    if replaced.is_empty() {
        return Ok(());
    }
    tracing::debug!(peers = replaced.len(), segments, "thinned old history");
    committer.store_one(Arc::new(Batch { replacements: replaced, ..Batch::default() })).await
}

async fn read(committer: &Committer, log: &StoredLog) -> Result<Vec<LogSegment>, StoreError> {
    let (mut segments, mut index) = (Vec::new(), 0);
    while index < log.end_index {
        let page = committer.store.segments(&committer.shared.observer, &log.node_id, index, PAGE).await?;
        let Some(last) = page.last() else { break };
        index = last.index().saturating_add(1);
        segments.extend(page.into_iter().filter(|segment| segment.index() < log.end_index));
    }
    Ok(segments)
}

/// Gaps of our own that are older than any history need not be told.
async fn drop_gaps(committer: &mut Committer) -> Result<(), CommitError> {
    let shared = Arc::clone(&committer.shared);
    let gaps = committer.store.gaps(&shared.observer, 0, GAPS).await;
    let gaps = gaps.map_err(|err| CommitError::Store(Arc::new(err)))?;
    let prune_gaps_before = {
        let (now, state) = (shared.clock.now(), shared.lock());
        let expired = gaps.iter().take_while(|gap| state.tracker.is_expired(now, gap.to_ns)).last();
        expired.map(|gap| gap.number.saturating_add(1))
    };
    if prune_gaps_before.is_none() {
        return Ok(());
    }
    committer.store_one(Arc::new(Batch { prune_gaps_before, ..Batch::default() })).await
}
