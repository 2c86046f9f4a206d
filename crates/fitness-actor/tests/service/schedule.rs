//! When the service writes to the store.

use std::time::Duration;

use fitness_core::TrackerConfig;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_idle_service_only_writes_heartbeats_and_checks_for_stalls() {
    let store = FaultyStore::new();
    let service = builder(&store)
        .stall_check_interval(SECOND * 20)
        .maintenance_interval(SECOND * 86_400)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(Duration::from_millis(1_001)).await;
    let (commits, wakeups) = (store.batches().len(), handle.health().wakeups);
    assert_eq!((commits, wakeups), (1, 2), "one wakeup for the change and one for the commit");

    sleep(SECOND * 3_600).await;
    let batches = store.batches();
    assert_eq!(batches.len() - commits, 60);
    let wakeups = handle.health().wakeups - wakeups;
    // One for each stall check and heartbeat, and a few for the maintenance after ten minutes.
    assert!((180..=250).contains(&wakeups), "{wakeups}");
    for (minute, heartbeat) in (1..).zip(&batches[1..]) {
        assert_eq!(heartbeat.peers, 0);
        let expected_ns = EPOCH.after_secs(1 + 60 * minute).as_nanos();
        let observer = heartbeat.observer.unwrap();
        assert!(observer.last_heartbeat_ns.abs_diff(expected_ns) <= 100_000_000);
        assert_eq!(observer.started_at_ns, EPOCH.as_nanos());
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_within_the_commit_delay_share_a_commit() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    for number in 0..1_000 {
        handle.record(opened(number, Some(true)));
        sleep(Duration::from_micros(900)).await;
    }
    sleep(SECOND * 2).await;
    let batches = store.batches();
    // Timers have a resolution of a millisecond, so recording takes a little longer than a second.
    let peers: usize = batches.iter().map(|batch| batch.peers).sum();
    assert_eq!(peers, 1_000);
    assert!(batches.len() <= 2, "{batches:?}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn simultaneous_events_cause_one_commit_and_two_wakeups() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    sleep(Duration::from_millis(1)).await;
    for _ in 0..10 {
        (0..100).for_each(|number| handle.record(opened(number, Some(true))));
        (0..100).for_each(|number| handle.record(offline(number)));
    }
    sleep(SECOND * 2).await;
    let batches = store.batches();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].peers, 100);
    assert!(batches[0].observer.is_some(), "every commit is a heartbeat");
    assert_eq!(handle.health().wakeups, 2);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_heartbeat_is_written_while_changes_wait() {
    let store = FaultyStore::new();
    let service = builder(&store).commit_delay(SECOND * 600).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 599).await;
    assert_eq!(store.attempts(), 0, "a heartbeat states that everything before it is stored");
    sleep(SECOND * 2).await;
    assert_eq!(store.batches().len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_preset_keeps_its_commit_delay() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(TrackerConfig::lnd_0_19()).start().await.unwrap();
    service.handle().record(online(1));
    sleep(SECOND * 3_599).await;
    assert_eq!(store.attempts(), 0);
    sleep(SECOND * 2).await;
    assert_eq!(store.attempts(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_heartbeat_is_retried() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_next(2);
    sleep(SECOND * 62).await;
    assert_eq!(handle.health().store.consecutive_failures, 2);
    sleep(SECOND * 3).await;
    let health = handle.health();
    assert_eq!((health.store.consecutive_failures, health.store.commits), (0, 1));
    assert!(health.store.last_heartbeat.unwrap() >= EPOCH.after_secs(62));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn extreme_settings_are_accepted() {
    let store = FaultyStore::new();
    let service = builder(&store)
        .commit_delay(Duration::MAX)
        .heartbeat_interval(Duration::ZERO)
        .commit_timeout(Duration::MAX)
        .shutdown_timeout(Duration::MAX)
        .retry_backoff(Duration::ZERO, Duration::ZERO)
        .subscription_capacity(usize::MAX)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    handle.record(opened(1, None));
    sleep(SECOND).await;
    handle.flush().await.unwrap();
    service.shutdown().await.unwrap();

    let service =
        builder(&store).commit_delay(Duration::ZERO).heartbeat_interval(Duration::MAX).start().await.unwrap();
    service.handle().record(offline(1));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_batch_of_a_large_flush_is_the_heartbeat() {
    let store = FaultyStore::new();
    let service = builder(&store).commit_delay(SECOND * 5).start().await.unwrap();
    let handle = service.handle();
    (0..200_000).for_each(|number| handle.record(opened(number, None)));
    handle.flush().await.unwrap();
    let batches = store.batches();
    assert_eq!(batches.iter().map(|batch| batch.peers).sum::<usize>(), 200_000);
    assert_eq!(batches.len(), 2);
    assert!(batches[0].observer.is_none() && batches[1].observer.is_some());
    service.shutdown().await.unwrap();
}
