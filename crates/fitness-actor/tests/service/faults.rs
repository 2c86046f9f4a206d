//! Stores that fail, hang and dawdle.

use std::time::Duration;

use fitness_actor::{FlushError, ShutdownError};
use fitness_store::Store;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_a_while_loses_nothing() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail(3);
    handle.record(opened(1, Some(true)));
    handle.record(opened(2, Some(true)));

    // The commit after 1 s, its repetition 1 s later, and another 2 s later.
    pass(Duration::from_millis(2_500)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.consecutive_failures), (2, 2));
    assert_eq!(health.dirty_peers, 2);
    let failure = health.store.last_error.expect("it failed");
    assert!(failure.error.contains("as it was told"), "{}", failure.error);
    assert!(failure.transient);
    assert_eq!(health.store.last_commit, None);

    // What happens meanwhile goes along.
    handle.record(offline(1));
    pass(Duration::from_secs(10)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.consecutive_failures), (3, 0));
    assert_eq!((health.dirty_peers, health.store.commits), (0, 1));
    assert_eq!(health.store.last_commit, Some(EPOCH.after_secs(8)), "1 + 1 + 2 + 4 s");
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.stored_peer(2).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_told_how_long_commits_take() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(Duration::from_millis(300));
    handle.record(opened(1, Some(true)));
    pass(SECOND * 2).await;
    store.dawdle(SECOND * 60);
    handle.record(offline(1));
    // It is given up after 30 s, and stored the next time.
    pass(SECOND * 35).await;
    store.dawdle(Duration::from_millis(2));
    pass(SECOND * 60).await;
    let times = handle.health().store.commit_durations;
    let commits = handle.health().store.commits;
    assert_eq!(times.bucket_counts[8], 1, "up to half a second");
    assert_eq!(times.bucket_counts[1], commits - 1, "up to 2.5 ms");
    assert_eq!(times.longest_ns, 300_000_000, "what was given up was not stored");
    assert_eq!(times.sum_ns, 300_000_000 + (commits - 1) * 2_000_000);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_wait_between_tries_is_bounded() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail(u64::MAX);
    handle.record(opened(1, None));
    pass(Duration::from_secs(3_600)).await;
    let tries = handle.health().store.failures;
    assert!((60..=70).contains(&tries), "a try a minute, once the wait has grown: {tries}");

    store.fail(0);
    pass(Duration::from_secs(61)).await;
    assert_eq!(handle.health().store.consecutive_failures, 0);
    // The next trouble starts with short waits again.
    store.fail(1);
    handle.record(offline(1));
    pass(Duration::from_millis(2_100)).await;
    assert_eq!(handle.health().dirty_peers, 0);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn log_segments_of_a_failed_commit_are_stored_by_the_next() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    // Every commit fails at first, that of a segment's last entry included.
    for change in 0..100 {
        pass(SECOND * 7).await;
        store.fail(1);
        handle.record(if change % 2 == 0 { offline(1) } else { online(1) });
    }
    service.shutdown().await.unwrap();
    let segments = store.inner.segments(&OURSELVES, &peer(1), 0, 100).await.unwrap();
    let entries: usize = segments.iter().map(|segment| segment.entries.len()).sum();
    assert_eq!(entries, store.stored_peer(1).await.log_end as usize);
    let times: Vec<u64> =
        segments.iter().flat_map(|segment| &segment.entries).map(fitness_core::LogEntry::at_ns).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 7 * SECOND_NS), "each once");
    assert_eq!(entries, 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_nobody_and_is_given_up() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.hang(true);
    handle.record(opened(1, Some(true)));
    store.begun(1).await;

    pass(SECOND * 10).await;
    handle.record(offline(1));
    handle.record(opened(2, Some(true)));
    assert_eq!(handle.channel(&channel(1)).unwrap().uptime_ns, 11 * SECOND_NS);
    let health = handle.health();
    let in_flight = health.store.in_flight.expect("the store does not answer");
    assert_eq!((in_flight.started_at, in_flight.peers), (EPOCH.after_secs(1), 1));
    assert_eq!(health.dirty_peers, 2);

    // After its 30 s the commit is given up, and its changes are tried again with the others.
    pass(SECOND * 20 + Duration::from_millis(500)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.in_flight), (1, None));
    assert!(health.store.last_error.unwrap().error.contains("30s"));
    store.hang(false);
    pass(SECOND * 2).await;
    assert_eq!(handle.health().dirty_peers, 0);
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.stored_peer(2).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_gets_what_came_meanwhile_next() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND * 5);
    handle.record(opened(1, Some(true)));
    store.begun(1).await;
    handle.record(offline(1));
    pass(SECOND * 5 + Duration::from_millis(1)).await;
    store.begun(2).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 0);
    pass(SECOND * 6).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(handle.health().store.failures, 0);
    service.shutdown().await.unwrap();
}

/// A store that needs a minute for a large batch and has half of one must get somewhere all the same.
#[tokio::test(start_paused = true)]
async fn a_store_too_slow_for_its_timeout_gets_smaller_batches() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle_by_peer(Duration::from_millis(100));
    // 300 s worth of peers.
    (0..3_000).for_each(|number| handle.record(opened(number, None)));
    pass(SECOND * 3_600).await;
    let health = handle.health();
    assert_eq!((health.dirty_peers, health.store.consecutive_failures), (0, 0));
    assert!(health.store.failures >= 4, "3,000, 1,500, 750 and 375 are too many");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flush_says_why_not() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.flush().await.expect("there is nothing to store");
    assert_eq!(store.attempts(), 0);

    store.fail(1);
    handle.record(opened(1, None));
    let err = handle.flush().await.unwrap_err();
    assert!(matches!(&err, FlushError::Store { source } if source.is_transient()), "{err}");
    assert!(err.to_string().contains("as it was told"));
    handle.flush().await.expect("a flush does not wait for the back-off");
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);

    store.hang(true);
    handle.record(offline(1));
    let err = handle.flush().await.unwrap_err();
    assert!(matches!(err, FlushError::TimedOut { timeout: after } if after == SECOND * 30), "{err}");
    store.hang(false);
    service.shutdown().await.unwrap();
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn a_flush_during_a_commit_waits_for_both() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.begun(1).await;
    handle.record(offline(1));
    let (one, other) = tokio::join!(handle.flush(), handle.flush());
    one.unwrap();
    other.unwrap();
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.attempts(), 2, "both flushes are served by one commit");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panicking_store_is_told_and_questions_go_on() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.panic();
    handle.record(opened(1, Some(true)));
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    let health = handle.health();
    assert!(!health.running && health.store.in_flight.is_none());
    assert_eq!(health.dirty_peers, 1, "what was on its way was put back");
    assert!(handle.channel(&channel(1)).is_some());
    let err = service.shutdown().await.unwrap_err();
    assert!(matches!(err, ShutdownError::AlreadyStopped { unstored_peers: 1 }), "{err}");
}
