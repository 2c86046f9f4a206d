//! Restarts: what a new service knows from the previous one, with an in-memory store and with redb.

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
async fn a_restart_keeps_history_and_counts_the_gap_as_unobserved() {
    let store = FaultyStore::new();
    let clock = TokioClock::starting_at(EPOCH);
    let new_builder = || builder(&store).clock(Arc::new(clock));
    let service = new_builder().start().await.unwrap();
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 50).await;
    handle.record(offline(1));
    handle.record(online(1));
    sleep(SECOND * 50).await;
    service.shutdown().await.unwrap();

    // The service does not run for 1,000 s.
    sleep(SECOND * 1_000).await;
    let service = new_builder().start().await.unwrap();
    let handle = service.handle();
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!(report.presence.is_online(), None, "until an event reports the peer");
    assert_eq!((report.flap_count, report.disconnects), (2, 1));
    handle.record(online(1));
    sleep(SECOND * 100).await;
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
    let new_builder = || builder(&store).clock(Arc::new(clock));
    let service = new_builder().start().await.unwrap();
    service.handle().record(opened(1, Some(true)));
    // A commit after 1 s, heartbeats after 61 s and 121 s.
    sleep(Duration::from_millis(150_000)).await;
    drop(service);
    // Let the runtime drop the task and its claim.
    tokio::task::yield_now().await;

    let service = new_builder().start().await.unwrap();
    let credited = service.handle().channel(&channel(1)).unwrap().uptime_ns;
    assert!(credited.abs_diff(121 * SECOND_NS) < SECOND_NS / 10, "{credited}");
    // The service observes again but gets no event about this peer, and crashes again.
    sleep(SECOND * 600).await;
    drop(service);
    tokio::task::yield_now().await;

    let service = new_builder().start().await.unwrap();
    let report = service.handle().channel(&channel(1)).unwrap();
    assert_eq!(report.uptime_ns, credited, "heartbeats do not extend the uptime of an unobserved peer");
    assert_eq!(report.observed_ns, credited);
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_reconciled_before_start_returns() {
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
    assert_eq!(
        handle.peer(&peer(2)).unwrap().presence.is_online(),
        None,
        "the reconnect grace period is running"
    );
    assert_eq!(handle.channel(&channel(3)), None, "closed while the service did not run");
    assert!(handle.channel(&channel(4)).is_some(), "opened while the service did not run");
    assert_eq!(handle.is_connected(&peer(5)), Some(true));
    assert_eq!(handle.health().dirty_peers, 4);

    // The same snapshot again changes nothing: the next change is that of the following event.
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
async fn start_loads_several_pages_of_peers() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (0..20_000).for_each(|number| handle.record(opened(number, None)));
    service.shutdown().await.unwrap();
    let (service, handle) = start(&store).await;
    let health = handle.health();
    assert_eq!((health.peers, health.channels), (20_000, 20_000), "two full pages and an empty page");
    assert_eq!(health.dirty_peers, 0, "no presence has ended, so nothing has changed");
    service.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_misses_the_grace_period_is_offline_since_the_start() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    sleep(SECOND * 10).await;
    service.shutdown().await.unwrap();

    let disconnected = Snapshot { channels: vec![open(1), open(2)], connected: vec![], taken_at: None };
    let service = builder(&store).snapshot(disconnected).start().await.unwrap();
    let handle = service.handle();
    let started_at = handle.health().started_at;
    let mut changes = handle.subscribe();
    sleep(SECOND * 119).await;
    handle.record(online(1));
    assert_eq!(handle.peer(&peer(2)).unwrap().presence.is_online(), None);

    // No further event comes: the service ends the grace period by its own timer.
    sleep(SECOND * 11).await;
    let (reconnected, missing) = (handle.peer(&peer(1)).unwrap(), handle.peer(&peer(2)).unwrap());
    assert_eq!((reconnected.presence.is_online(), reconnected.flap_count), (Some(true), 0));
    assert_eq!(
        (missing.presence.is_online(), missing.flap_count, missing.presence_since),
        (Some(false), 0, started_at)
    );
    for expected in [peer(1), peer(2)] {
        let change = changes.next().await.unwrap().unwrap();
        assert!(matches!(change, Change::Presence { node_id, .. } if node_id == expected), "{change:?}");
    }
    service.shutdown().await.unwrap();
}

