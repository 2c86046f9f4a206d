//! Moving histories from one store to another, whatever the two are.
//!
//! [`copy`] takes each observer's peers, logs, gaps and record across, and reads all of it back. It needs no
//! runtime, and neither store has to be empty.
//!
//! # What is there when
//!
//! An observer's record is written last, after everything else was read back and found equal. So a target in
//! which an observer is listed by [`Store::observers`](crate::Store::observers) has all of its history, and one in which it is not may
//! have a part of it: that is what is left of a copy that was cut short, by whatever it was. The same copy
//! begun again goes on with it. What is equal stays, what differs is written again, and what is too much is
//! deleted.
//!
//! A history that is listed is not touched, unless [`CopyOptions::overwrite`] says so; it is then made equal in
//! the same way. While that lasts it is listed, and neither the old one nor the new one.
//!
//! ```
//! use fitness_store::Store;
//! use fitness_store::copy::{CopyError, CopyOptions, copy};
//!
//! async fn move_house(old: &dyn Store, new: &dyn Store) -> Result<(), CopyError> {
//!     for history in copy(old, new, &CopyOptions::default(), |_progress| {}).await? {
//!         println!("{}: {} peers", history.observer, history.peers);
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

/// What to copy, and how. By default it is everything, and nothing is overwritten.
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
    /// How many rows a commit has at most, where nothing else was asked for: some megabytes.
    pub const DEFAULT_MAX_BATCH_RECORDS: usize = 4_096;

    /// Copies the histories of these observers alone. By default all are copied that the source lists.
    pub fn observers(mut self, observers: impl IntoIterator<Item = NodeId>) -> Self {
        self.observers = Some(observers.into_iter().collect());
        self
    }

    /// Whether a history that the target has already is made equal to the source's. What differs from it, or
    /// is not in it, is lost then.
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// How many rows a commit has at most; 0 counts as 1. A row is a peer, a segment of a log or a gap.
    ///
    /// Fewer make less memory and more commits, and less to be done again where one is lost.
    pub fn max_batch_records(mut self, rows: usize) -> Self {
        self.max_batch_records = rows.max(1);
        self
    }
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// Whose history.
    pub observer: NodeId,
    /// What is being done with it.
    pub phase: CopyPhase,
    /// How many of the source's peers this phase is done with. In [`Phase::Copying`] they may be part of a batch
    /// that is not stored yet.
    pub peers_done: u64,
    /// How many there are; `None` while they are being counted.
    pub peers_total: Option<u64>,
}

/// What is done with a history, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyPhase {
    /// The source's peers are counted.
    Counting,
    /// What the target does not have is written.
    Copying,
    /// All of it is read back.
    Verifying,
}

/// What was copied of one observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopySummary {
    /// The observer.
    pub observer: NodeId,
    /// Peers that it has.
    pub peers: u64,
    /// Segments of their logs.
    pub segments: u64,
    /// Gaps of its observation.
    pub gaps: u64,
    /// How many rows were written: peers, segments, gaps and the observer's record.
    pub records_written: u64,
    /// How many of those that it has were there already.
    pub records_unchanged: u64,
    /// How many peers and gaps were deleted from the target, because the source has none of their name.
    pub records_deleted: u64,
    /// Bytes of what was written, as the [codec](crate::codec) encodes it. What a store adds to it is not counted.
    pub bytes_written: u64,
}

impl CopySummary {
    const fn none(observer: NodeId) -> Self {
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
