//! A simulated `KVStore` in memory that fails on request, and helpers to commit and read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use fitness_core::{
    GapCause, GapRecord, GapTotals, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence,
    SEGMENT_ENTRIES, Totals, UnsavedChanges,
};
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store, StoreError};
use fitness_store_kv::KvStore;
use lightning::io::{Error, ErrorKind};
use lightning::util::persist::KVStore;

pub(crate) const OBSERVER: NodeId = NodeId([3; 33]);

/// A key with its namespaces.
pub(crate) type Name = (String, String, String);

/// How a write or a removal fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process crashes: neither this call nor any later one takes effect.
    Crash,
    /// The call fails without effect.
    Refused,
    /// The call takes effect, but reports an error.
    AnswerLost,
}

/// An event, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A write or a lazy removal began. It has a number.
    Asked(usize, Name, Option<Vec<u8>>),
    /// The call with this number completed.
    Answered(usize),
    /// A commit began.
    Begun,
    /// A commit was acknowledged.
    Stored,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) values: BTreeMap<Name, Vec<u8>>,
    /// The number of reads and lists.
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) removals: usize,
    pub(crate) bytes: usize,
    /// Calls that began while no other call was in flight: total latency is this times the latency of one call.
    pub(crate) round_trips: usize,
    in_flight: usize,
    /// The number of the call that fails, from 0, and how.
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) calls: usize,
    pub(crate) events: Vec<Event>,
    asked: usize,
    crashed: bool,
}

/// A `KVStore`. Clones share their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

type Response<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A future that is ready at the second poll, as that of a remote store is.
struct ReadyOnSecondPoll(bool);

impl Future for ReadyOnSecondPoll {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A call in flight.
struct CallInFlight(Memory);

impl CallInFlight {
    fn new(memory: &Memory) -> Self {
        let mut state = memory.state();
        state.round_trips += usize::from(state.in_flight == 0);
        state.in_flight += 1;
        Self(memory.clone())
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl Memory {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while the state is locked")
    }

    /// Returns a store with these values.
    pub(crate) fn with_values(values: BTreeMap<Name, Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(State { values, ..State::default() })))
    }

    /// Returns a copy of the values in a store that does not fail.
    pub(crate) fn copy_without_faults(&self) -> Self {
        Self::with_values(self.state().values.clone())
    }

    pub(crate) fn failing(&self, call: usize, fault: Fault) -> Self {
        let copy = self.copy_without_faults();
        copy.state().fault = Some((call, fault));
        copy
    }

    pub(crate) fn open(&self) -> KvStore {
        KvStore::new(Arc::new(self.clone()), "memory")
    }

    /// Performs and records a write or a removal.
    fn change(
        &self,
        name: Name,
        value: Option<Vec<u8>>,
        change: impl FnOnce(&mut State) + Send + 'static,
    ) -> Response<()> {
        let number = {
            let mut state = self.state();
            let number = state.asked;
            state.asked += 1;
            state.events.push(Event::Asked(number, name, value));
            number
        };
        self.call(move |state| {
            change(state);
            state.events.push(Event::Answered(number));
            Ok(())
        })
    }

    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut State) -> Result<T, Error> + Send + 'static,
    ) -> Response<T> {
        let memory = self.clone();
        Box::pin(async move {
            let in_flight = CallInFlight::new(&memory);
            ReadyOnSecondPoll(false).await;
            drop(in_flight);
            let mut state = memory.state();
            let fault = state.fault.filter(|(at, _)| *at == state.calls).map(|(_, fault)| fault);
            state.calls += 1;
            state.crashed |= fault == Some(Fault::Crash);
            if state.crashed || fault == Some(Fault::Refused) {
                return Err(Error::new(ErrorKind::Other, "it does not answer"));
            }
            let done = call(&mut state);
            if fault == Some(Fault::AnswerLost) {
                return Err(Error::new(ErrorKind::Other, "its answer was lost"));
            }
            done
        })
    }
}

fn name(primary: &str, secondary: &str, key: &str) -> Name {
    for part in [primary, secondary, key] {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(!part.is_empty() && part.len() <= 120 && part.bytes().all(allowed), "{part}");
    }
    (primary.to_owned(), secondary.to_owned(), key.to_owned())
}

