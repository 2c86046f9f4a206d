//! Accessibility: roles and names, contrast, keyboard operation and target sizes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::driver::{Browser, with_browser};
use crate::test_server::TestServer;

/// Returns the names of the nodes in the accessibility tree by role.
async fn accessible_names(browser: &Browser) -> BTreeMap<String, Vec<String>> {
    let tree = browser.cdp("Accessibility.getFullAXTree", json!({})).await;
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = |node: &Value, key: &str| node[key]["value"].as_str().unwrap_or_default().to_owned();
    for node in tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true) {
        roles.entry(text(node, "role")).or_default().push(text(node, "name"));
    }
    roles
}

/// Roles that need an accessible name.
const NAMED_ROLES: [&str; 11] = [
    "link",
    "button",
    "image",
    "searchbox",
    "combobox",
    "textbox",
    "columnheader",
    "rowheader",
    "heading",
    "navigation",
    "table",
];

async fn check_page(browser: &Browser, page: &str) {
    let roles = accessible_names(browser).await;
    for role in NAMED_ROLES {
        for name in roles.get(role).into_iter().flatten() {
            assert!(!name.trim().is_empty(), "{page}: {role} without a name");
        }
    }
    for landmark in ["banner", "main", "contentinfo", "navigation"] {
        assert!(roles.contains_key(landmark), "{page} has no {landmark}: {:?}", roles.keys());
    }
    let levels = browser
        .eval("Array.from(document.querySelectorAll('h1,h2,h3,h4'), (h) => Number(h.tagName[1]))")
        .await;
    let levels: Vec<i64> = levels.as_array().unwrap().iter().map(|level| level.as_i64().unwrap()).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{page}: {levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{page} skips a heading level: {levels:?}");
    let duplicates = browser
        .eval("Array.from(document.querySelectorAll('[id]'), (e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)")
        .await;
    assert_eq!(duplicates, json!([]), "{page} has duplicate ids");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn elements_have_roles_and_names() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(30).await;
        let peer = format!("peers/{}", server.node.peers[18]);
        for width in [1280, 390] {
            browser.size(width).await;
            for page in ["peers", &peer, "advice", "coverage", "nothing-here"] {
                browser.goto(&server.url(page)).await;
                if page != "nothing-here" {
                    check_page(&browser, page).await;
                }
            }
            // Tables keep their roles when rows are shown as cards.
            browser.goto(&server.url("peers")).await;
            let roles = accessible_names(&browser).await;
            let rows = roles["row"].len();
            assert_eq!(roles["rowheader"].len(), rows - 1, "one row is the header");
            assert_eq!(roles["cell"].len(), 6 * (rows - 1));
            assert_eq!(roles["columnheader"].len(), 7);
            let strips = &roles["image"];
            assert!(strips.len() >= rows - 1, "{strips:?}");
        }
    })
    .await;
}

/// Finds text whose contrast with its background is below WCAG 2.2 level AA.
const LOW_CONTRAST: &str = r"(() => {
  const parse = (color) => {
    const canvas = parse.context ??= document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const backgroundOf = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const lowContrast = [];
  let checked = 0;
  for (const element of document.querySelectorAll('body *')) {
    const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    checked += 1;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(parse(style.color)), luminance(backgroundOf(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) lowContrast.push(element.className + ' ' + element.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return {checked, lowContrast};
})()";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn text_has_sufficient_contrast_in_light_and_dark_mode() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(30).await;
        let peer = format!("peers/{}", server.node.peers[18]);
        // While paused, all peers are unobserved.
        for paused in [false, true] {
            if paused {
                server.handle().record(fitness_core::Event::ObservationPaused);
            }
            for (dark, width) in [(false, 1280), (false, 390), (true, 1280), (true, 390)] {
                browser.dark(dark).await;
                browser.size(width).await;
                for page in ["peers", &peer, "advice", "coverage", "nothing-here"] {
                    browser.goto(&server.url(page)).await;
                    let result = browser.eval(LOW_CONTRAST).await;
                    assert!(result["checked"].as_u64().unwrap() > 3, "{result}");
                    assert_eq!(result["lowContrast"], json!([]), "{page}, dark: {dark}, paused: {paused}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn keyboard_reaches_all_controls() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(10).await;
        browser.size(1280).await;
        browser.goto(&server.url("peers")).await;
        let focused_class = async || browser.eval("document.activeElement.className").await;
        browser.press("Tab").await;
        assert_eq!(focused_class().await, "skip", "the first element is the skip link");
        assert!(browser.eval("document.activeElement.getBoundingClientRect().left").await.as_f64().unwrap() >= 0.0);
        browser.press("Enter").await;
        browser.until("document.activeElement.id === 'main'").await;
        browser.press("Tab").await;
        assert_eq!(focused_class().await, "all", "the next element is in the main content");

        // Tab reaches all controls in document order, with a visible focus indicator.
        browser.goto(&server.url("peers")).await;
        let controls = browser
            .eval("Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select')).filter((e) => e.checkVisibility()).length")
            .await
            .as_u64()
            .unwrap();
        for index in 0..controls {
            browser.press("Tab").await;
            let focused_index = browser
                .eval("Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select')).filter((e) => e.checkVisibility()).indexOf(document.activeElement)")
                .await;
            assert_eq!(focused_index, index, "out of order");
            let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
            assert_ne!(outline, "none", "no focus indicator on control {index}");
        }

        // Enter follows links and opens details.
        browser.eval("document.querySelector('#peers tbody a').focus()").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#facts')").await;
        browser.eval("document.querySelector('#availability-chart summary').focus()").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#availability-chart details').open").await;
    })
    .await;
}

/// Finds controls that are less than 24 pixels high, the minimum target size of WCAG 2.2 level AA.
const SMALL_TARGETS: &str = "Array.from(document.querySelectorAll('a, button, summary, input, select'))
    .filter((e) => e.checkVisibility() && e.type !== 'hidden' && !e.classList.contains('skip'))
    .map((e) => [e.textContent.trim().slice(0, 20), e.getBoundingClientRect().height])
    .filter(([, height]) => height < 24)";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromedriver and chromium (Debian: chromium-driver, chromium)"]
async fn pages_fit_and_targets_are_large_enough() {
    with_browser(async |browser| {
        let server = TestServer::with_peers(120).await;
        let handle = server.handle();
        let unstable = handle.peers().into_iter().max_by_key(|peer| peer.disconnects).expect("peers");
        let peer = format!("peers/{}?window=90d", unstable.node_id);
        for width in [320, 360, 768, 1000, 1280, 1920] {
            browser.size(width).await;
            for page in ["peers?sort=alias", &peer, "advice", "coverage?window=lifetime", "nothing-here"] {
                browser.goto(&server.url(page)).await;
                browser.eval("document.querySelectorAll('details').forEach((e) => (e.open = true))").await;
                let root = "document.documentElement";
                let overflow = browser.eval(&format!("{root}.scrollWidth - {root}.clientWidth")).await;
                assert_eq!(overflow, 0, "{page} does not fit into {width}");
                assert_eq!(browser.eval(SMALL_TARGETS).await, json!([]), "{page} at {width}");
            }
        }
    })
    .await;
}
