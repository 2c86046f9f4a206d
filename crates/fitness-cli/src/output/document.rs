//! What a command has to say: peers and their channels at one moment, once for each observer.

use fitness_core::{ChannelReport, NodeId, PeerReport, Timestamp, WindowReport};

use super::order::Sort;
use crate::moment::Window;

/// An answer. Most have one section; a store that several nodes share gives one for each.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// One for each observer.
    pub(crate) sections: Vec<Section>,
}

/// What one observer knows at one moment.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Who observes, where that is told.
    pub(crate) observer: Option<Observer>,
    /// The moment of the question; `None` where there was no moment at all.
    pub(crate) at: Option<Timestamp>,
    /// The window that was asked for; the entries then have theirs.
    pub(crate) window: Option<Window>,
    /// Everyone who is followed.
    pub(crate) peers: Vec<PeerEntry>,
}

/// Who observes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observer {
    /// Our own node.
    pub(crate) node_id: NodeId,
    /// When its process started to observe.
    pub(crate) started_at: Timestamp,
    /// Until when it is known to have observed.
    pub(crate) heartbeat: Timestamp,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct PeerEntry {
    /// A name for people, where it has one.
    pub(crate) label: Option<String>,
    /// The peer's report, without its channels.
    pub(crate) report: PeerReport,
    /// The peer within the window that was asked for.
    pub(crate) window: Option<WindowReport>,
    /// Its channels, oldest first.
    pub(crate) channels: Vec<ChannelEntry>,
}

/// A channel, and what some commands know of it beyond its report.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    /// The channel's report.
    pub(crate) report: ChannelReport,
    /// The channel within the window that was asked for.
    pub(crate) window: Option<WindowReport>,
    /// Uptime as lnd would read it from its rate-limited log.
    pub(crate) lnd_uptime_ns: Option<u64>,
    /// Uptime as it truly was, where somebody knows better than we can.
    pub(crate) true_uptime_ns: Option<u64>,
}

impl Document {
    /// Puts the peers of each section in order.
    pub(crate) fn sort(&mut self, sort: Sort) {
        for section in &mut self.sections {
            sort.apply(section);
        }
    }

    /// How far the measured uptime that is furthest from the true one lies from it; `None` where
    /// nobody knows the true ones.
    pub(crate) fn furthest_from_truth_ns(&self) -> Option<u64> {
        let off = |channel: &ChannelEntry| Some(channel.report.uptime_ns.abs_diff(channel.true_uptime_ns?));
        self.sections.iter().flat_map(Section::channels).filter_map(off).max()
    }
}

impl From<Section> for Document {
    fn from(section: Section) -> Self {
        Self { sections: vec![section] }
    }
}

impl Section {
    /// Peers with the channels that their reports embed, as of `at`.
    pub(crate) fn new(at: Option<Timestamp>, reports: impl IntoIterator<Item = PeerReport>) -> Self {
        let peers = reports.into_iter().map(PeerEntry::new).collect();
        Self { observer: None, at, window: None, peers }
    }

    /// Every channel, to add to what is known of it.
    pub(crate) fn channels_mut(&mut self) -> impl Iterator<Item = &mut ChannelEntry> {
        self.peers.iter_mut().flat_map(|peer| &mut peer.channels)
    }

    /// Every channel.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelEntry> {
        self.peers.iter().flat_map(|peer| &peer.channels)
    }

    /// Nanoseconds since a peer was first followed.
    pub(crate) fn lifetime_ns(&self, peer: &PeerEntry) -> u64 {
        self.at.map_or(0, |at| at.nanos_since(peer.report.first_seen))
    }
}

impl PeerEntry {
    fn new(mut report: PeerReport) -> Self {
        let channels = std::mem::take(&mut report.channels).into_iter().map(ChannelEntry::new).collect();
        Self { label: None, report, window: None, channels }
    }
}

impl ChannelEntry {
    const fn new(report: ChannelReport) -> Self {
        Self { report, window: None, lnd_uptime_ns: None, true_uptime_ns: None }
    }
}
