//! Aliases that try to inject markup or to disturb the layout.

use crate::driver::with_browser;
use crate::support::hostile_aliases;
use crate::test_server::TestServer;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn hostile_aliases_are_shown_as_text() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(120).await;
        browser.size(1280).await;
        let with_alias = |alias: &str| {
            let mut aliases = server.node.aliases.iter();
            *aliases.find(|(_, assigned)| *assigned == alias).expect("alias is assigned").0
        };
        for (i, alias) in hostile_aliases().iter().enumerate() {
            let node_id = with_alias(alias);
            browser.goto(&server.url(&format!("peers?q={node_id}"))).await;
            for page in ["list", "peer"] {
                if page == "peer" {
                    browser.click("#peers tbody a").await;
                    browser.until("document.querySelector('#facts')").await;
                    browser.until("document.querySelector('.live .status-text').textContent === 'Live'").await;
                }
                let title = browser.eval("document.title").await;
                assert_ne!(title, "owned", "{alias:?}");
                assert!(title.as_str().unwrap().ends_with("- ldk-fitness"), "{title}");
                let injected = browser.eval("document.querySelectorAll('main img, main script, main iframe, [onerror], [style]').length").await;
                assert_eq!(injected, 0, "{alias:?} created an element");
                let shown = browser.text("main").await;
                let invisible = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\0', '\u{1b}'];
                assert!(!shown.contains(invisible), "{shown:?}");
                let overflow = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
                assert_eq!(overflow, 0, "{alias:?} does not fit");
                browser.screenshot(&format!("hostile-{i}-{page}")).await;
            }
        }
        // Markup in an alias can be searched for.
        browser.goto(&server.url("peers")).await;
        browser.click("#q").await;
        browser.keys("<script>").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length === 1").await;
        assert_eq!(browser.texts("#peers .alias").await, ["<script>document.title='owned'</script>"]);
        assert!(browser.console_messages().await.is_empty(), "the content security policy blocked something");
    })
    .await;
}
