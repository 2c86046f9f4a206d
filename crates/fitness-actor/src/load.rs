//! Loads the stored history at start.

use std::sync::Arc;

use fitness_core::{NodeId, PeerRecord, Tracker};
use fitness_store::{Store, StoreError};

/// The number of peers to read at once.
const PAGE: usize = 10_000;

/// The number of monitoring gaps to keep in memory, counted from the latest one.
pub(crate) const MAX_LOADED_GAPS: u32 = 4_096;

/// Reads everything that is stored for `observer` into a new tracker.
pub(crate) async fn load_tracker(
    store: &Arc<dyn Store>,
    observer: NodeId,
    tracker: &mut Tracker,
) -> Result<(), StoreError> {
    // Every completed flush stores the observer's record. Peers without one come from a first flush that was
    // interrupted; they were observed until then.
    if let Some(record) = store.observer(&observer).await? {
        let from = record.gap_count.saturating_sub(MAX_LOADED_GAPS);
        tracker.resume_observer(&record, &store.gaps(&observer, from, MAX_LOADED_GAPS as usize).await?);
    }
    for_each_page(store, observer, |page| page.iter().for_each(|record| tracker.resume_peer(record))).await
}

/// Reads the records of all peers and passes them to `load_page`, page by page.
pub(crate) async fn for_each_page(
    store: &Arc<dyn Store>,
    observer: NodeId,
    mut load_page: impl FnMut(&[PeerRecord]),
) -> Result<(), StoreError> {
    let mut page = read_page(store, observer, None).await?;
    while page.len() == PAGE {
        // Read the next page while this one is loaded.
        let next = tokio::spawn(read_page(store, observer, page.last().map(|record| record.node_id)));
        load_page(&page);
        page = next.await.map_err(|error| StoreError::Backend {
            operation: "read peers",
            location: observer.to_string(),
            source: Box::new(error),
        })??;
    }
    load_page(&page);
    Ok(())
}

fn read_page(
    store: &Arc<dyn Store>,
    observer: NodeId,
    after: Option<NodeId>,
) -> impl Future<Output = Result<Vec<PeerRecord>, StoreError>> + use<> {
    let store = Arc::clone(store);
    async move { store.peers(&observer, after.as_ref(), PAGE).await }
}
