//! What happens to peers and channels, as the embedder tells it.

use alloc::vec::Vec;

use crate::{ChannelId, NodeId, OutPoint, Timestamp};

/// Something that happened, or that the node says is so.
///
/// Every event may be told more than once: what is known already changes nothing (except under
/// the lnd presets of [`TrackerConfig`](crate::TrackerConfig), which count repeats as lnd does).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// The connection to a peer is up, its handshake finished.
    PeerOnline {
        /// The peer.
        node_id: NodeId,
    },
    /// The connection to a peer is down.
    PeerOffline {
        /// The peer.
        node_id: NodeId,
    },
    /// A channel was opened, or is seen for the first time.
    ChannelOpened(ChannelOpened),
    /// A channel was closed. Closing an unknown one changes nothing.
    ChannelClosed {
        /// The channel.
        channel_id: ChannelId,
    },
    /// A splice gave a channel another funding outpoint.
    FundingChanged {
        /// The channel.
        channel_id: ChannelId,
        /// The outpoint that holds its money from now on.
        funding: OutPoint,
    },
    /// Whether a channel can carry payments, as the node says while the peer is connected (LDK's
    /// `is_usable`). While the peer is not, no channel of it is usable, and nobody needs to say so.
    ChannelUsable {
        /// The channel.
        channel_id: ChannelId,
        /// Whether it can.
        usable: bool,
    },
    /// Follow a peer although we have no channel with it.
    Watch {
        /// The peer.
        node_id: NodeId,
    },
    /// No longer follow a peer for its own sake; its channels keep it followed.
    Unwatch {
        /// The peer.
        node_id: NodeId,
    },
    /// All open channels and connected peers, as the node lists them.
    Snapshot(Snapshot),
    /// From now on we cannot tell who is online: our network or our process is out.
    ObservationPaused,
    /// We can tell again. What was told in between holds; of all other peers nothing is known
    /// until the next event or snapshot.
    ObservationResumed,
    /// We were suspended, stopped or starved since `since`, and could not tell. What was connected
    /// then may be dead: who is lost now, or within the grace, was lost by us.
    Unobserved {
        /// The last moment at which we are known to have been well.
        #[cfg_attr(feature = "serde", serde(rename = "since_ns"))]
        since: Timestamp,
    },
    /// The clock was set, or went on while we were suspended: it reads `to` at this event, and times
    /// from here on are in terms of that. The time that it is ahead by was not observed.
    ClockSet {
        /// What it reads now.
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
    /// The peer at its other end.
    pub node_id: NodeId,
    /// Where its money is, where that is known already.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether the peer is connected at this moment, where that is known. It is believed of a
    /// peer that was not followed until now; of others we know better.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub online: Option<bool>,
}

/// A channel as a node lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OpenChannel {
    /// The channel.
    pub channel_id: ChannelId,
    /// The peer at its other end.
    pub node_id: NodeId,
    /// Where its money is, where that is known already.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub funding: Option<OutPoint>,
    /// Whether it can carry payments, where that is known: see [`Event::ChannelUsable`].
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub usable: Option<bool>,
}

/// All open channels and connected peers: start-up and polling deliver this.
///
/// Where it differs from what was known, that is a change like any other, at the moment the
/// snapshot is applied; where it agrees, nothing happens. Channels and peers may be listed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// Every channel that is open. One that is missing was closed.
    pub channels: Vec<OpenChannel>,
    /// Every peer that is connected. One that is missing is offline.
    pub connected: Vec<NodeId>,
    /// When the node was asked, where events may have overtaken the answer: what changed at this
    /// moment or after it is newer than the snapshot and stays as it is.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "taken_at_ns", skip_serializing_if = "Option::is_none")
    )]
    pub taken_at: Option<Timestamp>,
}
