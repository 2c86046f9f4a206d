//! Shutdown, and what comes instead of one.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{FlushError, Service, ShutdownError, StartError};
use fitness_store::{MemoryStore, Store};
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_shutdown_stores_everything_and_until_when_we_observed() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    pass(Duration::from_millis(500)).await;
    handle.record(offline(1));
    service.shutdown().await.unwrap();
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
    let observer = store.inner.observer(&OURSELVES).await.unwrap().unwrap();
    assert_eq!(observer.started_at_ns, EPOCH.as_nanos());
    assert_eq!(observer.last_heartbeat_ns, EPOCH.as_nanos() + SECOND_NS / 2);
    assert_eq!(store.committed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flush_under_way_is_finished_first() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.begun(1).await;
    handle.record(offline(1));
    service.shutdown().await.unwrap();
    let committed = store.committed();
    assert_eq!(committed.len(), 2, "the one under way, and the last");
    assert_eq!(store.stored_peer(1).await.disconnects, 1);
}

/// What our own shutdown does to the peers is no news of theirs, and is told apart.
#[tokio::test(start_paused = true)]
async fn events_count_as_late_from_the_call_on() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND);
    handle.record(opened(1, Some(true)));
    let (stopped, ()) = tokio::join!(service.shutdown(), async {
        store.begun(1).await;
        handle.record(offline(1));
    });
    stopped.unwrap();
    assert_eq!(handle.health().events_after_shutdown, 1);
    assert_eq!(store.stored_peer(1).await.disconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_flush_is_answered() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND * 3);
    handle.record(opened(1, Some(true)));
    store.begun(1).await;
    handle.record(offline(1));
    let (flushed, stopped) = tokio::join!(handle.flush(), service.shutdown());
    flushed.unwrap();
    stopped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_store_is_told_within_the_timeout() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.die();
    (1..=3).for_each(|number| handle.record(opened(number, None)));
    let asked = Instant::now();
    let err = service.shutdown().await.unwrap_err();
    assert_eq!(asked.elapsed(), SECOND * 10);
    let ShutdownError::NotFlushed { unstored_peers: 3, timeout: after, source: FlushError::Store { .. } } =
        &err
    else {
        panic!("{err}");
    };
    assert_eq!(*after, SECOND * 10);
    assert!(err.to_string().contains("3 peers"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_recovers_in_time_gets_the_last_changes() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.fail(4);
    handle.record(opened(1, None));
    service.shutdown().await.unwrap();
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_store_is_told_within_the_timeout() {
    let store = FaultyStore::new();
    let service = builder(&store).shutdown_timeout(SECOND * 4).start().await.unwrap();
    let handle = service.handle();
    store.hang(true);
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    store.begun(1).await;
    // One of those that are on their way, and one more.
    handle.record(offline(1));
    handle.record(opened(3, None));
    let asked = Instant::now();
    let err = service.shutdown().await.unwrap_err();
    assert!(asked.elapsed() <= SECOND * 5, "{:?}", asked.elapsed());
    assert!(
        matches!(
            err,
            ShutdownError::NotFlushed { unstored_peers: 3, source: FlushError::TimedOut { timeout: after }, .. }
                if after == SECOND * 4
        ),
        "{err:?}"
    );
    assert!(handle.channel(&channel(3)).is_some());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_service_ends_it_at_once() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    handle.flush().await.unwrap();
    handle.record(offline(1));
    drop(service);
    handle.record(online(1));
    assert_eq!(handle.health().events_after_shutdown, 1, "from that very moment on");
    let mut changes = handle.subscribe();
    pass(SECOND * 60).await;
    assert_eq!(store.stored_peer(1).await.disconnects, 0, "the last change is lost");
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    assert!(!handle.health().running);
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    assert_eq!(changes.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn the_store_is_closed_with_the_service_and_not_with_its_handles() {
    let store = Arc::new(FaultyStore::new());
    let service = Service::builder(OURSELVES, Arc::<FaultyStore>::clone(&store) as Arc<dyn Store>)
        .start()
        .await
        .unwrap();
    let handle = service.handle();
    service.shutdown().await.unwrap();
    assert_eq!(Arc::strong_count(&store), 1);
    assert_eq!(handle.flap_count(&peer(1)).await.unwrap(), None, "while somebody has it open, it is asked");
    drop(store);
    let err = handle.flap_count(&peer(1)).await.unwrap_err();
    assert!(err.to_string().contains("stopped"), "{err}");
}

#[test]
fn a_runtime_that_ends_first_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let service = runtime.block_on(Service::builder(OURSELVES, store).start()).unwrap();
    let handle = service.handle();
    handle.record(opened(1, None));
    drop(runtime);
    assert!(!handle.health().running);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let err = other.block_on(service.shutdown()).unwrap_err();
    assert!(matches!(err, ShutdownError::AlreadyStopped { unstored_peers: 1 }), "{err}");
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut start = Box::pin(Service::builder(OURSELVES, store).start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(err)) = start.as_mut().poll(&mut context) else {
        panic!("it has nothing to wait for");
    };
    assert!(matches!(err, StartError::NoRuntime), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_history_that_cannot_be_loaded_is_an_error() {
    let store = FaultyStore::new();
    store.die();
    let err = builder(&store).start().await.unwrap_err();
    assert!(matches!(err, StartError::Load { .. }), "{err}");
    assert!(err.to_string().contains("read the peers"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_second_service_for_the_same_node_is_refused() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let err = builder(&store).start().await.unwrap_err();
    assert!(matches!(err, StartError::Claim { .. }), "{err}");
    assert!(err.to_string().contains("stop that one first"), "{err}");
    handle.record(opened(1, None));
    service.shutdown().await.unwrap();
    let again = builder(&store).start().await.unwrap();
    assert!(again.handle().peer(&peer(1)).is_some());
}
