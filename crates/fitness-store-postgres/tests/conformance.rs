//! Runs the conformance suite of `fitness-store` on a PostgreSQL server.

use std::future::Future;
use std::sync::LazyLock;

use fitness_pgtest::{Cluster, NEEDS_POSTGRESQL};
use fitness_store::conformance::Harness;
use fitness_store_postgres::PostgresStore;
use tokio::runtime::Runtime;

/// The server for all cases. It is deleted when this process ends.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().expect(NEEDS_POSTGRESQL));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// A new database, identified by its URL.
struct Server(String);

impl Harness for Server {
    type Store = PostgresStore;

    fn build() -> Self {
        Self(CLUSTER.create_database().url())
    }

    fn open(&self) -> PostgresStore {
        RUNTIME.block_on(PostgresStore::open(&self.0)).expect("successful open")
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.block_on(future)
    }
}

fitness_store::conformance_suite!(
    #[ignore = "needs PostgreSQL (Debian: postgresql)"]
    Server
);
