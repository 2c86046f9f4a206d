//! Wall clocks that are set, suspends and stalls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Clock, Service, TokioClock};
use fitness_core::{Event, Presence, Timestamp};
use fitness_store::Store;

use crate::support::*;

/// A clock that follows tokio's time, with a wall clock that can be set.
#[derive(Clone)]
struct AdjustableClock(Arc<(TokioClock, Mutex<i64>)>);

impl AdjustableClock {
    fn new() -> Self {
        Self(Arc::new((TokioClock::starting_at(EPOCH), Mutex::new(0))))
    }

    fn step(&self, secs: i64) {
        *self.0.1.lock().unwrap() += secs;
    }
}

impl Clock for AdjustableClock {
    fn monotonic(&self) -> Duration {
        self.0.0.monotonic()
    }

    fn wall(&self) -> Timestamp {
        let offset_ns = *self.0.1.lock().unwrap() * 1_000_000_000;
        let wall = self.0.0.wall();
        wall.after_nanos(u64::try_from(offset_ns).unwrap_or(0))
            .before_nanos(u64::try_from(-offset_ns).unwrap_or(0))
    }
}

async fn start_with(store: &FaultyStore, clock: &AdjustableClock) -> Service {
    Service::builder(OBSERVER, Arc::new(store.clone())).clock(Arc::new(clock.clone())).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_wall_clock_costs_no_uptime_and_is_reported() {
    let store = FaultyStore::new();
    let clock = AdjustableClock::new();
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 10).await;
    clock.step(-3_600);
    assert_eq!(handle.channel(&channel(1)).unwrap().uptime_ns, 10 * SECOND_NS);
    sleep(SECOND * 60).await;
    let wall = handle.health().wall_clock;
    assert_eq!((wall.steps_forward, wall.steps_back), (0, 1));
    assert_eq!(wall.last_step.unwrap().offset_ns, -3_600_000_000_000);

    clock.step(7_200);
    sleep(SECOND * 61).await;
    let wall = handle.health().wall_clock;
    assert_eq!((wall.steps_forward, wall.steps_back), (1, 1));
    assert_eq!(wall.last_step.unwrap().offset_ns, 7_200_000_000_000);
    assert_eq!((wall.drift_ns, wall.adjusted_ns), (0, 3_600_000_000_000));
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.uptime_ns, report.lifetime_ns), (131 * SECOND_NS, 3_731 * SECOND_NS));
    assert_eq!(handle.health().clock_faults, Default::default());
    service.shutdown().await.unwrap();
}

/// A clock without a battery starts before the last heartbeat. Records must continue from that heartbeat, or
/// the next start would not credit the observed time.
#[tokio::test(start_paused = true)]
async fn a_start_before_the_last_heartbeat_loses_no_observed_time() {
    let store = FaultyStore::new();
    let clock = AdjustableClock::new();
    let service = start_with(&store, &clock).await;
    service.handle().record(opened(1, Some(true)));
    sleep(SECOND * 100).await;
    service.shutdown().await.unwrap();

    clock.step(-1_000_000);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(online(1));
    sleep(SECOND * 100).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.uptime_ns, report.lifetime_ns), (200 * SECOND_NS, 200 * SECOND_NS));
    assert_eq!(handle.health().clock_faults.steps_back, 1);
    assert_eq!(handle.health().started_at, EPOCH.after_secs(100).before_nanos(1_000_000 * SECOND_NS));
    // There was no event since, so only the heartbeat at shutdown shows that the peer stayed online.
    service.shutdown().await.unwrap();

    let service = start_with(&store, &clock).await;
    assert_eq!(service.handle().channel(&channel(1)).unwrap().uptime_ns, 200 * SECOND_NS);
    service.shutdown().await.unwrap();
}

