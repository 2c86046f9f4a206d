//! For whoever does not see, does not see colours, or has no mouse: what the browser tells of a page by its
//! accessibility tree, the contrast of what is written, and what can be done with a keyboard.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::driver::{Browser, with_browser};
use crate::stage::Stage;

/// The nodes that are told, by their roles, each with its name.
async fn tree(browser: &Browser) -> BTreeMap<String, Vec<String>> {
    let told = browser.cdp("Accessibility.getFullAXTree", json!({})).await;
    let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
    for node in told["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true) {
        roles.entry(text(node, "role")).or_default().push(text(node, "name"));
    }
    roles
}

/// What everybody has to be told by name.
const NAMED: [&str; 11] = [
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

async fn is_told_well(browser: &Browser, page: &str) {
    let roles = tree(browser).await;
    for role in NAMED {
        for name in roles.get(role).into_iter().flatten() {
            assert!(!name.trim().is_empty(), "{page}: a {role} has no name");
        }
    }
    for landmark in ["banner", "main", "contentinfo", "navigation"] {
        assert!(roles.contains_key(landmark), "{page} has no {landmark}: {:?}", roles.keys());
    }
    let level = browser
        .eval("Array.from(document.querySelectorAll('h1,h2,h3,h4'), (h) => Number(h.tagName[1]))")
        .await;
    let levels: Vec<i64> = level.as_array().unwrap().iter().map(|level| level.as_i64().unwrap()).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{page}: {levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{page} leaves out a level: {levels:?}");
    let twice = browser
        .eval("Array.from(document.querySelectorAll('[id]'), (e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)")
        .await;
    assert_eq!(twice, json!([]), "{page} has ids twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_has_a_role_and_a_name() {
    with_browser(async |browser| {
        let stage = Stage::of(30).await;
        let peer = format!("peers/{}", stage.world.peers[18]);
        for width in [1280, 390] {
            browser.size(width).await;
            for page in ["peers", &peer, "advice", "coverage", "nothing-here"] {
                browser.goto(&stage.url(page)).await;
                if page != "nothing-here" {
                    is_told_well(&browser, page).await;
                }
            }
            // A table stays one where it looks like cards.
            browser.goto(&stage.url("peers")).await;
            let roles = tree(&browser).await;
            let rows = roles["row"].len();
            assert_eq!(roles["rowheader"].len(), rows - 1, "one of them is the head");
            assert_eq!(roles["cell"].len(), 6 * (rows - 1));
            assert_eq!(roles["columnheader"].len(), 7);
            let strips = &roles["image"];
            assert!(strips.iter().any(|words| words.contains("equal parts")), "{strips:?}");
        }
    })
    .await;
}

/// The text on a page whose contrast with what is behind it is too low, by WCAG 2.2 (AA).
const FAINT: &str = r"(() => {
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
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  let seen = 0;
  for (const element of document.querySelectorAll('body *')) {
    const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(parse(style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(element.className + ' ' + element.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return {seen, faint};
})()";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_can_be_read_in_the_light_and_in_the_dark() {
    with_browser(async |browser| {
        let stage = Stage::of(30).await;
        let peer = format!("peers/{}", stage.world.peers[18]);
        // With everybody online or offline, and with nobody either.
        for paused in [false, true] {
            if paused {
                stage.handle().record(fitness_core::Event::ObservationPaused);
            }
            for (dark, width) in [(false, 1280), (false, 390), (true, 1280), (true, 390)] {
                browser.dark(dark).await;
                browser.size(width).await;
                for page in ["peers", &peer, "advice", "coverage", "nothing-here"] {
                    browser.goto(&stage.url(page)).await;
                    let told = browser.eval(FAINT).await;
                    assert!(told["seen"].as_u64().unwrap() > 3, "{told}");
                    assert_eq!(told["faint"], json!([]), "{page}, dark: {dark}, paused: {paused}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    with_browser(async |browser| {
        let stage = Stage::of(10).await;
        browser.size(1280).await;
        browser.goto(&stage.url("peers")).await;
        let focused = async |what: &str| browser.eval(&format!("document.activeElement.{what}")).await;
        browser.press("Tab").await;
        assert_eq!(focused("className").await, "skip", "the first thing is the way past the menu");
        assert!(browser.eval("document.activeElement.getBoundingClientRect().left").await.as_f64().unwrap() >= 0.0);
        browser.press("Enter").await;
        browser.until("document.activeElement.id === 'main'").await;
        browser.press("Tab").await;
        let next = focused("className").await;
        assert_eq!(next, "all", "what comes next is in the page");

        // Everything that can be used is reached, in the order in which it is read, and is seen to be.
        browser.goto(&stage.url("peers")).await;
        let usable = browser
            .eval("Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select')).filter((e) => e.checkVisibility()).length")
            .await
            .as_u64()
            .unwrap();
        for number in 0..usable {
            browser.press("Tab").await;
            let place = browser
                .eval("Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select')).filter((e) => e.checkVisibility()).indexOf(document.activeElement)")
                .await;
            assert_eq!(place, number, "out of order");
            let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
            assert_ne!(outline, "none", "number {number} is not seen to have the focus");
        }

        // To a peer and back.
        browser.eval("document.querySelector('#peers tbody a').focus()").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#facts')").await;
        browser.eval("document.querySelector('#days summary').focus()").await;
        browser.press("Enter").await;
        browser.until("document.querySelector('#days details').open").await;
    })
    .await;
}

/// What can be pointed at and is less than 24 pixels high, which WCAG 2.2 (AA) wants of it.
const TINY: &str = "Array.from(document.querySelectorAll('a, button, summary, input, select'))
    .filter((e) => e.checkVisibility() && e.type !== 'hidden' && !e.classList.contains('skip'))
    .map((e) => [e.textContent.trim().slice(0, 20), e.getBoundingClientRect().height])
    .filter(([, height]) => height < 24)";

#[tokio::test(flavor = "multi_thread")]
async fn everything_fits_and_can_be_touched() {
    with_browser(async |browser| {
        let stage = Stage::of(120).await;
        let handle = stage.handle();
        let shaky = handle.peers().into_iter().max_by_key(|peer| peer.disconnects).expect("there are some");
        let peer = format!("peers/{}?window=90d", shaky.node_id);
        for width in [320, 360, 768, 1000, 1280, 1920] {
            browser.size(width).await;
            for page in ["peers?sort=name", &peer, "advice", "coverage?window=lifetime", "nothing-here"] {
                browser.goto(&stage.url(page)).await;
                browser.eval("document.querySelectorAll('details').forEach((e) => (e.open = true))").await;
                let root = "document.documentElement";
                let wider = browser.eval(&format!("{root}.scrollWidth - {root}.clientWidth")).await;
                assert_eq!(wider, 0, "{page} does not fit into {width}");
                assert_eq!(browser.eval(TINY).await, json!([]), "{page} at {width}");
            }
        }
    })
    .await;
}
