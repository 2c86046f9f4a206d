//! The parts of the JSON API's responses that are shown. docs/openapi.json documents the complete responses.

use fitness_core::{ChannelId, GapCause, NodeId, OutPoint, Presence, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::text;

/// One page of the peer list.
#[derive(Debug, Deserialize)]
pub(crate) struct PeerList {
    pub(crate) at_ns: Timestamp,
    pub(crate) total: usize,
    pub(crate) peers: Vec<Peer>,
}

/// A peer at the time of the response.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Peer {
    pub(crate) node_id: NodeId,
    /// Sanitized, because peers choose their own aliases.
    #[serde(default, deserialize_with = "sanitized")]
    pub(crate) alias: Option<String>,
    pub(crate) presence: Presence,
    pub(crate) presence_since_ns: Timestamp,
    pub(crate) flap_count: u32,
    pub(crate) last_flap_ns: Option<Timestamp>,
    pub(crate) disconnects: u32,
    pub(crate) watched: bool,
    pub(crate) untracked_at_ns: Option<Timestamp>,
    pub(crate) tracked_since_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    #[serde(default)]
    pub(crate) imported: Option<Imported>,
    #[serde(default)]
    pub(crate) channel_count: usize,
    /// The time of the response.
    #[serde(skip)]
    pub(crate) as_of: Timestamp,
}

impl Peer {
    /// Returns the observed time and the uptime at `now`. They are exact if the presence has not changed
    /// since the response.
    pub(crate) fn totals(&self, now: Timestamp) -> (u64, u64) {
        let elapsed_ns = now.nanos_since(self.as_of);
        match self.presence {
            Presence::Online => {
                (self.observed_ns.saturating_add(elapsed_ns), self.uptime_ns.saturating_add(elapsed_ns))
            }
            Presence::Offline => (self.observed_ns.saturating_add(elapsed_ns), self.uptime_ns),
            Presence::Unobserved => (self.observed_ns, self.uptime_ns),
        }
    }
}

/// Marks a peer whose earlier values were imported from another program.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Imported {
    pub(crate) source: String,
    pub(crate) at_ns: Timestamp,
}

/// A peer and its channels.
#[derive(Debug, Deserialize)]
pub(crate) struct PeerDetail {
    pub(crate) at_ns: Timestamp,
    #[serde(flatten)]
    pub(crate) peer: Peer,
    pub(crate) channels: Vec<Channel>,
}

/// An open channel.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) channel_id: ChannelId,
    pub(crate) funding: Option<OutPoint>,
    pub(crate) opened_at_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    pub(crate) usable: Option<bool>,
    pub(crate) usable_ns: u64,
    pub(crate) usable_observed_ns: u64,
}

/// Totals over a time range.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct TimeTotals {
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
}

/// The totals of a peer by hour.
#[derive(Debug, Deserialize)]
pub(crate) struct Buckets {
    pub(crate) buckets: Vec<TimeTotals>,
}

/// The statistics of a standard window.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Window {
    #[serde(flatten)]
    pub(crate) totals: TimeTotals,
    pub(crate) uptime_error_ns: u64,
    pub(crate) observed_error_ns: u64,
    pub(crate) outages: Outages,
}

/// Statistics of a peer's outages.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Outages {
    pub(crate) disconnects: u64,
    pub(crate) mean_time_between_disconnects_ns: Option<u64>,
    pub(crate) median_recovery_ns: Option<u64>,
    pub(crate) longest_recovery_ns: Option<u64>,
    pub(crate) complete: bool,
}

/// The statistics of all standard windows, the shortest first.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Windows {
    #[serde(rename = "24h")]
    day: Window,
    #[serde(rename = "7d")]
    week: Window,
    #[serde(rename = "30d")]
    month: Window,
    #[serde(rename = "90d")]
    quarter: Window,
    lifetime: Window,
}

impl Windows {
    /// Returns all windows in the order of [`StandardWindow::ALL`](fitness_core::StandardWindow::ALL).
    pub(crate) const fn all(&self) -> [&Window; 5] {
        [&self.day, &self.week, &self.month, &self.quarter, &self.lifetime]
    }
}

/// One page of a timeline.
#[derive(Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) next_from_ns: Option<Timestamp>,
    pub(crate) timeline: Vec<Interval>,
}

/// An interval of a peer's timeline.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Interval {
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    /// `None` if the details were downsampled and only the totals are known.
    pub(crate) presence: Option<Presence>,
    pub(crate) cause: Option<Cause>,
}

