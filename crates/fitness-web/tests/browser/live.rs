//! What happens is seen without loading anew, and a server that was restarted is found again.

use fitness_core::{Event, NodeId, Presence};

use crate::driver::{Browser, with_browser};
use crate::stage::Stage;

/// Some peer of that state.
fn some(stage: &Stage, presence: Presence) -> NodeId {
    let peers = stage.handle().peers();
    peers.iter().find(|peer| peer.presence == presence).expect("there is one").node_id
}

async fn is_live(browser: &Browser) {
    browser.until("document.querySelector('.live .words').textContent === 'Live'").await;
    browser.eval("window.untouched = true").await;
}

fn state_of(node_id: &NodeId, state: &str) -> String {
    format!("document.getElementById('p-{node_id}')?.innerText.includes('{state}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_follows_what_happens() {
    with_browser(async |browser| {
        let stage = Stage::of(40).await;
        let handle = stage.handle();
        let (online, offline) = (some(&stage, Presence::Online), some(&stage, Presence::Offline));
        browser.size(1280).await;
        browser.goto(&stage.url("peers?sort=name")).await;
        is_live(&browser).await;
        let count = browser.text("#states .offline .number").await.parse::<usize>().unwrap();
        // Whoever has something in focus keeps it.
        browser.eval(&format!("document.querySelector('#p-{online} a').focus()")).await;

        handle.record(Event::PeerOffline { node_id: online });
        browser.until(&state_of(&online, "Offline")).await;
        browser
            .until(&format!(
                "document.querySelector('#states .offline .number').innerText === '{}'",
                count + 1
            ))
            .await;
        handle.record(Event::PeerOnline { node_id: offline });
        browser.until(&state_of(&offline, "Online")).await;
        assert_eq!(browser.eval("window.untouched").await, true, "nothing was loaded anew");
        let focused = browser.eval("document.activeElement.closest('tr')?.id").await;
        assert_eq!(focused, format!("p-{online}"), "the focus stays where it was");

        // Rows change places where they are sorted by what changed.
        browser.goto(&stage.url("peers")).await;
        is_live(&browser).await;
        handle.record(Event::PeerOnline { node_id: online });
        handle.record(Event::PeerOffline { node_id: offline });
        browser.until(&format!("document.querySelector('#peers tbody tr').id === 'p-{offline}'")).await;

        // What somebody is typing is left alone.
        browser.click("#q").await;
        browser.eval("document.querySelector('#q').value = 'half a na'").await;
        handle.record(Event::PeerOnline { node_id: offline });
        browser.until(&state_of(&offline, "Online")).await;
        assert_eq!(browser.eval("document.querySelector('#q').value").await, "half a na");
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "{complaints:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peers_page_and_the_coverage_follow_too() {
    with_browser(async |browser| {
        let stage = Stage::of(10).await;
        let handle = stage.handle();
        let online = some(&stage, Presence::Online);
        browser.size(1280).await;
        browser.goto(&stage.url(&format!("peers/{online}"))).await;
        is_live(&browser).await;
        // What somebody opened, and what somebody is pointing at.
        browser.eval("(document.querySelector('#days details').open = true)").await;
        browser
            .eval("(window.pointed = document.querySelectorAll('#facts .state, #outage-list th')).length")
            .await;
        handle.record(Event::PeerOffline { node_id: online });
        browser.until("document.querySelector('#facts .state').innerText.includes('Offline')").await;
        assert_eq!(browser.eval("document.querySelector('#days details').open").await, true);
        let kept = "Array.from(window.pointed).every((element) => element.isConnected)";
        assert_eq!(browser.eval(kept).await, true, "it is changed, not replaced");
        browser.until("document.querySelector('#outage-list tbody tr').innerText.includes('theirs')").await;

        browser.goto(&stage.url("coverage")).await;
        is_live(&browser).await;
        handle.record(Event::ObservationPaused);
        browser.until("document.querySelector('#trouble').innerText.includes('the wallet paused us')").await;
        browser.until("document.querySelector('#gap-list tbody tr').innerText.includes('now')").await;
        handle.record(Event::ObservationResumed);
        browser.until("!document.querySelector('#trouble').innerText").await;
        assert_eq!(browser.eval("window.untouched").await, true);
        assert!(browser.complaints().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_looked_at_once() {
    with_browser(async |browser| {
        let stage = Stage::of(40).await;
        let handle = stage.handle();
        browser.goto(&stage.url("peers")).await;
        is_live(&browser).await;
        browser.until("performance.getEntriesByType('resource').some((e) => e.initiatorType === 'xmlhttprequest')").await;
        let asked = "performance.getEntriesByType('resource').filter((e) => e.initiatorType === 'xmlhttprequest').length";
        let before = browser.eval(asked).await.as_u64().unwrap();
        // More than the subscription keeps, so that some are missed.
        let node_id = some(&stage, Presence::Online);
        for _ in 0..2_000 {
            handle.record(Event::PeerOffline { node_id });
            handle.record(Event::PeerOnline { node_id });
        }
        handle.record(Event::PeerOffline { node_id });
        browser.until(&state_of(&node_id, "Offline")).await;
        let after = browser.eval(asked).await.as_u64().unwrap();
        assert!(after - before <= 4, "{} times", after - before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_found_again() {
    with_browser(async |browser| {
        let mut stage = Stage::of(10).await;
        browser.goto(&stage.url("peers")).await;
        is_live(&browser).await;
        let rows = browser.texts("#peers tbody tr").await.len();
        stage.stop().await;
        browser.until("document.querySelector('.live').classList.contains('lost')").await;
        assert!(browser.text(".live").await.contains("Not live"));
        assert_eq!(browser.texts("#peers tbody tr").await.len(), rows, "what was known can still be read");

        stage.start().await;
        browser.until("!document.querySelector('.live').classList.contains('lost')").await;
        let node_id = some(&stage, Presence::Online);
        stage.handle().record(Event::PeerOffline { node_id });
        browser.until(&state_of(&node_id, "Offline")).await;
        assert_eq!(browser.eval("window.untouched").await, true);
    })
    .await;
}
