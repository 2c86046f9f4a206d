//! The reference model: a list of all operations. Reads search the whole list.
//!
//! The model never indexes, sorts or discards an operation when it is recorded. It therefore shares no
//! technique, and no mistake, with the stores that it checks.

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use crate::Batch;

/// All writes and deletions of all observers, in order.
#[derive(Default)]
pub(super) struct ReferenceModel(Vec<(NodeId, Operation)>);

enum Operation {
    WritePeer(PeerRecord),
    WriteSegment(LogSegment),
    WriteGap(GapRecord),
    WriteObserver(ObserverRecord),
    ForgetPeer(NodeId),
    DeleteSegments { node_id: NodeId, below: u32 },
    DeleteGaps { before: u32 },
}

impl ReferenceModel {
    /// Records the operations of a batch in the order that [`Batch`] documents.
    pub(super) fn commit(&mut self, observer: NodeId, batch: &Batch) {
        let changes = &batch.changes;
        for node_id in &changes.forgotten_peers {
            self.0.push((observer, Operation::ForgetPeer(*node_id)));
        }
        for peer in &changes.peers {
            self.0.push((observer, Operation::WritePeer(peer.clone())));
        }
        for replacement in &batch.replacements {
            if self.peer(observer, replacement.node_id).is_some() {
                let (node_id, below) = (replacement.node_id, replacement.below_index);
                self.0.push((observer, Operation::DeleteSegments { node_id, below }));
                for segment in &replacement.segments {
                    self.0.push((observer, Operation::WriteSegment(segment.clone())));
                }
            }
        }
        for segment in &changes.segments {
            self.0.push((observer, Operation::WriteSegment(segment.clone())));
        }
        for gap in &changes.gaps {
            self.0.push((observer, Operation::WriteGap(*gap)));
        }
        if let Some(before) = batch.prune_gaps_before {
            self.0.push((observer, Operation::DeleteGaps { before }));
        }
        if let Some(record) = batch.observer {
            self.0.push((observer, Operation::WriteObserver(record)));
        }
    }

    /// Returns what `select` picks from the writes of `observer` that no later operation undid.
    fn current<'a, T>(&'a self, observer: NodeId, select: impl Fn(&'a Operation) -> Option<T>) -> Vec<T> {
        let mut current = Vec::new();
        for (at, (_, operation)) in self.0.iter().enumerate().filter(|(_, (by, _))| *by == observer) {
            let mut later = self.0[at + 1..].iter().filter(|(by, _)| *by == observer);
            if let Some(selected) = select(operation) {
                if !later.any(|(_, later)| later.undoes(operation)) {
                    current.push(selected);
                }
            }
        }
        current
    }

    pub(super) fn observers(&self) -> Vec<NodeId> {
        let writes = self.0.iter().filter(|(_, operation)| matches!(operation, Operation::WriteObserver(_)));
        let mut observers: Vec<NodeId> = writes.map(|(observer, _)| *observer).collect();
        observers.sort_unstable();
        observers.dedup();
        observers
    }

    pub(super) fn observer(&self, observer: NodeId) -> Option<ObserverRecord> {
        let records = self.current(observer, |operation| match operation {
            Operation::WriteObserver(record) => Some(*record),
            _ => None,
        });
        records.first().copied()
    }

    pub(super) fn peer(&self, observer: NodeId, node_id: NodeId) -> Option<PeerRecord> {
        let records = self.current(observer, |operation| match operation {
            Operation::WritePeer(peer) if peer.node_id == node_id => Some(peer),
            _ => None,
        });
        records.first().copied().cloned()
    }

    pub(super) fn peers(&self, observer: NodeId, after: Option<NodeId>, limit: usize) -> Vec<PeerRecord> {
        let mut peers = self.current(observer, |operation| match operation {
            Operation::WritePeer(peer) if after.is_none_or(|after| peer.node_id > after) => Some(peer),
            _ => None,
        });
        peers.sort_by_key(|peer| peer.node_id);
        peers.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn segments(
        &self,
        observer: NodeId,
        node_id: NodeId,
        from: u32,
        limit: usize,
    ) -> Vec<LogSegment> {
        let mut segments = self.current(observer, |operation| match operation {
            Operation::WriteSegment(segment) if segment.node_id == node_id => Some(segment),
            _ => None,
        });
        segments.retain(|segment| segment.index() >= from);
        segments.sort_by_key(|segment| segment.index());
        segments.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn gaps(&self, observer: NodeId, from: u32, limit: usize) -> Vec<GapRecord> {
        let mut gaps = self.current(observer, |operation| match operation {
            Operation::WriteGap(gap) if gap.number >= from => Some(*gap),
            _ => None,
        });
        gaps.sort_by_key(|gap| gap.number);
        gaps.truncate(limit);
        gaps
    }
}

impl Operation {
    /// Returns whether this operation overwrites or deletes what `earlier` wrote.
    fn undoes(&self, earlier: &Self) -> bool {
        match (earlier, self) {
            (Self::WritePeer(old), Self::WritePeer(new)) => old.node_id == new.node_id,
            (Self::WritePeer(old), Self::ForgetPeer(node_id)) => old.node_id == *node_id,
            (Self::WriteSegment(old), Self::WriteSegment(new)) => {
                (old.node_id, old.index()) == (new.node_id, new.index())
            }
            (Self::WriteSegment(old), Self::ForgetPeer(node_id)) => old.node_id == *node_id,
            (Self::WriteSegment(old), Self::DeleteSegments { node_id, below }) => {
                old.node_id == *node_id && old.index() < *below
            }
            (Self::WriteGap(old), Self::WriteGap(new)) => old.number == new.number,
            (Self::WriteGap(old), Self::DeleteGaps { before }) => old.number < *before,
            (Self::WriteObserver(_), Self::WriteObserver(_)) => true,
            _ => false,
        }
    }
}
