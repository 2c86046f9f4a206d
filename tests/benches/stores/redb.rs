//! One redb file.

use std::sync::Arc;

use fitness_store::Store;
use fitness_store_redb::RedbStore;
use tempfile::TempDir;

use crate::backend::{Backend, Location, RawLocation, bytes_in};
use crate::raw_redb::RawFile;

pub(crate) struct Redb;

impl Backend for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn create(&self) -> Box<dyn Location> {
        Box::new(File(tempfile::tempdir().expect("a temporary directory")))
    }

    fn raw(&self) -> Option<Box<dyn RawLocation>> {
        Some(Box::new(RawFile::new()))
    }
}

struct File(TempDir);

impl Location for File {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedbStore::open(self.0.path().join("fitness.redb")).expect("no other process has it open"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(bytes_in(self.0.path()))
    }
}
