//! The port itself.

use std::sync::Arc;

use fitness_core::{Changes, LogSegment, NodeId, ObserverRecord, PeerRecord};

use crate::StoreError;

/// Where histories outlive the process.
///
/// Usable as `Arc<dyn Store>`, which is itself a store, and from any async runtime or none: a
/// future of a store never needs more than to be polled, unless its implementor says so.
///
/// - What a read returns is what whole batches left behind: no read sees a part of a batch.
/// - A batch whose commit returned `Ok` is there after a crash.
/// - Commits land in the order in which their futures were first polled. One whose future was
///   dropped may land or not, but wholly, and never after one that was begun later.
/// - After an error nothing has changed, and the store may be asked again; see
///   [`StoreError::is_transient`] for whether that can help. A commit that failed with a transient
///   error may still turn out to have landed, wholly: to commit it again does no harm.
/// - What an observer has stored, no other observer sees.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The nodes that have observed into this store, ascending.
    ///
    /// A node is listed from the first batch on that carries its [`Batch::observer`].
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError>;

    /// The record of an observer; `None` where it never stored one.
    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError>;

    /// A page of peers, ascending by node id, strictly after `after`.
    ///
    /// At most `limit` of them; fewer than `limit` mean that there are no more. `after` need not
    /// be stored. Pages are read one by one: a commit in between shows in the later ones.
    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError>;

    /// The record of one peer; `None` where there is none.
    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError>;

    /// Log segments of one peer, ascending by index, from index `from` on, at most `limit`.
    ///
    /// Fewer than `limit` mean that there are no more. Indices may have holes.
    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError>;

    /// Stores all of the batch, or nothing of it.
    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError>;
}

/// What one commit stores.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Peers and segments to write, each in place of what bore its name. Where one occurs more
    /// than once, the last counts.
    pub changes: Changes,
    /// The observer's record, where it is to be written.
    pub observer: Option<ObserverRecord>,
    /// Peers to delete with their whole log, before `changes` are written: a peer in both ends up
    /// with just what `changes` say. One that is not stored is no error.
    pub forgotten: Vec<NodeId>,
}

impl Batch {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.observer.is_none() && self.forgotten.is_empty()
    }
}

#[async_trait::async_trait]
impl<T: Store + ?Sized> Store for Arc<T> {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        (**self).observers().await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        (**self).observer(observer).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        (**self).peers(observer, after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        (**self).peer(observer, node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        (**self).segments(observer, node_id, from, limit).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        (**self).commit(observer, batch).await
    }
}
