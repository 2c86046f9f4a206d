//! The page of one peer: its data and the scroll position.

use fitness_core::{NodeId, Presence, StandardWindow, Timestamp};

use super::list::List;
use crate::api::{Channel, Interval, Peer, Windows};

/// The data of a page.
#[derive(Clone, Debug)]
pub(crate) struct PageData {
    /// The peer. The list does not contain untracked peers.
    pub(crate) peer: Peer,
    pub(crate) channels: Vec<Channel>,
    pub(crate) windows: Windows,
    /// The window of the timeline.
    pub(crate) window: StandardWindow,
    /// The start and end of that window.
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) timeline: Vec<Interval>,
    /// The indexes of the intervals in which the peer was not online, the newest first.
    pub(crate) outages: Vec<usize>,
    /// Whether older intervals are missing because there are too many.
    pub(crate) is_truncated: bool,
}

impl PageData {
    pub(crate) fn new(
        peer: Peer,
        channels: Vec<Channel>,
        windows: Windows,
        window: StandardWindow,
        at: Timestamp,
        (timeline, is_truncated): (Vec<Interval>, bool),
    ) -> Self {
        let is_outage = |interval: &Interval| interval.presence != Some(Presence::Online);
        let outages = timeline.iter().enumerate().rev().filter(|(_, interval)| is_outage(interval));
        let outages = outages.map(|(index, _)| index).collect();
        let first = timeline.first().map_or(at, |interval| interval.from_ns);
        // The lifetime window starts with the first interval.
        let from = if window == StandardWindow::Lifetime || is_truncated { first } else { window.start(at) };
        Self { peer, channels, windows, window, from, to: at, timeline, outages, is_truncated }
    }
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) node_id: NodeId,
    /// The selected window. The data can still be that of another window.
    pub(crate) window: StandardWindow,
    /// `None` until the first response.
    pub(crate) data: Option<PageData>,
    /// Why the last fetch failed.
    pub(crate) error: Option<String>,
    /// The number of lines that are scrolled past.
    pub(crate) scroll: usize,
}

impl Page {
    pub(crate) const fn new(node_id: NodeId) -> Self {
        Self { node_id, window: StandardWindow::Day, data: None, error: None, scroll: 0 }
    }

    /// Returns the peer from the list, or from the page's own data if it is not tracked.
    pub(crate) fn peer<'a>(&'a self, list: &'a List) -> Option<&'a Peer> {
        list.peer(&self.node_id).or_else(|| Some(&self.data.as_ref()?.peer))
    }

    /// Selects the window `by` positions to the right, if there is one.
    pub(crate) fn shift_window(&mut self, by: isize) {
        let index = StandardWindow::ALL.iter().position(|window| *window == self.window).unwrap_or_default();
        if let Some(window) = StandardWindow::ALL.get(index.saturating_add_signed(by)) {
            self.window = *window;
        }
    }
}
