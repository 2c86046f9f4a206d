//! Stores that are right while one thing happens at a time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitness_core::{NodeId, PeerRecord, UnsavedChanges};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_cases_fail, assert_fails, assert_fails_sooner_or_later, lock, yield_once};

/// Lets others run, on this thread and on others.
async fn step_aside() {
    yield_once().await;
    thread::yield_now();
}

/// A large batch takes its time, and small ones overtake it.
#[derive(Default)]
struct LetsOvertake;
#[async_trait::async_trait]
impl Fault for LetsOvertake {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, batch: Batch) -> Result<(), StoreError> {
        for _ in 0..batch.changes.peers.len() {
            yield_once().await;
        }
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn commits_that_overtake_are_noticed() {
    assert_cases_fail::<LetsOvertake>(&["commits_land_in_their_order"]);
}

/// Several batches that wait are stored together, first all peers and then all the rest.
#[derive(Default)]
struct GathersInPieces(AtomicUsize);
#[async_trait::async_trait]
impl Fault for GathersInPieces {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        struct UnderWay<'a>(&'a AtomicUsize);
        impl Drop for UnderWay<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        codec::validate_batch(who, &batch)?;
        self.0.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(&self.0);
        yield_once().await;
        if under_way.0.load(Ordering::SeqCst) > 1 {
            let UnsavedChanges { forgotten_peers: forgotten, peers, .. } = &mut batch.changes;
            let (forgotten, peers) = (std::mem::take(forgotten), std::mem::take(peers));
            let changes = UnsavedChanges { forgotten_peers: forgotten, peers, ..UnsavedChanges::default() };
            store.commit(who, Arc::new(Batch { changes, ..Batch::default() })).await?;
            step_aside().await;
        }
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn batches_that_are_gathered_in_pieces_are_noticed() {
    assert_fails_sooner_or_later::<GathersInPieces>("readers_see_whole_batches_of_many");
}

/// A commit is done for the observer whose commit was begun last.
#[derive(Default)]
struct MixesUpWhose(Mutex<Option<NodeId>>);
#[async_trait::async_trait]
impl Fault for MixesUpWhose {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, batch: Batch) -> Result<(), StoreError> {
        *lock(&self.0) = Some(*who);
        step_aside().await;
        let who = lock(&self.0).unwrap_or(*who);
        store.commit(&who, Arc::new(batch)).await
    }
}

#[test]
fn commits_for_another_observer_are_noticed() {
    assert_cases_fail::<MixesUpWhose>(&["readers_see_whole_batches_of_many"]);
    assert_fails_sooner_or_later::<MixesUpWhose>("observers_that_commit_at_once_keep_apart");
}

/// Whatever peers were written since a commit was begun are gone after it.
#[derive(Default)]
struct PutsBackASnapshot;
#[async_trait::async_trait]
impl Fault for PutsBackASnapshot {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        let ids = async || {
            let peers = store.peers(who, None, usize::MAX).await?;
            Ok::<BTreeSet<NodeId>, StoreError>(peers.iter().map(|peer| peer.node_id).collect())
        };
        let before = ids().await?;
        step_aside().await;
        batch.changes.forgotten_peers.extend(ids().await?.difference(&before));
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn commits_that_undo_others_are_noticed() {
    assert_fails_sooner_or_later::<PutsBackASnapshot>("commits_from_two_threads_both_land");
}

/// The keys of a page are read first and then the records; one that is gone by then is passed over.
#[derive(Default)]
struct ReadsPagesTwice;
#[async_trait::async_trait]
impl Fault for ReadsPagesTwice {
    async fn peers(
        &self,
        store: &MemoryStore,
        who: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let keys = store.peers(who, after, limit).await?;
        step_aside().await;
        let mut page = Vec::new();
        for key in keys {
            page.extend(store.peer(who, &key.node_id).await?);
        }
        Ok(page)
    }
}

#[test]
fn pages_that_end_too_early_are_noticed() {
    assert_fails_sooner_or_later::<ReadsPagesTwice>("pages_hold_while_peers_come_and_go");
}

/// To replace a part of a log, all of it is read and written again.
#[derive(Default)]
struct RewritesLogs;
#[async_trait::async_trait]
impl Fault for RewritesLogs {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        codec::validate_batch(who, &batch)?;
        for replacement in &mut batch.replacements {
            let (node_id, below) = (&replacement.node_id, replacement.below_index);
            replacement.segments.extend(store.segments(who, node_id, below, usize::MAX).await?);
            replacement.below_index = u32::MAX;
        }
        step_aside().await;
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn logs_that_are_written_again_are_noticed() {
    assert_fails_sooner_or_later::<RewritesLogs>("a_log_is_replaced_while_it_grows");
}

/// Whether there is a peer is looked up before the turn of a batch has come.
#[derive(Default)]
struct LooksTooEarly;
#[async_trait::async_trait]
impl Fault for LooksTooEarly {
    async fn commit(&self, store: &MemoryStore, who: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        codec::validate_batch(who, &batch)?;
        let mut segments = Vec::new();
        for replacement in &batch.replacements {
            if store.peer(who, &replacement.node_id).await?.is_some() {
                segments.extend(replacement.segments.iter().cloned());
            }
        }
        if !batch.replacements.is_empty() && batch.changes.forgotten_peers.is_empty() {
            yield_once().await;
            let (written, replaced) = (batch.changes.segments, batch.replacements);
            store.commit(who, Arc::new(Batch { replacements: replaced, ..Batch::default() })).await?;
            batch.changes.segments = segments.into_iter().chain(written).collect();
            batch.replacements = Vec::new();
        }
        store.commit(who, Arc::new(batch)).await
    }
}

#[test]
fn logs_of_peers_that_are_gone_by_then_are_noticed() {
    assert_fails::<LooksTooEarly>(&["a_replaced_log_goes_with_its_peer"]);
}

/// A commit whose future is dropped lands a moment later, whatever came in between.
#[derive(Default)]
struct LandsLate;
#[async_trait::async_trait]
impl Fault for LandsLate {
    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        struct Late(Option<(MemoryStore, NodeId, Batch)>);
        impl Drop for Late {
            fn drop(&mut self) {
                if let Some((store, observer, batch)) = self.0.take() {
                    thread::spawn(move || {
                        thread::sleep(Duration::from_micros(20));
                        block_on(store.commit(&observer, Arc::new(batch)))
                    });
                }
            }
        }
        let mut late = Late(Some((store.clone(), *observer, batch.clone())));
        yield_once().await;
        late.0 = None;
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn commits_that_land_late_are_noticed() {
    assert_fails_sooner_or_later::<LandsLate>("a_dropped_commit_never_lands_late");
}
