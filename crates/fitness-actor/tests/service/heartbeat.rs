//! A heartbeat says that everything until then is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fitness_actor::Service;
use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::{Batch, Claim, MemoryStore, Store, StoreError};

use crate::support::*;

/// Keeps the first batch, and never answers after it: a crash.
struct CrashAfterFirst(MemoryStore, AtomicU32);
#[async_trait::async_trait]
impl Store for CrashAfterFirst {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        self.0.observers().await
    }
    async fn observer(&self, o: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        self.0.observer(o).await
    }
    async fn peers(&self, o: &NodeId, a: Option<&NodeId>, l: usize) -> Result<Vec<PeerRecord>, StoreError> {
        self.0.peers(o, a, l).await
    }
    async fn peer(&self, o: &NodeId, n: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        self.0.peer(o, n).await
    }
    async fn segments(
        &self,
        o: &NodeId,
        n: &NodeId,
        f: u32,
        l: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        self.0.segments(o, n, f, l).await
    }
    async fn gaps(&self, o: &NodeId, f: u32, l: usize) -> Result<Vec<GapRecord>, StoreError> {
        self.0.gaps(o, f, l).await
    }
    async fn claim(&self, o: &NodeId) -> Result<Claim, StoreError> {
        self.0.claim(o).await
    }
    async fn commit(&self, o: &NodeId, b: Arc<Batch>) -> Result<(), StoreError> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            std::future::pending::<()>().await;
        }
        self.0.commit(o, b).await
    }
}

/// While a long flush is under way, peers whose changes have been taken already go and come.
#[tokio::test(flavor = "current_thread")]
async fn a_heartbeat_never_outruns_what_is_stored() {
    const PEERS: u32 = 3_000;
    let store = Arc::new(CrashAfterFirst(MemoryStore::default(), AtomicU32::new(0)));
    let builder = Service::builder(OURSELVES, Arc::<CrashAfterFirst>::clone(&store) as Arc<dyn Store>);
    let service = builder.commit_delay(Duration::from_millis(50)).start().await.unwrap();
    let handle = service.handle();
    (0..PEERS).for_each(|number| handle.record(opened(number, Some(true))));
    let told_at = handle.now();
    let busy = handle.clone();
    let busy = tokio::spawn(async move {
        loop {
            for number in 0..200 {
                busy.record(offline(number));
                busy.record(online(number));
            }
            tokio::task::yield_now().await;
        }
    });
    while store.1.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    busy.abort();
    drop(service);
    let record = store.observer(&OURSELVES).await.unwrap().unwrap();
    let stored = store.peers(&OURSELVES, None, usize::MAX).await.unwrap();
    assert!(record.last_heartbeat_ns >= told_at.as_nanos());
    assert_eq!(stored.len(), PEERS as usize, "all were told before the heartbeat");
}
