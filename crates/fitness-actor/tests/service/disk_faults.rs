//! Disk faults below the database: the service recovers from a fault in any operation. Nothing is lost or
//! counted twice, and the health reports the failure.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service, StartError, TokioClock};
use fitness_core::{GapRecord, LogSegment, ObserverRecord, PeerRecord, PeerReport};
use fitness_store::Store;
use fitness_store::conformance::block_on;
use fitness_store_redb::RedbStore;
use tokio::time::Instant;

use crate::faulty_disk::{BROKEN, Blocking, DISK_NAME, Disk, FULL, RESULT_LOST};
use crate::support::*;

const PEERS: u32 = 3;

/// The final state of a run, and the faults that were observed during it.
#[derive(Debug, Default)]
struct Outcome {
    /// The reports of the service and the contents of the store at the end.
    reports: Vec<PeerReport>,
    observer: Option<ObserverRecord>,
    peers: Vec<PeerRecord>,
    segments: Vec<LogSegment>,
    gaps: Vec<GapRecord>,
    /// How often the health showed a failing store.
    unhealthy_reports: usize,
    /// The number of failed commits, from the health.
    failed_commits: u64,
    /// The number of errors that were returned to callers.
    returned_errors: usize,
    /// How long the shutdowns took because of retries.
    shutdown_delay: Duration,
}

impl Outcome {
    /// Asserts that the final state is that of `other`. Times may differ by the delay of the shutdowns.
    fn assert_same_state(&self, other: &Self, context: &str) {
        if self.shutdown_delay.is_zero() {
            assert_eq!(self.reports, other.reports, "{context}");
            assert_eq!(self.observer, other.observer, "{context}");
            assert_eq!(self.peers, other.peers, "{context}");
            assert_eq!(self.segments, other.segments, "{context}");
            assert_eq!(self.gaps, other.gaps, "{context}");
            return;
        }
        let counts = |outcome: &Self| {
            let peers = outcome.reports.iter().map(|it| (it.presence, it.flap_count, it.disconnects));
            let segments = outcome.segments.iter().map(|it| (it.node_id, it.first_number, it.entries.len()));
            (peers.collect::<Vec<_>>(), segments.collect::<Vec<_>>(), outcome.gaps.len())
        };
        assert_eq!(counts(self), counts(other), "{context}");
        for (one, other) in self.reports.iter().zip(&other.reports) {
            let difference_ns =
                one.uptime_ns.abs_diff(other.uptime_ns).max(one.observed_ns.abs_diff(other.observed_ns));
            assert!(
                Duration::from_nanos(difference_ns) <= self.shutdown_delay,
                "{context}: {one:?} and {other:?}"
            );
        }
    }
}

/// Opens the database, and retries once after a transient error.
fn open(disk: &Disk, outcome: &mut Outcome) -> RedbStore {
    disk.open().unwrap_or_else(|error| {
        assert!(error.is_transient(), "{error}");
        outcome.returned_errors += 1;
        disk.open().unwrap()
    })
}

async fn start(disk: &Disk, clock: TokioClock, outcome: &mut Outcome) -> (Service, Handle) {
    let store: Arc<dyn Store> = Arc::new(Blocking(open(disk, outcome)));
    let start = || {
        let builder = Service::builder(OBSERVER, Arc::clone(&store)).clock(Arc::new(clock));
        builder.maintenance_interval(SECOND * 7).start()
    };
    let service = match start().await {
        Err(StartError::Load { source }) => {
            assert!(source.is_transient(), "{source}");
            outcome.returned_errors += 1;
            start().await.unwrap()
        }
        started => started.unwrap(),
    };
    let handle = service.handle();
    (service, handle)
}

/// Checks the health twice a second until `until`.
async fn watch_health(handle: &Handle, until: Instant, outcome: &mut Outcome) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let store = handle.health().store;
        if store.consecutive_failures > 0 {
            outcome.unhealthy_reports += 1;
            let failure = store.last_error.unwrap();
            assert!(failure.transient && failure.error.contains(DISK_NAME), "{}", failure.error);
        }
    }
}

