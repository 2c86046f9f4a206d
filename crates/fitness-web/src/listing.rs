//! Which peers are shown, in which order: for the API and the dashboard alike.

use std::cmp::Ordering;
use std::fmt::{self, Display, Write as _};

use fitness_core::{ChannelReport, PeerReport, Presence};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::Shared;

/// Which peers are asked for by their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PeerState {
    Online,
    Offline,
    /// We cannot tell.
    Unobserved,
}

impl From<Presence> for PeerState {
    fn from(presence: Presence) -> Self {
        match presence {
            Presence::Online => Self::Online,
            Presence::Offline => Self::Offline,
            Presence::Unobserved => Self::Unobserved,
        }
    }
}

/// In which direction a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// The smallest first.
    #[default]
    Asc,
    /// The largest first.
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

    /// What is not known comes last, whatever the direction.
    pub(crate) fn known<T>(
        self,
        one: Option<T>,
        other: Option<T>,
        compare: impl Fn(&T, &T) -> Ordering,
    ) -> Ordering {
        match (one, other) {
            (Some(one), Some(other)) => self.apply(compare(&one, &other)),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    }
}

/// A peer, and what it is called where somebody wanted to know.
pub(crate) struct Listed {
    pub(crate) report: PeerReport,
    pub(crate) name: Option<String>,
    /// The same as people sort and search it, where they do.
    pub(crate) small: Option<String>,
}

/// How many are online, offline and neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) online: usize,
    pub(crate) offline: usize,
    pub(crate) unobserved: usize,
}

impl Counts {
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

    pub(crate) const fn all(self) -> usize {
        self.online + self.offline + self.unobserved
    }
}

/// Those of `peers` that match, with their names where `named` or where they were searched.
pub(crate) fn select(
    state: &Shared,
    peers: Vec<PeerReport>,
    wanted: Option<PeerState>,
    query: &str,
    named: bool,
) -> Vec<Listed> {
    let query = query.trim().to_lowercase();
    let of_state = |peer: &PeerReport| wanted.is_none_or(|wanted| PeerState::from(peer.presence) == wanted);
    let named = named || !query.is_empty();
    let listed = peers.into_iter().filter(of_state).map(|report| {
        let name = if named { state.name(&report.node_id) } else { None };
        let small = name.as_ref().map(|name| name.to_lowercase());
        Listed { report, name, small }
    });
    listed.filter(|peer| peer.matches(&query)).collect()
}

impl Listed {
    /// Whether it is called so, or its id or that of one of its channels begins so.
    fn matches(&self, query: &str) -> bool {
        query.is_empty()
            || self.small.as_ref().is_some_and(|name| name.contains(query))
            || begins(&self.report.node_id, query)
            || self.report.channels.iter().any(|channel| is_channel(channel, query))
    }
}

/// Whether the id or the funding outpoint of a channel begins so.
pub(crate) fn is_channel(channel: &ChannelReport, query: &str) -> bool {
    begins(&channel.channel_id, query) || channel.funding.is_some_and(|funding| begins(&funding, query))
}

/// Whether an id begins so. It is written no further than it takes to tell: there are thousands of them.
fn begins(id: &impl Display, query: &str) -> bool {
    let mut wanted = Prefix(query.as_bytes());
    // Where they differ, or all of what is wanted is there, it stops with what looks like a failure.
    let _ = write!(wanted, "{id}");
    wanted.0.is_empty()
}

/// What an id that is being written still has to go on with.
struct Prefix<'a>(&'a [u8]);

impl fmt::Write for Prefix<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (text, wanted) = (text.as_bytes(), self.0);
        let common = text.len().min(wanted.len());
        match (wanted.split_at_checked(common), text.get(..common)) {
            (Some((start, rest)), Some(written)) if start == written && !wanted.is_empty() => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(fmt::Error),
        }
    }
}

/// A part of a list.
pub(crate) fn page<T>(all: Vec<T>, offset: usize, limit: usize) -> Vec<T> {
    all.into_iter().skip(offset).take(limit).collect()
}

/// The longest that a list can be said to be passed over.
const LAST_OFFSET: u32 = i32::MAX.unsigned_abs();

/// How many entries of a list are passed over, and how many listed; or why that cannot be.
pub(crate) fn part(offset: u32, limit: u32, most: usize) -> Result<(usize, usize), String> {
    if limit == 0 || limit as usize > most {
        return Err(format!("`limit` is from 1 to {most}, not {limit}"));
    }
    if offset > LAST_OFFSET {
        return Err(format!("`offset` is from 0 to {LAST_OFFSET}, not {offset}"));
    }
    Ok((offset as usize, limit as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_begins_as_it_is_written() {
        let text = "txid:1";
        for end in 0..=text.len() {
            assert!(begins(&text, &text[..end]));
            assert!(begins(&format_args!("{}{}:{}", "tx", "id", 1), &text[..end]), "in pieces");
        }
        for other in ["x", "txie", "txid:2", "txid:11", "ü"] {
            assert!(!begins(&text, other), "{other}");
            assert!(!begins(&format_args!("{}{}:{}", "tx", "id", 1), other), "{other} in pieces");
        }
    }

    #[test]
    fn what_is_not_known_comes_last_in_both_directions() {
        let mut numbers = [Some(2), None, Some(3), Some(1), None];
        numbers.sort_by(|one, other| Order::Asc.known(*one, *other, Ord::cmp));
        assert_eq!(numbers, [Some(1), Some(2), Some(3), None, None]);
        numbers.sort_by(|one, other| Order::Desc.known(*one, *other, Ord::cmp));
        assert_eq!(numbers, [Some(3), Some(2), Some(1), None, None]);
    }
}
