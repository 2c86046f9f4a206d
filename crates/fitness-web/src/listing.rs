//! Filtering, sorting and paging of lists, for the API and the dashboard.

use std::cmp::Ordering;
use std::fmt::{self, Display, Write as _};

use fitness_core::{ChannelReport, PeerReport, Presence};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::Shared;

/// The presence that listed peers must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PresenceFilter {
    Online,
    Offline,
    /// Presence is not known.
    Unobserved,
}

impl From<Presence> for PresenceFilter {
    fn from(presence: Presence) -> Self {
        match presence {
            Presence::Online => Self::Online,
            Presence::Offline => Self::Offline,
            Presence::Unobserved => Self::Unobserved,
        }
    }
}

/// Sort direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

impl Order {
    pub(crate) const fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }

    fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Asc => ordering,
            Self::Desc => ordering.reverse(),
        }
    }

    /// Compares two optional values. `None` sorts last in both directions.
    pub(crate) fn compare_none_last<T>(
        self,
        left: Option<T>,
        right: Option<T>,
        compare: impl Fn(&T, &T) -> Ordering,
    ) -> Ordering {
        match (left, right) {
            (Some(left), Some(right)) => self.apply(compare(&left, &right)),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
    }
}

/// A peer with its alias, where the alias was looked up.
pub(crate) struct ListedPeer {
    pub(crate) report: PeerReport,
    pub(crate) alias: Option<String>,
    /// The alias for case-insensitive sorting and searching.
    pub(crate) lowercase_alias: Option<String>,
}

/// Number of peers by presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PresenceCounts {
    pub(crate) online: usize,
    pub(crate) offline: usize,
    pub(crate) unobserved: usize,
}

impl PresenceCounts {
    pub(crate) fn of<'a>(peers: impl IntoIterator<Item = &'a PeerReport>) -> Self {
        let mut counts = Self::default();
        for peer in peers {
            *match peer.presence {
                Presence::Online => &mut counts.online,
                Presence::Offline => &mut counts.offline,
                Presence::Unobserved => &mut counts.unobserved,
            } += 1;
        }
        counts
    }

    pub(crate) const fn total(self) -> usize {
        self.online + self.offline + self.unobserved
    }
}

/// Returns the peers that match a presence and a search query. Looks up aliases if `with_aliases` is set or
/// the query needs them.
pub(crate) fn select(
    state: &Shared,
    peers: Vec<PeerReport>,
    presence: Option<PresenceFilter>,
    query: &str,
    with_aliases: bool,
) -> Vec<ListedPeer> {
    let query = query.trim().to_lowercase();
    let has_presence =
        |peer: &PeerReport| presence.is_none_or(|presence| PresenceFilter::from(peer.presence) == presence);
    let with_aliases = with_aliases || !query.is_empty();
    let listed = peers.into_iter().filter(has_presence).map(|report| {
        let alias = if with_aliases { state.alias(&report.node_id) } else { None };
        let lowercase_alias = alias.as_ref().map(|alias| alias.to_lowercase());
        ListedPeer { report, alias, lowercase_alias }
    });
    listed.filter(|peer| peer.matches(&query)).collect()
}

impl ListedPeer {
    /// Returns whether the alias contains `query`, or the node id, a channel id or a funding outpoint
    /// starts with it.
    fn matches(&self, query: &str) -> bool {
        query.is_empty()
            || self.lowercase_alias.as_ref().is_some_and(|alias| alias.contains(query))
            || starts_with(&self.report.node_id, query)
            || self.report.channels.iter().any(|channel| channel_matches(channel, query))
    }
}

/// Returns whether the channel id or the funding outpoint starts with `query`.
pub(crate) fn channel_matches(channel: &ChannelReport, query: &str) -> bool {
    starts_with(&channel.channel_id, query)
        || channel.funding.is_some_and(|funding| starts_with(&funding, query))
}

/// Returns whether the text of an id starts with `prefix`. Formatting stops as early as possible, because a
/// search formats thousands of ids.
fn starts_with(id: &impl Display, prefix: &str) -> bool {
    let mut matcher = PrefixMatcher(prefix.as_bytes());
    // `write!` fails both on a mismatch and once the whole prefix is matched, to stop formatting.
    let _ = write!(matcher, "{id}");
    matcher.0.is_empty()
}

/// The part of a prefix that the text written so far has not matched yet.
struct PrefixMatcher<'a>(&'a [u8]);

impl fmt::Write for PrefixMatcher<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (text, unmatched) = (text.as_bytes(), self.0);
        let length = text.len().min(unmatched.len());
        match (unmatched.split_at_checked(length), text.get(..length)) {
            (Some((expected, rest)), Some(written)) if expected == written && !unmatched.is_empty() => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(fmt::Error),
        }
    }
}

/// Returns one page of a list.
pub(crate) fn page<T>(all: Vec<T>, offset: usize, limit: usize) -> Vec<T> {
    all.into_iter().skip(offset).take(limit).collect()
}

const MAX_OFFSET: u32 = i32::MAX.unsigned_abs();

/// Validates `offset` and `limit`.
///
/// # Errors
///
/// A message for the client.
pub(crate) fn page_bounds(offset: u32, limit: u32, max_limit: usize) -> Result<(usize, usize), String> {
    if limit == 0 || limit as usize > max_limit {
        return Err(format!("invalid `limit` {limit}: expected 1 to {max_limit}"));
    }
    if offset > MAX_OFFSET {
        return Err(format!("invalid `offset` {offset}: expected 0 to {MAX_OFFSET}"));
    }
    Ok((offset as usize, limit as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_their_prefixes_only() {
        let text = "txid:1";
        for end in 0..=text.len() {
            assert!(starts_with(&text, &text[..end]));
            assert!(starts_with(&format_args!("{}{}:{}", "tx", "id", 1), &text[..end]), "written in pieces");
        }
        for other in ["x", "txie", "txid:2", "txid:11", "ü"] {
            assert!(!starts_with(&text, other), "{other}");
            assert!(
                !starts_with(&format_args!("{}{}:{}", "tx", "id", 1), other),
                "{other}, written in pieces"
            );
        }
    }

    #[test]
    fn unknown_values_sort_last_in_both_directions() {
        let mut numbers = [Some(2), None, Some(3), Some(1), None];
        numbers.sort_by(|left, right| Order::Asc.compare_none_last(*left, *right, Ord::cmp));
        assert_eq!(numbers, [Some(1), Some(2), Some(3), None, None]);
        numbers.sort_by(|left, right| Order::Desc.compare_none_last(*left, *right, Ord::cmp));
        assert_eq!(numbers, [Some(3), Some(2), Some(1), None, None]);
    }
}
