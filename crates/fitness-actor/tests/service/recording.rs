//! Recording: from anywhere, at any time, nothing lost.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fitness_actor::Service;
use fitness_store::{MemoryStore, Store};

use crate::support::*;

/// Threads outside the runtime record while questions are asked and flushes run: every event
/// counts, in memory and in the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_record_while_others_ask_and_flush() {
    const THREADS: u32 = 2;
    const PEERS: u32 = 50;
    const ROUNDS: u32 = 400;

    let store = MemoryStore::default();
    let service = Service::builder(OURSELVES, Arc::new(store.clone()))
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
                        assert_eq!(report.disconnects, round + 1, "a question sees what was recorded");
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
    assert_eq!(health.clock_faults, Default::default(), "stamps are in order");
    service.shutdown().await.unwrap();
    let stored = store.peers(&OURSELVES, None, 1_000).await.unwrap();
    assert_eq!(stored.len(), (THREADS * PEERS) as usize);
    for record in stored {
        assert_eq!(record.disconnects, ROUNDS);
        assert_eq!(handle.peer(&record.node_id).unwrap().disconnects, ROUNDS);
    }
}

/// As LDK calls us: from a thread of its own, with locks of its own held.
#[tokio::test(start_paused = true)]
async fn a_thread_without_runtime_records_with_its_own_locks_held() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let peers_of_ldk = Arc::new(Mutex::new(()));
    let held = Arc::clone(&peers_of_ldk);
    let recorder = handle.clone();
    thread::spawn(move || {
        let _held = held.lock().unwrap();
        recorder.record(opened(1, Some(true)));
        assert_eq!(recorder.is_connected(&peer(1)), Some(true));
    })
    .join()
    .unwrap();
    handle.flush().await.unwrap();
    assert_eq!(store.stored_peer(1).await.channels.len(), 1);
    service.shutdown().await.unwrap();
}

/// The lock must not become a trap when one of its holders panics.
#[tokio::test(start_paused = true)]
async fn a_panicking_thread_takes_nobody_with_it() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    let recorder = handle.clone();
    let panicked = thread::spawn(move || {
        recorder.record(opened(1, Some(true)));
        panic!("on purpose");
    })
    .join();
    assert!(panicked.is_err());
    handle.record(offline(1));
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_events_are_counted_and_questions_answered() {
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
