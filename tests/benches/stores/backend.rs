//! The stores that are measured. To add one, add a file beside this one and a line in [`all`].

use std::path::Path;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::Store;

use crate::sample::Rows;

/// Returns all stores that can be measured on this machine. PostgreSQL is left out, with a message, if it is
/// not installed.
pub(crate) fn all() -> Vec<Box<dyn Backend>> {
    let mut all: Vec<Box<dyn Backend>> = vec![
        Box::new(crate::memory::Memory),
        Box::new(crate::redb::Redb),
        Box::new(crate::kv::Files),
        Box::new(crate::kv::Sqlite),
    ];
    if let Some(postgres) = crate::postgres::Postgres::start() {
        all.push(Box::new(postgres));
    }
    all
}

pub(crate) trait Backend {
    /// The name in the results. `xtask` maps it to a title.
    fn name(&self) -> &'static str;

    /// Creates an empty store, which is deleted when the returned value is dropped.
    fn create(&self) -> Box<dyn Location>;

    /// Creates the same tables in the database alone, for stores whose ratio has a bound.
    fn raw(&self) -> Option<Box<dyn RawLocation>> {
        None
    }
}

/// Where a store is kept, also while it is not open.
pub(crate) trait Location {
    /// Opens the store, as a starting process does. One at a time.
    fn open(&self) -> Arc<dyn Store>;

    /// The size on disk while the store is not open; `None` for a store in memory.
    fn bytes(&self) -> Option<u64>;

    /// Makes a server write now what it would write later, so that the next figure does not include it.
    fn checkpoint(&self) {}
}

/// Where a database alone is kept.
pub(crate) trait RawLocation {
    fn open(&self) -> Box<dyn RawDatabase>;

    /// As [`Location::checkpoint`].
    fn checkpoint(&self) {}
}

/// A database that stores the bytes of our records without decoding them.
pub(crate) trait RawDatabase {
    /// Stores all rows durably in one transaction. Some may exist already.
    fn commit(&self, rows: &Rows);

    /// The same in empty tables.
    fn initial_commit(&self, rows: &Rows) {
        self.commit(rows);
    }

    /// Reads the observer and all peers; returns the number of peers.
    fn load(&self) -> usize;

    /// Reads the observer, a peer and its log.
    fn read_peer(&self, peer: &NodeId) -> Rows;
}

/// Returns the size of all files in a directory and its subdirectories.
pub(crate) fn bytes_in(directory: &Path) -> u64 {
    let entries =
        std::fs::read_dir(directory).expect("an existing directory").map(|entry| entry.expect("an entry"));
    let sizes = entries.map(|entry| {
        let meta = entry.metadata().expect("the file is not deleted meanwhile");
        if meta.is_dir() { bytes_in(&entry.path()) } else { meta.len() }
    });
    sizes.sum()
}
