//! The store itself: who may go when, and questions as ranges of rows.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::codec::{self, RecordError, decode_gap, decode_observer, decode_peer, decode_segment};
use fitness_store::{Batch, LocalClaims, Store, StoreError};
use lightning::util::persist::{KVStore, KVStoreSync};

use crate::commit::commit;
use crate::gate::{Gate, Turn};
use crate::keys::{Async, Blocking, Keys, ROOTS, Values};
use crate::read;
use crate::row::{Record, Row};
use crate::state::{Claim, Inner};

/// Fitness histories in a `KVStore` of LDK's.
///
/// Nothing is read before the first call, and nothing is written before the first commit. The
/// [crate's page](crate) says what is stored, what it costs, and what happens where two
/// processes store the fitness of the same node.
///
/// Its futures need what those of the `KVStore` need, and nothing else.
pub struct KvStore {
    kv: Arc<dyn Keys>,
    location: Arc<str>,
    shelves: Mutex<HashMap<NodeId, Arc<Shelf>>>,
    claims: LocalClaims,
}

/// A commit that was begun. It goes on whenever somebody has the turn.
type Job = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// One observer's part of the store.
struct Shelf {
    gate: Gate,
    /// A commit whose future was dropped is finished by whoever comes next.
    job: Mutex<Option<Job>>,
    inner: Arc<Inner>,
}

impl KvStore {
    /// A store over an asynchronous `KVStore`. `location` names it in errors.
    pub fn new<K>(kv: Arc<K>, location: impl Into<String>) -> Self
    where
        K: KVStore + Send + Sync + ?Sized + 'static,
    {
        Self::over(Arc::new(Async(kv)), location.into())
    }

    /// A store over a `KVStoreSync`, each of whose calls runs on a thread that may block.
    ///
    /// What is both, as ldk-node's stores are, is better used in this way from outside a runtime,
    /// and from within any but tokio's.
    pub fn from_sync<K>(kv: Arc<K>, location: impl Into<String>) -> Self
    where
        K: KVStoreSync + Send + Sync + ?Sized + 'static,
    {
        Self::over(Arc::new(Blocking(kv)), location.into())
    }

    fn over(kv: Arc<dyn Keys>, location: String) -> Self {
        Self { kv, location: location.into(), shelves: Mutex::default(), claims: LocalClaims::default() }
    }

    fn shelf(&self, observer: &NodeId) -> Arc<Shelf> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(*observer).or_insert_with(|| {
            let values = Values::new(Arc::clone(&self.kv), *observer, Arc::clone(&self.location));
            Arc::new(Shelf {
                gate: Gate::default(),
                job: Mutex::default(),
                inner: Arc::new(Inner::new(values)),
            })
        });
        Arc::clone(shelf)
    }

    async fn rows(
        &self,
        observer: &NodeId,
        range: RangeInclusive<Row>,
        limit: usize,
    ) -> Result<Vec<(Row, Record)>, StoreError> {
        let shelf = self.shelf(observer);
        shelf.load().await?;
        match read::rows(&shelf.inner, range.clone(), limit).await {
            Err(StoreError::Corrupt { .. }) if shelf.let_go() => {
                // Another process has folded it since; if it is damaged, that shows again.
                shelf.load().await?;
                read::rows(&shelf.inner, range, limit).await
            }
            done => done,
        }
    }

    fn damaged(&self, error: RecordError, record: codec::RecordKey<'_>) -> StoreError {
        error.into_store_error(record, &*self.location)
    }
}

