//! Short ways to ask.

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

use crate::support::OURSELVES;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// When the tests' wall clocks start.
pub(crate) const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {}", self.body))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

/// The JSON that is answered, which is to be a success.
pub(crate) async fn json(router: &Router, path: &str) -> Value {
    let answer = get(router, &format!("/api/v1/{path}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer.json()
}

/// A service on tokio's clock, which the tests pause, over an empty store.
pub(crate) async fn service() -> Service {
    service_on(MemoryStore::default()).await
}

/// The same over a store that somebody wrote to.
pub(crate) async fn service_on(store: MemoryStore) -> Service {
    Service::builder(OURSELVES, Arc::new(store))
        .clock(Arc::new(TokioClock::starting_at(EPOCH)))
        .start()
        .await
        .unwrap()
}

pub(crate) fn router(handle: Handle) -> Router {
    Web::builder(handle)
        .aliases(|node_id| (node_id.0[1] == 1).then(|| "<i>one</i>".to_owned()))
        .build()
        .router()
}

pub(crate) fn peer(number: u8) -> NodeId {
    let mut id = [number; 33];
    id[0] = 3;
    NodeId(id)
}

/// A store in which peer 7 is as `import lnd` leaves one: lnd had watched it for 1,000 seconds by `EPOCH`.
pub(crate) async fn taken_over_from_lnd() -> MemoryStore {
    let totals = Totals { online_ns: 900 * SECOND_NS, observed_ns: 1_000 * SECOND_NS };
    let at_ns = EPOCH.as_nanos();
    let record = PeerRecord {
        node_id: peer(7),
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
    store.commit(&OURSELVES, Arc::new(Batch { changes, ..Batch::default() })).await.unwrap();
    store
}

pub(crate) fn opened(number: u8, online: bool) -> Event {
    let funding = OutPoint { txid: [number; 32], vout: 1 };
    Event::ChannelOpened(ChannelOpened {
        channel_id: ChannelId([number; 32]),
        node_id: peer(number),
        funding: Some(funding),
        online: Some(online),
    })
}

pub(crate) fn online(number: u8) -> Event {
    Event::PeerOnline { node_id: peer(number) }
}

pub(crate) fn offline(number: u8) -> Event {
    Event::PeerOffline { node_id: peer(number) }
}

/// Lets time pass; the clock is paused, so nobody waits.
pub(crate) async fn pass(secs: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(secs)).await;
}
