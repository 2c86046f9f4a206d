//! What there is to say of a node that is watched, beyond its fitness: how dialling it went.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use fitness_core::{NodeId, Timestamp};

use crate::address::Address;
use crate::chain::Chain;
use crate::outcome::{ConnectTimings, Outcome, OutcomeKind};
use crate::target::Target;

/// Of how many connections the median is taken.
const REMEMBERED: usize = 64;

/// An attempt to connect to a node at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Attempt {
    /// When it began, by the service's clock.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns"))]
    pub at: Timestamp,
    /// Where.
    pub address: Address,
    /// How long it took to come to its outcome, whichever that is.
    #[cfg_attr(feature = "serde", serde(rename = "duration_ns", serialize_with = "crate::nanos::serialize"))]
    pub duration: Duration,
    /// What became of it.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub outcome: Outcome,
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The node closed it, or whoever stands between us, in good order.
    ClosedByPeer,
    /// It broke: a reset, a host that is gone.
    IoError,
    /// No answer to our pings: we gave it up.
    PingTimeout,
    /// The node said something that it must not: LDK gave it up.
    ProtocolError,
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedByPeer => "the other side closed the connection",
            Self::IoError => "the connection broke",
            Self::PingTimeout => "it did not answer our pings",
            Self::ProtocolError => "it said what it must not",
        })
    }
}

/// What is being done about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "state", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TargetState {
    /// It is next, as soon as fewer are dialled than may be at once.
    #[non_exhaustive]
    Queued,
    /// It is being dialled.
    #[non_exhaustive]
    Dialling {
        /// Where.
        address: Address,
    },
    /// It is connected.
    #[non_exhaustive]
    Connected {
        /// Where.
        address: Address,
        /// Since when.
        #[cfg_attr(feature = "serde", serde(rename = "connected_at_ns"))]
        connected_at: Timestamp,
    },
    /// It will be dialled again.
    #[non_exhaustive]
    Waiting {
        /// When.
        #[cfg_attr(feature = "serde", serde(rename = "retry_at_ns"))]
        retry_at: Timestamp,
    },
}

/// How dialling a node went, since the watcher's start: none of this is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TargetReport {
    /// The node.
    pub node_id: NodeId,
    /// Where it may be found.
    pub addresses: Vec<Address>,
    /// What is being done about it.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub state: TargetState,
    /// How often it was dialled, all addresses together.
    pub attempts: u64,
    /// How many of these attempts had which outcome.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// The last attempt that came to an outcome.
    pub last_attempt: Option<Attempt>,
    /// How long the parts of the last connection took to make.
    pub last_connect_timings: Option<ConnectTimings>,
    /// The median of what the last 64 connections took to make, all parts together; of an even number
    /// the mean of the two in the middle.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "median_connect_time_ns", serialize_with = "crate::nanos::serialize_option")
    )]
    pub median_connect_time: Option<Duration>,
    /// How the last connection ended.
    pub last_disconnect_reason: Option<DisconnectReason>,
    /// The chains that it says it is on: none where it has not been asked yet, or does not say.
    pub chains: Vec<Chain>,
}

/// The account of one node that reports are made from.
#[derive(Debug)]
pub(crate) struct Account {
    target: Target,
    pub(crate) state: TargetState,
    outcomes: BTreeMap<OutcomeKind, u64>,
    last_attempt: Option<Attempt>,
    took: Option<ConnectTimings>,
    /// The newest last.
    totals: VecDeque<Duration>,
    pub(crate) parting: Option<DisconnectReason>,
    pub(crate) chains: Vec<Chain>,
}

impl Account {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            state: TargetState::Queued,
            outcomes: BTreeMap::new(),
            last_attempt: None,
            took: None,
            totals: VecDeque::new(),
            parting: None,
            chains: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, attempt: Attempt) {
        *self.outcomes.entry(attempt.outcome.kind()).or_default() += 1;
        match &attempt.outcome {
            Outcome::Connected(took) => {
                self.took = Some(*took);
                if self.totals.len() == REMEMBERED {
                    self.totals.pop_front();
                }
                self.totals.push_back(took.total());
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
            last_connect_timings: self.took,
            median_connect_time: median(self.totals.iter().copied().collect()),
            last_disconnect_reason: self.parting,
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
        let took = ConnectTimings { connect: Duration::from_millis(ms), ..ConnectTimings::default() };
        Attempt {
            at: Timestamp::EPOCH,
            address: "host:1".parse().unwrap(),
            duration: took.total(),
            outcome: Outcome::Connected(took),
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_report_is_one_flat_object() {
        let mut account = account();
        account.note(connected(7));
        account.state = TargetState::Waiting { retry_at: Timestamp::from_secs(1) };
        let json = serde_json::to_value(account.report()).unwrap();
        let node_id = json["node_id"].clone();
        let attempt = serde_json::json!({
            "at_ns": 0, "address": "host:1", "took_ns": 7_000_000, "outcome": "connected",
            "resolve_ns": 0, "connect_ns": 7_000_000, "handshake_ns": 0, "init_ns": 0,
        });
        let expected = serde_json::json!({
            "node_id": node_id, "addresses": ["host:1"], "state": "waiting", "until_ns": 1_000_000_000_u64,
            "attempts": 1, "outcomes": {"connected": 1}, "last_attempt": attempt,
            "took": {"resolve_ns": 0, "connect_ns": 7_000_000, "handshake_ns": 0, "init_ns": 0},
            "median_connect_time_ns": 7_000_000, "parting": null, "chains": [],
        });
        assert_eq!(json, expected);
        account.note(Attempt {
            outcome: Outcome::WrongNetwork { chains: vec![lightning::bitcoin::Network::Signet.into()] },
            ..connected(1)
        });
        let json = serde_json::to_value(account.report()).unwrap();
        assert_eq!(json["last_attempt"]["outcome"], "wrong_network");
        assert_eq!(json["last_attempt"]["chains"], serde_json::json!(["signet"]));
    }

    fn account() -> Account {
        let node = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        Account::new(format!("{node}@host:1").parse().unwrap())
    }

    #[test]
    fn the_median_is_of_the_last_connections() {
        let mut account = account();
        assert_eq!(account.report().median_connect_time, None);
        for ms in [30, 10] {
            account.note(connected(ms));
        }
        assert_eq!(account.report().median_connect_time, Some(Duration::from_millis(20)));
        for _ in 0..REMEMBERED {
            account.note(connected(10));
        }
        for _ in 0..=REMEMBERED / 2 {
            account.note(connected(500));
        }
        account.note(Attempt { outcome: Outcome::ConnectionRefused, ..connected(1) });
        let report = account.report();
        assert_eq!(report.median_connect_time, Some(Duration::from_millis(500)));
        assert_eq!(report.last_connect_timings.unwrap().total(), Duration::from_millis(500));
        assert_eq!(report.attempts, 100);
        let counted: Vec<_> = report.outcomes.into_iter().collect();
        assert_eq!(counted, [(OutcomeKind::ConnectionRefused, 1), (OutcomeKind::Connected, 99)]);
    }
}
