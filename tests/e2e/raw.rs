//! Two nodes on LDK itself: what the wrapper around a wallet's own message handler makes of
//! refusals, of an outage and of a restart.

use std::time::Duration;

use fitness_core::{Event, Presence};
use fitness_regtest::Proxy;
use tempfile::TempDir;

use crate::support::raw_node::RawNode;
use crate::support::{Changes, PATIENCE, assert_between, counts};

/// Looks again and again, without holding up the sockets of this runtime.
async fn until(awaited: &str, mut so: impl FnMut() -> bool) {
    let looks = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looks).await.is_ok(), "waited in vain for {awaited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refused_never_count_and_the_accepted_do_across_a_restart() {
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

    // Refused, whoever dials. The other end may have had its handshake by then, or not.
    wallet.refuse(true);
    let door = Proxy::start(wallet.addr()).unwrap();
    other.dial(&wallet, door.addr()).await.await.unwrap();
    wallet.dial(&third, third.addr()).await.await.unwrap();
    assert_eq!(wallet.refused(), 2);
    assert!(changes.presences(id).is_empty() && changes.presences(third.id()).is_empty());
    assert_eq!(presence(&wallet), Some(Presence::Unobserved));

    // Accepted, cut off, accepted again.
    wallet.refuse(false);
    let way = Proxy::start(other.addr()).unwrap();
    let are_connected = |wallet: &RawNode| wallet.lists(&other) && other.lists(wallet);
    wallet.dial(&other, way.addr()).await;
    until("a connection", || are_connected(&wallet)).await;
    assert_eq!(presence(&wallet), Some(Presence::Online));
    let cut_at = wallet.handle().now();
    way.cut();
    until("the cut", || presence(&wallet) == Some(Presence::Offline)).await;
    let cut = wallet.handle().peer(&id).unwrap();
    assert_between(cut_at, cut.presence_since, wallet.handle().now());
    assert_eq!(counts(&cut), (1, 1));
    // Until it has noticed, the other end refuses a second connection.
    until("the cut, as the other end sees it", || !other.lists(&wallet)).await;
    way.restore();
    wallet.dial(&other, way.addr()).await;
    until("the return", || are_connected(&wallet)).await;
    // What LDK lists is what it told.
    wallet.seed();
    assert_eq!(counts(&wallet.handle().peer(&id).unwrap()), (2, 1));

    let before = wallet.handle().peer(&id).unwrap();
    let old = wallet.handle();
    wallet.stop().await;
    let gone_at = old.now();
    let wallet = RawNode::start(1, &store("wallet")).await;
    until("our departure, as the other end sees it", || !other.lists(&wallet)).await;
    let handle = wallet.handle();
    let seeded = handle.peer(&id).unwrap();
    assert_eq!((seeded.watched, seeded.tracked_since), (true, before.tracked_since));
    assert_eq!((seeded.last_flap, counts(&seeded)), (before.last_flap, (2, 1)), "our departure is no flap");
    wallet.dial(&other, way.addr()).await;
    until("the return", || are_connected(&wallet)).await;
    assert_eq!(presence(&wallet), Some(Presence::Online));
    let after = handle.peer(&id).unwrap();
    assert_eq!(counts(&after), (2, 1), "a return is no flap");
    assert!(after.observed_ns > before.observed_ns && after.uptime_ns > before.uptime_ns);
    let unobserved_ns = handle.now().nanos_since(after.tracked_since) - after.observed_ns;
    assert!(unobserved_ns >= handle.health().started_at.nanos_since(gone_at));
    wallet.stop().await;
    other.stop().await;
    third.stop().await;
}
