//! The events that the embedder delivers.

use alloc::vec::Vec;

use crate::{ChannelId, NodeId, OutPoint, Timestamp};

/// An event, or a state that the node reports.
///
/// Events may be repeated: an event that repeats what the tracker already knows changes nothing. The lnd
/// presets of [`TrackerConfig`](crate::TrackerConfig) are the exception; they count repeats as lnd does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// A peer connected and completed its handshake.
    PeerOnline {
        /// The peer.
        node_id: NodeId,
    },
    /// A peer disconnected.
    PeerOffline {
        /// The peer.
        node_id: NodeId,
    },
    /// A channel was opened, or is reported for the first time.
    ChannelOpened(ChannelOpened),
    /// A channel was closed. Has no effect if the channel is unknown.
    ChannelClosed {
        /// The channel.
        channel_id: ChannelId,
    },
    /// A splice changed the funding outpoint of a channel.
    FundingChanged {
        /// The channel.
        channel_id: ChannelId,
        /// The new funding outpoint.
        funding: OutPoint,
    },
    /// The node reports whether a channel can carry payments while its peer is connected (LDK's
    /// `is_usable`).
    ///
    /// Ignored while the peer is disconnected: none of its channels is usable then, and no event is
    /// needed to say so.
    ChannelUsable {
        /// The channel.
        channel_id: ChannelId,
        /// Whether the channel can carry payments.
        usable: bool,
    },
    /// Start watching a peer, which tracks it even without a channel.
    Watch {
        /// The peer.
        node_id: NodeId,
    },
    /// Stop watching a peer. The peer stays tracked while it has an open channel.
    Unwatch {
        /// The peer.
        node_id: NodeId,
    },
    /// A list of all open channels and connected peers.
    Snapshot(Snapshot),
    /// Observation is paused: a monitoring gap begins, and all peers become unobserved.
    ObservationPaused,
    /// Observation is resumed: the monitoring gap ends.
    ///
    /// Connections that were reported during the pause are taken into account now. All other peers stay
    /// unobserved until an event or snapshot reports them.
    ObservationResumed,
    /// The process was suspended, stopped or stalled since `since`, which is a monitoring gap that ends
    /// with this event.
    ///
    /// A connection that was up before the gap may have died during it. If such a connection is lost
    /// now or within the reconnect grace period, the disconnect is attributed to the gap.
    Unobserved {
        /// The last moment at which the process is known to have worked normally.
        #[cfg_attr(feature = "serde", serde(rename = "since_ns"))]
        since: Timestamp,
    },
    /// The wall clock was set, or continued while the process was suspended. It reads `to` at this event,
    /// and all later times refer to the new setting. The time by which the clock moved forward is a
    /// monitoring gap.
    ClockSet {
        /// The new reading of the clock.
        #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
        to: Timestamp,
    },
}

impl Event {
    pub(crate) const fn unobserved_since(&self) -> Option<Timestamp> {
        match self {
            Self::Unobserved { since } => Some(*since),
            _ => None,
        }
    }
}

/// A channel that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChannelOpened {
    /// The channel.
    pub channel_id: ChannelId,
    /// The channel's peer.
    pub node_id: NodeId,
    /// The funding outpoint, if it is known already.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether the peer is connected at this moment, if known.
    ///
    /// Used only if the presence of the peer is unobserved; otherwise the tracker's own state is more
    /// reliable.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub online: Option<bool>,
}

/// An entry of [`Snapshot::channels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OpenChannel {
    /// The channel.
    pub channel_id: ChannelId,
    /// The channel's peer.
    pub node_id: NodeId,
    /// The funding outpoint, if it is known already.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether the channel can carry payments, if known; see [`Event::ChannelUsable`].
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub usable: Option<bool>,
}

/// All open channels and connected peers, as delivered at startup and by polling.
///
/// A difference from the tracker's state is applied as a change at the time of the snapshot. Where both
/// agree, nothing happens. Channels and peers may be listed more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// All open channels. A channel that is missing was closed.
    pub channels: Vec<OpenChannel>,
    /// All connected peers. A peer that is missing is offline.
    pub connected: Vec<NodeId>,
    /// The time at which the node's state was read, if events may have happened since.
    ///
    /// Whatever changed at or after this time is newer than the snapshot and stays as it is.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "taken_at_ns", skip_serializing_if = "Option::is_none")
    )]
    pub taken_at: Option<Timestamp>,
}
