//! The PostgreSQL store keeps the promises of the port.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use fitness_pgtest::Cluster;
use fitness_store::conformance::Harness;
use fitness_store::{MemoryStore, Store};
use fitness_store_postgres::PostgresStore;
use tokio::runtime::Runtime;

/// One server for all cases; it goes with this process.
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A database of its own; where PostgreSQL is not installed, a stand-in that says nothing about our store.
enum Postgres {
    Database(String),
    PassedOver(MemoryStore),
}

impl Harness for Postgres {
    type Store = Arc<dyn Store>;

    fn build() -> Self {
        match &*CLUSTER {
            Some(cluster) => Self::Database(cluster.create_database().url()),
            None => Self::PassedOver(MemoryStore::new()),
        }
    }

    fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Database(url) => {
                Arc::new(RUNTIME.block_on(PostgresStore::open(url)).expect("the database opens"))
            }
            Self::PassedOver(memory) => Arc::new(memory.clone()),
        }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.block_on(future)
    }
}

fitness_store::conformance_suite!(Postgres);
