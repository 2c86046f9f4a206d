//! Keeping what a trace led to in a store, as if its node had run with ldk-fitness all the time; and showing it.

use std::sync::Arc;

use fitness_actor::Archive;
use fitness_core::{NodeId, Timestamp, Tracker, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store};

use crate::error::CliError;
use crate::listen::Front;
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

    /// The node that is said to have observed it, with --store or --listen
    #[arg(long, value_name = "NODE_ID", requires = "kept")]
    observer: Option<NodeId>,
}

/// Who is said to have observed what is only shown.
const NOBODY: NodeId = NodeId([2; 33]);

impl KeepArgs {
    /// Stores what the tracker knows at `at`, and shows it until the user has had enough: each where that was
    /// asked for.
    pub(super) fn keep(
        &self,
        tracker: &mut Tracker,
        at: Option<Timestamp>,
        front: Option<Front>,
    ) -> Result<(), CliError> {
        if self.store.is_none() && front.is_none() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(CliError::Runtime)?.block_on(async {
            let observer = self.observer.unwrap_or(NOBODY);
            let (store, name): (Arc<dyn Store>, _) = match &self.store {
                Some(url) => (url.open().await?, url.to_string()),
                None => (Arc::new(MemoryStore::default()), "memory".to_owned()),
            };
            if let Some(at) = at {
                keep(&store, name, observer, tracker, at).await?;
            }
            match front {
                Some(front) => front.show(Archive::open(observer, store).await?).await,
                None => Ok(()),
            }
        })
    }
}

async fn keep(
    store: &Arc<dyn Store>,
    name: String,
    observer: NodeId,
    tracker: &mut Tracker,
    at: Timestamp,
) -> Result<(), CliError> {
    let _claim = store.claim(&observer).await?;
    let is_new =
        store.observer(&observer).await?.is_none() && store.peers(&observer, None, 1).await?.is_empty();
    if !is_new {
        let way_out = "choose another store, or another --observer";
        return Err(CliError::Exists { store: name, observer, way_out });
    }
    loop {
        let mut changes = UnsavedChanges::default();
        let more = tracker.drain_changes(PEERS, &mut changes);
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
