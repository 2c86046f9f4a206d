//! The suite finds what it is there to find: stores that are each wrong in one way fail it.
#![cfg(feature = "conformance")]

mod claims;
mod gaps;
mod records;
mod replacements;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use fitness_core::{Changes, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::conformance::{Harness, cases};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

/// A way to be wrong; the methods are right unless overridden.
#[async_trait::async_trait]
trait Fault: Default + Send + Sync + 'static {
    /// The observer under whose name things are stored and read.
    fn observer(observer: &NodeId) -> NodeId {
        *observer
    }

    fn batch(batch: &Batch) -> Batch {
        batch.clone()
    }

    async fn commit(store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        store.commit(observer, Arc::new(batch)).await
    }

    async fn peers(
        store: &MemoryStore,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        store.peers(observer, after, limit).await
    }

    fn segments(segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments
    }

    async fn gaps(
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        store.gaps(observer, from, limit).await
    }

    async fn claim(store: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        store.claim(observer).await
    }

    fn opened(store: &MemoryStore) -> MemoryStore {
        store.clone()
    }
}

struct Broken<F>(MemoryStore, PhantomData<fn() -> F>);

#[async_trait::async_trait]
impl<F: Fault> Store for Broken<F> {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.0.observers().await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.0.observer(&F::observer(observer)).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        F::peers(&self.0, &F::observer(observer), after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.0.peer(&F::observer(observer), node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        Ok(F::segments(self.0.segments(&F::observer(observer), node_id, from, limit).await?))
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        F::gaps(&self.0, &F::observer(observer), from, limit).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        F::claim(&self.0, &F::observer(observer)).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        F::commit(&self.0, &F::observer(observer), F::batch(&batch)).await
    }
}

struct Broke<F>(MemoryStore, PhantomData<fn() -> F>);

impl<F: Fault> Harness for Broke<F> {
    type Store = Broken<F>;

    fn build() -> Self {
        Self(MemoryStore::new(), PhantomData)
    }

    fn open(&self) -> Broken<F> {
        Broken(F::opened(&self.0), PhantomData)
    }
}

/// The names of the cases that a store of this fault fails.
fn failed<F: Fault>() -> BTreeSet<&'static str> {
    let all = cases::<Broke<F>>();
    let failing = all.iter().filter(|case| catch_unwind(AssertUnwindSafe(|| case.run())).is_err());
    failing.map(|case| case.name()).collect()
}

fn assert_fails<F: Fault>(expected: &[&str]) {
    let failed = failed::<F>();
    for name in expected {
        assert!(failed.contains(name), "{name} did not notice; {failed:?} did");
    }
}

