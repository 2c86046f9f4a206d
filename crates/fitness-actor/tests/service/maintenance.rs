//! Maintenance: expired history is deleted, old history downsampled.

use std::time::Duration;

use fitness_core::{Event, Presence, Retention, TrackerConfig};
use fitness_store::Store;

use crate::support::*;

const DAY: Duration = Duration::from_secs(86_400);
const DAY_NS: u64 = 86_400 * SECOND_NS;

fn short_retention() -> TrackerConfig {
    let retention = Retention::default()
        .with_full_detail_ns(2 * DAY_NS)
        .with_hourly_ns(5 * DAY_NS)
        .with_max_age_ns(20 * DAY_NS);
    TrackerConfig::default().with_retention(retention)
}

#[tokio::test(start_paused = true)]
async fn an_untracked_peer_is_kept_for_the_retention_time() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_retention()).stall_check_interval(DAY).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(DAY).await;
    handle.record(Event::ChannelClosed { channel_id: channel(1) });
    handle.record(offline(1));
    sleep(DAY * 10).await;
    let untracked = handle.peer(&peer(1)).unwrap();
    assert_eq!((untracked.observed_ns, untracked.disconnects), (DAY_NS, 0), "untracked time does not count");
    assert_eq!(untracked.untracked_at, Some(EPOCH.after_secs(86_400)));

    // A new channel continues the history.
    handle.record(opened(2, Some(true)));
    handle.record(Event::ChannelOpened(fitness_core::ChannelOpened {
        channel_id: channel(77),
        node_id: peer(1),
        funding: None,
        online: Some(true),
    }));
    let tracked = handle.peer(&peer(1)).unwrap();
    assert_eq!((tracked.uptime_ns, tracked.untracked_at), (DAY_NS, None));
    assert_eq!(tracked.channels[0].lifetime_ns, 0);
    handle.record(Event::ChannelClosed { channel_id: channel(77) });

    sleep(DAY * 19).await;
    assert!(handle.peer(&peer(1)).is_some());
    sleep(DAY * 3).await;
    assert!(handle.peer(&peer(1)).is_none());
    assert!(store.inner.peer(&OBSERVER, &peer(1)).await.unwrap().is_none());
    assert!(store.inner.segments(&OBSERVER, &peer(1), 0, 10).await.unwrap().is_empty());
    assert!(handle.peer(&peer(2)).is_some());
    service.shutdown().await.unwrap();
}

/// The peer flaps every five minutes for two weeks. The stored log stays short.
#[tokio::test(start_paused = true)]
async fn downsampling_shortens_old_logs_and_keeps_totals_exact() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_retention()).stall_check_interval(DAY).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    let stored_entries = || async {
        let segments = store.inner.segments(&OBSERVER, &peer(1), 0, 10_000).await.unwrap();
        segments.iter().map(|segment| segment.entries.len()).sum::<usize>()
    };
    let mut max_stored = 0;
    for day in 0..14 {
        for flap in 0..144 {
            // One stable hour a day keeps the flaps below the rate limit of the log.
            sleep(Duration::from_secs(if flap == 0 { 3_600 + 300 } else { 300 })).await;
            handle.record(offline(1));
            sleep(Duration::from_secs(if day % 2 == 0 { 200 } else { 250 })).await;
            handle.record(online(1));
        }
        max_stored = max_stored.max(stored_entries().await);
        if day == 6 {
            store.fail_next(1);
        }
    }
    let report = handle.peer(&peer(1)).unwrap();
    let logged = store.stored_peer(1).await.log_end as usize;
    sleep(DAY * 2).await;
    let remaining = stored_entries().await;
    assert!(
        remaining < max_stored && remaining + 64 < logged,
        "{remaining} of {logged}, at most {max_stored}"
    );
    let history = handle.history(&peer(1)).await.unwrap().unwrap();
    let later = handle.peer(&peer(1)).unwrap();
    let whole = history.window(EPOCH, history.end());
    assert_eq!((whole.uptime_ns, whole.uptime_error_ns), (later.uptime_ns, 0));
    assert_eq!(later.disconnects, report.disconnects);
    // Whole days are exact at any age.
    for day in history.buckets(EPOCH, history.end(), DAY_NS, 100) {
        assert!(day.observed_error_ns == 0 || day.length_ns < DAY_NS, "{day:?}");
    }
    assert_eq!(history.timeline(EPOCH, history.end()).last().unwrap().presence, Some(Presence::Online));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn expired_gaps_are_pruned() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_retention()).stall_check_interval(DAY).start().await.unwrap();
    let handle = service.handle();
    for _ in 0..30 {
        handle.record(Event::ObservationPaused);
        sleep(SECOND * 60).await;
        handle.record(Event::ObservationResumed);
        sleep(DAY).await;
    }
    sleep(DAY * 2).await;
    let gaps = store.inner.gaps(&OBSERVER, 0, 100).await.unwrap();
    assert!((18..=22).contains(&gaps.len()), "{}", gaps.len());
    assert_eq!(gaps.last().unwrap().number, 29);
    assert_eq!(handle.health().coverage.unwrap().paused.count, 30, "the totals are kept");
    service.shutdown().await.unwrap();
}
