//! When and why *we* could not tell: the tracker's account of its own observation.

use crate::Timestamp;

/// Why we could not tell who was online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum GapCause {
    /// No process of ours was running.
    NotRunning,
    /// Our process was suspended, stopped or starved, or its clock was set ahead.
    Suspended,
    /// Our own network was out.
    NetworkDown,
    /// The embedder paused the observation.
    Paused,
}

impl GapCause {
    /// All causes, in the order in which [`ObserverRecord::gap_totals`](crate::ObserverRecord::gap_totals) has them.
    pub const ALL: [Self; 4] = [Self::NotRunning, Self::Suspended, Self::NetworkDown, Self::Paused];
}

impl core::fmt::Display for GapCause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotRunning => "down",
            Self::Suspended => "suspended",
            Self::NetworkDown => "network out",
            Self::Paused => "paused",
        })
    }
}

/// How many gaps there were, and how long they were together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GapTotals {
    /// How many.
    pub count: u32,
    /// Their length, in nanoseconds.
    pub length_ns: u64,
}

impl GapTotals {
    pub(crate) fn add(&mut self, length_ns: u64) {
        self.count = self.count.saturating_add(1);
        self.length_ns = self.length_ns.saturating_add(length_ns);
    }
}

/// A stretch of time in which we could not tell who was online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub cause: GapCause,
    /// When it began.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// When it ended: the moment of the question for one that has not.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// Whether it has not ended yet.
    pub ongoing: bool,
}

impl Gap {
    /// Its length, in nanoseconds.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        self.to.nanos_since(self.from)
    }
}

/// How long we have watched, and how often we were gone.
///
/// `lifetime_ns = monitored_ns + the lengths of all gaps`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Coverage {
    /// When we first observed at all.
    #[cfg_attr(feature = "serde", serde(rename = "first_started_at_ns"))]
    pub first_started_at: Timestamp,
    /// When this process, or the last one, started to observe.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// How many processes have observed.
    pub starts: u32,
    /// Nanoseconds since we first observed.
    pub lifetime_ns: u64,
    /// The part of those in which we watched.
    pub monitored_ns: u64,
    /// Watched time over lifetime, from 0 to 1; `None` where there was no time yet.
    pub coverage: Option<f64>,
    /// Gaps in which no process of ours was running.
    pub not_running: GapTotals,
    /// Gaps in which it was suspended, stopped or starved.
    pub suspended: GapTotals,
    /// Gaps in which our own network was out.
    pub network_down: GapTotals,
    /// Gaps that the embedder asked for.
    pub paused: GapTotals,
    /// The gap that lasts at present.
    pub ongoing_gap: Option<Gap>,
}
