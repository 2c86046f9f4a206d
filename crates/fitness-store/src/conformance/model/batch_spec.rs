//! Descriptions of random batches. They use few keys, so that batches often write the same records, and
//! include extreme keys and values.

use std::fmt;

use fitness_core::{
    GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, SEGMENT_ENTRIES, Totals, UnsavedChanges,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::extreme_values::{extreme_entries, largest_observer, largest_peer, smallest_peer};
use super::super::samples;
use crate::{Batch, LogReplacement};

/// The number of different peers.
pub(super) const NODES: usize = 5;
/// The number of different observers.
pub(super) const OBSERVERS: usize = 3;

/// Segment indices. Sorting them as text or as little-endian bytes gives a different order.
pub(super) const INDICES: [u32; 6] = [0, 1, 2, 10, 256, u32::MAX / SEGMENT_ENTRIES];
/// Gap numbers, chosen like the segment indices.
pub(super) const NUMBERS: [u32; 6] = [0, 1, 2, 10, 256, u32::MAX];
/// Values of `below_index` and `prune_gaps_before`.
const ENDS: [u32; 6] = [0, 1, 2, 10, 257, u32::MAX];

/// Returns the id of a peer. They include the smallest and the largest id, adjacent ids, and an observer's id.
pub(super) fn node_id(node: usize) -> NodeId {
    let ids = [NodeId([0; 33]), samples::node(1), samples::node(2), samples::OBSERVER, NodeId([0xff; 33])];
    ids[node]
}

/// Returns the id of an observer.
pub(super) fn observer_id(observer: usize) -> NodeId {
    [samples::OBSERVER, samples::OTHER_OBSERVER, NodeId([0xff; 33])][observer]
}

/// The versions of records with the smallest and the largest values. Lower versions have ordinary values.
const SMALLEST: u32 = 18;
const LARGEST: u32 = 19;

/// The index of a segment or the number of a gap, and a version.
type Versioned = (u32, u32);

/// A compact description of a batch. In each tuple the last number is the version of the record; records of
/// different versions have different contents.
#[derive(Clone, Debug, Default)]
pub(super) struct BatchSpec {
    forgotten_peers: Vec<usize>,
    peers: Vec<(usize, u32)>,
    replacements: Vec<(usize, u32, Vec<Versioned>)>,
    segments: Vec<(usize, u32, u32)>,
    gaps: Vec<Versioned>,
    prune_gaps_before: Option<u32>,
    observer: Option<u32>,
    /// An invalid record or replacement that is added to the batch. The store must reject the whole batch.
    pub(super) fault: Option<Fault>,
}

/// The kind of an invalid record or replacement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Peer,
    Segment,
    Gap,
    Replacement,
}

/// Generates batches: empty ones, batches with one kind of change or several, and some invalid ones.
pub(super) fn batch_specs() -> impl Strategy<Value = BatchSpec> {
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
    let specs = parts.prop_map(
        |(forgotten_peers, peers, mut replacements, segments, gaps, prune_gaps_before, observer, fault)| {
            for (_, below, segments) in &mut replacements {
                // Keep only valid segments; invalid replacements are generated as a fault.
                segments.retain(|(index, _)| index < below);
                segments.sort_unstable();
                segments.dedup_by_key(|(index, _)| *index);
            }
            BatchSpec {
                forgotten_peers,
                peers,
                replacements,
                segments,
                gaps,
                prune_gaps_before,
                observer,
                fault,
            }
        },
    );
    (specs, weighted(0.3, 0..7_u32)).prop_map(|(spec, kind)| match kind {
        None => spec,
        Some(kind) => spec.with_one_kind(kind),
    })
}

impl BatchSpec {
    /// Keeps only one kind of change.
    fn with_one_kind(self, kind: u32) -> Self {
        let mut reduced = Self::default();
        match kind {
            0 => reduced.forgotten_peers = self.forgotten_peers,
            1 => reduced.peers = self.peers,
            2 => reduced.replacements = self.replacements,
            3 => reduced.segments = self.segments,
            4 => reduced.gaps = self.gaps,
            5 => reduced.prune_gaps_before = self.prune_gaps_before,
            _ => reduced.observer = self.observer,
        }
        reduced
    }

    /// Returns the described batch.
    pub(super) fn batch(&self) -> Batch {
        let mut batch = Batch {
            changes: UnsavedChanges {
                forgotten_peers: self.forgotten_peers.iter().map(|&node| node_id(node)).collect(),
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
                _ => samples::observer_record(version.into()),
            }),
            replacements: self
                .replacements
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
        // A segment without its first 61 entries.
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

impl fmt::Display for BatchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.forgotten_peers.iter().map(|node| format!("forget peer {node}")));
        parts.extend(self.peers.iter().map(|(node, version)| format!("write peer {node} v{version}")));
        parts.extend(self.replacements.iter().map(|(node, below, segments)| {
            let new = segments.iter().map(|(index, version)| format!("{index} v{version}"));
            let new = new.collect::<Vec<_>>().join(", ");
            format!("replace segments of peer {node} below {below} with [{new}]")
        }));
        parts.extend(
            self.segments
                .iter()
                .map(|(node, index, version)| format!("write segment {index} of peer {node} v{version}")),
        );
        parts.extend(self.gaps.iter().map(|(number, version)| format!("write gap {number} v{version}")));
        parts.extend(self.prune_gaps_before.map(|before| format!("delete gaps before {before}")));
        parts.extend(self.observer.map(|version| format!("write observer record v{version}")));
        parts.extend(self.fault.map(|fault| format!("invalid {fault}, so the whole batch must be rejected")));
        if parts.is_empty() {
            parts.push("empty batch".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::Segment => "segment",
            Self::Gap => "gap",
            Self::Replacement => "replacement",
        })
    }
}
