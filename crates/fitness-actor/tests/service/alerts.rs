//! Alerts of a running service.

use std::time::Duration;

use fitness_advice::{AlertKind, AlertRules, AvailabilityRule};
use fitness_core::Event;
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_long_outage_raises_an_alert_and_a_resolution() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=5).for_each(|number| handle.record(opened(number, Some(true))));
    let mut alerts = handle.alerts(AlertRules::default());
    handle.record(offline(1));
    let offline_at = Instant::now();
    let alert = alerts.next().await.unwrap();
    assert_eq!(alert.node_id, Some(peer(1)));
    assert!(matches!(alert.kind, AlertKind::Offline { .. }), "{alert}");
    assert!(offline_at.elapsed().abs_diff(SECOND * 600) < SECOND, "{:?}", offline_at.elapsed());

    handle.record(online(1));
    let alert = alerts.next().await.unwrap();
    assert!(matches!(alert.kind, AlertKind::BackOnline { .. }), "{alert}");
    service.shutdown().await.unwrap();
    assert_eq!(alerts.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lagged_alert_stream_reads_the_current_state() {
    let store = FaultyStore::new();
    let service = builder(&store).subscription_capacity(2).start().await.unwrap();
    let handle = service.handle();
    (1..=5).for_each(|number| handle.record(opened(number, Some(true))));
    let mut alerts = handle.alerts(AlertRules::default());
    handle.record(offline(1));
    (6..=20).for_each(|number| handle.record(opened(number, Some(true))));
    let alert = alerts.next().await.unwrap();
    assert_eq!(alert.node_id, Some(peer(1)), "{alert}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_untracked_peer_raises_no_alert() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=5).for_each(|number| handle.record(opened(number, Some(true))));
    let mut alerts = handle.alerts(AlertRules::default());
    handle.record(offline(1));
    handle.record(Event::ChannelClosed { channel_id: channel(1) });
    assert!(tokio::time::timeout(SECOND * 5_000, alerts.next()).await.is_err());
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn low_availability_raises_an_alert() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=5).for_each(|number| handle.record(opened(number, Some(true))));
    let rule = AvailabilityRule { threshold: 0.995, ..AvailabilityRule::default() };
    let rules = AlertRules { availability: Some(rule), offline_after_ns: None, ..AlertRules::default() };
    let mut alerts = handle.alerts(rules);
    sleep(Duration::from_secs(7_000)).await;
    // The log in memory holds 64 of these changes, so the rest must be read from the store.
    for _ in 0..100 {
        handle.record(offline(2));
        sleep(Duration::from_millis(1_500)).await;
        handle.record(online(2));
        sleep(Duration::from_secs(120)).await;
    }
    loop {
        let alert = tokio::time::timeout(SECOND * 600, alerts.next()).await.unwrap().unwrap();
        assert_eq!(alert.node_id, Some(peer(2)), "{alert}");
        if let AlertKind::AvailabilityLow { availability, threshold } = alert.kind {
            assert!(threshold == 0.995 && (0.98..0.995).contains(&availability), "{alert}");
            break;
        }
    }
    service.shutdown().await.unwrap();
}
