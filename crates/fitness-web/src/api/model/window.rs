//! Statistics of a peer over a window, and its presence over time.

use fitness_core::{
    OutageStats as CoreOutageStats, Presence as CorePresence, PresenceInterval as CorePresenceInterval,
    Timestamp, WindowReport as CoreWindowReport, WindowStats as CoreWindowStats,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::GapCause;

/// Observed time and uptime over a window.
#[derive(Serialize, ToSchema)]
pub(crate) struct WindowReport {
    /// Start of the window; not before the peer or channel was first tracked.
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    /// End of the window; not after the current time.
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    length_ns: u64,
    /// Time during which the peer's presence was known.
    observed_ns: u64,
    /// Maximum error of `observed_ns`; usually 0.
    observed_error_ns: u64,
    /// Part of the observed time during which the peer was online.
    uptime_ns: u64,
    /// Maximum error of `uptime_ns`.
    uptime_error_ns: u64,
    /// Uptime divided by observed time, from 0 to 1; `null` if the observed time is 0.
    #[schema(required, minimum = 0.0, maximum = 1.0)]
    availability: Option<f64>,
}

impl From<CoreWindowReport> for WindowReport {
    fn from(window: CoreWindowReport) -> Self {
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

/// Statistics of a peer over a window.
#[derive(Serialize, ToSchema)]
pub(crate) struct WindowStats {
    #[serde(flatten)]
    report: WindowReport,
    outages: OutageStats,
    /// Current presence, regardless of the window.
    presence: Presence,
    /// When the presence last changed.
    #[schema(value_type = u64)]
    presence_since_ns: Timestamp,
}

impl From<CoreWindowStats> for WindowStats {
    fn from(stats: CoreWindowStats) -> Self {
        Self {
            report: stats.window.into(),
            outages: stats.outages.into(),
            presence: stats.presence.into(),
            presence_since_ns: stats.presence_since,
        }
    }
}

/// Disconnects and outages in a window.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutageStats {
    /// Number of online-to-offline transitions.
    disconnects: u64,
    /// Mean time between disconnects: the uptime in the window divided by `disconnects`; `null` without
    /// disconnects.
    #[schema(required)]
    mean_time_between_disconnects_ns: Option<u64>,
    /// Median length of the outages that started and ended in the window; `null` if there were none.
    #[schema(required)]
    median_recovery_ns: Option<u64>,
    /// Length of the longest outage that started and ended in the window; `null` if there were none.
    #[schema(required)]
    longest_recovery_ns: Option<u64>,
    /// Longest time offline in the window, including outages that started before it or have not ended.
    longest_outage_ns: u64,
    /// Whether the log contains every change. If not, `disconnects` and `longest_outage_ns` are lower bounds,
    /// and `mean_time_between_disconnects_ns` is an upper bound.
    complete: bool,
}

impl From<CoreOutageStats> for OutageStats {
    fn from(outages: CoreOutageStats) -> Self {
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

/// Presence of a peer. `unobserved` means that it is not known whether the peer is connected.
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

/// An interval of a peer's timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresenceInterval {
    #[schema(value_type = u64)]
    from_ns: Timestamp,
    #[schema(value_type = u64)]
    to_ns: Timestamp,
    observed_ns: u64,
    uptime_ns: u64,
    /// Presence during the interval; `null` if it changed and the changes are no longer in the log.
    #[schema(required)]
    presence: Option<Presence>,
    /// Cause of the monitoring gap, for unobserved intervals. `null` for unobserved intervals without a gap:
    /// before the presence was first known, and during a reconnect grace period.
    #[schema(required)]
    cause: Option<GapCause>,
}

impl From<&CorePresenceInterval> for PresenceInterval {
    fn from(interval: &CorePresenceInterval) -> Self {
        Self {
            from_ns: interval.from,
            to_ns: interval.to,
            observed_ns: interval.observed_ns,
            uptime_ns: interval.uptime_ns,
            presence: interval.presence.map(Presence::from),
            cause: interval.cause.map(GapCause::from),
        }
    }
}