/// For a case that is a race, which a busy machine may lose now and then.
fn assert_fails_sooner_or_later<F: Fault>(name: &str) {
    let fails = || {
        let case = cases::<Broke<F>>().into_iter().find(|case| case.name() == name);
        let case = case.expect("the case exists");
        catch_unwind(AssertUnwindSafe(|| case.run())).is_err()
    };
    assert!((0..200).any(|_| fails()), "{name} never noticed");
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// No fault: what the others are measured by.
#[derive(Default)]
struct Right;
impl Fault for Right {}

#[test]
fn a_right_store_fails_nothing() {
    assert_eq!(failed::<Right>(), BTreeSet::new());
}

/// Segments are never stored.
#[derive(Default)]
struct LosesSegments;
impl Fault for LosesSegments {
    fn batch(batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.segments.clear();
        batch
    }
}

#[test]
fn lost_segments_are_noticed() {
    assert_fails::<LosesSegments>(&[
        "a_segment_comes_back",
        "the_last_segment_is_stored_again",
        "a_batch_lands_as_a_whole",
        "dropping_a_store_loses_nothing",
    ]);
}

/// All observers are one.
#[derive(Default)]
struct MixesObservers;
impl Fault for MixesObservers {
    fn observer(_: &NodeId) -> NodeId {
        NodeId([9; 33])
    }
}

#[test]
fn mixed_observers_are_noticed() {
    assert_fails::<MixesObservers>(&[
        "observers_do_not_see_each_other",
        "neighbouring_ids_are_kept_apart",
        "forgetting_stays_with_its_observer",
        "observers_are_listed_in_order",
    ]);
}

/// A batch is stored piece by piece.
#[derive(Default)]
struct NotAtomic;
#[async_trait::async_trait]
impl Fault for NotAtomic {
    async fn commit(store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        let Changes { forgotten, peers, segments, gaps } = batch.changes;
        let changes = Changes { forgotten, ..Changes::default() };
        let first = Batch { changes, observer: batch.observer, ..Batch::default() };
        store.commit(observer, Arc::new(first)).await?;
        for peer in peers {
            let changes = Changes { peers: vec![peer], ..Changes::default() };
            store.commit(observer, Arc::new(Batch { changes, ..Batch::default() })).await?;
            yield_once().await;
        }
        let changes = Changes { segments, gaps, ..Changes::default() };
        store.commit(observer, Arc::new(Batch { changes, observer: None, ..batch })).await
    }
}

#[test]
fn batches_in_pieces_are_noticed() {
    assert_fails::<NotAtomic>(&["a_refused_batch_leaves_no_trace", "a_dropped_commit_is_whole_or_absent"]);
    assert_fails_sooner_or_later::<NotAtomic>("readers_see_whole_batches");
}

/// Everything is gone when the store is opened again.
#[derive(Default)]
struct Forgetful;
impl Fault for Forgetful {
    fn opened(_: &MemoryStore) -> MemoryStore {
        MemoryStore::new()
    }
}

#[test]
fn what_is_gone_after_reopening_is_noticed() {
    assert_fails::<Forgetful>(&[
        "a_peer_comes_back",
        "the_observer_comes_back",
        "dropping_a_store_loses_nothing",
        "a_huge_batch_comes_back_whole",
    ]);
}

/// A page starts with the peer that it is to start after.
#[derive(Default)]
struct PagesOverlap;
#[async_trait::async_trait]
impl Fault for PagesOverlap {
    async fn peers(
        store: &MemoryStore,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let mut page = store.peers(observer, after, limit).await?;
        if let Some(after) = after {
            page.splice(0..0, store.peer(observer, after).await?);
            page.truncate(limit);
        }
        Ok(page)
    }
}

#[test]
fn pages_that_overlap_are_noticed() {
    // Pages of one would repeat the first peer for ever, so the whole suite cannot be run.
    let case =
        cases::<Broke<PagesOverlap>>().into_iter().find(|case| case.name() == "a_short_page_is_the_last");
    let case = case.expect("the case exists");
    assert!(catch_unwind(AssertUnwindSafe(|| case.run())).is_err());
}

/// Forgetting keeps the log.
#[derive(Default)]
struct KeepsLogs;
#[async_trait::async_trait]
impl Fault for KeepsLogs {
    async fn commit(store: &MemoryStore, observer: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        let written: BTreeSet<(NodeId, u32)> =
            batch.changes.segments.iter().map(|segment| (segment.node_id, segment.index())).collect();
        for node_id in batch.changes.forgotten.clone() {
            let log = store.segments(observer, &node_id, 0, usize::MAX).await?;
            let kept = log.into_iter().filter(|segment| !written.contains(&(node_id, segment.index())));
            batch.changes.segments.extend(kept);
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn logs_that_outlive_their_peers_are_noticed() {
    assert_fails::<KeepsLogs>(&["forgetting_takes_the_log_along", "forgetting_comes_before_writing"]);
}

/// Changes are written before peers are forgotten.
#[derive(Default)]
struct ForgetsLast;
#[async_trait::async_trait]
impl Fault for ForgetsLast {
    async fn commit(store: &MemoryStore, observer: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        let forgotten = std::mem::take(&mut batch.changes.forgotten);
        store.commit(observer, Arc::new(batch)).await?;
        let changes = Changes { forgotten, ..Changes::default() };
        store.commit(observer, Arc::new(Batch { changes, ..Batch::default() })).await
    }
}

#[test]
fn forgetting_too_late_is_noticed() {
    assert_fails::<ForgetsLast>(&["forgetting_comes_before_writing"]);
}

/// A heartbeat starts the observer's data anew.
#[derive(Default)]
struct HeartbeatClears;
#[async_trait::async_trait]
impl Fault for HeartbeatClears {
    async fn commit(store: &MemoryStore, observer: &NodeId, mut batch: Batch) -> Result<(), StoreError> {
        if batch.observer.is_some() {
            let peers = store.peers(observer, None, usize::MAX).await?;
            batch.changes.forgotten.extend(peers.iter().map(|peer| peer.node_id));
        }
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn a_heartbeat_that_clears_is_noticed() {
    assert_fails::<HeartbeatClears>(&["a_heartbeat_changes_nothing_else"]);
}

/// Segments are sorted as text is.
#[derive(Default)]
struct SortsAsText;
impl Fault for SortsAsText {
    fn segments(mut segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments.sort_by_key(|segment| segment.index().to_string());
        segments
    }
}

#[test]
fn numbers_sorted_as_text_are_noticed() {
    assert_fails::<SortsAsText>(&["order_is_that_of_the_numbers"]);
}

/// Of several records of one peer in a batch the first is kept.
#[derive(Default)]
struct FirstCounts;
impl Fault for FirstCounts {
    fn batch(batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.changes.peers.reverse();
        batch
    }
}

#[test]
fn stale_duplicates_are_noticed() {
    assert_fails::<FirstCounts>(&["the_last_of_duplicates_counts"]);
}

/// A commit whose future is dropped lands half a second later, whatever came in between.
#[derive(Default)]
struct LandsLate;
#[async_trait::async_trait]
impl Fault for LandsLate {
    async fn commit(store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        struct Late(Option<(MemoryStore, NodeId, Batch)>);
        impl Drop for Late {
            fn drop(&mut self) {
                if let Some((store, observer, batch)) = self.0.take() {
                    std::thread::spawn(move || {
                        std::thread::sleep(std::time::Duration::from_micros(20));
                        fitness_store::conformance::block_on(store.commit(&observer, Arc::new(batch)))
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
