//! Delivery to a real HTTP server, with signatures verified by the library of Standard Webhooks.
#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use fitness_actor::Service;
use fitness_advice::{Alert, AlertRules};
use fitness_core::{ChannelId, ChannelOpened, Event, NodeId, Timestamp};
use fitness_store::MemoryStore;
use fitness_webhook::{DeliveryError, Secret, Webhook};
use tokio::net::TcpListener;
use tokio::sync::watch;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OBSERVER: NodeId = NodeId([2; 33]);

/// An HTTP server that responds to the first requests with the given status codes, and to all others with
/// 204.
#[derive(Clone)]
struct Receiver {
    responses: Arc<Mutex<Vec<StatusCode>>>,
    received: watch::Sender<Vec<(HeaderMap, String)>>,
}

impl Receiver {
    async fn start(responses: &[u16]) -> (Self, String) {
        let mut responses: Vec<_> =
            responses.iter().map(|code| StatusCode::from_u16(*code).unwrap()).collect();
        responses.reverse();
        let receiver =
            Self { responses: Arc::new(Mutex::new(responses)), received: watch::Sender::new(Vec::new()) };
        let router = Router::new().route("/hook/s3cret-path", post(receive)).with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/s3cret-path", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// Waits until `count` requests were received, and returns them.
    async fn wait_for_requests(&self, count: usize) -> Vec<(HeaderMap, String)> {
        let mut received = self.received.subscribe();
        received.wait_for(|received| received.len() >= count).await.unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    receiver.received.send_modify(|received| received.push((headers, body)));
    receiver.responses.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT)
}

fn webhook(url: &str) -> Webhook {
    let (min, max) = (Duration::from_millis(2), Duration::from_millis(10));
    let builder = Webhook::builder(url).secret(SECRET.parse().unwrap()).retry_backoff(min, max);
    builder.give_up_after(Duration::from_secs(60)).build().unwrap()
}

fn alert() -> Alert {
    let mut tracker = fitness_advice::AlertTracker::new(AlertRules::default());
    let at = Timestamp::from_secs(1_700_000_000);
    tracker.record_change(&fitness_core::Change::Presence {
        node_id: NodeId([3; 33]),
        at,
        previous: fitness_core::Presence::Online,
        presence: fitness_core::Presence::Offline,
        flap_count: 1,
    });
    tracker.advance(at.after_secs(600)).remove(0)
}

#[tokio::test]
async fn standard_webhooks_library_verifies_a_message() {
    let (receiver, url) = Receiver::start(&[]).await;
    webhook(&url).deliver(OBSERVER, &alert()).await.unwrap();
    let (headers, body) = receiver.wait_for_requests(1).await.remove(0);
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    verifier.verify(body.as_bytes(), &headers).unwrap();
    assert!(verifier.verify(body.replace("offline", "online").as_bytes(), &headers).is_err());
    let other_secret = standardwebhooks::Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").unwrap();
    assert!(other_secret.verify(body.as_bytes(), &headers).is_err());
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "fitness.offline");
    assert_eq!(body["timestamp"], "2023-11-14T22:23:20.000000000Z");
    assert_eq!(body["data"]["observer"], OBSERVER.to_string());
    assert_eq!(body["data"]["alert"], "offline");
    assert_eq!(body["data"]["offline_ns"], 600_000_000_000_u64);
    assert_eq!(body["data"]["offline_since_ns"], 1_700_000_000_000_000_000_u64);
    assert_eq!(body["data"]["text"], alert().to_string());
}

#[tokio::test]
async fn transient_failures_are_retried_with_the_same_id() {
    let (receiver, url) = Receiver::start(&[503, 429, 500]).await;
    webhook(&url).deliver(OBSERVER, &alert()).await.unwrap();
    let received = receiver.wait_for_requests(4).await;
    assert_eq!(received.len(), 4);
    let ids: std::collections::HashSet<_> =
        received.iter().map(|(headers, _)| &headers["webhook-id"]).collect();
    assert_eq!(ids.len(), 1);
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    for (headers, body) in &received {
        verifier.verify(body.as_bytes(), headers).unwrap();
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let (receiver, url) = Receiver::start(&[410, 302]).await;
    let webhook = webhook(&url);
    assert_eq!(webhook.deliver(OBSERVER, &alert()).await, Err(DeliveryError::Status { status: 410 }));
    assert_eq!(webhook.deliver(OBSERVER, &alert()).await, Err(DeliveryError::Status { status: 302 }));
    assert_eq!(receiver.wait_for_requests(2).await.len(), 2);
}

#[tokio::test]
async fn errors_and_debug_output_contain_no_credentials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:pa55word@{}/hook/s3cret-path?token=t0ken", listener.local_addr().unwrap());
    drop(listener);
    let builder = Webhook::builder(&*url).secret(SECRET.parse().unwrap());
    let builder = builder.retry_backoff(Duration::from_millis(1), Duration::from_millis(2));
    let webhook = builder.clone().give_up_after(Duration::from_millis(20)).build().unwrap();
    let error = webhook.deliver(OBSERVER, &alert()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable { .. }), "{error}");
    let invalid_url = Webhook::builder("ftp://user:pa55word@host/s3cret-path").build().unwrap_err();
    let invalid_secret: Result<Secret, _> = "whsec_pa55word".parse();
    let output =
        format!("{error} {error:?} {webhook:?} {builder:?} {invalid_url} {invalid_url:?} {invalid_secret:?}");
    for secret in ["pa55word", "s3cret-path", "t0ken", &SECRET[6..]] {
        assert!(!output.contains(secret), "{output}");
    }
}

/// Three peers flap while the endpoint is unavailable.
#[tokio::test]
async fn alerts_of_a_service_are_delivered_in_order() {
    let (receiver, url) = Receiver::start(&[503; 5]).await;
    let service = Service::builder(OBSERVER, Arc::new(MemoryStore::new())).start().await.unwrap();
    let handle = service.handle();
    let peer = |number: u8| NodeId([number; 33]);
    let flapping = fitness_advice::FlappingRule { flaps: 2, window_ns: 3_600_000_000_000 };
    let rules = AlertRules { flapping: Some(flapping), ..AlertRules::default() };
    let delivery = tokio::spawn({
        let (alerts, webhook) = (handle.alerts(rules), webhook(&url));
        async move { webhook.run(OBSERVER, alerts).await }
    });
    for number in 1..=8 {
        let opened = ChannelOpened {
            channel_id: ChannelId([number; 32]),
            node_id: peer(number),
            funding: None,
            online: Some(true),
        };
        handle.record(Event::ChannelOpened(opened));
    }
    for number in [4, 2, 7] {
        handle.record(Event::PeerOffline { node_id: peer(number) });
        handle.record(Event::PeerOnline { node_id: peer(number) });
    }
    let received = receiver.wait_for_requests(5 + 3).await;
    let delivered: Vec<String> = received[5..].iter().map(|(_, body)| body.clone()).collect();
    for (body, number) in delivered.iter().zip([4, 2, 7]) {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["node_id"]),
            (&"fitness.flapping".into(), &peer(number).to_string().into())
        );
    }
    service.shutdown().await.unwrap();
    delivery.await.unwrap();
}
