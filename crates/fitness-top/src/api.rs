//! What of the JSON API's answers is shown. docs/openapi.json describes them whole.

use fitness_core::{ChannelId, NodeId, OutPoint, Presence, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::text;

/// A part of the list of peers.
#[derive(Debug, Deserialize)]
pub(crate) struct PeerList {
    pub(crate) at_ns: Timestamp,
    pub(crate) total: usize,
    pub(crate) peers: Vec<Peer>,
}

/// A peer, as of the moment at which it was asked about.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Peer {
    pub(crate) node_id: NodeId,
    /// Made harmless: peers name themselves.
    #[serde(default, deserialize_with = "harmless")]
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
    /// The moment of the question.
    #[serde(skip)]
    pub(crate) as_of: Timestamp,
}

impl Peer {
    /// Its observed time and its uptime at `now`, if nothing has changed since: exact, as long as that is so.
    pub(crate) fn totals(&self, now: Timestamp) -> (u64, u64) {
        let since_ns = now.nanos_since(self.as_of);
        match self.presence {
            Presence::Online => {
                (self.observed_ns.saturating_add(since_ns), self.uptime_ns.saturating_add(since_ns))
            }
            Presence::Offline => (self.observed_ns.saturating_add(since_ns), self.uptime_ns),
            Presence::Unobserved => (self.observed_ns, self.uptime_ns),
        }
    }
}

/// That another program had counted a part of it.
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

/// Sums over a stretch of time.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Sums {
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
}

/// Hours of a peer.
#[derive(Debug, Deserialize)]
pub(crate) struct Buckets {
    pub(crate) buckets: Vec<Sums>,
}

/// A usual window.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Window {
    #[serde(flatten)]
    pub(crate) sums: Sums,
    pub(crate) uptime_error_ns: u64,
    pub(crate) observed_error_ns: u64,
    pub(crate) outages: Outages,
}

/// How often a peer was lost, and for how long.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Outages {
    pub(crate) disconnects: u64,
    pub(crate) mean_time_between_disconnects_ns: Option<u64>,
    pub(crate) median_recovery_ns: Option<u64>,
    pub(crate) longest_recovery_ns: Option<u64>,
    pub(crate) complete: bool,
}

/// The usual windows, the shortest first.
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
    /// All of them, as [`Span::ALL`](fitness_core::Span::ALL) has them.
    pub(crate) const fn all(&self) -> [&Window; 5] {
        [&self.day, &self.week, &self.month, &self.quarter, &self.lifetime]
    }
}

/// A part of a timeline.
#[derive(Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) next_ns: Option<Timestamp>,
    pub(crate) timeline: Vec<Interval>,
}

/// A stretch of a peer's timeline.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Interval {
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    pub(crate) presence: Option<Word>,
    pub(crate) cause: Option<Cause>,
}

/// What a peer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    Online,
    Offline,
    Unobserved,
}

/// Why we could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    NotRunning,
    Suspended,
    NetworkDown,
    Paused,
    /// Also what a later release has a word for.
    #[serde(other)]
    Other,
}

/// How the service is doing.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) observer: NodeId,
    pub(crate) running: bool,
    /// Whether it is a store that no service runs on.
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

/// How long we have watched, and how often we were gone.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Coverage {
    pub(crate) lifetime_ns: u64,
    pub(crate) monitored_ns: u64,
    pub(crate) not_running: GapTotals,
    pub(crate) suspended: GapTotals,
    pub(crate) network_down: GapTotals,
    pub(crate) paused: GapTotals,
    pub(crate) ongoing_gap: Option<OwnGap>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct GapTotals {
    pub(crate) count: u32,
    pub(crate) length_ns: u64,
}

/// A stretch of time in which we could not tell who was online.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct OwnGap {
    pub(crate) cause: Cause,
    pub(crate) from_ns: Timestamp,
    pub(crate) to_ns: Timestamp,
}

/// Our own gaps.
#[derive(Debug, Deserialize)]
pub(crate) struct Gaps {
    pub(crate) gaps: Vec<OwnGap>,
}

/// Whom a change concerns: nobody where it concerns all.
#[derive(Debug, Deserialize)]
pub(crate) struct Changed {
    #[serde(default)]
    pub(crate) node_id: Option<NodeId>,
    /// The last report of a channel that was closed.
    #[serde(default)]
    report: Option<Whose>,
}

#[derive(Debug, Deserialize)]
struct Whose {
    node_id: NodeId,
}

impl Changed {
    pub(crate) fn who(&self) -> Option<NodeId> {
        self.node_id.or_else(|| Some(self.report.as_ref()?.node_id))
    }
}

/// Why there is no answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) detail: String,
}

fn harmless<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|name| text::harmless(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(online: Presence) -> Peer {
        let told = serde_json::json!({
            "node_id": NodeId([2; 33]),
            "alias": "evil\u{1b}[2J\u{202e}name\n",
            "presence": online,
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
        let peer: Peer = serde_json::from_value(told).expect("it is what the API tells");
        Peer { as_of: Timestamp::from_nanos(100), ..peer }
    }

    #[test]
    fn names_are_harmless_from_here_on() {
        assert_eq!(peer(Presence::Unobserved).alias.as_deref(), Some("evil\u{fffd}[2J\u{fffd}name"));
    }

    #[test]
    fn totals_go_on_as_they_do_where_they_are_kept() {
        let now = Timestamp::from_nanos(107);
        assert_eq!(peer(Presence::Online).totals(now), (17, 11));
        assert_eq!(peer(Presence::Offline).totals(now), (17, 4));
        assert_eq!(peer(Presence::Unobserved).totals(now), (10, 4));
        assert_eq!(
            peer(Presence::Online).totals(Timestamp::EPOCH),
            (10, 4),
            "a clock that went back adds nothing"
        );
    }

    #[test]
    fn a_cause_that_has_no_word_yet_is_some_cause() {
        assert_eq!(serde_json::from_str::<Cause>("\"abducted\"").expect("any"), Cause::Other);
    }
}
