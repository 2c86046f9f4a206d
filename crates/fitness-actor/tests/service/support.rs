//! A store with injected faults, and helpers for short tests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Handle, Service, ServiceBuilder, TokioClock};
use fitness_core::{
    ChannelId, ChannelOpened, Event, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, Timestamp,
};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};
use tokio::sync::watch;

pub(crate) const OBSERVER: NodeId = NodeId([2; 33]);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// The time at which the wall clocks of the tests start.
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

/// A summary of a batch that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) peers: usize,
    pub(crate) observer: Option<ObserverRecord>,
}

/// An in-memory store with injected faults. Clones share the data and the faults.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    faults: Arc<Faults>,
}

struct Faults {
    remaining_failures: AtomicU64,
    always_fails: AtomicBool,
    panics: AtomicBool,
    hangs: watch::Sender<bool>,
    delay: Mutex<Duration>,
    delay_per_peer: Mutex<Duration>,
    attempts: watch::Sender<usize>,
    rows_read: AtomicU64,
    batches: Mutex<Vec<StoredBatch>>,
}

impl FaultyStore {
    pub(crate) fn new() -> Self {
        let faults = Faults {
            remaining_failures: AtomicU64::new(0),
            always_fails: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            hangs: watch::Sender::new(false),
            delay: Mutex::new(Duration::ZERO),
            delay_per_peer: Mutex::new(Duration::ZERO),
            attempts: watch::Sender::new(0),
            rows_read: AtomicU64::new(0),
            batches: Mutex::new(Vec::new()),
        };
        Self { inner: MemoryStore::default(), faults: Arc::new(faults) }
    }

    /// Makes the next `commits` commits fail.
    pub(crate) fn fail_next(&self, commits: u64) {
        self.faults.remaining_failures.store(commits, Ordering::SeqCst);
    }

    /// Makes all commits and all reads of the peers fail.
    pub(crate) fn fail_always(&self) {
        self.faults.always_fails.store(true, Ordering::SeqCst);
    }

    /// Makes commits hang until this is called with `false`. A commit whose future is dropped stores nothing.
    pub(crate) fn set_hanging(&self, hangs: bool) {
        self.faults.hangs.send_replace(hangs);
    }

    /// Sets how long every commit takes.
    pub(crate) fn set_delay(&self, delay: Duration) {
        *self.faults.delay.lock().unwrap() = delay;
    }

    /// Sets how much longer a commit takes for each of its peers.
    pub(crate) fn set_delay_per_peer(&self, delay: Duration) {
        *self.faults.delay_per_peer.lock().unwrap() = delay;
    }

    /// Makes every commit panic.
    pub(crate) fn panic_on_commit(&self) {
        self.faults.panics.store(true, Ordering::SeqCst);
    }

    /// Waits until `commits` commits were started.
    pub(crate) async fn wait_for_attempts(&self, commits: usize) {
        let mut attempts = self.faults.attempts.subscribe();
        attempts.wait_for(|&attempts| attempts >= commits).await.unwrap();
    }

    /// Returns how many log segments and gaps were read.
    pub(crate) fn rows_read(&self) -> u64 {
        self.faults.rows_read.load(Ordering::SeqCst)
    }

    /// Returns how many commits were started.
    pub(crate) fn attempts(&self) -> usize {
        *self.faults.attempts.borrow()
    }

    /// Returns the batches that were stored.
    pub(crate) fn batches(&self) -> Vec<StoredBatch> {
        self.faults.batches.lock().unwrap().clone()
    }

    pub(crate) async fn stored_peer(&self, number: u32) -> PeerRecord {
        self.inner.peer(&OBSERVER, &peer(number)).await.unwrap().expect("the peer is stored")
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
        if self.faults.always_fails.load(Ordering::SeqCst) {
            return Err(injected_error("read the peers"));
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
        self.faults.attempts.send_modify(|attempts| *attempts += 1);
        assert!(!self.faults.panics.load(Ordering::SeqCst), "injected panic");
        let peers = u32::try_from(batch.changes.peers.len()).unwrap();
        let delay = *self.faults.delay.lock().unwrap() + *self.faults.delay_per_peer.lock().unwrap() * peers;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut hangs = self.faults.hangs.subscribe();
        hangs.wait_for(|hangs| !hangs).await.unwrap();
        let decrement = |remaining: u64| remaining.checked_sub(1);
        let remaining_failures = &self.faults.remaining_failures;
        if self.faults.always_fails.load(Ordering::SeqCst)
            || remaining_failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrement).is_ok()
        {
            return Err(injected_error("store the batch"));
        }
        let stored = StoredBatch { peers: batch.changes.peers.len(), observer: batch.observer };
        self.inner.commit(observer, batch).await?;
        self.faults.batches.lock().unwrap().push(stored);
        Ok(())
    }
}

/// The source of every error of a [`FaultyStore`].
pub(crate) const INJECTED_FAILURE: &str = "injected failure";

fn injected_error(operation: &'static str) -> StoreError {
    StoreError::Backend { operation, location: "FaultyStore".into(), source: INJECTED_FAILURE.into() }
}

/// Returns a builder with a clock that starts at [`EPOCH`] and follows tokio's time, which the tests pause.
pub(crate) fn builder(store: &FaultyStore) -> ServiceBuilder {
    Service::builder(OBSERVER, Arc::new(store.clone())).clock(Arc::new(TokioClock::starting_at(EPOCH)))
}

pub(crate) async fn start(store: &FaultyStore) -> (Service, Handle) {
    let service = builder(store).start().await.unwrap();
    let handle = service.handle();
    (service, handle)
}

/// Advances the paused clock by `time`, and runs all timers that are due meanwhile.
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
