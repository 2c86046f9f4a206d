//! Series for each peer.

use std::fmt::Error;

use fitness_core::PeerReport;

use super::Snapshot;
use super::write::{MetricUnit, Writer, bool_value, count, seconds, timestamp};

const NODE_ID: &str = "node_id";

pub(super) fn write(writer: &mut Writer<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let infos =
        snapshot.peers.iter().map(|peer| [(NODE_ID, peer.node_id.as_str()), ("alias", peer.alias.as_str())]);
    writer.infos("peer", "Alias of the peer.", infos)?;

    let help = "Whether the peer is online; no value while it is unobserved.";
    gauges(writer, snapshot, "peer_online", help, MetricUnit::None, |peer| {
        peer.presence.is_online().map(bool_value)
    })?;
    let help = "Whether the presence of the peer is known.";
    gauges(writer, snapshot, "peer_observed", help, MetricUnit::None, |peer| {
        Some(bool_value(peer.presence.is_online().is_some()))
    })?;
    let help = "When the presence of the peer last changed.";
    gauges(writer, snapshot, "peer_presence_since_timestamp", help, MetricUnit::Seconds, |peer| {
        Some(timestamp(peer.presence_since))
    })?;
    let help = "Uptime divided by observed time since the peer was first tracked, from 0 to 1.";
    gauges(writer, snapshot, "peer_availability", help, MetricUnit::Ratio, |peer| peer.availability)?;
    let help = "Flap count of the peer, which decays over time, as of its last flap.";
    gauges(writer, snapshot, "peer_flaps", help, MetricUnit::None, |peer| Some(count(peer.flap_count)))?;
    let help = "Open channels with the peer.";
    gauges(writer, snapshot, "peer_channels", help, MetricUnit::None, |peer| {
        Some(count(peer.channels.len()))
    })?;

    let help = "Time during which the presence of the peer was known.";
    counters(writer, snapshot, "peer_observed", help, MetricUnit::Seconds, |peer| seconds(peer.observed_ns))?;
    let help = "Time during which the peer was online.";
    counters(writer, snapshot, "peer_uptime", help, MetricUnit::Seconds, |peer| seconds(peer.uptime_ns))?;
    let help = "Observed online-to-offline transitions of the peer.";
    counters(writer, snapshot, "peer_disconnects", help, MetricUnit::None, |peer| count(peer.disconnects))
}

fn gauges(
    writer: &mut Writer<'_>,
    snapshot: &Snapshot,
    name: &str,
    help: &str,
    unit: MetricUnit,
    value: fn(&PeerReport) -> Option<f64>,
) -> Result<(), Error> {
    let series = snapshot.peers.iter();
    let series = series.filter_map(|peer| Some((peer.node_id.as_str(), value(&peer.report)?)));
    writer.gauges(name, help, unit, NODE_ID, series)
}

fn counters(
    writer: &mut Writer<'_>,
    snapshot: &Snapshot,
    name: &str,
    help: &str,
    unit: MetricUnit,
    value: fn(&PeerReport) -> f64,
) -> Result<(), Error> {
    let series = snapshot.peers.iter().map(|peer| (peer.node_id.as_str(), value(&peer.report)));
    writer.counters(name, help, unit, NODE_ID, series)
}
