//! The values that the embedder stores. The crate `fitness-store` encodes them.
//!
//! All times are in tracker time, in nanoseconds.

use alloc::vec::Vec;

use crate::{ChannelId, GapCause, GapTotals, Imported, Ledger, LogEntry, NodeId, OutPoint, Presence, Totals};

/// The record of a peer: its ledger, flaps and open channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// The peer.
    pub node_id: NodeId,
    /// Whether the peer is watched.
    pub watched: bool,
    /// Whether the peer was online before a monitoring gap and has not reconnected. If so, it gets a
    /// reconnect grace period after the next start.
    pub in_reconnect_grace: bool,
    /// The time at which the peer was first tracked, when both totals were 0.
    pub tracked_since_ns: u64,
    /// The presence since `presence_since_ns`.
    pub presence: Presence,
    /// The time of the last presence change.
    pub presence_since_ns: u64,
    /// The totals at `presence_since_ns`.
    pub totals: Totals,
    /// The flap count as of the last flap.
    pub flap_count: u32,
    /// The time of the last flap.
    pub last_flap_ns: Option<u64>,
    /// The number of disconnects.
    pub disconnects: u32,
    /// The number after that of the last log entry; see [`LogSegment::first_number`]. The next process
    /// continues with the first number of a new segment.
    pub log_end: u32,
    /// The values that were imported from another program; `None` if nothing was imported. The totals and the
    /// flap count of this record include them.
    pub imported: Option<Imported>,
    /// The open channels, oldest first.
    pub channels: Vec<ChannelRecord>,
}

/// The record of an open channel, as a part of its peer's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    /// The channel.
    pub channel_id: ChannelId,
    /// The funding outpoint, if known.
    pub funding: Option<OutPoint>,
    /// The time at which the channel was first monitored.
    pub opened_at_ns: u64,
    /// The peer's totals at `opened_at_ns`.
    pub opened_totals: Totals,
    /// Whether the channel can carry payments, as the node last reported while the peer was online; `None`
    /// if the node never reported it.
    pub reported_usable: Option<bool>,
    /// The ledger of the time during which the channel was usable. It reuses [`Ledger`]: `Online` means
    /// usable, `Offline` means not usable, and `Unobserved` means not known. It starts at `opened_at_ns`,
    /// with both totals at 0.
    pub usable_ledger: Ledger,
}

/// A run of a peer's log entries, at most [`SEGMENT_ENTRIES`](crate::SEGMENT_ENTRIES).
///
/// A segment is identified by its peer and its [index](LogSegment::index). The last segment of a peer is
/// stored again as it grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSegment {
    /// The peer.
    pub node_id: NodeId,
    /// The number of the first entry. The other entries have the numbers that follow.
    pub first_number: u32,
    /// The entries, in chronological order.
    pub entries: Vec<LogEntry>,
}

impl LogSegment {
    /// Returns the index of this segment among the peer's segments, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.first_number / crate::SEGMENT_ENTRIES
    }
}

/// The record of the observer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObserverRecord {
    /// The time at which the process that wrote this record started.
    pub started_at_ns: u64,
    /// The last time at which the process is known to have been monitoring.
    pub last_heartbeat_ns: u64,
    /// The time at which the observer's first process started.
    pub first_started_at_ns: u64,
    /// The number of times that monitoring has started.
    pub starts: u32,
    /// The correction from tracker time to a correct wall clock, in nanoseconds. Nonzero only if the clock
    /// was found to have been more than ten years slow while times were recorded. A step back of the clock
    /// does not change it.
    pub clock_ahead_ns: i64,
    /// The number of gaps that have ended; see [`GapRecord::number`].
    pub gap_count: u32,
    /// The totals of the gaps that have ended, by cause, in the order of [`GapCause::ALL`].
    pub gap_totals: [GapTotals; 4],
    /// The cause and the start of the ongoing gap, if there is one.
    pub ongoing_gap: Option<(GapCause, u64)>,
}

/// The record of a monitoring gap that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapRecord {
    /// The number of the gap. Gaps are numbered from 0 over the observer's whole history, and do not overlap.
    pub number: u32,
    /// The cause.
    pub cause: GapCause,
    /// The time at which the gap began.
    pub from_ns: u64,
    /// The time at which the gap ended, which is never before `from_ns`.
    pub to_ns: u64,
}

/// The changes that must be stored in one atomic commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsavedChanges {
    /// Peers to delete, each with its whole log, before the rest of this value is written.
    pub forgotten_peers: Vec<NodeId>,
    /// The records of the peers that changed.
    pub peers: Vec<PeerRecord>,
    /// The log segments that changed.
    pub segments: Vec<LogSegment>,
    /// The gaps that have ended.
    pub gaps: Vec<GapRecord>,
}

impl UnsavedChanges {
    /// Returns whether there are no changes to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forgotten_peers.is_empty()
            && self.peers.is_empty()
            && self.segments.is_empty()
            && self.gaps.is_empty()
    }
}
