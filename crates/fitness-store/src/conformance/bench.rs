//! An open store, and short ways to store and read.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use super::Harness;
use crate::{Batch, Store, StoreError};

/// Everything that an observer can see of a store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) listed: bool,
    pub(super) observer: Option<ObserverRecord>,
    pub(super) peers: Vec<PeerRecord>,
    pub(super) segments: Vec<LogSegment>,
    pub(super) gaps: Vec<GapRecord>,
}

/// A harness and its open store, with the reads and writes of the cases.
///
/// Every method panics where the store returns an error.
pub(super) struct Bench<'h, H: Harness> {
    pub(super) harness: &'h H,
    pub(super) store: H::Store,
}

impl<'h, H: Harness> Bench<'h, H> {
    pub(super) fn new(harness: &'h H) -> Self {
        Self { harness, store: harness.open() }
    }

    /// Closes the store and opens the data again.
    pub(super) fn reopen(self) -> Self {
        self.harness.close(self.store);
        Self::new(self.harness)
    }

    pub(super) fn commit(&self, observer: NodeId, batch: Batch) {
        let done = self.harness.block_on(self.store.commit(&observer, Arc::new(batch)));
        done.expect("a commit failed");
    }

    /// Begins commits on this thread in the order of the batches, each before any is waited for.
    pub(super) fn commit_all(&self, batches: impl IntoIterator<Item = (NodeId, Batch)>) {
        let batches: Vec<(NodeId, Arc<Batch>)> =
            batches.into_iter().map(|(observer, batch)| (observer, Arc::new(batch))).collect();
        // Who was made first is not to matter, nor who is polled first later on.
        let backwards = batches.iter().rev();
        let mut commits: Vec<_> =
            backwards.map(|(observer, batch)| self.store.commit(observer, Arc::clone(batch))).collect();
        self.harness.block_on(poll_fn(|context| {
            commits.reverse();
            commits.retain_mut(|commit| match commit.as_mut().poll(context) {
                Poll::Ready(done) => {
                    done.expect("a commit failed");
                    false
                }
                Poll::Pending => true,
            });
            if commits.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    /// The error of a batch that is to be refused.
    pub(super) fn refused(&self, observer: NodeId, batch: Batch) -> StoreError {
        let refused = self.harness.block_on(self.store.commit(&observer, Arc::new(batch)));
        refused.expect_err("it was stored")
    }

    pub(super) fn observers(&self) -> Vec<NodeId> {
        self.harness.block_on(self.store.observers()).expect("cannot list the observers")
    }

    pub(super) fn observer(&self, observer: NodeId) -> Option<ObserverRecord> {
        self.harness.block_on(self.store.observer(&observer)).expect("cannot read the observer")
    }

    pub(super) fn page(&self, observer: NodeId, after: Option<NodeId>, limit: usize) -> Vec<PeerRecord> {
        let page = self.harness.block_on(self.store.peers(&observer, after.as_ref(), limit));
        page.expect("cannot read a page of peers")
    }

    /// All peers, read page by page.
    pub(super) fn peers(&self, observer: NodeId, limit: usize) -> Vec<PeerRecord> {
        let mut peers: Vec<PeerRecord> = Vec::new();
        loop {
            let page = self.page(observer, peers.last().map(|peer| peer.node_id), limit);
            let last = page.len() < limit;
            peers.extend(page);
            if last {
                return peers;
            }
        }
    }

    pub(super) fn peer(&self, observer: NodeId, node_id: NodeId) -> Option<PeerRecord> {
        self.harness.block_on(self.store.peer(&observer, &node_id)).expect("cannot read a peer")
    }

    pub(super) fn segments(
        &self,
        observer: NodeId,
        node_id: NodeId,
        from: u32,
        limit: usize,
    ) -> Vec<LogSegment> {
        let segments = self.harness.block_on(self.store.segments(&observer, &node_id, from, limit));
        segments.expect("cannot read segments")
    }

    pub(super) fn log(&self, observer: NodeId, node_id: NodeId) -> Vec<LogSegment> {
        self.segments(observer, node_id, 0, 1_000)
    }

    pub(super) fn gaps(&self, observer: NodeId, from: u32, limit: usize) -> Vec<GapRecord> {
        self.harness.block_on(self.store.gaps(&observer, from, limit)).expect("cannot read the gaps")
    }

    /// What `observer` sees, with the logs of `nodes`.
    pub(super) fn sight(&self, observer: NodeId, nodes: impl IntoIterator<Item = NodeId>) -> Sight {
        Sight {
            listed: self.observers().contains(&observer),
            observer: self.observer(observer),
            peers: self.peers(observer, 7),
            segments: nodes.into_iter().flat_map(|node| self.log(observer, node)).collect(),
            gaps: self.gaps(observer, 0, 1_000),
        }
    }
}
