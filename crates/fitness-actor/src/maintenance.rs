//! Periodic maintenance of the history: deletes expired peers and gaps, and downsamples old logs. Runs in
//! small steps, with commits and flushes in between.

use std::sync::Arc;

use fitness_core::{LogSegment, StoredLog};
use fitness_store::{Batch, LogReplacement, Store, StoreError};

use crate::FlushError;
use crate::commit::Committer;
use crate::error::with_sources;
use crate::health::CommitError;

/// The number of peers to check while holding the lock once.
const PEERS_PER_LOCK: usize = 1_024;

/// The number of log segments to read at once.
const SEGMENTS_PER_READ: usize = 256;

/// The number of log segments after which a batch is complete: about 400 kB. The last peer of a batch may
/// exceed it.
const SEGMENTS_PER_BATCH: usize = 256;

/// The number of monitoring gaps to check in one maintenance run.
const GAPS_PER_RUN: usize = 10_000;

/// The progress of a maintenance run.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    is_running: bool,
    /// Where to continue to look for expired peers; `None` if all were checked.
    next_expired: Option<usize>,
    /// Where to continue to look for logs to downsample; `None` if all were found.
    next_logs: Option<usize>,
    /// The logs to downsample next.
    logs: Vec<StoredLog>,
}

impl Maintenance {
    /// Runs the next step. Returns whether it was the last one.
    ///
    /// Logs an error and ends the run. The next run repeats what failed.
    pub(crate) async fn run_step(&mut self, committer: &mut Committer) -> bool {
        if !self.is_running {
            *self = Self { is_running: true, next_expired: Some(0), next_logs: Some(0), logs: Vec::new() };
        }
        let shared = Arc::clone(&committer.shared);
        if let Some(start) = self.next_expired {
            let now = shared.clock.now();
            self.next_expired =
                shared.update(|state| state.tracker.forget_expired(now, start, PEERS_PER_LOCK));
            return false;
        }
        if let (true, Some(start)) = (self.logs.is_empty(), self.next_logs) {
            (self.logs, self.next_logs) = shared.lock().tracker.stored_logs(start, PEERS_PER_LOCK);
            return false;
        }
        let result = if self.logs.is_empty() {
            self.is_running = false;
            prune_gaps(committer).await
        } else {
            downsample_logs(committer, &mut self.logs).await
        };
        if let Err(error) = result {
            let error = with_sources(&FlushError::from(error));
            tracing::warn!(error, "history maintenance failed, will retry in the next run");
            self.is_running = false;
        }
        !self.is_running
    }
}

/// Downsamples the next logs, as one batch.
async fn downsample_logs(committer: &mut Committer, logs: &mut Vec<StoredLog>) -> Result<(), CommitError> {
    let (mut replacements, mut segments) = (Vec::new(), 0);
    while segments < SEGMENTS_PER_BATCH {
        let Some(log) = logs.pop() else { break };
        let stored = read_log(committer, &log).await.map_err(|error| CommitError::Store(Arc::new(error)))?;
        let (now, state) = (committer.shared.clock.now(), committer.shared.lock());
        let Some(kept) = state.tracker.downsampled(now, &log, &stored) else { continue };
        segments += kept.len().max(1);
        replacements.push(LogReplacement {
            node_id: log.node_id,
            below_index: log.end_index,
            segments: kept,
        });
    }
    if replacements.is_empty() {
        return Ok(());
    }
    tracing::debug!(peers = replacements.len(), segments, "old history downsampled");
    committer.commit_batch(Arc::new(Batch { replacements, ..Batch::default() }), None).await
}

async fn read_log(committer: &Committer, log: &StoredLog) -> Result<Vec<LogSegment>, StoreError> {
    let observer = &committer.shared.observer;
    let (mut segments, mut index) = (Vec::new(), 0);
    while index < log.end_index {
        let page = committer.store.segments(observer, &log.node_id, index, SEGMENTS_PER_READ).await?;
        let Some(last) = page.last() else { break };
        index = last.index().saturating_add(1);
        segments.extend(page.into_iter().filter(|segment| segment.index() < log.end_index));
    }
    Ok(segments)
}

/// Deletes monitoring gaps that are older than any history.
async fn prune_gaps(committer: &mut Committer) -> Result<(), CommitError> {
    let shared = Arc::clone(&committer.shared);
    let gaps = committer.store.gaps(&shared.observer, 0, GAPS_PER_RUN).await;
    let gaps = gaps.map_err(|error| CommitError::Store(Arc::new(error)))?;
    let prune_gaps_before = {
        let (now, state) = (shared.clock.now(), shared.lock());
        let last_expired = gaps.iter().take_while(|gap| state.tracker.is_expired(now, gap.to_ns)).last();
        last_expired.map(|gap| gap.number.saturating_add(1))
    };
    if prune_gaps_before.is_none() {
        return Ok(());
    }
    committer.commit_batch(Arc::new(Batch { prune_gaps_before, ..Batch::default() }), None).await
}
