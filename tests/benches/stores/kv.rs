//! What LDK wallets keep their channels in: files, and ldk-node's SQLite.

use std::sync::Arc;

use fitness_store::Store;
use fitness_store_kv::KvStore;
use ldk_node::io::sqlite_store::SqliteStore;
use lightning::util::persist::KVStore;
use lightning_persister::fs_store::FilesystemStore;
use tempfile::TempDir;

use crate::kind::{Kind, Place, bytes_in};

pub(crate) struct Files;

impl Kind for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn fresh(&self) -> Box<dyn Place> {
        Box::new(OnKeys { directory: tempfile::tempdir().expect("a directory"), open: files })
    }
}

pub(crate) struct Sqlite;

impl Kind for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn fresh(&self) -> Box<dyn Place> {
        Box::new(OnKeys { directory: tempfile::tempdir().expect("a directory"), open: sqlite })
    }
}

pub(crate) fn files(directory: &TempDir) -> FilesystemStore {
    FilesystemStore::new(directory.path().into())
}

pub(crate) fn sqlite(directory: &TempDir) -> SqliteStore {
    SqliteStore::new(directory.path().into(), None, None).expect("it opens")
}

/// A directory that a `KVStore` has to itself.
struct OnKeys<K> {
    directory: TempDir,
    open: fn(&TempDir) -> K,
}

impl<K: KVStore + Send + Sync + 'static> Place for OnKeys<K> {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(KvStore::new(Arc::new((self.open)(&self.directory)), "a directory"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(bytes_in(self.directory.path()))
    }
}
