//! Values imported from another program, kept apart from the observer's own measurements.

use core::fmt;

use crate::{Timestamp, Totals};

/// A program whose values can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ImportSource {
    /// lnd, which measures peers in its `chanfitness` package.
    Lnd,
}

impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lnd => "lnd",
        })
    }
}

/// The values that were imported for a peer, as stored in its record.
///
/// The totals and the flap count of the record include them. They are kept until the peer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The program that measured the values.
    pub source: ImportSource,
    /// The end of the imported measurements, in tracker time. Everything after this time was measured by the
    /// observer.
    pub at_ns: u64,
    /// The imported totals.
    pub totals: Totals,
    /// The imported flap count, as of the last imported flap.
    pub flap_count: u32,
}

/// The values that were imported for a peer.
///
/// The totals and the flap count of the enclosing report include them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ImportedReport {
    /// The program that measured the values.
    pub source: ImportSource,
    /// The end of the imported measurements. Everything after this time was measured by the observer.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The imported observed time, in nanoseconds.
    pub observed_ns: u64,
    /// The imported uptime, in nanoseconds.
    pub uptime_ns: u64,
    /// The imported flap count, as of the last imported flap.
    pub flap_count: u32,
}

impl Imported {
    pub(crate) const fn report(self, at: Timestamp) -> ImportedReport {
        let Self { source, at_ns: _, totals, flap_count } = self;
        ImportedReport {
            source,
            at,
            observed_ns: totals.observed_ns,
            uptime_ns: totals.online_ns,
            flap_count,
        }
    }
}