impl KVStore for Memory {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Response<Vec<u8>> {
        let name = name(primary, secondary, key);
        self.call(move |state| {
            state.reads += 1;
            let value = state.values.get(&name).cloned();
            value.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is none"))
        })
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Response<()> {
        let name = name(primary, secondary, key);
        self.change(name.clone(), Some(value.clone()), move |state| {
            state.writes += 1;
            state.bytes += value.len();
            state.values.insert(name, value);
        })
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Response<()> {
        assert!(lazy, "nothing waits for a removal");
        let name = name(primary, secondary, key);
        self.change(name.clone(), None, move |state| {
            state.removals += 1;
            state.values.remove(&name);
        })
    }

    fn list(&self, primary: &str, secondary: &str) -> Response<Vec<String>> {
        let (primary, secondary, _) = name(primary, secondary, "all");
        self.call(move |state| {
            state.reads += 1;
            let keys = state.values.keys();
            let within = keys.filter(|name| name.0 == primary && name.1 == secondary);
            Ok(within.map(|name| name.2.clone()).collect())
        })
    }
}

pub(crate) fn node(number: u32) -> NodeId {
    let mut bytes = [2; 33];
    // Spread over the whole range, as random keys are.
    bytes[1..5].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    bytes[5..9].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

pub(crate) fn peer(number: u32, version: u32) -> PeerRecord {
    PeerRecord {
        node_id: node(number),
        watched: number % 2 == 0,
        in_reconnect_grace: false,
        tracked_since_ns: u64::from(number),
        presence: Presence::Online,
        presence_since_ns: u64::from(version),
        totals: Totals { online_ns: 1, observed_ns: 2 },
        flap_count: version,
        last_flap_ns: Some(u64::from(version)),
        disconnects: version,
        log_end: version,
        imported: None,
        channels: Vec::new(),
    }
}

pub(crate) fn segment(number: u32, index: u32, entries: u32, version: u32) -> LogSegment {
    let entry = |position: u32| {
        let totals = Totals { online_ns: u64::from(position), observed_ns: u64::from(position + version) };
        LogEntry::new(u64::from(position) * 1_000, Presence::Online, totals)
    };
    LogSegment {
        node_id: node(number),
        first_number: index * SEGMENT_ENTRIES,
        entries: (0..entries).map(entry).collect(),
    }
}

pub(crate) fn gap(number: u32, version: u32) -> GapRecord {
    GapRecord { number, cause: GapCause::NotRunning, from_ns: 10, to_ns: 10 + u64::from(version) }
}

pub(crate) fn observer(version: u64) -> ObserverRecord {
    ObserverRecord {
        started_at_ns: 1,
        last_heartbeat_ns: version,
        first_started_at_ns: 1,
        starts: 1,
        clock_ahead_ns: 0,
        gap_count: 0,
        gap_totals: [GapTotals { count: 0, length_ns: 0 }; 4],
        ongoing_gap: None,
    }
}

/// Returns a batch with one peer's flap and the heartbeat, as the service commits it.
pub(crate) fn flap(number: u32, version: u32, entries: u32) -> Batch {
    let peers = vec![peer(number, version)];
    let segments = vec![segment(number, 0, entries, 1)];
    let changes = UnsavedChanges { peers, segments, ..UnsavedChanges::default() };
    Batch { changes, observer: Some(observer(u64::from(version))), ..Batch::default() }
}

pub(crate) fn commit<S: Store>(store: &S, batch: &Batch) -> Result<(), StoreError> {
    block_on(store.commit(&OBSERVER, Arc::new(batch.clone())))
}

/// Everything that can be read of an observer, with the logs of the first `peers` nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) observer: Option<ObserverRecord>,
    pub(crate) peers: Vec<PeerRecord>,
    pub(crate) segments: Vec<LogSegment>,
    pub(crate) gaps: Vec<GapRecord>,
}

pub(crate) fn contents<S: Store>(store: &S, nodes: u32) -> Result<Contents, StoreError> {
    block_on(async {
        let mut segments = Vec::new();
        for number in 0..nodes {
            segments.extend(store.segments(&OBSERVER, &node(number), 0, usize::MAX).await?);
        }
        Ok(Contents {
            observer: store.observer(&OBSERVER).await?,
            peers: store.peers(&OBSERVER, None, usize::MAX).await?,
            segments,
            gaps: store.gaps(&OBSERVER, 0, usize::MAX).await?,
        })
    })
}
