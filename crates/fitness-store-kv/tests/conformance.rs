//! The conformance suite on LDK's `FilesystemStore`.

use std::future::Future;
use std::sync::Arc;

use fitness_store::conformance::Harness;
use fitness_store_kv::KvStore;
use lightning_persister::fs_store::FilesystemStore;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Uses `KVStoreSync`, without a runtime.
struct Files(TempDir);

impl Harness for Files {
    type Store = KvStore;

    fn build() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn open(&self) -> KvStore {
        KvStore::from_sync(Arc::new(FilesystemStore::new(self.0.path().into())), "a directory")
    }
}

/// Uses `KVStore` on tokio, where dropping a future does not stop its call.
struct AsyncFiles {
    directory: TempDir,
    runtime: Runtime,
}

impl Harness for AsyncFiles {
    type Store = KvStore;

    fn build() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        Self { directory: TempDir::new().expect("a temporary directory"), runtime }
    }

    fn open(&self) -> KvStore {
        KvStore::new(Arc::new(FilesystemStore::new(self.directory.path().into())), "a directory")
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

mod through_threads {
    use super::Files;
    fitness_store::conformance_suite!(Files);
}

mod through_tokio {
    use super::AsyncFiles;
    fitness_store::conformance_suite!(AsyncFiles);
}
