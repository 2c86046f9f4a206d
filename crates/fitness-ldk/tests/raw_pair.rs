//! Two real LDK nodes on loopback sockets: what LDK tells a custom message handler, and what we
//! make of it.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fitness_core::{Change, Event, NodeId, Presence};
use fitness_ldk::convert;
use lightning::events;
use support::{RawNode, until};

/// The module that drops all connections when it was held up.
const PROCESSOR: &str = "lightning_background_processor";

/// Two nodes that watch each other.
async fn pair() -> (RawNode, RawNode) {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.handle().record(Event::Watch { node_id: b.node_id() });
    b.handle().record(Event::Watch { node_id: a.node_id() });
    (a, b)
}

/// The presences that a peer has gone through.
async fn presences(changes: &mut fitness_actor::Subscription, peer: NodeId) -> Vec<Presence> {
    let mut seen = Vec::new();
    while let Ok(Some(Ok(change))) = tokio::time::timeout(Duration::ZERO, changes.next()).await {
        if let Change::Presence { node_id, presence: online, .. } = change {
            assert_eq!(node_id, peer);
            seen.push(online);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_see_the_connection_come_and_go() {
    let (a, b) = pair().await;
    a.connect(&b).await;
    assert_eq!((a.presence(&b), b.presence(&a)), (Presence::Online, Presence::Online));

    a.peers.disconnect_by_node_id(b.key);
    until(|| b.presence(&a) == Presence::Offline).await;
    assert_eq!(a.presence(&b), Presence::Offline);

    b.connect(&a).await;
    assert_eq!((a.presence(&b), b.presence(&a)), (Presence::Online, Presence::Online));
    let peer = b.handle().peer(&a.node_id()).unwrap();
    assert_eq!((peer.flap_count, peer.disconnects), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_peers_are_seen_to_go_at_once() {
    let (a, b) = pair().await;
    let c = RawNode::start(3).await;
    a.handle().record(Event::Watch { node_id: c.node_id() });
    a.connect(&b).await;
    c.connect(&a).await;
    a.peers.disconnect_all_peers();
    assert_eq!((a.presence(&b), a.presence(&c)), (Presence::Offline, Presence::Offline));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_the_inner_handler_refuses_is_never_online() {
    let (a, b) = pair().await;
    a.custom.refuses.store(true, Ordering::SeqCst);
    let mut changes = a.handle().subscribe();
    // The other end may have had its handshake by the time it loses the connection, or not.
    b.dial(&a).await.await.unwrap();
    assert_eq!(a.presence(&b), Presence::Unobserved);
    assert!(presences(&mut changes, b.node_id()).await.is_empty());

    a.custom.refuses.store(false, Ordering::SeqCst);
    b.connect(&a).await;
    assert_eq!(a.presence(&b), Presence::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_a_later_handler_refuses_comes_and_goes() {
    let (a, b) = pair().await;
    a.send_only.refuses.store(true, Ordering::SeqCst);
    let mut changes = a.handle().subscribe();
    b.dial(&a).await;
    until(|| a.presence(&b) == Presence::Offline).await;
    assert_eq!(presences(&mut changes, b.node_id()).await, [Presence::Online, Presence::Offline]);
    assert!(!a.lists(&b));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_of_the_same_peer_changes_nothing() {
    let (a, b) = pair().await;
    a.connect(&b).await;
    let mut changes = a.handle().subscribe();
    let refused = |log: &support::Log| log.has_said("lightning::ln::peer_handler", "Got second connection");
    b.dial(&a).await;
    until(|| refused(&a.log) || refused(&b.log)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(presences(&mut changes, b.node_id()).await.is_empty());
    assert!(a.lists(&b) && b.lists(&a));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_followed_from_its_funding_to_its_end() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    assert!(a.handle().peers().is_empty(), "a stranger costs nothing");
    a.open_channel(&b).await;

    let [listed] = &a.channels.list_channels()[..] else { panic!("one channel") };
    let channel_id = convert::channel_id(&listed.channel_id);
    let funding = convert::outpoint_from_ldk(&listed.funding_txo.unwrap());
    for (node, other) in [(&a, &b), (&b, &a)] {
        let channel = node.handle().channel_by_funding(&funding).unwrap();
        assert_eq!((channel.channel_id, channel.node_id), (channel_id, other.node_id()));
        assert_eq!(node.presence(other), Presence::Online);
        // Nothing new in the lists.
        let mut changes = node.handle().subscribe();
        node.fitness.reconcile(&node.channels, &node.peers);
        assert!(presences(&mut changes, other.node_id()).await.is_empty());
        assert_eq!(node.handle().channel(&channel_id).unwrap().opened_at, channel.opened_at);
    }

    a.channels.force_close_broadcasting_latest_txn(&listed.channel_id, &b.key, "enough".into()).unwrap();
    let closed = a.handle_events();
    assert!(closed.iter().any(|event| matches!(event, events::Event::ChannelClosed { .. })));
    assert_eq!(a.handle().channel(&channel_id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_funded_does_not_count() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    a.channels.create_channel(b.key, 100_000, 0, 1, None, None).unwrap();
    assert_eq!(a.channels.list_channels().len(), 1);
    a.fitness.reconcile(&a.channels, &a.peers);
    assert_eq!(a.handle().health().channels, 0);

    let temporary_id = a.channels.list_channels()[0].channel_id;
    a.channels.force_close_broadcasting_latest_txn(&temporary_id, &b.key, "enough".into()).unwrap();
    let events = a.handle_events();
    assert!(events.iter().any(|event| matches!(event, events::Event::ChannelClosed { .. })));
    assert!(a.handle().peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_finds_what_no_event_told() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    a.open_channel(&b).await;
    let [listed] = &a.channels.list_channels()[..] else { panic!("one channel") };
    let channel_id = convert::channel_id(&listed.channel_id);

    // A service that starts now, beside a node that has been running.
    let store = std::sync::Arc::new(fitness_store::MemoryStore::default());
    let late = fitness_actor::Service::builder(a.node_id(), store).start().await.unwrap();
    let fitness = fitness_ldk::LdkFitness::new(late.handle());
    fitness.reconcile(&a.channels, &a.peers);
    assert_eq!(late.handle().channel(&channel_id).unwrap().node_id, b.node_id());
    assert_eq!(late.handle().peer(&b.node_id()).unwrap().presence, Presence::Online);

    fitness.pause();
    a.peers.disconnect_all_peers();
    fitness.resume(&a.channels, &a.peers);
    let peer = late.handle().peer(&b.node_id()).unwrap();
    assert_eq!((peer.presence, peer.disconnects), (Presence::Unobserved, 0), "it has time to come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_usable_when_ldk_says_so_and_its_peer_is_there() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    let funding = a.open_channel(&b).await;
    assert_eq!((a.presence(&b), a.channel().usable), (Presence::Online, Some(false)));
    a.seed();
    assert_eq!(a.channel().usable, Some(false), "it is not confirmed");

    a.confirm_channel(&b, &funding).await;
    assert_eq!((a.channel().usable, b.channel().usable), (Some(true), Some(true)));
    let before = a.channel();
    a.seed();
    let after = a.channel();
    assert_eq!(after.usable_ns - before.usable_ns, after.lifetime_ns - before.lifetime_ns);
    assert!(after.usable_ns < after.uptime_ns, "it was online before it was usable");

    // Its peer away, a list says nothing of the channel.
    a.peers.disconnect_by_node_id(b.key);
    until(|| b.presence(&a) == Presence::Offline).await;
    assert_eq!(a.channel().usable, Some(false));
    a.seed();
    b.connect(&a).await;
    let is_usable = |node: &RawNode| node.channels.list_channels()[0].is_usable;
    until(|| is_usable(&a) && is_usable(&b)).await;
    // By which `ConnectionHint` knows. This fails where LDK words it differently.
    assert!(a.log.has_said("lightning::ln::channel", "Reconnected channel "));
    assert_eq!((a.channel().usable, b.channel().usable), (Some(true), Some(true)));
    a.seed();
    assert_eq!(a.channel().usable, Some(true));

    // A shutdown that is not negotiated yet; no event tells of it.
    a.channels.close_channel(&a.channels.list_channels()[0].channel_id, &b.key).unwrap();
    assert_eq!(a.channel().usable, Some(true));
    a.seed();
    assert_eq!((a.presence(&b), a.channel().usable), (Presence::Online, Some(false)));
}

/// LDK's background processor drops all connections after it was held up for a second, and says so in
/// its log alone. This fails where LDK words that differently.
#[tokio::test]
async fn whom_a_node_drops_because_it_was_held_up_was_lost_by_itself() {
    let (a, b) = pair().await;
    a.connect(&b).await;
    // There is but one thread, for both nodes and their services.
    let held_up = async {
        // Once the processor sleeps.
        until(|| a.log.has_said(PROCESSOR, "Calling ChannelManager's timer_tick_occurred on startup")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::thread::sleep(Duration::from_millis(1_500));
        until(|| b.presence(&a) == Presence::Offline).await;
    };
    tokio::select! {
        () = a.process_in_background() => panic!("it goes on until it is dropped"),
        () = held_up => {}
    }
    assert!(a.log.has_said(PROCESSOR, "100ms sleep took more than a second, disconnecting peers."));
    // To the other end, which was held up no less but does not know, the first one is gone.
    let disconnects =
        |node: &RawNode, other: &RawNode| node.handle().peer(&other.node_id()).unwrap().disconnects;
    assert_eq!((a.presence(&b), disconnects(&a, &b)), (Presence::Unobserved, 0));
    assert_eq!((b.presence(&a), disconnects(&b, &a)), (Presence::Offline, 1));
    let suspended = a.handle().health().coverage.unwrap().suspended;
    assert_eq!((suspended.count, b.handle().health().coverage.unwrap().suspended.count), (1, 0));
    assert!(Duration::from_nanos(suspended.length_ns) >= Duration::from_secs(1), "at least");

    b.connect(&a).await;
    let peer = a.handle().peer(&b.node_id()).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Online, 0, 0));
}
