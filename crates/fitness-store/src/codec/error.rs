//! What can be wrong with the bytes of a record, and how a record is called.

use std::fmt;

use fitness_core::NodeId;

use super::FORMAT_VERSION;
use crate::StoreError;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There are fewer bytes than the smallest record has.
    #[error("{found} bytes are too few")]
    TooShort {
        /// How many there are.
        found: usize,
    },

    /// The checksum is another one: bytes were changed, cut off or stored under another key.
    #[error("its checksum is wrong")]
    Checksum,

    /// The record is whole, and of a later format.
    #[error("it has format {found}, and this release reads formats up to {FORMAT_VERSION}")]
    NewerFormat {
        /// Its format.
        found: u8,
    },

    /// The record is as it was written, but breaks a rule.
    #[error("{0}")]
    Invalid(&'static str),
}

impl RecordError {
    /// This error as the store's, where `record` was read from `location`.
    #[must_use]
    pub fn into_store_error(self, record: RecordKey<'_>, location: impl Into<String>) -> StoreError {
        let (what, location) = (record.to_string(), location.into());
        match self {
            Self::NewerFormat { found } => StoreError::NewerFormat {
                item: what,
                location,
                found: u32::from(found),
                supported: u32::from(FORMAT_VERSION),
            },
            error => StoreError::Corrupt { item: what, location, source: error.into() },
        }
    }
}

/// Which record; its text names it in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKey<'a> {
    /// A peer's.
    Peer(&'a NodeId),
    /// A segment of a peer's log, by its index.
    Segment(&'a NodeId, u32),
    /// An observer's.
    Observer(&'a NodeId),
    /// A gap of an observer's, by its number.
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
