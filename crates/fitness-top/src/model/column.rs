//! The columns of the peer list, and the order in which they sort peers.

use std::cmp::Ordering;

use fitness_core::{Presence, Timestamp};

use crate::api::Peer;

/// A column of the peer list, in the order from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Column {
    Presence,
    Alias,
    Availability,
    InState,
    Disconnects,
    Flaps,
    LastFlap,
    Uptime,
    Observed,
    Tracked,
    Channels,
}

impl Column {
    pub(crate) const ALL: [Self; 11] = [
        Self::Presence,
        Self::Alias,
        Self::Availability,
        Self::InState,
        Self::Disconnects,
        Self::Flaps,
        Self::LastFlap,
        Self::Uptime,
        Self::Observed,
        Self::Tracked,
        Self::Channels,
    ];

    /// Returns the column `by` positions to the right. Wraps around.
    pub(crate) fn step(self, by: isize) -> Self {
        let index = Self::ALL.iter().position(|column| *column == self).unwrap_or_default();
        let next = (index + Self::ALL.len()).saturating_add_signed(by) % Self::ALL.len();
        Self::ALL.get(next).copied().unwrap_or(self)
    }

    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Presence => "S",
            Self::Alias => "PEER",
            Self::Availability => "AVAIL",
            Self::InState => "IN STATE",
            Self::Disconnects => "DISCONN",
            Self::Flaps => "FLAPS",
            Self::LastFlap => "LAST FLAP",
            Self::Uptime => "UPTIME",
            Self::Observed => "OBSERVED",
            Self::Tracked => "TRACKED",
            Self::Channels => "CH",
        }
    }

    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Presence => "online, offline or unobserved",
            Self::Alias => "alias, or node id",
            Self::Availability => "uptime / observed time",
            Self::InState => "time since the state last changed",
            Self::Disconnects => "disconnects",
            Self::Flaps => "flaps (decaying)",
            Self::LastFlap => "time since the last flap",
            Self::Uptime => "uptime",
            Self::Observed => "observed time",
            Self::Tracked => "time since tracking began",
            Self::Channels => "open channels",
        }
    }

    /// Returns the width in terminal columns. The alias column can be wider.
    pub(crate) const fn width(self) -> u16 {
        match self {
            Self::Presence => 1,
            Self::Channels => 3,
            Self::Flaps => 6,
            Self::Disconnects | Self::Tracked => 7,
            Self::Availability | Self::InState | Self::Uptime | Self::Observed => 8,
            Self::LastFlap => 9,
            Self::Alias => 10,
        }
    }

    /// Whether the largest values come first by default.
    const fn is_descending(self) -> bool {
        matches!(
            self,
            Self::Disconnects | Self::Flaps | Self::Uptime | Self::Observed | Self::Tracked | Self::Channels
        )
    }

    /// Compares two peers by this column. This is a total order: two different peers never compare equal.
    /// Unknown values come last in either direction.
    pub(crate) fn compare(self, is_reversed: bool, now: Timestamp, one: &Peer, other: &Peer) -> Ordering {
        let directed = |ordering: Ordering| {
            if self.is_descending() == is_reversed { ordering } else { ordering.reverse() }
        };
        let by = |value: &dyn Fn(&Peer) -> Option<u64>| {
            unknown_last(value(one), value(other), |a, b| directed(a.cmp(b)))
        };
        let since = |at: Timestamp| now.nanos_since(at);
        let ordering = match self {
            Self::Presence => directed(severity(one.presence).cmp(&severity(other.presence))),
            Self::Alias => {
                let alias = |peer: &Peer| peer.alias.as_ref().map(|alias| alias.to_lowercase());
                unknown_last(alias(one), alias(other), |a, b| directed(a.cmp(b)))
            }
            Self::Availability => {
                let totals = |peer: &Peer| Some(peer.totals(now)).filter(|&(observed, _)| observed > 0);
                let compare = |&(observed, uptime): &(u64, u64),
                               &(other_observed, other_uptime): &(u64, u64)| {
                    let left = u128::from(uptime) * u128::from(other_observed);
                    let right = u128::from(other_uptime) * u128::from(observed);
                    directed(left.cmp(&right))
                };
                unknown_last(totals(one), totals(other), compare)
            }
            Self::InState => by(&|peer| Some(since(peer.presence_since_ns))),
            Self::Disconnects => by(&|peer| Some(peer.disconnects.into())),
            Self::Flaps => by(&|peer| Some(peer.flap_count.into())),
            Self::LastFlap => by(&|peer| peer.last_flap_ns.map(since)),
            Self::Uptime => by(&|peer| Some(peer.totals(now).1)),
            Self::Observed => by(&|peer| Some(peer.totals(now).0)),
            Self::Tracked => by(&|peer| Some(since(peer.tracked_since_ns))),
            Self::Channels => by(&|peer| Some(peer.channel_count as u64)),
        };
        ordering.then(one.node_id.cmp(&other.node_id))
    }
}

/// Peers that need attention come first.
const fn severity(presence: Presence) -> u8 {
    match presence {
        Presence::Offline => 0,
        Presence::Unobserved => 1,
        Presence::Online => 2,
    }
}

fn unknown_last<T>(one: Option<T>, other: Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => compare(&one, &other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}
