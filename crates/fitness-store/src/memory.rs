//! A store that is gone with its last handle: for tests, and for whoever wants no history.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use crate::{Batch, Claim, LocalClaims, LogReplacement, Store, StoreError, codec};

/// Keeps everything in memory. Clones share it.
///
/// Its futures are ready at once. It refuses what no other store could read back, as
/// [`StoreError::Invalid`], and fails in no other way.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    observers: Arc<Mutex<BTreeMap<NodeId, Shelf>>>,
    claims: LocalClaims,
}

/// What one observer has stored.
#[derive(Debug, Default)]
struct Shelf {
    observer: Option<ObserverRecord>,
    peers: BTreeMap<NodeId, PeerRecord>,
    segments: BTreeMap<(NodeId, u32), LogSegment>,
    gaps: BTreeMap<u32, GapRecord>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Shelf>> {
        // Nothing that runs under the lock panics half-way, short of exhausted memory.
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Default>(&self, observer: &NodeId, read: impl FnOnce(&Shelf) -> T) -> T {
        self.lock().get(observer).map(read).unwrap_or_default()
    }
}

impl Shelf {
    fn apply(&mut self, batch: &Batch) {
        let forgotten: HashSet<&NodeId> = batch.changes.forgotten_peers.iter().collect();
        if !forgotten.is_empty() {
            self.peers.retain(|node_id, _| !forgotten.contains(node_id));
            self.segments.retain(|(node_id, _), _| !forgotten.contains(node_id));
        }
        for peer in &batch.changes.peers {
            self.peers.insert(peer.node_id, peer.clone());
        }
        batch.replacements.iter().for_each(|replacement| self.replace(replacement));
        self.write_segments(&batch.changes.segments);
        self.gaps.extend(batch.changes.gaps.iter().map(|gap| (gap.number, *gap)));
        if let Some(before) = batch.prune_gaps_before {
            self.gaps = self.gaps.split_off(&before);
        }
        self.observer = batch.observer.or(self.observer);
    }

    fn replace(&mut self, replacement: &LogReplacement) {
        let LogReplacement { node_id, below_index: below, segments } = replacement;
        if !self.peers.contains_key(node_id) {
            return;
        }
        let old: Vec<_> =
            self.segments.range((*node_id, 0)..(*node_id, *below)).map(|(key, _)| *key).collect();
        for key in old {
            self.segments.remove(&key);
        }
        self.write_segments(segments);
    }

    fn write_segments(&mut self, segments: &[LogSegment]) {
        let rows = segments.iter().map(|segment| ((segment.node_id, segment.index()), segment.clone()));
        self.segments.extend(rows);
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        let observers = self.lock();
        let known = observers.iter().filter(|(_, shelf)| shelf.observer.is_some());
        Ok(known.map(|(node_id, _)| *node_id).collect())
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        Ok(self.read(observer, |shelf| shelf.observer))
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        Ok(self.read(observer, |shelf| {
            let page = shelf.peers.range((start, Bound::Unbounded));
            page.take(limit).map(|(_, peer)| peer.clone()).collect()
        }))
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        Ok(self.read(observer, |shelf| shelf.peers.get(node_id).cloned()))
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        Ok(self.read(observer, |shelf| {
            let range = shelf.segments.range((*node_id, from)..=(*node_id, u32::MAX));
            range.take(limit).map(|(_, segment)| segment.clone()).collect()
        }))
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        Ok(self.read(observer, |shelf| shelf.gaps.range(from..).take(limit).map(|(_, gap)| *gap).collect()))
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.claims.acquire(observer, "memory")
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        if !batch.is_empty() {
            self.lock().entry(*observer).or_default().apply(&batch);
        }
        Ok(())
    }
}
