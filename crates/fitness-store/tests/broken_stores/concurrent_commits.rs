//! Stores that are correct only while operations do not overlap.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitness_core::{NodeId, PeerRecord, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_cases_fail, assert_fails, assert_fails_eventually, lock, yield_once};

/// Lets other tasks and threads run.
async fn yield_to_others() {
    yield_once().await;
    thread::yield_now();
}

/// Takes longer for large batches, so that small ones overtake them.
#[derive(Default)]
struct SmallBatchesOvertake;
#[async_trait::async_trait]
impl Fault for SmallBatchesOvertake {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        for _ in 0..batch.changes.peers.len() {
            yield_once().await;
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn commits_applied_out_of_order_are_detected() {
    assert_cases_fail::<SmallBatchesOvertake>(&["commits_are_applied_in_order"]);
}

/// Stores concurrent batches in two parts: peers first, then the rest.
#[derive(Default)]
struct MergesInParts(AtomicUsize);
#[async_trait::async_trait]
impl Fault for MergesInParts {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        struct InProgress<'a>(&'a AtomicUsize);
        impl Drop for InProgress<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        codec::validate_batch(observer, &batch)?;
        self.0.fetch_add(1, Ordering::SeqCst);
        let in_progress = InProgress(&self.0);
        yield_once().await;
        if in_progress.0.load(Ordering::SeqCst) > 1 {
            let UnsavedChanges { forgotten_peers: forgotten, peers, .. } = &mut batch.changes;
            let (forgotten, peers) = (std::mem::take(forgotten), std::mem::take(peers));
            let changes = UnsavedChanges { forgotten_peers: forgotten, peers, ..UnsavedChanges::default() };
            store.commit(observer, Arc::new(Batch { changes, ..Batch::default() })).await?;
            yield_to_others().await;
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn batches_merged_in_parts_are_detected() {
    assert_fails_eventually::<MergesInParts>("reads_never_see_partial_batches_of_many_observers");
}

/// Commits for the observer of the most recently started commit.
#[derive(Default)]
struct UsesLatestObserver(Mutex<Option<NodeId>>);
#[async_trait::async_trait]
impl Fault for UsesLatestObserver {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        *lock(&self.0) = Some(*observer);
        yield_to_others().await;
        let observer = lock(&self.0).unwrap_or(*observer);
        store.commit(&observer, Arc::new(batch)).await
    }
}

#[test]
fn commits_for_the_wrong_observer_are_detected() {
    assert_cases_fail::<UsesLatestObserver>(&["reads_never_see_partial_batches_of_many_observers"]);
    assert_fails_eventually::<UsesLatestObserver>("concurrent_observers_are_isolated");
}

/// Deletes peers that were written since the commit started.
#[derive(Default)]
struct RestoresSnapshot;
#[async_trait::async_trait]
impl Fault for RestoresSnapshot {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let ids = async || {
            let peers = store.peers(observer, None, usize::MAX).await?;
            Ok::<BTreeSet<NodeId>, StoreError>(peers.iter().map(|peer| peer.node_id).collect())
        };
        let before = ids().await?;
        yield_to_others().await;
        batch.changes.forgotten_peers.extend(ids().await?.difference(&before));
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn commits_that_undo_others_are_detected() {
    assert_fails_eventually::<RestoresSnapshot>("commits_from_two_threads_are_both_stored");
}

/// Reads the keys of a page and then the records, and skips records deleted in between.
#[derive(Default)]
struct ReadsKeysThenRecords;
#[async_trait::async_trait]
impl Fault for ReadsKeysThenRecords {
    async fn peers(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let keys = store.peers(observer, after, limit).await?;
        yield_to_others().await;
        let mut page = Vec::new();
        for key in keys {
            page.extend(store.peer(observer, &key.node_id).await?);
        }
        Ok(page)
    }
}

#[test]
fn short_pages_before_the_end_are_detected() {
    assert_fails_eventually::<ReadsKeysThenRecords>("paging_is_stable_while_peers_change");
}

/// Replaces a part of a log by reading and rewriting the whole log.
#[derive(Default)]
struct RewritesWholeLog;
#[async_trait::async_trait]
impl Fault for RewritesWholeLog {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        for replacement in &mut batch.replacements {
            let (node_id, below) = (&replacement.node_id, replacement.below_index);
            replacement.segments.extend(store.segments(observer, node_id, below, usize::MAX).await?);
            replacement.below_index = u32::MAX;
        }
        yield_to_others().await;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn rewritten_logs_are_detected() {
    assert_fails_eventually::<RewritesWholeLog>("log_can_be_replaced_while_it_grows");
}

/// Checks whether a peer exists before the batch is applied.
#[derive(Default)]
struct ChecksPeersTooEarly;
#[async_trait::async_trait]
impl Fault for ChecksPeersTooEarly {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        let mut segments = Vec::new();
        for replacement in &batch.replacements {
            if store.peer(observer, &replacement.node_id).await?.is_some() {
                segments.extend(replacement.segments.iter().cloned());
            }
        }
        if !batch.replacements.is_empty() && batch.changes.forgotten_peers.is_empty() {
            yield_once().await;
            let (written, replaced) = (batch.changes.segments, batch.replacements);
            store.commit(observer, Arc::new(Batch { replacements: replaced, ..Batch::default() })).await?;
            batch.changes.segments = segments.into_iter().chain(written).collect();
            batch.replacements = Vec::new();
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn logs_of_peers_forgotten_meanwhile_are_detected() {
    assert_fails::<ChecksPeersTooEarly>(&["forgetting_deletes_log_during_replacement"]);
}

/// Applies a commit whose future was dropped after a delay, possibly after later commits.
#[derive(Default)]
struct AppliesDroppedCommitsLate;
#[async_trait::async_trait]
impl Fault for AppliesDroppedCommitsLate {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        struct CommitOnDrop(Option<(MemoryStore, NodeId, Batch)>);
        impl Drop for CommitOnDrop {
            fn drop(&mut self) {
                if let Some((store, observer, batch)) = self.0.take() {
                    thread::spawn(move || {
                        thread::sleep(Duration::from_micros(20));
                        block_on(store.commit(&observer, Arc::new(batch)))
                    });
                }
            }
        }
        let mut on_drop = CommitOnDrop(Some((store.clone(), *observer, batch.clone())));
        yield_once().await;
        on_drop.0 = None;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn dropped_commits_applied_late_are_detected() {
    assert_fails_eventually::<AppliesDroppedCommitsLate>("dropped_commit_never_overwrites_newer_data");
}
