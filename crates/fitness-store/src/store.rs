//! The `Store` trait, and the batch that a commit stores.

use std::sync::Arc;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, UnsavedChanges};

use crate::{Claim, StoreError};

/// Storage for the histories of one or more observers.
///
/// The trait is object-safe, and `Arc<dyn Store>` implements it. Its futures work with any async
/// runtime or with none: they make progress whenever they are polled, unless a backend documents
/// otherwise.
///
/// Every backend guarantees:
///
/// - **Atomic reads.** A read returns the result of complete batches, never a part of a batch.
/// - **Durability.** Once [`commit`](Self::commit) has returned `Ok`, the batch survives a crash.
/// - **Order.** Commits are applied in the order in which their futures were first polled.
/// - **Dropped commits.** A commit whose future is dropped is applied completely or not at all, and
///   never after a commit that started later.
/// - **Errors change nothing.** After an error the store is unchanged and can still be used.
///   [`StoreError::is_transient`] returns whether a retry can succeed. One exception: a commit that
///   failed with a transient error may have been applied completely.
/// - **Idempotence.** Committing a batch twice in a row has the same effect as committing it once.
/// - **Isolation.** An observer never sees the data of another observer.
#[async_trait::async_trait]
pub trait Store: Send + Sync + 'static {
    /// Returns the observers that have a stored record, in ascending order.
    ///
    /// An observer is listed from the first batch that contains its [`Batch::observer`] record.
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError>;

    /// Returns the record of an observer, or `None` if none is stored.
    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError>;

    /// Returns a page of peer records in ascending order of node id, starting strictly after `after`.
    ///
    /// Returns at most `limit` records; fewer than `limit` means that there are no more. `after`
    /// does not have to be stored. Each page is read separately, so later pages include the effects
    /// of commits made in between.
    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError>;

    /// Returns the record of one peer, or `None` if none is stored.
    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError>;

    /// Returns log segments of one peer in ascending order of index, starting at index `from`.
    ///
    /// Returns at most `limit` segments; fewer than `limit` means that there are no more. Indices
    /// need not be contiguous.
    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError>;

    /// Returns the observer's monitoring gaps in ascending order of number, starting at number `from`.
    ///
    /// Returns at most `limit` gaps; fewer than `limit` means that there are no more. Numbers need
    /// not be contiguous.
    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError>;

    /// Claims the observer: no one else can claim it until the returned [`Claim`] is dropped.
    ///
    /// A service claims its observer before it loads the observer's history, so that no other service
    /// writes in the meantime. Readers do not need a claim. A claim always excludes other handles and
    /// clones of the same store; the backend documents whether it also excludes other processes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] or [`StoreError::Locked`] while another service writes for the observer.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError>;

    /// Stores the whole batch, or nothing of it. Does not need a claim.
    ///
    /// [`Batch`] defines what is stored, and in which order.
    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError>;
}

/// The changes that one commit stores.
///
/// A store applies them in this order, which differs from the order of the fields:
///
/// 1. Delete the peers in [`UnsavedChanges::forgotten_peers`], each with its whole log. A peer that is
///    not stored is skipped.
/// 2. Write [`UnsavedChanges::peers`].
/// 3. Apply each of [`Batch::replacements`], in their order.
/// 4. Write [`UnsavedChanges::segments`].
/// 5. Write [`UnsavedChanges::gaps`], then delete the gaps before [`Batch::prune_gaps_before`].
/// 6. Write [`Batch::observer`].
///
/// A peer that is both forgotten and written therefore ends up with exactly what the batch writes for
/// it. A record overwrites the stored record with the same key; if a key occurs more than once in a
/// batch, the last one wins.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The tracker's unsaved changes.
    pub changes: UnsavedChanges,
    /// The observer's record, if it is written.
    pub observer: Option<ObserverRecord>,
    /// The replacements of older parts of logs.
    pub replacements: Vec<LogReplacement>,
    /// Deletes the gaps with a smaller number than this, including gaps that this batch writes.
    pub prune_gaps_before: Option<u32>,
}

impl Batch {
    /// Returns whether the batch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.observer.is_none()
            && self.replacements.is_empty()
            && self.prune_gaps_before.is_none()
    }
}

/// A replacement of the older part of a peer's log. Downsampling a log uses it.
///
/// The store deletes every stored segment of the peer with an index below
/// [`LogReplacement::below_index`] and writes [`LogReplacement::segments`] instead. Segments at or
/// above that index stay unchanged.
///
/// If neither the store nor the same batch has a record of the peer, the whole replacement is skipped.
/// The peer was then forgotten after its log was read, and its log must not reappear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReplacement {
    /// The peer whose log is replaced.
    pub node_id: NodeId,
    /// The index of the first segment that is kept.
    pub below_index: u32,
    /// The new segments: segments of this peer in strictly ascending order, with indices below
    /// [`LogReplacement::below_index`]. A store rejects a batch that violates this with
    /// [`StoreError::Invalid`], even if the peer is not stored.
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
