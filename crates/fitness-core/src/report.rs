//! Answers.

use alloc::vec::Vec;
use core::fmt;

use crate::window::Estimate;
use crate::{ChannelId, ImportedReport, NodeId, OutPoint, Presence, Timestamp, Totals};

/// Uptime over observed time, from 0 to 1; unknown while nothing was observed.
// A double's 53 bits are good for 104 days at the nanosecond, and for any time at 16 digits.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn availability(uptime_ns: u64, observed_ns: u64) -> Option<f64> {
    (observed_ns > 0).then(|| uptime_ns as f64 / observed_ns as f64)
}

/// A channel's fitness over its whole lifetime. Exact.
///
/// `uptime_ns <= observed_ns <= lifetime_ns`, always.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChannelReport {
    /// The channel.
    pub channel_id: ChannelId,
    /// The peer at its other end.
    pub node_id: NodeId,
    /// Where its money is, where that is known.
    pub funding: Option<OutPoint>,
    /// When we first watched it.
    #[cfg_attr(feature = "serde", serde(rename = "opened_at_ns"))]
    pub opened_at: Timestamp,
    /// Nanoseconds since then.
    pub lifetime_ns: u64,
    /// The part of the lifetime in which we knew whether the peer was online.
    pub observed_ns: u64,
    /// The part of the observed time in which it was.
    pub uptime_ns: u64,
    /// Uptime over observed time, from 0 to 1; `None` while nothing was observed.
    pub availability: Option<f64>,
    /// Whether the channel can carry payments now; `None` if the node has not reported it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable: Option<bool>,
    /// The part of the observed time in which it could, in nanoseconds. `usable_ns <= uptime_ns`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable_ns: u64,
    /// The part of the observed time in which we knew whether it could: 0 where we were never told.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable_observed_ns: u64,
}

/// The lengths of a lifetime, before they become a report.
#[derive(Clone, Copy)]
pub(crate) struct LifetimeTotals {
    pub(crate) lifetime_ns: u64,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
}

impl ChannelReport {
    pub(crate) fn new(
        channel_id: ChannelId,
        node_id: NodeId,
        funding: Option<OutPoint>,
        opened_at: Timestamp,
        totals: LifetimeTotals,
        usable: Presence,
        usable_totals: Totals,
    ) -> Self {
        let LifetimeTotals { lifetime_ns, observed_ns, uptime_ns } = totals;
        let availability = availability(uptime_ns, observed_ns);
        Self {
            channel_id,
            node_id,
            funding,
            opened_at,
            lifetime_ns,
            observed_ns,
            uptime_ns,
            availability,
            usable: usable.is_online(),
            usable_ns: usable_totals.online_ns,
            usable_observed_ns: usable_totals.observed_ns,
        }
    }

    /// Usable time over the time in which we knew, from 0 to 1; `None` where we were never told.
    #[must_use]
    pub fn usability(&self) -> Option<f64> {
        availability(self.usable_ns, self.usable_observed_ns)
    }
}

/// What we know of a peer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerReport {
    /// The peer.
    pub node_id: NodeId,
    /// Whether it is connected: `true`, `false`, or `null` where we cannot tell.
    pub presence: Presence,
    /// Since when.
    #[cfg_attr(feature = "serde", serde(rename = "presence_since_ns"))]
    pub presence_since: Timestamp,
    /// Flaps, cooled down as of the last one.
    pub flap_count: u32,
    /// When the last flap was; `None` before the first.
    #[cfg_attr(feature = "serde", serde(rename = "last_flap_ns"))]
    pub last_flap: Option<Timestamp>,
    /// Changes from online to offline: exact, never cooled down.
    pub disconnects: u32,
    /// Whether it is followed for its own sake.
    pub watched: bool,
    /// When it was let go: its last channel was closed, or it is no longer watched. `None` while it
    /// is followed.
    #[cfg_attr(feature = "serde", serde(default, rename = "untracked_at_ns"))]
    pub untracked_at: Option<Timestamp>,
    /// When we first followed it.
    #[cfg_attr(feature = "serde", serde(rename = "tracked_since_ns"))]
    pub tracked_since: Timestamp,
    /// Nanoseconds in which we knew whether it was online, since it was first followed.
    pub observed_ns: u64,
    /// The part of those in which it was online.
    pub uptime_ns: u64,
    /// Uptime over observed time, from 0 to 1; `None` while nothing was observed.
    pub availability: Option<f64>,
    /// What of these numbers another program had counted; `None` where all of it is ours.
    #[cfg_attr(feature = "serde", serde(default))]
    pub imported: Option<ImportedReport>,
    /// Its open channels, oldest first.
    pub channels: Vec<ChannelReport>,
}

/// The fitness of a peer or channel within a window of time, `[from, to)`.
///
/// Windows that meet add up. `uptime_ns <= observed_ns <= length_ns`. The true values lie within
/// the errors stated, which are 0 where the event log dropped nothing near the window's ends.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowReport {
    /// Where the window begins: no earlier than the account of the peer or channel.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// Where it ends: no later than the moment of the question.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// Nanoseconds from its beginning to its end.
    pub length_ns: u64,
    /// The part of it in which we knew whether the peer was online.
    pub observed_ns: u64,
    /// How far the true observed time may be off.
    pub observed_error_ns: u64,
    /// The part of the observed time in which the peer was online.
    pub uptime_ns: u64,
    /// How far the true uptime may be off.
    pub uptime_error_ns: u64,
    /// Uptime over observed time, from 0 to 1; `None` where nothing was observed.
    pub availability: Option<f64>,
}

impl WindowReport {
    pub(crate) fn new(
        from: Timestamp,
        to: Timestamp,
        length_ns: u64,
        online: Estimate,
        observed: Estimate,
    ) -> Self {
        Self {
            from,
            to,
            length_ns,
            observed_ns: observed.value_ns,
            observed_error_ns: observed.error_ns,
            uptime_ns: online.value_ns,
            uptime_error_ns: online.error_ns,
            availability: availability(online.value_ns, observed.value_ns),
        }
    }
}

/// What a question was about is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotFound {
    /// The peer is not tracked.
    Peer(NodeId),
    /// The channel is not open, or not with this peer.
    Channel(ChannelId),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(node_id) => write!(f, "peer {node_id} is not tracked"),
            Self::Channel(channel_id) => write!(f, "channel {channel_id} is not open"),
        }
    }
}

impl core::error::Error for NotFound {}
