//! The columns that peers are sorted by.

use std::cmp::Ordering;

use fitness_core::{Presence, Timestamp};

use crate::api::Peer;

/// What is told of each peer, in the order in which it stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Column {
    State,
    Name,
    Availability,
    Since,
    Disconnects,
    Flaps,
    LastFlap,
    Uptime,
    Observed,
    FirstSeen,
    Channels,
}

impl Column {
    pub(crate) const ALL: [Self; 11] = [
        Self::State,
        Self::Name,
        Self::Availability,
        Self::Since,
        Self::Disconnects,
        Self::Flaps,
        Self::LastFlap,
        Self::Uptime,
        Self::Observed,
        Self::FirstSeen,
        Self::Channels,
    ];

    /// The column so many places further to the right, around the end.
    pub(crate) fn step(self, by: isize) -> Self {
        let here = Self::ALL.iter().position(|column| *column == self).unwrap_or_default();
        let next = (here + Self::ALL.len()).saturating_add_signed(by) % Self::ALL.len();
        Self::ALL.get(next).copied().unwrap_or(self)
    }

    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::State => "S",
            Self::Name => "PEER",
            Self::Availability => "AVAIL",
            Self::Since => "FOR",
            Self::Disconnects => "LOST",
            Self::Flaps => "FLAPS",
            Self::LastFlap => "FLAPPED",
            Self::Uptime => "UPTIME",
            Self::Observed => "OBSERVED",
            Self::FirstSeen => "KNOWN",
            Self::Channels => "CH",
        }
    }

    /// What it means.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::State => "state: online, offline, unobserved",
            Self::Name => "name, or node id",
            Self::Availability => "availability: uptime of the observed time",
            Self::Since => "how long it has been so",
            Self::Disconnects => "how often it was lost",
            Self::Flaps => "flaps, cooled down",
            Self::LastFlap => "how long ago the last flap was",
            Self::Uptime => "uptime",
            Self::Observed => "observed time",
            Self::FirstSeen => "how long it has been followed",
            Self::Channels => "open channels",
        }
    }

    /// How many columns of the terminal it takes; a name takes as many as there are.
    pub(crate) const fn width(self) -> u16 {
        match self {
            Self::State => 1,
            Self::Name => 10,
            Self::Since | Self::LastFlap | Self::FirstSeen => 7,
            Self::Availability | Self::Uptime | Self::Observed => 8,
            Self::Disconnects | Self::Flaps => 6,
            Self::Channels => 3,
        }
    }

    /// Whether the largest comes first, because that is what one looks for.
    const fn is_descending(self) -> bool {
        matches!(
            self,
            Self::Disconnects
                | Self::Flaps
                | Self::Uptime
                | Self::Observed
                | Self::FirstSeen
                | Self::Channels
        )
    }

    /// A total order: only a peer is its own equal. What is not known comes last, whatever the direction.
    pub(crate) fn compare(self, inverted: bool, now: Timestamp, one: &Peer, other: &Peer) -> Ordering {
        let directed = |ordering: Ordering| {
            if self.is_descending() == inverted { ordering } else { ordering.reverse() }
        };
        let by = |of: &dyn Fn(&Peer) -> Option<u64>| known(of(one), of(other), |a, b| directed(a.cmp(b)));
        let ago = |at: Timestamp| now.nanos_since(at);
        let ordering = match self {
            Self::State => directed(rank(one.presence).cmp(&rank(other.presence))),
            Self::Name => {
                let name = |peer: &Peer| peer.alias.as_ref().map(|label| label.to_lowercase());
                known(name(one), name(other), |a, b| directed(a.cmp(b)))
            }
            Self::Availability => {
                let share = |peer: &Peer| Some(peer.totals(now)).filter(|&(observed, _)| observed > 0);
                known(share(one), share(other), |&(observed, uptime), &(other_observed, other_uptime)| {
                    let (left, right) = (
                        u128::from(uptime) * u128::from(other_observed),
                        u128::from(other_uptime) * u128::from(observed),
                    );
                    directed(left.cmp(&right))
                })
            }
            Self::Since => by(&|peer| Some(ago(peer.presence_since_ns))),
            Self::Disconnects => by(&|peer| Some(peer.disconnects.into())),
            Self::Flaps => by(&|peer| Some(peer.flap_count.into())),
            Self::LastFlap => by(&|peer| peer.last_flap_ns.map(ago)),
            Self::Uptime => by(&|peer| Some(peer.totals(now).1)),
            Self::Observed => by(&|peer| Some(peer.totals(now).0)),
            Self::FirstSeen => by(&|peer| Some(ago(peer.tracked_since_ns))),
            Self::Channels => by(&|peer| Some(peer.channel_count as u64)),
        };
        ordering.then(one.node_id.cmp(&other.node_id))
    }
}

/// Those that need looking at come first.
const fn rank(presence: Presence) -> u8 {
    match presence {
        Presence::Offline => 0,
        Presence::Unobserved => 1,
        Presence::Online => 2,
    }
}

fn known<T>(one: Option<T>, other: Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => compare(&one, &other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}
