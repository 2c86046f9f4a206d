//! A store in memory: for tests, and for services that do not keep a history across restarts.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};

use crate::{Batch, Claim, LocalClaims, LogReplacement, Store, StoreError, codec};

/// Stores everything in memory. Clones share the data, which is lost with the last clone.
///
/// Its futures complete on the first poll. A commit can only fail with [`StoreError::Invalid`], and a
/// claim only with [`StoreError::Claimed`].
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    observers: Arc<Mutex<BTreeMap<NodeId, ObserverData>>>,
    claims: LocalClaims,
}

/// The stored data of one observer.
#[derive(Debug, Default)]
struct ObserverData {
    observer: Option<ObserverRecord>,
    peers: BTreeMap<NodeId, PeerRecord>,
    segments: BTreeMap<(NodeId, u32), LogSegment>,
    gaps: BTreeMap<u32, GapRecord>,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, ObserverData>> {
        // Code that holds the lock does not panic, except when memory is exhausted.
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Default>(&self, observer: &NodeId, read: impl FnOnce(&ObserverData) -> T) -> T {
        self.lock().get(observer).map(read).unwrap_or_default()
    }
}

impl ObserverData {
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
        let records = segments.iter().map(|segment| ((segment.node_id, segment.index()), segment.clone()));
        self.segments.extend(records);
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        let observers = self.lock();
        let listed = observers.iter().filter(|(_, data)| data.observer.is_some());
        Ok(listed.map(|(node_id, _)| *node_id).collect())
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        Ok(self.read(observer, |data| data.observer))
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        Ok(self.read(observer, |data| {
            let page = data.peers.range((start, Bound::Unbounded));
            page.take(limit).map(|(_, peer)| peer.clone()).collect()
        }))
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        Ok(self.read(observer, |data| data.peers.get(node_id).cloned()))
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        Ok(self.read(observer, |data| {
            let range = data.segments.range((*node_id, from)..=(*node_id, u32::MAX));
            range.take(limit).map(|(_, segment)| segment.clone()).collect()
        }))
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        Ok(self.read(observer, |data| data.gaps.range(from..).take(limit).map(|(_, gap)| *gap).collect()))
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
