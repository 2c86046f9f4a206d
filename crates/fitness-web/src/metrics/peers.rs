//! Each peer's own series.

use std::fmt::Error;

use fitness_core::PeerReport;

use super::Reading;
use super::write::{In, Writer, moment, number, seconds, yes};

const LABEL: &str = "node_id";

pub(super) fn write(writer: &mut Writer<'_>, reading: &Reading) -> Result<(), Error> {
    let infos =
        reading.peers.iter().map(|peer| [(LABEL, peer.node_id.as_str()), ("alias", peer.alias.as_str())]);
    writer.infos("peer", "What a peer is called.", infos)?;

    let help = "Whether the peer is connected; no value while we cannot tell.";
    gauges(writer, reading, "peer_connected", help, In::Number, |peer| peer.presence.is_online().map(yes))?;
    let help = "Whether we can tell whether the peer is connected.";
    gauges(writer, reading, "peer_observed", help, In::Number, |peer| {
        Some(yes(peer.presence.is_online().is_some()))
    })?;
    let help = "Since when the peer is connected, is not, or cannot be told.";
    gauges(writer, reading, "peer_state_since_timestamp", help, In::Seconds, |peer| {
        Some(moment(peer.presence_since))
    })?;
    let help = "Uptime over observed time since the peer was first followed, from 0 to 1.";
    gauges(writer, reading, "peer_availability", help, In::Ratio, |peer| peer.availability)?;
    let help = "Changes of the peer's connection, cooled down as of the last one.";
    gauges(writer, reading, "peer_flaps", help, In::Number, |peer| Some(number(peer.flap_count)))?;
    let help = "Channels that are open with the peer.";
    gauges(writer, reading, "peer_channels", help, In::Number, |peer| Some(number(peer.channels.len())))?;

    let help = "Time in which we knew whether the peer was connected.";
    counters(writer, reading, "peer_observed", help, In::Seconds, |peer| seconds(peer.observed_ns))?;
    let help = "Time in which the peer was connected.";
    counters(writer, reading, "peer_uptime", help, In::Seconds, |peer| seconds(peer.uptime_ns))?;
    let help = "Changes of the peer from online to offline.";
    counters(writer, reading, "peer_disconnects", help, In::Number, |peer| number(peer.disconnects))
}

fn gauges(
    writer: &mut Writer<'_>,
    reading: &Reading,
    name: &str,
    help: &str,
    unit: In,
    value: fn(&PeerReport) -> Option<f64>,
) -> Result<(), Error> {
    let series = reading.peers.iter();
    let series = series.filter_map(|peer| Some((peer.node_id.as_str(), value(&peer.report)?)));
    writer.gauges(name, help, unit, LABEL, series)
}

fn counters(
    writer: &mut Writer<'_>,
    reading: &Reading,
    name: &str,
    help: &str,
    unit: In,
    value: fn(&PeerReport) -> f64,
) -> Result<(), Error> {
    let series = reading.peers.iter().map(|peer| (peer.node_id.as_str(), value(&peer.report)));
    writer.counters(name, help, unit, LABEL, series)
}
