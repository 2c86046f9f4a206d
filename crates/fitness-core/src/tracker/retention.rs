//! Applies [`Retention`](crate::Retention): forgets expired peers and downsamples old logs.

use alloc::vec::Vec;

use super::Tracker;
use super::peer::Peer;
use crate::history::older_entries;
use crate::slab::Slot;
use crate::{LogSegment, NodeId, SEGMENT_ENTRIES, Timestamp, downsample};

/// Identifies the older part of a peer's log: the stored segments that the tracker no longer has in memory
/// and will not write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLog {
    /// The peer.
    pub node_id: NodeId,
    /// The end of the range of segment indices (exclusive). The range starts at 0.
    pub end_index: u32,
}

/// Logs with fewer segments than this are not worth downsampling.
const MIN_SEGMENTS: u32 = 8;

impl Tracker {
    /// Forgets the expired peers among `limit` peers, starting at `cursor`, and returns the cursor for the
    /// next call.
    ///
    /// A peer is expired if it has been untracked for longer than
    /// [`Retention::with_max_age_ns`](crate::Retention::with_max_age_ns). Pass 0 in the first call; the
    /// returned cursor is `None` after the last peer. One full pass per day is sufficient.
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

    /// Returns whether a record that ended at `end_ns`, in tracker time, is older than the maximum age at
    /// `now`.
    ///
    /// Use it with [`GapRecord::to_ns`](crate::GapRecord::to_ns) to find stored gaps that can be deleted.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp, end_ns: u64) -> bool {
        self.clock.peek(now).saturating_sub(end_ns) > self.config.retention.max_age_ns()
    }

    /// Returns the stored logs that are long enough to be worth downsampling, among `limit` peers starting at
    /// `cursor`, and the cursor for the next call.
    ///
    /// Pass 0 in the first call; the returned cursor is `None` after the last peer. Downsample each log with
    /// [`Tracker::downsampled`].
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

    /// Downsamples a stored log: returns segments that replace `segments`. Older entries have less detail,
    /// and the entries are packed into as few segments as possible.
    ///
    /// `segments` must contain all stored segments of the peer with an index below [`StoredLog::end_index`].
    /// The caller deletes these from the store and writes the returned ones, in one atomic commit. The commit
    /// must be skipped if the peer has been deleted from the store in the meantime.
    ///
    /// Returns `None` if the replacement would not have fewer segments, or if the peer was forgotten. The
    /// store then stays unchanged.
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
