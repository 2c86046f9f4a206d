//! The peers: which are shown, in which order, and which of them is chosen.

use std::collections::HashMap;

use fitness_core::{NodeId, Presence, Timestamp};

use super::column::Column;
use super::strip::Hours;
use crate::api::Peer;

/// How many strips are kept at most: those of a few screens.
const STRIPS: usize = 1_000;

/// How many are online, offline and neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) online: usize,
    pub(crate) offline: usize,
    pub(crate) unobserved: usize,
}

#[derive(Debug)]
pub(crate) struct List {
    peers: HashMap<NodeId, Peer>,
    /// Those that match, as they are sorted.
    order: Vec<NodeId>,
    pub(crate) sort: Column,
    pub(crate) inverted: bool,
    filter: String,
    cursor: usize,
    /// The first that is seen.
    top: usize,
    /// The peer that the cursor stays with, wherever it is sorted to; none where it stays at the top.
    chosen: Option<NodeId>,
    pub(crate) strips: HashMap<NodeId, Hours>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            peers: HashMap::new(),
            order: Vec::new(),
            sort: Column::Availability,
            inverted: false,
            filter: String::new(),
            cursor: 0,
            top: 0,
            chosen: None,
            strips: HashMap::new(),
        }
    }
}

impl List {
    /// How many peers there are.
    pub(crate) fn all(&self) -> usize {
        self.peers.len()
    }

    /// How many of them match.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn peer(&self, node_id: &NodeId) -> Option<&Peer> {
        self.peers.get(node_id)
    }

    pub(crate) fn chosen(&self) -> Option<&Peer> {
        self.peers.get(self.order.get(self.cursor)?)
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for peer in self.peers.values() {
            *match peer.presence {
                Presence::Online => &mut counts.online,
                Presence::Offline => &mut counts.offline,
                Presence::Unobserved => &mut counts.unobserved,
            } += 1;
        }
        counts
    }

    /// The peers in `rows` rows, and whether the cursor is on them. Only they have to be drawn, and only
    /// their strips are needed.
    pub(crate) fn visible(&self, rows: usize) -> impl Iterator<Item = (&Peer, bool)> {
        let shown = self.order.iter().enumerate().skip(self.top).take(rows);
        shown.filter_map(|(place, node_id)| Some((self.peers.get(node_id)?, place == self.cursor)))
    }

    pub(crate) fn set_all(&mut self, peers: Vec<Peer>, now: Timestamp) {
        self.peers = peers.into_iter().map(|peer| (peer.node_id, peer)).collect();
        self.strips.retain(|node_id, _| self.peers.contains_key(node_id));
        self.arrange(now);
    }

    pub(crate) fn set(&mut self, peer: Peer, now: Timestamp) {
        self.peers.insert(peer.node_id, peer);
        self.arrange(now);
    }

    pub(crate) fn remove(&mut self, node_id: &NodeId, now: Timestamp) {
        self.peers.remove(node_id);
        self.strips.remove(node_id);
        self.arrange(now);
    }

    pub(crate) fn set_strip(&mut self, node_id: NodeId, hours: Hours) {
        if self.strips.len() >= STRIPS {
            let oldest = self.strips.iter().min_by_key(|(_, hours)| hours.at).map(|(node_id, _)| *node_id);
            oldest.map(|node_id| self.strips.remove(&node_id));
        }
        self.strips.insert(node_id, hours);
    }

    pub(crate) fn sort_by(&mut self, column: Column, now: Timestamp) {
        if column != self.sort {
            self.sort = column;
            self.inverted = false;
        }
        self.arrange(now);
    }

    pub(crate) fn invert(&mut self, now: Timestamp) {
        self.inverted = !self.inverted;
        self.arrange(now);
    }

    pub(crate) fn set_filter(&mut self, filter: &str, now: Timestamp) {
        filter.clone_into(&mut self.filter);
        self.arrange(now);
    }

    /// Sorts and filters anew; the cursor stays with its peer where that is still shown.
    pub(crate) fn arrange(&mut self, now: Timestamp) {
        let wanted = self.filter.trim().to_lowercase();
        let mut shown: Vec<&Peer> = self.peers.values().filter(|peer| matches(peer, &wanted)).collect();
        shown.sort_unstable_by(|one, other| self.sort.compare(self.inverted, now, one, other));
        self.order = shown.into_iter().map(|peer| peer.node_id).collect();
        let last = self.order.len().saturating_sub(1);
        let place = self.chosen.and_then(|chosen| self.order.iter().position(|id| *id == chosen));
        self.cursor = match (self.chosen, place) {
            (None, _) => 0,
            (Some(_), Some(place)) => place,
            (Some(_), None) => self.cursor.min(last),
        };
    }

    /// Moves the cursor by so many rows.
    pub(crate) fn go(&mut self, by: isize) {
        self.go_to(self.cursor.saturating_add_signed(by));
    }

    pub(crate) fn go_to(&mut self, place: usize) {
        self.cursor = place.min(self.order.len().saturating_sub(1));
        self.chosen = self.order.get(self.cursor).copied();
    }

    /// To the first, and to stay there, whoever that is.
    pub(crate) fn go_home(&mut self) {
        (self.cursor, self.top, self.chosen) = (0, 0, None);
    }

    /// Moves the cursor to the next peer that matches, from the one that is `from` on, forwards or back,
    /// around the end. Whether there is one.
    pub(crate) fn find(&mut self, wanted: &str, from: usize, forwards: bool) -> bool {
        let wanted = wanted.trim().to_lowercase();
        let count = self.order.len();
        if wanted.is_empty() || count == 0 {
            return false;
        }
        let place = |step: usize| (if forwards { from + step } else { from % count + count - step }) % count;
        let is_it = |place: &usize| {
            let peer = self.order.get(*place).and_then(|node_id| self.peers.get(node_id));
            peer.is_some_and(|peer| matches(peer, &wanted))
        };
        let found = (0..count).map(place).find(is_it);
        if let Some(place) = found {
            self.go_to(place);
        }
        found.is_some()
    }

    /// Scrolls so that the cursor is seen in `rows` rows, and no row stays empty without need.
    pub(crate) fn scroll_into(&mut self, rows: usize) {
        let rows = rows.max(1);
        let furthest = self.order.len().saturating_sub(rows);
        self.top = self.top.clamp(self.cursor.saturating_sub(rows - 1), self.cursor).min(furthest);
    }
}

/// Whether it is called so, or its id begins so.
fn matches(peer: &Peer, wanted: &str) -> bool {
    wanted.is_empty()
        || peer.alias.as_ref().is_some_and(|label| label.to_lowercase().contains(wanted))
        || peer.node_id.to_string().starts_with(wanted)
}
