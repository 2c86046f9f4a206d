//! Queries of the handle.

use fitness_core::{ChannelOpened, Event, LogEntry, NotFound, OutPoint, PeerRecord, Presence, TrackerConfig};
use fitness_store::{Batch, Store};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn channels_are_found_by_id_funding_and_peer() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let funding = OutPoint { txid: [7; 32], vout: 1 };
    handle.record(Event::ChannelOpened(ChannelOpened {
        channel_id: channel(1),
        node_id: peer(1),
        funding: Some(funding),
        online: Some(true),
    }));
    sleep(SECOND * 3).await;
    handle.record(offline(1));
    sleep(SECOND).await;

    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.lifetime_ns, report.uptime_ns), (4 * SECOND_NS, 3 * SECOND_NS));
    assert_eq!(handle.channel_by_funding(&funding), Some(report));
    assert_eq!(handle.peer_channel(&peer(1), &channel(1)), Ok(report));
    assert_eq!(handle.peer_channel(&peer(1), &channel(2)), Err(NotFound::Channel(channel(2))));
    assert_eq!(handle.peer_channel(&peer(2), &channel(1)), Err(NotFound::Peer(peer(2))));
    assert_eq!(handle.observer(), OBSERVER);
    assert_eq!(handle.now(), EPOCH.after_secs(4));

    let window = handle.channel_window(&channel(1), EPOCH.after_secs(2), handle.now()).unwrap();
    assert_eq!((window.length_ns, window.uptime_ns), (2 * SECOND_NS, SECOND_NS));
    assert_eq!(handle.peer_window(&peer(1), EPOCH.after_secs(2), handle.now()), Some(window));
    assert_eq!(handle.peer_window(&peer(2), EPOCH, handle.now()), None);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peers_are_listed_by_node_id() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    [3, 1, 2].into_iter().for_each(|number| handle.record(opened(number, None)));
    handle.record(online(9));
    let listed: Vec<_> = handle.peers().into_iter().map(|report| report.node_id).collect();
    assert_eq!(listed, [peer(1), peer(2), peer(3)]);
    assert_eq!(handle.is_connected(&peer(9)), Some(true), "the connection state of untracked peers is known");
    assert_eq!(handle.is_connected(&peer(8)), None);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flap_count_is_read_from_memory_or_from_the_store() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    handle.record(offline(1));
    let info = handle.flap_count(&peer(1)).await.unwrap().unwrap();
    assert_eq!((info.count, info.last_flap), (1, Some(EPOCH)));

    // Another process has stored this peer meanwhile.
    let record = PeerRecord {
        node_id: peer(2),
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: EPOCH.as_nanos(),
        presence: Presence::Unobserved,
        presence_since_ns: EPOCH.as_nanos(),
        totals: LogEntry::new(0, Presence::Unobserved, Default::default()).totals(),
        flap_count: 17,
        last_flap_ns: Some(EPOCH.as_nanos()),
        disconnects: 9,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    };
    let mut batch = Batch::default();
    batch.changes.peers.push(record);
    store.inner.commit(&OBSERVER, batch.into()).await.unwrap();
    let info = handle.flap_count(&peer(2)).await.unwrap().unwrap();
    assert_eq!((info.count, info.last_flap), (17, Some(EPOCH)));
    assert_eq!(handle.flap_count(&peer(3)).await.unwrap(), None);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_peer_is_deleted_from_memory_and_from_the_store() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    assert!(!handle.forget(&peer(1)), "a peer with a channel is not deleted");
    handle.record(Event::ChannelClosed { channel_id: channel(1) });
    handle.flush().await.unwrap();
    assert_eq!(store.stored_peer(1).await.channels.len(), 0);

    store.fail_next(1);
    assert!(handle.forget(&peer(1)));
    assert!(!handle.forget(&peer(1)));
    assert_eq!(handle.flap_count(&peer(1)).await.unwrap(), None, "the stored record is ignored");
    assert!(handle.flush().await.is_err());
    // The peer is tracked again, as a new one, before the old record is deleted from the store.
    handle.record(opened(1, Some(false)));
    handle.record(online(1));
    handle.flush().await.unwrap();
    let stored = store.stored_peer(1).await;
    assert_eq!((stored.flap_count, stored.tracked_since_ns), (1, EPOCH.as_nanos()));

    handle.record(Event::ChannelClosed { channel_id: channel(1) });
    handle.flush().await.unwrap();
    store.fail_next(1);
    assert!(handle.forget(&peer(1)));
    sleep(SECOND * 3).await;
    assert_eq!(handle.health().store.failures, 2);
    assert_eq!(
        store.inner.peer(&OBSERVER, &peer(1)).await.unwrap(),
        None,
        "the deletion is retried after a failed commit"
    );
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_preset_counts_as_lnd_does() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(TrackerConfig::lnd_0_19()).start().await.unwrap();
    let handle = service.handle();
    handle.record(online(1));
    handle.record(online(1));
    assert_eq!(handle.flap_count(&peer(1)).await.unwrap().unwrap().count, 2);
    service.shutdown().await.unwrap();
}

/// The field names are part of the JSON interface and must not change by accident.
#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn health_has_a_serialised_form() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_next(1);
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 3).await;
    let json = serde_json::to_value(handle.health()).unwrap();
    let expected = serde_json::json!({
        "observer": OBSERVER.to_string(),
        "running": true,
        "archived": false,
        "paused": false,
        "started_at_ns": EPOCH.as_nanos(),
        "now_ns": EPOCH.after_secs(3).as_nanos(),
        "peers": 1,
        "channels": 1,
        "dirty_peers": 0,
        "store": {
            "commits": 1,
            "failures": 1,
            "consecutive_failures": 0,
            "commit_durations": json["store"]["commit_durations"],
            "last_commit_ns": EPOCH.after_secs(2).as_nanos(),
            "last_heartbeat_ns": EPOCH.after_secs(2).as_nanos(),
            "last_error": {
                "at_ns": EPOCH.after_secs(1).as_nanos(),
                "error": json["store"]["last_error"]["error"],
                "transient": true,
            },
            "in_flight": null,
        },
        "clock_faults": json["clock_faults"],
        "coverage": json["coverage"],
        "wall_clock": {
            "drift_ns": 0,
            "adjusted_ns": 0,
            "steps_forward": 0,
            "steps_back": 0,
            "last_step": null,
        },
        "subscribers": 0,
        "events_after_shutdown": 0,
        "wakeups": 3,
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<fitness_actor::Health>(json).unwrap(), handle.health());
    service.shutdown().await.unwrap();
}
