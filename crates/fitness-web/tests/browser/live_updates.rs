//! Live updates, and reconnecting to a restarted server.

use fitness_core::{Event, GapCause, NodeId, Presence};

use crate::driver::{Browser, with_browser};
use crate::test_server::TestServer;

/// Returns a peer with the given presence.
fn find_peer(server: &TestServer, presence: Presence) -> NodeId {
    let peers = server.handle().peers();
    peers.iter().find(|peer| peer.presence == presence).expect("peer with this presence").node_id
}

/// Waits for the live stream, and marks the document to detect a page load.
async fn wait_until_live(browser: &Browser) {
    browser.until("document.querySelector('.live .status-text').textContent === 'Live'").await;
    browser.eval("window.notReloaded = true").await;
}

fn shows_presence(node_id: &NodeId, presence: &str) -> String {
    format!("document.getElementById('peer-{node_id}')?.innerText.includes('{presence}')")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn list_is_updated_live() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(40).await;
        let handle = server.handle();
        let (online, offline) = (find_peer(&server, Presence::Online), find_peer(&server, Presence::Offline));
        browser.size(1280).await;
        browser.goto(&server.url("peers?sort=alias")).await;
        wait_until_live(&browser).await;
        let count = browser.text("#presence-filter .offline .number").await.parse::<usize>().unwrap();
        browser.eval(&format!("document.querySelector('#peer-{online} a').focus()")).await;

        handle.record(Event::PeerOffline { node_id: online });
        browser.until(&shows_presence(&online, "Offline")).await;
        browser
            .until(&format!(
                "document.querySelector('#presence-filter .offline .number').innerText === '{}'",
                count + 1
            ))
            .await;
        handle.record(Event::PeerOnline { node_id: offline });
        browser.until(&shows_presence(&offline, "Online")).await;
        assert_eq!(browser.eval("window.notReloaded").await, true, "the page was not reloaded");
        let focused = browser.eval("document.activeElement.closest('tr')?.id").await;
        assert_eq!(focused, format!("peer-{online}"), "the focus is kept");

        // Rows move when the sort key changes.
        browser.goto(&server.url("peers")).await;
        wait_until_live(&browser).await;
        handle.record(Event::PeerOnline { node_id: online });
        handle.record(Event::PeerOffline { node_id: offline });
        browser.until(&format!("document.querySelector('#peers tbody tr').id === 'peer-{offline}'")).await;

        // Input in the form is kept.
        browser.click("#q").await;
        browser.eval("document.querySelector('#q').value = 'half a na'").await;
        handle.record(Event::PeerOnline { node_id: offline });
        browser.until(&shows_presence(&offline, "Online")).await;
        assert_eq!(browser.eval("document.querySelector('#q').value").await, "half a na");
        let messages = browser.console_messages().await;
        assert!(messages.is_empty(), "{messages:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn peer_and_coverage_pages_are_updated_live() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(10).await;
        let handle = server.handle();
        let online = find_peer(&server, Presence::Online);
        browser.size(1280).await;
        browser.goto(&server.url(&format!("peers/{online}"))).await;
        wait_until_live(&browser).await;
        // Opened details and existing elements are kept.
        browser.eval("(document.querySelector('#availability-chart details').open = true)").await;
        browser
            .eval("(window.elements = document.querySelectorAll('#facts .badge, #outage-list th')).length")
            .await;
        handle.record(Event::PeerOffline { node_id: online });
        browser.until("document.querySelector('#facts .badge').innerText.includes('Offline')").await;
        assert_eq!(browser.eval("document.querySelector('#availability-chart details').open").await, true);
        let kept = "Array.from(window.elements).every((element) => element.isConnected)";
        assert_eq!(browser.eval(kept).await, true, "elements are updated, not replaced");
        browser.until("document.querySelector('#outage-list tbody tr:first-child .cause.peer')").await;

        browser.goto(&server.url("coverage")).await;
        wait_until_live(&browser).await;
        handle.record(Event::ObservationPaused);
        let cause = fitness_words::gap_cause(GapCause::Paused);
        browser.until(&format!("document.querySelector('#notices').innerText.includes('{cause}')")).await;
        let is_ongoing =
            "document.querySelector('#gap-list tbody td[data-label=End]').innerText === 'ongoing'";
        browser.until(is_ongoing).await;
        handle.record(Event::ObservationResumed);
        browser.until("!document.querySelector('#notices').innerText").await;
        assert_eq!(browser.eval("window.notReloaded").await, true);
        assert!(browser.console_messages().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn many_changes_cause_few_requests() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(40).await;
        let handle = server.handle();
        browser.goto(&server.url("peers")).await;
        wait_until_live(&browser).await;
        browser.until("performance.getEntriesByType('resource').some((e) => e.initiatorType === 'xmlhttprequest')").await;
        let requests = "performance.getEntriesByType('resource').filter((e) => e.initiatorType === 'xmlhttprequest').length";
        let before = browser.eval(requests).await.as_u64().unwrap();
        // More changes than the subscription buffers, so the stream lags.
        let node_id = find_peer(&server, Presence::Online);
        for _ in 0..2_000 {
            handle.record(Event::PeerOffline { node_id });
            handle.record(Event::PeerOnline { node_id });
        }
        handle.record(Event::PeerOffline { node_id });
        browser.until(&shows_presence(&node_id, "Offline")).await;
        let after = browser.eval(requests).await.as_u64().unwrap();
        assert!(after - before <= 4, "{} requests", after - before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn page_reconnects_to_a_restarted_server() {
    with_browser(async |browser| {
        let mut server = TestServer::with_peers(10).await;
        browser.goto(&server.url("peers")).await;
        wait_until_live(&browser).await;
        let rows = browser.texts("#peers tbody tr").await.len();
        server.stop().await;
        browser.until("document.querySelector('.live').classList.contains('disconnected')").await;
        assert_ne!(browser.text(".live .status-text").await, "Live");
        assert_eq!(browser.texts("#peers tbody tr").await.len(), rows, "the list is kept");

        server.start().await;
        browser.until("!document.querySelector('.live').classList.contains('disconnected')").await;
        let node_id = find_peer(&server, Presence::Online);
        server.handle().record(Event::PeerOffline { node_id });
        browser.until(&shows_presence(&node_id, "Offline")).await;
        assert_eq!(browser.eval("window.notReloaded").await, true);
    })
    .await;
}
