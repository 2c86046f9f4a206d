//! Taking over what earlier processes stored.

use std::sync::Arc;

use fitness_core::{NodeId, PeerRecord, Tracker};
use fitness_store::{Store, StoreError};

/// How many peers are read at a time.
const PAGE: usize = 10_000;

/// How many of the latest gaps of our own are wanted in memory.
pub(crate) const GAPS: u32 = 4_096;

/// Reads everything that is stored of `observer` into a new tracker.
pub(crate) async fn load(
    store: &Arc<dyn Store>,
    observer: NodeId,
    tracker: &mut Tracker,
) -> Result<(), StoreError> {
    // Every commit that completes a state carries the observer's record, so what is there without
    // one is the beginning of a first, long flush. It was observed until then.
    if let Some(record) = store.observer(&observer).await? {
        let from = record.gap_count.saturating_sub(GAPS);
        tracker.resume_observer(&record, &store.gaps(&observer, from, GAPS as usize).await?);
    }
    all_peers(store, observer, |page| page.iter().for_each(|record| tracker.resume_peer(record))).await
}

/// Reads the records of all peers, page by page.
pub(crate) async fn all_peers(
    store: &Arc<dyn Store>,
    observer: NodeId,
    mut take: impl FnMut(&[PeerRecord]),
) -> Result<(), StoreError> {
    let mut page = read(store, observer, None).await?;
    while page.len() == PAGE {
        // The next page is read while this one is taken over.
        let next = tokio::spawn(read(store, observer, page.last().map(|record| record.node_id)));
        take(&page);
        page = next.await.map_err(|ended| StoreError::Backend {
            operation: "read peers",
            location: observer.to_string(),
            source: Box::new(ended),
        })??;
    }
    take(&page);
    Ok(())
}

fn read(
    store: &Arc<dyn Store>,
    observer: NodeId,
    after: Option<NodeId>,
) -> impl Future<Output = Result<Vec<PeerRecord>, StoreError>> + use<> {
    let store = Arc::clone(store);
    async move { store.peers(&observer, after.as_ref(), PAGE).await }
}
