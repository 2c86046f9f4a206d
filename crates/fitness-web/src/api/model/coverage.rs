//! How long we have watched, and when and why we could not tell.

use fitness_core::{Coverage as CoreCoverage, Gap as CoreGap, GapCause, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// How long we have watched, and how often we were gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Coverage {
    /// When we first observed at all.
    #[schema(value_type = u64)]
    first_started_ns: Timestamp,
    /// When the last process started to.
    #[schema(value_type = u64)]
    started_at_ns: Timestamp,
    /// How many did.
    starts: u32,
    /// Nanoseconds since we first observed.
    lifetime_ns: u64,
    /// How much of that we watched.
    watched_ns: u64,
    /// Watched time over lifetime, from 0 to 1; `null` where there was no time yet.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    coverage: Option<f64>,
    down: GapSums,
    suspended: GapSums,
    network_out: GapSums,
    paused: GapSums,
    /// The gap that has not ended.
    #[schema(required)]
    ongoing: Option<Gap>,
}

impl From<CoreCoverage> for Coverage {
    fn from(coverage: CoreCoverage) -> Self {
        let sums = |sums: fitness_core::GapSums| GapSums { count: sums.count, length_ns: sums.length_ns };
        Self {
            first_started_ns: coverage.first_started,
            started_at_ns: coverage.started_at,
            starts: coverage.starts,
            lifetime_ns: coverage.lifetime_ns,
            watched_ns: coverage.watched_ns,
            coverage: coverage.coverage,
            down: sums(coverage.down),
            suspended: sums(coverage.suspended),
            network_out: sums(coverage.network_out),
            paused: sums(coverage.paused),
            ongoing: coverage.ongoing.as_ref().map(Gap::from),
        }
    }
}

/// How many gaps there were, and how long they were together.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapSums {
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
    Down,
    /// It was suspended, stopped or starved.
    Suspended,
    /// Our own network was out.
    NetworkOut,
    /// The embedder paused the observation.
    Paused,
    /// Something that this release has no word for.
    Other,
}

impl From<GapCause> for Cause {
    fn from(cause: GapCause) -> Self {
        match cause {
            GapCause::Down => Self::Down,
            GapCause::Suspended => Self::Suspended,
            GapCause::NetworkOut => Self::NetworkOut,
            GapCause::Paused => Self::Paused,
            _ => Self::Other,
        }
    }
}
