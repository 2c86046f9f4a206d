//! `/metrics`: what Prometheus reads, in OpenMetrics, by its conventions for names and units.
//!
//! No label changes with a peer's state, and no series comes and goes with it but for one: whether a peer is
//! connected has no value while we cannot tell.

mod peers;
mod service;
mod write;

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fitness_actor::Health;
use fitness_core::{NodeId, PeerReport};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::write::Writer;
use crate::listing::Counts;
use crate::state::{Shared, State};

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn router() -> Router<State> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(Extract(state): Extract<State>) -> Response {
    let mut registry = Registry::with_prefix("ldk_fitness");
    registry.register_collector(Box::new(Reading::of(&state)));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, KIND)], body).into_response(),
        // Writing to a string cannot fail.
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

/// All that is told, as of one moment.
#[derive(Debug)]
struct Reading {
    health: Health,
    counts: Counts,
    channels_usable: u64,
    /// How many peers have no series of their own.
    left_out: usize,
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    node_id: String,
    alias: String,
    report: PeerReport,
}

impl Reading {
    fn of(state: &Shared) -> Self {
        let mut peers = state.handle.peers();
        let counts = Counts::of(&peers);
        let channels = peers.iter().flat_map(|peer| &peer.channels);
        let channels_usable = channels.filter(|channel| channel.usable == Some(true)).count() as u64;
        // Whoever has series keeps them, whatever becomes of it and of others.
        peers.sort_unstable_by_key(|peer| (peer.tracked_since, peer.node_id));
        let left_out = peers.len().saturating_sub(state.max_metrics_peers);
        peers.truncate(state.max_metrics_peers);
        let alias = |node_id: &NodeId| state.name(node_id).unwrap_or_default();
        let peers = peers.into_iter().map(|report| Peer {
            node_id: report.node_id.to_string(),
            alias: alias(&report.node_id),
            report,
        });
        Self { health: state.handle.health(), counts, channels_usable, left_out, peers: peers.collect() }
    }
}

impl Collector for Reading {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut writer = Writer::new(encoder);
        service::write(&mut writer, self)?;
        peers::write(&mut writer, self)
    }
}
