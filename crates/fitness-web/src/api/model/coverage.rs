//! Monitoring coverage and monitoring gaps.

use fitness_core::{
    Coverage as CoreCoverage, Gap as CoreGap, GapCause as CoreGapCause, GapTotals as CoreGapTotals, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Monitoring coverage, with totals of the monitoring gaps by cause.
#[derive(Serialize, ToSchema)]
pub(crate) struct Coverage {
    /// When monitoring was started for the first time.
    #[schema(value_type = u64)]
    first_started_at_ns: Timestamp,
    /// When the most recent process started to monitor.
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// How many times monitoring was started.
    starts: u32,
    /// Time since monitoring was first started.
    lifetime_ns: u64,
    /// Part of the lifetime without monitoring gaps.
    monitored_ns: u64,
    /// Monitored time divided by lifetime, from 0 to 1; `null` while the lifetime is 0.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    coverage: Option<f64>,
    not_running: GapTotals,
    suspended: GapTotals,
    network_down: GapTotals,
    paused: GapTotals,
    /// The gap that has not ended yet.
    #[schema(required)]
    ongoing_gap: Option<Gap>,
}

impl From<CoreCoverage> for Coverage {
    fn from(coverage: CoreCoverage) -> Self {
        Self {
            first_started_at_ns: coverage.first_started_at,
            started_at_ns: coverage.started_at,
            starts: coverage.starts,
            lifetime_ns: coverage.lifetime_ns,
            monitored_ns: coverage.monitored_ns,
            coverage: coverage.coverage,
            not_running: coverage.not_running.into(),
            suspended: coverage.suspended.into(),
            network_down: coverage.network_down.into(),
            paused: coverage.paused.into(),
            ongoing_gap: coverage.ongoing_gap.as_ref().map(Gap::from),
        }
    }
}

/// Number and total length of the ended gaps with one cause.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapTotals {
    count: u32,
    length_ns: u64,
}

impl From<CoreGapTotals> for GapTotals {
    fn from(totals: CoreGapTotals) -> Self {
        Self { count: totals.count, length_ns: totals.length_ns }
    }
}

/// An interval in which peers could not be observed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Gap {
    cause: GapCause,
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    /// When the gap ended; the current time for an ongoing gap.
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    /// Whether the gap has not ended yet.
    ongoing: bool,
}

impl From<&CoreGap> for Gap {
    fn from(gap: &CoreGap) -> Self {
        Self { cause: gap.cause.into(), from_ns: gap.from, to_ns: gap.to, ongoing: gap.ongoing }
    }
}

/// Why peers could not be observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapCause {
    /// The monitoring process was not running.
    NotRunning,
    /// The system was suspended, or the process was stalled.
    Suspended,
    /// The node's own network was down.
    NetworkDown,
    /// The wallet paused monitoring.
    Paused,
    /// A cause that this version does not know.
    Other,
}

impl From<CoreGapCause> for GapCause {
    fn from(cause: CoreGapCause) -> Self {
        match cause {
            CoreGapCause::NotRunning => Self::NotRunning,
            CoreGapCause::Suspended => Self::Suspended,
            CoreGapCause::NetworkDown => Self::NetworkDown,
            CoreGapCause::Paused => Self::Paused,
            _ => Self::Other,
        }
    }
}
