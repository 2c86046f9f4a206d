//! Queries that reach further back than memory.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, TokioClock};
use fitness_core::{
    BucketWidth, Event, GapCause, Presence, Retention, StandardWindow, Timestamp, TrackerConfig,
};

use crate::support::*;

/// Keeps the peer online for `online_for` and offline for half of that, `times` times.
async fn flap(handle: &Handle, times: u32, online_for: Duration) {
    for _ in 0..times {
        sleep(online_for).await;
        handle.record(offline(1));
        sleep(online_for / 2).await;
        handle.record(online(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_window_reads_only_part_of_a_long_history() {
    let hour = SECOND * 3_600;
    let store = FaultyStore::new();
    // Nothing is downsampled, and the changes are rare enough for the rate limit of the log.
    let retention = Retention::default().with_full_detail_ns(u64::MAX).with_full_detail_entries(u32::MAX);
    let service = builder(&store)
        .tracker(TrackerConfig::default().with_retention(retention))
        .stall_check_interval(hour * 3)
        .heartbeat_interval(hour * 3)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    flap(&handle, 1_000, hour * 4).await;
    sleep(hour).await;
    handle.flush().await.unwrap();
    let now = handle.now();

    let before = store.rows_read();
    let whole = handle.history(&peer(1)).await.unwrap().unwrap();
    let all_rows = store.rows_read() - before;
    assert!(all_rows > 30, "memory holds only part of the history: {all_rows}");
    for hours in [1, 2, 3, 60, 600, 2_000, 4_000] {
        let from = now.before_nanos(hours * 3_600 * SECOND_NS);
        let before = store.rows_read();
        let part = handle.history_since(&peer(1), from).await.unwrap().unwrap();
        let rows = store.rows_read() - before;
        assert_eq!(part.start(), from);
        assert_eq!(part.stats(Timestamp::EPOCH, now), whole.stats(from, now), "{hours}");
        assert_eq!(part.timeline(from, now), whole.timeline(from, now));
        assert!(rows < all_rows, "{hours}: {rows} of {all_rows}");
        assert!(hours > 40 || rows == 0, "history in memory is not read from the store: {rows}");
    }
    // A query from memory states its error.
    let from = now.before_nanos(4_000 * 3_600 * SECOND_NS);
    let exact = whole.window(from, now);
    let from_memory = handle.peer_window(&peer(1), from, now).unwrap();
    assert_eq!(exact.uptime_error_ns, 0);
    assert!(from_memory.uptime_error_ns > 0);
    assert!(from_memory.uptime_ns.abs_diff(exact.uptime_ns) <= from_memory.uptime_error_ns);

    let day = handle.peer_stats(&peer(1), StandardWindow::Day).await.unwrap().unwrap();
    assert_eq!(day, whole.stats_over(StandardWindow::Day));
    assert_eq!((day.outages.disconnects, day.outages.median_recovery_ns), (4, Some(2 * 3_600 * SECOND_NS)));
    assert_eq!(day.outages.mean_time_between_disconnects_ns, Some(4 * 3_600 * SECOND_NS));
    assert_eq!((day.outages.complete, day.window.availability), (true, Some(2.0 / 3.0)));
    let hours = whole.calendar_buckets(now.before_nanos(86_400 * SECOND_NS), now, BucketWidth::Hour, 100);
    assert_eq!(hours.iter().map(|hour| hour.uptime_ns).sum::<u64>(), day.window.uptime_ns);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_history_starts_when_the_channel_opened() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(Event::Watch { node_id: peer(1) });
    handle.record(online(1));
    flap(&handle, 150, SECOND * 120).await;
    sleep(SECOND * 30).await;
    let opened_at = handle.now();
    handle.record(opened(1, None));
    flap(&handle, 150, SECOND * 120).await;
    handle.flush().await.unwrap();

    let report = handle.channel(&channel(1)).unwrap();
    let history = handle.channel_history(&channel(1)).await.unwrap().unwrap();
    assert_eq!(history.start(), opened_at);
    let lifetime = handle.channel_stats(&channel(1), StandardWindow::Lifetime).await.unwrap().unwrap();
    assert_eq!(lifetime, history.stats_over(StandardWindow::Lifetime));
    assert_eq!(
        (lifetime.window.length_ns, lifetime.window.observed_ns, lifetime.window.uptime_ns),
        (report.lifetime_ns, report.observed_ns, report.uptime_ns)
    );
    assert_eq!((lifetime.outages.disconnects, lifetime.outages.complete), (150, true));
    let peers = handle.peer_stats(&peer(1), StandardWindow::Lifetime).await.unwrap().unwrap();
    assert_eq!((peers.outages.disconnects, peers.outages.longest_recovery_ns), (300, Some(60 * SECOND_NS)));
    assert!(handle.channel_history(&channel(2)).await.unwrap().is_none());
    assert!(handle.peer_stats(&peer(2), StandardWindow::Week).await.unwrap().is_none());
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timeline_states_the_causes_of_gaps() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 600).await;
    handle.record(Event::ObservationPaused);
    sleep(SECOND * 300).await;
    handle.record(Event::ObservationResumed);
    sleep(SECOND * 10).await;
    handle.record(online(1));
    sleep(SECOND * 600).await;
    service.shutdown().await.unwrap();

    sleep(SECOND * 1_000).await;
    let clock = TokioClock::starting_at(EPOCH.after_secs(2_510));
    let service = builder(&store).clock(Arc::new(clock)).start().await.unwrap();
    let handle = service.handle();
    handle.record(online(1));
    sleep(SECOND * 60).await;
    handle.record(Event::ObservationPaused);
    sleep(SECOND * 5).await;
    let now = handle.now();
    let timeline = handle.timeline(&peer(1), EPOCH, now).await.unwrap().unwrap();
    let intervals: Vec<_> = timeline
        .iter()
        .map(|interval| (interval.length_ns() / SECOND_NS, interval.presence.unwrap(), interval.cause))
        .collect();
    let (online, unobserved) = (Presence::Online, Presence::Unobserved);
    let expected = [
        (600, online, None),
        (300, unobserved, Some(GapCause::Paused)),
        (10, unobserved, None),
        (600, online, None),
        (1_000, unobserved, Some(GapCause::NotRunning)),
        (60, online, None),
        (5, unobserved, Some(GapCause::Paused)),
    ];
    assert_eq!(intervals, expected);

    let gaps = handle.gaps(EPOCH, now).await.unwrap();
    assert_eq!(
        gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(),
        [GapCause::Paused, GapCause::NotRunning, GapCause::Paused]
    );
    assert!(gaps[2].ongoing && !gaps[1].ongoing);
    assert_eq!(handle.gaps(EPOCH.after_secs(600), EPOCH.after_secs(601)).await.unwrap(), gaps[..1]);
    let coverage = handle.coverage().unwrap();
    assert_eq!((coverage.starts, coverage.not_running.count, coverage.paused.count), (2, 1, 1));
    assert_eq!(coverage.lifetime_ns - coverage.monitored_ns, 1_305 * SECOND_NS);
    assert_eq!(handle.timeline(&peer(2), EPOCH, now).await.unwrap(), None);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn older_gaps_are_read_from_the_store() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    for _ in 0..6_000 {
        handle.record(Event::ObservationPaused);
        sleep(SECOND).await;
        handle.record(Event::ObservationResumed);
        sleep(SECOND).await;
    }
    handle.flush().await.unwrap();
    let now = handle.now();
    let before = store.rows_read();
    assert_eq!(handle.gaps(now.before_nanos(100 * SECOND_NS), now).await.unwrap().len(), 50);
    assert_eq!(store.rows_read(), before, "recent gaps are in memory");
    let all = handle.gaps(EPOCH, now).await.unwrap();
    assert_eq!(all.len(), 6_000);
    assert!(all.iter().zip(&all[1..]).all(|(one, next)| one.to < next.from));
    let from = EPOCH.after_secs(1_500);
    assert_eq!(handle.gaps(from, from.after_secs(10)).await.unwrap().len(), 5);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_answers_from_memory() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    flap(&handle, 150, SECOND * 120).await;
    service.shutdown().await.unwrap();
    let now = handle.now();
    assert!(handle.history(&peer(1)).await.is_err(), "the store is closed");
    let recent = handle.history_since(&peer(1), now.before_nanos(600 * SECOND_NS)).await.unwrap().unwrap();
    assert_eq!(recent.stats_over(StandardWindow::Day).outages.longest_recovery_ns, Some(60 * SECOND_NS));
    assert!(handle.gaps(EPOCH, now).await.unwrap().is_empty());
}
