//! Nodes that connect, disconnect and reconnect.

use std::time::Duration;

use fitness_core::Presence;
use fitness_regtest::{ChainlessNode, Proxy};
use fitness_watch::{Chain, DisconnectReason, Identity, Network, Outcome, OutcomeKind, Target, TargetState};

use crate::support::*;

#[tokio::test]
async fn a_reachable_node_is_online_and_its_connect_timings_are_reported() {
    let (service, node) = (service().await, node(1));
    let identity = Identity::from_seed(&[9; 32]).unwrap();
    let watcher_id = identity.node_id().to_string();
    let watcher = builder(&service.handle(), target(&node)).identity(identity).start().unwrap();
    let mut events = watcher.events();
    let attempt = next_attempt(&mut events).await;
    let Outcome::Connected(timings) = attempt.outcome else { panic!("{attempt:?}") };
    for phase in [timings.connect, timings.handshake, timings.init] {
        assert!(phase > Duration::ZERO && phase < attempt.duration, "{timings:?}");
    }
    assert_eq!(timings.resolve, Duration::ZERO, "an IP address needs no resolving");

    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
    let report = only_report(&watcher);
    assert_eq!(
        (report.attempts, report.last_connect_timings, report.median_connect_time),
        (1, Some(timings), Some(timings.total()))
    );
    assert_eq!(report.chains, [Chain::from(Network::Regtest)]);
    assert!(matches!(report.state, TargetState::Connected { .. }), "{report:?}");
    wait_until("the node to receive our init", || {
        node.connected_peers().iter().map(ToString::to_string).eq([watcher_id.clone()])
    })
    .await;
    watcher.stop().await;
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_cut_connection_is_an_outage_until_it_is_restored() {
    let (service, node) = (service().await, node(1));
    let handle = service.handle();
    let proxy = Proxy::start(node.addr()).unwrap();
    let watcher = builder(&handle, target_at(&node, proxy.addr())).start().unwrap();
    let mut events = watcher.events();
    assert_eq!(until_connected(&mut events).await, []);

    let cut_at = handle.now();
    proxy.cut();
    let (_, reason) = next_disconnect(&mut events).await;
    assert!(matches!(reason, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{reason:?}");
    let peer = handle.peer(&id(&node)).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Offline, 1, 1));
    assert!(peer.presence_since >= cut_at);
    // The proxy accepts connections and closes them at once.
    for _ in 0..3 {
        assert_eq!(next_attempt(&mut events).await.outcome, Outcome::ClosedDuringHandshake);
    }
    proxy.restore();
    let failed = until_connected(&mut events).await;
    assert!(failed.iter().all(|outcome| *outcome == Outcome::ClosedDuringHandshake), "{failed:?}");
    let peer = handle.peer(&id(&node)).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Online, 1, 2));
    let report = only_report(&watcher);
    assert_eq!(report.outcomes[&OutcomeKind::Connected], 2);
    assert!(
        report.outcomes[&OutcomeKind::ClosedDuringHandshake] >= 3
            && report.last_disconnect_reason == Some(reason)
    );
}

#[tokio::test]
async fn a_restarted_node_is_reconnected() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id, addr) = (service.handle(), id(&node), node.addr());
    let watcher = builder(&handle, target(&node)).start().unwrap();
    let mut events = watcher.events();
    until_connected(&mut events).await;
    drop(node);
    let (_, reason) = next_disconnect(&mut events).await;
    assert!(matches!(reason, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{reason:?}");
    assert_eq!(next_attempt(&mut events).await.outcome, Outcome::ConnectionRefused);
    assert_eq!(presence(&handle, node_id), Presence::Offline);
    let _node = ChainlessNode::start_at(addr, [1; 32], Network::Regtest).unwrap();
    until_connected(&mut events).await;
    assert_eq!(presence(&handle, node_id), Presence::Online);
}

#[tokio::test]
async fn a_node_that_stops_replying_is_disconnected_by_a_ping_timeout() {
    let (service, node) = (service().await, node(1));
    let proxy = Proxy::start(node.addr()).unwrap();
    let target = target_at(&node, proxy.addr());
    let watcher =
        builder(&service.handle(), target).ping_interval(Duration::from_millis(700)).start().unwrap();
    let mut events = watcher.events();
    until_connected(&mut events).await;
    proxy.black_hole();
    // If the test machine stalls for a second, the connection is lost and made again before the black hole
    // takes effect. `next_disconnect` skips such attempts.
    let (_, reason) = next_disconnect(&mut events).await;
    assert_eq!(reason, DisconnectReason::PingTimeout);
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Offline);
}

#[tokio::test]
async fn the_address_that_worked_last_is_dialled_first() {
    let (service, node, refusing) = (service().await, node(1), RefusingAddr::new());
    let both = Target::new(id(&node), [refusing.addr.into(), node.addr().into()]).unwrap();
    let watcher = builder(&service.handle(), both).start().unwrap();
    let mut events = watcher.events();
    let first = next_attempt(&mut events).await;
    assert_eq!((first.address, first.outcome), (refusing.addr.into(), Outcome::ConnectionRefused));
    let second = next_attempt(&mut events).await;
    assert_eq!((second.address, second.outcome.kind()), (node.addr().into(), OutcomeKind::Connected));
    assert_eq!(
        service.handle().peer(&id(&node)).unwrap().disconnects,
        0,
        "a refused first address is not a disconnect"
    );

    node.disconnect_all_peers();
    next_disconnect(&mut events).await;
    let again = next_attempt(&mut events).await;
    assert_eq!((again.address, again.outcome.kind()), (node.addr().into(), OutcomeKind::Connected));
    let report = only_report(&watcher);
    let addresses: Vec<_> = vec![refusing.addr.into(), node.addr().into()];
    assert_eq!((report.attempts, report.addresses), (3, addresses), "the report keeps the given order");
}

#[tokio::test]
async fn a_host_name_is_resolved() {
    let (service, node) = (service().await, node(1));
    let name = format!("{}@localhost:{}", id(&node), node.addr().port()).parse().unwrap();
    let outcome = first_outcome(builder(&service.handle(), name)).await;
    // `localhost` may also have an IPv6 address, which refuses the connection.
    let Outcome::Connected(timings) = outcome else { panic!("{outcome:?}") };
    assert!(timings.resolve > Duration::ZERO);
}

#[tokio::test]
async fn disconnecting_all_nodes_at_once_is_attributed_to_our_network() {
    let service = service().await;
    let nodes: Vec<ChainlessNode> = (1..=12).map(node).collect();
    let watcher = builder(&service.handle(), target(&nodes[0])).targets(nodes.iter().map(target)).start();
    let watcher = watcher.unwrap();
    let all_are = |presence: Presence| {
        let handle = service.handle();
        move || handle.peers().iter().all(|peer| peer.presence == presence)
    };
    wait_until("all nodes to be online", all_are(Presence::Online)).await;
    assert_eq!(watcher.targets().len(), 12);
    let mut events = watcher.events();
    nodes.into_iter().for_each(drop);
    for _ in 0..12 {
        let (_, reason) = next_disconnect(&mut events).await;
        assert!(matches!(reason, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{reason:?}");
    }
    assert!(all_are(Presence::Unobserved)());
}
