//! The contents of a store as a value, for filling and comparing stores.

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

/// Everything that a store has of one observer.
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

/// Returns contents with the given number of peers. Peer `n` has `n % 3` log segments.
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

pub(crate) fn record(last_heartbeat_ns: u64) -> ObserverRecord {
    ObserverRecord { last_heartbeat_ns, ..ObserverRecord::default() }
}

impl Contents {
    /// Commits the contents to a store.
    pub(crate) async fn write_to(&self, store: &dyn Store, observer: NodeId) {
        let changes = UnsavedChanges {
            forgotten_peers: Vec::new(),
            peers: self.peers.values().cloned().collect(),
            segments: self.segments.values().cloned().collect(),
            gaps: self.gaps.values().copied().collect(),
        };
        let batch = Batch { changes, observer: self.record, ..Batch::default() };
        store.commit(&observer, Arc::new(batch)).await.expect("the commit failed");
    }

    /// Reads everything from a store, including the logs of `nodes` that have no record.
    pub(crate) async fn read_from(store: &dyn Store, observer: NodeId, nodes: &[NodeId]) -> Self {
        let limit = 1_000_000;
        let peers = store.peers(&observer, None, limit).await.expect("reading peers failed");
        let mut contents = Self {
            record: store.observer(&observer).await.expect("reading the observer failed"),
            ..Self::default()
        };
        for node_id in peers.iter().map(|peer| &peer.node_id).chain(nodes) {
            for segment in store.segments(&observer, node_id, 0, limit).await.expect("reading a log failed") {
                contents.segments.insert((*node_id, segment.index()), segment);
            }
        }
        contents.peers = peers.into_iter().map(|peer| (peer.node_id, peer)).collect();
        let gaps = store.gaps(&observer, 0, limit).await.expect("reading gaps failed");
        contents.gaps = gaps.into_iter().map(|gap| (gap.number, gap)).collect();
        contents
    }

    /// Removes the logs of peers without a record, which a copy does not find.
    pub(crate) fn reachable(mut self) -> Self {
        self.segments.retain(|(node_id, _), _| self.peers.contains_key(node_id));
        self
    }

    /// Returns the number of records, including the observer's record.
    pub(crate) fn record_count(&self) -> u64 {
        (self.peers.len() + self.segments.len() + self.gaps.len() + 1) as u64
    }

    /// Returns these contents with some records of `other`, as chosen by `take_other`.
    pub(crate) fn mixed_with(&self, other: &Self, mut take_other: impl FnMut() -> bool) -> Self {
        let mut mixed = self.clone();
        for (node_id, peer) in &other.peers {
            if take_other() {
                mixed.peers.insert(*node_id, peer.clone());
            }
        }
        for (key, segment) in &other.segments {
            if take_other() {
                mixed.segments.insert(*key, segment.clone());
            }
        }
        for (number, gap) in &other.gaps {
            if take_other() {
                mixed.gaps.insert(*number, *gap);
            }
        }
        mixed
    }
}

/// Generates contents with few peers, logs and gaps. Some logs have no peer record, which a correct store never
/// has.
pub(crate) fn contents() -> impl Strategy<Value = Contents> {
    let peers = btree_map(0..40_u16, samples::peers(), 0..12);
    let segments = btree_map((0..40_u16, 0..5_u32), (any::<u32>(), samples::segments()), 0..30);
    let more_segments = vec((0..40_u16, 0..5_u32, samples::segments()), 0..3);
    let gaps = btree_map(0..12_u32, samples::gaps(), 0..8);
    (samples::observers(), peers, segments, more_segments, gaps).prop_map(
        |(record, peers, segments, more_segments, gaps)| {
            let mut contents = Contents { record: Some(record), ..Contents::default() };
            for (number, mut peer) in peers {
                peer.node_id = node(number);
                contents.peers.insert(peer.node_id, peer);
            }
            let logs = segments.into_iter().map(|((number, index), (_, segment))| (number, index, segment));
            let peer_ids: Vec<NodeId> = contents.peers.keys().copied().collect();
            for (position, (number, index, mut segment)) in logs.chain(more_segments).enumerate() {
                // Most segments belong to a peer with a record.
                let any_peer = peer_ids.get(usize::from(number) % peer_ids.len().max(1)).copied();
                segment.node_id = any_peer.filter(|_| position % 8 != 0).unwrap_or_else(|| node(number));
                segment.first_number = index * SEGMENT_ENTRIES + segment.first_number % SEGMENT_ENTRIES;
                contents.segments.insert((segment.node_id, index), segment);
            }
            for (number, mut gap) in gaps {
                gap.number = number;
                contents.gaps.insert(number, gap);
            }
            contents
        },
    )
}

/// Polls a future once, and returns its output if it is ready.
pub(crate) fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Returns the output of a future that is ready at the first poll.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    poll_once(future).expect("a store in memory never waits")
}
