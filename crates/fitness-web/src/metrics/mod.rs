//! `/metrics` in the OpenMetrics format, with names and units by Prometheus conventions.
//!
//! Labels never depend on a peer's state. The set of series does not either, with one exception:
//! `peer_online` has no value while the peer is unobserved.

mod peers;
mod service;
mod write;

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fitness_actor::Health;
use fitness_core::PeerReport;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::write::Writer;
use crate::listing::PresenceCounts;
use crate::state::{Shared, State};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn router() -> Router<State> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(Extract(state): Extract<State>) -> Response {
    let mut registry = Registry::with_prefix("ldk_fitness");
    registry.register_collector(Box::new(Snapshot::take(&state)));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
        // Unreachable in practice: writing to a string cannot fail.
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

/// All exported values, as of one moment.
#[derive(Debug)]
struct Snapshot {
    health: Health,
    counts: PresenceCounts,
    usable_channels: u64,
    /// Number of peers without their own series.
    peers_without_series: usize,
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    node_id: String,
    alias: String,
    report: PeerReport,
}

impl Snapshot {
    fn take(state: &Shared) -> Self {
        let mut peers = state.handle.peers();
        let counts = PresenceCounts::of(&peers);
        let channels = peers.iter().flat_map(|peer| &peer.channels);
        let usable_channels = channels.filter(|channel| channel.usable == Some(true)).count() as u64;
        // Peers that have been tracked longest come first, so that a peer never loses its series to another.
        peers.sort_unstable_by_key(|peer| (peer.tracked_since, peer.node_id));
        let peers_without_series = peers.len().saturating_sub(state.max_metrics_peers);
        peers.truncate(state.max_metrics_peers);
        let peers = peers.into_iter().map(|report| Peer {
            node_id: report.node_id.to_string(),
            alias: state.alias(&report.node_id).unwrap_or_default(),
            report,
        });
        let health = state.handle.health();
        Self { health, counts, usable_channels, peers_without_series, peers: peers.collect() }
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut writer = Writer::new(encoder);
        service::write(&mut writer, self)?;
        peers::write(&mut writer, self)
    }
}
