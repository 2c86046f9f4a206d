//! The port itself.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, UnsavedChanges};

use crate::{Claim, StoreError};

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

    /// Gaps of our own observation, ascending by number, from number `from` on, at most `limit`.
    ///
    /// Fewer than `limit` mean that there are no more. Numbers may have holes.
    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError>;

    /// Makes the caller the only one who may claim this observer, until the claim is dropped.
    ///
    /// A service claims its observer before it reads what to go on from, so that nobody else stores
    /// anything in between. Whoever only reads needs no claim. How far it reaches the backend says: it
    /// always holds among the handles and clones of one store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] or [`StoreError::Locked`] while somebody else writes for it.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError>;

    /// Stores all of the batch, or nothing of it. Needs no claim.
    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError>;
}

/// What one commit stores.
///
/// What is in it is done in this order, whatever the order of its fields:
///
/// 1. The peers of [`UnsavedChanges::forgotten_peers`] are deleted with their whole log. One that is not stored
///    is no error.
/// 2. [`Changes::peers`] are written.
/// 3. Each of [`Batch::replacements`] is done, in their order.
/// 4. [`Changes::segments`] are written.
/// 5. [`Changes::gaps`] are written, and then those before [`Batch::prune_gaps_before`] deleted.
/// 6. [`Batch::observer`] is written.
///
/// So a peer that is forgotten and written ends up with just what the batch writes of it. Each
/// record takes the place of what bore its name; where one occurs more than once, the last counts.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What has to be stored to catch up with a tracker.
    pub changes: UnsavedChanges,
    /// The observer's record, where it is to be written.
    pub observer: Option<ObserverRecord>,
    /// Old parts of logs to be replaced by what was made of them.
    pub replacements: Vec<LogReplacement>,
    /// Gaps with a smaller number than this are deleted, those of this batch among them.
    pub prune_gaps_before: Option<u32>,
}

impl Batch {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.observer.is_none()
            && self.replacements.is_empty()
            && self.prune_gaps_before.is_none()
    }
}

/// The older part of a peer's log, to be replaced: that is how a log is thinned out.
///
/// Every stored segment of the peer with an index below [`LogReplacement::below_index`] is deleted, and
/// [`Replacement::segments`] are written instead. The newer part is left alone.
///
/// A replacement for a peer that has no record, neither stored nor in its batch, is passed over as
/// a whole: the peer was forgotten since its log was read, and nothing of it is to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReplacement {
    /// The peer.
    pub node_id: NodeId,
    /// The index of the first segment that stays.
    pub below_index: u32,
    /// What takes the place of those before it: segments of that peer, strictly ascending, with
    /// indices below [`LogReplacement::below_index`]. A batch in which they are not is refused as
    /// [`StoreError::Invalid`], whether the peer is stored or not.
    pub segments: Vec<LogSegment>,
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

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        (**self).gaps(observer, from, limit).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        (**self).claim(observer).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        (**self).commit(observer, batch).await
    }
}
