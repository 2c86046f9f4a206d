//! What the list of peers was asked to show, and the links that ask for a little else.

use std::cmp::Ordering;

use fitness_core::{Presence, StandardWindow};
use serde::{Deserialize, Serialize};

use crate::listing::{Listed, Order, PeerState};
use crate::range::WindowName;
use crate::summaries::Gathered;

/// How many peers a page has.
pub(super) const ROWS: usize = 100;

/// What the list was asked to show. What is as usual is not written into links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) q: String,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub(super) state: Wanted,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub(super) sort: Sort,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub(super) order: Order,
    #[serde(default = "usual_window", skip_serializing_if = "is_usual_window")]
    pub(super) window: WindowName,
    /// From 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub(super) page: usize,
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) const fn usual_window() -> WindowName {
    WindowName::Month
}

fn is_usual_window(window: &WindowName) -> bool {
    *window == usual_window()
}

const fn first() -> usize {
    1
}

// serde hands out a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_first(page: &usize) -> bool {
    *page == 1
}

/// Peers of which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wanted {
    #[default]
    All,
    Online,
    Offline,
    Unobserved,
}

impl Wanted {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unobserved => "unobserved",
        }
    }

    pub(super) const fn state(self) -> Option<PeerState> {
        match self {
            Self::All => None,
            Self::Online => Some(PeerState::Online),
            Self::Offline => Some(PeerState::Offline),
            Self::Unobserved => Some(PeerState::Unobserved),
        }
    }
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    /// Who is offline first, and of those who came there last.
    #[default]
    State,
    Name,
    Availability,
    Outages,
    Flaps,
    Channels,
}

impl Sort {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::State, "state"),
        (Self::Name, "name"),
        (Self::Availability, "availability"),
        (Self::Outages, "outages"),
        (Self::Flaps, "flaps"),
        (Self::Channels, "channels"),
    ];

    /// Whether it takes every peer's history, and not that of those on the page alone.
    pub(super) const fn needs_summaries(self) -> bool {
        matches!(self, Self::Availability | Self::Outages)
    }

    /// The direction in which it tells the most at first: the worst, the most.
    pub(super) const fn natural(self) -> Order {
        match self {
            Self::State | Self::Name | Self::Availability => Order::Asc,
            Self::Outages | Self::Flaps | Self::Channels => Order::Desc,
        }
    }

    pub(super) fn compare(self, order: Order, gathered: &Gathered, one: &Listed, other: &Listed) -> Ordering {
        let stats = |peer: &Listed| Some(gathered.get(&peer.report.node_id)?.stats);
        let number = |of: &dyn Fn(&Listed) -> Option<u64>| order.known(of(one), of(other), Ord::cmp);
        let ordering = match self {
            Self::State => {
                let by_state = order.known(Some(rank(one)), Some(rank(other)), Ord::cmp);
                by_state.then(other.report.presence_since.cmp(&one.report.presence_since))
            }
            Self::Name => order.known(one.small.as_ref(), other.small.as_ref(), Ord::cmp),
            Self::Availability => {
                let of = |peer: &Listed| stats(peer)?.window.availability;
                order.known(of(one), of(other), f64::total_cmp)
            }
            Self::Outages => number(&|peer| Some(stats(peer)?.outages.disconnects)),
            Self::Flaps => number(&|peer| Some(peer.report.flap_count.into())),
            Self::Channels => number(&|peer| Some(peer.report.channels.len() as u64)),
        };
        ordering.then(one.report.node_id.cmp(&other.report.node_id))
    }
}

/// Who needs looking after comes first.
const fn rank(peer: &Listed) -> u8 {
    match peer.report.presence {
        Presence::Offline => 0,
        Presence::Unobserved => 1,
        Presence::Online => 2,
    }
}

impl Filter {
    pub(super) fn span(&self) -> StandardWindow {
        self.window.into()
    }

    /// A link that asks for this.
    pub(super) fn link(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        format!("?{query}")
    }

    pub(super) fn with_state(&self, state: Wanted) -> Self {
        Self { state, page: 1, ..self.clone() }
    }

    /// The same sorted by something else; by the same, the other way round.
    pub(super) fn sorted_by(&self, sort: Sort) -> Self {
        let order = if sort == self.sort { self.order.reversed() } else { sort.natural() };
        Self { sort, order, page: 1, ..self.clone() }
    }

    pub(super) fn on_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Filter {
        serde_urlencoded::from_str(query).unwrap()
    }

    #[test]
    fn links_say_what_is_not_as_usual() {
        assert_eq!(filter("").link(), "?");
        let all = "?q=a%26b&state=offline&sort=flaps&order=desc&window=7d&page=2";
        assert_eq!(filter(&all[1..]).link(), all);
        assert_eq!(
            filter(&all[1..]).with_state(Wanted::All).link(),
            "?q=a%26b&sort=flaps&order=desc&window=7d"
        );
    }

    #[test]
    fn sorting_by_the_same_again_turns_it_round() {
        assert_eq!(filter("").sorted_by(Sort::Flaps).link(), "?sort=flaps&order=desc");
        assert_eq!(filter("sort=flaps&order=desc&page=7").sorted_by(Sort::Flaps).link(), "?sort=flaps");
        assert_eq!(filter("").sorted_by(Sort::State).link(), "?order=desc");
    }
}