/// The system was suspended: the wall clock advanced and the monotonic clock did not. LDK detects dead
/// connections before the timer of the service fires.
#[tokio::test(start_paused = true)]
async fn a_suspend_is_not_attributed_to_peers() {
    let store = FaultyStore::new();
    let clock = AdjustableClock::new();
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    sleep(SECOND * 100).await;
    clock.step(8 * 3_600);
    sleep(Duration::from_millis(1)).await;
    handle.record(offline(1));
    sleep(SECOND * 30).await;
    handle.record(offline(2));
    sleep(SECOND * 30).await;
    (1..=2).for_each(|number| handle.record(online(number)));
    sleep(SECOND * 10).await;

    let suspended_ns = 8 * 3_600 * SECOND_NS;
    let second = handle.peer(&peer(2)).unwrap();
    assert_eq!((second.flap_count, second.disconnects), (0, 0), "LDK detected this connection as dead later");
    let first = handle.peer(&peer(1)).unwrap();
    assert_eq!((first.presence, first.flap_count, first.disconnects), (Presence::Online, 0, 0));
    assert_eq!(
        (first.observed_ns, first.uptime_ns),
        (110 * SECOND_NS + 1_000_000, 110 * SECOND_NS + 1_000_000)
    );
    assert_eq!(first.channels[0].lifetime_ns, suspended_ns + 170 * SECOND_NS + 1_000_000);
    let coverage = handle.health().coverage.unwrap();
    assert_eq!((coverage.suspended.count, coverage.suspended.length_ns), (1, suspended_ns));

    // A second disconnect within the same grace period is the peer's.
    handle.record(offline(1));
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    service.shutdown().await.unwrap();
}

/// Both clocks advance while the process does not run.
#[tokio::test(start_paused = true)]
async fn a_stall_is_recorded_before_the_events_after_it() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 20).await;
    handle.record(Event::PeerOnline { node_id: peer(1) });
    // No task runs and no timer fires in between.
    tokio::time::advance(SECOND * 300).await;
    handle.record(offline(1));
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!((report.flap_count, report.presence), (0, Presence::Unobserved));
    assert_eq!((report.observed_ns, report.uptime_ns), (20 * SECOND_NS, 20 * SECOND_NS));
    let coverage = handle.health().coverage.unwrap();
    assert_eq!((coverage.suspended.count, coverage.suspended.length_ns), (1, 300 * SECOND_NS));

    // A query detects a stall, too, and the gap is stored.
    handle.record(online(1));
    sleep(SECOND * 20).await;
    tokio::time::advance(SECOND * 100).await;
    let uptime = handle.peer(&peer(1)).unwrap().uptime_ns;
    assert!((35 * SECOND_NS..=40 * SECOND_NS).contains(&uptime), "until the last stall check: {uptime}");
    service.shutdown().await.unwrap();
    assert_eq!(store.inner.observer(&OBSERVER).await.unwrap().unwrap().gap_totals[1].count, 2);
    assert_eq!(store.inner.gaps(&OBSERVER, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_not_a_stall() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.set_delay(SECOND * 25);
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 100).await;
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!((report.uptime_ns, report.observed_ns), (100 * SECOND_NS, 100 * SECOND_NS));
    store.set_delay(Duration::ZERO);
    service.shutdown().await.unwrap();
}

/// A board without a real-time clock boots in 1970 and gets the time a minute later: first without a history,
/// then with one.
#[tokio::test(start_paused = true)]
async fn a_boot_in_1970_is_corrected_when_the_clock_is_set() {
    let store = FaultyStore::new();
    let clock = AdjustableClock::new();
    let decades = i64::try_from(EPOCH.as_nanos() / SECOND_NS).unwrap();
    clock.step(-decades);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    sleep(SECOND * 60).await;
    clock.step(decades);
    sleep(SECOND * 60).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!(
        (report.lifetime_ns, report.uptime_ns),
        (120 * SECOND_NS, 120 * SECOND_NS),
        "the step adds no time"
    );
    assert!(report.opened_at >= EPOCH, "dated by the corrected clock");
    assert_eq!(handle.health().clock_faults.implausible_jumps, 1);
    service.shutdown().await.unwrap();

    // Ten minutes later, the board boots in 1970 again.
    sleep(SECOND * 600).await;
    clock.step(-decades);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(online(1));
    sleep(SECOND * 60).await;
    clock.step(decades);
    sleep(SECOND * 61).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!(report.uptime_ns, 241 * SECOND_NS);
    assert!(report.lifetime_ns.abs_diff(841 * SECOND_NS) <= 6 * SECOND_NS, "{report:?}");
    assert!(report.opened_at.nanos_since(EPOCH) <= 66 * SECOND_NS, "{report:?}");
    service.shutdown().await.unwrap();
}
