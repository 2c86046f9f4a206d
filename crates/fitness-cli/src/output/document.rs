//! What a command has to say: peers and their channels at one moment, once for each observer.

use fitness_core::{
    BucketWidth, ChannelReport, Coverage, Gap, NodeId, PeerReport, Presence, PresenceInterval,
    StandardWindow, Timestamp, WindowReport, WindowStats,
};

use super::order::Sort;
use super::strip::Strip;
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
    /// How long it has watched, where that is told.
    pub(crate) coverage: Option<Coverage>,
    /// When it could not tell, oldest first.
    pub(crate) gaps: Vec<Gap>,
    /// Whether all of them are to be listed, and not the latest alone.
    pub(crate) all_gaps: bool,
    /// Where the strips of its peers begin, where they have some; they end at the moment of the question.
    pub(crate) strips_from: Option<Timestamp>,
    /// Everyone who is followed, and where that was asked for, everyone who was.
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
    pub(crate) window: Option<WindowStats>,
    /// The peer within the usual windows, where it was asked about by name.
    pub(crate) spans: Vec<(StandardWindow, WindowStats)>,
    /// What it was when, where that was asked for.
    pub(crate) timeline: Option<Vec<PresenceInterval>>,
    /// Its hours or days, where those were asked for.
    pub(crate) buckets: Option<(BucketWidth, Vec<WindowReport>)>,
    /// Its history to look at.
    pub(crate) strip: Strip,
    /// Its channels, oldest first.
    pub(crate) channels: Vec<ChannelEntry>,
}

/// A channel, and what some commands know of it beyond its report.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    /// The channel's report.
    pub(crate) report: ChannelReport,
    /// The channel within the window that was asked for.
    pub(crate) window: Option<WindowStats>,
    /// The channel within the usual windows, where its peer was asked about by name.
    pub(crate) spans: Vec<(StandardWindow, WindowStats)>,
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
        Self { at, peers, ..Self::default() }
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
        self.at.map_or(0, |at| at.nanos_since(peer.report.tracked_since))
    }
}

impl PeerEntry {
    fn new(mut report: PeerReport) -> Self {
        let channels = std::mem::take(&mut report.channels).into_iter().map(ChannelEntry::new).collect();
        Self {
            label: None,
            report,
            window: None,
            spans: Vec::new(),
            timeline: None,
            buckets: None,
            strip: Strip::default(),
            channels,
        }
    }
}

impl ChannelEntry {
    const fn new(report: ChannelReport) -> Self {
        Self { report, window: None, spans: Vec::new(), lnd_uptime_ns: None, true_uptime_ns: None }
    }

    /// Whether it cannot carry payments although its peer, which this is, is there.
    pub(crate) fn is_inactive(&self, peer: &PeerReport) -> bool {
        peer.presence == Presence::Online && self.report.usable == Some(false)
    }
}
