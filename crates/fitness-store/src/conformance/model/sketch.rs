//! A batch in small numbers: few names, so that batches often meet, and extreme ones among them.

use std::fmt;

use fitness_core::{
    GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, SEGMENT_ENTRIES, Totals, UnsavedChanges,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::extremes::{extreme_entries, largest_observer, largest_peer, smallest_peer};
use super::super::samples;
use crate::{Batch, LogReplacement};

/// How many nodes there are to be peers.
pub(super) const NODES: usize = 5;
/// How many nodes there are to observe.
pub(super) const OBSERVERS: usize = 3;

/// Indices of segments, in whose order neither their digits nor their bytes are.
pub(super) const INDICES: [u32; 6] = [0, 1, 2, 10, 256, u32::MAX / SEGMENT_ENTRIES];
/// Numbers of gaps.
pub(super) const NUMBERS: [u32; 6] = [0, 1, 2, 10, 256, u32::MAX];
/// Where something may end.
const ENDS: [u32; 6] = [0, 1, 2, 10, 257, u32::MAX];

/// The smallest and the largest id among them, neighbours, and one that observes as well.
pub(super) fn node_id(node: usize) -> NodeId {
    let ids = [NodeId([0; 33]), samples::node(1), samples::node(2), samples::OURS, NodeId([0xff; 33])];
    ids[node]
}

pub(super) fn observer_id(who: usize) -> NodeId {
    [samples::OURS, samples::THEIRS, NodeId([0xff; 33])][who]
}

/// Versions with the smallest and the largest values. Those before them are ordinary.
const SMALLEST: u32 = 18;
const LARGEST: u32 = 19;

/// An index or a number, and which version of its record.
type Versioned = (u32, u32);

/// What a batch is made of. The last number of what is written is its version, which is another one
/// for another content.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    forgotten: Vec<usize>,
    peers: Vec<(usize, u32)>,
    replaced: Vec<(usize, u32, Vec<Versioned>)>,
    segments: Vec<(usize, u32, u32)>,
    gaps: Vec<Versioned>,
    prune_gaps_before: Option<u32>,
    observer: Option<u32>,
    /// What must not be stored, and the rest along with it.
    pub(super) fault: Option<Fault>,
}

/// A record against the rules.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Peer,
    Segment,
    Gap,
    Replacement,
}

/// Any batch: of nothing, of one kind of thing, of everything, and now and then to be refused.
pub(super) fn sketches() -> impl Strategy<Value = Sketch> {
    let (node, version) = (0..NODES, 0..=LARGEST);
    let segment = (select(&INDICES[..]), version.clone());
    let faults = select(&[Fault::Peer, Fault::Segment, Fault::Gap, Fault::Replacement][..]);
    let parts = (
        vec(node.clone(), 0..3),
        vec((node.clone(), version.clone()), 0..5),
        vec((node.clone(), select(&ENDS[..]), vec(segment.clone(), 0..3)), 0..3),
        vec((node, select(&INDICES[..]), version.clone()), 0..6),
        vec((select(&NUMBERS[..]), version.clone()), 0..4),
        weighted(0.2, select(&ENDS[..])),
        weighted(0.4, version),
        weighted(0.1, faults),
    );
    let sketches = parts.prop_map(
        |(forgotten, peers, mut replaced, segments, gaps, prune_gaps_before, observer, fault)| {
            for (_, below, segments) in &mut replaced {
                // What would be refused is a fault of its own.
                segments.retain(|(index, _)| index < below);
                segments.sort_unstable();
                segments.dedup_by_key(|(index, _)| *index);
            }
            Sketch { forgotten, peers, replaced, segments, gaps, prune_gaps_before, observer, fault }
        },
    );
    (sketches, weighted(0.3, 0..7_u32)).prop_map(|(sketch, kind)| match kind {
        None => sketch,
        Some(kind) => sketch.of_one_kind(kind),
    })
}

impl Sketch {
    fn of_one_kind(self, kind: u32) -> Self {
        let mut one = Self::default();
        match kind {
            0 => one.forgotten = self.forgotten,
            1 => one.peers = self.peers,
            2 => one.replaced = self.replaced,
            3 => one.segments = self.segments,
            4 => one.gaps = self.gaps,
            5 => one.prune_gaps_before = self.prune_gaps_before,
            _ => one.observer = self.observer,
        }
        one
    }

