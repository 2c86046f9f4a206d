//! What is persisted: plain values, which `fitness-store` turns into bytes.
//!
//! Times are nanoseconds on the tracker's line, which is the wall clock unless that stepped back.

use alloc::vec::Vec;

use crate::{ChannelId, GapCause, GapTotals, Imported, Ledger, LogEntry, NodeId, OutPoint, Presence, Totals};

/// A peer: its ledger, flaps and open channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// The peer.
    pub node_id: NodeId,
    /// Whether it is followed for its own sake.
    pub watched: bool,
    /// Whether it was online before a gap of ours, and is not back: it has a grace to be after the
    /// next start, too.
    pub in_reconnect_grace: bool,
    /// When it was first followed, with both totals at 0.
    pub tracked_since_ns: u64,
    /// What was known of it since `since_ns`.
    pub presence: Presence,
    /// Since when.
    pub presence_since_ns: u64,
    /// The totals at `since_ns`.
    pub totals: Totals,
    /// Flaps, cooled down as of the last one.
    pub flap_count: u32,
    /// When the last flap was.
    pub last_flap_ns: Option<u64>,
    /// Changes from online to offline.
    pub disconnects: u32,
    /// How many log entries were numbered so far; see [`LogSegment::first_number`].
    pub log_end: u32,
    /// What of these numbers another program had counted before we did.
    pub imported: Option<Imported>,
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
    /// What the node last said of it while the peer was online: whether it can carry payments.
    /// `None` where it never said.
    pub reported_usable: Option<bool>,
    /// The account of the time in which it was usable: `Online` stands for usable, `Offline` for
    /// not usable. It begins with the channel, with both totals at 0.
    pub usable_ledger: Ledger,
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
    pub first_number: u32,
    /// Its entries, in order of time.
    pub entries: Vec<LogEntry>,
}

impl LogSegment {
    /// Which of the peer's segments this is, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.first_number / crate::SEGMENT_ENTRIES
    }
}

/// The node that observes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObserverRecord {
    /// When the process that wrote this started to observe.
    pub started_at_ns: u64,
    /// Until when it is known to have observed.
    pub last_heartbeat_ns: u64,
    /// When the first process of all started to observe.
    pub first_started_at_ns: u64,
    /// How many processes have started to observe.
    pub starts: u32,
    /// How far the wall clock is ahead of the tracker's line, in nanoseconds, where it was found to
    /// have been set by years while we observed; 0 nearly always.
    pub clock_ahead_ns: i64,
    /// How many gaps were numbered so far; see [`GapRecord::number`].
    pub gap_count: u32,
    /// The gaps that have ended, by cause, in the order of [`GapCause::ALL`].
    pub gap_totals: [GapTotals; 4],
    /// The gap that had not ended yet: why, and since when.
    pub ongoing_gap: Option<(GapCause, u64)>,
}

/// A stretch of time in which we could not tell who was online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapRecord {
    /// Its number: gaps are numbered from 0 for the observer's whole history, and do not overlap.
    pub number: u32,
    /// Why.
    pub cause: GapCause,
    /// When it began.
    pub from_ns: u64,
    /// When it ended: not before it began.
    pub to_ns: u64,
}

/// What has to be stored to catch up with a tracker, and to be stored as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsavedChanges {
    /// Peers to delete with their whole log, before everything else here is written.
    pub forgotten_peers: Vec<NodeId>,
    /// The record of each peer that changed.
    pub peers: Vec<PeerRecord>,
    /// The segments of their logs that changed.
    pub segments: Vec<LogSegment>,
    /// The gaps that have ended.
    pub gaps: Vec<GapRecord>,
}

impl UnsavedChanges {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forgotten_peers.is_empty()
            && self.peers.is_empty()
            && self.segments.is_empty()
            && self.gaps.is_empty()
    }
}
