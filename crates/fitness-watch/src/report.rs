//! Reports on the attempts to connect to a watched node.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use fitness_core::{NodeId, Timestamp};

use crate::address::Address;
use crate::chain::Chain;
use crate::outcome::{ConnectTimings, Outcome, OutcomeKind};
use crate::target::Target;

/// How many connections the median connect time covers.
const MEDIAN_SAMPLES: usize = 64;

/// An attempt to connect to a node at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Attempt {
    /// When the attempt began, by the service's clock.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// The address that was dialled.
    pub address: Address,
    /// How long the attempt took, whether it succeeded or failed.
    #[cfg_attr(feature = "serde", serde(rename = "duration_ns", serialize_with = "crate::nanos::serialize"))]
    pub duration: Duration,
    /// The outcome.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub outcome: Outcome,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The node, or a proxy in between, closed the connection cleanly.
    ClosedByPeer,
    /// The socket failed, for example with a connection reset.
    IoError,
    /// The node did not answer our pings, and LDK closed the connection.
    PingTimeout,
    /// The node violated the protocol, and LDK closed the connection.
    ProtocolError,
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedByPeer => "closed by the peer",
            Self::IoError => "I/O error",
            Self::PingTimeout => "ping timeout",
            Self::ProtocolError => "protocol error",
        })
    }
}

/// What the watcher currently does with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "state", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TargetState {
    /// Dialling starts as soon as the number of concurrent dials allows.
    #[non_exhaustive]
    Queued,
    /// The node is being dialled.
    #[non_exhaustive]
    Dialling {
        /// The address that is dialled.
        address: Address,
    },
    /// The node is connected.
    #[non_exhaustive]
    Connected {
        /// The address of the connection.
        address: Address,
        /// When the node was connected.
        #[cfg_attr(feature = "serde", serde(rename = "connected_at_ns"))]
        connected_at: Timestamp,
    },
    /// The node is not connected and will be dialled again.
    #[non_exhaustive]
    Waiting {
        /// When it will be dialled.
        #[cfg_attr(feature = "serde", serde(rename = "retry_at_ns"))]
        retry_at: Timestamp,
    },
}

/// The state of a watched node and its connection attempts since the watcher started. None of it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TargetReport {
    /// The node.
    pub node_id: NodeId,
    /// The node's addresses, in the order in which they were given.
    pub addresses: Vec<Address>,
    /// What the watcher currently does with the node.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub state: TargetState,
    /// The number of attempts to connect, over all addresses.
    pub attempts: u64,
    /// The number of attempts by kind of outcome.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// The last finished attempt.
    pub last_attempt: Option<Attempt>,
    /// How long each phase of the last successful attempt took.
    pub last_connect_timings: Option<ConnectTimings>,
    /// The median total time of the last 64 successful attempts. For an even number of attempts it is the
    /// mean of the two in the middle.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "median_connect_time_ns", serialize_with = "crate::nanos::serialize_option")
    )]
    pub median_connect_time: Option<Duration>,
    /// Why the last connection ended.
    pub last_disconnect_reason: Option<DisconnectReason>,
    /// The chains that the node announced. Empty if no `init` was received yet or if it announces none.
    pub chains: Vec<Chain>,
}

/// The data from which the reports on one node are made.
#[derive(Debug)]
pub(crate) struct TargetStatus {
    target: Target,
    pub(crate) state: TargetState,
    outcomes: BTreeMap<OutcomeKind, u64>,
    last_attempt: Option<Attempt>,
    last_connect_timings: Option<ConnectTimings>,
    /// The total times of the last successful attempts, the newest last.
    connect_times: VecDeque<Duration>,
    pub(crate) last_disconnect_reason: Option<DisconnectReason>,
    pub(crate) chains: Vec<Chain>,
}

