//! Peers and their channels.

use fitness_core::{
    ChannelId, ChannelReport, ImportSource, ImportedReport, NodeId, OutPoint, PeerReport, Timestamp,
    WindowStats,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Presence, Window, text};

/// A peer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Peer {
    #[schema(value_type = text::NodeId)]
    node_id: NodeId,
    /// What it is called, where that is known: anything that it likes to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alias: Option<String>,
    /// Whether it is connected; `null` where we cannot tell.
    presence: Presence,
    /// Since when.
    #[schema(value_type = u64)]
    presence_since_ns: Timestamp,
    /// Changes of its connection, cooled down as of the last one.
    flap_count: u32,
    /// When that was; `null` before the first.
    #[schema(required, value_type = Option<u64>)]
    last_flap_ns: Option<Timestamp>,
    /// Changes from online to offline: exact, never cooled down.
    disconnects: u32,
    /// Whether it is followed without a channel.
    watched: bool,
    /// When it was let go: its last channel was closed, or it is no longer watched.
    #[schema(required, value_type = Option<u64>)]
    untracked_at_ns: Option<Timestamp>,
    /// When we first followed it.
    #[schema(value_type = u64)]
    tracked_since_ns: Timestamp,
    /// For how long we knew whether it was online.
    observed_ns: u64,
    /// How much of that it was.
    uptime_ns: u64,
    /// Uptime over observed time, from 0 to 1; `null` where nothing was observed.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
    /// What of these numbers another program had counted; `null` where all of it is ours.
    #[schema(required)]
    imported: Option<Imported>,
    /// How many channels are open with it.
    channel_count: usize,
    /// The window that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    window: Option<Window>,
}

impl Peer {
    pub(crate) fn new(report: &PeerReport, label: Option<String>, window: Option<WindowStats>) -> Self {
        Self {
            node_id: report.node_id,
            alias: label,
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
            window: window.map(Window::from),
        }
    }
}

/// What of a peer's numbers another program had counted: a part of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Imported {
    /// Who counted: `lnd`.
    #[schema(value_type = String)]
    source: ImportSource,
    /// Until when: what came later is ours.
    #[schema(value_type = u64)]
    at_ns: Timestamp,
    /// For how long it knew whether the peer was online.
    observed_ns: u64,
    /// How much of that it was.
    uptime_ns: u64,
    /// Flaps, cooled down as of the last one.
    flap_count: u32,
}

impl From<&ImportedReport> for Imported {
    fn from(taken: &ImportedReport) -> Self {
        Self {
            source: taken.source,
            at_ns: taken.at,
            observed_ns: taken.observed_ns,
            uptime_ns: taken.uptime_ns,
            flap_count: taken.flap_count,
        }
    }
}

/// An open channel. Its times are those of its peer, since it was opened.
#[derive(Serialize, ToSchema)]
pub(crate) struct Channel {
    #[schema(value_type = text::ChannelId)]
    channel_id: ChannelId,
    #[schema(value_type = text::NodeId)]
    node_id: NodeId,
    /// The funding outpoint; `null` where that is not known.
    #[schema(required, value_type = Option<text::OutPoint>)]
    funding: Option<OutPoint>,
    /// When we first watched it.
    #[schema(value_type = u64)]
    opened_at_ns: Timestamp,
    /// How long ago that was.
    lifetime_ns: u64,
    /// For how long we knew whether its peer was online.
    observed_ns: u64,
    /// How much of that it was.
    uptime_ns: u64,
    /// Uptime over observed time, from 0 to 1; `null` where nothing was observed.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
    /// Whether it can carry payments; `null` where we were not told.
    #[schema(required)]
    usable: Option<bool>,
    /// For how long it could.
    usable_ns: u64,
    /// For how long we knew whether it could.
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