/// The cause of a monitoring gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    NotRunning,
    Suspended,
    NetworkDown,
    Paused,
    /// A cause that this release does not know.
    #[serde(other)]
    Other,
}

impl Cause {
    /// Returns the cause, or `None` if this release does not know it.
    pub(crate) const fn known(self) -> Option<GapCause> {
        match self {
            Self::NotRunning => Some(GapCause::NotRunning),
            Self::Suspended => Some(GapCause::Suspended),
            Self::NetworkDown => Some(GapCause::NetworkDown),
            Self::Paused => Some(GapCause::Paused),
            Self::Other => None,
        }
    }
}

/// The health of the service.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) observer: NodeId,
    pub(crate) running: bool,
    /// Whether this is stored history without a running service.
    #[serde(default)]
    pub(crate) archived: bool,
    pub(crate) now_ns: Timestamp,
    pub(crate) channels: usize,
    pub(crate) store: StoreHealth,
    pub(crate) coverage: Option<Coverage>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoreHealth {
    pub(crate) consecutive_failures: u64,
    pub(crate) last_error: Option<StoreFailure>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoreFailure {
    pub(crate) error: String,
}

/// How much of its lifetime the service monitored, and the totals of its gaps.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Coverage {
    pub(crate) lifetime_ns: u64,
    pub(crate) monitored_ns: u64,
    pub(crate) not_running: GapTotals,
    pub(crate) suspended: GapTotals,
    pub(crate) network_down: GapTotals,
    pub(crate) paused: GapTotals,
    pub(crate) ongoing_gap: Option<MonitoringGap>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct GapTotals {
    pub(crate) count: u32,
    pub(crate) length_ns: u64,
}

/// An interval in which the service could not observe any peer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct MonitoringGap {
    pub(crate) cause: Cause,
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
}

/// The monitoring gaps of a time range.
#[derive(Debug, Deserialize)]
pub(crate) struct Gaps {
    pub(crate) gaps: Vec<MonitoringGap>,
}

/// A change. It names one peer, or none if it affects all.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    #[serde(default)]
    pub(crate) node_id: Option<NodeId>,
    /// The last report of a closed channel.
    #[serde(default)]
    report: Option<ChannelReport>,
}

#[derive(Debug, Deserialize)]
struct ChannelReport {
    node_id: NodeId,
}

impl Change {
    /// Returns the peer that changed, or `None` if the change affects all peers.
    pub(crate) fn peer(&self) -> Option<NodeId> {
        self.node_id.or_else(|| Some(self.report.as_ref()?.node_id))
    }
}

/// An error response.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorResponse {
    pub(crate) detail: String,
}

fn sanitized<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|alias| text::sanitize(&alias)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(presence: Presence) -> Peer {
        let json = serde_json::json!({
            "node_id": NodeId([2; 33]),
            "alias": "evil\u{1b}[2J\u{202e}name\n",
            "presence": presence,
            "presence_since_ns": 5,
            "flap_count": 1,
            "last_flap_ns": null,
            "disconnects": 1,
            "watched": false,
            "untracked_at_ns": null,
            "tracked_since_ns": 0,
            "observed_ns": 10,
            "uptime_ns": 4,
            "availability": 0.4,
            "something_new": { "of": "a later release" },
        });
        let peer: Peer = serde_json::from_value(json).expect("the JSON is a valid peer");
        Peer { as_of: Timestamp::from_nanos(100), ..peer }
    }

    #[test]
    fn aliases_are_sanitized() {
        assert_eq!(peer(Presence::Unobserved).alias.as_deref(), Some("evil\u{fffd}[2J\u{fffd}name"));
    }

    #[test]
    fn totals_are_extrapolated_by_presence() {
        let now = Timestamp::from_nanos(107);
        assert_eq!(peer(Presence::Online).totals(now), (17, 11));
        assert_eq!(peer(Presence::Offline).totals(now), (17, 4));
        assert_eq!(peer(Presence::Unobserved).totals(now), (10, 4));
        assert_eq!(
            peer(Presence::Online).totals(Timestamp::EPOCH),
            (10, 4),
            "a clock that moved back adds nothing"
        );
    }

    #[test]
    fn an_unknown_gap_cause_is_other() {
        assert_eq!(
            serde_json::from_str::<Cause>("\"new_in_a_later_release\"").expect("valid JSON"),
            Cause::Other
        );
    }
}
