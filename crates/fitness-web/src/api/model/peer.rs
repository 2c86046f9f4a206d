//! Peers and their channels.

use fitness_core::{
    ChannelId, ChannelReport, ImportSource, ImportedReport, NodeId, OutPoint, PeerReport, Timestamp,
    WindowStats as CoreWindowStats,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Presence, WindowStats, schema};

/// A peer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Peer {
    #[schema(value_type = schema::NodeId)]
    node_id: NodeId,
    /// Alias of the peer, if known. Peers choose their own aliases: treat it as untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alias: Option<String>,
    /// Current presence.
    presence: Presence,
    /// When the presence last changed.
    #[schema(value_type = u64)]
    presence_since_ns: Timestamp,
    /// Flap count as lnd defines it: connection changes up and down, decaying while there are none; as of the
    /// last flap.
    flap_count: u32,
    /// Time of the last flap; `null` before the first one.
    #[schema(required, value_type = Option<u64>)]
    last_flap_ns: Option<Timestamp>,
    /// Observed online-to-offline transitions; exact, does not decay.
    disconnects: u32,
    /// Whether the peer is watched: tracked even without a channel.
    watched: bool,
    /// When the peer stopped being tracked, because its last channel was closed or it was unwatched; `null`
    /// while it is tracked.
    #[schema(required, value_type = Option<u64>)]
    untracked_at_ns: Option<Timestamp>,
    /// When the peer was first tracked.
    #[schema(value_type = u64)]
    tracked_since_ns: Timestamp,
    /// Time during which the peer's presence was known.
    observed_ns: u64,
    /// Part of the observed time during which the peer was online.
    uptime_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `null` while the observed time is 0.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
    /// The part of these totals that was imported from another program; `null` if none was.
    #[schema(required)]
    imported: Option<Imported>,
    /// Number of open channels with the peer.
    channel_count: usize,
    /// Statistics for the requested window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    window: Option<WindowStats>,
}

impl Peer {
    pub(crate) fn new(report: &PeerReport, alias: Option<String>, window: Option<CoreWindowStats>) -> Self {
        Self {
            node_id: report.node_id,
            alias,
            presence: report.presence.into(),
            presence_since_ns: report.presence_since,
            flap_count: report.flap_count,
            last_flap_ns: report.last_flap,
            disconnects: report.disconnects,
            watched: report.watched,
            untracked_at_ns: report.untracked_at,
            tracked_since_ns: report.tracked_since,
            observed_ns: report.observed_ns,
            uptime_ns: report.uptime_ns,
            availability: report.availability,
            imported: report.imported.as_ref().map(Imported::from),
            channel_count: report.channels.len(),
            window: window.map(WindowStats::from),
        }
    }
}

/// The part of a peer's totals that was imported from another program. The totals include it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Imported {
    /// The program: `lnd`.
    #[schema(value_type = String)]
    source: ImportSource,
    /// End of the imported period.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// Imported observed time.
    observed_ns: u64,
    /// Imported uptime.
    uptime_ns: u64,
    /// Imported flap count, as of the last flap.
    flap_count: u32,
}

impl From<&ImportedReport> for Imported {
    fn from(imported: &ImportedReport) -> Self {
        Self {
            source: imported.source,
            at_ns: imported.at,
            observed_ns: imported.observed_ns,
            uptime_ns: imported.uptime_ns,
            flap_count: imported.flap_count,
        }
    }
}

/// An open channel. Observed time and uptime are those of its peer since the channel was first tracked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Channel {
    #[schema(value_type = schema::ChannelId)]
    channel_id: ChannelId,
    #[schema(value_type = schema::NodeId)]
    node_id: NodeId,
    /// Funding outpoint; `null` if it is not known.
    #[schema(required, value_type = Option<schema::OutPoint>)]
    funding: Option<OutPoint>,
    /// When the channel was first tracked.
    #[schema(value_type = u64)]
    opened_at_ns: Timestamp,
    /// Time since the channel was first tracked.
    lifetime_ns: u64,
    /// Time during which the peer's presence was known.
    observed_ns: u64,
    /// Part of the observed time during which the peer was online.
    uptime_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `null` while the observed time is 0.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
    /// Whether the channel is usable for payments; `null` if that is not known.
    #[schema(required)]
    usable: Option<bool>,
    /// Time during which the channel was usable.
    usable_ns: u64,
    /// Time during which it was known whether the channel is usable.
    usable_observed_ns: u64,
}

impl From<&ChannelReport> for Channel {
    fn from(report: &ChannelReport) -> Self {
        Self {
            channel_id: report.channel_id,
            node_id: report.node_id,
            funding: report.funding,
            opened_at_ns: report.opened_at,
            lifetime_ns: report.lifetime_ns,
            observed_ns: report.observed_ns,
            uptime_ns: report.uptime_ns,
            availability: report.availability,
            usable: report.usable,
            usable_ns: report.usable_ns,
            usable_observed_ns: report.usable_observed_ns,
        }
    }
}
