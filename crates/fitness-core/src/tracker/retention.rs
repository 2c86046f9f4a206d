//! Applies [`Retention`](crate::Retention): deletes expired peers and downsamples old logs.

use alloc::vec::Vec;

use super::Tracker;
use super::peer::Peer;
use crate::history::older_entries;
use crate::slab::Slot;
use crate::{LogSegment, NodeId, SEGMENT_ENTRIES, Timestamp, downsample};

/// The part of a peer's log that only the store has, and that the tracker will not write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLog {
    /// The peer.
    pub node_id: NodeId,
    /// The exclusive end of the segment indexes that make up this part.
    pub end_index: u32,
}

/// Logs with fewer segments than this are short enough.
const MIN_SEGMENTS: u32 = 8;

impl Tracker {
    /// Forgets the expired peers among the next `limit` peers from `cursor` on, and returns the cursor for
    /// the next call.
    ///
    /// A peer is expired if it has been untracked for longer than
    /// [`Retention::with_max_age_ns`](crate::Retention::with_max_age_ns). Pass 0 at first; the returned
    /// cursor is `None` at the end. Once a day is often enough for a whole pass.
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

    /// Returns whether something that ended at `at_ns` (in tracker time) is older than the maximum age.
    #[must_use]
    pub fn is_expired(&self, at: Timestamp, at_ns: u64) -> bool {
        self.clock.peek(at).saturating_sub(at_ns) > self.config.retention.max_age_ns()
    }

    /// Returns the long stored logs among the next `limit` peers from `cursor` on, and the cursor for the
    /// next call. Pass 0 at first; the returned cursor is `None` at the end.
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

    /// Returns the replacement for all `segments` of a stored log, with less detail where it is old and in
    /// as few segments as possible.
    ///
    /// Returns `None` if the replacement would not have fewer segments, or if the peer was forgotten.
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
