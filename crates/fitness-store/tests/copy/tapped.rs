//! A store whose every call can be heard, and made to go wrong.

use std::future::pending;
use std::sync::{Arc, Mutex};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Nothing is done.
    Fails,
    /// It is done, and an error says that it is not.
    DoneAndFails,
    /// It is done, and nobody ever hears of it.
    DoneAndHangs,
    Hangs,
    /// It is refused, because the store was opened to read.
    ReadOnly,
}

type Tap = Arc<Mutex<dyn FnMut(Option<&mut Batch>) -> Fate + Send>>;

/// A store in memory behind a tap, which is told of each call, and of a commit's batch. Clones share both.
#[derive(Clone)]
pub(crate) struct Tapped {
    store: MemoryStore,
    tap: Tap,
}

impl Tapped {
    pub(crate) fn new(
        store: &MemoryStore,
        tap: impl FnMut(Option<&mut Batch>) -> Fate + Send + 'static,
    ) -> Self {
        Self { store: store.clone(), tap: Arc::new(Mutex::new(tap)) }
    }

    /// Another store behind the same tap.
    pub(crate) fn and(&self, store: &MemoryStore) -> Self {
        Self { store: store.clone(), tap: Arc::clone(&self.tap) }
    }

    fn tell(&self, batch: Option<&mut Batch>) -> Fate {
        (self.tap.lock().expect("nobody panicked"))(batch)
    }

    async fn read<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        fulfil(self.tell(None), call).await
    }
}

async fn fulfil<T>(fate: Fate, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let error = || StoreError::Backend {
        operation: "do it",
        location: "memory".to_owned(),
        source: "it was made to fail".into(),
    };
    match fate {
        Fate::Done => call.await,
        Fate::Fails => Err(error()),
        Fate::DoneAndFails => call.await.and(Err(error())),
        Fate::DoneAndHangs => {
            call.await?;
            pending().await
        }
        Fate::Hangs => pending().await,
        Fate::ReadOnly => Err(StoreError::ReadOnly { location: "memory".to_owned() }),
    }
}

#[async_trait::async_trait]
impl Store for Tapped {
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
        let fate = self.tell(Some(&mut batch));
        fulfil(fate, self.store.commit(observer, Arc::new(batch))).await
    }
}
