//! Subscriptions to changes.

use fitness_actor::ChangesLagged;
use fitness_core::{Change, Presence};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn subscribers_see_changes_in_order_without_repeats() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    let mut changes = handle.subscribe();
    let mut other_changes = handle.subscribe();
    assert_eq!(handle.health().subscribers, 2);

    handle.record(online(1));
    handle.record(offline(1));
    handle.record(opened(2, None));
    handle.record(fitness_core::Event::ChannelClosed { channel_id: channel(1) });
    for changes in [&mut changes, &mut other_changes] {
        let change = changes.next().await.unwrap().unwrap();
        assert!(
            matches!(
                change,
                Change::Presence { previous: Presence::Online, presence: Presence::Offline, .. }
            ),
            "{change:?}"
        );
        let change = changes.next().await.unwrap().unwrap();
        assert!(matches!(change, Change::ChannelOpened { node_id, .. } if node_id == peer(2)), "{change:?}");
        let change = changes.next().await.unwrap().unwrap();
        assert!(
            matches!(change, Change::ChannelClosed { report, .. } if report.channel_id == channel(1)),
            "{change:?}"
        );
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_learns_how_many_changes_it_missed() {
    let store = FaultyStore::new();
    let service = builder(&store).subscription_capacity(4).start().await.unwrap();
    let handle = service.handle();
    let mut changes = handle.subscribe();
    (1..=10).for_each(|number| handle.record(opened(number, None)));
    assert_eq!(changes.next().await, Some(Err(ChangesLagged { skipped: 6 })));
    let change = changes.next().await.unwrap().unwrap();
    assert!(matches!(change, Change::ChannelOpened { node_id, .. } if node_id == peer(7)), "{change:?}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn subscriptions_end_with_the_service() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    drop(handle.subscribe());
    assert_eq!(handle.health().subscribers, 0);
    handle.record(opened(1, None));
    let mut changes = handle.subscribe();
    handle.record(opened(2, None));
    service.shutdown().await.unwrap();
    assert!(changes.next().await.unwrap().is_ok(), "changes before the end are still received");
    assert_eq!(changes.next().await, None);
    assert_eq!(handle.subscribe().next().await, None);
}
