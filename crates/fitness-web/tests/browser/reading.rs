//! Reading: the pages load, at every width, light and dark, with nobody, one and many; they sort and
//! filter; and without a script they do the same.

use crate::driver::{Browser, with_browser};
use crate::stage::Stage;

async fn pages(stage: &Stage) -> Vec<String> {
    let mut pages =
        vec!["peers".to_owned(), "peers?sort=outages&window=7d&order=desc".to_owned(), "coverage".to_owned()];
    pages.extend(stage.world.peers.first().map(|node_id| format!("peers/{node_id}")));
    pages
}

async fn loads(browser: &Browser, stage: &Stage, peers: usize) {
    for (number, page) in pages(stage).await.into_iter().enumerate() {
        for (width, dark) in [(320, false), (390, true), (768, false), (1280, true), (1920, false)] {
            browser.size(width).await;
            browser.dark(dark).await;
            browser.goto(&stage.url(&page)).await;
            browser.until("document.querySelector('.live .words').textContent === 'Live'").await;
            let wider = browser
                .eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await;
            assert_eq!(wider, 0, "{page} is wider than {width}");
            let name = format!("{peers}-{number}-{width}");
            browser.picture(&name).await;
        }
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "{page}: {complaints:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_load_with_nobody() {
    with_browser(async |browser| {
        let stage = Stage::of(0).await;
        loads(&browser, &stage, 0).await;
        browser.goto(&stage.url("")).await;
        assert!(browser.text("main").await.contains("No peer is followed yet"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_load_with_one() {
    with_browser(async |browser| {
        let stage = Stage::of(1).await;
        loads(&browser, &stage, 1).await;
        browser.goto(&stage.url("peers")).await;
        assert_eq!(browser.texts("#peers tbody tr").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_load_with_many_and_are_cut_in_parts() {
    with_browser(async |browser| {
        let stage = Stage::of(5_000).await;
        loads(&browser, &stage, 5_000).await;
        browser.goto(&stage.url("peers?sort=name")).await;
        assert_eq!(browser.texts("#peers tbody tr").await.len(), 100);
        assert!(browser.text("#pager").await.contains("1 to 100 of "));
        let first = browser.texts("#peers tbody th").await;
        browser.click("#pager a[rel=next]").await;
        browser.until("document.querySelector('#pager').innerText.includes('101 to 200')").await;
        let second = browser.texts("#peers tbody th").await;
        assert!(first.iter().all(|name| !second.contains(name)), "each is on one page");

        // Among all of them one is found.
        let wanted = stage.world.peers[4_321];
        browser.goto(&stage.url("peers")).await;
        browser.click("#q").await;
        browser.keys(wanted.to_string()).await;
        browser.until("document.querySelectorAll('#peers tbody tr').length === 1").await;
        browser.click("#peers tbody a").await;
        browser.until(&format!("location.pathname.endsWith('{wanted}')")).await;
        assert!(browser.text("#facts").await.contains(&wanted.to_string()));
    })
    .await;
}

/// The numbers of a column, as far as they are known.
async fn column(browser: &Browser, label: &str) -> Vec<f64> {
    let texts = browser.texts(&format!("#peers td[data-label='{label}']")).await;
    let number = |text: &String| {
        text.trim_start_matches(['≈', '≥', ' ']).split([' ', '\n']).next()?.replace(',', "").parse().ok()
    };
    texts.iter().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_sorted_by_a_click_and_found_while_one_types() {
    with_browser(async |browser| {
        let stage = Stage::of(60).await;
        browser.size(1280).await;
        browser.goto(&stage.url("peers")).await;
        let header = |words: &str| format!("#peers thead a[href*='sort={words}']");
        for (words, label, falls) in
            [("availability", "Availability", false), ("outages", "Outages", true), ("flaps", "Flaps", true)]
        {
            browser.click(&header(words)).await;
            browser.until(&format!("location.search.includes('sort={words}')")).await;
            browser.until("document.querySelector('th[aria-sort]')").await;
            let sorted = column(&browser, label).await;
            assert!(sorted.len() > 50, "{label}: {sorted:?}");
            let in_order = |pair: &[f64]| if falls { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
            assert!(sorted.windows(2).all(in_order), "{label}: {sorted:?}");
            browser.click("#peers thead th[aria-sort] a").await;
            let before = if falls { "descending" } else { "ascending" };
            browser
                .until(&format!("document.querySelector('th[aria-sort]:not([aria-sort={before}])')"))
                .await;
            let turned = column(&browser, label).await;
            assert!(
                turned.windows(2).all(|pair| !in_order(pair) || pair[0] == pair[1]),
                "{label}: {turned:?}"
            );
        }

        // While one types nothing is loaded anew, and the focus stays.
        browser.goto(&stage.url("peers")).await;
        browser.eval("window.untouched = true").await;
        browser.click("#q").await;
        browser.keys("river").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length < 10").await;
        let names = browser.texts("#peers tbody .name").await;
        assert!(!names.is_empty() && names.iter().all(|name| name.contains("river")), "{names:?}");
        assert_eq!(browser.eval("document.activeElement.id").await, "q");
        assert_eq!(browser.eval("window.untouched").await, true);
        assert!(browser.url().await.contains("q=river"));
        // One step back is what was there before.
        browser.eval("history.back()").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length > 50").await;
        browser.eval("history.forward()").await;
        browser.until("document.querySelectorAll('#peers tbody tr').length < 10").await;
        // What was asked can be passed on as a link.
        browser.reload().await;
        assert_eq!(browser.texts("#peers tbody .name").await, names);

        browser.click("#states .offline").await;
        browser.until("location.search.includes('state=offline')").await;
        let states = browser.texts("#peers td[data-label=State]").await;
        assert!(states.iter().all(|state| state.contains("Offline")), "{states:?}");
        assert!(browser.complaints().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_all_can_be_read_sorted_and_found() {
    with_browser(async |browser| {
        let stage = Stage::of(150).await;
        browser.size(1280).await;
        browser.scripts(false).await;
        browser.goto(&stage.url("peers")).await;
        // The driver's own questions are asked beside the page's scripts, which do not run.
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
        assert!(browser.text("#in-windows").await.contains("lifetime"));
        browser.click(".choice a[href*='window=7d']").await;
        browser.until("document.querySelector('.choice [aria-current]').innerText === '7d'").await;
        browser.click("#days summary").await;
        browser.until("document.querySelector('#days details').open").await;
        browser.click("header nav a[href$='coverage']").await;
        browser.until("document.querySelectorAll('#gap-list tbody tr').length > 2").await;
    })
    .await;
}
