//! Saves the result of a replay in a store, as a node would have stored it, and serves it.

use std::sync::Arc;

use fitness_actor::Archive;
use fitness_core::{NodeId, Timestamp, Tracker, UnsavedChanges};
use fitness_store::{Batch, MemoryStore, Store};

use crate::error::CliError;
use crate::listen::DashboardServer;
use crate::store::StoreUrl;

/// The maximum number of peers per commit.
const PEERS_PER_COMMIT: usize = 1_000;

/// The destination of the result.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SaveArgs {
    /// Save the result in this store: a redb file, or another kind as below
    ///
    /// The store then contains what a node would have stored if it had observed these events, up to the
    /// evaluation time. `report` can read it.
    #[arg(long, value_name = "STORE", requires = "observer", conflicts_with = "preset")]
    store: Option<StoreUrl>,

    /// The observer of the saved or served history, with --store or --listen
    #[arg(long, value_name = "NODE_ID", requires = "destination")]
    observer: Option<NodeId>,
}

/// The observer of a history that is served without `--observer`.
const PLACEHOLDER_OBSERVER: NodeId = NodeId([2; 33]);

impl SaveArgs {
    /// Saves the tracker's state as of `at` if `--store` was given, and serves it until the user stops the
    /// program if there is a `server`.
    pub(super) fn save_and_serve(
        &self,
        tracker: &mut Tracker,
        at: Option<Timestamp>,
        server: Option<DashboardServer>,
    ) -> Result<(), CliError> {
        if self.store.is_none() && server.is_none() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(CliError::Runtime)?.block_on(async {
            let observer = self.observer.unwrap_or(PLACEHOLDER_OBSERVER);
            let (store, location): (Arc<dyn Store>, _) = match &self.store {
                Some(url) => (url.open().await?, url.to_string()),
                None => (Arc::new(MemoryStore::default()), "memory".to_owned()),
            };
            if let Some(at) = at {
                save(&store, location, observer, tracker, at).await?;
            }
            match server {
                Some(server) => server.serve_archive(Archive::open(observer, store).await?).await,
                None => Ok(()),
            }
        })
    }
}

async fn save(
    store: &Arc<dyn Store>,
    location: String,
    observer: NodeId,
    tracker: &mut Tracker,
    at: Timestamp,
) -> Result<(), CliError> {
    let _claim = store.claim(&observer).await?;
    let is_new =
        store.observer(&observer).await?.is_none() && store.peers(&observer, None, 1).await?.is_empty();
    if !is_new {
        let hint = "choose another store or another --observer";
        return Err(CliError::HistoryExists { store: location, observer, hint });
    }
    loop {
        let mut changes = UnsavedChanges::default();
        let more = tracker.drain_changes(PEERS_PER_COMMIT, &mut changes);
        // The observer's record makes the history visible, so it is committed last.
        let record = (!more).then(|| tracker.observer_record(at));
        let batch = Arc::new(Batch { changes, observer: record, ..Batch::default() });
        // `mark_stored` is not called: the tracker would drop history that is still needed afterwards.
        store.commit(&observer, batch).await?;
        if !more {
            return Ok(());
        }
    }
}
