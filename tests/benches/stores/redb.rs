//! One redb file.

use std::sync::Arc;

use fitness_store::Store;
use fitness_store_redb::RedbStore;
use tempfile::TempDir;

use crate::bare_redb::BareFile;
use crate::kind::{BarePlace, Kind, Place, bytes_in};

pub(crate) struct Redb;

impl Kind for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn fresh(&self) -> Box<dyn Place> {
        Box::new(File(tempfile::tempdir().expect("a directory")))
    }

    fn bare(&self) -> Option<Box<dyn BarePlace>> {
        Some(Box::new(BareFile::new()))
    }
}

struct File(TempDir);

impl Place for File {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedbStore::open(self.0.path().join("fitness.redb")).expect("nobody has it open"))
    }

    fn bytes(&self) -> Option<u64> {
        Some(bytes_in(self.0.path()))
    }
}
