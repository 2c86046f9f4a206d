//! Helpers to start a service and to send requests to its router.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use fitness_actor::{Handle, Service, TokioClock};
use fitness_core::{
    ChannelId, ChannelOpened, Event, ImportSource, Imported, NodeId, OutPoint, PeerRecord, Presence,
    Timestamp, Totals, UnsavedChanges,
};
use fitness_store::{Batch, MemoryStore, Store as _};
use fitness_web::Web;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::OBSERVER;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Start time of the clock in tests.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Response {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    Response { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(router: &Router, path: &str) -> Response {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

/// Sends a GET request to the API and returns the JSON of the successful response.
pub(crate) async fn get_json(router: &Router, path: &str) -> Value {
    let response = get(router, &format!("/api/v1/{path}")).await;
    assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.body);
    response.json()
}

/// Starts a service with an empty store and tokio's clock, which the tests pause.
pub(crate) async fn start_service() -> Service {
    start_service_with(MemoryStore::default()).await
}

/// Starts a service with the given store and tokio's clock.
pub(crate) async fn start_service_with(store: MemoryStore) -> Service {
    Service::builder(OBSERVER, Arc::new(store))
        .clock(Arc::new(TokioClock::starting_at(START)))
        .start()
        .await
        .unwrap()
}

/// Returns a router in which peer 1 has the alias `<i>one</i>`.
pub(crate) fn router(handle: Handle) -> Router {
    Web::builder(handle)
        .aliases(|node_id| (node_id.0[1] == 1).then(|| "<i>one</i>".to_owned()))
        .build()
        .router()
}

pub(crate) fn node_id(number: u8) -> NodeId {
    let mut id = [number; 33];
    id[0] = 3;
    NodeId(id)
}

/// Returns a store in which peer 7 was imported from lnd, with 1,000 s of observed time until `START`.
pub(crate) async fn store_with_import() -> MemoryStore {
    let totals = Totals { online_ns: 900 * SECOND_NS, observed_ns: 1_000 * SECOND_NS };
    let at_ns = START.as_nanos();
    let record = PeerRecord {
        node_id: node_id(7),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: at_ns - 2_000 * SECOND_NS,
        presence: Presence::Unobserved,
        presence_since_ns: at_ns,
        totals,
        flap_count: 4,
        last_flap_ns: Some(at_ns - 50 * SECOND_NS),
        disconnects: 0,
        log_end: 0,
        imported: Some(Imported { source: ImportSource::Lnd, at_ns, totals, flap_count: 4 }),
        channels: Vec::new(),
    };
    let store = MemoryStore::default();
    let changes = UnsavedChanges { peers: vec![record], ..UnsavedChanges::default() };
    store.commit(&OBSERVER, Arc::new(Batch { changes, ..Batch::default() })).await.unwrap();
    store
}

pub(crate) fn channel_opened(number: u8, online: bool) -> Event {
    let funding = OutPoint { txid: [number; 32], vout: 1 };
    Event::ChannelOpened(ChannelOpened {
        channel_id: ChannelId([number; 32]),
        node_id: node_id(number),
        funding: Some(funding),
        online: Some(online),
    })
}

pub(crate) fn peer_online(number: u8) -> Event {
    Event::PeerOnline { node_id: node_id(number) }
}

pub(crate) fn peer_offline(number: u8) -> Event {
    Event::PeerOffline { node_id: node_id(number) }
}

/// Advances the paused clock.
pub(crate) async fn advance(secs: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(secs)).await;
}
