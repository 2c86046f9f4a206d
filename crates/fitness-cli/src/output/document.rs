//! The data of a report: peers and their channels as of one time, in one section per observer.

use fitness_core::{
    BucketWidth, ChannelReport, Coverage, Gap, NodeId, PeerReport, Presence, PresenceInterval,
    StandardWindow, Timestamp, WindowReport, WindowStats,
};

use super::sort::Sort;
use super::strip::Strip;
use crate::time::Window;

/// A report. It has one section, or several if several nodes share a store.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// One section per observer.
    pub(crate) sections: Vec<Section>,
}

/// The data of one observer as of one time.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// The observer, if known.
    pub(crate) observer: Option<Observer>,
    /// The time of the report; `None` if there is no data.
    pub(crate) at: Option<Timestamp>,
    /// The queried window. The entries have their statistics in it.
    pub(crate) window: Option<Window>,
    /// The monitoring coverage, if known.
    pub(crate) coverage: Option<Coverage>,
    /// The monitoring gaps, oldest first.
    pub(crate) gaps: Vec<Gap>,
    /// Whether to list all gaps instead of only the latest.
    pub(crate) all_gaps: bool,
    /// The start of the peers' strips, if there are any. They end at the time of the report.
    pub(crate) strips_from: Option<Timestamp>,
    /// The tracked peers and, if requested, those that are no longer tracked.
    pub(crate) peers: Vec<PeerEntry>,
}

/// The observer of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observer {
    /// The observer's node id.
    pub(crate) node_id: NodeId,
    /// When its process started.
    pub(crate) started_at: Timestamp,
    /// The last time at which it is known to have been observing.
    pub(crate) last_heartbeat: Timestamp,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct PeerEntry {
    /// The peer's alias, if known.
    pub(crate) alias: Option<String>,
    /// The peer's report, without its channels.
    pub(crate) report: PeerReport,
    /// The peer's statistics in the queried window.
    pub(crate) window: Option<WindowStats>,
    /// The peer's statistics in the standard windows, with `--peer`.
    pub(crate) standard_windows: Vec<(StandardWindow, WindowStats)>,
    /// The peer's timeline, with `--timeline`.
    pub(crate) timeline: Option<Vec<PresenceInterval>>,
    /// The peer's hours or days, with `--buckets`.
    pub(crate) buckets: Option<(BucketWidth, Vec<WindowReport>)>,
    /// The peer's history as a strip.
    pub(crate) strip: Strip,
    /// The peer's channels, oldest first.
    pub(crate) channels: Vec<ChannelEntry>,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct ChannelEntry {
    /// The channel's report.
    pub(crate) report: ChannelReport,
    /// The channel's statistics in the queried window.
    pub(crate) window: Option<WindowStats>,
    /// The channel's statistics in the standard windows, with `--peer`.
    pub(crate) standard_windows: Vec<(StandardWindow, WindowStats)>,
    /// The uptime that lnd would report from its rate-limited log, with `--preset`.
    pub(crate) lnd_uptime_ns: Option<u64>,
    /// The true uptime, in the demo.
    pub(crate) true_uptime_ns: Option<u64>,
}

impl Document {
    /// Sorts the peers of each section.
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
    /// Creates a section of peers and the channels in their reports, as of `at`.
    pub(crate) fn new(at: Option<Timestamp>, reports: impl IntoIterator<Item = PeerReport>) -> Self {
        let peers = reports.into_iter().map(PeerEntry::new).collect();
        Self { at, peers, ..Self::default() }
    }

    /// Iterates over all channels, mutably.
    pub(crate) fn channels_mut(&mut self) -> impl Iterator<Item = &mut ChannelEntry> {
        self.peers.iter_mut().flat_map(|peer| &mut peer.channels)
    }

    /// Iterates over all channels.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelEntry> {
        self.peers.iter().flat_map(|peer| &peer.channels)
    }

    /// Returns the nanoseconds since the peer was first tracked.
    pub(crate) fn lifetime_ns(&self, peer: &PeerEntry) -> u64 {
        self.at.map_or(0, |at| at.nanos_since(peer.report.tracked_since))
    }
}

impl PeerEntry {
    fn new(mut report: PeerReport) -> Self {
        let channels = std::mem::take(&mut report.channels).into_iter().map(ChannelEntry::new).collect();
        Self {
            alias: None,
            report,
            window: None,
            standard_windows: Vec::new(),
            timeline: None,
            buckets: None,
            strip: Strip::default(),
            channels,
        }
    }
}

impl ChannelEntry {
    const fn new(report: ChannelReport) -> Self {
        Self { report, window: None, standard_windows: Vec::new(), lnd_uptime_ns: None, true_uptime_ns: None }
    }

    /// Returns whether the channel cannot carry payments although its peer, `peer`, is online.
    pub(crate) fn is_unusable(&self, peer: &PeerReport) -> bool {
        peer.presence == Presence::Online && self.report.usable == Some(false)
    }
}
