//! Pages with no, one and many peers, at different widths, in light and dark mode, and without JavaScript.

use crate::driver::{Browser, with_browser};
use crate::test_server::TestServer;

async fn page_paths(server: &TestServer) -> Vec<String> {
    let mut paths = vec![
        "peers".to_owned(),
        "peers?sort=disconnects&window=7d&order=desc".to_owned(),
        "coverage".to_owned(),
    ];
    paths.extend(server.node.peers.first().map(|node_id| format!("peers/{node_id}")));
    paths
}

async fn check_pages(browser: &Browser, server: &TestServer, peers: usize) {
    for (index, page) in page_paths(server).await.into_iter().enumerate() {
        for (width, dark) in [(320, false), (390, true), (768, false), (1280, true), (1920, false)] {
            browser.size(width).await;
            browser.dark(dark).await;
            browser.goto(&server.url(&page)).await;
            browser.until("document.querySelector('.live .status-text').textContent === 'Live'").await;
            let overflow = browser
                .eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await;
            assert_eq!(overflow, 0, "{page} is wider than {width}");
            let name = format!("{peers}-{index}-{width}");
            browser.screenshot(&name).await;
        }
        let messages = browser.console_messages().await;
        assert!(messages.is_empty(), "{page}: {messages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn pages_without_peers() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(0).await;
        check_pages(&browser, &server, 0).await;
        browser.goto(&server.url("")).await;
        assert!(!browser.text("#peers.empty").await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn pages_with_one_peer() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(1).await;
        check_pages(&browser, &server, 1).await;
        browser.goto(&server.url("peers")).await;
        assert_eq!(browser.texts("#peers tbody tr").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn pages_with_many_peers() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(5_000).await;
        check_pages(&browser, &server, 5_000).await;
        browser.goto(&server.url("peers?sort=alias")).await;
        assert_eq!(browser.texts("#peers tbody tr").await.len(), 100);
        assert!(browser.text("#pager").await.contains("1 to 100 of "));
        let first = browser.texts("#peers tbody th").await;
        browser.click("#pager a[rel=next]").await;
        browser.until("document.querySelector('#pager').innerText.includes('101 to 200')").await;
        let second = browser.texts("#peers tbody th").await;
        assert!(first.iter().all(|peer| !second.contains(peer)), "pages do not overlap");

        // Search for one of them.
        let wanted = server.node.peers[4_321];
        browser.goto(&server.url("peers")).await;
        browser.click("#q").await;
        browser.keys(wanted.to_string()).await;
        browser.until("document.querySelectorAll('#peers tbody tr').length === 1").await;
        browser.click("#peers tbody a").await;
        browser.until(&format!("location.pathname.endsWith('{wanted}')")).await;
        assert!(browser.text("#facts").await.contains(&wanted.to_string()));
    })
    .await;
}

/// Returns the known values of a column whose label starts with `label`.
async fn column(browser: &Browser, label: &str) -> Vec<f64> {
    let texts = browser.texts(&format!("#peers td[data-label^='{label}']")).await;
    let parse = |text: &String| {
        let number = text.trim_start_matches(['≈', '≥', ' ']).split([' ', '\n', '%']).next()?;
        number.replace(',', "").parse().ok()
    };
    texts.iter().filter_map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn peers_are_sorted_by_click_and_found_while_typing() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(60).await;
        browser.size(1280).await;
        browser.goto(&server.url("peers")).await;
        let header = |key: &str| format!("#peers thead a[href*='sort={key}']");
        for (key, label, descending) in [
            ("availability", "Availability", false),
            ("disconnects", "Disconnects", true),
            ("flaps", "Flaps", true),
        ] {
            browser.click(&header(key)).await;
            browser.until(&format!("location.search.includes('sort={key}')")).await;
            browser.until("document.querySelector('th[aria-sort]')").await;
            let sorted = column(&browser, label).await;
            assert!(sorted.len() > 50, "{label}: {sorted:?}");
            let in_order = |pair: &[f64]| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
            assert!(sorted.windows(2).all(in_order), "{label}: {sorted:?}");
            browser.click("#peers thead th[aria-sort] a").await;
            let previous = if descending { "descending" } else { "ascending" };
            browser
                .until(&format!("document.querySelector('th[aria-sort]:not([aria-sort={previous}])')"))
                .await;
            let reversed = column(&browser, label).await;
            assert!(
                reversed.windows(2).all(|pair| !in_order(pair) || pair[0] == pair[1]),
                "{label}: {reversed:?}"
            );
        }

        // Typing updates the list without a page load and keeps the focus.
        browser.goto(&server.url("peers")).await;
        browser.eval("window.notReloaded = true").await;
        browser.click("#q").await;
        browser.keys("river").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length < 10").await;
        let aliases = browser.texts("#peers tbody .alias").await;
        assert!(!aliases.is_empty() && aliases.iter().all(|alias| alias.contains("river")), "{aliases:?}");
        assert_eq!(browser.eval("document.activeElement.id").await, "q");
        assert_eq!(browser.eval("window.notReloaded").await, true);
        assert!(browser.url().await.contains("q=river"));
        // Back and forward restore the list.
        browser.eval("history.back()").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length > 50").await;
        browser.eval("history.forward()").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length < 10").await;
        // The URL contains the search.
        browser.reload().await;
        assert_eq!(browser.texts("#peers tbody .alias").await, aliases);

        browser.click("#presence-filter .offline").await;
        browser.until("location.search.includes('presence=offline')").await;
        let presences = browser.texts("#peers td[data-label=Presence]").await;
        assert!(presences.iter().all(|presence| presence.contains("Offline")), "{presences:?}");
        assert!(browser.console_messages().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn pages_work_without_javascript() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(150).await;
        browser.size(1280).await;
        browser.scripts(false).await;
        browser.goto(&server.url("peers")).await;
        // WebDriver can evaluate expressions although the scripts of the page are disabled.
        assert_eq!(browser.eval("document.querySelector('.live').hidden").await, true);
        assert_eq!(browser.texts("#peers tbody tr").await.len(), 100);
        browser.click("#peers thead a[href*='sort=flaps']").await;
        browser.until("document.querySelector('th[aria-sort=descending]')").await;
        let flaps = column(&browser, "Flaps").await;
        assert!(flaps.windows(2).all(|pair| pair[0] >= pair[1]), "{flaps:?}");
        browser.click("#pager a[rel=next]").await;
        browser.until("document.querySelector('#pager').innerText.includes('101 to')").await;

        browser.click("#q").await;
        browser.keys("river").await;
        browser.press("Enter").await;
        browser.until("location.search.includes('q=river')").await;
        browser.click("#peers tbody a").await;
        browser.until("document.querySelector('#timeline svg path')").await;
        assert!(browser.text("#window-stats").await.contains("lifetime"));
        browser.click(".window-picker a[href*='window=7d']").await;
        browser.until("document.querySelector('.window-picker [aria-current]').innerText === '7d'").await;
        browser.click("#availability-chart summary").await;
        browser.until("document.querySelector('#availability-chart details').open").await;
        browser.click("header nav a[href$='coverage']").await;
        browser.until("document.querySelectorAll('#gap-list tbody tr').length > 2").await;
    })
    .await;
}
