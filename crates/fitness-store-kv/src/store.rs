//! The store: orders commits, and maps reads to ranges of rows.

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
use crate::keys::{AsyncKvStore, BlockingKvStore, ObjectSafeKvStore, ROOTS, Values};
use crate::read;
use crate::row::{Record, Row};
use crate::state::{Claim, Inner};
use crate::turn_queue::{Turn, TurnQueue};

/// Fitness histories in an LDK `KVStore`.
///
/// Nothing is read before the first call, and nothing is written before the first commit. The
/// [crate documentation](crate) describes what is stored, what it costs, and what happens if two processes
/// store the history of the same node.
///
/// Its futures need the same runtime as those of the `KVStore`, if any.
pub struct KvStore {
    kv: Arc<dyn ObjectSafeKvStore>,
    location: Arc<str>,
    observers: Mutex<HashMap<NodeId, Arc<ObserverStore>>>,
    claims: LocalClaims,
}

/// A commit that has begun. It is polled by the caller that has the turn.
type CommitFuture = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// The data of one observer.
struct ObserverStore {
    turns: TurnQueue,
    /// A commit whose future was dropped. The next caller finishes it.
    pending_commit: Mutex<Option<CommitFuture>>,
    inner: Arc<Inner>,
}

impl KvStore {
    /// Returns a store on an asynchronous `KVStore`. Errors name it as `location`.
    pub fn new<K>(kv: Arc<K>, location: impl Into<String>) -> Self
    where
        K: KVStore + Send + Sync + ?Sized + 'static,
    {
        Self::with_kv_store(Arc::new(AsyncKvStore(kv)), location.into())
    }

    /// Returns a store on a `KVStoreSync`. Each call runs on a thread that may block.
    ///
    /// Prefer this for a store that implements both traits, as those of ldk-node do, outside of tokio.
    pub fn from_sync<K>(kv: Arc<K>, location: impl Into<String>) -> Self
    where
        K: KVStoreSync + Send + Sync + ?Sized + 'static,
    {
        Self::with_kv_store(Arc::new(BlockingKvStore(kv)), location.into())
    }

    fn with_kv_store(kv: Arc<dyn ObjectSafeKvStore>, location: String) -> Self {
        Self { kv, location: location.into(), observers: Mutex::default(), claims: LocalClaims::default() }
    }

    fn store(&self, observer: &NodeId) -> Arc<ObserverStore> {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let store = observers.entry(*observer).or_insert_with(|| {
            let values = Values::new(Arc::clone(&self.kv), *observer, Arc::clone(&self.location));
            Arc::new(ObserverStore {
                turns: TurnQueue::default(),
                pending_commit: Mutex::default(),
                inner: Arc::new(Inner::new(values)),
            })
        });
        Arc::clone(store)
    }

    async fn rows(
        &self,
        observer: &NodeId,
        range: RangeInclusive<Row>,
        limit: usize,
    ) -> Result<Vec<(Row, Record)>, StoreError> {
        let store = self.store(observer);
        store.load().await?;
        match read::rows(&store.inner, range.clone(), limit).await {
            Err(StoreError::Corrupt { .. }) if store.reload_if_unclaimed() => {
                // Another process may have folded the journal. Damage is reported by the second read.
                store.load().await?;
                read::rows(&store.inner, range, limit).await
            }
            result => result,
        }
    }

    fn decode_error(&self, error: RecordError, record: codec::RecordKey<'_>) -> StoreError {
        error.into_store_error(record, &*self.location)
    }
}

impl fmt::Debug for KvStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvStore").field("location", &self.location).finish_non_exhaustive()
    }
}

impl ObserverStore {
    /// Waits for the turn, and finishes a commit that was begun before.
    async fn enter(&self) -> Turn<'_> {
        let turn = self.turns.enter().await;
        if let Some(Err(error)) = self.finish().await {
            tracing::debug!(%error, "abandoned commit failed");
        }
        turn
    }

    /// Runs the pending commit to its end, if there is one.
    async fn finish(&self) -> Option<Result<(), StoreError>> {
        poll_fn(|context| {
            // Taken out while it runs: if it panics, it is not polled again.
            let Some(mut pending_commit) = self.pending_commit().take() else { return Poll::Ready(None) };
            match pending_commit.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => {
                    *self.pending_commit() = Some(pending_commit);
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn pending_commit(&self) -> MutexGuard<'_, Option<CommitFuture>> {
        self.pending_commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(&self) -> Result<(), StoreError> {
        if self.inner.state().loaded {
            return Ok(());
        }
        let _turn = self.enter().await;
        self.inner.ensure_loaded().await
    }

    /// Discards the loaded state if this session has not claimed the observer. Returns whether it did.
    fn reload_if_unclaimed(&self) -> bool {
        let mut state = self.inner.state();
        let is_unclaimed = state.claim == Claim::None;
        if is_unclaimed {
            (state.loaded, state.concurrent_writer) = (false, true);
        }
        is_unclaimed
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
        let store = self.store(observer);
        store.load().await?;
        let record = {
            let state = store.inner.state();
            state.overlay.observer.clone().or_else(|| state.manifest.observer.clone())
        };
        let decoded = record.map(|record| decode_observer(observer, &record)).transpose();
        decoded.map_err(|error| self.decode_error(error, codec::RecordKey::Observer(observer)))
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let start = after.map_or(NodeId([0; 33]), |after| *after);
        let range = Row::Peer(start)..=Row::Peer(NodeId([u8::MAX; 33]));
        // The range includes `after` itself.
        let needed = if after.is_some() { limit.saturating_add(1) } else { limit };
        let rows = self.rows(observer, range, if limit == 0 { 0 } else { needed }).await?;
        let mut peers = Vec::new();
        for (row, record) in &rows {
            let Row::Peer(node_id) = row else { continue };
            if Some(node_id) != after && peers.len() < limit {
                let peer = decode_peer(node_id, record);
                peers.push(peer.map_err(|error| self.decode_error(error, codec::RecordKey::Peer(node_id)))?);
            }
        }
        Ok(peers)
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let row = Row::Peer(*node_id);
        let rows = self.rows(observer, row..=row, 1).await?;
        let decoded = rows.first().map(|(_, record)| decode_peer(node_id, record)).transpose();
        decoded.map_err(|error| self.decode_error(error, codec::RecordKey::Peer(node_id)))
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
                segment
                    .map_err(|error| self.decode_error(error, codec::RecordKey::Segment(node_id, *index)))?,
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
            gaps.push(gap.map_err(|error| self.decode_error(error, codec::RecordKey::Gap(*number)))?);
        }
        Ok(gaps)
    }

    /// Covers this process. Of two processes one is fenced or rejected, see the [crate documentation](crate).
    async fn claim(&self, observer: &NodeId) -> Result<fitness_store::Claim, StoreError> {
        self.claims.acquire(observer, &self.location)
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let store = self.store(observer);
        let _turn = store.enter().await;
        *store.pending_commit() = Some(Box::pin(commit(Arc::clone(&store.inner), batch)));
        // The commit was stored just now, and no other caller has the turn.
        let missing = || Err(store.inner.values.locked());
        store.finish().await.unwrap_or_else(missing)
    }
}
