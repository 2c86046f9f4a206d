//! What outlives the process: on a store in memory, with time under control, and on redb.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fitness_actor::{Clock, Service, TokioClock};
use fitness_core::{Change, Event, OpenChannel, Presence, Snapshot, Timestamp};
use fitness_store::{MemoryStore, Store};
use fitness_store_redb::RedbStore;

use crate::support::*;

fn open(number: u32) -> OpenChannel {
    OpenChannel { channel_id: channel(number), node_id: peer(number), funding: None, usable: None }
}

#[tokio::test(start_paused = true)]
async fn history_survives_and_the_gap_is_unobserved_and_no_flap() {
    let store = FaultyStore::new();
    let clock = TokioClock::starting_at(EPOCH);
    let again = || builder(&store).clock(Arc::new(clock));
    let service = again().start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(SECOND * 50).await;
    handle.record(offline(1));
    handle.record(online(1));
    pass(SECOND * 50).await;
    service.shutdown().await.unwrap();

    // We are away for 1,000 s.
    pass(SECOND * 1_000).await;
    let service = again().start().await.unwrap();
    let handle = service.handle();
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!(report.presence.is_online(), None, "until we are told");
    assert_eq!((report.flap_count, report.disconnects), (2, 1));
    handle.record(online(1));
    pass(SECOND * 100).await;
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!((report.flap_count, report.disconnects), (2, 1));
    let channel = handle.channel(&channel(1)).unwrap();
    assert_eq!(channel.lifetime_ns, 1_200 * SECOND_NS);
    assert_eq!((channel.observed_ns, channel.uptime_ns), (200 * SECOND_NS, 200 * SECOND_NS));
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_presence_counts_until_the_last_heartbeat() {
    let store = FaultyStore::new();
    let clock = TokioClock::starting_at(EPOCH);
    let again = || builder(&store).clock(Arc::new(clock));
    let service = again().start().await.unwrap();
    service.handle().record(opened(1, Some(true)));
    // A commit after 1 s, heartbeats after 61 s and 121 s.
    pass(Duration::from_millis(150_000)).await;
    drop(service);
    // Only then has the runtime dropped the task, and its claim.
    tokio::task::yield_now().await;

    let service = again().start().await.unwrap();
    let credited = service.handle().channel(&channel(1)).unwrap().uptime_ns;
    assert!(credited.abs_diff(121 * SECOND_NS) < SECOND_NS / 10, "{credited}");
    // We observe on, but are told nothing of this peer, and crash again.
    pass(SECOND * 600).await;
    drop(service);
    tokio::task::yield_now().await;

    let service = again().start().await.unwrap();
    let report = service.handle().channel(&channel(1)).unwrap();
    assert_eq!(report.uptime_ns, credited, "our heartbeats since are no uptime of theirs");
    assert_eq!(report.observed_ns, credited);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_at_the_start_reconciles_before_anybody_asks() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=3).for_each(|number| handle.record(opened(number, Some(true))));
    service.shutdown().await.unwrap();

    let snapshot = Snapshot {
        channels: vec![open(1), open(2), open(4)],
        connected: vec![peer(1), peer(4), peer(5)],
        taken_at: None,
    };
    let service = builder(&store).snapshot(snapshot.clone()).start().await.unwrap();
    let handle = service.handle();
    assert_eq!(handle.peer(&peer(1)).unwrap().presence.is_online(), Some(true));
    assert_eq!(handle.peer(&peer(2)).unwrap().presence.is_online(), None, "it has time to come back");
    assert_eq!(handle.channel(&channel(3)), None, "closed while we were away");
    assert!(handle.channel(&channel(4)).is_some(), "opened while we were away");
    assert_eq!(handle.is_connected(&peer(5)), Some(true));
    assert_eq!(handle.health().dirty_peers, 4);

    // The same once more is no change.
    let mut changes = handle.subscribe();
    let taken_at = Some(handle.now());
    handle.record(Event::Snapshot(Snapshot { taken_at, ..snapshot }));
    handle.record(opened(6, None));
    let change = changes.next().await.unwrap().unwrap();
    assert!(matches!(change, Change::ChannelOpened { node_id, .. } if node_id == peer(6)), "{change:?}");
    service.shutdown().await.unwrap();
    assert_eq!(store.stored_peer(3).await.channels.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_pages_are_loaded() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (0..20_000).for_each(|number| handle.record(opened(number, None)));
    service.shutdown().await.unwrap();
    let (service, handle) = start(&store).await;
    let health = handle.health();
    assert_eq!((health.peers, health.channels), (20_000, 20_000), "two full pages and an empty one");
    assert_eq!(health.dirty_peers, 0, "nothing was known of them, so nothing has ended");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_not_back_in_time_was_offline_since_our_start() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    pass(SECOND * 10).await;
    service.shutdown().await.unwrap();

    let alone = Snapshot { channels: vec![open(1), open(2)], connected: vec![], taken_at: None };
    let service = builder(&store).snapshot(alone).start().await.unwrap();
    let handle = service.handle();
    let started_at = handle.health().started_at;
    let mut changes = handle.subscribe();
    pass(SECOND * 119).await;
    handle.record(online(1));
    assert_eq!(handle.peer(&peer(2)).unwrap().presence.is_online(), None);

    // Nobody says anything from here on: the service itself notices that the time is over.
    pass(SECOND * 11).await;
    let (back, gone) = (handle.peer(&peer(1)).unwrap(), handle.peer(&peer(2)).unwrap());
    assert_eq!((back.presence.is_online(), back.flap_count), (Some(true), 0));
    assert_eq!(
        (gone.presence.is_online(), gone.flap_count, gone.presence_since),
        (Some(false), 0, started_at)
    );
    for expected in [peer(1), peer(2)] {
        let change = changes.next().await.unwrap().unwrap();
        assert!(matches!(change, Change::Presence { node_id, .. } if node_id == expected), "{change:?}");
    }
    service.shutdown().await.unwrap();
}

/// The same on the embedded database: two processes' worth of service on one file. Redb works on
/// threads of its own, so tokio's clock runs, and service time is set by hand.
#[tokio::test]
async fn history_survives_on_redb() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fitness.redb");
    let clock = HandClock::default();
    let again = || {
        let store = Arc::new(RedbStore::open(&path).unwrap());
        Service::builder(OURSELVES, store).clock(Arc::new(clock.clone())).pulse(HOURS)
    };

    let service = again().start().await.unwrap();
    let handle = service.handle();
    (1..=3).for_each(|number| handle.record(opened(number, Some(true))));
    clock.pass(50);
    for _ in 0..5 {
        handle.record(offline(1));
        clock.pass(2);
        handle.record(online(1));
        clock.pass(8);
    }
    handle.flush().await.unwrap();
    clock.pass(100);
    service.shutdown().await.unwrap();
    let before = handle.peer(&peer(1)).unwrap();
    assert_eq!((before.flap_count, before.disconnects), (10, 5));

    // The handle is still there, and the file is free. Channel 2 closes while we are away.
    clock.pass(10_000);
    let snapshot = Snapshot {
        channels: vec![open(1), open(3), open(4)],
        connected: vec![peer(1), peer(4)],
        taken_at: None,
    };
    let service = again().snapshot(snapshot).start().await.unwrap();
    let handle = service.handle();
    let after = handle.peer(&peer(1)).unwrap();
    assert_eq!((after.flap_count, after.disconnects), (10, 5));
    assert_eq!((after.last_flap, after.tracked_since), (before.last_flap, before.tracked_since));
    assert_eq!((after.observed_ns, after.uptime_ns), (200 * SECOND_NS, 190 * SECOND_NS));
    assert_eq!(handle.channel(&channel(1)).unwrap().lifetime_ns, 10_200 * SECOND_NS);
    assert_eq!(handle.channel(&channel(2)), None);
    assert_eq!(handle.channel(&channel(4)).unwrap().lifetime_ns, 0);
    let offline = handle.peer(&peer(3)).unwrap();
    assert_eq!((offline.presence.is_online(), offline.flap_count), (None, 0), "it has time to come back");
    service.shutdown().await.unwrap();

    let store = RedbStore::open(&path).unwrap();
    let record = store.observer(&OURSELVES).await.unwrap().unwrap();
    assert_eq!(record.started_at_ns, EPOCH.after_secs(10_200).as_nanos());
    assert_eq!(record.last_heartbeat_ns, record.started_at_ns);
}

