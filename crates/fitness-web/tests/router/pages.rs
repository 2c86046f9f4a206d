//! The dashboard pages, as HTML.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use fitness_actor::{Archive, Service, TokioClock};
use fitness_core::{Event, GapCause, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};
use fitness_web::Web;

use crate::client::*;
use crate::support::{OBSERVER, SimulatedNode};

#[tokio::test(start_paused = true)]
async fn hostile_aliases_are_escaped() {
    let service = start_service().await;
    service.handle().record(channel_opened(1, true));
    let alias = "<script>alert(1)</script>\"'&\u{202e}x\0\nend";
    let router = Web::builder(service.handle()).aliases(|_| Some(alias.to_owned())).build().router();
    for path in ["/peers", &format!("/peers/{}", node_id(1)), "/peers?q=%3Cscript%3E"] {
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
    let peers = get_json(&router, "peers").await;
    assert_eq!(peers["peers"][0]["alias"], "<script>alert(1)</script>\"'&\u{fffd}x\u{fffd} end");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invalid_requests_show_an_error_page() {
    let service = start_service().await;
    service.handle().record(channel_opened(1, true));
    let router = router(service.handle());
    let unknown = format!("/peers/{}", node_id(7));
    let known = format!("/peers/{}?window=1y", node_id(1));
    let cases = [
        ("/peers?sort=height", 400, "sort"),
        ("/peers?page=-1", 400, "page"),
        ("/peers/zz", 400, "66"),
        (&unknown, 404, &node_id(7).to_string()),
        (&known, 400, "window"),
        ("/coverage?page=x", 400, "page"),
        ("/nothing", 404, "href=\"./peers\""),
        // Out-of-range pages and invalid UTF-8 in a search are not errors.
        ("/peers?q=%ff", 200, "id=\"peers\""),
        ("/peers?page=99999", 200, "1 to 1 of 1"),
        ("/coverage?page=0", 200, "id=\"gap-list\""),
    ];
    for (path, status, expected) in cases {
        let page = get(&router, path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{path}: {}", page.body);
        assert!(page.body.contains(expected), "{path}: {}", page.body);
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pages_of_the_list_contain_each_peer_once() {
    let node = SimulatedNode::new(3, 250, 45, START).await;
    let service = node.service().clock(Arc::new(TokioClock::starting_at(START))).start().await.unwrap();
    let router = router(service.handle());
    let mut ids_on_pages = std::collections::BTreeSet::new();
    for (page, range, rows) in
        [(1, "1 to 100 of 250", 100), (2, "101 to 200 of 250", 100), (3, "201 to 250 of 250", 50)]
    {
        let body = get(&router, &format!("/peers?page={page}&sort=availability")).await.body;
        assert!(body.contains(range), "{body}");
        let ids: Vec<_> = body.split("id=\"peer-").skip(1).map(|row| row[..66].to_owned()).collect();
        assert_eq!(ids.len(), rows);
        ids_on_pages.extend(ids);
    }
    assert_eq!(ids_on_pages.len(), 250);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn presence_change_invalidates_the_summary() {
    let service = start_service().await;
    let handle = service.handle();
    handle.record(channel_opened(1, true));
    advance(1_000).await;
    let router = router(service.handle());
    let disconnects = async || {
        let body = get(&router, "/peers").await.body;
        let cell = body.split("data-label=\"Disconnects (30d)\">").nth(1).unwrap().to_owned();
        cell.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    assert_eq!(disconnects().await, "0");
    handle.record(peer_offline(1));
    // The summary would otherwise be cached for longer.
    advance(1).await;
    assert_eq!(disconnects().await, "1");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peer_page_shows_imported_totals() {
    let service = start_service_with(store_with_import().await).await;
    service.handle().record(channel_opened(1, true));
    let router = router(service.handle());
    let facts = async |number| {
        let body = get(&router, &format!("/peers/{}", node_id(number))).await.body;
        body.split("id=\"facts\"").nth(1).unwrap().split("</dl>").next().unwrap().to_owned()
    };
    let imported = facts(7).await;
    let uptime = fitness_words::duration(900 * SECOND_NS);
    let observed = fitness_words::duration(1_000 * SECOND_NS);
    for value in ["lnd", "2027-01-15 08:00:00", &uptime, &observed, "4 flaps"] {
        assert!(imported.contains(value), "{value}: {imported}");
    }
    let not_imported = facts(1).await;
    assert!(!not_imported.contains("lnd"), "{not_imported}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopped_service_and_archive_are_distinguished() {
    let store = store_with_import().await;
    let service = start_service_with(store.clone()).await;
    service.handle().record(channel_opened(1, true));
    advance(100).await;
    let pages = router(service.handle());
    assert!(get(&pages, "/peers").await.body.contains("data-live="));
    service.shutdown().await.unwrap();
    let stopped = notices(&get(&pages, "/peers").await);
    assert!(stopped.contains("class=\"notice error\""), "{stopped}");

    let archive = Archive::open(OBSERVER, Arc::new(store)).await.unwrap();
    let pages = router(archive.handle());
    for path in ["/peers", "/coverage", &format!("/peers/{}", node_id(1))] {
        let page = get(&pages, path).await;
        let notices = notices(&page);
        assert!(notices.contains("2027-01-15 08:01:40"), "{path}: {notices}");
        assert!(!notices.contains("error"), "{path}: {notices}");
        assert!(!page.body.contains("data-live="), "an archive does not change");
    }
    let health = get_json(&pages, "health").await;
    assert_eq!((&health["archived"], &health["running"]), (&true.into(), &false.into()));
}

/// The warnings at the top of a page.
fn notices(page: &Response) -> String {
    let notices = page.body.split("id=\"notices\">").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    notices.split("</div>").next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn every_page_shows_notices() {
    let service = start_service().await;
    let handle = service.handle();
    handle.record(channel_opened(1, true));
    let router = router(service.handle());
    let paths = ["/peers", "/advice", "/coverage", &format!("/peers/{}", node_id(1))];
    for path in paths {
        assert_eq!(notices(&get(&router, path).await), "", "{path}");
    }
    handle.record(Event::ObservationPaused);
    let cause = fitness_words::gap_cause(GapCause::Paused);
    for path in paths {
        let notices = notices(&get(&router, path).await);
        assert!(notices.contains(cause), "{path}: {notices}");
    }
    handle.record(Event::ObservationResumed);
    service.shutdown().await.unwrap();
    for path in paths {
        let notices = notices(&get(&router, path).await);
        assert!(notices.contains("class=\"notice error\"") && !notices.contains(cause), "{path}: {notices}");
    }
}

#[tokio::test(start_paused = true)]
async fn outages_and_gaps_have_different_causes() {
    let service = start_service().await;
    let handle = service.handle();
    handle.record(channel_opened(1, true));
    advance(1_000).await;
    handle.record(peer_offline(1));
    advance(60).await;
    handle.record(peer_online(1));
    advance(60).await;
    handle.record(Event::ObservationPaused);
    advance(300).await;
    handle.record(Event::ObservationResumed);
    handle.record(peer_online(1));
    advance(60).await;
    let body = get(&router(service.handle()), &format!("/peers/{}", node_id(1))).await.body;
    let list = body.split("id=\"outage-list\"").nth(1).unwrap();
    let row = |from: &str| {
        list.split("<tr").find(|row| row.contains(from)).unwrap_or_else(|| panic!("{list}")).to_owned()
    };
    let outage = row("2027-01-15T08:16:40Z");
    assert!(outage.contains(&fitness_words::duration(60 * SECOND_NS)), "{outage}");
    assert!(outage.contains("class=\"cause peer\""), "{outage}");
    let gap = row("2027-01-15T08:18:40Z");
    assert!(gap.contains(&fitness_words::duration(300 * SECOND_NS)), "{gap}");
    assert!(gap.contains("class=\"cause gap\""), "{gap}");
    assert!(gap.contains(fitness_words::gap_cause(GapCause::Paused)), "{gap}");
    service.shutdown().await.unwrap();
}

/// A store whose logs are slow to read or cannot be read.
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
            let source = "disk <failed>".into();
            return Err(StoreError::Backend { operation: "read", location: "test".into(), source });
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

async fn service_with_slow_store(peers: usize, delay: Duration, broken: bool) -> (Service, axum::Router) {
    let node = SimulatedNode::new(5, peers, 60, START).await;
    let store = SlowStore { inner: node.store.clone(), delay, broken };
    let builder = Service::builder(OBSERVER, Arc::new(store));
    let service = builder.clock(Arc::new(TokioClock::starting_at(START))).start().await.unwrap();
    let router = router(service.handle());
    (service, router)
}

#[tokio::test(start_paused = true)]
async fn slow_store_does_not_delay_pages() {
    let (service, router) = service_with_slow_store(200, Duration::from_millis(200), false).await;
    let before = tokio::time::Instant::now();
    let page = get(&router, "/peers").await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("data-incomplete") && page.body.contains("class=\"pending\""),
        "{}",
        page.body
    );
    let strips = page.body.matches("class=\"strip\"").count();

    // Loading continues in the background.
    advance(60).await;
    let before = tokio::time::Instant::now();
    let page = get(&router, "/peers").await;
    assert!(!page.body.contains("data-incomplete"), "{}", page.body);
    assert!(page.body.matches("class=\"strip\"").count() > strips);
    assert!(before.elapsed() < Duration::from_millis(1), "not cached: {:?}", before.elapsed());

    // By now the reconnect grace periods have expired, so all presences have changed.
    advance(200).await;
    get(&router, "/peers").await;
    advance(60).await;
    for _ in 0..10 {
        advance(60).await;
        let before = tokio::time::Instant::now();
        let page = get(&router, "/peers").await;
        assert!(before.elapsed() < Duration::from_millis(1), "the request waited: {:?}", before.elapsed());
        assert!(!page.body.contains("data-incomplete"), "{}", page.body);
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unreadable_store_is_reported_and_peers_are_listed() {
    let (service, router) = service_with_slow_store(20, Duration::ZERO, true).await;
    let page = get(&router, "/peers").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("disk &lt;failed&gt;"), "{}", page.body);
    assert_eq!(page.body.matches("id=\"peer-").count(), 20);
    let id = service.handle().peers()[0].node_id;
    let detail = get(&router, &format!("/peers/{id}")).await;
    assert_eq!(detail.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(detail.body.contains("disk &lt;failed&gt;"));
    let windows = get(&router, &format!("/api/v1/peers/{id}/windows")).await;
    assert_eq!(windows.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(windows.json()["detail"].as_str().unwrap().contains("disk <failed>"));
    service.shutdown().await.unwrap();
}
