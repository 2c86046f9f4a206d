//! The pages say what the service knows, and why they do not.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use fitness_actor::{Archive, Service, TokioClock};
use fitness_core::{Event, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};
use fitness_web::Web;

use crate::ask::*;
use crate::support::{OURSELVES, World};

#[tokio::test(start_paused = true)]
async fn hostile_names_are_text_and_nothing_else() {
    let service = service().await;
    service.handle().record(opened(1, true));
    let name = "<script>alert(1)</script>\"'&\u{202e}x\0\nend";
    let router = Web::builder(service.handle()).aliases(|_| Some(name.to_owned())).build().router();
    for path in ["/peers", &format!("/peers/{}", peer(1)), "/peers?q=%3Cscript%3E"] {
        let page = get(&router, path).await;
        assert_eq!(page.status, StatusCode::OK);
        let body = &page.body;
        assert!(
            body.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;\u{fffd}x\u{fffd} end"),
            "{body}"
        );
        assert!(!body.contains("<script>") && !body.contains('\u{202e}') && !body.contains('\0'), "{path}");
    }
    let metrics = get(&router, "/metrics").await.body;
    assert!(metrics.contains("alias=\"<script>alert(1)</script>\\\"'&\u{fffd}x\u{fffd} end\""), "{metrics}");
    let peers = json(&router, "peers").await;
    assert_eq!(peers["peers"][0]["label"], "<script>alert(1)</script>\"'&\u{fffd}x\u{fffd} end");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_wrongly_is_refused_with_a_page_that_says_so() {
    let service = service().await;
    service.handle().record(opened(1, true));
    let router = router(service.handle());
    let unknown = format!("/peers/{}", peer(7));
    let known = format!("/peers/{}?window=1y", peer(1));
    let cases = [
        ("/peers?sort=height", 400, "sort"),
        ("/peers?page=-1", 400, "page"),
        ("/peers?q=%ff", 200, "No peer matches"),
        ("/peers/zz", 400, "expected 66 hexadecimal digits"),
        (&unknown, 404, "not known"),
        (&known, 400, "window"),
        ("/coverage?page=x", 400, "page"),
        ("/nothing", 404, "no such page"),
        ("/peers?page=99999", 200, "1 to 1 of 1"),
        ("/coverage?page=0", 200, "We were there all the time"),
    ];
    for (path, status, says) in cases {
        let page = get(&router, path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert!(
            page.body.starts_with("<!DOCTYPE html>") && page.body.contains(says),
            "{path}: {}",
            page.body
        );
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_is_cut_into_pages_that_add_up() {
    let world = World::new(3, 250, 45, EPOCH).await;
    let service = world.service().clock(Arc::new(TokioClock::starting_at(EPOCH))).start().await.unwrap();
    let router = router(service.handle());
    let mut seen = std::collections::BTreeSet::new();
    for (page, says, rows) in
        [(1, "1 to 100 of 250", 100), (2, "101 to 200 of 250", 100), (3, "201 to 250 of 250", 50)]
    {
        let body = get(&router, &format!("/peers?page={page}&sort=availability")).await.body;
        assert!(body.contains(says), "{body}");
        let ids: Vec<_> = body.split("id=\"p-").skip(1).map(|row| row[..66].to_owned()).collect();
        assert_eq!(ids.len(), rows);
        seen.extend(ids);
    }
    assert_eq!(seen.len(), 250, "each once");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_has_just_happened_is_in_the_list_at_once() {
    let service = service().await;
    let handle = service.handle();
    handle.record(opened(1, true));
    pass(1_000).await;
    let router = router(service.handle());
    let outages = async || {
        let body = get(&router, "/peers").await.body;
        let cell = body.split("data-label=\"Outages\">").nth(1).unwrap().to_owned();
        cell.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    assert_eq!(outages().await, "0");
    handle.record(offline(1));
    // Less than a summary is kept for.
    pass(1).await;
    assert_eq!(outages().await, "1", "what was worked out before does not hold any more");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peers_page_says_what_another_program_had_counted() {
    let service = service_on(taken_over_from_lnd().await).await;
    service.handle().record(opened(1, true));
    let router = router(service.handle());
    let body = get(&router, &format!("/peers/{}", peer(7))).await.body;
    for words in
        ["Counted by lnd", "2027-01-15 08:00:00", ": online for 15m 00s of 16m 40s observed, 4 flaps"]
    {
        assert!(body.contains(words), "{words}: {body}");
    }
    assert!(!get(&router, &format!("/peers/{}", peer(1))).await.body.contains("Counted by"));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_at_rest_is_no_service_that_stopped() {
    let store = taken_over_from_lnd().await;
    let service = service_on(store.clone()).await;
    service.handle().record(opened(1, true));
    pass(100).await;
    let pages = router(service.handle());
    assert!(get(&pages, "/peers").await.body.contains("data-live="));
    service.shutdown().await.unwrap();
    let body = get(&pages, "/peers").await.body;
    assert!(body.contains("Nothing is being stored") && !body.contains("at rest"), "{body}");
    let rest = Archive::open(OURSELVES, Arc::new(store)).await.unwrap();
    let pages = router(rest.handle());
    let one = format!("/peers/{}", peer(1));
    for path in ["/peers", "/coverage", &one] {
        let body = get(&pages, path).await.body;
        let told = body.contains("A store at rest, as of") && body.contains("2027-01-15 08:01:40");
        assert!(told && !body.contains("has stopped"), "{path}: {body}");
        assert!(!body.contains("data-live="), "nothing is going to happen");
    }
    let health: serde_json::Value = serde_json::from_str(&get(&pages, "/api/v1/health").await.body).unwrap();
    assert_eq!((&health["at_rest"], &health["running"]), (&true.into(), &false.into()));
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_on_every_page() {
    let service = service().await;
    let handle = service.handle();
    handle.record(opened(1, true));
    let router = router(service.handle());
    let everywhere = ["/peers".to_owned(), "/coverage".to_owned(), format!("/peers/{}", peer(1))];
    handle.record(Event::ObservationPaused);
    for path in &everywhere {
        assert!(get(&router, path).await.body.contains("the wallet paused us, for"), "{path}");
    }
    handle.record(Event::ObservationResumed);
    service.shutdown().await.unwrap();
    for path in &everywhere {
        assert!(get(&router, path).await.body.contains("Nothing is being stored."), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn whose_outage_it_was_is_told() {
    let service = service().await;
    let handle = service.handle();
    handle.record(opened(1, true));
    pass(1_000).await;
    handle.record(offline(1));
    pass(60).await;
    handle.record(online(1));
    pass(60).await;
    handle.record(Event::ObservationPaused);
    pass(300).await;
    handle.record(Event::ObservationResumed);
    handle.record(online(1));
    pass(60).await;
    let body = get(&router(service.handle()), &format!("/peers/{}", peer(1))).await.body;
    let list = body.split("id=\"outage-list\"").nth(1).unwrap();
    let row = |from: &str| {
        list.split("<tr").find(|row| row.contains(from)).unwrap_or_else(|| panic!("{list}")).to_owned()
    };
    let theirs = row("2027-01-15T08:16:40Z");
    assert!(theirs.contains("1m 00s") && theirs.contains("theirs"), "{theirs}");
    let ours = row("2027-01-15T08:18:40Z");
    assert!(
        ours.contains("5m 00s") && ours.contains("ours") && ours.contains("the wallet paused us"),
        "{ours}"
    );
    service.shutdown().await.unwrap();
}

/// A store whose logs are read slowly, or not at all.
struct SlowStore {
    inner: MemoryStore,
    delay: Duration,
    broken: bool,
}

#[async_trait::async_trait]
impl Store for SlowStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.inner.observers().await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.inner.observer(observer).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.inner.peers(observer, after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.inner.peer(observer, node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        tokio::time::sleep(self.delay).await;
        if self.broken {
            let source = "the disk is on <fire>".into();
            return Err(StoreError::Backend { operation: "read", location: "the test".into(), source });
        }
        self.inner.segments(observer, node_id, from, limit).await
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        self.inner.gaps(observer, from, limit).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.inner.claim(observer).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.inner.commit(observer, batch).await
    }
}

async fn over_a_slow_store(peers: usize, delay: Duration, broken: bool) -> (Service, axum::Router) {
    let world = World::new(5, peers, 60, EPOCH).await;
    let store = SlowStore { inner: world.store.clone(), delay, broken };
    let builder = Service::builder(OURSELVES, Arc::new(store));
    let service = builder.clock(Arc::new(TokioClock::starting_at(EPOCH))).start().await.unwrap();
    let router = router(service.handle());
    (service, router)
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_makes_a_page_less_whole_and_not_late() {
    let (service, router) = over_a_slow_store(200, Duration::from_millis(200), false).await;
    let before = tokio::time::Instant::now();
    let page = get(&router, "/peers").await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("is still being read") && page.body.contains("data-unfinished"),
        "{}",
        page.body
    );
    let marked = page.body.matches("class=\"strip\"").count();

    // What was not ready is read on, whether or not anybody asks again.
    pass(60).await;
    let before = tokio::time::Instant::now();
    let page = get(&router, "/peers").await;
    assert!(!page.body.contains("is still being read"), "{}", page.body);
    assert!(page.body.matches("class=\"strip\"").count() > marked);
    assert!(before.elapsed() < Duration::from_millis(1), "it is kept: {:?}", before.elapsed());

    // Peers that were waited for are offline by now, so all is read anew.
    pass(200).await;
    get(&router, "/peers").await;
    pass(60).await;
    for _ in 0..10 {
        pass(60).await;
        let before = tokio::time::Instant::now();
        let page = get(&router, "/peers").await;
        assert!(
            before.elapsed() < Duration::from_millis(1),
            "nobody waits for the next: {:?}",
            before.elapsed()
        );
        assert!(!page.body.contains("is still being read"), "{}", page.body);
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_is_told_and_the_rest_is_shown() {
    let (service, router) = over_a_slow_store(20, Duration::ZERO, true).await;
    let page = get(&router, "/peers").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("the disk is on &lt;fire&gt;"), "{}", page.body);
    assert_eq!(page.body.matches("id=\"p-").count(), 20);
    let id = service.handle().peers()[0].node_id;
    let one = get(&router, &format!("/peers/{id}")).await;
    assert_eq!(one.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(one.body.contains("the disk is on &lt;fire&gt;"));
    let windows = get(&router, &format!("/api/v1/peers/{id}/windows")).await;
    assert_eq!(windows.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(windows.json()["detail"].as_str().unwrap().contains("the disk is on <fire>"));
    service.shutdown().await.unwrap();
}
