//! The events that the embedder passes to the tracker.

use alloc::vec::Vec;

use crate::{ChannelId, NodeId, OutPoint, Timestamp};

/// An input of the tracker: something that happened, or a state that the node reports.
///
/// Repeating an event has no effect. The lnd presets of [`TrackerConfig`](crate::TrackerConfig) are the
/// exception; they count repeated events as flaps, as lnd does.
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
    /// A channel was opened, or was reported for the first time.
    ChannelOpened(ChannelOpened),
    /// A channel was closed. Has no effect if the tracker has no such channel.
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
    /// Ignored while the peer is disconnected: none of its channels is usable then, so no event is required.
    ChannelUsable {
        /// The channel.
        channel_id: ChannelId,
        /// Whether the channel can carry payments.
        usable: bool,
    },
    /// The peer is watched from now on, so it is tracked even without a channel.
    Watch {
        /// The peer.
        node_id: NodeId,
    },
    /// The peer is no longer watched. It stays tracked while it has an open channel.
    Unwatch {
        /// The peer.
        node_id: NodeId,
    },
    /// A list of all open channels and connected peers.
    Snapshot(Snapshot),
    /// Observation was paused: a monitoring gap begins, and all peers become unobserved.
    ObservationPaused,
    /// Observation was resumed: the monitoring gap ends.
    ///
    /// Connections that were reported during the pause take effect now. All other peers stay unobserved until
    /// an event or snapshot reports them.
    ObservationResumed,
    /// The process did not run between `since` and this event, because it or the system was suspended, or
    /// because it stalled. This interval is a monitoring gap.
    ///
    /// A connection that was established before the gap may have been lost during the gap without notice. If
    /// the loss of such a connection is reported within the reconnect grace period after the gap, the
    /// disconnect is attributed to the gap.
    Unobserved {
        /// The last time at which the process is known to have been running normally.
        #[cfg_attr(feature = "serde", serde(rename = "since_ns"))]
        since: Timestamp,
    },
    /// The wall clock was set, or it moved on while the process was suspended. It now shows `to`.
    ///
    /// All later calls must use timestamps of the adjusted clock. If the clock moved forward, the interval
    /// that it skipped is a monitoring gap.
    ClockSet {
        /// The time that the clock shows now.
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
    /// The funding outpoint, if it is already known.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether the peer is connected at the time of this event, if known.
    ///
    /// Used only if the presence of the peer is unobserved. Otherwise the tracker's own state is more
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
    /// The funding outpoint, if it is already known.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether the channel can carry payments, if known; see [`Event::ChannelUsable`].
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub usable: Option<bool>,
}

/// A list of all open channels and connected peers.
///
/// The embedder passes a snapshot at startup, and may pass further ones when it polls the node. Differences
/// from the tracker's state are applied as changes at the time of the event. If the snapshot agrees with the
/// tracker's state, nothing changes. Channels and peers may be listed more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// All open channels. A channel that is not listed was closed.
    pub channels: Vec<OpenChannel>,
    /// All connected peers, including strangers. A peer that is not listed is offline.
    pub connected: Vec<NodeId>,
    /// The time at which the node's state was read. Set it if events may have been recorded between that time
    /// and this call.
    ///
    /// Changes that the tracker recorded at or after this time are newer than the snapshot and are not
    /// overwritten.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "taken_at_ns", skip_serializing_if = "Option::is_none")
    )]
    pub taken_at: Option<Timestamp>,
}
