//! The changes that an event causes.

use crate::{ChannelId, ChannelReport, Gap, GapCause, NodeId, OutPoint, Presence, Timestamp};

/// A change of the tracker's state.
///
/// [`Tracker::apply_with`](crate::Tracker::apply_with) passes changes to its callback.
///
/// An event that repeats a known state causes no `Change`. (With the lnd presets it still increments the flap
/// count.)
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "change", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Change {
    /// The presence of a tracked peer changed.
    Presence {
        /// The peer.
        node_id: NodeId,
        /// The time of the change.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// The presence before the change.
        previous: Presence,
        /// The presence after the change.
        presence: Presence,
        /// The flap count, including this change.
        flap_count: u32,
    },
    /// A channel was opened, or was reported for the first time.
    ChannelOpened {
        /// The channel.
        channel_id: ChannelId,
        /// The channel's peer.
        node_id: NodeId,
        /// The time of the event.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
    },
    /// A channel was closed.
    ChannelClosed {
        /// The time of the event.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// The report of the channel at the time of closing.
        report: ChannelReport,
    },
    /// The funding outpoint of a channel changed.
    FundingChanged {
        /// The channel.
        channel_id: ChannelId,
        /// The previous outpoint, if it was known.
        previous: Option<OutPoint>,
        /// The new outpoint.
        funding: OutPoint,
    },
    /// A peer is now watched, or is no longer watched.
    Watched {
        /// The peer.
        node_id: NodeId,
        /// Whether the peer is watched now.
        watched: bool,
    },
    /// The node reported that a channel can, or can no longer, carry payments while its peer is online.
    ///
    /// This change is not sent when the peer disconnects or reconnects; [`Change::Presence`] is sent instead.
    /// A channel is not usable while its peer is offline. When the peer is online again, the last report
    /// about the channel applies again.
    ChannelUsable {
        /// The channel.
        channel_id: ChannelId,
        /// The channel's peer.
        node_id: NodeId,
        /// The time of the event.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// Whether the channel can carry payments.
        usable: bool,
    },
    /// A monitoring gap began.
    ///
    /// Disconnects that are now attributed to the gap have been reverted. For each affected peer, a
    /// [`Change::Presence`] from offline to unobserved was sent before this change, with the restored flap
    /// count and the time of the disconnect.
    GapBegan {
        /// The cause.
        cause: GapCause,
        /// The time at which the gap began. It may be earlier than the event that revealed the gap.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
    },
    /// A monitoring gap ended.
    ///
    /// A gap that was detected only after it had ended is reported by this change alone, without
    /// [`Change::GapBegan`].
    GapEnded(Gap),
}
