//! An in-memory store.

use std::collections::BTreeMap;

use fitness_core::{
    GapRecord, HashSeed, LogSegment, NodeId, ObserverRecord, PeerRecord, StoredLog, Tracker, TrackerConfig,
    UnsavedChanges,
};

type Segments = BTreeMap<(NodeId, u32), LogSegment>;

#[derive(Default)]
pub(crate) struct Store {
    observer: Option<ObserverRecord>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    segments: Segments,
    gaps: Vec<GapRecord>,
    /// All segments as they would be without downsampling.
    original_segments: Segments,
}

impl Store {
    pub(crate) fn commit(&mut self, changes: UnsavedChanges, observer: ObserverRecord) {
        for node_id in &changes.forgotten_peers {
            self.peers.remove(node_id);
            self.segments.retain(|(other, _), _| other != node_id);
            self.original_segments.retain(|(other, _), _| other != node_id);
        }
        self.peers.extend(changes.peers.into_iter().map(|record| (record.node_id, record)));
        let with_key = |segment: LogSegment| ((segment.node_id, segment.index()), segment);
        self.original_segments.extend(changes.segments.iter().cloned().map(with_key));
        self.segments.extend(changes.segments.into_iter().map(with_key));
        self.gaps.extend(changes.gaps);
        self.observer = Some(observer);
    }

    /// Creates a tracker from the stored records. It has not received a time yet.
    pub(crate) fn load_tracker(&self, config: TrackerConfig) -> Tracker {
        let mut tracker = Tracker::new(config, HashSeed([4; 16]));
        if let Some(observer) = &self.observer {
            tracker.resume_observer(observer, &self.gaps);
        }
        self.peers.values().for_each(|record| tracker.resume_peer(record));
        tracker
    }

    pub(crate) fn segments_of(&self, node_id: &NodeId) -> Vec<LogSegment> {
        segments_of(&self.segments, node_id)
    }

    pub(crate) fn original_segments_of(&self, node_id: &NodeId) -> Vec<LogSegment> {
        segments_of(&self.original_segments, node_id)
    }

    /// Returns the segments of a log that the tracker will not write again.
    pub(crate) fn final_segments(&self, log: &StoredLog) -> Vec<LogSegment> {
        let mut segments = self.segments_of(&log.node_id);
        segments.retain(|segment| segment.index() < log.end_index);
        segments
    }

    /// Replaces the final segments of a log.
    pub(crate) fn replace_final_segments(&mut self, log: &StoredLog, replacement: Vec<LogSegment>) {
        self.segments.retain(|(other, index), _| *other != log.node_id || *index >= log.end_index);
        self.segments
            .extend(replacement.into_iter().map(|segment| ((log.node_id, segment.index()), segment)));
    }
}

fn segments_of(segments: &Segments, node_id: &NodeId) -> Vec<LogSegment> {
    segments.range((*node_id, 0)..=(*node_id, u32::MAX)).map(|(_, segment)| segment.clone()).collect()
}
