//! Names that would like to be more than text.

use crate::driver::with_browser;
use crate::stage::Stage;
use crate::support::hostile_names;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_do_nothing() {
    with_browser(async |browser| {
        let stage = Stage::of(120).await;
        browser.size(1280).await;
        let named = |name: &str| *stage.world.names.iter().find(|(_, given)| *given == name).expect("it is given").0;
        for (i, name) in hostile_names().iter().enumerate() {
            let node_id = named(name);
            browser.goto(&stage.url(&format!("peers?q={node_id}"))).await;
            for page in ["list", "peer"] {
                if page == "peer" {
                    browser.click("#peers tbody a").await;
                    browser.until("document.querySelector('#facts')").await;
                    browser.until("document.querySelector('.live .words').textContent === 'Live'").await;
                }
                let title = browser.eval("document.title").await;
                assert_ne!(title, "owned", "{name:?}");
                assert!(title.as_str().unwrap().ends_with("- ldk-fitness"), "{title}");
                let made = browser.eval("document.querySelectorAll('main img, main script, main iframe, [onerror], [style]').length").await;
                assert_eq!(made, 0, "{name:?} made an element");
                let shown = browser.text("main").await;
                let unseen = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\0', '\u{1b}'];
                assert!(!shown.contains(unseen), "{shown:?}");
                let wider = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
                assert_eq!(wider, 0, "{name:?} does not fit");
                browser.picture(&format!("hostile-{i}-{page}")).await;
            }
        }
        // A name is text that can be found again.
        browser.goto(&stage.url("peers")).await;
        browser.click("#q").await;
        browser.keys("<script>").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length === 1").await;
        assert_eq!(browser.texts("#peers .name").await, ["<script>document.title='owned'</script>"]);
        assert!(browser.complaints().await.is_empty(), "not even the policy had to forbid anything");
    })
    .await;
}
