//! Monitoring gaps, and the observer's monitoring coverage.

use crate::Timestamp;

/// The cause of a monitoring gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum GapCause {
    /// No process was running.
    NotRunning,
    /// The process or the system was suspended, the process stalled, or the wall clock was set forward.
    Suspended,
    /// The observer's own network was down.
    NetworkDown,
    /// The embedder paused observation ([`Event::ObservationPaused`](crate::Event::ObservationPaused)).
    Paused,
}

impl GapCause {
    /// All causes, in the order of [`ObserverRecord::gap_totals`](crate::ObserverRecord::gap_totals).
    pub const ALL: [Self; 4] = [Self::NotRunning, Self::Suspended, Self::NetworkDown, Self::Paused];
}

impl core::fmt::Display for GapCause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotRunning => "not running",
            Self::Suspended => "suspended",
            Self::NetworkDown => "network down",
            Self::Paused => "paused",
        })
    }
}

/// The number and total length of monitoring gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GapTotals {
    /// The number of gaps.
    pub count: u32,
    /// The total length in nanoseconds.
    pub length_ns: u64,
}

impl GapTotals {
    pub(crate) fn add(&mut self, length_ns: u64) {
        self.count = self.count.saturating_add(1);
        self.length_ns = self.length_ns.saturating_add(length_ns);
    }
}

/// A monitoring gap: an interval during which the observer could not monitor its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Gap {
    /// The cause.
    pub cause: GapCause,
    /// The time at which the gap began.
    #[cfg_attr(feature = "serde", serde(rename = "from_ns"))]
    pub from: Timestamp,
    /// The time at which the gap ended, or the time of the query if the gap is ongoing.
    #[cfg_attr(feature = "serde", serde(rename = "to_ns"))]
    pub to: Timestamp,
    /// Whether the gap has not ended yet.
    pub ongoing: bool,
}

impl Gap {
    /// Returns the length of the gap in nanoseconds.
    #[must_use]
    pub const fn length_ns(&self) -> u64 {
        self.to.nanos_since(self.from)
    }
}

/// The monitoring coverage of an observer: how long it has been monitoring, and for how long monitoring was
/// interrupted.
///
/// `lifetime_ns` is the sum of `monitored_ns` and the lengths of all gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Coverage {
    /// The time at which the observer's first process started.
    #[cfg_attr(feature = "serde", serde(rename = "first_started_at_ns"))]
    pub first_started_at: Timestamp,
    /// The time at which the current process started. Before the first event of the current process, the time
    /// at which the previous process started.
    #[cfg_attr(feature = "serde", serde(rename = "started_at_ns"))]
    pub started_at: Timestamp,
    /// The number of times that monitoring has started. The current process counts from its first event on.
    pub starts: u32,
    /// The time since `first_started_at`, in nanoseconds.
    pub lifetime_ns: u64,
    /// The part of the lifetime outside of all gaps, in nanoseconds.
    pub monitored_ns: u64,
    /// `monitored_ns` divided by `lifetime_ns`, from 0 to 1; `None` while the lifetime is 0.
    pub coverage: Option<f64>,
    /// Ended gaps with the cause [`GapCause::NotRunning`].
    pub not_running: GapTotals,
    /// Ended gaps with the cause [`GapCause::Suspended`].
    pub suspended: GapTotals,
    /// Ended gaps with the cause [`GapCause::NetworkDown`].
    pub network_down: GapTotals,
    /// Ended gaps with the cause [`GapCause::Paused`].
    pub paused: GapTotals,
    /// The ongoing gap, if there is one. It is not included in the totals above.
    pub ongoing_gap: Option<Gap>,
}
