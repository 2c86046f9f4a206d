//! The errors of decoding a record, and the key that identifies a record.

use std::fmt;

use fitness_core::NodeId;

use super::FORMAT_VERSION;
use crate::StoreError;

/// The error of decoding a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The value is shorter than the smallest record.
    #[error("value too short: {found} bytes")]
    TooShort {
        /// The length of the value in bytes.
        found: usize,
    },

    /// The checksum does not match: bytes were changed, truncated or stored under another key.
    #[error("checksum mismatch")]
    Checksum,

    /// The record is intact, but has a later format.
    #[error("unsupported format {found}: this release reads formats up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The format of the record.
        found: u8,
    },

    /// The checksum matches, but the record violates a rule of the format or the model.
    #[error("{0}")]
    Invalid(&'static str),
}

impl RecordError {
    /// Converts this error into a store error for `record`, which was read from `location`.
    #[must_use]
    pub fn into_store_error(self, record: RecordKey<'_>, location: impl Into<String>) -> StoreError {
        let (item, location) = (record.to_string(), location.into());
        match self {
            Self::NewerFormat { found } => StoreError::NewerFormat {
                item,
                location,
                found: u32::from(found),
                supported: u32::from(FORMAT_VERSION),
            },
            error => StoreError::Corrupt { item, location, source: error.into() },
        }
    }
}

/// The kind and key of a record. Its `Display` text names the record in error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKey<'a> {
    /// The record of a peer.
    Peer(&'a NodeId),
    /// A segment of a peer's log, with its index.
    Segment(&'a NodeId, u32),
    /// The record of an observer.
    Observer(&'a NodeId),
    /// A monitoring gap of the observer, with its number.
    Gap(u32),
}

impl fmt::Display for RecordKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(node_id) => write!(f, "the record of peer {node_id}"),
            Self::Segment(node_id, index) => write!(f, "log segment {index} of peer {node_id}"),
            Self::Observer(node_id) => write!(f, "the record of observer {node_id}"),
            Self::Gap(number) => write!(f, "gap {number} of the observer"),
        }
    }
}
