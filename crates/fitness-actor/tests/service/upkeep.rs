//! What is old is thinned and let go, while everything else goes on.

use std::time::Duration;

use fitness_core::{Event, Presence, Retention, TrackerConfig};
use fitness_store::Store;

use crate::support::*;

const DAY: Duration = Duration::from_secs(86_400);
const DAY_NS: u64 = 86_400 * SECOND_NS;

fn short_memory() -> TrackerConfig {
    let retention = Retention::default()
        .with_full_detail_ns(2 * DAY_NS)
        .with_hourly_ns(5 * DAY_NS)
        .with_max_age_ns(20 * DAY_NS);
    TrackerConfig::default().with_retention(retention)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_left_is_remembered_for_the_retention() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_memory()).pulse(DAY).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(DAY).await;
    handle.record(Event::ChannelClosed { channel_id: channel(1) });
    handle.record(offline(1));
    pass(DAY * 10).await;
    let left = handle.peer(&peer(1)).unwrap();
    assert_eq!((left.observed_ns, left.disconnects), (DAY_NS, 0), "what it does now does not count");
    assert_eq!(left.untracked_at, Some(EPOCH.after_secs(86_400)));

    // A new channel finds its history.
    handle.record(opened(2, Some(true)));
    handle.record(Event::ChannelOpened(fitness_core::ChannelOpened {
        channel_id: channel(77),
        node_id: peer(1),
        funding: None,
        online: Some(true),
    }));
    let back = handle.peer(&peer(1)).unwrap();
    assert_eq!((back.uptime_ns, back.untracked_at), (DAY_NS, None));
    assert_eq!(back.channels[0].lifetime_ns, 0);
    handle.record(Event::ChannelClosed { channel_id: channel(77) });

    pass(DAY * 19).await;
    assert!(handle.peer(&peer(1)).is_some());
    pass(DAY * 3).await;
    assert!(handle.peer(&peer(1)).is_none());
    assert!(store.inner.peer(&OURSELVES, &peer(1)).await.unwrap().is_none());
    assert!(store.inner.segments(&OURSELVES, &peer(1), 0, 10).await.unwrap().is_empty());
    assert!(handle.peer(&peer(2)).is_some());
    service.shutdown().await.unwrap();
}

/// Two weeks of a flap every five minutes; the log in the store gets no longer than it has to.
#[tokio::test(start_paused = true)]
async fn old_logs_are_thinned_and_sums_stay_exact() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_memory()).pulse(DAY).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    let stored = || async {
        let segments = store.inner.segments(&OURSELVES, &peer(1), 0, 10_000).await.unwrap();
        segments.iter().map(|segment| segment.entries.len()).sum::<usize>()
    };
    let mut most = 0;
    for day in 0..14 {
        for flap in 0..144 {
            // A restful hour a day lets the log take up every flap.
            pass(Duration::from_secs(if flap == 0 { 3_600 + 300 } else { 300 })).await;
            handle.record(offline(1));
            pass(Duration::from_secs(if day % 2 == 0 { 200 } else { 250 })).await;
            handle.record(online(1));
        }
        most = most.max(stored().await);
        if day == 6 {
            store.fail(1);
        }
    }
    let report = handle.peer(&peer(1)).unwrap();
    let wrote = store.stored_peer(1).await.log_end as usize;
    pass(DAY * 2).await;
    let kept = stored().await;
    assert!(kept < most && kept + 64 < wrote, "{kept} of {wrote}, {most} at most");
    let history = handle.history(&peer(1)).await.unwrap().unwrap();
    let later = handle.peer(&peer(1)).unwrap();
    let whole = history.window(EPOCH, history.end());
    assert_eq!((whole.uptime_ns, whole.uptime_error_ns), (later.uptime_ns, 0));
    assert_eq!(later.disconnects, report.disconnects);
    // Whole days are exact however old they are.
    for day in history.buckets(EPOCH, history.end(), DAY_NS, 100) {
        assert!(day.observed_error_ns == 0 || day.length_ns < DAY_NS, "{day:?}");
    }
    assert_eq!(history.timeline(EPOCH, history.end()).last().unwrap().presence, Some(Presence::Online));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn old_gaps_are_let_go() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(short_memory()).pulse(DAY).start().await.unwrap();
    let handle = service.handle();
    for _ in 0..30 {
        handle.record(Event::ObservationPaused);
        pass(SECOND * 60).await;
        handle.record(Event::ObservationResumed);
        pass(DAY).await;
    }
    pass(DAY * 2).await;
    let gaps = store.inner.gaps(&OURSELVES, 0, 100).await.unwrap();
    assert!((18..=22).contains(&gaps.len()), "{}", gaps.len());
    assert_eq!(gaps.last().unwrap().number, 29);
    assert_eq!(handle.health().coverage.unwrap().paused.count, 30, "the sums stay");
    service.shutdown().await.unwrap();
}
