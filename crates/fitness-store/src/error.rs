//! What can go wrong with a store.

use fitness_core::NodeId;

/// A source of an error, of whatever type the backend's library has.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
///
/// Each names the thing it is about and the way out. `location` is where the data is, in words fit
/// for a log: a path or the name of a database, never a secret.
///
/// Nothing was changed by the call that returned it, but for [`StoreError::Backend`], where a
/// commit may have landed, wholly, although its answer was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Bytes were read, but are not what was written.
    #[error(
        "{item} in {location} is damaged: {source}; \
         restore a backup, or move the data away to start anew"
    )]
    Corrupt {
        /// Which record, and of which peer.
        item: String,
        /// Where the data is.
        location: String,
        /// What is wrong with it.
        source: BoxError,
    },

    /// The data was written by a later release.
    #[error(
        "{item} in {location} has format {found}, and this release reads formats up to {supported}; \
         use the release that wrote it, or a later one"
    )]
    NewerFormat {
        /// Which record, or the store itself.
        item: String,
        /// Where the data is.
        location: String,
        /// The format that was found.
        found: u32,
        /// The latest format that this release knows.
        supported: u32,
    },

    /// A record to be stored breaks its own rules, and could never be read again.
    #[error("{item} cannot be stored: {reason}; this is a bug of the program that made it")]
    Invalid {
        /// Which record, and of which peer.
        item: String,
        /// The rule it breaks.
        reason: &'static str,
    },

    /// The store could not be opened.
    #[error("cannot open {location}: {reason}")]
    OpenFailed {
        /// Where the data is, or should be.
        location: String,
        /// Why not, and the way out.
        reason: String,
        /// What the system or the database said.
        source: Option<BoxError>,
    },

    /// Another process, or another handle of this one, has the store.
    #[error("{location} is in use by another process; stop that one first, or ask it")]
    Locked {
        /// Where the data is.
        location: String,
    },

    /// Another service writes for the same observer.
    #[error(
        "the history of node {observer} in {location} is being written by {holder}; \
         stop that one first, or give this one its own node id"
    )]
    Claimed {
        /// The observer that both are to write for.
        observer: NodeId,
        /// Where the data is.
        location: String,
        /// Who writes, as far as the store knows.
        holder: String,
    },

    /// The store was opened to read, and was to be written.
    #[error("{location} was opened to read alone; open it for writing")]
    ReadOnly {
        /// Where the data is.
        location: String,
    },

    /// The store did not answer, or could not write. Asking again may help.
    #[error("cannot {operation} in {location}: {source}; the data is as it was, try again")]
    Backend {
        /// What was to be done, as a verb with its object.
        operation: &'static str,
        /// Where the data is.
        location: String,
        /// What the system or the database said.
        source: BoxError,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing.
    ///
    /// True of what the system or a server refuses for the moment (a full disk, a lost
    /// connection); false of damaged, newer and invalid data and of a store that cannot be opened,
    /// where somebody has to act.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Backend { .. })
    }
}
