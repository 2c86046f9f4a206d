//! The conformance suite on the redb store.

use fitness_store::conformance::Harness;
use fitness_store_redb::RedbStore;
use tempfile::TempDir;

struct Redb(TempDir);

impl Harness for Redb {
    type Store = RedbStore;

    fn build() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn open(&self) -> RedbStore {
        RedbStore::open(self.0.path().join("fitness.redb")).expect("the file opens")
    }
}

fitness_store::conformance_suite!(Redb);
