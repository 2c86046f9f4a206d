//! Stretches of time, and what a peer was in them.

use fitness_core::{
    Interval as CoreInterval, Outages as CoreOutages, Presence, Timestamp, WindowReport, WindowStats,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Cause;

/// Sums over a stretch of time.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sums {
    /// Where it begins: no earlier than the peer or channel was first followed.
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    /// Where it ends: no later than now.
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    length_ns: u64,
    /// For how long we knew whether the peer was online.
    observed_ns: u64,
    /// How far that may be off; 0 nearly always.
    observed_error_ns: u64,
    /// How much of it the peer was online.
    uptime_ns: u64,
    /// How far that may be off.
    uptime_error_ns: u64,
    /// Uptime over observed time, from 0 to 1; `null` where nothing was observed.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
}

impl From<WindowReport> for Sums {
    fn from(window: WindowReport) -> Self {
        Self {
            from_ns: window.from,
            to_ns: window.to,
            length_ns: window.length_ns,
            observed_ns: window.observed_ns,
            observed_error_ns: window.observed_error_ns,
            uptime_ns: window.uptime_ns,
            uptime_error_ns: window.uptime_error_ns,
            availability: window.availability,
        }
    }
}

/// All there is to say of a stretch of time.
#[derive(Serialize, ToSchema)]
pub(crate) struct Window {
    #[serde(flatten)]
    sums: Sums,
    outages: Outages,
    /// Whether the peer is connected now, and not at the window's end; `null` where we cannot tell.
    #[schema(required, value_type = Option<bool>)]
    online: Presence,
    /// Since when.
    #[schema(value_type = u64)]
    since_ns: Timestamp,
}

impl From<WindowStats> for Window {
    fn from(stats: WindowStats) -> Self {
        Self {
            sums: stats.window.into(),
            outages: stats.outages.into(),
            online: stats.online,
            since_ns: stats.since,
        }
    }
}

/// How often a peer was lost, and for how long.
#[derive(Serialize, ToSchema)]
pub(crate) struct Outages {
    /// How often it went from online to offline.
    count: u64,
    /// The window's uptime for each of those; `null` without one.
    #[schema(required)]
    mean_time_between_ns: Option<u64>,
    /// The median length of those that began and ended in the window, by its return.
    #[schema(required)]
    median_return_ns: Option<u64>,
    /// The longest of those.
    #[schema(required)]
    worst_return_ns: Option<u64>,
    /// The longest stretch offline in the window, however it began and whether or not it has ended.
    longest_ns: u64,
    /// Whether the log kept every change; where not, `count` and `longest_ns` are the least that can
    /// have been, `mean_time_between_ns` the most.
    complete: bool,
}

impl From<CoreOutages> for Outages {
    fn from(outages: CoreOutages) -> Self {
        Self {
            count: outages.count,
            mean_time_between_ns: outages.mean_time_between_ns,
            median_return_ns: outages.median_return_ns,
            worst_return_ns: outages.worst_return_ns,
            longest_ns: outages.longest_ns,
            complete: outages.complete,
        }
    }
}

/// What a peer was, as a word.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    Online,
    Offline,
    Unobserved,
}

/// A stretch of a peer's timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct Interval {
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    observed_ns: u64,
    uptime_ns: u64,
    /// What the peer was throughout; `null` where it changed within and the log did not keep when.
    #[schema(required)]
    presence: Option<Word>,
    /// The gap of ours that it is unobserved for; `null` where there was none, such as before the peer
    /// was first heard of, or while it had time to come back after a gap.
    #[schema(required)]
    cause: Option<Cause>,
}

impl From<&CoreInterval> for Interval {
    fn from(interval: &CoreInterval) -> Self {
        Self {
            from_ns: interval.from,
            to_ns: interval.to,
            observed_ns: interval.observed_ns,
            uptime_ns: interval.uptime_ns,
            presence: interval.presence.map(|presence| match presence {
                Presence::Online => Word::Online,
                Presence::Offline => Word::Offline,
                Presence::Unobserved => Word::Unobserved,
            }),
            cause: interval.cause.map(Cause::from),
        }
    }
}
