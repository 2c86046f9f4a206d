//! Where a wallet's channels and its fitness are kept.

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
    /// The node's in a file of its own, the fitness in a redb file.
    Apart,
    /// Both in one store, which is open from the node's start until it stops.
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
            Self::Apart => RegtestNode::start(chain, dir, seed, logger),
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
            Self::Apart => Arc::new(open_store(&dir.join("fitness.redb"))),
            Self::Shared(open) => {
                let store = open.as_ref().expect("the node is up");
                Arc::new(KvStore::new(Arc::clone(store), "the node's store"))
            }
        }
    }

    /// Lets go of what is shared: what comes next opens the file anew. That ldk-node 0.7 never lets go
    /// of its store does no harm, once it is stopped.
    pub(super) fn close(&mut self) {
        if let Self::Shared(open) = self {
            *open = None;
        }
    }
}

/// The file that `Builder::build` would open, too.
pub(crate) fn open_sqlite(dir: &Path) -> Arc<SqliteStore> {
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    Arc::new(SqliteStore::new(dir.to_owned(), Some(file), Some(table)).unwrap())
}
