//! `LdkFitness` with two real LDK nodes on loopback sockets.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[allow(dead_code, reason = "not every test uses all helpers")]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fitness_core::{Change, Event, NodeId, Presence};
use fitness_ldk::convert;
use lightning::events;
use support::{RawNode, wait_until};

/// The LDK module that drops all connections after a stall.
const BACKGROUND_PROCESSOR: &str = "lightning_background_processor";

/// Starts two nodes that watch each other.
async fn node_pair() -> (RawNode, RawNode) {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.handle().record(Event::Watch { node_id: b.node_id() });
    b.handle().record(Event::Watch { node_id: a.node_id() });
    (a, b)
}

/// Returns the changes of a peer's presence so far, without waiting.
async fn presences(changes: &mut fitness_actor::Subscription, peer: NodeId) -> Vec<Presence> {
    let mut seen = Vec::new();
    while let Ok(Some(Ok(change))) = tokio::time::timeout(Duration::ZERO, changes.next()).await {
        if let Change::Presence { node_id, presence, .. } = change {
            assert_eq!(node_id, peer);
            seen.push(presence);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn both_nodes_record_connects_and_disconnects() {
    let (a, b) = node_pair().await;
    a.connect(&b).await;
    assert_eq!((a.presence(&b), b.presence(&a)), (Presence::Online, Presence::Online));

    a.peers.disconnect_by_node_id(b.key);
    wait_until(|| b.presence(&a) == Presence::Offline).await;
    assert_eq!(a.presence(&b), Presence::Offline);

    b.connect(&a).await;
    assert_eq!((a.presence(&b), b.presence(&a)), (Presence::Online, Presence::Online));
    let peer = b.handle().peer(&a.node_id()).unwrap();
    assert_eq!((peer.flap_count, peer.disconnects), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_all_peers_is_recorded() {
    let (a, b) = node_pair().await;
    let c = RawNode::start(3).await;
    a.handle().record(Event::Watch { node_id: c.node_id() });
    a.connect(&b).await;
    c.connect(&a).await;
    a.peers.disconnect_all_peers();
    assert_eq!((a.presence(&b), a.presence(&c)), (Presence::Offline, Presence::Offline));
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_rejected_by_the_inner_handler_is_never_online() {
    let (a, b) = node_pair().await;
    a.custom.rejects.store(true, Ordering::SeqCst);
    let mut changes = a.handle().subscribe();
    // The other node may or may not have completed its handshake before it loses the connection.
    b.dial(&a).await.await.unwrap();
    assert_eq!(a.presence(&b), Presence::Unobserved);
    assert!(presences(&mut changes, b.node_id()).await.is_empty());

    a.custom.rejects.store(false, Ordering::SeqCst);
    b.connect(&a).await;
    assert_eq!(a.presence(&b), Presence::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_rejected_by_a_later_handler_is_online_then_offline() {
    let (a, b) = node_pair().await;
    a.send_only.rejects.store(true, Ordering::SeqCst);
    let mut changes = a.handle().subscribe();
    b.dial(&a).await;
    wait_until(|| a.presence(&b) == Presence::Offline).await;
    assert_eq!(presences(&mut changes, b.node_id()).await, [Presence::Online, Presence::Offline]);
    assert!(!a.lists(&b));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_connection_of_the_same_peer_changes_nothing() {
    let (a, b) = node_pair().await;
    a.connect(&b).await;
    let mut changes = a.handle().subscribe();
    let rejected = |log: &support::Log| log.contains("lightning::ln::peer_handler", "Got second connection");
    // Waits until both nodes have closed the second connection.
    b.dial(&a).await.await.unwrap();
    wait_until(|| a.closed_inbound_connections() == 1).await;
    assert!(rejected(&a.log) || rejected(&b.log));
    assert!(presences(&mut changes, b.node_id()).await.is_empty());
    assert!(a.lists(&b) && b.lists(&a));
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_is_recorded_from_funding_to_close() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    assert!(a.handle().peers().is_empty(), "a peer without a channel is not tracked");
    a.open_channel(&b).await;

    let [listed] = &a.channels.list_channels()[..] else { panic!("one channel") };
    let channel_id = convert::channel_id(&listed.channel_id);
    let funding = convert::outpoint_from_ldk(&listed.funding_txo.unwrap());
    for (node, other) in [(&a, &b), (&b, &a)] {
        let channel = node.handle().channel_by_funding(&funding).unwrap();
        assert_eq!((channel.channel_id, channel.node_id), (channel_id, other.node_id()));
        assert_eq!(node.presence(other), Presence::Online);
        // The lists contain nothing new.
        let mut changes = node.handle().subscribe();
        node.fitness.reconcile(&node.channels, &node.peers);
        assert!(presences(&mut changes, other.node_id()).await.is_empty());
        assert_eq!(node.handle().channel(&channel_id).unwrap().opened_at, channel.opened_at);
    }

    a.channels.force_close_broadcasting_latest_txn(&listed.channel_id, &b.key, "test".into()).unwrap();
    let closed = a.handle_events();
    assert!(closed.iter().any(|event| matches!(event, events::Event::ChannelClosed { .. })));
    assert_eq!(a.handle().channel(&channel_id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfunded_channel_is_not_recorded() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    a.channels.create_channel(b.key, 100_000, 0, 1, None, None).unwrap();
    assert_eq!(a.channels.list_channels().len(), 1);
    a.fitness.reconcile(&a.channels, &a.peers);
    assert_eq!(a.handle().health().channels, 0);

    let temporary_id = a.channels.list_channels()[0].channel_id;
    a.channels.force_close_broadcasting_latest_txn(&temporary_id, &b.key, "test".into()).unwrap();
    let events = a.handle_events();
    assert!(events.iter().any(|event| matches!(event, events::Event::ChannelClosed { .. })));
    assert!(a.handle().peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_channels_without_events() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    a.open_channel(&b).await;
    let [listed] = &a.channels.list_channels()[..] else { panic!("one channel") };
    let channel_id = convert::channel_id(&listed.channel_id);

    // A service that is started after the channel was opened.
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
    assert_eq!(
        (peer.presence, peer.disconnects),
        (Presence::Unobserved, 0),
        "the reconnect grace period is running"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usable_follows_ldk_while_the_peer_is_connected() {
    let (a, b) = (RawNode::start(1).await, RawNode::start(2).await);
    a.connect(&b).await;
    let funding = a.open_channel(&b).await;
    assert_eq!((a.presence(&b), a.channel().usable), (Presence::Online, Some(false)));
    a.reconcile();
    assert_eq!(a.channel().usable, Some(false), "the funding transaction is not confirmed");

    a.confirm_channel(&b, &funding).await;
    assert_eq!((a.channel().usable, b.channel().usable), (Some(true), Some(true)));
    let before = a.channel();
    a.reconcile();
    let after = a.channel();
    assert_eq!(after.usable_ns - before.usable_ns, after.lifetime_ns - before.lifetime_ns);
    assert!(after.usable_ns < after.uptime_ns, "the peer was online before the channel was usable");

    // While the peer is disconnected, the list does not set `usable`.
    a.peers.disconnect_by_node_id(b.key);
    wait_until(|| b.presence(&a) == Presence::Offline).await;
    assert_eq!(a.channel().usable, Some(false));
    a.reconcile();
    b.connect(&a).await;
    let is_usable = |node: &RawNode| node.channels.list_channels()[0].is_usable;
    wait_until(|| is_usable(&a) && is_usable(&b)).await;
    // `ConnectionHint` recognises this message. This fails if LDK words it differently.
    assert!(a.log.contains("lightning::ln::channel", "Reconnected channel "));
    assert_eq!((a.channel().usable, b.channel().usable), (Some(true), Some(true)));
    a.reconcile();
    assert_eq!(a.channel().usable, Some(true));

    // The channel is closing, but the close is not negotiated yet. LDK emits no event for this.
    a.channels.close_channel(&a.channels.list_channels()[0].channel_id, &b.key).unwrap();
    assert_eq!(a.channel().usable, Some(true));
    a.reconcile();
    assert_eq!((a.presence(&b), a.channel().usable), (Presence::Online, Some(false)));
}

/// LDK's background processor drops all connections after a stall of a second, and reports that only in
/// its log. This test fails if LDK words the message differently.
#[tokio::test]
async fn disconnects_after_a_stall_of_ldk_are_attributed_to_us() {
    let (a, b) = node_pair().await;
    a.connect(&b).await;
    // One thread runs both nodes and their services, so this stalls all of them.
    let stall = async {
        // Wait until the background processor sleeps.
        wait_until(|| {
            a.log.contains(BACKGROUND_PROCESSOR, "Calling ChannelManager's timer_tick_occurred on startup")
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::thread::sleep(Duration::from_millis(1_500));
        wait_until(|| b.presence(&a) == Presence::Offline).await;
    };
    tokio::select! {
        () = a.process_in_background() => panic!("the background processor ended"),
        () = stall => {}
    }
    assert!(
        a.log.contains(BACKGROUND_PROCESSOR, "100ms sleep took more than a second, disconnecting peers.")
    );
    // The other node has no background processor to detect the stall, so it charges the first node.
    let disconnects =
        |node: &RawNode, other: &RawNode| node.handle().peer(&other.node_id()).unwrap().disconnects;
    assert_eq!((a.presence(&b), disconnects(&a, &b)), (Presence::Unobserved, 0));
    assert_eq!((b.presence(&a), disconnects(&b, &a)), (Presence::Offline, 1));
    let suspended = a.handle().health().coverage.unwrap().suspended;
    assert_eq!((suspended.count, b.handle().health().coverage.unwrap().suspended.count), (1, 0));
    assert!(Duration::from_nanos(suspended.length_ns) >= Duration::from_secs(1), "{suspended:?}");

    b.connect(&a).await;
    let peer = a.handle().peer(&b.node_id()).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Online, 0, 0));
}
