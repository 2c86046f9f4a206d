//! Reports: the results of queries.

use alloc::vec::Vec;
use core::fmt;

use crate::window::Estimate;
use crate::{ChannelId, ImportedReport, NodeId, OutPoint, Presence, Timestamp, Totals};

/// Returns uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
// The 53 bits of a double are exact to the nanosecond up to 104 days, and to 16 digits beyond that.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn availability(uptime_ns: u64, observed_ns: u64) -> Option<f64> {
    (observed_ns > 0).then(|| uptime_ns as f64 / observed_ns as f64)
}

/// The uptime and usability of a channel over its whole lifetime. All values are exact.
///
/// `uptime_ns <= observed_ns <= lifetime_ns` always holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChannelReport {
    /// The channel.
    pub channel_id: ChannelId,
    /// The channel's peer.
    pub node_id: NodeId,
    /// The funding outpoint, if known.
    pub funding: Option<OutPoint>,
    /// The time at which the channel was first monitored. It may have been opened earlier.
    #[cfg_attr(feature = "serde", serde(rename = "opened_at_ns"))]
    pub opened_at: Timestamp,
    /// The time since `opened_at`, in nanoseconds.
    pub lifetime_ns: u64,
    /// The part of the lifetime during which the presence of the peer was known, in nanoseconds.
    pub observed_ns: u64,
    /// The part of the observed time during which the peer was online, in nanoseconds.
    pub uptime_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
    pub availability: Option<f64>,
    /// Whether the channel is usable at the time of the query; `None` if that is not known, because the node
    /// never reported it or the peer is unobserved.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable: Option<bool>,
    /// The part of the uptime during which the channel was usable, in nanoseconds. Never greater than
    /// `uptime_ns`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable_ns: u64,
    /// The part of the observed time for which the usability of the channel is known, in nanoseconds. It
    /// includes time during which the peer was offline. 0 if the node never reported the usability.
    #[cfg_attr(feature = "serde", serde(default))]
    pub usable_observed_ns: u64,
}

/// The durations of a channel report.
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

    /// Returns [`usable_ns`](Self::usable_ns) divided by [`usable_observed_ns`](Self::usable_observed_ns),
    /// from 0 to 1; `None` while `usable_observed_ns` is 0.
    ///
    /// The divisor includes the time during which the peer was offline, so time offline lowers this value. It
    /// is not the usable time divided by the uptime.
    #[must_use]
    pub fn usable_observed_ratio(&self) -> Option<f64> {
        availability(self.usable_ns, self.usable_observed_ns)
    }
}

/// The state and history of a peer, with its open channels.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerReport {
    /// The peer.
    pub node_id: NodeId,
    /// The presence of the peer.
    pub presence: Presence,
    /// The time at which this presence began.
    #[cfg_attr(feature = "serde", serde(rename = "presence_since_ns"))]
    pub presence_since: Timestamp,
    /// The flap count as of the last flap.
    pub flap_count: u32,
    /// The time of the last flap; `None` before the first.
    #[cfg_attr(feature = "serde", serde(rename = "last_flap_ns"))]
    pub last_flap: Option<Timestamp>,
    /// The number of disconnects. Exact; it never decays.
    pub disconnects: u32,
    /// Whether the peer is watched.
    pub watched: bool,
    /// The time at which tracking ended, because the last channel was closed or the peer was unwatched;
    /// `None` while the peer is tracked.
    #[cfg_attr(feature = "serde", serde(default, rename = "untracked_at_ns"))]
    pub untracked_at: Option<Timestamp>,
    /// The time at which the peer was first tracked.
    #[cfg_attr(feature = "serde", serde(rename = "tracked_since_ns"))]
    pub tracked_since: Timestamp,
    /// The observed time since [`PeerReport::tracked_since`], in nanoseconds.
    pub observed_ns: u64,
    /// The part of the observed time during which the peer was online, in nanoseconds.
    pub uptime_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
    pub availability: Option<f64>,
    /// The values that were imported from another program; `None` if nothing was imported. The totals and the
    /// flap count of this report include them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub imported: Option<ImportedReport>,
    /// The open channels, oldest first.
    pub channels: Vec<ChannelReport>,
}

/// The uptime of a peer, or of a channel's peer, within a window of time, `[from, to)`.
///
/// The values of adjacent windows add up. `uptime_ns <= observed_ns <= length_ns` always holds. The true
/// values differ from the reported ones by at most the error fields. These are 0 if the log dropped no
/// entries near the ends of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowReport {
    /// The start of the window, which is never before the start of the peer's or channel's history.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// The end of the window, which is never after the time of the query.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// The length of the window in nanoseconds.
    pub length_ns: u64,
    /// The part of the window during which the presence was known, in nanoseconds.
    pub observed_ns: u64,
    /// The maximum error of `observed_ns`, in nanoseconds.
    pub observed_error_ns: u64,
    /// The part of the observed time during which the peer was online, in nanoseconds.
    pub uptime_ns: u64,
    /// The maximum error of `uptime_ns`, in nanoseconds.
    pub uptime_error_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `None` while the observed time is 0.
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

/// The error returned when a peer or channel is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotFound {
    /// The tracker has no such peer: it was never tracked, or it was forgotten. With the lnd presets, also an
    /// untracked peer.
    Peer(NodeId),
    /// The channel is not open, or it belongs to another peer.
    Channel(ChannelId),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(node_id) => write!(f, "peer {node_id} not found"),
            Self::Channel(channel_id) => write!(f, "channel {channel_id} is not open with this peer"),
        }
    }
}

impl core::error::Error for NotFound {}
