//! How long we have watched, and when and why we could not tell.

use fitness_core::{Coverage as CoreCoverage, Gap as CoreGap, GapCause, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// How long we have watched, and how often we were gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Coverage {
    /// When we first observed at all.
    #[schema(value_type = u64)]
    first_started_at_ns: Timestamp,
    /// When the last process started to.
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// How many did.
    starts: u32,
    /// Nanoseconds since we first observed.
    lifetime_ns: u64,
    /// How much of that we watched.
    monitored_ns: u64,
    /// Watched time over lifetime, from 0 to 1; `null` where there was no time yet.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    coverage: Option<f64>,
    not_running: GapTotals,
    suspended: GapTotals,
    network_down: GapTotals,
    paused: GapTotals,
    /// The gap that has not ended.
    #[schema(required)]
    ongoing_gap: Option<Gap>,
}

impl From<CoreCoverage> for Coverage {
    fn from(coverage: CoreCoverage) -> Self {
        let sums = |sums: fitness_core::GapTotals| GapTotals { count: sums.count, length_ns: sums.length_ns };
        Self {
            first_started_at_ns: coverage.first_started_at,
            started_at_ns: coverage.started_at,
            starts: coverage.starts,
            lifetime_ns: coverage.lifetime_ns,
            monitored_ns: coverage.monitored_ns,
            coverage: coverage.coverage,
            not_running: sums(coverage.not_running),
            suspended: sums(coverage.suspended),
            network_down: sums(coverage.network_down),
            paused: sums(coverage.paused),
            ongoing_gap: coverage.ongoing_gap.as_ref().map(Gap::from),
        }
    }
}

/// How many gaps there were, and how long they were together.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapTotals {
    count: u32,
    length_ns: u64,
}

/// A stretch of time in which we could not tell who was online.
#[derive(Serialize, ToSchema)]
pub(crate) struct Gap {
    cause: Cause,
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    /// When it ended; the moment of the question for one that lasts.
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    /// Whether it lasts.
    ongoing: bool,
}

impl From<&CoreGap> for Gap {
    fn from(gap: &CoreGap) -> Self {
        Self { cause: gap.cause.into(), from_ns: gap.from, to_ns: gap.to, ongoing: gap.ongoing }
    }
}

/// Why we could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// No process of ours was running.
    NotRunning,
    /// It was suspended, stopped or starved.
    Suspended,
    /// Our own network was out.
    NetworkDown,
    /// The embedder paused the observation.
    Paused,
    /// Something that this release has no word for.
    Other,
}

impl From<GapCause> for Cause {
    fn from(cause: GapCause) -> Self {
        match cause {
            GapCause::NotRunning => Self::NotRunning,
            GapCause::Suspended => Self::Suspended,
            GapCause::NetworkDown => Self::NetworkDown,
            GapCause::Paused => Self::Paused,
            _ => Self::Other,
        }
    }
}
