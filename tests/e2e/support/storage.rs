//! Where a wallet keeps its channels and its fitness history.

use std::path::Path;
use std::sync::Arc;

use fitness_regtest::{Chain, RegtestNode};
use fitness_store::Store;
use fitness_store_kv::KvStore;
use ldk_node::DynStore;
use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::logger::LogWriter;

use super::open_store;

pub(crate) enum Storage {
    /// The node has its own files; the history is in a redb file.
    Separate,
    /// Both in one store, which is open while the node runs.
    Shared(Option<Arc<SqliteStore>>),
}

impl Storage {
    pub(super) fn start_node(
        &mut self,
        chain: &Chain,
        dir: &Path,
        logger: Arc<dyn LogWriter>,
    ) -> RegtestNode {
        let (seed, logger) = ([1; 64], Some(logger));
        let started = match self {
            Self::Separate => RegtestNode::start(chain, dir, seed, logger),
            Self::Shared(open) => {
                let store = open.insert(open_sqlite(dir));
                let store = Arc::<SqliteStore>::clone(store) as Arc<DynStore>;
                RegtestNode::start_with_store(chain, dir, seed, logger, store)
            }
        };
        started.unwrap()
    }

    pub(super) fn fitness(&self, dir: &Path) -> Arc<dyn Store> {
        match self {
            Self::Separate => Arc::new(open_store(&dir.join("fitness.redb"))),
            Self::Shared(open) => {
                let store = open.as_ref().expect("a running node");
                Arc::new(KvStore::new(Arc::clone(store), "the node's store"))
            }
        }
    }

    /// Drops the shared store, so that the file is opened again later. ldk-node 0.7 never drops its store,
    /// which does no harm once the node has stopped.
    pub(super) fn close(&mut self) {
        if let Self::Shared(open) = self {
            *open = None;
        }
    }
}

/// Opens the file that `Builder::build` opens as well.
pub(crate) fn open_sqlite(dir: &Path) -> Arc<SqliteStore> {
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    Arc::new(SqliteStore::new(dir.to_owned(), Some(file), Some(table)).unwrap())
}
