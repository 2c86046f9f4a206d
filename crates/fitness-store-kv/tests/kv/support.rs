//! A `KVStore` in memory that can be told to fail, and short ways to store and to look.

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

pub(crate) const OURS: NodeId = NodeId([3; 33]);

/// A key with its namespaces.
pub(crate) type Name = (String, String, String);

/// What happens to a write or a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is gone: this does not happen, nor does anything after it.
    Crash,
    /// It is refused.
    Refused,
    /// It happens, and its answer is lost.
    AnswerLost,
}

/// One thing that happened, in the order of things.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A write, or a lazy removal, under way from now on; it has a number.
    Asked(usize, Name, Option<Vec<u8>>),
    /// It was answered.
    Answered(usize),
    /// A commit began.
    Begun,
    /// It was acknowledged.
    Stored,
}

#[derive(Debug, Default)]
pub(crate) struct Shelves {
    pub(crate) values: BTreeMap<Name, Vec<u8>>,
    /// Reads and lists so far.
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) removals: usize,
    pub(crate) bytes: usize,
    /// How often a call was begun while none was under way: what a wire's latency is multiplied by.
    pub(crate) rounds: usize,
    under_way: usize,
    /// At which call of any kind, from 0, what happens.
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) calls: usize,
    pub(crate) events: Vec<Event>,
    asked: usize,
    crashed: bool,
}

/// A `KVStore`. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Shelves>>);

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// Ready when it is polled for the second time, as what goes over a wire is.
struct Later(bool);

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A call that was begun and has not ended.
struct UnderWay(Memory);

impl UnderWay {
    fn new(memory: &Memory) -> Self {
        let mut shelves = memory.shelves();
        shelves.rounds += usize::from(shelves.under_way == 0);
        shelves.under_way += 1;
        Self(memory.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.shelves().under_way -= 1;
    }
}

impl Memory {
    pub(crate) fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().expect("no test panics while it has the shelves")
    }

    /// A store with these values.
    pub(crate) fn holding(values: BTreeMap<Name, Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Shelves { values, ..Shelves::default() })))
    }

    /// The same values in a store of their own, in which nothing fails.
    pub(crate) fn survivor(&self) -> Self {
        Self::holding(self.shelves().values.clone())
    }

    pub(crate) fn failing(&self, call: usize, fault: Fault) -> Self {
        let copy = self.survivor();
        copy.shelves().fault = Some((call, fault));
        copy
    }

    pub(crate) fn open(&self) -> KvStore {
        KvStore::new(Arc::new(self.clone()), "memory")
    }

    /// A write or a removal, which is noted down.
    fn change(
        &self,
        name: Name,
        value: Option<Vec<u8>>,
        change: impl FnOnce(&mut Shelves) + Send + 'static,
    ) -> Answer<()> {
        let number = {
            let mut shelves = self.shelves();
            let number = shelves.asked;
            shelves.asked += 1;
            shelves.events.push(Event::Asked(number, name, value));
            number
        };
        self.call(move |shelves| {
            change(shelves);
            shelves.events.push(Event::Answered(number));
            Ok(())
        })
    }

    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Shelves) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let memory = self.clone();
        Box::pin(async move {
            let under_way = UnderWay::new(&memory);
            Later(false).await;
            drop(under_way);
            let mut shelves = memory.shelves();
            let fault = shelves.fault.filter(|(at, _)| *at == shelves.calls).map(|(_, fault)| fault);
            shelves.calls += 1;
            shelves.crashed |= fault == Some(Fault::Crash);
            if shelves.crashed || fault == Some(Fault::Refused) {
                return Err(Error::new(ErrorKind::Other, "it does not answer"));
            }
            let done = call(&mut shelves);
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
    fn read(&self, primary: &str, secondary: &str, key: &str) -> Answer<Vec<u8>> {
        let name = name(primary, secondary, key);
        self.call(move |shelves| {
            shelves.reads += 1;
            let value = shelves.values.get(&name).cloned();
            value.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is none"))
        })
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        let name = name(primary, secondary, key);
        self.change(name.clone(), Some(value.clone()), move |shelves| {
            shelves.writes += 1;
            shelves.bytes += value.len();
            shelves.values.insert(name, value);
        })
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, lazy: bool) -> Answer<()> {
        assert!(lazy, "nothing waits for a removal");
        let name = name(primary, secondary, key);
        self.change(name.clone(), None, move |shelves| {
            shelves.removals += 1;
            shelves.values.remove(&name);
        })
    }

    fn list(&self, primary: &str, secondary: &str) -> Answer<Vec<String>> {
        let (primary, secondary, _) = name(primary, secondary, "all");
        self.call(move |shelves| {
            shelves.reads += 1;
            let keys = shelves.values.keys();
            let within = keys.filter(|name| name.0 == primary && name.1 == secondary);
            Ok(within.map(|name| name.2.clone()).collect())
        })
    }
}

pub(crate) fn node(number: u32) -> NodeId {
    let mut bytes = [2; 33];
    // Spread over the range, as keys are.
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

/// One peer's flap with the heartbeat, as the service commits it.
pub(crate) fn flap(number: u32, version: u32, entries: u32) -> Batch {
    let peers = vec![peer(number, version)];
    let segments = vec![segment(number, 0, entries, 1)];
    let changes = UnsavedChanges { peers, segments, ..UnsavedChanges::default() };
    Batch { changes, observer: Some(observer(u64::from(version))), ..Batch::default() }
}

pub(crate) fn commit<S: Store>(store: &S, batch: &Batch) -> Result<(), StoreError> {
    block_on(store.commit(&OURS, Arc::new(batch.clone())))
}

/// All that an observer sees; the logs are those of the first `peers` nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) observer: Option<ObserverRecord>,
    pub(crate) peers: Vec<PeerRecord>,
    pub(crate) segments: Vec<LogSegment>,
    pub(crate) gaps: Vec<GapRecord>,
}

pub(crate) fn sight<S: Store>(store: &S, nodes: u32) -> Result<Sight, StoreError> {
    block_on(async {
        let mut segments = Vec::new();
        for number in 0..nodes {
            segments.extend(store.segments(&OURS, &node(number), 0, usize::MAX).await?);
        }
        Ok(Sight {
            observer: store.observer(&OURS).await?,
            peers: store.peers(&OURS, None, usize::MAX).await?,
            segments,
            gaps: store.gaps(&OURS, 0, usize::MAX).await?,
        })
    })
}