/// More entries than a segment holds, two restarts, and a log that holds less than there was.
#[tokio::test]
async fn a_history_reaches_back_beyond_restarts() {
    let (store, clock) = (MemoryStore::default(), HandClock::default());
    let again =
        || Service::builder(OURSELVES, Arc::new(store.clone())).clock(Arc::new(clock.clone())).pulse(HOURS);
    let began = clock.wall();
    for _ in 0..3 {
        let service = again().start().await.unwrap();
        let handle = service.handle();
        handle.record(opened(1, None));
        for _ in 0..100 {
            handle.record(online(1));
            clock.pass(4 * 3_600);
            handle.record(offline(1));
            clock.pass(3_600 + 1);
            // As every second in reality: what leaves memory before it is stored is lost.
            handle.flush().await.unwrap();
        }
        service.shutdown().await.unwrap();
        clock.pass(86_400);
    }

    let service = again().start().await.unwrap();
    let handle = service.handle();
    let history = handle.history(&peer(1)).await.unwrap().unwrap();
    let window = history.window(began, history.end());
    assert_eq!((window.uptime_ns, window.uptime_error_ns), (300 * 4 * 3_600 * SECOND_NS, 0));
    assert_eq!(window.observed_ns, 300 * (5 * 3_600 + 1) * SECOND_NS);
    // Within the first process's time, between two changes.
    let within = history.window(began.after_secs(3_600), began.after_secs(2 * 3_600));
    assert_eq!((within.availability, within.uptime_error_ns), (Some(1.0), 0));
    let timeline = history.timeline(began, history.end());
    let unobserved = timeline.iter().filter(|interval| interval.presence == Some(Presence::Unobserved));
    assert_eq!(unobserved.count(), 3, "our gaps");
    assert!(timeline.iter().all(|interval| interval.presence.is_some()), "nothing was lost");
    let outages = history.outage_stats(began, history.end());
    assert_eq!((outages.disconnects, outages.longest_outage_ns), (300, 3_601 * SECOND_NS));
    assert!(handle.history(&peer(2)).await.unwrap().is_none());
    service.shutdown().await.unwrap();
    assert!(handle.history(&peer(1)).await.is_err(), "the store is closed");
}

/// A clock that is moved by hand looks like a process that is held up.
const HOURS: Duration = Duration::from_secs(24 * 3_600);

#[derive(Clone, Default)]
struct HandClock(Arc<AtomicU64>);

impl HandClock {
    fn pass(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        EPOCH.after_secs(self.0.load(Ordering::SeqCst))
    }
}
