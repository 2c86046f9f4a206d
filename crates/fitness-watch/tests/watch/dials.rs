//! The delay between dials, and the number of concurrent dials.

use std::time::{Duration, Instant};

use fitness_core::Event;
use fitness_watch::{Backoff, OutcomeKind, Target, Timeouts};

use crate::support::*;

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the delays are in real time")]
async fn delays_grow_for_a_node_that_disconnects_at_once() {
    const MIN_DELAY: Duration = Duration::from_millis(20);
    const DISCONNECTS: u32 = 6;
    let (service, node) = (service().await, node(1));
    let backoff = Backoff { min: MIN_DELAY, max: Duration::from_secs(60), ..SHORT_BACKOFF };
    let began = Instant::now();
    let watcher = builder(&service.handle(), target(&node)).backoff(backoff).start().unwrap();
    let mut events = watcher.events();
    for _ in 0..DISCONNECTS {
        until_connected(&mut events).await;
        node.disconnect_all_peers();
        next_disconnect(&mut events).await;
    }
    until_connected(&mut events).await;
    // Each delay is at least twice the one before. A slow machine only takes longer.
    let least = MIN_DELAY * (2_u32.pow(DISCONNECTS) - 1);
    assert!(began.elapsed() >= least, "{:?}, expected at least {least:?}", began.elapsed());
    assert_eq!(node.accepted_connections(), 7, "one dial for each connection");
    assert_eq!(only_report(&watcher).outcomes[&OutcomeKind::Connected], 7);
    assert_eq!(service.handle().peer(&id(&node)).unwrap().disconnects, DISCONNECTS);
}

#[tokio::test]
async fn a_stable_connection_resets_the_delay() {
    let (service, node) = (service().await, node(1));
    // Every connection counts as stable, so each delay is the first one. Without the reset, the sum of the
    // delays would be 17 minutes.
    let backoff = Backoff {
        min: Duration::from_millis(1),
        max: Duration::from_secs(3600),
        reset_after: Duration::ZERO,
    };
    let watcher = builder(&service.handle(), target(&node)).backoff(backoff).start().unwrap();
    let mut events = watcher.events();
    for _ in 0..20 {
        until_connected(&mut events).await;
        node.disconnect_all_peers();
        next_disconnect(&mut events).await;
    }
    assert_eq!(only_report(&watcher).outcomes[&OutcomeKind::Connected], 20);
}

#[tokio::test]
async fn concurrent_dials_are_limited() {
    let (service, silent) = (service().await, Server::start(discard).await);
    let targets: Vec<Target> = (1..=9).map(|seed| target_at(&node(seed), silent.addr)).collect();
    let handle = service.handle();
    let timeouts = Timeouts { handshake: Duration::from_millis(100), ..long_timeouts() };
    let watcher = builder(&handle, targets[0].clone())
        .targets(targets)
        .max_concurrent_dials(3)
        .timeouts(timeouts)
        .start()
        .unwrap();
    let mut events = watcher.events();
    for _ in 0..18 {
        assert_eq!(next_attempt(&mut events).await.outcome.kind(), OutcomeKind::TimedOut);
    }
    // A connection that the watcher has closed may still be open at the server.
    let max_open = silent.max_open();
    assert!((2..=6).contains(&max_open), "{max_open} connections at once");
    assert!(watcher.targets().iter().all(|target| target.attempts > 0));
}

#[tokio::test]
async fn nodes_with_recorded_uptime_are_dialled_first() {
    let (service, new_nodes, known) = (service().await, [node(1), node(2)], node(3));
    let (handle, node_id) = (service.handle(), id(&known));
    for event in [Event::Watch { node_id }, Event::PeerOnline { node_id }] {
        handle.record(event);
    }
    wait_until("the node to have uptime", || handle.peer(&node_id).unwrap().uptime_ns > 0).await;
    handle.record(Event::ObservationPaused);
    let watcher = builder(&handle, target(&new_nodes[0]))
        .targets([target(&new_nodes[1]), target(&known)])
        .max_concurrent_dials(1)
        .start()
        .unwrap();
    assert_eq!(next_event(&mut watcher.events()).await.node_id(), node_id);
    let order: Vec<_> = watcher.targets().iter().map(|target| target.node_id).collect();
    assert_eq!(order, [id(&new_nodes[0]), id(&new_nodes[1]), node_id], "reports keep the given order");
}
