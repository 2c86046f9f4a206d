//! Clocks that are set while we run, or were when we started.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Clock, Fitness, Service, TokioClock};
use fitness_core::Timestamp;

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
    Fitness::builder(OURSELVES, Arc::new(store.clone())).clock(Arc::new(clock.clone())).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_moves_nothing_and_is_reported() {
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
    assert_eq!((wall.steps_ahead, wall.steps_back), (0, 1));
    assert_eq!(wall.last_step.unwrap().by_ns, -3_600_000_000_000);

    clock.set_by(7_200);
    pass(SECOND * 61).await;
    let wall = handle.health().wall_clock;
    assert_eq!((wall.steps_ahead, wall.steps_back), (1, 1));
    assert_eq!(wall.drift_ns, 3_600_000_000_000);
    assert_eq!(handle.channel(&channel(1)).unwrap().uptime_ns, 131 * SECOND_NS);
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
