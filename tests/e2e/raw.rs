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
    let (ours, theirs) = (dir.path().join("ours.redb"), dir.path().join("theirs.redb"));
    let (wallet, other) = (RawNode::start(1, &ours).await, RawNode::start(2, &theirs).await);
    let id = other.id();
    wallet.handle().record(Event::Watch { node_id: id });
    other.handle().record(Event::Watch { node_id: wallet.id() });
    let mut changes = Changes::since_now(&wallet.handle());
    let presence = |node: &RawNode, peer| node.handle().peer(&peer).map(|peer| peer.online);

    // Refused, whoever dials.
    wallet.refuse(true);
    let (door, way) = (Proxy::start(wallet.addr()).unwrap(), Proxy::start(other.addr()).unwrap());
    other.dial(&wallet, door.addr()).await.await.unwrap();
    until("a refusal", || wallet.refused() == 1).await;
    until("the end of it at the other end", || !other.lists(&wallet)).await;
    wallet.dial(&other, way.addr()).await.await.unwrap();
    until("another refusal", || wallet.refused() == 2).await;
    assert!(!wallet.lists(&other) && changes.presences(id).is_empty());
    assert_eq!(presence(&wallet, id), Some(Presence::Unobserved));

    // Accepted, cut off, accepted again.
    wallet.refuse(false);
    wallet.connect(&other, way.addr()).await;
    assert_eq!(presence(&wallet, id), Some(Presence::Online));
    let cut_at = wallet.handle().now();
    way.cut();
    until("the cut", || presence(&wallet, id) == Some(Presence::Offline)).await;
    let cut = wallet.handle().peer(&id).unwrap();
    assert_between(cut_at, cut.since, wallet.handle().now());
    assert_eq!(counts(&cut), (1, 1));
    way.restore();
    wallet.connect(&other, way.addr()).await;
    until("the return", || presence(&wallet, id) == Some(Presence::Online)).await;
    // What LDK lists is what it told.
    wallet.seed();
    assert_eq!(counts(&wallet.handle().peer(&id).unwrap()), (2, 1));

    let before = wallet.handle().peer(&id).unwrap();
    let (old, our_id) = (wallet.handle(), wallet.id());
    wallet.stop().await;
    let gone_at = old.now();
    let wallet = RawNode::start(1, &ours).await;
    let handle = wallet.handle();
    let seeded = handle.peer(&id).unwrap();
    assert_eq!((seeded.watched, seeded.first_seen), (true, before.first_seen));
    assert_eq!((seeded.last_flap, counts(&seeded)), (before.last_flap, (2, 1)), "our departure is no flap");
    wallet.connect(&other, way.addr()).await;
    until("the return", || presence(&wallet, id) == Some(Presence::Online)).await;
    let after = handle.peer(&id).unwrap();
    assert_eq!(after.disconnects, 1);
    assert!(after.observed_ns > before.observed_ns && after.uptime_ns > before.uptime_ns);
    let unobserved_ns = handle.now().nanos_since(after.first_seen) - after.observed_ns;
    assert!(unobserved_ns >= handle.health().started_at.nanos_since(gone_at));
    wallet.stop().await;
    other.stop().await;
}
