//! Stores in which LDK wallets keep their channels: files, and ldk-node's SQLite.

use std::sync::Arc;

use fitness_store::Store;
use fitness_store_kv::KvStore;
use ldk_node::io::sqlite_store::SqliteStore;
use lightning::util::persist::KVStore;
use lightning_persister::fs_store::FilesystemStore;
use tempfile::TempDir;

use crate::backend::{Backend, Location, bytes_in};

pub(crate) struct Files;

impl Backend for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn create(&self) -> Box<dyn Location> {
        Box::new(KvDirectory { directory: tempfile::tempdir().expect("a temporary directory"), open: files })
    }
}

pub(crate) struct Sqlite;

impl Backend for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn create(&self) -> Box<dyn Location> {
        Box::new(KvDirectory { directory: tempfile::tempdir().expect("a temporary directory"), open: sqlite })
    }
}

pub(crate) fn files(directory: &TempDir) -> FilesystemStore {
    FilesystemStore::new(directory.path().into())
}

pub(crate) fn sqlite(directory: &TempDir) -> SqliteStore {
    SqliteStore::new(directory.path().into(), None, None).expect("a successful open")
}

/// A directory with nothing but one `KVStore`.
struct KvDirectory<K> {
    directory: TempDir,
    open: fn(&TempDir) -> K,
}

impl<K: KVStore + Send + Sync + 'static> Location for KvDirectory<K> {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(KvStore::new(Arc::new((self.open)(&self.directory)), "a temporary directory"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(bytes_in(self.directory.path()))
    }
}
