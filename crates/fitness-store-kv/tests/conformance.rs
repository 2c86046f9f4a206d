//! The store keeps the promises of the port, on LDK's own files.

use std::sync::Arc;

use fitness_store::conformance::Harness;
use fitness_store_kv::KvStore;
use lightning_persister::fs_store::FilesystemStore;
use tempfile::TempDir;

struct Files(TempDir);

impl Harness for Files {
    type Store = KvStore;

    fn build() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn open(&self) -> KvStore {
        KvStore::blocking(Arc::new(FilesystemStore::new(self.0.path().into())), "a directory")
    }
}

fitness_store::conformance_suite!(Files);