impl TargetStatus {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            state: TargetState::Queued,
            outcomes: BTreeMap::new(),
            last_attempt: None,
            last_connect_timings: None,
            connect_times: VecDeque::new(),
            last_disconnect_reason: None,
            chains: Vec::new(),
        }
    }

    pub(crate) fn record_attempt(&mut self, attempt: Attempt) {
        *self.outcomes.entry(attempt.outcome.kind()).or_default() += 1;
        match &attempt.outcome {
            Outcome::Connected(timings) => {
                self.last_connect_timings = Some(*timings);
                if self.connect_times.len() == MEDIAN_SAMPLES {
                    self.connect_times.pop_front();
                }
                self.connect_times.push_back(timings.total());
            }
            Outcome::WrongNetwork { chains } => self.chains.clone_from(chains),
            _ => {}
        }
        self.last_attempt = Some(attempt);
    }

    pub(crate) fn report(&self) -> TargetReport {
        TargetReport {
            node_id: self.target.node_id(),
            addresses: self.target.addresses().to_vec(),
            state: self.state.clone(),
            attempts: self.outcomes.values().sum(),
            outcomes: self.outcomes.clone(),
            last_attempt: self.last_attempt.clone(),
            last_connect_timings: self.last_connect_timings,
            median_connect_time: median(self.connect_times.iter().copied().collect()),
            last_disconnect_reason: self.last_disconnect_reason,
            chains: self.chains.clone(),
        }
    }
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    let (upper, lower) = (*times.get(times.len() / 2)?, *times.get((times.len() - 1) / 2)?);
    Some(lower + (upper - lower) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(ms: u64) -> Attempt {
        let timings = ConnectTimings { connect: Duration::from_millis(ms), ..ConnectTimings::default() };
        Attempt {
            at: Timestamp::EPOCH,
            address: "host:1".parse().unwrap(),
            duration: timings.total(),
            outcome: Outcome::Connected(timings),
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_report_serializes_as_one_flat_object() {
        let mut status = status();
        status.record_attempt(connected(7));
        status.state = TargetState::Waiting { retry_at: Timestamp::from_secs(1) };
        let json = serde_json::to_value(status.report()).unwrap();
        let node_id = json["node_id"].clone();
        let attempt = serde_json::json!({
            "at_ns": 0, "address": "host:1", "duration_ns": 7_000_000, "outcome": "connected",
            "resolve_ns": 0, "connect_ns": 7_000_000, "handshake_ns": 0, "init_ns": 0,
        });
        let expected = serde_json::json!({
            "node_id": node_id, "addresses": ["host:1"], "state": "waiting", "retry_at_ns": 1_000_000_000_u64,
            "attempts": 1, "outcomes": {"connected": 1}, "last_attempt": attempt,
            "last_connect_timings": {
                "resolve_ns": 0, "connect_ns": 7_000_000, "handshake_ns": 0, "init_ns": 0,
            },
            "median_connect_time_ns": 7_000_000, "last_disconnect_reason": null, "chains": [],
        });
        assert_eq!(json, expected);
        status.record_attempt(Attempt {
            outcome: Outcome::WrongNetwork { chains: vec![lightning::bitcoin::Network::Signet.into()] },
            ..connected(1)
        });
        let json = serde_json::to_value(status.report()).unwrap();
        assert_eq!(json["last_attempt"]["outcome"], "wrong_network");
        assert_eq!(json["last_attempt"]["chains"], serde_json::json!(["signet"]));
    }

    fn status() -> TargetStatus {
        let node = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        TargetStatus::new(format!("{node}@host:1").parse().unwrap())
    }

    #[test]
    fn the_median_covers_the_last_64_connections() {
        let mut status = status();
        assert_eq!(status.report().median_connect_time, None);
        for ms in [30, 10] {
            status.record_attempt(connected(ms));
        }
        assert_eq!(status.report().median_connect_time, Some(Duration::from_millis(20)));
        for _ in 0..MEDIAN_SAMPLES {
            status.record_attempt(connected(10));
        }
        for _ in 0..=MEDIAN_SAMPLES / 2 {
            status.record_attempt(connected(500));
        }
        status.record_attempt(Attempt { outcome: Outcome::ConnectionRefused, ..connected(1) });
        let report = status.report();
        assert_eq!(report.median_connect_time, Some(Duration::from_millis(500)));
        assert_eq!(report.last_connect_timings.unwrap().total(), Duration::from_millis(500));
        assert_eq!(report.attempts, 100);
        let outcomes: Vec<_> = report.outcomes.into_iter().collect();
        assert_eq!(outcomes, [(OutcomeKind::ConnectionRefused, 1), (OutcomeKind::Connected, 99)]);
    }
}
