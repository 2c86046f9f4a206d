//! What is persisted: plain values, which `fitness-store` turns into bytes.
//!
//! Times are nanoseconds on the tracker's line, which is the wall clock unless that stepped back.

use alloc::vec::Vec;

use crate::{ChannelId, LogEntry, NodeId, OutPoint, Presence, Totals};

/// A peer: its ledger, flaps and open channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// The peer.
    pub node_id: NodeId,
    /// Whether it is followed for its own sake.
    pub watched: bool,
    /// Whether it was online before a gap of ours, and is not back: it has a grace to be after the
    /// next start, too.
    pub awaited: bool,
    /// When it was first followed, with both totals at 0.
    pub first_seen_ns: u64,
    /// What was known of it since `since_ns`.
    pub presence: Presence,
    /// Since when.
    pub since_ns: u64,
    /// The totals at `since_ns`.
    pub totals: Totals,
    /// Flaps, cooled down as of the last one.
    pub flap_count: u32,
    /// When the last flap was.
    pub last_flap_ns: Option<u64>,
    /// Changes from online to offline.
    pub disconnects: u32,
    /// How many log entries were numbered so far; see [`LogSegment::first`].
    pub log_end: u32,
    /// Its open channels, oldest first.
    pub channels: Vec<ChannelRecord>,
}

/// An open channel, as part of its peer's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    /// The channel.
    pub channel_id: ChannelId,
    /// Where its money is, where that is known.
    pub funding: Option<OutPoint>,
    /// When we first watched it.
    pub opened_at_ns: u64,
    /// The peer's totals at that moment.
    pub opened_totals: Totals,
}

/// A run of a peer's log entries: at most [`SEGMENT_ENTRIES`](crate::SEGMENT_ENTRIES).
///
/// A segment is named by its peer and [`LogSegment::index`]. The last one of a peer is stored
/// again as it grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSegment {
    /// The peer.
    pub node_id: NodeId,
    /// The number of its first entry.
    pub first: u32,
    /// Its entries, in order of time.
    pub entries: Vec<LogEntry>,
}

impl LogSegment {
    /// Which of the peer's segments this is, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.first / crate::SEGMENT_ENTRIES
    }
}

/// The node that observes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObserverRecord {
    /// When the process that wrote this started to observe.
    pub started_at_ns: u64,
    /// Until when it is known to have observed.
    pub heartbeat_ns: u64,
}

/// What has to be stored to catch up with a tracker, and to be stored as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The record of each peer that changed.
    pub peers: Vec<PeerRecord>,
    /// The segments of their logs that changed.
    pub segments: Vec<LogSegment>,
}

impl Changes {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.segments.is_empty()
    }
}
