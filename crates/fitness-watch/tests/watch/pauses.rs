//! What is our own doing, and counts for nobody.

use fitness_core::{Event, Presence};
use fitness_watch::Watcher;

use crate::support::*;

#[tokio::test]
async fn our_own_end_is_held_against_nobody() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id) = (service.handle(), id(&node));
    for stops in [true, false] {
        let watcher = builder(&handle, target(&node)).start().unwrap();
        let mut news = watcher.events();
        until_connected(&mut news).await;
        assert_eq!(presence(&handle, node_id), Presence::Online);
        if stops {
            watcher.stop().await;
            assert!(news.next().await.is_none(), "that was all");
        } else {
            drop(watcher);
        }
        until("our leave, as the node sees it", || node.connected_peers().is_empty()).await;
        let peer = handle.peer(&node_id).unwrap();
        assert_eq!((peer.presence, peer.disconnects, peer.flap_count), (Presence::Unobserved, 0, 0));
        assert!(handle.health().paused);
    }
}

#[tokio::test]
async fn who_is_not_named_any_more_is_not_watched_any_more() {
    let (service, one, two) = (service().await, node(1), node(2));
    let handle = service.handle();
    let watcher = builder(&handle, target(&one)).targets([target(&two)]).start().unwrap();
    until("both", || handle.peers().iter().all(|peer| peer.presence == Presence::Online)).await;
    watcher.stop().await;
    let _watcher: Watcher = builder(&handle, target(&one)).start().unwrap();
    let watched = |node| handle.peer(&id(node)).unwrap().watched;
    assert!(watched(&one) && !watched(&two));
    until("the one", || presence(&handle, id(&one)) == Presence::Online).await;
    assert_eq!(presence(&handle, id(&two)), Presence::Unobserved, "it is not held to be gone");
}

#[tokio::test]
async fn what_was_recorded_before_the_start_goes_on() {
    let (service, node) = (service().await, node(1));
    let (handle, node_id) = (service.handle(), id(&node));
    handle.record(Event::Watch { node_id });
    let tracked_since = handle.peer(&node_id).unwrap().tracked_since;
    let watcher = builder(&handle, target(&node)).start().unwrap();
    until_connected(&mut watcher.events()).await;
    let peer = handle.peer(&node_id).unwrap();
    assert_eq!((peer.tracked_since, peer.presence), (tracked_since, Presence::Online));
}
