//! When what is written.

use std::time::Duration;

use fitness_core::TrackerConfig;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_idle_service_writes_once_a_heartbeat_and_wakes_for_nothing_but_its_pulse() {
    let store = FaultyStore::new();
    let service = builder(&store).pulse(SECOND * 20).upkeep(SECOND * 86_400).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(Duration::from_millis(1_001)).await;
    let (commits, wakeups) = (store.committed().len(), handle.health().wakeups);
    assert_eq!((commits, wakeups), (1, 2), "told that something is to be stored, and storing it");

    pass(SECOND * 3_600).await;
    let committed = store.committed();
    assert_eq!(committed.len() - commits, 60);
    let wakeups = handle.health().wakeups - wakeups;
    // One for each pulse and heartbeat, and a few for the upkeep after ten minutes.
    assert!((180..=250).contains(&wakeups), "{wakeups}");
    for (minute, beat) in (1..).zip(&committed[1..]) {
        assert_eq!(beat.peers, 0);
        let heartbeat = EPOCH.after_secs(1 + 60 * minute).as_nanos();
        let observer = beat.observer.unwrap();
        assert!(observer.last_heartbeat_ns.abs_diff(heartbeat) <= 100_000_000, "within timers' grain");
        assert_eq!(observer.started_at_ns, EPOCH.as_nanos());
    }
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_of_events_is_one_commit() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    for number in 0..1_000 {
        handle.record(opened(number, Some(true)));
        pass(Duration::from_micros(900)).await;
    }
    pass(SECOND * 2).await;
    let committed = store.committed();
    // Timers have a grain of a millisecond, so "within a second" takes the recorder a little longer.
    let peers: usize = committed.iter().map(|batch| batch.peers).sum();
    assert_eq!(peers, 1_000);
    assert!(committed.len() <= 2, "{committed:?}");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_records_at_once_are_one_commit_and_two_wakeups() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    pass(Duration::from_millis(1)).await;
    for _ in 0..10 {
        (0..100).for_each(|number| handle.record(opened(number, Some(true))));
        (0..100).for_each(|number| handle.record(offline(number)));
    }
    pass(SECOND * 2).await;
    let committed = store.committed();
    assert_eq!(committed.len(), 1);
    assert_eq!(committed[0].peers, 100);
    assert!(committed[0].observer.is_some(), "every commit is a heartbeat");
    assert_eq!(handle.health().wakeups, 2);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_commit_delay_holds_back_the_heartbeat_too() {
    let store = FaultyStore::new();
    let service = builder(&store).commit_delay(SECOND * 600).start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(SECOND * 599).await;
    assert_eq!(store.attempts(), 0, "a heartbeat says that everything before it is stored");
    pass(SECOND * 2).await;
    assert_eq!(store.committed().len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_presets_keep_their_commit_delay() {
    let store = FaultyStore::new();
    let service = builder(&store).tracker(TrackerConfig::lnd_0_19()).start().await.unwrap();
    service.handle().record(online(1));
    pass(SECOND * 3_599).await;
    assert_eq!(store.attempts(), 0);
    pass(SECOND * 2).await;
    assert_eq!(store.attempts(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_heartbeat_is_tried_again() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail(2);
    pass(SECOND * 62).await;
    assert_eq!(handle.health().store.consecutive_failures, 2);
    pass(SECOND * 3).await;
    let health = handle.health();
    assert_eq!((health.store.consecutive_failures, health.store.commits), (0, 1));
    assert!(health.store.last_heartbeat.unwrap() >= EPOCH.after_secs(62));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn extreme_settings_do_no_harm() {
    let store = FaultyStore::new();
    let service = builder(&store)
        .commit_delay(Duration::MAX)
        .heartbeat(Duration::ZERO)
        .commit_timeout(Duration::MAX)
        .shutdown_timeout(Duration::MAX)
        .retry(Duration::ZERO, Duration::ZERO)
        .subscription_capacity(usize::MAX)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    handle.record(opened(1, None));
    pass(SECOND).await;
    handle.flush().await.unwrap();
    service.shutdown().await.unwrap();

    let service =
        builder(&store).commit_delay(Duration::ZERO).heartbeat(Duration::MAX).start().await.unwrap();
    service.handle().record(offline(1));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_large_flush_goes_in_batches_and_the_last_is_the_heartbeat() {
    let store = FaultyStore::new();
    let service = builder(&store).commit_delay(SECOND * 5).start().await.unwrap();
    let handle = service.handle();
    (0..200_000).for_each(|number| handle.record(opened(number, None)));
    handle.flush().await.unwrap();
    let committed = store.committed();
    assert_eq!(committed.iter().map(|batch| batch.peers).sum::<usize>(), 200_000);
    assert_eq!(committed.len(), 2);
    assert!(committed[0].observer.is_none() && committed[1].observer.is_some());
    service.shutdown().await.unwrap();
}
