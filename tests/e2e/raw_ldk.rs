//! Nodes built on LDK alone: rejected connections, an outage and a restart, observed by the wrapper around
//! a wallet's own message handler.

use std::time::Duration;

use fitness_core::{Event, Presence};
use fitness_regtest::Proxy;
use tempfile::TempDir;

use crate::support::raw_node::RawNode;
use crate::support::{Changes, TIMEOUT, assert_between, counts};

/// Waits until a condition holds, without blocking the runtime.
async fn wait_until(condition: &str, mut holds: impl FnMut() -> bool) {
    let polls = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(TIMEOUT, polls).await.is_ok(), "timed out waiting for {condition}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_connections_are_not_counted_and_accepted_ones_are() {
    let dir = TempDir::new().unwrap();
    let store = |name: &str| dir.path().join(name);
    let wallet = RawNode::start(1, &store("wallet")).await;
    let (other, third) = (RawNode::start(2, &store("other")).await, RawNode::start(3, &store("third")).await);
    let id = other.id();
    for node_id in [id, third.id()] {
        wallet.handle().record(Event::Watch { node_id });
    }
    let mut changes = Changes::since_now(&wallet.handle());
    let presence = |wallet: &RawNode| wallet.handle().peer(&id).map(|peer| peer.presence);

    // Rejected, whichever side dials. The other side may have completed its handshake or not.
    wallet.reject_peers(true);
    let proxy = Proxy::start(wallet.addr()).unwrap();
    other.dial(&wallet, proxy.addr()).await.await.unwrap();
    wallet.dial(&third, third.addr()).await.await.unwrap();
    assert_eq!(wallet.rejected(), 2);
    assert!(changes.presences(id).is_empty() && changes.presences(third.id()).is_empty());
    assert_eq!(presence(&wallet), Some(Presence::Unobserved));

    // Accepted, cut, accepted again.
    wallet.reject_peers(false);
    let proxy_to_other = Proxy::start(other.addr()).unwrap();
    let are_connected = |wallet: &RawNode| wallet.lists(&other) && other.lists(wallet);
    wallet.dial(&other, proxy_to_other.addr()).await;
    wait_until("a connection", || are_connected(&wallet)).await;
    assert_eq!(presence(&wallet), Some(Presence::Online));
    let cut_at = wallet.handle().now();
    proxy_to_other.cut();
    wait_until("the cut", || presence(&wallet) == Some(Presence::Offline)).await;
    let cut = wallet.handle().peer(&id).unwrap();
    assert_between(cut_at, cut.presence_since, wallet.handle().now());
    assert_eq!(counts(&cut), (1, 1));
    // The other side rejects a second connection until it has noticed the cut.
    wait_until("the cut on the other side", || !other.lists(&wallet)).await;
    proxy_to_other.restore();
    wallet.dial(&other, proxy_to_other.addr()).await;
    wait_until("the reconnect", || are_connected(&wallet)).await;
    // LDK's lists match its callbacks.
    wallet.reconcile();
    assert_eq!(counts(&wallet.handle().peer(&id).unwrap()), (2, 1));

    let before = wallet.handle().peer(&id).unwrap();
    let old = wallet.handle();
    wallet.stop().await;
    let stopped_at = old.now();
    let wallet = RawNode::start(1, &store("wallet")).await;
    wait_until("our disconnect on the other side", || !other.lists(&wallet)).await;
    let handle = wallet.handle();
    let resumed = handle.peer(&id).unwrap();
    assert_eq!((resumed.watched, resumed.tracked_since), (true, before.tracked_since));
    assert_eq!(
        (resumed.last_flap, counts(&resumed)),
        (before.last_flap, (2, 1)),
        "our own stop is not a flap"
    );
    wallet.dial(&other, proxy_to_other.addr()).await;
    wait_until("the reconnect", || are_connected(&wallet)).await;
    assert_eq!(presence(&wallet), Some(Presence::Online));
    let after = handle.peer(&id).unwrap();
    assert_eq!(counts(&after), (2, 1), "a reconnect after our own stop is not a flap");
    assert!(after.observed_ns > before.observed_ns && after.uptime_ns > before.uptime_ns);
    let unobserved_ns = handle.now().nanos_since(after.tracked_since) - after.observed_ns;
    assert!(unobserved_ns >= handle.health().started_at.nanos_since(stopped_at));
    wallet.stop().await;
    other.stop().await;
    third.stop().await;
}
