//! Disks that fail under the database: the service recovers by itself, whichever call it was. Nothing
//! is lost, nothing counts twice, and the health says how it is meanwhile.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service, StartError, TokioClock};
use fitness_core::{GapRecord, LogSegment, ObserverRecord, PeerRecord, PeerReport};
use fitness_store::Store;
use fitness_store::conformance::block_on;
use fitness_store_redb::RedbStore;
use tokio::time::Instant;

use crate::failing_disk::{ANSWER_LOST, BROKEN, Disk, FULL, OnThisThread};
use crate::support::*;

const PEERS: u32 = 3;

/// What is known in the end, and how it went.
#[derive(Debug, Default)]
struct Lived {
    /// What the service says, and what the next one would find.
    reports: Vec<PeerReport>,
    observer: Option<ObserverRecord>,
    peers: Vec<PeerRecord>,
    segments: Vec<LogSegment>,
    gaps: Vec<GapRecord>,
    /// How often the service was seen not to be well, and how often it says that it was not.
    seen_unwell: usize,
    failures: u64,
    /// What a caller was told.
    told: usize,
    /// By how much the shutdowns took longer, trying again.
    delayed: Duration,
}

impl Lived {
    /// Everything that was recorded is there, once. The times agree, too, but for that of a shutdown.
    fn assert_is(&self, other: &Self, what: &str) {
        if self.delayed.is_zero() {
            assert_eq!(self.reports, other.reports, "{what}");
            assert_eq!(self.observer, other.observer, "{what}");
            assert_eq!(self.peers, other.peers, "{what}");
            assert_eq!(self.segments, other.segments, "{what}");
            assert_eq!(self.gaps, other.gaps, "{what}");
            return;
        }
        let counts = |lived: &Self| {
            let of_peers = lived.reports.iter().map(|it| (it.presence, it.flap_count, it.disconnects));
            let of_segments = lived.segments.iter().map(|it| (it.node_id, it.first_number, it.entries.len()));
            (of_peers.collect::<Vec<_>>(), of_segments.collect::<Vec<_>>(), lived.gaps.len())
        };
        assert_eq!(counts(self), counts(other), "{what}");
        for (one, other) in self.reports.iter().zip(&other.reports) {
            let apart =
                one.uptime_ns.abs_diff(other.uptime_ns).max(one.observed_ns.abs_diff(other.observed_ns));
            assert!(Duration::from_nanos(apart) <= self.delayed, "{what}: {one:?} and {other:?}");
        }
    }
}

/// Calls that may fail are made again, as a wallet makes them.
fn open(disk: &Disk, lived: &mut Lived) -> RedbStore {
    disk.open().unwrap_or_else(|error| {
        assert!(error.is_transient(), "{error}");
        lived.told += 1;
        disk.open().unwrap()
    })
}

async fn start(disk: &Disk, clock: TokioClock, lived: &mut Lived) -> (Service, Handle) {
    let store: Arc<dyn Store> = Arc::new(OnThisThread(open(disk, lived)));
    let start = || {
        let builder = Service::builder(OURSELVES, Arc::clone(&store)).clock(Arc::new(clock));
        builder.upkeep(SECOND * 7).start()
    };
    let service = match start().await {
        Err(StartError::Load { source }) => {
            assert!(source.is_transient(), "{source}");
            lived.told += 1;
            start().await.unwrap()
        }
        started => started.unwrap(),
    };
    let handle = service.handle();
    (service, handle)
}

/// Lets time pass, and looks at the health every now and then.
async fn watch(handle: &Handle, until: Instant, lived: &mut Lived) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let store = handle.health().store;
        if store.consecutive_failures > 0 {
            lived.seen_unwell += 1;
            let failure = store.last_error.unwrap();
            assert!(failure.transient && failure.error.contains("a disk of memory"), "{}", failure.error);
        }
    }
}