    pub(super) fn batch(&self) -> Batch {
        let mut batch = Batch {
            changes: UnsavedChanges {
                forgotten_peers: self.forgotten.iter().map(|&node| node_id(node)).collect(),
                peers: self.peers.iter().map(|&(node, version)| peer(node, version)).collect(),
                segments: self
                    .segments
                    .iter()
                    .map(|&(node, at, version)| segment(node, at, version))
                    .collect(),
                gaps: self.gaps.iter().map(|&(number, version)| gap(number, version)).collect(),
            },
            observer: self.observer.map(|version| match version {
                SMALLEST => ObserverRecord::default(),
                LARGEST => largest_observer(),
                _ => samples::observer(version.into()),
            }),
            replacements: self
                .replaced
                .iter()
                .map(|(node, below, segments)| replacement(*node, *below, segments))
                .collect(),
            prune_gaps_before: self.prune_gaps_before,
        };
        let impossible = Totals { online_ns: 2, observed_ns: 1 };
        match self.fault {
            None => {}
            Some(Fault::Peer) => batch.changes.peers.push(PeerRecord { totals: impossible, ..peer(0, 0) }),
            Some(Fault::Segment) => {
                batch.changes.segments.push(samples::segment(1, 0, SEGMENT_ENTRIES + 1, 1));
            }
            Some(Fault::Gap) => batch.changes.gaps.push(GapRecord { from_ns: 2, to_ns: 1, ..gap(0, 0) }),
            Some(Fault::Replacement) => batch.replacements.push(replacement(0, 1, &[(1, 0)])),
        }
        batch
    }
}

fn peer(node: usize, version: u32) -> PeerRecord {
    let node_id = node_id(node);
    match version {
        SMALLEST => smallest_peer(node_id),
        LARGEST => largest_peer(node_id),
        _ => PeerRecord { node_id, ..samples::peer(version % 7, version) },
    }
}

fn segment(node: usize, index: u32, version: u32) -> LogSegment {
    let node_id = node_id(node);
    match version {
        // One that starts late, and one that is full.
        SMALLEST => LogSegment {
            node_id,
            first_number: index * SEGMENT_ENTRIES + 61,
            entries: extreme_entries().into(),
        },
        LARGEST => LogSegment { node_id, ..samples::segment(0, index, SEGMENT_ENTRIES, 1) },
        _ => LogSegment { node_id, ..samples::segment(0, index, version + 1, version) },
    }
}

fn gap(number: u32, version: u32) -> GapRecord {
    match version {
        SMALLEST => GapRecord { from_ns: 0, to_ns: 0, ..samples::gap(number, 0) },
        LARGEST => GapRecord { from_ns: 0, to_ns: u64::MAX, ..samples::gap(number, 1) },
        _ => samples::gap(number, version),
    }
}

fn replacement(node: usize, below: u32, segments: &[Versioned]) -> LogReplacement {
    let segments = segments.iter().map(|&(index, version)| segment(node, index, version)).collect();
    LogReplacement { node_id: node_id(node), below_index: below, segments }
}

impl fmt::Display for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.forgotten.iter().map(|node| format!("forget peer {node}")));
        parts.extend(self.peers.iter().map(|(node, version)| format!("write peer {node} v{version}")));
        parts.extend(self.replaced.iter().map(|(node, below, segments)| {
            let by = segments.iter().map(|(index, version)| format!("{index} v{version}"));
            let by = by.collect::<Vec<_>>().join(", ");
            format!("replace segments of {node} below {below} by [{by}]")
        }));
        let segments = self.segments.iter();
        parts.extend(segments.map(|(node, at, version)| format!("write segment {at} of {node} v{version}")));
        parts.extend(self.gaps.iter().map(|(number, version)| format!("write gap {number} v{version}")));
        parts.extend(self.prune_gaps_before.map(|before| format!("delete gaps before {before}")));
        parts.extend(self.observer.map(|version| format!("write observer v{version}")));
        parts.extend(self.fault.map(|fault| format!("all to be refused for a {fault:?} against the rules")));
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}
