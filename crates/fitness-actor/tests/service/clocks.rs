//! Clocks that are set while we run, or were when we started.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Clock, Service, TokioClock};
use fitness_core::{Event, Presence, Timestamp};
use fitness_store::Store;

use crate::support::*;

/// Tokio's time, with a wall clock that can be set.
#[derive(Clone)]
struct SetClock(Arc<(TokioClock, Mutex<i64>)>);

impl SetClock {
    fn new() -> Self {
        Self(Arc::new((TokioClock::starting_at(EPOCH), Mutex::new(0))))
    }

    fn set_by(&self, secs: i64) {
        *self.0.1.lock().unwrap() += secs;
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        self.0.0.monotonic()
    }

    fn wall(&self) -> Timestamp {
        let ahead_ns = *self.0.1.lock().unwrap() * 1_000_000_000;
        let wall = self.0.0.wall();
        wall.after_nanos(u64::try_from(ahead_ns).unwrap_or(0))
            .before_nanos(u64::try_from(-ahead_ns).unwrap_or(0))
    }
}

async fn start_with(store: &FaultyStore, clock: &SetClock) -> Service {
    Service::builder(OURSELVES, Arc::new(store.clone())).clock(Arc::new(clock.clone())).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_costs_no_uptime_and_is_reported() {
    let store = FaultyStore::new();
    let clock = SetClock::new();
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(SECOND * 10).await;
    clock.set_by(-3_600);
    assert_eq!(handle.channel(&channel(1)).unwrap().uptime_ns, 10 * SECOND_NS);
    pass(SECOND * 60).await;
    let wall = handle.health().wall_clock;
    assert_eq!((wall.steps_forward, wall.steps_back), (0, 1));
    assert_eq!(wall.last_step.unwrap().offset_ns, -3_600_000_000_000);

    clock.set_by(7_200);
    pass(SECOND * 61).await;
    let wall = handle.health().wall_clock;
    assert_eq!((wall.steps_forward, wall.steps_back), (1, 1));
    assert_eq!(wall.last_step.unwrap().offset_ns, 7_200_000_000_000);
    assert_eq!((wall.drift_ns, wall.adjusted_ns), (0, 3_600_000_000_000));
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.uptime_ns, report.lifetime_ns), (131 * SECOND_NS, 3_731 * SECOND_NS));
    assert_eq!(handle.health().clock_faults, Default::default());
    service.shutdown().await.unwrap();
}

/// A clock without a battery: it starts before the last heartbeat. What is stored then has to go
/// on from there, or the next start would not credit what was observed.
#[tokio::test(start_paused = true)]
async fn a_start_before_the_last_heartbeat_loses_no_observed_time() {
    let store = FaultyStore::new();
    let clock = SetClock::new();
    let service = start_with(&store, &clock).await;
    service.handle().record(opened(1, Some(true)));
    pass(SECOND * 100).await;
    service.shutdown().await.unwrap();

    clock.set_by(-1_000_000);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(online(1));
    pass(SECOND * 100).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.uptime_ns, report.lifetime_ns), (200 * SECOND_NS, 200 * SECOND_NS));
    assert_eq!(handle.health().clock_faults.steps_back, 1);
    assert_eq!(handle.health().started_at, EPOCH.after_secs(100).before_nanos(1_000_000 * SECOND_NS));
    // No event since, so only the heartbeat of the shutdown says that it stayed online.
    service.shutdown().await.unwrap();

    let service = start_with(&store, &clock).await;
    assert_eq!(service.handle().channel(&channel(1)).unwrap().uptime_ns, 200 * SECOND_NS);
    service.shutdown().await.unwrap();
}

/// The machine slept: the wall clock went on, the monotonic one did not. LDK finds its connections
/// dead before our own timer has come.
#[tokio::test(start_paused = true)]
async fn a_suspended_machine_is_nobodys_fault() {
    let store = FaultyStore::new();
    let clock = SetClock::new();
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    (1..=2).for_each(|number| handle.record(opened(number, Some(true))));
    pass(SECOND * 100).await;
    clock.set_by(8 * 3_600);
    pass(Duration::from_millis(1)).await;
    handle.record(offline(1));
    pass(SECOND * 30).await;
    handle.record(offline(2));
    pass(SECOND * 30).await;
    (1..=2).for_each(|number| handle.record(online(number)));
    pass(SECOND * 10).await;

    let night = 8 * 3_600 * SECOND_NS;
    let second = handle.peer(&peer(2)).unwrap();
    assert_eq!((second.flap_count, second.disconnects), (0, 0), "found dead a while later");
    let first = handle.peer(&peer(1)).unwrap();
    assert_eq!((first.presence, first.flap_count, first.disconnects), (Presence::Online, 0, 0));
    assert_eq!(
        (first.observed_ns, first.uptime_ns),
        (110 * SECOND_NS + 1_000_000, 110 * SECOND_NS + 1_000_000)
    );
    assert_eq!(first.channels[0].lifetime_ns, night + 170 * SECOND_NS + 1_000_000);
    let coverage = handle.health().coverage.unwrap();
    assert_eq!((coverage.suspended.count, coverage.suspended.length_ns), (1, night));

    // Within the same grace a second loss is their own.
    handle.record(offline(1));
    assert_eq!(handle.peer(&peer(1)).unwrap().disconnects, 1);
    service.shutdown().await.unwrap();
}

