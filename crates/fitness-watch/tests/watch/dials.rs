//! How often others are dialled, and how many at once.

use std::time::{Duration, Instant};

use fitness_core::Event;
use fitness_watch::{Backoff, OutcomeKind, Target, Timeouts};

use crate::support::*;

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the waits are real ones")]
async fn a_node_that_drops_us_at_once_is_not_hammered() {
    const FIRST: Duration = Duration::from_millis(20);
    const LOSSES: u32 = 6;
    let (service, node) = (service().await, node(1));
    let backoff = Backoff { min: FIRST, max: Duration::from_secs(60), ..QUICK };
    let began = Instant::now();
    let watcher = builder(&service.handle(), target(&node)).backoff(backoff).start().unwrap();
    let mut news = watcher.events();
    for _ in 0..LOSSES {
        until_connected(&mut news).await;
        node.disconnect_all_peers();
        next_loss(&mut news).await;
    }
    until_connected(&mut news).await;
    // However slow the machine is, it is not faster than the waits, which double.
    let least = FIRST * (2_u32.pow(LOSSES) - 1);
    assert!(began.elapsed() >= least, "{:?}, and {least:?} at least", began.elapsed());
    assert_eq!(node.accepted_connections(), 7, "one dial for each connection");
    assert_eq!(only(&watcher).outcomes[&OutcomeKind::Connected], 7);
    assert_eq!(service.handle().peer(&id(&node)).unwrap().disconnects, LOSSES);
}

#[tokio::test]
async fn a_steady_node_is_dialled_again_soon() {
    let (service, node) = (service().await, node(1));
    // Every connection is taken for a stable one, and only a first wait is short.
    let backoff = Backoff {
        min: Duration::from_millis(1),
        max: Duration::from_secs(3600),
        reset_after: Duration::ZERO,
    };
    let watcher = builder(&service.handle(), target(&node)).backoff(backoff).start().unwrap();
    let mut news = watcher.events();
    for _ in 0..20 {
        until_connected(&mut news).await;
        node.disconnect_all_peers();
        next_loss(&mut news).await;
    }
    assert_eq!(only(&watcher).outcomes[&OutcomeKind::Connected], 20, "or it would take 17 minutes");
}

#[tokio::test]
async fn no_more_are_dialled_at_once_than_may_be() {
    let (service, silent) = (service().await, Server::start(swallow).await);
    let targets: Vec<Target> = (1..=9).map(|seed| at(&node(seed), silent.addr)).collect();
    let handle = service.handle();
    let timeouts = Timeouts { handshake: Duration::from_millis(100), ..patient() };
    let watcher = builder(&handle, targets[0].clone())
        .targets(targets)
        .max_concurrent_dials(3)
        .timeouts(timeouts)
        .start()
        .unwrap();
    let mut news = watcher.events();
    for _ in 0..18 {
        assert_eq!(next_attempt(&mut news).await.outcome.kind(), OutcomeKind::TimedOut);
    }
    // A connection that we have closed may still be open at the other end.
    let most = silent.most_at_once();
    assert!((2..=6).contains(&most), "{most} at once");
    assert!(watcher.targets().iter().all(|target| target.attempts > 0), "everybody has a turn");
}

#[tokio::test]
async fn who_was_there_before_is_dialled_first() {
    let (service, strangers, known) = (service().await, [node(1), node(2)], node(3));
    let (handle, node_id) = (service.handle(), id(&known));
    for event in [Event::Watch { node_id }, Event::PeerOnline { node_id }] {
        handle.record(event);
    }
    until("some uptime", || handle.peer(&node_id).unwrap().uptime_ns > 0).await;
    handle.record(Event::ObservationPaused);
    let watcher = builder(&handle, target(&strangers[0]))
        .targets([target(&strangers[1]), target(&known)])
        .max_concurrent_dials(1)
        .start()
        .unwrap();
    assert_eq!(next(&mut watcher.events()).await.node_id(), node_id);
    let order: Vec<_> = watcher.targets().iter().map(|target| target.node_id).collect();
    assert_eq!(order, [id(&strangers[0]), id(&strangers[1]), node_id], "as they were given");
}
