//! Stretches of time, and what a peer was in them.

use fitness_core::{
    OutageStats as CoreOutages, Presence as CorePresence, PresenceInterval as CoreInterval, Timestamp,
    WindowReport, WindowStats,
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
    /// The peer's presence now, not at the end of the window.
    presence: Presence,
    /// Since when.
    #[schema(value_type = u64)]
    presence_since_ns: Timestamp,
}

impl From<WindowStats> for Window {
    fn from(stats: WindowStats) -> Self {
        Self {
            sums: stats.window.into(),
            outages: stats.outages.into(),
            presence: stats.presence.into(),
            presence_since_ns: stats.presence_since,
        }
    }
}

/// How often a peer was lost, and for how long.
#[derive(Serialize, ToSchema)]
pub(crate) struct Outages {
    /// How often it went from online to offline.
    disconnects: u64,
    /// The window's uptime for each of those; `null` without one.
    #[schema(required)]
    mean_time_between_disconnects_ns: Option<u64>,
    /// The median length of those that began and ended in the window, by its return.
    #[schema(required)]
    median_recovery_ns: Option<u64>,
    /// The longest of those.
    #[schema(required)]
    longest_recovery_ns: Option<u64>,
    /// The longest stretch offline in the window, however it began and whether or not it has ended.
    longest_outage_ns: u64,
    /// Whether the log kept every change; where not, `count` and `longest_ns` are the least that can
    /// have been, `mean_time_between_disconnects_ns` the most.
    complete: bool,
}

impl From<CoreOutages> for Outages {
    fn from(outages: CoreOutages) -> Self {
        Self {
            disconnects: outages.disconnects,
            mean_time_between_disconnects_ns: outages.mean_time_between_disconnects_ns,
            median_recovery_ns: outages.median_recovery_ns,
            longest_recovery_ns: outages.longest_recovery_ns,
            longest_outage_ns: outages.longest_outage_ns,
            complete: outages.complete,
        }
    }
}

/// Whether a peer is connected, as far as is known.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presence {
    Online,
    Offline,
    Unobserved,
}

impl From<CorePresence> for Presence {
    fn from(presence: CorePresence) -> Self {
        match presence {
            CorePresence::Online => Self::Online,
            CorePresence::Offline => Self::Offline,
            CorePresence::Unobserved => Self::Unobserved,
        }
    }
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
    presence: Option<Presence>,
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
            presence: interval.presence.map(Presence::from),
            cause: interval.cause.map(Cause::from),
        }
    }
}
