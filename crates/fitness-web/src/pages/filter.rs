//! The query of the list of peers, and links that change one part of it.

use std::cmp::Ordering;

use fitness_core::{Presence, StandardWindow};
use serde::{Deserialize, Serialize};

use super::components::first_page;
use crate::listing::{ListedPeer, Order, PresenceFilter};
use crate::summary_cache::LoadedSummaries;
use crate::time_range::WindowName;

/// Number of peers on one page.
pub(super) const ROWS: usize = 100;

/// The query of the list of peers. Links omit default values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) q: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) presence: PresenceOption,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) sort: Sort,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) order: Order,
    #[serde(default = "default_window", skip_serializing_if = "is_default_window")]
    pub(super) window: WindowName,
    /// One-based page number.
    #[serde(default = "first_page", skip_serializing_if = "is_first_page")]
    pub(super) page: usize,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) const fn default_window() -> WindowName {
    WindowName::Month
}

fn is_default_window(window: &WindowName) -> bool {
    *window == default_window()
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_first_page(page: &usize) -> bool {
    *page == 1
}

/// Presence of the listed peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PresenceOption {
    #[default]
    All,
    Online,
    Offline,
    Unobserved,
}

impl PresenceOption {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unobserved => "unobserved",
        }
    }

    pub(super) const fn filter(self) -> Option<PresenceFilter> {
        match self {
            Self::All => None,
            Self::Online => Some(PresenceFilter::Online),
            Self::Offline => Some(PresenceFilter::Offline),
            Self::Unobserved => Some(PresenceFilter::Unobserved),
        }
    }
}

/// Sort key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    /// Offline peers first, those that went offline most recently at the top.
    #[default]
    Presence,
    Alias,
    Availability,
    Disconnects,
    Flaps,
    Channels,
}

impl Sort {
    /// All keys with their name in queries and their label.
    pub(super) const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Presence, "presence", "Presence"),
        (Self::Alias, "alias", "Alias"),
        (Self::Availability, "availability", "Availability"),
        (Self::Disconnects, "disconnects", "Disconnects"),
        (Self::Flaps, "flaps", "Flaps"),
        (Self::Channels, "channels", "Channels"),
    ];

    /// Returns whether sorting needs the history of every peer, not only of those on the page.
    pub(super) const fn needs_summaries(self) -> bool {
        matches!(self, Self::Availability | Self::Disconnects)
    }

    /// Returns the direction that shows the least reliable peers first.
    pub(super) const fn default_order(self) -> Order {
        match self {
            Self::Presence | Self::Alias | Self::Availability => Order::Asc,
            Self::Disconnects | Self::Flaps | Self::Channels => Order::Desc,
        }
    }

    pub(super) fn compare(
        self,
        order: Order,
        summaries: &LoadedSummaries,
        left: &ListedPeer,
        right: &ListedPeer,
    ) -> Ordering {
        let stats = |peer: &ListedPeer| Some(summaries.get(&peer.report.node_id)?.stats);
        let by_number = |key: &dyn Fn(&ListedPeer) -> Option<u64>| {
            order.compare_none_last(key(left), key(right), Ord::cmp)
        };
        let ordering = match self {
            Self::Presence => {
                let by_presence =
                    order.compare_none_last(Some(presence_rank(left)), Some(presence_rank(right)), Ord::cmp);
                by_presence.then(right.report.presence_since.cmp(&left.report.presence_since))
            }
            Self::Alias => order.compare_none_last(
                left.lowercase_alias.as_ref(),
                right.lowercase_alias.as_ref(),
                Ord::cmp,
            ),
            Self::Availability => {
                let availability = |peer: &ListedPeer| stats(peer)?.window.availability;
                order.compare_none_last(availability(left), availability(right), f64::total_cmp)
            }
            Self::Disconnects => by_number(&|peer| Some(stats(peer)?.outages.disconnects)),
            Self::Flaps => by_number(&|peer| Some(peer.report.flap_count.into())),
            Self::Channels => by_number(&|peer| Some(peer.report.channels.len() as u64)),
        };
        ordering.then(left.report.node_id.cmp(&right.report.node_id))
    }
}

/// Ranks offline peers first.
const fn presence_rank(peer: &ListedPeer) -> u8 {
    match peer.report.presence {
        Presence::Offline => 0,
        Presence::Unobserved => 1,
        Presence::Online => 2,
    }
}

impl Filter {
    pub(super) fn window(&self) -> StandardWindow {
        self.window.into()
    }

    /// Formats the query string.
    pub(super) fn query_string(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        format!("?{query}")
    }

    pub(super) fn with_presence(&self, presence: PresenceOption) -> Self {
        Self { presence, page: 1, ..self.clone() }
    }

    /// Returns the filter with another sort key, or with the reverse order if it is already sorted by `sort`.
    pub(super) fn sorted_by(&self, sort: Sort) -> Self {
        let order = if sort == self.sort { self.order.reversed() } else { sort.default_order() };
        Self { sort, order, page: 1, ..self.clone() }
    }

    pub(super) fn with_page(&self, page: usize) -> Self {
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
    fn links_omit_default_values() {
        assert_eq!(filter("").query_string(), "?");
        let full = "?q=a%26b&presence=offline&sort=flaps&order=desc&window=7d&page=2";
        assert_eq!(filter(&full[1..]).query_string(), full);
        assert_eq!(
            filter(&full[1..]).with_presence(PresenceOption::All).query_string(),
            "?q=a%26b&sort=flaps&order=desc&window=7d"
        );
    }

    #[test]
    fn sorting_by_the_same_key_reverses_the_order() {
        assert_eq!(filter("").sorted_by(Sort::Flaps).query_string(), "?sort=flaps&order=desc");
        let sorted = filter("sort=flaps&order=desc&page=7").sorted_by(Sort::Flaps);
        assert_eq!(sorted.query_string(), "?sort=flaps");
        assert_eq!(filter("").sorted_by(Sort::Presence).query_string(), "?order=desc");
    }
}
