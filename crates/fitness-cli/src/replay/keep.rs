//! Keeping what a trace led to in a store, as if its node had run with ldk-fitness all the time.

use std::sync::Arc;

use fitness_core::{Changes, NodeId, Timestamp, Tracker};
use fitness_store::{Batch, Store};

use crate::error::CliError;
use crate::store::StoreUrl;

/// How many peers a commit has at most.
const PEERS: usize = 1_000;

/// Where to keep what the trace leads to.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct KeepArgs {
    /// Keep what the trace leads to in this store, a redb file or another kind as below
    ///
    /// What is stored is what a node would have stored to which all of this happened, until the moment of the
    /// question. `report` then tells of it.
    #[arg(long, value_name = "STORE", requires = "observer", conflicts_with = "preset")]
    store: Option<StoreUrl>,

    /// The node that is said to have observed it, with --store
    #[arg(long, value_name = "NODE_ID", requires = "store")]
    observer: Option<NodeId>,
}

impl KeepArgs {
    /// Stores what the tracker knows at `at`, where that was asked for.
    pub(super) fn keep(&self, tracker: &mut Tracker, at: Option<Timestamp>) -> Result<(), CliError> {
        let (Some(url), Some(observer), Some(at)) = (&self.store, self.observer, at) else { return Ok(()) };
        crate::store::runtime()?.block_on(store(url, observer, tracker, at))
    }
}

async fn store(
    url: &StoreUrl,
    observer: NodeId,
    tracker: &mut Tracker,
    at: Timestamp,
) -> Result<(), CliError> {
    let store: Arc<dyn Store> = url.open().await?;
    let _claim = store.claim(&observer).await?;
    let is_new =
        store.observer(&observer).await?.is_none() && store.peers(&observer, None, 1).await?.is_empty();
    if !is_new {
        let way_out = "choose another store, or another --observer";
        return Err(CliError::Exists { store: url.to_string(), observer, way_out });
    }
    loop {
        let mut changes = Changes::default();
        let more = tracker.take_changes(PEERS, &mut changes);
        // The record makes the history one that is listed, so it comes with the last of it.
        let record = (!more).then(|| tracker.observer_record(at));
        let batch = Arc::new(Batch { changes, observer: record, ..Batch::default() });
        // The tracker is not told that it is stored: it would let go of what is asked of it next.
        store.commit(&observer, batch).await?;
        if !more {
            return Ok(());
        }
    }
}
