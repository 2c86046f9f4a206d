//! A store that no service runs on, asked as if one did.

use std::sync::Arc;

use fitness_actor::{Archive, FlushError, TokioClock};
use fitness_core::{Event, NodeId, Presence, StandardWindow, Timestamp, TrackerConfig};
use fitness_store::{Batch, MemoryStore, Store};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn it_answers_what_the_service_did_at_its_last_moment() {
    let store = FaultyStore::new();
    // So little is held in memory that histories need the store.
    let config = TrackerConfig::default().with_log_capacity(8);
    let clock = Arc::new(TokioClock::starting_at(EPOCH));
    let service = builder(&store).tracker(config).clock(clock).start().await.unwrap();
    let live = service.handle();
    for number in 0..5 {
        live.record(opened(number, Some(number != 3)));
    }
    for _ in 0..100 {
        pass(SECOND * 40).await;
        live.record(offline(1));
        pass(SECOND * 20).await;
        live.record(online(1));
    }
    live.record(Event::ChannelUsable { channel_id: channel(1), usable: true });
    live.record(offline(2));
    pass(SECOND * 5).await;
    // The last commit's moment is that of the shutdown: time stands still meanwhile.
    let (now, peers, coverage) = (live.now(), live.peers(), live.coverage());
    let stats = live.peer_stats(&peer(1), StandardWindow::Lifetime).await.unwrap();
    service.shutdown().await.unwrap();
    pass(SECOND * 10_000).await;

    let rest = Archive::open(OURSELVES, Arc::new(store.inner.clone())).await.unwrap();
    let handle = rest.handle();
    assert_eq!((rest.as_of(), handle.now(), handle.observer()), (now, now, OURSELVES));
    assert_eq!(handle.peers(), peers);
    assert_eq!(handle.coverage(), coverage);
    assert_eq!(handle.peer_stats(&peer(1), StandardWindow::Lifetime).await.unwrap(), stats);
    assert_eq!(stats.unwrap().outages.disconnects, 100, "of which most are in the store alone");
    assert_eq!(handle.peer(&peer(2)).unwrap().presence, Presence::Offline);

    let health = handle.health();
    assert!(health.archived && !health.running && health.dirty_peers == 0);
    assert!(matches!(handle.flush().await, Err(FlushError::Stopped)));
    assert!(handle.subscribe().next().await.is_none());
    let before = store.inner.observer(&OURSELVES).await.unwrap();
    handle.record(online(2));
    assert_eq!(handle.health().events_after_shutdown, 1);
    assert_eq!(store.inner.observer(&OURSELVES).await.unwrap(), before, "nothing is written");
    drop(rest);
    assert!(handle.peer(&peer(1)).is_some(), "what is in memory outlives it");
}

/// A service may run on the store, and a flush may have been interrupted half way.
#[tokio::test(start_paused = true)]
async fn who_is_known_for_less_long_is_unobserved_from_then_on() {
    let store = FaultyStore::new();
    let clock = Arc::new(TokioClock::starting_at(EPOCH));
    let service = builder(&store).clock(clock).start().await.unwrap();
    service.handle().record(opened(1, Some(true)));
    service.handle().record(opened(2, Some(true)));
    pass(SECOND * 5).await;
    service.handle().flush().await.unwrap();
    let heartbeat_ns = store.inner.observer(&OURSELVES).await.unwrap().unwrap().last_heartbeat_ns;
    // The first part of a commit that never came to its end.
    let mut record = store.inner.peer(&OURSELVES, &peer(2)).await.unwrap().unwrap();
    let online_ns = heartbeat_ns - record.presence_since_ns;
    record.totals.online_ns += online_ns;
    record.totals.observed_ns += online_ns;
    (record.presence, record.presence_since_ns) = (Presence::Offline, heartbeat_ns + SECOND_NS);
    let mut batch = Batch::default();
    batch.changes.peers.push(record);
    store.inner.commit(&OURSELVES, Arc::new(batch)).await.unwrap();

    let rest = Archive::open(OURSELVES, Arc::new(store.inner.clone())).await.unwrap();
    assert_eq!(rest.as_of(), Timestamp::from_nanos(heartbeat_ns + SECOND_NS));
    let peers = rest.handle().peers();
    assert_eq!((peers[0].presence, peers[1].presence), (Presence::Unobserved, Presence::Offline));
    assert_eq!(peers[0].observed_ns, heartbeat_ns - EPOCH.as_nanos());
    service.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_whom_is_not_there_nothing_is_known() {
    let rest = Archive::open(NodeId([7; 33]), Arc::new(MemoryStore::default())).await.unwrap();
    assert_eq!(rest.as_of(), Timestamp::EPOCH);
    assert!(rest.handle().peers().is_empty() && rest.handle().coverage().is_none());
}
