//! What a store has, as a value: to fill stores with, and to compare them by.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fitness_core::{
    GapRecord, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, SEGMENT_ENTRIES, Totals,
    UnsavedChanges,
};
use fitness_store::{Batch, Store};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::samples;

/// All that an observer has in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) record: Option<ObserverRecord>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    pub(crate) segments: BTreeMap<(NodeId, u32), LogSegment>,
    pub(crate) gaps: BTreeMap<u32, GapRecord>,
}

pub(crate) fn node(number: u16) -> NodeId {
    let mut id = NodeId([2; 33]);
    id.0[31..].copy_from_slice(&number.to_be_bytes());
    id
}

pub(crate) fn peer(number: u16, version: u32) -> PeerRecord {
    PeerRecord {
        node_id: node(number),
        watched: true,
        in_reconnect_grace: false,
        tracked_since_ns: 1,
        presence: Some(true).into(),
        presence_since_ns: u64::from(number),
        totals: Totals::default(),
        flap_count: version,
        last_flap_ns: None,
        disconnects: 0,
        log_end: 0,
        imported: None,
        channels: Vec::new(),
    }
}

pub(crate) fn segment(number: u16, index: u32, version: u64) -> LogSegment {
    let entry = LogEntry::new(version, Some(true).into(), Totals::default());
    LogSegment { node_id: node(number), first_number: index * SEGMENT_ENTRIES, entries: vec![entry] }
}

/// So many peers, each third with a log.
pub(crate) fn ordinary(peers: u16) -> Contents {
    let mut contents = Contents { record: Some(record(1)), ..Contents::default() };
    for number in 0..peers {
        contents.peers.insert(node(number), peer(number, 1));
        for index in 0..u32::from(number % 3) {
            contents.segments.insert((node(number), index), segment(number, index, 1));
        }
    }
    let gap = |number| GapRecord { number, cause: fitness_core::GapCause::NotRunning, from_ns: 1, to_ns: 2 };
    contents.gaps = (0..3).map(|number| (number, gap(number))).collect();
    contents
}

pub(crate) fn record(heartbeat_ns: u64) -> ObserverRecord {
    ObserverRecord { last_heartbeat_ns: heartbeat_ns, ..ObserverRecord::default() }
}

impl Contents {
    pub(crate) async fn put(&self, store: &dyn Store, observer: NodeId) {
        let changes = UnsavedChanges {
            forgotten_peers: Vec::new(),
            peers: self.peers.values().cloned().collect(),
            segments: self.segments.values().cloned().collect(),
            gaps: self.gaps.values().copied().collect(),
        };
        let batch = Batch { changes, observer: self.record, ..Batch::default() };
        store.commit(&observer, Arc::new(batch)).await.expect("it is stored");
    }

    /// All that can be read, and the logs of the `nodes` besides, whether or not they have a record.
    pub(crate) async fn of(store: &dyn Store, observer: NodeId, nodes: &[NodeId]) -> Self {
        let all = 1_000_000;
        let peers = store.peers(&observer, None, all).await.expect("peers");
        let mut contents = Self { record: store.observer(&observer).await.expect("it"), ..Self::default() };
        for node_id in peers.iter().map(|peer| &peer.node_id).chain(nodes) {
            for segment in store.segments(&observer, node_id, 0, all).await.expect("a log") {
                contents.segments.insert((*node_id, segment.index()), segment);
            }
        }
        contents.peers = peers.into_iter().map(|peer| (peer.node_id, peer)).collect();
        let gaps = store.gaps(&observer, 0, all).await.expect("gaps");
        contents.gaps = gaps.into_iter().map(|gap| (gap.number, gap)).collect();
        contents
    }

    /// Without the logs of those that have no record, which no reader finds.
    pub(crate) fn reachable(mut self) -> Self {
        self.segments.retain(|(node_id, _), _| self.peers.contains_key(node_id));
        self
    }

    pub(crate) fn rows(&self) -> u64 {
        (self.peers.len() + self.segments.len() + self.gaps.len() + 1) as u64
    }

    /// Some of this, and some of another.
    pub(crate) fn mixed(&self, other: &Self, mut of_other: impl FnMut() -> bool) -> Self {
        let mut mixed = self.clone();
        for (node_id, peer) in &other.peers {
            if of_other() {
                mixed.peers.insert(*node_id, peer.clone());
            }
        }
        for (key, segment) in &other.segments {
            if of_other() {
                mixed.segments.insert(*key, segment.clone());
            }
        }
        for (number, gap) in &other.gaps {
            if of_other() {
                mixed.gaps.insert(*number, *gap);
            }
        }
        mixed
    }
}

/// A few peers out of a few, with logs and gaps. Some logs are without a peer, as no store should have them.
pub(crate) fn contents() -> impl Strategy<Value = Contents> {
    let peers = btree_map(0..40_u16, samples::peers(), 0..12);
    let segments = btree_map((0..40_u16, 0..5_u32), (any::<u32>(), samples::segments()), 0..30);
    let more = vec((0..40_u16, 0..5_u32, samples::segments()), 0..3);
    let gaps = btree_map(0..12_u32, samples::gaps(), 0..8);
    (samples::observers(), peers, segments, more, gaps).prop_map(|(record, peers, segments, more, gaps)| {
        let mut contents = Contents { record: Some(record), ..Contents::default() };
        for (number, mut peer) in peers {
            peer.node_id = node(number);
            contents.peers.insert(peer.node_id, peer);
        }
        let logs = segments.into_iter().map(|((number, index), (_, segment))| (number, index, segment));
        let known: Vec<NodeId> = contents.peers.keys().copied().collect();
        for (position, (number, index, mut segment)) in logs.chain(more).enumerate() {
            // Most of them have a peer.
            let any_known = known.get(usize::from(number) % known.len().max(1)).copied();
            segment.node_id = any_known.filter(|_| position % 8 != 0).unwrap_or_else(|| node(number));
            segment.first_number = index * SEGMENT_ENTRIES + segment.first_number % SEGMENT_ENTRIES;
            contents.segments.insert((segment.node_id, index), segment);
        }
        for (number, mut gap) in gaps {
            gap.number = number;
            contents.gaps.insert(number, gap);
        }
        contents
    })
}

/// What a future comes to that never has to wait; `None` where it has to, forever.
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
