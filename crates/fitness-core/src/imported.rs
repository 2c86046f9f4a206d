//! What another program counted of a peer before we did, so that it is told apart from what we saw.

use core::fmt;

use crate::{Timestamp, Totals};

/// A program whose numbers can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ImportSource {
    /// lnd: what its `chanfitness` counted.
    Lnd,
}

impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lnd => "lnd",
        })
    }
}

/// What of a peer's numbers another program had counted, as part of the peer's record.
///
/// They are included in the numbers of the record: this says how much of those we have not seen
/// ourselves. It stays with the peer as long as its record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Who counted.
    pub source: ImportSource,
    /// Until when: what came later is ours.
    pub at_ns: u64,
    /// The peer's totals at that moment.
    pub totals: Totals,
    /// Its flap count at that moment, cooled down as of its last flap.
    pub flap_count: u32,
}

/// What of a peer's numbers another program had counted.
///
/// It is included in the numbers of the report that this is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ImportedReport {
    /// Who counted.
    pub source: ImportSource,
    /// Until when: what came later is ours.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// Nanoseconds in which it was known whether the peer was online, as that program has it.
    pub observed_ns: u64,
    /// The part of those in which it was.
    pub uptime_ns: u64,
    /// Flaps, cooled down as of the last one.
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
