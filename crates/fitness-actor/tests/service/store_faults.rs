//! Stores that fail, hang, are slow or panic.

use std::time::Duration;

use fitness_actor::{FlushError, ShutdownError};
use fitness_store::Store;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn failed_commits_are_retried_and_lose_nothing() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_next(3);
    handle.record(opened(1, Some(true)));
    handle.record(opened(2, Some(true)));

    // The first commit is after 1 s, the first retry 1 s later and the second retry 2 s later.
    sleep(Duration::from_millis(2_500)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.consecutive_failures), (2, 2));
    assert_eq!(health.dirty_peers, 2);
    let failure = health.store.last_error.expect("a commit failed");
    assert!(failure.error.contains(INJECTED_FAILURE), "{}", failure.error);
    assert!(failure.transient);
    assert_eq!(health.store.last_commit, None);

    // Later changes are part of the retried commit.
    handle.record(offline(1));
    sleep(Duration::from_secs(10)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.consecutive_failures), (3, 0));
    assert_eq!((health.dirty_peers, health.store.commits), (0, 1));
    assert_eq!(health.store.last_commit, Some(EPOCH.after_secs(8)), "1 + 1 + 2 + 4 s");
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.stored_peer(2).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn health_reports_commit_durations() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(Duration::from_millis(300));
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 2).await;
    store.set_delay(SECOND * 60);
    handle.record(offline(1));
    // The commit is abandoned after 30 s and stored by the next attempt.
    sleep(SECOND * 35).await;
    store.set_delay(Duration::from_millis(2));
    sleep(SECOND * 60).await;
    let durations = handle.health().store.commit_durations;
    let commits = handle.health().store.commits;
    assert_eq!(durations.bucket_counts[8], 1, "up to half a second");
    assert_eq!(durations.bucket_counts[1], commits - 1, "up to 2.5 ms");
    assert_eq!(durations.longest_ns, 300_000_000, "abandoned commits do not count");
    assert_eq!(durations.sum_ns, 300_000_000 + (commits - 1) * 2_000_000);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_retry_delay_is_bounded_and_reset_after_success() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_next(u64::MAX);
    handle.record(opened(1, None));
    sleep(Duration::from_secs(3_600)).await;
    let attempts = handle.health().store.failures;
    assert!((60..=70).contains(&attempts), "one attempt a minute at the maximum delay: {attempts}");

    store.fail_next(0);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(handle.health().store.consecutive_failures, 0);
    // The next failure starts with the minimum delay again.
    store.fail_next(1);
    handle.record(offline(1));
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(handle.health().dirty_peers, 0);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn log_segments_of_a_failed_commit_are_stored_once() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    // The first attempt of every commit fails, including the one that completes a segment.
    for change in 0..100 {
        sleep(SECOND * 7).await;
        store.fail_next(1);
        handle.record(if change % 2 == 0 { offline(1) } else { online(1) });
    }
    service.shutdown().await.unwrap();
    let segments = store.inner.segments(&OBSERVER, &peer(1), 0, 100).await.unwrap();
    let entries: usize = segments.iter().map(|segment| segment.entries.len()).sum();
    assert_eq!(entries, store.stored_peer(1).await.log_end as usize);
    let times: Vec<u64> =
        segments.iter().flat_map(|segment| &segment.entries).map(fitness_core::LogEntry::at_ns).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 7 * SECOND_NS), "each entry is stored once");
    assert_eq!(entries, 100);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_commit_blocks_no_caller_and_is_abandoned() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_hanging(true);
    handle.record(opened(1, Some(true)));
    store.wait_for_attempts(1).await;

    sleep(SECOND * 10).await;
    handle.record(offline(1));
    handle.record(opened(2, Some(true)));
    assert_eq!(handle.channel(&channel(1)).unwrap().uptime_ns, 11 * SECOND_NS);
    let health = handle.health();
    let in_flight = health.store.in_flight.expect("a commit hangs");
    assert_eq!((in_flight.started_at, in_flight.peers), (EPOCH.after_secs(1), 1));
    assert_eq!(health.dirty_peers, 2);

    // The commit is abandoned after 30 s, and its changes are part of the next attempt.
    sleep(SECOND * 20 + Duration::from_millis(500)).await;
    let health = handle.health();
    assert_eq!((health.store.failures, health.store.in_flight), (1, None));
    assert!(health.store.last_error.unwrap().transient);
    store.set_hanging(false);
    sleep(SECOND * 2).await;
    assert_eq!(handle.health().dirty_peers, 0);
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.stored_peer(2).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_commit_are_part_of_the_next_one() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND * 5);
    handle.record(opened(1, Some(true)));
    store.wait_for_attempts(1).await;
    handle.record(offline(1));
    sleep(SECOND * 5 + Duration::from_millis(1)).await;
    store.wait_for_attempts(2).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 0);
    sleep(SECOND * 6).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(handle.health().store.failures, 0);
    service.shutdown().await.unwrap();
}

/// A store that cannot store a large batch within the timeout must still make progress.
#[tokio::test(start_paused = true)]
async fn a_timeout_halves_the_batch_size() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay_per_peer(Duration::from_millis(100));
    // Storing these peers takes 300 s; the timeout is 30 s.
    (0..3_000).for_each(|number| handle.record(opened(number, None)));
    sleep(SECOND * 3_600).await;
    let health = handle.health();
    assert_eq!((health.dirty_peers, health.store.consecutive_failures), (0, 0));
    assert!(health.store.failures >= 4, "batches of 3,000, 1,500, 750 and 375 peers time out");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_flush_returns_the_cause() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.flush().await.expect("a flush without changes succeeds");
    assert_eq!(store.attempts(), 0);

    store.fail_next(1);
    handle.record(opened(1, None));
    let error = handle.flush().await.unwrap_err();
    assert!(matches!(&error, FlushError::Store { source } if source.is_transient()), "{error}");
    handle.flush().await.expect("a flush does not wait for the back-off");
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);

    store.set_hanging(true);
    handle.record(offline(1));
    let error = handle.flush().await.unwrap_err();
    assert!(matches!(error, FlushError::TimedOut { timeout } if timeout == SECOND * 30), "{error}");
    store.set_hanging(false);
    service.shutdown().await.unwrap();
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn flushes_during_a_commit_share_the_next_one() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.wait_for_attempts(1).await;
    handle.record(offline(1));
    let (first, second) = tokio::join!(handle.flush(), handle.flush());
    first.unwrap();
    second.unwrap();
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    assert_eq!(store.attempts(), 2, "one commit serves both flushes");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panicking_store_stops_the_service_but_not_queries() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.panic_on_commit();
    handle.record(opened(1, Some(true)));
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    let health = handle.health();
    assert!(!health.running && health.store.in_flight.is_none());
    assert_eq!(health.dirty_peers, 1, "the changes of the commit were requeued");
    assert!(handle.channel(&channel(1)).is_some());
    let error = service.shutdown().await.unwrap_err();
    assert!(matches!(error, ShutdownError::AlreadyStopped { unstored_peers: 1 }), "{error}");
}
