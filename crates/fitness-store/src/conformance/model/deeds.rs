//! The model: all that was ever done. What is stored is found by looking through it.
//!
//! Nothing is looked up, sorted into place or thrown away here, so that it shares no idea with any
//! store that it is to judge.

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use crate::Batch;

/// Everything that was written and deleted, of all observers, in order.
#[derive(Default)]
pub(super) struct Deeds(Vec<(NodeId, Deed)>);

enum Deed {
    WrotePeer(PeerRecord),
    WroteSegment(LogSegment),
    WroteGap(GapRecord),
    WroteObserver(ObserverRecord),
    Forgot(NodeId),
    DeletedLog { node_id: NodeId, below: u32 },
    DeletedGaps { before: u32 },
}

impl Deeds {
    /// What the documentation of [`Batch`] says is done, in its order.
    pub(super) fn commit(&mut self, who: NodeId, batch: &Batch) {
        let changes = &batch.changes;
        for node_id in &changes.forgotten_peers {
            self.0.push((who, Deed::Forgot(*node_id)));
        }
        for peer in &changes.peers {
            self.0.push((who, Deed::WrotePeer(peer.clone())));
        }
        for replacement in &batch.replacements {
            if self.peer(who, replacement.node_id).is_some() {
                let (node_id, below) = (replacement.node_id, replacement.below_index);
                self.0.push((who, Deed::DeletedLog { node_id, below }));
                for segment in &replacement.segments {
                    self.0.push((who, Deed::WroteSegment(segment.clone())));
                }
            }
        }
        for segment in &changes.segments {
            self.0.push((who, Deed::WroteSegment(segment.clone())));
        }
        for gap in &changes.gaps {
            self.0.push((who, Deed::WroteGap(*gap)));
        }
        if let Some(before) = batch.prune_gaps_before {
            self.0.push((who, Deed::DeletedGaps { before }));
        }
        if let Some(record) = batch.observer {
            self.0.push((who, Deed::WroteObserver(record)));
        }
    }

    /// What `pick` finds in what `who` wrote, and no later deed ended.
    fn standing<'a, T>(&'a self, who: NodeId, pick: impl Fn(&'a Deed) -> Option<T>) -> Vec<T> {
        let mut standing = Vec::new();
        for (at, (_, deed)) in self.0.iter().enumerate().filter(|(_, (by, _))| *by == who) {
            let mut later = self.0[at + 1..].iter().filter(|(by, _)| *by == who);
            if let Some(found) = pick(deed) {
                if !later.any(|(_, later)| later.ends(deed)) {
                    standing.push(found);
                }
            }
        }
        standing
    }

    pub(super) fn observers(&self) -> Vec<NodeId> {
        let wrote = self.0.iter().filter(|(_, deed)| matches!(deed, Deed::WroteObserver(_)));
        let mut who: Vec<NodeId> = wrote.map(|(who, _)| *who).collect();
        who.sort_unstable();
        who.dedup();
        who
    }

    pub(super) fn observer(&self, who: NodeId) -> Option<ObserverRecord> {
        let records = self.standing(who, |deed| match deed {
            Deed::WroteObserver(record) => Some(*record),
            _ => None,
        });
        records.first().copied()
    }

    pub(super) fn peer(&self, who: NodeId, node_id: NodeId) -> Option<PeerRecord> {
        let records = self.standing(who, |deed| match deed {
            Deed::WrotePeer(peer) if peer.node_id == node_id => Some(peer),
            _ => None,
        });
        records.first().copied().cloned()
    }

    pub(super) fn peers(&self, who: NodeId, after: Option<NodeId>, limit: usize) -> Vec<PeerRecord> {
        let mut peers = self.standing(who, |deed| match deed {
            Deed::WrotePeer(peer) if after.is_none_or(|after| peer.node_id > after) => Some(peer),
            _ => None,
        });
        peers.sort_by_key(|peer| peer.node_id);
        peers.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn segments(&self, who: NodeId, node_id: NodeId, from: u32, limit: usize) -> Vec<LogSegment> {
        let mut segments = self.standing(who, |deed| match deed {
            Deed::WroteSegment(segment) if segment.node_id == node_id => Some(segment),
            _ => None,
        });
        segments.retain(|segment| segment.index() >= from);
        segments.sort_by_key(|segment| segment.index());
        segments.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn gaps(&self, who: NodeId, from: u32, limit: usize) -> Vec<GapRecord> {
        let mut gaps = self.standing(who, |deed| match deed {
            Deed::WroteGap(gap) if gap.number >= from => Some(*gap),
            _ => None,
        });
        gaps.sort_by_key(|gap| gap.number);
        gaps.truncate(limit);
        gaps
    }
}

impl Deed {
    /// Whether what `earlier` wrote is gone with this.
    fn ends(&self, earlier: &Self) -> bool {
        match (earlier, self) {
            (Self::WrotePeer(old), Self::WrotePeer(new)) => old.node_id == new.node_id,
            (Self::WrotePeer(old), Self::Forgot(node_id)) => old.node_id == *node_id,
            (Self::WroteSegment(old), Self::WroteSegment(new)) => {
                (old.node_id, old.index()) == (new.node_id, new.index())
            }
            (Self::WroteSegment(old), Self::Forgot(node_id)) => old.node_id == *node_id,
            (Self::WroteSegment(old), Self::DeletedLog { node_id, below }) => {
                old.node_id == *node_id && old.index() < *below
            }
            (Self::WroteGap(old), Self::WroteGap(new)) => old.number == new.number,
            (Self::WroteGap(old), Self::DeletedGaps { before }) => old.number < *before,
            (Self::WroteObserver(_), Self::WroteObserver(_)) => true,
            _ => false,
        }
    }
}
