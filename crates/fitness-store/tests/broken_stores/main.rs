//! Tests of the conformance suite itself: each faulty store here must fail the cases that cover its fault.
#![cfg(feature = "conformance")]

mod batches;
mod claims;
mod concurrent_commits;
mod gaps;
mod observers;
mod pages;
mod records;
mod replacements;
mod sizes;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::conformance::{Case, Harness, cases};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

/// A fault of a store. The default methods are correct; a fault overrides some of them. Each harness has its
/// own instance, which may keep state.
#[async_trait::async_trait]
trait Fault: Send + Sync + 'static {
    /// Returns the observer whose data is actually written and read.
    fn observer(&self, observer: &NodeId) -> NodeId {
        *observer
    }

    /// Returns the batch that is actually committed.
    fn batch(&self, batch: &Batch) -> Batch {
        batch.clone()
    }

    async fn commit(&self, store: &MemoryStore, observer: &NodeId, batch: Batch) -> Result<(), StoreError> {
        store.commit(observer, Arc::new(batch)).await
    }

    async fn peers(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        store.peers(observer, after, limit).await
    }

    async fn observers(&self, store: &MemoryStore) -> Result<Vec<NodeId>, StoreError> {
        store.observers().await
    }

    /// Returns the segments that a read returns.
    fn segments(&self, segments: Vec<LogSegment>) -> Vec<LogSegment> {
        segments
    }

    async fn gaps(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        store.gaps(observer, from, limit).await
    }

    async fn claim(&self, store: &MemoryStore, observer: &NodeId) -> Result<Claim, StoreError> {
        store.claim(observer).await
    }

    /// Returns the underlying store after opening.
    fn opened(&self, store: &MemoryStore) -> MemoryStore {
        store.clone()
    }
}

/// A store in memory with a fault.
struct FaultyStore(MemoryStore, Arc<dyn Fault>);

#[async_trait::async_trait]
impl Store for FaultyStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.1.observers(&self.0).await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.0.observer(&self.1.observer(observer)).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.1.peers(&self.0, &self.1.observer(observer), after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.0.peer(&self.1.observer(observer), node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        Ok(self.1.segments(self.0.segments(&self.1.observer(observer), node_id, from, limit).await?))
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        self.1.gaps(&self.0, &self.1.observer(observer), from, limit).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.1.claim(&self.0, &self.1.observer(observer)).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.1.commit(&self.0, &self.1.observer(observer), self.1.batch(&batch)).await
    }
}

thread_local! {
    /// Creates the fault of harnesses built on this thread. Using one harness type for all faults avoids
    /// compiling the suite for each fault.
    static FAULT: Cell<fn() -> Arc<dyn Fault>> = const { Cell::new(|| Arc::new(NoFault)) };
}

struct FaultyHarness(MemoryStore, Arc<dyn Fault>);

impl Harness for FaultyHarness {
    type Store = FaultyStore;

    fn build() -> Self {
        Self(MemoryStore::new(), FAULT.get()())
    }

    fn open(&self) -> FaultyStore {
        FaultyStore(self.1.opened(&self.0), Arc::clone(&self.1))
    }
}

/// Returns whether a store with this fault passes a case.
fn passes<F: Fault + Default>(case: &Case<FaultyHarness>) -> bool {
    FAULT.set(|| Arc::new(F::default()));
    catch_unwind(AssertUnwindSafe(|| case.run())).is_ok()
}

/// Returns the names of the cases that a store with this fault fails.
fn failing_cases<F: Fault + Default>() -> BTreeSet<&'static str> {
    cases().iter().filter(|case| !passes::<F>(case)).map(Case::name).collect()
}

/// Asserts that the fault fails the expected cases, and that random operations detect it as well. Use this for
/// faults that show in sequential use.
fn assert_fails<F: Fault + Default>(expected: &[&str]) {
    assert_cases_fail::<F>(expected);
    assert_fails_eventually::<F>("random_operations_match_the_model");
}

/// Asserts that the fault fails the expected cases.
fn assert_cases_fail<F: Fault + Default>(expected: &[&str]) {
    let failing = failing_cases::<F>();
    for name in expected {
        assert!(failing.contains(name), "{name} passes; failing cases: {failing:?}");
    }
}

/// Asserts that the case fails at least once in 200 runs. Use this for cases whose outcome depends on timing.
fn assert_fails_eventually<F: Fault + Default>(name: &str) {
    let case = case(name);
    assert!((0..200).any(|_| !passes::<F>(&case)), "{name} passed in 200 runs");
}

fn case(name: &str) -> Case<FaultyHarness> {
    cases().into_iter().find(|case| case.name() == name).expect("no such case")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// No fault: a store that must pass every case.
#[derive(Default)]
struct NoFault;
impl Fault for NoFault {}

#[test]
fn store_without_fault_passes_every_case() {
    assert_eq!(failing_cases::<NoFault>(), BTreeSet::new());
}
