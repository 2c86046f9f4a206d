//! Against a real HTTP server, which checks signatures with the specification's own library.
#![allow(clippy::unwrap_used, reason = "it is a test")]

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
const OURS: NodeId = NodeId([2; 33]);

/// A receiver that answers the first requests as it is told, and 204 to all others.
#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<Vec<StatusCode>>>,
    received: watch::Sender<Vec<(HeaderMap, String)>>,
}

impl Receiver {
    async fn start(answers: &[u16]) -> (Self, String) {
        let mut answers: Vec<_> = answers.iter().map(|code| StatusCode::from_u16(*code).unwrap()).collect();
        answers.reverse();
        let receiver =
            Self { answers: Arc::new(Mutex::new(answers)), received: watch::Sender::new(Vec::new()) };
        let router = Router::new().route("/hook/s3cret-path", post(receive)).with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook/s3cret-path", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, address)
    }

    /// Waits until so many requests have come.
    async fn wait(&self, count: usize) -> Vec<(HeaderMap, String)> {
        let mut received = self.received.subscribe();
        received.wait_for(|received| received.len() >= count).await.unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    receiver.received.send_modify(|received| received.push((headers, body)));
    receiver.answers.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT)
}

fn webhook(address: &str) -> Webhook {
    let (first, longest) = (Duration::from_millis(2), Duration::from_millis(10));
    let builder = Webhook::builder(address).secret(SECRET.parse().unwrap()).retry_backoff(first, longest);
    builder.give_up_after(Duration::from_secs(60)).build().unwrap()
}

fn alert() -> Alert {
    let mut alarms = fitness_advice::AlertTracker::new(AlertRules::default());
    let at = Timestamp::from_secs(1_700_000_000);
    alarms.record_change(&fitness_core::Change::Presence {
        node_id: NodeId([3; 33]),
        at,
        previous: fitness_core::Presence::Online,
        presence: fitness_core::Presence::Offline,
        flap_count: 1,
    });
    alarms.advance(at.after_secs(600)).remove(0)
}

#[tokio::test]
async fn the_specifications_library_accepts_it() {
    let (receiver, address) = Receiver::start(&[]).await;
    webhook(&address).deliver(OURS, &alert()).await.unwrap();
    let (headers, body) = receiver.wait(1).await.remove(0);
    let judge = standardwebhooks::Webhook::new(SECRET).unwrap();
    judge.verify(body.as_bytes(), &headers).unwrap();
    assert!(judge.verify(body.replace("offline", "online").as_bytes(), &headers).is_err());
    let other = standardwebhooks::Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").unwrap();
    assert!(other.verify(body.as_bytes(), &headers).is_err());
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "fitness.offline");
    assert_eq!(body["timestamp"], "2023-11-14T22:23:20.000000000Z");
    assert_eq!(body["data"]["observer"], OURS.to_string());
    assert_eq!(body["data"]["alert"], "offline");
    assert_eq!(body["data"]["offline_ns"], 600_000_000_000_u64);
    assert!(body["data"]["text"].as_str().unwrap().ends_with("has been offline for 10 min"));
}

#[tokio::test]
async fn a_busy_endpoint_is_asked_again_with_the_same_id() {
    let (receiver, address) = Receiver::start(&[503, 429, 500]).await;
    webhook(&address).deliver(OURS, &alert()).await.unwrap();
    let received = receiver.wait(4).await;
    assert_eq!(received.len(), 4);
    let ids: std::collections::HashSet<_> =
        received.iter().map(|(headers, _)| &headers["webhook-id"]).collect();
    assert_eq!(ids.len(), 1);
    let judge = standardwebhooks::Webhook::new(SECRET).unwrap();
    for (headers, body) in &received {
        judge.verify(body.as_bytes(), headers).unwrap();
    }
}

#[tokio::test]
async fn who_refuses_is_not_asked_again() {
    let (receiver, address) = Receiver::start(&[410, 302]).await;
    let webhook = webhook(&address);
    assert_eq!(webhook.deliver(OURS, &alert()).await, Err(DeliveryError::Status { status: 410 }));
    assert_eq!(webhook.deliver(OURS, &alert()).await, Err(DeliveryError::Status { status: 302 }));
    assert_eq!(receiver.wait(2).await.len(), 2);
}

#[tokio::test]
async fn nothing_of_the_address_or_the_secret_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address =
        format!("http://user:pa55word@{}/hook/s3cret-path?token=t0ken", listener.local_addr().unwrap());
    drop(listener);
    let builder = Webhook::builder(&*address).secret(SECRET.parse().unwrap());
    let builder = builder.retry_backoff(Duration::from_millis(1), Duration::from_millis(2));
    let webhook = builder.clone().give_up_after(Duration::from_millis(20)).build().unwrap();
    let error = webhook.deliver(OURS, &alert()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable { .. }), "{error}");
    let refused = Webhook::builder("ftp://user:pa55word@host/s3cret-path").build().unwrap_err();
    let bad: Result<Secret, _> = "whsec_pa55word".parse();
    let told = format!("{error} {error:?} {webhook:?} {builder:?} {refused} {refused:?} {bad:?}");
    for secret in ["pa55word", "s3cret-path", "t0ken", &SECRET[6..]] {
        assert!(!told.contains(secret), "{told}");
    }
}

/// A service whose peer goes and comes while the endpoint is down.
#[tokio::test]
async fn a_services_alerts_are_delivered_in_order() {
    let (receiver, address) = Receiver::start(&[503; 5]).await;
    let service = Service::builder(OURS, Arc::new(MemoryStore::new())).start().await.unwrap();
    let handle = service.handle();
    let peer = |number: u8| NodeId([number; 33]);
    let flapping = fitness_advice::FlappingRule { flaps: 2, window_ns: 3_600_000_000_000 };
    let rules = AlertRules { flapping: Some(flapping), ..AlertRules::default() };
    let forward = tokio::spawn({
        let (alerts, webhook) = (handle.alerts(rules), webhook(&address));
        async move { webhook.run(OURS, alerts).await }
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
    let received = receiver.wait(5 + 3).await;
    let told: Vec<String> = received[5..].iter().map(|(_, body)| body.clone()).collect();
    for (body, number) in told.iter().zip([4, 2, 7]) {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["node_id"]),
            (&"fitness.flapping".into(), &peer(number).to_string().into())
        );
    }
    service.shutdown().await.unwrap();
    forward.await.unwrap();
}