/// Runs two services in turn and lets peers flap. The disk is full within the given seconds of the run.
async fn run(disk: &Disk, full_during: Option<(u64, u64)>) -> Outcome {
    let mut outcome = Outcome::default();
    let clock = TokioClock::starting_at(EPOCH);
    let started = Instant::now();
    let at = |secs: u64| started + SECOND * u32::try_from(secs).unwrap();
    for process in 0..2 {
        let first = process * 200;
        let (service, handle) = start(disk, clock, &mut outcome).await;
        (0..PEERS).for_each(|number| handle.record(opened(number, None)));
        (0..PEERS).for_each(|number| handle.record(online(number)));
        for step in 0..6 {
            let now = first + 4 * step;
            disk.state().full = full_during.is_some_and(|(from, to)| (from..to).contains(&now));
            let number = u32::try_from(step).unwrap() % PEERS;
            handle.record(offline(number));
            watch_health(&handle, at(now + 2), &mut outcome).await;
            handle.record(online(number));
            watch_health(&handle, at(now + 4), &mut outcome).await;
            if step == 3 && handle.history(&peer(0)).await.is_err() {
                outcome.returned_errors += 1;
            }
        }
        // Wait for the longest retry delay.
        watch_health(&handle, at(first + 100), &mut outcome).await;
        let health = handle.health();
        assert_eq!(
            (health.dirty_peers, health.store.consecutive_failures),
            (0, 0),
            "the store has recovered"
        );
        outcome.failed_commits += health.store.failures;
        outcome.reports = (0..PEERS).map(|number| handle.peer(&peer(number)).unwrap()).collect();
        let shutdown_at = Instant::now();
        service.shutdown().await.unwrap();
        outcome.failed_commits += handle.health().store.failures - health.store.failures;
        outcome.shutdown_delay += shutdown_at.elapsed();
        tokio::time::sleep_until(at(first + 200)).await;
    }
    disk.state().fault = None;
    let store = open(disk, &mut outcome);
    outcome.observer = block_on(store.observer(&OBSERVER)).unwrap();
    outcome.peers = block_on(store.peers(&OBSERVER, None, 10)).unwrap();
    for number in 0..PEERS {
        outcome.segments.extend(block_on(store.segments(&OBSERVER, &peer(number), 0, 100)).unwrap());
    }
    outcome.gaps = block_on(store.gaps(&OBSERVER, 0, 100)).unwrap();
    outcome
}

#[tokio::test(start_paused = true)]
async fn the_service_recovers_from_a_fault_in_any_disk_operation() {
    let disk = Disk::default();
    let undisturbed = run(&disk, None).await;
    let operations = disk.state().operations;
    assert_eq!(
        (undisturbed.failed_commits, undisturbed.returned_errors, undisturbed.unhealthy_reports),
        (0, 0, 0)
    );
    assert!(undisturbed.reports.iter().all(|report| report.disconnects >= 4), "{undisturbed:?}");
    let (mut unhealthy_runs, mut returned_errors, mut delayed_shutdowns) = (0, 0, 0);
    for fault in [FULL, BROKEN, RESULT_LOST] {
        for number in 0..operations[fault.counter()] {
            let disk = Disk::failing(number, fault);
            let outcome = run(&disk, None).await;
            outcome.assert_same_state(&undisturbed, &format!("{fault:?} in operation {number}"));
            assert!(
                outcome.failed_commits <= 1 && outcome.returned_errors <= 1,
                "{fault:?} in operation {number}: {outcome:?}"
            );
            // A commit that fails at shutdown is retried before the health is checked.
            let is_observed = outcome.unhealthy_reports > 0 || !outcome.shutdown_delay.is_zero();
            assert_eq!(
                outcome.failed_commits > 0,
                is_observed,
                "{fault:?} in operation {number}: {outcome:?}"
            );
            unhealthy_runs += usize::from(outcome.unhealthy_reports > 0);
            returned_errors += outcome.returned_errors;
            delayed_shutdowns += usize::from(!outcome.shutdown_delay.is_zero());
        }
    }
    let counts = (unhealthy_runs, returned_errors, delayed_shutdowns);
    assert!(unhealthy_runs > 2 * operations[1], "{counts:?} of {operations:?}");
    assert!(returned_errors > 20 && delayed_shutdowns > 10, "{counts:?} of {operations:?}");
}

#[tokio::test(start_paused = true)]
async fn a_temporarily_full_disk_loses_nothing() {
    let undisturbed = run(&Disk::default(), None).await;
    for full_during in [(4, 13), (8, 20), (200, 220), (212, 217)] {
        let disk = Disk::default();
        let outcome = run(&disk, Some(full_during)).await;
        outcome.assert_same_state(&undisturbed, &format!("full during {full_during:?}"));
        assert!(outcome.unhealthy_reports > 4 && outcome.failed_commits > 1, "{outcome:?}");
        assert!(disk.state().failed > 1);
    }
}
