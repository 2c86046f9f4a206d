//! The kinds of stores that are measured. Another one is a file beside this and a line in [`all`].

use std::path::Path;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_store::Store;

use crate::sample::Rows;

/// All that can be measured here. One whose server is not installed says so and is left out.
pub(crate) fn all() -> Vec<Box<dyn Kind>> {
    let mut all: Vec<Box<dyn Kind>> = vec![
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

pub(crate) trait Kind {
    /// What it is called in the results; `xtask` has its title.
    fn name(&self) -> &'static str;

    /// An empty one, which is gone with what is returned.
    fn fresh(&self) -> Box<dyn Place>;

    /// The same bytes in the database underneath, without us, where there is a bound on the ratio.
    fn bare(&self) -> Option<Box<dyn BarePlace>> {
        None
    }
}

/// Where a store is, between two openings too.
pub(crate) trait Place {
    /// Opens it, as a process that starts does. One at a time.
    fn open(&self) -> Arc<dyn Store>;

    /// What it takes of the disk while nobody has it open; `None` where it takes nothing.
    fn bytes(&self) -> Option<u64>;

    /// Has done what a server would do later, when it likes, so that it is not in the next figure.
    fn settle(&self) {}
}

/// Where a database without us is.
pub(crate) trait BarePlace {
    fn open(&self) -> Box<dyn Bare>;

    /// As that of [`Place`].
    fn settle(&self) {}
}

/// What whoever has no use for our records would do with their bytes.
pub(crate) trait Bare {
    /// Stores all of it durably, in one transaction. Some of it may be there.
    fn commit(&self, rows: &Rows);

    /// The same where nothing is there.
    fn first(&self, rows: &Rows) {
        self.commit(rows);
    }

    /// Reads the observer and all peers, and returns how many of these there are.
    fn load(&self) -> usize;

    /// Reads the observer, a peer and its log.
    fn one(&self, peer: &NodeId) -> Rows;
}

/// The bytes of all files in a directory and those below it.
pub(crate) fn bytes_in(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("an entry"));
    let sizes = entries.map(|entry| {
        let meta = entry.metadata().expect("it stays while we look");
        if meta.is_dir() { bytes_in(&entry.path()) } else { meta.len() }
    });
    sizes.sum()
}
