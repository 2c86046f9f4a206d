//! Recording from any thread, at any time, without loss.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitness_actor::Service;
use fitness_store::{MemoryStore, Store};

use crate::support::*;

/// Threads outside the runtime record while queries and flushes run. Every event counts, in memory and in the
/// store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_records_queries_and_flushes_lose_nothing() {
    const THREADS: u32 = 2;
    const PEERS: u32 = 50;
    const ROUNDS: u32 = 400;

    let store = MemoryStore::default();
    let service = Service::builder(OBSERVER, Arc::new(store.clone()))
        .commit_delay(Duration::from_millis(1))
        .start()
        .await
        .unwrap();
    let recorders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let handle = service.handle();
            thread::spawn(move || {
                let peers = thread * PEERS..(thread + 1) * PEERS;
                peers.clone().for_each(|number| handle.record(opened(number, Some(true))));
                for round in 0..ROUNDS {
                    for number in peers.clone() {
                        handle.record(offline(number));
                        let report = handle.peer(&peer(number)).unwrap();
                        assert_eq!(report.disconnects, round + 1, "a query sees what was recorded before");
                        handle.record(online(number));
                    }
                }
            })
        })
        .collect();

    let handle = service.handle();
    let recorders = tokio::task::spawn_blocking(|| recorders.into_iter().for_each(|it| it.join().unwrap()));
    while !recorders.is_finished() {
        handle.flush().await.unwrap();
        for report in handle.peers() {
            for channel in report.channels {
                assert!(channel.uptime_ns <= channel.observed_ns);
                assert!(channel.observed_ns <= channel.lifetime_ns);
            }
        }
    }
    recorders.await.unwrap();

    let health = handle.health();
    assert_eq!(health.clock_faults, Default::default(), "time stamps are in order");
    service.shutdown().await.unwrap();
    let stored = store.peers(&OBSERVER, None, 1_000).await.unwrap();
    assert_eq!(stored.len(), (THREADS * PEERS) as usize);
    for record in stored {
        assert_eq!(record.disconnects, ROUNDS);
        assert_eq!(handle.peer(&record.node_id).unwrap().disconnects, ROUNDS);
    }
}

/// LDK calls its handlers from its own threads while holding its own locks.
#[tokio::test(start_paused = true)]
async fn a_thread_outside_the_runtime_records_while_holding_a_lock() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let ldk_lock = Arc::new(Mutex::new(()));
    let recorder = handle.clone();
    thread::spawn(move || {
        let _guard = ldk_lock.lock().unwrap();
        recorder.record(opened(1, Some(true)));
        assert_eq!(recorder.is_connected(&peer(1)), Some(true));
    })
    .join()
    .unwrap();
    handle.flush().await.unwrap();
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

/// A panic of a thread must not make the lock unusable.
#[tokio::test(start_paused = true)]
async fn a_panic_of_a_recording_thread_is_tolerated() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let recorder = handle.clone();
    let panicked = thread::spawn(move || {
        recorder.record(opened(1, Some(true)));
        panic!("injected panic");
    })
    .join();
    assert!(panicked.is_err());
    handle.record(offline(1));
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_after_a_shutdown_are_counted_and_visible_to_queries() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    service.shutdown().await.unwrap();
    assert_eq!(handle.health().events_after_shutdown, 0);

    handle.record(offline(1));
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    let health = handle.health();
    assert_eq!(health.events_after_shutdown, 1);
    assert!(!health.running);
    assert_eq!(store.stored_peer(1).await.disconnects, 0);
}
