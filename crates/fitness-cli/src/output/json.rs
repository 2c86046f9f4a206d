//! The JSON form of a document, the same for every command.
//!
//! Times and durations are integers in nanoseconds, in fields that end in `_ns`. Unknown values are `null`.
//! Fields that concern only some commands are absent in the others. docs/reference/json.md describes all
//! fields.

use fitness_core::{
    ChannelReport, Coverage, Gap, ImportedReport, NodeId, Presence, PresenceInterval, StandardWindow,
    Timestamp, WindowReport, WindowStats,
};
use serde::{Serialize, Serializer};

use super::document::{ChannelEntry, Document, Observer, PeerEntry, Section};

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Entries name their observer if there are several.
        let several = self.sections.len() > 1;
        let observer = |section: &Section| section.observer.filter(|_| several).map(|it| it.node_id);
        let json = DocumentJson {
            at_ns: self.common_time(),
            observers: self.sections.iter().filter_map(ObserverJson::of).collect(),
            peers: self
                .sections
                .iter()
                .flat_map(|section| section.peers.iter().map(move |peer| (observer(section), peer)))
                .map(|(observer, peer)| PeerJson::new(observer, peer))
                .collect(),
            channels: self
                .sections
                .iter()
                .flat_map(|section| section.channels().map(move |channel| (observer(section), channel)))
                .map(|(observer, channel)| ChannelJson::new(observer, channel))
                .collect(),
            coverage: self
                .sections
                .iter()
                .filter_map(|section| CoverageJson::of(observer(section), section))
                .collect(),
        };
        json.serialize(serializer)
    }
}

impl Document {
    /// Returns the time of the report if it is the same for all sections.
    fn common_time(&self) -> Option<Timestamp> {
        let first = self.sections.first()?.at;
        first.filter(|_| self.sections.iter().all(|section| section.at == first))
    }
}

#[derive(Serialize)]
struct DocumentJson<'a> {
    at_ns: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    observers: Vec<ObserverJson>,
    peers: Vec<PeerJson<'a>>,
    channels: Vec<ChannelJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coverage: Vec<CoverageJson<'a>>,
}

#[derive(Serialize)]
struct CoverageJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    observer: Option<NodeId>,
    #[serde(flatten)]
    coverage: Coverage,
    gaps: &'a [Gap],
}

impl<'a> CoverageJson<'a> {
    fn of(observer: Option<NodeId>, section: &'a Section) -> Option<Self> {
        Some(Self { observer, coverage: section.coverage?, gaps: &section.gaps })
    }
}

#[derive(Serialize)]
struct ObserverJson {
    observer: NodeId,
    at_ns: Option<Timestamp>,
    started_at_ns: Timestamp,
    last_heartbeat_ns: Timestamp,
}

impl ObserverJson {
    fn of(section: &Section) -> Option<Self> {
        let Observer { node_id, started_at, last_heartbeat } = section.observer?;
        Some(Self {
            observer: node_id,
            at_ns: section.at,
            started_at_ns: started_at,
            last_heartbeat_ns: last_heartbeat,
        })
    }
}

/// A [`PeerReport`](fitness_core::PeerReport) without its channels, which are in a separate list.
#[derive(Serialize)]
struct PeerJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    observer: Option<NodeId>,
    node_id: NodeId,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    presence: Presence,
    presence_since_ns: Timestamp,
    flap_count: u32,
    last_flap_ns: Option<Timestamp>,
    disconnects: u32,
    watched: bool,
    untracked_at_ns: Option<Timestamp>,
    tracked_since_ns: Timestamp,
    observed_ns: u64,
    uptime_ns: u64,
    availability: Option<f64>,
    imported: Option<ImportedReport>,
    #[serde(flatten)]
    stats: StatsJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [PresenceInterval]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<&'a [WindowReport]>,
}

/// The statistics of an entry in the queried window and in the standard windows.
#[derive(Serialize)]
struct StatsJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'a WindowStats>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "by_name")]
    windows: &'a [(StandardWindow, WindowStats)],
}

fn by_name<S: Serializer>(
    windows: &[(StandardWindow, WindowStats)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(windows.iter().map(|(window, stats)| (window.name(), stats)))
}

impl<'a> PeerJson<'a> {
    fn new(observer: Option<NodeId>, peer: &'a PeerEntry) -> Self {
        let report = &peer.report;
        Self {
            observer,
            node_id: report.node_id,
            alias: peer.alias.as_deref(),
            presence: report.presence,
            presence_since_ns: report.presence_since,
            flap_count: report.flap_count,
            last_flap_ns: report.last_flap,
            disconnects: report.disconnects,
            watched: report.watched,
            untracked_at_ns: report.untracked_at,
            tracked_since_ns: report.tracked_since,
            observed_ns: report.observed_ns,
            uptime_ns: report.uptime_ns,
            availability: report.availability,
            imported: report.imported,
            stats: StatsJson { window: peer.window.as_ref(), windows: &peer.standard_windows },
            timeline: peer.timeline.as_deref(),
            buckets: peer.buckets.as_ref().map(|(_, windows)| windows.as_slice()),
        }
    }
}

#[derive(Serialize)]
struct ChannelJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    observer: Option<NodeId>,
    #[serde(flatten)]
    report: &'a ChannelReport,
    #[serde(flatten)]
    stats: StatsJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lnd_uptime_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    true_uptime_ns: Option<u64>,
}

impl<'a> ChannelJson<'a> {
    fn new(observer: Option<NodeId>, channel: &'a ChannelEntry) -> Self {
        Self {
            observer,
            report: &channel.report,
            stats: StatsJson { window: channel.window.as_ref(), windows: &channel.standard_windows },
            lnd_uptime_ns: channel.lnd_uptime_ns,
            true_uptime_ns: channel.true_uptime_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use fitness_core::{ChannelId, ChannelOpened, Event, HashSeed, Tracker, TrackerConfig};

    use super::*;

    #[test]
    fn entries_equal_the_reports_of_the_core() {
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        let (node_id, at) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let channel_id = ChannelId([1; 32]);
        let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
        tracker.apply(at, &Event::ChannelOpened(opened));
        let at = at.after_secs(10);
        tracker.apply(at, &Event::PeerOffline { node_id });

        let report = tracker.peer(at, &node_id).expect("the peer is tracked");
        let mut expected = serde_json::to_value(&report).expect("serialize the report");
        let channels = expected.as_object_mut().and_then(|peer| peer.remove("channels"));
        let document = Document::from(Section::new(Some(at), tracker.peers(at)));
        let json = serde_json::to_value(&document).expect("serialize the document");
        assert_eq!(json["peers"], serde_json::json!([expected]));
        assert_eq!(Some(&json["channels"]), channels.as_ref());
        assert_eq!(json["at_ns"], at.as_nanos());
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(3));
    }
}
