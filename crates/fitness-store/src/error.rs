//! The error type of a store.

use fitness_core::NodeId;

/// The error that a backend's database or operating system returned.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The error of a store operation.
///
/// Each message names the affected data and what to do. `location` identifies the store in a form
/// that can be logged: a path or a database name, never a secret.
///
/// An operation that returned an error changed nothing, with one exception: a commit that returned
/// [`StoreError::Backend`] may have been stored completely before its reply was lost.
///
/// The fields named `source` are part of the message. [`Error::source`](std::error::Error::source)
/// returns `None`, so that code which prints the whole chain does not print them twice.
// A field written `r#source` is not a source to thiserror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Stored bytes cannot be decoded, or fail their checksum.
    #[error(
        "{item} in {location} is damaged: {source}; \
         restore a backup, or move the data away to start with an empty store"
    )]
    Corrupt {
        /// The damaged record, including its peer or observer.
        item: String,
        /// The store's location.
        location: String,
        /// What is wrong with the bytes.
        r#source: BoxError,
    },

    /// The data was written by a later release.
    #[error(
        "{item} in {location} has format {found}, but this release reads formats up to {supported}; \
         use the release that wrote it, or a later one"
    )]
    NewerFormat {
        /// The record, or the store as a whole.
        item: String,
        /// The store's location.
        location: String,
        /// The format of the data.
        found: u32,
        /// The latest format that this release reads.
        supported: u32,
    },

    /// A record or log replacement violates a rule of the model, so it could never be read back.
    #[error("cannot store {item}: {reason}; this is a bug in the program that created it")]
    Invalid {
        /// The invalid record, including its peer or observer.
        item: String,
        /// The rule that it violates.
        reason: &'static str,
    },

    /// The store could not be opened.
    #[error("cannot open {location}: {reason}")]
    OpenFailed {
        /// The store's location.
        location: String,
        /// The cause, and what to do about it.
        reason: String,
        /// The error of the operating system or the database. `reason` already describes it.
        r#source: Option<BoxError>,
    },

    /// Another process, or another handle in this process, has opened the store.
    #[error("{location} is in use by another process; stop that process or query its HTTP API")]
    Locked {
        /// The store's location.
        location: String,
    },

    /// Another service writes the history of the same observer.
    #[error(
        "the history of node {observer} in {location} is being written by {holder}; \
         stop that service first, or use a different node id"
    )]
    Claimed {
        /// The observer that both services want to write for.
        observer: NodeId,
        /// The store's location.
        location: String,
        /// The service that holds the claim, as far as the store knows.
        holder: String,
    },

    /// A write was attempted on a store that was opened read-only.
    #[error("{location} is open read-only; open it for writing")]
    ReadOnly {
        /// The store's location.
        location: String,
    },

    /// The database or the operating system failed. A retry may succeed.
    #[error("cannot {operation} in {location}: {source}; this may be temporary, try again later")]
    Backend {
        /// The failed operation: a verb and its object, such as "commit a batch".
        operation: &'static str,
        /// The store's location.
        location: String,
        /// The error of the operating system or the database.
        r#source: BoxError,
    },
}

impl StoreError {
    /// Returns whether the same call may succeed later without intervention.
    ///
    /// True for temporary failures of the operating system or a server, such as a full disk or a
    /// lost connection. False for damaged, invalid or newer data and for a store that cannot be
    /// opened or written: these need someone to act.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Backend { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn cause_is_printed_and_not_chained() {
        let location = || "fitness.redb".to_owned();
        let errors = [
            StoreError::Corrupt { item: "gap 7".to_owned(), location: location(), source: "cause".into() },
            StoreError::Backend { operation: "commit a batch", location: location(), source: "cause".into() },
        ];
        for error in errors {
            assert!(error.to_string().contains("cause"), "{error}");
            assert!(error.source().is_none());
        }
    }
}
