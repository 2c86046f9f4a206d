//! The live stream of changes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use fitness_actor::{Archive, Service, TokioClock};
use fitness_store::MemoryStore;
use fitness_web::Web;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::client::*;
use crate::support::OBSERVER;

/// The body of a stream, read frame by frame.
struct EventStream(Body);

impl EventStream {
    async fn open(router: &Router, query: &str) -> Self {
        let request = Request::get(format!("/api/v1/changes{query}")).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = Self(response.into_body());
        assert!(stream.next().await.unwrap().starts_with("event: ready"));
        stream
    }

    async fn next(&mut self) -> Option<String> {
        let data = self.0.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    /// Reads an event and returns its name and data.
    async fn event(&mut self) -> (String, Value) {
        let text = self.next().await.expect("an event");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn changes_arrive_in_order_and_the_stream_ends_with_the_service() {
    let service = start_service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = EventStream::open(&router, "").await;
    handle.record(channel_opened(1, true));
    handle.record(peer_offline(1));
    let events = [stream.event().await, stream.event().await, stream.event().await];
    assert!(events.iter().all(|(name, _)| name == "change"));
    let kinds: Vec<&Value> = events.iter().map(|(_, change)| &change["change"]).collect();
    assert_eq!(kinds, ["presence", "channel_opened", "presence"]);
    assert_eq!(events[2].1["presence"], "offline");
    service.shutdown().await.unwrap();
    assert_eq!(stream.next().await, None);
}

/// Browsers reconnect when a stream ends.
#[tokio::test(start_paused = true)]
async fn stream_of_an_archive_does_not_end() {
    let archive = Archive::open(OBSERVER, Arc::new(MemoryStore::default())).await.unwrap();
    let web = Web::builder(archive.handle()).build();
    let mut stream = EventStream::open(&web.router(), "").await;
    for _ in 0..3 {
        assert_eq!(stream.next().await.as_deref(), Some(":\n\n"), "keep-alive comment");
    }
    web.close_live_streams();
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn stream_can_be_limited_to_one_peer() {
    let service = start_service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = EventStream::open(&router, &format!("?node_id={}", node_id(2))).await;
    handle.record(channel_opened(1, true));
    handle.record(peer_offline(1));
    handle.record(channel_opened(2, false));
    let (_, change) = stream.event().await;
    assert_eq!(change["node_id"], node_id(2).to_string());
    let response = get(&router, "/api/v1/changes?node_id=2").await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_client_receives_a_lagged_event() {
    let service = Service::builder(OBSERVER, Arc::new(MemoryStore::default()))
        .clock(Arc::new(TokioClock::starting_at(START)))
        .subscription_capacity(4)
        .start()
        .await
        .unwrap();
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = EventStream::open(&router, "").await;
    (1..=20).for_each(|number| handle.record(channel_opened(number, true)));
    let (name, data) = stream.event().await;
    assert_eq!((name.as_str(), &data["skipped"]), ("lagged", &36.into()), "4 of 40 changes were kept");
    assert_eq!(stream.event().await.0, "change");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn idle_stream_sends_keep_alive_comments() {
    let service = start_service().await;
    let router = router(service.handle());
    let mut stream = EventStream::open(&router, "").await;
    let before = tokio::time::Instant::now();
    assert!(stream.next().await.unwrap().starts_with(':'));
    assert_eq!(before.elapsed().as_secs(), 15);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_are_limited_and_can_be_closed() {
    let service = start_service().await;
    let web = Web::builder(service.handle()).max_live_streams(1).build();
    let router = web.router();
    let mut stream = EventStream::open(&router, "").await;
    let refused = get(&router, "/api/v1/changes").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    web.close_live_streams();
    assert_eq!(stream.next().await, None);
    drop(stream);
    assert_eq!(EventStream::open(&router, "").await.next().await, None);
    service.shutdown().await.unwrap();
}
