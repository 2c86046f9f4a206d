//! The suite finds what it is there to find: stores that are each wrong in one way fail it.
#![cfg(feature = "conformance")]

mod batches;
mod claims;
mod gaps;
mod in_flight;
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

/// A way to be wrong; the methods are right unless overridden. Each harness has one, which may
/// remember things.
#[async_trait::async_trait]
trait Fault: Send + Sync + 'static {
    /// The observer under whose name things are stored and read.
    fn observer(&self, observer: &NodeId) -> NodeId {
        *observer
    }

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

    fn opened(&self, store: &MemoryStore) -> MemoryStore {
        store.clone()
    }
}

struct Broken(MemoryStore, Arc<dyn Fault>);

#[async_trait::async_trait]
impl Store for Broken {
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
    /// Makes the fault of what this thread builds. That one harness does for all faults saves
    /// compiling the suite for each.
    static FAULT: Cell<fn() -> Arc<dyn Fault>> = const { Cell::new(|| Arc::new(Right)) };
}

struct Broke(MemoryStore, Arc<dyn Fault>);

impl Harness for Broke {
    type Store = Broken;

    fn build() -> Self {
        Self(MemoryStore::new(), FAULT.get()())
    }

    fn open(&self) -> Broken {
        Broken(self.1.opened(&self.0), Arc::clone(&self.1))
    }
}

/// Whether a store of this fault passes a case.
fn passes<F: Fault + Default>(case: &Case<Broke>) -> bool {
    FAULT.set(|| Arc::new(F::default()));
    catch_unwind(AssertUnwindSafe(|| case.run())).is_ok()
}

/// The names of the cases that a store of this fault fails.
fn failed<F: Fault + Default>() -> BTreeSet<&'static str> {
    cases().iter().filter(|case| !passes::<F>(case)).map(Case::name).collect()
}

/// For a fault that is to be seen whenever one does one thing after another: random operations find
/// it as well.
fn assert_fails<F: Fault + Default>(expected: &[&str]) {
    assert_cases_fail::<F>(expected);
    assert_fails_sooner_or_later::<F>("whatever_is_done_reads_are_as_documented");
}

fn assert_cases_fail<F: Fault + Default>(expected: &[&str]) {
    let failed = failed::<F>();
    for name in expected {
        assert!(failed.contains(name), "{name} did not notice; {failed:?} did");
    }
}

/// For a case that is a race, which a busy machine may lose now and then.
fn assert_fails_sooner_or_later<F: Fault + Default>(name: &str) {
    let case = case(name);
    assert!((0..200).any(|_| !passes::<F>(&case)), "{name} never noticed");
}

fn case(name: &str) -> Case<Broke> {
    cases().into_iter().find(|case| case.name() == name).expect("there is no such case")
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

/// No fault: what the others are measured by.
#[derive(Default)]
struct Right;
impl Fault for Right {}

#[test]
fn a_right_store_fails_nothing() {
    assert_eq!(failed::<Right>(), BTreeSet::new());
}