/// Two processes' worth of flaps, the disk full while `full_during` says so.
async fn live(disk: &Disk, full_during: Option<(u64, u64)>) -> Lived {
    let mut lived = Lived::default();
    let clock = TokioClock::starting_at(EPOCH);
    let began = Instant::now();
    let at = |secs: u64| began + SECOND * u32::try_from(secs).unwrap();
    for process in 0..2 {
        let first = process * 200;
        let (service, handle) = start(disk, clock, &mut lived).await;
        (0..PEERS).for_each(|number| handle.record(opened(number, None)));
        (0..PEERS).for_each(|number| handle.record(online(number)));
        for step in 0..6 {
            let now = first + 4 * step;
            disk.platter().full = full_during.is_some_and(|(from, to)| (from..to).contains(&now));
            let number = u32::try_from(step).unwrap() % PEERS;
            handle.record(offline(number));
            watch(&handle, at(now + 2), &mut lived).await;
            handle.record(online(number));
            watch(&handle, at(now + 4), &mut lived).await;
            if step == 3 && handle.history(&peer(0)).await.is_err() {
                lived.told += 1;
            }
        }
        // Long enough for the longest wait.
        watch(&handle, at(first + 100), &mut lived).await;
        let health = handle.health();
        assert_eq!((health.dirty_peers, health.store.consecutive_failures), (0, 0), "it is well again");
        lived.failures += health.store.failures;
        lived.reports = (0..PEERS).map(|number| handle.peer(&peer(number)).unwrap()).collect();
        let asked = Instant::now();
        service.shutdown().await.unwrap();
        lived.failures += handle.health().store.failures - health.store.failures;
        lived.delayed += asked.elapsed();
        tokio::time::sleep_until(at(first + 200)).await;
    }
    disk.platter().fault = None;
    let store = open(disk, &mut lived);
    lived.observer = block_on(store.observer(&OURSELVES)).unwrap();
    lived.peers = block_on(store.peers(&OURSELVES, None, 10)).unwrap();
    for number in 0..PEERS {
        lived.segments.extend(block_on(store.segments(&OURSELVES, &peer(number), 0, 100)).unwrap());
    }
    lived.gaps = block_on(store.gaps(&OURSELVES, 0, 100)).unwrap();
    lived
}

#[tokio::test(start_paused = true)]
async fn the_service_survives_every_call_of_the_disk_that_fails() {
    let disk = Disk::default();
    let undisturbed = live(&disk, None).await;
    let calls = disk.platter().calls;
    assert_eq!((undisturbed.failures, undisturbed.told, undisturbed.seen_unwell), (0, 0, 0));
    assert!(undisturbed.reports.iter().all(|report| report.disconnects >= 4), "{undisturbed:?}");
    let (mut unwell, mut told, mut delayed) = (0, 0, 0);
    for fault in [FULL, BROKEN, ANSWER_LOST] {
        for call in 0..calls[fault.counter()] {
            let disk = Disk::failing(call, fault);
            let lived = live(&disk, None).await;
            lived.assert_is(&undisturbed, &format!("{fault:?} at call {call}"));
            assert!(lived.failures <= 1 && lived.told <= 1, "{fault:?} at call {call}: {lived:?}");
            // A commit that fails at a shutdown is tried again before anybody can look.
            let seen = lived.seen_unwell > 0 || !lived.delayed.is_zero();
            assert_eq!(lived.failures > 0, seen, "{fault:?} at call {call}: {lived:?}");
            unwell += usize::from(lived.seen_unwell > 0);
            told += lived.told;
            delayed += usize::from(!lived.delayed.is_zero());
        }
    }
    println!(
        "{calls:?} calls: {unwell} times unwell for a while, {delayed} at a shutdown, {told} told to callers"
    );
    assert!(unwell > 2 * calls[1] && told > 20 && delayed > 10);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let undisturbed = live(&Disk::default(), None).await;
    for full_during in [(4, 13), (8, 20), (200, 220), (212, 217)] {
        let disk = Disk::default();
        let lived = live(&disk, Some(full_during)).await;
        lived.assert_is(&undisturbed, &format!("full during {full_during:?}"));
        assert!(lived.seen_unwell > 4 && lived.failures > 1, "{lived:?}");
        assert!(disk.platter().failed > 1);
    }
}
