//! One peer's page: what is known of it, and which part of that is seen.

use fitness_core::{NodeId, StandardWindow, Timestamp};

use super::list::List;
use crate::api::{Channel, Interval, Peer, Windows, Word};

/// What a page is made from.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The peer itself, which the list need not have.
    pub(crate) peer: Peer,
    pub(crate) channels: Vec<Channel>,
    pub(crate) windows: Windows,
    /// The window of the timeline.
    pub(crate) span: StandardWindow,
    /// From where to where that goes.
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) timeline: Vec<Interval>,
    /// Places in the timeline at which the peer was not online, the newest first.
    pub(crate) outages: Vec<usize>,
    /// Whether older stretches are left out, because there are too many.
    pub(crate) cut: bool,
}

impl Told {
    pub(crate) fn new(
        peer: Peer,
        channels: Vec<Channel>,
        windows: Windows,
        span: StandardWindow,
        at: Timestamp,
        (timeline, cut): (Vec<Interval>, bool),
    ) -> Self {
        let is_outage = |interval: &Interval| interval.presence != Some(Word::Online);
        let outages = timeline.iter().enumerate().rev().filter(|(_, interval)| is_outage(interval));
        let outages = outages.map(|(place, _)| place).collect();
        let begins = timeline.first().map_or(at, |interval| interval.from_ns);
        // A lifetime begins with the peer.
        let from = if span == StandardWindow::Lifetime || cut { begins } else { span.start(at) };
        Self { peer, channels, windows, span, from, to: at, timeline, outages, cut }
    }
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) node_id: NodeId,
    /// The window that is asked for.
    pub(crate) span: StandardWindow,
    /// None until there is an answer.
    pub(crate) told: Option<Told>,
    /// Why there is no newer answer.
    pub(crate) trouble: Option<String>,
    /// How many lines are scrolled past.
    pub(crate) scrolled: usize,
}

impl Page {
    pub(crate) const fn new(node_id: NodeId) -> Self {
        Self { node_id, span: StandardWindow::Day, told: None, trouble: None, scrolled: 0 }
    }

    /// What is known of the peer, by whoever knows more.
    pub(crate) fn peer<'a>(&'a self, list: &'a List) -> Option<&'a Peer> {
        list.peer(&self.node_id).or_else(|| Some(&self.told.as_ref()?.peer))
    }

    /// The next window to the right or left, no further than the last.
    pub(crate) fn look(&mut self, by: isize) {
        let here = StandardWindow::ALL.iter().position(|span| *span == self.span).unwrap_or_default();
        let next = here.saturating_add_signed(by);
        if let Some(span) = StandardWindow::ALL.get(next) {
            self.span = *span;
        }
    }
}
