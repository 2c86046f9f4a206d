//! A heartbeat states that everything before it is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fitness_actor::Service;
use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

use crate::support::*;

/// A store that stores the first batch and hangs afterwards, as in a crash. Counts the commits.
struct HangsAfterFirstCommit(MemoryStore, AtomicU32);

#[async_trait::async_trait]
impl Store for HangsAfterFirstCommit {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.0.observers().await
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.0.observer(observer).await
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        self.0.peers(observer, after, limit).await
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.0.peer(observer, node_id).await
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        self.0.segments(observer, node_id, from, limit).await
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        self.0.gaps(observer, from, limit).await
    }

    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.0.claim(observer).await
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            std::future::pending::<()>().await;
        }
        self.0.commit(observer, batch).await
    }
}

/// During a long flush, peers whose changes are already part of a batch disconnect and reconnect.
#[tokio::test(flavor = "current_thread")]
async fn a_heartbeat_is_never_ahead_of_stored_changes() {
    const PEERS: u32 = 3_000;
    let store = Arc::new(HangsAfterFirstCommit(MemoryStore::default(), AtomicU32::new(0)));
    let builder = Service::builder(OBSERVER, Arc::<HangsAfterFirstCommit>::clone(&store) as Arc<dyn Store>);
    let service = builder.commit_delay(Duration::from_millis(50)).start().await.unwrap();
    let handle = service.handle();
    (0..PEERS).for_each(|number| handle.record(opened(number, Some(true))));
    let recorded_at = handle.now();
    let recorder = handle.clone();
    let flapping = tokio::spawn(async move {
        loop {
            for number in 0..200 {
                recorder.record(offline(number));
                recorder.record(online(number));
            }
            tokio::task::yield_now().await;
        }
    });
    while store.1.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    flapping.abort();
    drop(service);
    let record = store.observer(&OBSERVER).await.unwrap().unwrap();
    let stored = store.peers(&OBSERVER, None, usize::MAX).await.unwrap();
    assert!(record.last_heartbeat_ns >= recorded_at.as_nanos());
    assert_eq!(stored.len(), PEERS as usize, "all peers were recorded before the heartbeat");
}