/// Two services in turn on one redb file. Redb works on threads of its own, so tokio's time cannot be paused,
/// and the service uses a manual clock.
#[tokio::test]
async fn a_restart_keeps_history_in_redb() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fitness.redb");
    let clock = ManualClock::default();
    let new_builder = || {
        let store = Arc::new(RedbStore::open(&path).unwrap());
        Service::builder(OBSERVER, store).clock(Arc::new(clock.clone())).stall_check_interval(NO_STALL_CHECK)
    };

    let service = new_builder().start().await.unwrap();
    let handle = service.handle();
    (1..=3).for_each(|number| handle.record(opened(number, Some(true))));
    clock.advance(50);
    for _ in 0..5 {
        handle.record(offline(1));
        clock.advance(2);
        handle.record(online(1));
        clock.advance(8);
    }
    handle.flush().await.unwrap();
    clock.advance(100);
    service.shutdown().await.unwrap();
    let before = handle.peer(&peer(1)).unwrap();
    assert_eq!((before.flap_count, before.disconnects), (10, 5));

    // The handle still exists, but the file is closed. Channel 2 is closed while the service does not run.
    clock.advance(10_000);
    let snapshot = Snapshot {
        channels: vec![open(1), open(3), open(4)],
        connected: vec![peer(1), peer(4)],
        taken_at: None,
    };
    let service = new_builder().snapshot(snapshot).start().await.unwrap();
    let handle = service.handle();
    let after = handle.peer(&peer(1)).unwrap();
    assert_eq!((after.flap_count, after.disconnects), (10, 5));
    assert_eq!((after.last_flap, after.tracked_since), (before.last_flap, before.tracked_since));
    assert_eq!((after.observed_ns, after.uptime_ns), (200 * SECOND_NS, 190 * SECOND_NS));
    assert_eq!(handle.channel(&channel(1)).unwrap().lifetime_ns, 10_200 * SECOND_NS);
    assert_eq!(handle.channel(&channel(2)), None);
    assert_eq!(handle.channel(&channel(4)).unwrap().lifetime_ns, 0);
    let offline = handle.peer(&peer(3)).unwrap();
    assert_eq!(
        (offline.presence.is_online(), offline.flap_count),
        (None, 0),
        "the reconnect grace period is running"
    );
    service.shutdown().await.unwrap();

    let store = RedbStore::open(&path).unwrap();
    let record = store.observer(&OBSERVER).await.unwrap().unwrap();
    assert_eq!(record.started_at_ns, EPOCH.after_secs(10_200).as_nanos());
    assert_eq!(record.last_heartbeat_ns, record.started_at_ns);
}

/// The log has more entries than a segment and than memory holds, and there are two restarts.
#[tokio::test]
async fn a_history_reaches_back_beyond_restarts() {
    let (store, clock) = (MemoryStore::default(), ManualClock::default());
    let new_builder = || {
        Service::builder(OBSERVER, Arc::new(store.clone()))
            .clock(Arc::new(clock.clone()))
            .stall_check_interval(NO_STALL_CHECK)
    };
    let started_at = clock.wall();
    for _ in 0..3 {
        let service = new_builder().start().await.unwrap();
        let handle = service.handle();
        handle.record(opened(1, None));
        for _ in 0..100 {
            handle.record(online(1));
            clock.advance(4 * 3_600);
            handle.record(offline(1));
            clock.advance(3_600 + 1);
            // The service usually commits every second. Entries that leave memory unstored are lost.
            handle.flush().await.unwrap();
        }
        service.shutdown().await.unwrap();
        clock.advance(86_400);
    }

    let service = new_builder().start().await.unwrap();
    let handle = service.handle();
    let history = handle.history(&peer(1)).await.unwrap().unwrap();
    let window = history.window(started_at, history.end());
    assert_eq!((window.uptime_ns, window.uptime_error_ns), (300 * 4 * 3_600 * SECOND_NS, 0));
    assert_eq!(window.observed_ns, 300 * (5 * 3_600 + 1) * SECOND_NS);
    // Within the first service's time, between two changes.
    let within = history.window(started_at.after_secs(3_600), started_at.after_secs(2 * 3_600));
    assert_eq!((within.availability, within.uptime_error_ns), (Some(1.0), 0));
    let timeline = history.timeline(started_at, history.end());
    let unobserved = timeline.iter().filter(|interval| interval.presence == Some(Presence::Unobserved));
    assert_eq!(unobserved.count(), 3, "one monitoring gap per restart");
    assert!(timeline.iter().all(|interval| interval.presence.is_some()), "every interval is known");
    let outages = history.outage_stats(started_at, history.end());
    assert_eq!((outages.disconnects, outages.longest_outage_ns), (300, 3_601 * SECOND_NS));
    assert!(handle.history(&peer(2)).await.unwrap().is_none());
    service.shutdown().await.unwrap();
    assert!(handle.history(&peer(1)).await.is_err(), "the store is closed");
}

/// A manual clock jumps, which must not look like a stalled process.
const NO_STALL_CHECK: Duration = Duration::from_secs(24 * 3_600);

#[derive(Clone, Default)]
struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    fn advance(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        EPOCH.after_secs(self.0.load(Ordering::SeqCst))
    }
}