impl fmt::Debug for KvStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvStore").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Shelf {
    /// Waits for the turn, and finishes what was begun before.
    async fn enter(&self) -> Turn<'_> {
        let turn = self.gate.enter().await;
        if let Some(Err(error)) = self.finish().await {
            tracing::debug!(%error, "a commit that nobody waits for has failed");
        }
        turn
    }

    /// Drives the commit that was begun to its end, if there is one.
    async fn finish(&self) -> Option<Result<(), StoreError>> {
        poll_fn(|context| {
            // Not in its place while it runs: if it panics, it is over.
            let Some(mut job) = self.job().take() else { return Poll::Ready(None) };
            match job.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => {
                    *self.job() = Some(job);
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn job(&self) -> MutexGuard<'_, Option<Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self) -> Result<(), StoreError> {
        if self.inner.state().loaded {
            return Ok(());
        }
        let _turn = self.enter().await;
        self.inner.ensure_loaded().await
    }

    /// Lets what was loaded be loaded anew, where nothing of it is ours.
    fn let_go(&self) -> bool {
        let mut state = self.inner.state();
        let guest = state.claim == Claim::None;
        if guest {
            (state.loaded, state.moved) = (false, true);
        }
        guest
    }
}

#[async_trait::async_trait]
impl Store for KvStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        let listed = self.kv.list(ROOTS).await.map_err(|error| StoreError::Backend {
            operation: "list the observers",
            location: self.location.to_string(),
            source: error.into(),
        })?;
        let mut ids: Vec<NodeId> = listed.iter().filter_map(|key| key.parse().ok()).collect();
        ids.sort_unstable();
        let mut observers = Vec::new();
        for id in ids {
            if self.observer(&id).await?.is_some() {
                observers.push(id);
            }
        }
        Ok(observers)
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        let shelf = self.shelf(observer);
        shelf.load().await?;
        let record = {
            let state = shelf.inner.state();
            state.overlay.observer.clone().or_else(|| state.manifest.observer.clone())
        };
        let decoded = record.map(|record| decode_observer(observer, &record)).transpose();
        decoded.map_err(|error| self.damaged(error, codec::RecordKey::Observer(observer)))
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let start = after.map_or(NodeId([0; 33]), |after| *after);
        let range = Row::Peer(start)..=Row::Peer(NodeId([u8::MAX; 33]));
        // The one that it is to come after may be among them.
        let asked = if after.is_some() { limit.saturating_add(1) } else { limit };
        let rows = self.rows(observer, range, if limit == 0 { 0 } else { asked }).await?;
        let mut peers = Vec::new();
        for (row, record) in &rows {
            let Row::Peer(node_id) = row else { continue };
            if Some(node_id) != after && peers.len() < limit {
                let peer = decode_peer(node_id, record);
                peers.push(peer.map_err(|error| self.damaged(error, codec::RecordKey::Peer(node_id)))?);
            }
        }
        Ok(peers)
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let row = Row::Peer(*node_id);
        let rows = self.rows(observer, row..=row, 1).await?;
        let decoded = rows.first().map(|(_, record)| decode_peer(node_id, record)).transpose();
        decoded.map_err(|error| self.damaged(error, codec::RecordKey::Peer(node_id)))
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let rows = self.rows(observer, Row::log(*node_id, from), limit).await?;
        let mut segments = Vec::new();
        for (row, record) in &rows {
            let Row::Segment(_, index) = row else { continue };
            let segment = decode_segment(node_id, *index, record);
            segments.push(
                segment.map_err(|error| self.damaged(error, codec::RecordKey::Segment(node_id, *index)))?,
            );
        }
        Ok(segments)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let rows = self.rows(observer, Row::Gap(from)..=Row::Gap(u32::MAX), limit).await?;
        let mut gaps = Vec::new();
        for (row, record) in &rows {
            let Row::Gap(number) = row else { continue };
            let gap = decode_gap(*number, record);
            gaps.push(gap.map_err(|error| self.damaged(error, codec::RecordKey::Gap(*number)))?);
        }
        Ok(gaps)
    }

    /// Holds within this process. Of two processes the one that commits first after the other is
    /// refused or fenced, as the [crate's page](crate) says.
    async fn claim(&self, observer: &NodeId) -> Result<fitness_store::Claim, StoreError> {
        self.claims.acquire(observer, &self.location)
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let shelf = self.shelf(observer);
        let _turn = shelf.enter().await;
        *shelf.job() = Some(Box::pin(commit(Arc::clone(&shelf.inner), batch)));
        // It was put there just now, and nobody else has the turn.
        let lost = || Err(shelf.inner.values.locked());
        shelf.finish().await.unwrap_or_else(lost)
    }
}
