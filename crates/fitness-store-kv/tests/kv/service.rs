//! The service over a `KVStore` of which every call fails in turn: it recovers by itself, nothing is
//! lost, nothing counts twice, and the health says how it is meanwhile.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service, StartError, TokioClock};
use fitness_core::{ChannelId, ChannelOpened, Event, PeerReport, Timestamp};
use fitness_store::Store;
use tokio::time::Instant;

use crate::support::{Fault, Memory, OURS, Shelves, Sight, node, sight};

const PEERS: u32 = 3;
/// Flaps in each process's time: more commits than a journal has slots.
const FLAPS: u32 = 20;

/// What is known in the end, and how it went.
#[derive(Debug, Default)]
struct Lived {
    reports: Vec<PeerReport>,
    sight: Option<Sight>,
    /// How often the service was seen not to be well, and how often it says that it was not.
    seen_unwell: usize,
    failures: u64,
    /// What the starts told.
    told: usize,
    /// By how much the shutdowns took longer, trying again.
    delayed: Duration,
}

impl Lived {
    /// Everything that was recorded is there, once. The times agree, too, but for that of a shutdown.
    fn assert_is(&self, other: &Self, what: &str) {
        if self.delayed.is_zero() {
            assert_eq!(self.reports, other.reports, "{what}");
            assert_eq!(self.sight, other.sight, "{what}");
            return;
        }
        for (one, other) in self.reports.iter().zip(&other.reports) {
            let counts = |it: &PeerReport| (it.presence, it.flap_count, it.disconnects);
            assert_eq!(counts(one), counts(other), "{what}");
            let apart = Duration::from_nanos(one.uptime_ns.abs_diff(other.uptime_ns));
            assert!(apart <= self.delayed, "{what}: {one:?} and {other:?}");
        }
        let entries = |lived: &Self| {
            let segments = lived.sight.iter().flat_map(|sight| &sight.segments);
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

async fn start(memory: &Memory, clock: TokioClock, lived: &mut Lived) -> (Service, Handle) {
    let store: Arc<dyn Store> = Arc::new(memory.open());
    let start = || Service::builder(OURS, Arc::clone(&store)).clock(Arc::new(clock)).start();
    let service = match start().await {
        Err(StartError::Load { source }) => {
            assert!(source.is_transient(), "{source}");
            lived.told += 1;
            start().await.expect("it failed once")
        }
        started => started.expect("it starts"),
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
            let failure = store.last_error.expect("it failed");
            assert!(failure.transient && failure.error.contains("memory under ldk_fitness"), "{failure:?}");
        }
    }
}

/// Two processes' worth of flaps.
async fn live(memory: &Memory) -> Lived {
    let mut lived = Lived::default();
    let clock = TokioClock::starting_at(Timestamp::from_secs(1_800_000_000));
    let began = Instant::now();
    let at = |secs: u32| began + Duration::from_secs(u64::from(secs));
    for first in [0, 200] {
        let (service, handle) = start(memory, clock, &mut lived).await;
        for number in 0..PEERS {
            handle.record(opened(number));
            handle.record(Event::PeerOnline { node_id: node(number) });
        }
        for flap in 0..FLAPS {
            let node_id = node(flap % PEERS);
            handle.record(Event::PeerOffline { node_id });
            watch(&handle, at(first + 4 * flap + 2), &mut lived).await;
            handle.record(Event::PeerOnline { node_id });
            watch(&handle, at(first + 4 * flap + 4), &mut lived).await;
        }
        watch(&handle, at(first + 120), &mut lived).await;
        let health = handle.health();
        assert_eq!((health.dirty_peers, health.store.consecutive_failures), (0, 0), "it is well again");
        lived.reports = (0..PEERS).filter_map(|number| handle.peer(&node(number))).collect();
        let asked = Instant::now();
        service.shutdown().await.expect("everything is stored");
        lived.failures += handle.health().store.failures;
        lived.delayed += asked.elapsed();
        tokio::time::sleep_until(at(first + 200)).await;
    }
    lived.sight = Some(sight(&memory.survivor().open(), PEERS).expect("it loads"));
    lived
}

#[tokio::test(start_paused = true)]
async fn the_service_survives_every_call_that_fails() {
    let memory = Memory::default();
    let undisturbed = live(&memory).await;
    let Shelves { calls, writes, .. } = *memory.shelves();
    assert_eq!((undisturbed.failures, undisturbed.told, undisturbed.seen_unwell), (0, 0, 0));
    assert!(undisturbed.reports.len() == 3 && undisturbed.reports.iter().all(|it| it.disconnects >= 10));
    let (mut unwell, mut told, mut delayed) = (0, 0, 0);
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for call in 0..calls {
            let lived = live(&Memory::default().failing(call, fault)).await;
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
        "{calls} calls: {unwell} times unwell for a while, {delayed} at a shutdown, {told} told at a start"
    );
    assert!(unwell > 2 * writes && told > 2 && delayed > 4);
}
