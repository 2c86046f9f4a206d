//! What an event changed, for whoever wants to be told.

use crate::{ChannelId, ChannelReport, Gap, GapCause, NodeId, OutPoint, Presence, Timestamp};

/// Something that is different from before.
///
/// Events that only repeat what was known make no change, under any preset.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "change", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Change {
    /// A followed peer's presence changed.
    Presence {
        /// The peer.
        node_id: NodeId,
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// Before: `true` online, `false` offline, `null` unobserved.
        previous: Presence,
        /// From now on.
        presence: Presence,
        /// The flap count, this change included.
        flap_count: u32,
    },
    /// A channel is followed from now on.
    ChannelOpened {
        /// The channel.
        channel_id: ChannelId,
        /// The peer at its other end.
        node_id: NodeId,
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
    },
    /// A channel is gone. This is its last report.
    ChannelClosed {
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// What it came to.
        report: ChannelReport,
    },
    /// A channel's money is at another outpoint.
    FundingChanged {
        /// The channel.
        channel_id: ChannelId,
        /// Where it was, where that was known.
        previous: Option<OutPoint>,
        /// Where it is.
        funding: OutPoint,
    },
    /// A peer is, or is no longer, followed for its own sake.
    Watched {
        /// The peer.
        node_id: NodeId,
        /// Whether it is.
        watched: bool,
    },
    /// A channel can, or can no longer, carry payments while its peer is online. That it cannot
    /// while its peer is not is told by the peer's presence.
    ChannelUsable {
        /// The channel.
        channel_id: ChannelId,
        /// The peer at its other end.
        node_id: NodeId,
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
        /// Whether it can.
        usable: bool,
    },
    /// From here on we cannot tell who is offline. Flaps that were counted meanwhile are taken back.
    GapBegan {
        /// Why.
        cause: GapCause,
        /// Since when: it may lie before the event that told it.
        #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
        at: Timestamp,
    },
    /// We can tell again, and could not in between.
    GapEnded(Gap),
}
