//! The service on a `KVStore` of which each call fails once: it recovers, loses nothing, counts nothing twice, and
//! reports the failure in its health.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service, StartError, TokioClock};
use fitness_core::{ChannelId, ChannelOpened, Event, PeerReport, Timestamp};
use fitness_store::Store;
use tokio::time::Instant;

use crate::support::{Contents, Fault, Memory, OBSERVER, State, contents, node};

const PEERS: u32 = 3;
/// Flaps in each process: more commits than a journal has slots.
const FLAPS: u32 = 20;

/// The final contents, and what happened on the way.
#[derive(Debug, Default)]
struct Outcome {
    reports: Vec<PeerReport>,
    contents: Option<Contents>,
    /// How often a check found the service unhealthy, and how many failures the service counted.
    unhealthy_checks: usize,
    failures: u64,
    /// The coverage reported at each start.
    told: usize,
    /// The additional duration of shutdowns due to retries.
    delayed: Duration,
}

impl Outcome {
    /// Asserts that everything was recorded exactly once. Only the times of a shutdown may differ.
    fn assert_is(&self, other: &Self, what: &str) {
        if self.delayed.is_zero() {
            assert_eq!(self.reports, other.reports, "{what}");
            assert_eq!(self.contents, other.contents, "{what}");
            return;
        }
        for (one, other) in self.reports.iter().zip(&other.reports) {
            let counts = |it: &PeerReport| (it.presence, it.flap_count, it.disconnects);
            assert_eq!(counts(one), counts(other), "{what}");
            let apart = Duration::from_nanos(one.uptime_ns.abs_diff(other.uptime_ns));
            assert!(apart <= self.delayed, "{what}: {one:?} and {other:?}");
        }
        let entries = |outcome: &Self| {
            let segments = outcome.contents.iter().flat_map(|contents| &contents.segments);
            segments.map(|it| (it.node_id, it.first_number, it.entries.len())).collect::<Vec<_>>()
        };
        assert_eq!(entries(self), entries(other), "{what}");
    }
}

fn opened(number: u32) -> Event {
    let channel_id = ChannelId([u8::try_from(number).expect("a small number"); 32]);
    let (node_id, online) = (node(number), Some(true));
    Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding: None, online })
}

async fn start(memory: &Memory, clock: TokioClock, outcome: &mut Outcome) -> (Service, Handle) {
    let store: Arc<dyn Store> = Arc::new(memory.open());
    let start = || Service::builder(OBSERVER, Arc::clone(&store)).clock(Arc::new(clock)).start();
    let service = match start().await {
        Err(StartError::Load { source }) => {
            assert!(source.is_transient(), "{source}");
            outcome.told += 1;
            start().await.expect("only the first call fails")
        }
        started => started.expect("a successful start"),
    };
    let handle = service.handle();
    (service, handle)
}

/// Lets time pass and checks the health repeatedly.
async fn watch(handle: &Handle, until: Instant, outcome: &mut Outcome) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let store = handle.health().store;
        if store.consecutive_failures > 0 {
            outcome.unhealthy_checks += 1;
            let failure = store.last_error.expect("a recorded failure");
            assert!(failure.transient && failure.error.contains("ldk_fitness"), "{failure:?}");
        }
    }
}

/// Records the flaps of two processes.
async fn run(memory: &Memory) -> Outcome {
    let mut outcome = Outcome::default();
    let clock = TokioClock::starting_at(Timestamp::from_secs(1_800_000_000));
    let began = Instant::now();
    let at = |secs: u32| began + Duration::from_secs(u64::from(secs));
    for first in [0, 200] {
        let (service, handle) = start(memory, clock, &mut outcome).await;
        for number in 0..PEERS {
            handle.record(opened(number));
            handle.record(Event::PeerOnline { node_id: node(number) });
        }
        for flap in 0..FLAPS {
            let node_id = node(flap % PEERS);
            handle.record(Event::PeerOffline { node_id });
            watch(&handle, at(first + 4 * flap + 2), &mut outcome).await;
            handle.record(Event::PeerOnline { node_id });
            watch(&handle, at(first + 4 * flap + 4), &mut outcome).await;
        }
        watch(&handle, at(first + 120), &mut outcome).await;
        let health = handle.health();
        assert_eq!((health.dirty_peers, health.store.consecutive_failures), (0, 0), "it is well again");
        outcome.reports = (0..PEERS).filter_map(|number| handle.peer(&node(number))).collect();
        let asked = Instant::now();
        service.shutdown().await.expect("a successful shutdown");
        outcome.failures += handle.health().store.failures;
        outcome.delayed += asked.elapsed();
        tokio::time::sleep_until(at(first + 200)).await;
    }
    outcome.contents =
        Some(contents(&memory.copy_without_faults().open(), PEERS).expect("a successful load"));
    outcome
}

#[tokio::test(start_paused = true)]
async fn service_recovers_from_any_failed_call() {
    let memory = Memory::default();
    let undisturbed = run(&memory).await;
    let State { calls, writes, .. } = *memory.state();
    assert_eq!((undisturbed.failures, undisturbed.told, undisturbed.unhealthy_checks), (0, 0, 0));
    assert!(undisturbed.reports.len() == 3 && undisturbed.reports.iter().all(|it| it.disconnects >= 10));
    let (mut unwell, mut told, mut delayed) = (0, 0, 0);
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for call in 0..calls {
            let outcome = run(&Memory::default().failing(call, fault)).await;
            outcome.assert_is(&undisturbed, &format!("{fault:?} at call {call}"));
            assert!(outcome.failures <= 1 && outcome.told <= 1, "{fault:?} at call {call}: {outcome:?}");
            // A commit that fails at a shutdown is retried before the health can be checked.
            let found = outcome.unhealthy_checks > 0 || !outcome.delayed.is_zero();
            assert_eq!(outcome.failures > 0, found, "{fault:?} at call {call}: {outcome:?}");
            unwell += usize::from(outcome.unhealthy_checks > 0);
            told += outcome.told;
            delayed += usize::from(!outcome.delayed.is_zero());
        }
    }
    println!(
        "{calls} calls: {unwell} times unwell for a while, {delayed} at a shutdown, {told} told at a start"
    );
    assert!(unwell > 2 * writes && told > 2 && delayed > 4);
}
