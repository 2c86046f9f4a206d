//! A store that passes every call to a callback, which decides whether it succeeds.

use std::future::pending;
use std::sync::{Arc, Mutex};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeds,
    /// Fails without having an effect.
    Fails,
    /// Takes effect, but returns an error.
    TakesEffectButFails,
    /// Takes effect, but never completes.
    TakesEffectButHangs,
    /// Has no effect and never completes.
    Hangs,
    /// Fails because the store is open read-only.
    ReadOnly,
}

type Callback = Arc<Mutex<dyn FnMut(Option<&mut Batch>) -> Outcome + Send>>;

/// A store in memory with a callback. The callback is called before each operation, with the batch if it is a
/// commit, and may change the batch. Clones share the store and the callback.
#[derive(Clone)]
pub(crate) struct InterceptedStore {
    store: MemoryStore,
    callback: Callback,
}

impl InterceptedStore {
    pub(crate) fn new(
        store: &MemoryStore,
        callback: impl FnMut(Option<&mut Batch>) -> Outcome + Send + 'static,
    ) -> Self {
        Self { store: store.clone(), callback: Arc::new(Mutex::new(callback)) }
    }

    /// Returns another store with the same callback.
    pub(crate) fn with_same_callback(&self, store: &MemoryStore) -> Self {
        Self { store: store.clone(), callback: Arc::clone(&self.callback) }
    }

    fn outcome(&self, batch: Option<&mut Batch>) -> Outcome {
        (self.callback.lock().expect("the callback panicked"))(batch)
    }

    async fn read<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        perform(self.outcome(None), call).await
    }
}

async fn perform<T>(
    outcome: Outcome,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let error = || StoreError::Backend {
        operation: "perform the operation",
        location: "memory".to_owned(),
        source: "injected failure".into(),
    };
    match outcome {
        Outcome::Succeeds => call.await,
        Outcome::Fails => Err(error()),
        Outcome::TakesEffectButFails => call.await.and(Err(error())),
        Outcome::TakesEffectButHangs => {
            call.await?;
            pending().await
        }
        Outcome::Hangs => pending().await,
        Outcome::ReadOnly => Err(StoreError::ReadOnly { location: "memory".to_owned() }),
    }
}

#[async_trait::async_trait]
impl Store for InterceptedStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.read(self.store.observers()).await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.read(self.store.observer(observer)).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.read(self.store.peers(observer, after, limit)).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.read(self.store.peer(observer, node_id)).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        self.read(self.store.segments(observer, node_id, from, limit)).await
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        self.read(self.store.gaps(observer, from, limit)).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.read(self.store.claim(observer)).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        let mut batch = Arc::unwrap_or_clone(batch);
        let outcome = self.outcome(Some(&mut batch));
        perform(outcome, self.store.commit(observer, Arc::new(batch))).await
    }
}