/// Both clocks went on, and we did not.
#[tokio::test(start_paused = true)]
async fn a_starved_process_tells_before_anything_that_came_after() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    handle.record(opened(1, Some(true)));
    pass(SECOND * 20).await;
    handle.record(Event::PeerOnline { node_id: peer(1) });
    // No task gets to run, and no timer fires, in between.
    tokio::time::advance(SECOND * 300).await;
    handle.record(offline(1));
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!((report.flap_count, report.presence), (0, Presence::Unobserved));
    assert_eq!((report.observed_ns, report.uptime_ns), (20 * SECOND_NS, 20 * SECOND_NS));
    let coverage = handle.health().coverage.unwrap();
    assert_eq!((coverage.suspended.count, coverage.suspended.length_ns), (1, 300 * SECOND_NS));

    // A question is enough of a sign, too, and what is stored knows of the gap.
    handle.record(online(1));
    pass(SECOND * 20).await;
    tokio::time::advance(SECOND * 100).await;
    let uptime = handle.peer(&peer(1)).unwrap().uptime_ns;
    assert!((35 * SECOND_NS..=40 * SECOND_NS).contains(&uptime), "until the last pulse: {uptime}");
    service.shutdown().await.unwrap();
    assert_eq!(store.inner.observer(&OURSELVES).await.unwrap().unwrap().gap_totals[1].count, 2);
    assert_eq!(store.inner.gaps(&OURSELVES, 0, 10).await.unwrap().len(), 2);
}

/// A store that takes its time holds up nobody.
#[tokio::test(start_paused = true)]
async fn a_slow_store_is_no_gap() {
    let store = FaultyStore::new();
    let (service, handle) = start(&store).await;
    store.dawdle(SECOND * 25);
    handle.record(opened(1, Some(true)));
    pass(SECOND * 100).await;
    let report = handle.peer(&peer(1)).unwrap();
    assert_eq!((report.uptime_ns, report.observed_ns), (100 * SECOND_NS, 100 * SECOND_NS));
    store.dawdle(Duration::ZERO);
    service.shutdown().await.unwrap();
}

/// A board without a clock of its own boots in 1970, with a history and without, and is told the
/// time a minute later.
#[tokio::test(start_paused = true)]
async fn a_boot_in_1970_is_made_good_when_the_time_comes() {
    let store = FaultyStore::new();
    let clock = SetClock::new();
    let decades = i64::try_from(EPOCH.as_nanos() / SECOND_NS).unwrap();
    clock.set_by(-decades);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(opened(1, Some(true)));
    pass(SECOND * 60).await;
    clock.set_by(decades);
    pass(SECOND * 60).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!((report.lifetime_ns, report.uptime_ns), (120 * SECOND_NS, 120 * SECOND_NS), "no time at all");
    assert!(report.opened_at >= EPOCH, "told by the clock that is right");
    assert_eq!(handle.health().clock_faults.implausible_jumps, 1);
    service.shutdown().await.unwrap();

    // The next boots are in 1970 again, ten minutes later.
    pass(SECOND * 600).await;
    clock.set_by(-decades);
    let service = start_with(&store, &clock).await;
    let handle = service.handle();
    handle.record(online(1));
    pass(SECOND * 60).await;
    clock.set_by(decades);
    pass(SECOND * 61).await;
    let report = handle.channel(&channel(1)).unwrap();
    assert_eq!(report.uptime_ns, 241 * SECOND_NS);
    assert!(report.lifetime_ns.abs_diff(841 * SECOND_NS) <= 6 * SECOND_NS, "{report:?}");
    assert!(report.opened_at.nanos_since(EPOCH) <= 66 * SECOND_NS, "{report:?}");
    service.shutdown().await.unwrap();
}
