//! Nodes that are there, go and come back.

use std::time::Duration;

use fitness_core::Presence;
use fitness_regtest::{ChainlessNode, Proxy};
use fitness_watch::{Chain, DisconnectReason, Identity, Network, Outcome, OutcomeKind, Target, TargetState};

use crate::support::*;

#[tokio::test]
async fn a_node_that_is_there_is_online_and_says_how_long_that_took() {
    let (service, node) = (service().await, node(1));
    let identity = Identity::from_seed(&[9; 32]).unwrap();
    let ourselves = identity.node_id().to_string();
    let watcher = builder(&service.handle(), target(&node)).identity(identity).start().unwrap();
    let mut news = watcher.events();
    let attempt = next_attempt(&mut news).await;
    let Outcome::Connected(took) = attempt.outcome else { panic!("{attempt:?}") };
    for part in [took.connect, took.handshake, took.init] {
        assert!(part > Duration::ZERO && part < attempt.duration, "{took:?}");
    }
    assert_eq!(took.resolve, Duration::ZERO, "there was nothing to resolve");

    assert_eq!(presence(&service.handle(), id(&node)), Presence::Online);
    let report = only(&watcher);
    assert_eq!(
        (report.attempts, report.last_connect_timings, report.median_connect_time),
        (1, Some(took), Some(took.total()))
    );
    assert_eq!(report.chains, [Chain::from(Network::Regtest)], "learnt");
    assert!(matches!(report.state, TargetState::Connected { .. }), "{report:?}");
    until("the greeting, as the node sees it", || {
        node.connected_peers().iter().map(ToString::to_string).eq([ourselves.clone()])
    })
    .await;
    watcher.stop().await;
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_cut_is_an_absence_that_ends_with_the_repair() {
    let (service, node) = (service().await, node(1));
    let handle = service.handle();
    let way = Proxy::start(node.addr()).unwrap();
    let watcher = builder(&handle, at(&node, way.addr())).start().unwrap();
    let mut news = watcher.events();
    assert_eq!(until_connected(&mut news).await, []);

    let cut_at = handle.now();
    way.cut();
    let (_, parting) = next_loss(&mut news).await;
    assert!(matches!(parting, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{parting:?}");
    let peer = handle.peer(&id(&node)).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Offline, 1, 1));
    assert!(peer.presence_since >= cut_at);
    // The proxy accepts, and closes at once.
    for _ in 0..3 {
        assert_eq!(next_attempt(&mut news).await.outcome, Outcome::ClosedDuringHandshake);
    }
    way.restore();
    let failed = until_connected(&mut news).await;
    assert!(failed.iter().all(|outcome| *outcome == Outcome::ClosedDuringHandshake), "{failed:?}");
    let peer = handle.peer(&id(&node)).unwrap();
    assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Online, 1, 2));
    let report = only(&watcher);
    assert_eq!(report.outcomes[&OutcomeKind::Connected], 2);
    assert!(
        report.outcomes[&OutcomeKind::ClosedDuringHandshake] >= 3
            && report.last_disconnect_reason == Some(parting)
    );
}

#[tokio::test]
async fn a_node_that_restarts_is_found_again() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id, addr) = (service.handle(), id(&node), node.addr());
    let watcher = builder(&handle, target(&node)).start().unwrap();
    let mut news = watcher.events();
    until_connected(&mut news).await;
    drop(node);
    let (_, parting) = next_loss(&mut news).await;
    assert!(matches!(parting, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{parting:?}");
    assert_eq!(next_attempt(&mut news).await.outcome, Outcome::ConnectionRefused);
    assert_eq!(presence(&handle, node_id), Presence::Offline);
    let _node = ChainlessNode::start_at(addr, [1; 32], Network::Regtest).unwrap();
    until_connected(&mut news).await;
    assert_eq!(presence(&handle, node_id), Presence::Online);
}

#[tokio::test]
async fn silence_is_found_out_by_pings() {
    let (service, node) = (service().await, node(1));
    let way = Proxy::start(node.addr()).unwrap();
    let target = at(&node, way.addr());
    let watcher =
        builder(&service.handle(), target).ping_interval(Duration::from_millis(700)).start().unwrap();
    let mut news = watcher.events();
    until_connected(&mut news).await;
    way.black_hole();
    // A machine that stands still for a second loses everybody: those that were found again do not count.
    let (_, parting) = next_loss(&mut news).await;
    assert_eq!(parting, DisconnectReason::PingTimeout);
    assert_eq!(presence(&service.handle(), id(&node)), Presence::Offline);
}

#[tokio::test]
async fn of_two_addresses_the_one_that_works_is_found_and_remembered() {
    let (service, node, nobody) = (service().await, node(1), Nobody::new());
    let both = Target::new(id(&node), [nobody.addr.into(), node.addr().into()]).unwrap();
    let watcher = builder(&service.handle(), both).start().unwrap();
    let mut news = watcher.events();
    let first = next_attempt(&mut news).await;
    assert_eq!((first.address, first.outcome), (nobody.addr.into(), Outcome::ConnectionRefused));
    let second = next_attempt(&mut news).await;
    assert_eq!((second.address, second.outcome.kind()), (node.addr().into(), OutcomeKind::Connected));
    assert_eq!(service.handle().peer(&id(&node)).unwrap().disconnects, 0, "it was never gone");

    node.disconnect_all_peers();
    next_loss(&mut news).await;
    let again = next_attempt(&mut news).await;
    assert_eq!((again.address, again.outcome.kind()), (node.addr().into(), OutcomeKind::Connected));
    let report = only(&watcher);
    let addresses: Vec<_> = vec![nobody.addr.into(), node.addr().into()];
    assert_eq!((report.attempts, report.addresses), (3, addresses), "as they were given");
}

#[tokio::test]
async fn a_name_is_resolved() {
    let (service, node) = (service().await, node(1));
    let name = format!("{}@localhost:{}", id(&node), node.addr().port()).parse().unwrap();
    let outcome = first_outcome(builder(&service.handle(), name)).await;
    // It may have an IPv6 address, too, where nobody listens.
    let Outcome::Connected(took) = outcome else { panic!("{outcome:?}") };
    assert!(took.resolve > Duration::ZERO);
}

#[tokio::test]
async fn many_nodes_are_watched_at_once() {
    let service = service().await;
    let nodes: Vec<ChainlessNode> = (1..=12).map(node).collect();
    let watcher = builder(&service.handle(), target(&nodes[0])).targets(nodes.iter().map(target)).start();
    let watcher = watcher.unwrap();
    let all_are = |presence: Presence| {
        let handle = service.handle();
        move || handle.peers().iter().all(|peer| peer.presence == presence)
    };
    until("all of them", all_are(Presence::Online)).await;
    assert_eq!(watcher.targets().len(), 12);
    // All at once: that was our own network.
    let mut news = watcher.events();
    nodes.into_iter().for_each(drop);
    for _ in 0..12 {
        let (_, parting) = next_loss(&mut news).await;
        assert!(matches!(parting, DisconnectReason::ClosedByPeer | DisconnectReason::IoError), "{parting:?}");
    }
    assert!(all_are(Presence::Unobserved)());
}
