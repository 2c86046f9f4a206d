//! The peer list: the filter, the sort order and the selected peer.

use std::collections::HashMap;

use fitness_core::{NodeId, Presence, Timestamp};

use super::column::Column;
use super::strip::Strip;
use crate::api::Peer;

/// The most strips that are kept, enough for a few screens.
const MAX_STRIPS: usize = 1_000;

/// The number of peers by presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) online: usize,
    pub(crate) offline: usize,
    pub(crate) unobserved: usize,
}

#[derive(Debug)]
pub(crate) struct List {
    peers: HashMap<NodeId, Peer>,
    /// The peers that match the filter, in sort order.
    order: Vec<NodeId>,
    pub(crate) sort: Column,
    pub(crate) is_reversed: bool,
    filter: String,
    cursor: usize,
    /// The index of the first visible row.
    top: usize,
    /// The peer that the cursor follows when the order changes; `None` if the cursor stays at the top.
    cursor_peer: Option<NodeId>,
    pub(crate) strips: HashMap<NodeId, Strip>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            peers: HashMap::new(),
            order: Vec::new(),
            sort: Column::Availability,
            is_reversed: false,
            filter: String::new(),
            cursor: 0,
            top: 0,
            cursor_peer: None,
            strips: HashMap::new(),
        }
    }
}

impl List {
    /// Returns the number of peers.
    pub(crate) fn total(&self) -> usize {
        self.peers.len()
    }

    /// Returns the number of peers that match the filter.
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

    pub(crate) fn selected(&self) -> Option<&Peer> {
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

    /// Returns the visible peers, with whether the cursor is on them, for a list of `rows` rows. Only these
    /// peers are drawn, and only their strips are fetched.
    pub(crate) fn visible(&self, rows: usize) -> impl Iterator<Item = (&Peer, bool)> {
        let visible = self.order.iter().enumerate().skip(self.top).take(rows);
        visible.filter_map(|(index, node_id)| Some((self.peers.get(node_id)?, index == self.cursor)))
    }

    pub(crate) fn replace_all(&mut self, peers: Vec<Peer>, now: Timestamp) {
        self.peers = peers.into_iter().map(|peer| (peer.node_id, peer)).collect();
        self.strips.retain(|node_id, _| self.peers.contains_key(node_id));
        self.arrange(now);
    }

    pub(crate) fn insert(&mut self, peer: Peer, now: Timestamp) {
        self.peers.insert(peer.node_id, peer);
        self.arrange(now);
    }

    pub(crate) fn remove(&mut self, node_id: &NodeId, now: Timestamp) {
        self.peers.remove(node_id);
        self.strips.remove(node_id);
        self.arrange(now);
    }

    pub(crate) fn set_strip(&mut self, node_id: NodeId, strip: Strip) {
        if self.strips.len() >= MAX_STRIPS {
            let oldest =
                self.strips.iter().min_by_key(|(_, strip)| strip.fetched_at).map(|(node_id, _)| *node_id);
            oldest.map(|node_id| self.strips.remove(&node_id));
        }
        self.strips.insert(node_id, strip);
    }

    pub(crate) fn sort_by(&mut self, column: Column, now: Timestamp) {
        if column != self.sort {
            self.sort = column;
            self.is_reversed = false;
        }
        self.arrange(now);
    }

    pub(crate) fn reverse_order(&mut self, now: Timestamp) {
        self.is_reversed = !self.is_reversed;
        self.arrange(now);
    }

    pub(crate) fn set_filter(&mut self, filter: &str, now: Timestamp) {
        filter.clone_into(&mut self.filter);
        self.arrange(now);
    }

    /// Filters and sorts the peers again. The cursor stays on its peer if that still matches.
    pub(crate) fn arrange(&mut self, now: Timestamp) {
        let filter = self.filter.trim().to_lowercase();
        let mut matching: Vec<&Peer> = self.peers.values().filter(|peer| matches(peer, &filter)).collect();
        matching.sort_unstable_by(|one, other| self.sort.compare(self.is_reversed, now, one, other));
        self.order = matching.into_iter().map(|peer| peer.node_id).collect();
        let last = self.order.len().saturating_sub(1);
        let index = self.cursor_peer.and_then(|node_id| self.order.iter().position(|id| *id == node_id));
        self.cursor = match (self.cursor_peer, index) {
            (None, _) => 0,
            (Some(_), Some(index)) => index,
            (Some(_), None) => self.cursor.min(last),
        };
    }

    /// Moves the cursor by a number of rows.
    pub(crate) fn move_by(&mut self, by: isize) {
        self.move_to(self.cursor.saturating_add_signed(by));
    }

    pub(crate) fn move_to(&mut self, index: usize) {
        self.cursor = index.min(self.order.len().saturating_sub(1));
        self.cursor_peer = self.order.get(self.cursor).copied();
    }

    /// Moves the cursor to the first row, where it stays when the order changes.
    pub(crate) fn move_to_top(&mut self) {
        (self.cursor, self.top, self.cursor_peer) = (0, 0, None);
    }

    /// Moves the cursor to the nearest match at or after index `from`, or at or before it if not `forwards`.
    /// Wraps around. Returns whether there is a match.
    pub(crate) fn find(&mut self, query: &str, from: usize, forwards: bool) -> bool {
        let query = query.trim().to_lowercase();
        let count = self.order.len();
        if query.is_empty() || count == 0 {
            return false;
        }
        let index = |step: usize| (if forwards { from + step } else { from % count + count - step }) % count;
        let is_match = |index: &usize| {
            let peer = self.order.get(*index).and_then(|node_id| self.peers.get(node_id));
            peer.is_some_and(|peer| matches(peer, &query))
        };
        let found = (0..count).map(index).find(is_match);
        if let Some(index) = found {
            self.move_to(index);
        }
        found.is_some()
    }

    /// Scrolls a list of `rows` rows so that the cursor is visible and no row is empty unnecessarily.
    pub(crate) fn scroll_to_cursor(&mut self, rows: usize) {
        let rows = rows.max(1);
        let max_top = self.order.len().saturating_sub(rows);
        self.top = self.top.clamp(self.cursor.saturating_sub(rows - 1), self.cursor).min(max_top);
    }
}

/// Whether the peer's alias contains `query`, or its node id starts with it. `query` is in lower case.
fn matches(peer: &Peer, query: &str) -> bool {
    query.is_empty()
        || peer.alias.as_ref().is_some_and(|alias| alias.to_lowercase().contains(query))
        || peer.node_id.to_string().starts_with(query)
}
