//! The conformance suite on ldk-node's `SqliteStore`.

use std::future::Future;

use fitness_store::conformance::Harness;
use fitness_store_kv::KvStore;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::support::open_sqlite;

/// Uses `KVStoreSync`, without a runtime.
struct Sqlite(TempDir);

impl Harness for Sqlite {
    type Store = KvStore;

    fn build() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> KvStore {
        KvStore::from_sync(open_sqlite(self.0.path()), "a SQLite file")
    }
}

/// Uses `KVStore`, which needs tokio, as a wallet with a runtime does.
struct AsyncSqlite {
    dir: TempDir,
    runtime: Runtime,
}

impl Harness for AsyncSqlite {
    type Store = KvStore;

    fn build() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        Self { dir: tempfile::tempdir().unwrap(), runtime }
    }

    fn open(&self) -> KvStore {
        KvStore::new(open_sqlite(self.dir.path()), "a SQLite file")
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

mod sync_kv_store {
    use super::Sqlite;
    fitness_store::conformance_suite!(Sqlite);
}

mod async_kv_store {
    use super::AsyncSqlite;
    fitness_store::conformance_suite!(AsyncSqlite);
}
