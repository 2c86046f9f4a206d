//! An open store with helpers to write and read it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use super::Harness;
use crate::{Batch, Store, StoreError};

/// Everything that can be read for one observer, with the logs of selected peers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whether [`Store::observers`] lists the observer.
    pub(super) listed: bool,
    pub(super) observer: Option<ObserverRecord>,
    pub(super) peers: Vec<PeerRecord>,
    pub(super) segments: Vec<LogSegment>,
    pub(super) gaps: Vec<GapRecord>,
}

/// A harness and its open store.
///
/// All methods except [`OpenStore::rejected`] panic if the store returns an error.
pub(super) struct OpenStore<'h, H: Harness> {
    pub(super) harness: &'h H,
    pub(super) inner: H::Store,
}

impl<'h, H: Harness> OpenStore<'h, H> {
    pub(super) fn new(harness: &'h H) -> Self {
        Self { harness, inner: harness.open() }
    }

    /// Closes the store and opens the data again.
    pub(super) fn reopen(self) -> Self {
        self.harness.close(self.inner);
        Self::new(self.harness)
    }

    pub(super) fn commit(&self, observer: NodeId, batch: Batch) {
        let result = self.harness.block_on(self.inner.commit(&observer, Arc::new(batch)));
        result.expect("a commit failed");
    }

    /// Commits several batches concurrently. Their futures are first polled in the order given.
    pub(super) fn commit_all(&self, batches: impl IntoIterator<Item = (NodeId, Batch)>) {
        let batches: Vec<(NodeId, Arc<Batch>)> =
            batches.into_iter().map(|(observer, batch)| (observer, Arc::new(batch))).collect();
        // The order in which futures are created must not matter, nor the order of later polls:
        // create them in reverse order, and reverse the order before every round of polls.
        let reversed = batches.iter().rev();
        let mut commits: Vec<_> =
            reversed.map(|(observer, batch)| self.inner.commit(observer, Arc::clone(batch))).collect();
        self.harness.block_on(poll_fn(|context| {
            commits.reverse();
            commits.retain_mut(|commit| match commit.as_mut().poll(context) {
                Poll::Ready(result) => {
                    result.expect("a commit failed");
                    false
                }
                Poll::Pending => true,
            });
            if commits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    /// Commits a batch that the store must reject, and returns the error.
    pub(super) fn rejected(&self, observer: NodeId, batch: Batch) -> StoreError {
        let result = self.harness.block_on(self.inner.commit(&observer, Arc::new(batch)));
        result.expect_err("the store accepted an invalid batch")
    }

    pub(super) fn observers(&self) -> Vec<NodeId> {
        self.harness.block_on(self.inner.observers()).expect("listing observers failed")
    }

    pub(super) fn observer(&self, observer: NodeId) -> Option<ObserverRecord> {
        self.harness.block_on(self.inner.observer(&observer)).expect("reading the observer failed")
    }

    pub(super) fn page(&self, observer: NodeId, after: Option<NodeId>, limit: usize) -> Vec<PeerRecord> {
        let page = self.harness.block_on(self.inner.peers(&observer, after.as_ref(), limit));
        page.expect("reading a page of peers failed")
    }

    /// Reads all peers, in pages of `limit`.
    pub(super) fn peers(&self, observer: NodeId, limit: usize) -> Vec<PeerRecord> {
        let mut peers: Vec<PeerRecord> = Vec::new();
        loop {
            let page = self.page(observer, peers.last().map(|peer| peer.node_id), limit);
            let is_last = page.len() < limit;
            peers.extend(page);
            if is_last {
                return peers;
            }
        }
    }

    pub(super) fn peer(&self, observer: NodeId, node_id: NodeId) -> Option<PeerRecord> {
        self.harness.block_on(self.inner.peer(&observer, &node_id)).expect("reading a peer failed")
    }

    pub(super) fn segments(
        &self,
        observer: NodeId,
        node_id: NodeId,
        from: u32,
        limit: usize,
    ) -> Vec<LogSegment> {
        let segments = self.harness.block_on(self.inner.segments(&observer, &node_id, from, limit));
        segments.expect("reading segments failed")
    }

    /// Reads up to 1,000 segments of a peer's log.
    pub(super) fn log(&self, observer: NodeId, node_id: NodeId) -> Vec<LogSegment> {
        self.segments(observer, node_id, 0, 1_000)
    }

    pub(super) fn gaps(&self, observer: NodeId, from: u32, limit: usize) -> Vec<GapRecord> {
        self.harness.block_on(self.inner.gaps(&observer, from, limit)).expect("reading gaps failed")
    }

    /// Reads everything of `observer`, with the logs of `nodes`.
    pub(super) fn contents(&self, observer: NodeId, nodes: impl IntoIterator<Item = NodeId>) -> Contents {
        Contents {
            listed: self.observers().contains(&observer),
            observer: self.observer(observer),
            peers: self.peers(observer, 7),
            segments: nodes.into_iter().flat_map(|node| self.log(observer, node)).collect(),
            gaps: self.gaps(observer, 0, 1_000),
        }
    }
}
