//! Stopping and restarting the watcher does not count against the nodes.

use fitness_core::{Event, Presence};
use fitness_watch::Watcher;

use crate::support::*;

#[tokio::test]
async fn stopping_or_dropping_the_watcher_is_not_a_disconnect() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id) = (service.handle(), id(&node));
    for stops in [true, false] {
        let watcher = builder(&handle, target(&node)).start().unwrap();
        let mut events = watcher.events();
        until_connected(&mut events).await;
        assert_eq!(presence(&handle, node_id), Presence::Online);
        if stops {
            watcher.stop().await;
            assert!(events.next().await.is_none());
        } else {
            drop(watcher);
        }
        wait_until("the node to see the disconnect", || node.connected_peers().is_empty()).await;
        let peer = handle.peer(&node_id).unwrap();
        assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Unobserved, 0, 0));
        assert!(handle.health().paused);
    }
}

#[tokio::test]
async fn nodes_that_are_not_targets_are_no_longer_watched() {
    let (service, one, two) = (service().await, node(1), node(2));
    let handle = service.handle();
    let watcher = builder(&handle, target(&one)).targets([target(&two)]).start().unwrap();
    wait_until("both nodes to be online", || {
        handle.peers().iter().all(|peer| peer.presence == Presence::Online)
    })
    .await;
    watcher.stop().await;
    let _watcher: Watcher = builder(&handle, target(&one)).start().unwrap();
    let watched = |node| handle.peer(&id(node)).unwrap().watched;
    assert!(watched(&one) && !watched(&two));
    wait_until("the first node to be online", || presence(&handle, id(&one)) == Presence::Online).await;
    assert_eq!(presence(&handle, id(&two)), Presence::Unobserved, "the second node is not offline");
}

#[tokio::test]
async fn recorded_history_continues_after_a_start() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id) = (service.handle(), id(&node));
    handle.record(Event::Watch { node_id });
    let tracked_since = handle.peer(&node_id).unwrap().tracked_since;
    let watcher = builder(&handle, target(&node)).start().unwrap();
    until_connected(&mut watcher.events()).await;
    let peer = handle.peer(&node_id).unwrap();
    assert_eq!((peer.tracked_since, peer.presence), (tracked_since, Presence::Online));
}
