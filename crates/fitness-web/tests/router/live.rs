//! Changes as they happen.

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

use crate::ask::*;
use crate::support::OURSELVES;

/// What comes down a stream, a piece at a time.
struct Stream(Body);

impl Stream {
    async fn open(router: &Router, query: &str) -> Self {
        let request = Request::get(format!("/api/v1/changes{query}")).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut stream = Self(response.into_body());
        assert!(stream.next().await.unwrap().starts_with("event: hello"));
        stream
    }

    async fn next(&mut self) -> Option<String> {
        let data = self.0.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    /// The next event's name and data.
    async fn event(&mut self) -> (String, Value) {
        let text = self.next().await.expect("the stream goes on");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_in_order_and_end_with_the_service() {
    let service = service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = Stream::open(&router, "").await;
    handle.record(opened(1, true));
    handle.record(offline(1));
    let told = [stream.event().await, stream.event().await, stream.event().await];
    assert!(told.iter().all(|(name, _)| name == "change"));
    let kinds: Vec<&Value> = told.iter().map(|(_, change)| &change["change"]).collect();
    assert_eq!(kinds, ["presence", "channel_opened", "presence"]);
    assert_eq!(told[2].1["online"], false);
    service.shutdown().await.unwrap();
    assert_eq!(stream.next().await, None);
}

/// A client that is told the end of a stream asks again at once.
#[tokio::test(start_paused = true)]
async fn the_stream_of_a_store_at_rest_is_silent_and_does_not_end() {
    let known = Archive::open(OURSELVES, Arc::new(MemoryStore::default())).await.unwrap();
    let web = Web::builder(known.handle()).build();
    let mut stream = Stream::open(&web.router(), "").await;
    for _ in 0..3 {
        assert_eq!(stream.next().await.as_deref(), Some(":\n\n"), "it says that it is there");
    }
    web.close_live_streams();
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn one_peer_can_be_followed() {
    let service = service().await;
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = Stream::open(&router, &format!("?node_id={}", peer(2))).await;
    handle.record(opened(1, true));
    handle.record(offline(1));
    handle.record(opened(2, false));
    let (_, change) = stream.event().await;
    assert_eq!(change["node_id"], peer(2).to_string());
    let answer = get(&router, "/api/v1/changes?node_id=2").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_told_so() {
    let service = Service::builder(OURSELVES, Arc::new(MemoryStore::default()))
        .clock(Arc::new(TokioClock::starting_at(EPOCH)))
        .subscription_capacity(4)
        .start()
        .await
        .unwrap();
    let (handle, router) = (service.handle(), router(service.handle()));
    let mut stream = Stream::open(&router, "").await;
    (1..=20).for_each(|number| handle.record(opened(number, true)));
    let (name, missed) = stream.event().await;
    assert_eq!((name.as_str(), &missed["count"]), ("missed", &36.into()), "40 changes, of which 4 were kept");
    assert_eq!(stream.event().await.0, "change");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_says_that_it_is_there() {
    let service = service().await;
    let router = router(service.handle());
    let mut stream = Stream::open(&router, "").await;
    let before = tokio::time::Instant::now();
    assert!(stream.next().await.unwrap().starts_with(':'));
    assert_eq!(before.elapsed().as_secs(), 15);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_are_few_and_can_be_ended() {
    let service = service().await;
    let web = Web::builder(service.handle()).max_live_streams(1).build();
    let router = web.router();
    let mut stream = Stream::open(&router, "").await;
    let refused = get(&router, "/api/v1/changes").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    web.close_live_streams();
    assert_eq!(stream.next().await, None);
    drop(stream);
    assert_eq!(Stream::open(&router, "").await.next().await, None);
    service.shutdown().await.unwrap();
}
