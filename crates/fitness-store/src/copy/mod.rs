//! Copying histories from one store to another, which may be of different kinds.
//!
//! [`copy`] copies each observer's peers, logs, gaps and record, then reads everything back and compares
//! it. It works with any async runtime or none, and neither store has to be empty.
//!
//! # Interrupted copies
//!
//! The observer's record is written last, after all other records were read back and compared. If
//! [`Store::observers`](crate::Store::observers) of the target lists an observer, its history is complete.
//! If not, the target may contain part of a history from an interrupted copy. Running the same copy again
//! resumes it: equal records stay, different records are written again, and surplus records are deleted.
//!
//! A listed history is not changed unless [`CopyOptions::overwrite`] is set; it is then made equal to the
//! source in the same way. During an overwrite the observer stays listed, while its history is a mixture of
//! the old one and the new one.
//!
//! ```
//! use fitness_store::Store;
//! use fitness_store::copy::{CopyError, CopyOptions, copy};
//!
//! async fn migrate(old: &dyn Store, new: &dyn Store) -> Result<(), CopyError> {
//!     for summary in copy(old, new, &CopyOptions::default(), |_progress| {}).await? {
//!         println!("{}: {} peers", summary.observer, summary.peers);
//!     }
//!     Ok(())
//! }
//! ```

mod error;
mod run;
mod walk;
mod writer;

pub use error::CopyError;
pub use run::copy;

use fitness_core::NodeId;

/// The observers to copy, and how to copy them. By default all are copied, and nothing is overwritten.
#[derive(Clone, Debug)]
#[must_use]
pub struct CopyOptions {
    observers: Option<Vec<NodeId>>,
    overwrite: bool,
    max_batch_records: usize,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { observers: None, overwrite: false, max_batch_records: Self::DEFAULT_MAX_BATCH_RECORDS }
    }
}

impl CopyOptions {
    /// The default maximum number of records in a commit, which amounts to a few megabytes.
    pub const DEFAULT_MAX_BATCH_RECORDS: usize = 4_096;

    /// Copies only the histories of these observers. By default every observer that the source lists is
    /// copied.
    pub fn observers(mut self, observers: impl IntoIterator<Item = NodeId>) -> Self {
        self.observers = Some(observers.into_iter().collect());
        self
    }

    /// Sets whether a history that the target already has is made equal to the source's. Records of the
    /// target that differ from the source, or that the source does not have, are then lost.
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Sets the maximum number of records in a commit; 0 counts as 1. A record is a peer, a log segment or
    /// a gap.
    ///
    /// Smaller batches need less memory but more commits, and less work is repeated after a failed commit.
    pub fn max_batch_records(mut self, max: usize) -> Self {
        self.max_batch_records = max.max(1);
        self
    }
}

/// The progress of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The observer whose history is being copied.
    pub observer: NodeId,
    /// The current phase for this observer.
    pub phase: CopyPhase,
    /// The number of the source's peers that this phase has processed. In [`CopyPhase::Copying`] some of
    /// them may belong to a batch that is not stored yet.
    pub peers_done: u64,
    /// The total number of peers; `None` while they are being counted.
    pub peers_total: Option<u64>,
}

/// The phases of copying one history, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyPhase {
    /// Counts the source's peers.
    Counting,
    /// Writes the records that the target does not have.
    Copying,
    /// Reads all records back and compares them.
    Verifying,
}

/// The result of copying one observer's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopySummary {
    /// The observer.
    pub observer: NodeId,
    /// The number of peers in the history.
    pub peers: u64,
    /// The number of log segments in the history.
    pub segments: u64,
    /// The number of monitoring gaps in the history.
    pub gaps: u64,
    /// The number of records written: peers, segments, gaps and the observer's record.
    pub records_written: u64,
    /// The number of records of the history that the target already had.
    pub records_unchanged: u64,
    /// The number of peers and gaps deleted from the target because the source does not have them.
    pub records_deleted: u64,
    /// The size in bytes of the written records, as encoded by the [codec](crate::codec). It excludes any
    /// overhead that the store adds.
    pub bytes_written: u64,
}

impl CopySummary {
    const fn empty(observer: NodeId) -> Self {
        Self {
            observer,
            peers: 0,
            segments: 0,
            gaps: 0,
            records_written: 0,
            records_unchanged: 0,
            records_deleted: 0,
            bytes_written: 0,
        }
    }
}
