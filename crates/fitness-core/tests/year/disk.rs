//! What a store would hold.

use std::collections::BTreeMap;

use fitness_core::{
    GapRecord, HashSeed, LogSegment, NodeId, ObserverRecord, PeerRecord, StoredLog, Tracker, TrackerConfig,
    UnsavedChanges,
};

#[derive(Default)]
pub(crate) struct Disk {
    observer: Option<ObserverRecord>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    segments: BTreeMap<(NodeId, u32), LogSegment>,
    gaps: Vec<GapRecord>,
    /// Every segment that ever was, as if nothing had been thinned.
    archive: BTreeMap<(NodeId, u32), LogSegment>,
}

impl Disk {
    pub(crate) fn write(&mut self, changes: UnsavedChanges, observer: ObserverRecord) {
        for node_id in &changes.forgotten_peers {
            self.peers.remove(node_id);
            self.segments.retain(|(other, _), _| other != node_id);
            self.archive.retain(|(other, _), _| other != node_id);
        }
        self.peers.extend(changes.peers.into_iter().map(|record| (record.node_id, record)));
        let named = |segment: LogSegment| ((segment.node_id, segment.index()), segment);
        self.archive.extend(changes.segments.iter().cloned().map(named));
        self.segments.extend(changes.segments.into_iter().map(named));
        self.gaps.extend(changes.gaps);
        self.observer = Some(observer);
    }

    /// Another process, which has yet to hear of the time.
    pub(crate) fn load(&self, config: TrackerConfig) -> Tracker {
        let mut tracker = Tracker::new(config, HashSeed([4; 16]));
        if let Some(observer) = &self.observer {
            tracker.resume_observer(observer, &self.gaps);
        }
        self.peers.values().for_each(|record| tracker.resume_peer(record));
        tracker
    }

    pub(crate) fn segments_of(&self, node_id: &NodeId) -> Vec<LogSegment> {
        of(&self.segments, node_id)
    }

    pub(crate) fn archive_of(&self, node_id: &NodeId) -> Vec<LogSegment> {
        of(&self.archive, node_id)
    }

    /// The part of a log that is not going to be written again.
    pub(crate) fn older_part(&self, log: &StoredLog) -> Vec<LogSegment> {
        let mut segments = self.segments_of(&log.node_id);
        segments.retain(|segment| segment.index() < log.end_index);
        segments
    }

    pub(crate) fn replace(&mut self, log: &StoredLog, kept: Vec<LogSegment>) {
        self.segments.retain(|(other, index), _| *other != log.node_id || *index >= log.end_index);
        self.segments.extend(kept.into_iter().map(|segment| ((log.node_id, segment.index()), segment)));
    }
}

fn of(segments: &BTreeMap<(NodeId, u32), LogSegment>, node_id: &NodeId) -> Vec<LogSegment> {
    segments.range((*node_id, 0)..=(*node_id, u32::MAX)).map(|(_, segment)| segment.clone()).collect()
}
