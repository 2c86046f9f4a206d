//! Shutdown, dropping the service, and failed starts.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{FlushError, Service, ShutdownError, StartError};
use fitness_store::{MemoryStore, Store, StoreError};
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn shutdown_stores_all_changes_and_a_heartbeat() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    sleep(Duration::from_millis(500)).await;
    handle.record(offline(1));
    service.shutdown().await.unwrap();
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    let observer = store.inner.observer(&OBSERVER).await.unwrap().unwrap();
    assert_eq!(observer.started_at_ns, EPOCH.as_nanos());
    assert_eq!(observer.last_heartbeat_ns, EPOCH.as_nanos() + SECOND_NS / 2);
    assert_eq!(store.batches().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_a_commit_in_progress_first() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.wait_for_attempts(1).await;
    handle.record(offline(1));
    service.shutdown().await.unwrap();
    let batches = store.batches();
    assert_eq!(batches.len(), 2, "the commit in progress and the last one");
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
}

/// The disconnects that our own shutdown causes are not attributed to the peers.
#[tokio::test(start_paused = true)]
async fn events_after_the_shutdown_call_are_not_stored() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND);
    handle.record(opened(1, Some(true)));
    let (result, ()) = tokio::join!(service.shutdown(), async {
        store.wait_for_attempts(1).await;
        handle.record(offline(1));
    });
    result.unwrap();
    assert_eq!(handle.health().events_after_shutdown, 1);
    assert_eq!(store.stored_peer(1).await.disconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_completes_pending_flushes() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.wait_for_attempts(1).await;
    handle.record(offline(1));
    let (flushed, stopped) = tokio::join!(handle.flush(), service.shutdown());
    flushed.unwrap();
    stopped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_reports_a_failing_store_at_the_timeout() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_always();
    (1..=3).for_each(|number| handle.record(opened(number, None)));
    let shutdown_at = Instant::now();
    let error = service.shutdown().await.unwrap_err();
    assert_eq!(shutdown_at.elapsed(), SECOND * 10);
    let ShutdownError::NotFlushed { unstored_peers: 3, timeout, source: FlushError::Store { .. } } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(timeout, SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn shutdown_retries_until_the_store_recovers() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail_next(4);
    handle.record(opened(1, None));
    service.shutdown().await.unwrap();
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_reports_a_hanging_store_at_the_timeout() {
    let store = FaultyStore::new();
    let service = builder(&store).shutdown_timeout(SECOND * 4).start().await.unwrap();
    let handle = service.handle();
    store.set_hanging(true);
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    store.wait_for_attempts(1).await;
    // A change to a peer of the commit in progress, and one more peer.
    handle.record(offline(1));
    handle.record(opened(3, None));
    let shutdown_at = Instant::now();
    let error = service.shutdown().await.unwrap_err();
    assert!(shutdown_at.elapsed() <= SECOND * 5, "{:?}", shutdown_at.elapsed());
    assert!(
        matches!(
            error,
            ShutdownError::NotFlushed { unstored_peers: 3, source: FlushError::TimedOut { timeout }, .. }
                if timeout == SECOND * 4
        ),
        "{error:?}"
    );
    assert!(handle.channel(&channel(3)).is_some());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_service_ends_it_immediately() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    handle.flush().await.unwrap();
    handle.record(offline(1));
    drop(service);
    handle.record(online(1));
    assert_eq!(handle.health().events_after_shutdown, 1, "the service is closed when drop returns");
    let mut changes = handle.subscribe();
    sleep(SECOND * 60).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 0, "the last change is lost");
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    assert!(!handle.health().running);
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    assert_eq!(changes.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn handles_do_not_keep_the_store_open() {
    let store = Arc::new(FaultyStore::new());
    let service = Service::builder(OBSERVER, Arc::<FaultyStore>::clone(&store) as Arc<dyn Store>)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    service.shutdown().await.unwrap();
    assert_eq!(Arc::strong_count(&store), 1);
    assert_eq!(handle.flap_count(&peer(1)).await.unwrap(), None, "the store can be read while it is open");
    drop(store);
    let error = handle.flap_count(&peer(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::OpenFailed { .. }), "{error}");
}

#[test]
fn shutdown_reports_a_runtime_that_ended_before() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let service = runtime.block_on(Service::builder(OBSERVER, store).start()).unwrap();
    let handle = service.handle();
    handle.record(opened(1, None));
    drop(runtime);
    assert!(!handle.health().running);
    let other_runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = other_runtime.block_on(service.shutdown()).unwrap_err();
    assert!(matches!(error, ShutdownError::AlreadyStopped { unstored_peers: 1 }), "{error}");
}

#[test]
fn start_without_a_runtime_is_an_error() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut start = Box::pin(Service::builder(OBSERVER, store).start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = start.as_mut().poll(&mut context) else {
        panic!("start must fail immediately");
    };
    assert!(matches!(error, StartError::NoRuntime), "{error}");
}

#[tokio::test(start_paused = true)]
async fn start_fails_if_the_history_cannot_be_loaded() {
    let store = FaultyStore::new();
    store.fail_always();
    let error = builder(&store).start().await.unwrap_err();
    assert!(
        matches!(error, StartError::Load { source: StoreError::Backend { operation: "read the peers", .. } }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_service_for_the_same_node_is_rejected() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let error = builder(&store).start().await.unwrap_err();
    let StartError::Claim { source: StoreError::Claimed { observer, .. } } = error else {
        panic!("{error:?}");
    };
    assert_eq!(observer, OBSERVER);
    handle.record(opened(1, None));
    service.shutdown().await.unwrap();
    let service = builder(&store).start().await.unwrap();
    assert!(service.handle().peer(&peer(1)).is_some());
}
