//! What keeps a history bounded for ever: letting go of peers, and thinning old logs.

use alloc::vec::Vec;

use super::Tracker;
use super::peer::Peer;
use crate::history::older_entries;
use crate::slab::Slot;
use crate::{LogSegment, NodeId, SEGMENT_ENTRIES, Timestamp, downsample};

/// A part of a peer's log that only the store has, and that the tracker is not going to write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLog {
    /// The peer.
    pub node_id: NodeId,
    /// It is made of the segments with an index below this.
    pub end_index: u32,
}

/// A log of fewer segments than this is short enough as it is.
const MIN_SEGMENTS: u32 = 8;

impl Tracker {
    /// Drops those among the next `limit` peers that were let go longer ago than
    /// [`Retention::with_max_age_ns`](crate::Retention::with_max_age_ns) says, from a place that an earlier
    /// call returned, 0 at first; and returns the place to go on from, `None` at the end.
    ///
    /// To be called through to the end now and then: a day is often enough.
    pub fn forget_expired(&mut self, at: Timestamp, cursor: usize, limit: usize) -> Option<usize> {
        let now_ns = self.clock.peek(at);
        let max_age_ns = self.config.retention.max_age_ns();
        let end = cursor.saturating_add(limit);
        let is_expired = |slot: Slot, peer: &Peer| {
            !self.is_tracked(slot) && now_ns.saturating_sub(peer.ledger.presence_since_ns()) > max_age_ns
        };
        let peers = self.registry.peers.range(cursor, end);
        let expired: Vec<NodeId> =
            peers.filter(|(slot, peer)| is_expired(*slot, peer)).map(|(_, peer)| peer.node_id).collect();
        for node_id in expired {
            self.forget(&node_id);
        }
        (end < self.registry.peers.slot_count()).then_some(end)
    }

    /// Whether something that ended at `at_ns`, in a record, is older than anything that is kept.
    #[must_use]
    pub fn is_expired(&self, at: Timestamp, at_ns: u64) -> bool {
        self.clock.peek(at).saturating_sub(at_ns) > self.config.retention.max_age_ns()
    }

    /// Which of the next `limit` peers have a long log in the store, from a place that an earlier call
    /// returned, 0 at first; and the place to go on from, `None` at the end.
    #[must_use]
    pub fn stored_logs(&self, cursor: usize, limit: usize) -> (Vec<StoredLog>, Option<usize>) {
        let end = cursor.saturating_add(limit);
        let log = |peer: &Peer| StoredLog {
            node_id: peer.node_id,
            end_index: peer.log().first_number() / SEGMENT_ENTRIES,
        };
        let logs = self.registry.peers.range(cursor, end).map(|(_, peer)| log(peer));
        let logs = logs.filter(|log| log.end_index >= MIN_SEGMENTS).collect();
        (logs, (end < self.registry.peers.slot_count()).then_some(end))
    }

    /// What to put in the place of all the `segments` of a stored log, which it has in the store: the
    /// same with less detail where it is old, in as few segments as it takes. `None` where that is
    /// no less, or the peer is gone.
    #[must_use]
    pub fn downsampled(
        &self,
        at: Timestamp,
        log: &StoredLog,
        segments: &[LogSegment],
    ) -> Option<Vec<LogSegment>> {
        let peer = self.registry.peer(&log.node_id)?;
        let entries = older_entries(&log.node_id, segments, log.end_index.saturating_mul(SEGMENT_ENTRIES));
        let kept = downsample(&entries, peer.tracked_since_ns, self.clock.peek(at), &self.config.retention);
        let packed = LogSegment::pack(log.node_id, &kept);
        (packed.len() < segments.len()).then_some(packed)
    }
}
