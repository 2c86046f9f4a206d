//! A store that fails, hangs and dawdles as it is told, and short ways to say things.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Handle, Service, ServiceBuilder, TokioClock};
use fitness_core::{
    ChannelId, ChannelOpened, Event, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, Timestamp,
};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};
use tokio::sync::watch;

pub(crate) const OURSELVES: NodeId = NodeId([2; 33]);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// When the tests' wall clocks start.
pub(crate) const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn peer(number: u32) -> NodeId {
    let mut bytes = [3; 33];
    bytes[1..5].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

pub(crate) fn channel(number: u32) -> ChannelId {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ChannelId(bytes)
}

pub(crate) fn opened(number: u32, online: Option<bool>) -> Event {
    Event::ChannelOpened(ChannelOpened {
        channel_id: channel(number),
        node_id: peer(number),
        funding: None,
        online,
    })
}

pub(crate) fn online(number: u32) -> Event {
    Event::PeerOnline { node_id: peer(number) }
}

pub(crate) fn offline(number: u32) -> Event {
    Event::PeerOffline { node_id: peer(number) }
}

/// A batch that was stored, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) peers: usize,
    pub(crate) observer: Option<ObserverRecord>,
}

/// A store in memory whose commits go wrong as they are told.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    faults: Arc<Faults>,
}

struct Faults {
    failures: AtomicU64,
    dead: AtomicBool,
    panicking: AtomicBool,
    hanging: watch::Sender<bool>,
    delay: Mutex<Duration>,
    delay_by_peer: Mutex<Duration>,
    begun: watch::Sender<usize>,
    rows_read: AtomicU64,
    committed: Mutex<Vec<Committed>>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        let faults = Faults {
            failures: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            panicking: AtomicBool::new(false),
            hanging: watch::Sender::new(false),
            delay: Mutex::new(Duration::ZERO),
            delay_by_peer: Mutex::new(Duration::ZERO),
            begun: watch::Sender::new(0),
            rows_read: AtomicU64::new(0),
            committed: Mutex::new(Vec::new()),
        };
        Self { inner: MemoryStore::default(), faults: Arc::new(faults) }
    }

    /// The next so many commits fail.
    pub(crate) fn fail(&self, commits: u64) {
        self.faults.failures.store(commits, Ordering::SeqCst);
    }

    /// All commits fail.
    pub(crate) fn die(&self) {
        self.faults.dead.store(true, Ordering::SeqCst);
    }

    /// Commits are not answered, until told otherwise. One whose future is dropped does not land.
    pub(crate) fn hang(&self, hang: bool) {
        self.faults.hanging.send_replace(hang);
    }

    /// Every commit takes so long.
    pub(crate) fn dawdle(&self, delay: Duration) {
        *self.faults.delay.lock().unwrap() = delay;
    }

    /// Every commit takes so long for each of its peers, too.
    pub(crate) fn dawdle_by_peer(&self, delay: Duration) {
        *self.faults.delay_by_peer.lock().unwrap() = delay;
    }

    /// The next commit panics.
    pub(crate) fn panic(&self) {
        self.faults.panicking.store(true, Ordering::SeqCst);
    }

    /// Waits until so many commits were begun.
    pub(crate) async fn begun(&self, commits: usize) {
        let mut begun = self.faults.begun.subscribe();
        begun.wait_for(|&begun| begun >= commits).await.unwrap();
    }

    /// How many log segments and gaps were read.
    pub(crate) fn rows_read(&self) -> u64 {
        self.faults.rows_read.load(Ordering::SeqCst)
    }

    pub(crate) fn attempts(&self) -> usize {
        *self.faults.begun.borrow()
    }

    /// What was stored, batch by batch.
    pub(crate) fn committed(&self) -> Vec<Committed> {
        self.faults.committed.lock().unwrap().clone()
    }

    pub(crate) async fn stored_peer(&self, number: u32) -> PeerRecord {
        self.inner.peer(&OURSELVES, &peer(number)).await.unwrap().expect("it is stored")
    }
}

#[async_trait::async_trait]
impl Store for FaultyStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.inner.observers().await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.inner.observer(observer).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        if self.faults.dead.load(Ordering::SeqCst) {
            return Err(refused("read the peers"));
        }
        self.inner.peers(observer, after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.inner.peer(observer, node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let page = self.inner.segments(observer, node_id, from, limit).await?;
        self.faults.rows_read.fetch_add(page.len() as u64, Ordering::SeqCst);
        Ok(page)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let page = self.inner.gaps(observer, from, limit).await?;
        self.faults.rows_read.fetch_add(page.len() as u64, Ordering::SeqCst);
        Ok(page)
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.inner.claim(observer).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.faults.begun.send_modify(|begun| *begun += 1);
        assert!(!self.faults.panicking.load(Ordering::SeqCst), "on purpose");
        let peers = u32::try_from(batch.changes.peers.len()).unwrap();
        let delay = *self.faults.delay.lock().unwrap() + *self.faults.delay_by_peer.lock().unwrap() * peers;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut hanging = self.faults.hanging.subscribe();
        hanging.wait_for(|hanging| !hanging).await.unwrap();
        let fail = |left: u64| left.checked_sub(1);
        let failures = &self.faults.failures;
        if self.faults.dead.load(Ordering::SeqCst)
            || failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail).is_ok()
        {
            return Err(refused("store the batch"));
        }
        let committed = Committed { peers: batch.changes.peers.len(), observer: batch.observer };
        self.inner.commit(observer, batch).await?;
        self.faults.committed.lock().unwrap().push(committed);
        Ok(())
    }
}

fn refused(operation: &'static str) -> StoreError {
    StoreError::Backend { operation, location: "the test".into(), source: "as it was told".into() }
}

/// A builder on tokio's clock, which the tests pause.
pub(crate) fn builder(store: &FaultyStore) -> ServiceBuilder {
    Service::builder(OURSELVES, Arc::new(store.clone())).clock(Arc::new(TokioClock::starting_at(EPOCH)))
}

pub(crate) async fn start(store: &FaultyStore) -> (Service, Handle) {
    let service = builder(store).start().await.unwrap();
    let handle = service.handle();
    (service, handle)
}

/// Lets time pass; the clock is paused, so nobody waits.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
