//! Queries on a stored history without a running service.

use std::sync::Arc;

use fitness_actor::{Archive, FlushError, TokioClock};
use fitness_core::{Event, NodeId, Presence, StandardWindow, Timestamp, TrackerConfig};
use fitness_store::{Batch, MemoryStore, Store};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_archive_answers_like_the_service_at_its_last_commit() {
    let store = FaultyStore::new();
    // Memory holds so little that histories must be read from the store.
    let config = TrackerConfig::default().with_log_capacity(8);
    let clock = Arc::new(TokioClock::starting_at(EPOCH));
    let service = builder(&store).tracker(config).clock(clock).start().await.unwrap();
    let live = service.handle();
    for number in 0..5 {
        live.record(opened(number, Some(number != 3)));
    }
    for _ in 0..100 {
        sleep(SECOND * 40).await;
        live.record(offline(1));
        sleep(SECOND * 20).await;
        live.record(online(1));
    }
    live.record(Event::ChannelUsable { channel_id: channel(1), usable: true });
    live.record(offline(2));
    sleep(SECOND * 5).await;
    // Time is paused, so this is also the time of the last commit, at shutdown.
    let (now, peers, coverage) = (live.now(), live.peers(), live.coverage());
    let stats = live.peer_stats(&peer(1), StandardWindow::Lifetime).await.unwrap();
    service.shutdown().await.unwrap();
    sleep(SECOND * 10_000).await;

    let archive = Archive::open(OBSERVER, Arc::new(store.inner.clone())).await.unwrap();
    let handle = archive.handle();
    assert_eq!((archive.as_of(), handle.now(), handle.observer()), (now, now, OBSERVER));
    assert_eq!(handle.peers(), peers);
    assert_eq!(handle.coverage(), coverage);
    assert_eq!(handle.peer_stats(&peer(1), StandardWindow::Lifetime).await.unwrap(), stats);
    assert_eq!(stats.unwrap().outages.disconnects, 100, "most of them are only in the store");
    assert_eq!(handle.peer(&peer(2)).unwrap().presence, Presence::Offline);

    let health = handle.health();
    assert!(health.archived && !health.running && health.dirty_peers == 0);
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    assert!(handle.subscribe().next().await.is_none());
    let before = store.inner.observer(&OBSERVER).await.unwrap();
    handle.record(online(2));
    assert_eq!(handle.health().events_after_shutdown, 1);
    assert_eq!(store.inner.observer(&OBSERVER).await.unwrap(), before, "an archive writes nothing");
    drop(archive);
    assert!(handle.peer(&peer(1)).is_some(), "handles answer from memory after the archive is dropped");
}

/// A flush may have been interrupted, so the records of some peers are newer than those of others.
#[tokio::test(start_paused = true)]
async fn peers_with_older_records_are_unobserved_since_the_heartbeat() {
    let store = FaultyStore::new();
    let clock = Arc::new(TokioClock::starting_at(EPOCH));
    let service = builder(&store).clock(clock).start().await.unwrap();
    service.handle().record(opened(1, Some(true)));
    service.handle().record(opened(2, Some(true)));
    sleep(SECOND * 5).await;
    service.handle().flush().await.unwrap();
    let heartbeat_ns = store.inner.observer(&OBSERVER).await.unwrap().unwrap().last_heartbeat_ns;
    // Store the first batch of a flush that was interrupted.
    let mut record = store.inner.peer(&OBSERVER, &peer(2)).await.unwrap().unwrap();
    let online_ns = heartbeat_ns - record.presence_since_ns;
    record.totals.online_ns += online_ns;
    record.totals.observed_ns += online_ns;
    (record.presence, record.presence_since_ns) = (Presence::Offline, heartbeat_ns + SECOND_NS);
    let mut batch = Batch::default();
    batch.changes.peers.push(record);
    store.inner.commit(&OBSERVER, Arc::new(batch)).await.unwrap();

    let archive = Archive::open(OBSERVER, Arc::new(store.inner.clone())).await.unwrap();
    assert_eq!(archive.as_of(), Timestamp::from_nanos(heartbeat_ns + SECOND_NS));
    let peers = archive.handle().peers();
    assert_eq!((peers[0].presence, peers[1].presence), (Presence::Unobserved, Presence::Offline));
    assert_eq!(peers[0].observed_ns, heartbeat_ns - EPOCH.as_nanos());
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_archive_of_an_unknown_observer_is_empty() {
    let archive = Archive::open(NodeId([7; 33]), Arc::new(MemoryStore::default())).await.unwrap();
    assert_eq!(archive.as_of(), Timestamp::EPOCH);
    assert!(archive.handle().peers().is_empty() && archive.handle().coverage().is_none());
}
