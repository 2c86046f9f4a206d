//! Observers share a store and see nothing of each other.

use fitness_core::{NodeId, PeerRecord};

use super::Harness;
use super::bench::{Bench, Sight};
use super::samples::{
    OURS, THEIRS, forgetting_batch, gap, node, observer, observer_batch, peer, peers_batch, replacement,
    replacing_batch, segment,
};
use crate::Batch;

fn batch(version: u32) -> Batch {
    let mut batch = peers_batch([peer(1, version), peer(2, version)]);
    batch.changes.segments = vec![segment(1, 0, 3, version), segment(2, 0, 2, version)];
    batch.changes.gaps = vec![gap(0, version), gap(7, version)];
    batch.observer = Some(observer(u64::from(version)));
    batch
}

/// The same peers under two observers are different records.
pub(super) fn observers_do_not_see_each_other<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, batch(1));
    assert_eq!(bench.sight(THEIRS, [node(1), node(2)]), Sight::default());
    assert_eq!(bench.peer(THEIRS, node(1)), None);
    bench.commit(THEIRS, batch(2));
    let bench = bench.reopen();
    for (id, version) in [(OURS, 1), (THEIRS, 2)] {
        assert_eq!(bench.peers(id, 1), [peer(1, version), peer(2, version)]);
        assert_eq!(bench.peer(id, node(2)), Some(peer(2, version)));
        assert_eq!(bench.log(id, node(1)), [segment(1, 0, 3, version)]);
        assert_eq!(bench.gaps(id, 0, 10), [gap(0, version), gap(7, version)]);
        assert_eq!(bench.observer(id), Some(observer(u64::from(version))));
    }
    assert_eq!(bench.observers(), [OURS, THEIRS]);
}

/// Ids that follow one another, as observers and as peers, do not run into each other at the ends
/// of a range.
pub(super) fn neighbouring_ids_are_kept_apart<H: Harness>(harness: &H) {
    let mut next = [0; 33];
    next[32] = 1;
    let ids = [NodeId([0; 33]), NodeId(next), NodeId([0xfe; 33]), NodeId([0xff; 33])];
    let bench = Bench::new(harness);
    let flaps = |observer: usize, peer: usize| u32::try_from(observer * 10 + peer).unwrap_or(u32::MAX);
    for (o, observer_id) in ids.iter().enumerate() {
        let peers = ids.iter().enumerate().map(|(p, node_id)| PeerRecord {
            node_id: *node_id,
            flap_count: flaps(o, p),
            ..peer(1, 1)
        });
        let mut batch = peers_batch(peers);
        batch.changes.segments =
            ids.map(|node_id| fitness_core::LogSegment { node_id, ..segment(1, 0, 3, flaps(o, 0)) }).into();
        batch.changes.gaps = [0, u32::MAX].map(|number| gap(number, flaps(o, 0))).into();
        batch.observer = Some(observer(1));
        bench.commit(*observer_id, batch);
    }
    assert_eq!(bench.observers(), ids);
    for (o, observer_id) in ids.iter().enumerate() {
        for limit in [1, 4, 100] {
            let read = bench.peers(*observer_id, limit);
            let read: Vec<(NodeId, u32)> = read.iter().map(|peer| (peer.node_id, peer.flap_count)).collect();
            let stored: Vec<(NodeId, u32)> =
                ids.iter().enumerate().map(|(p, id)| (*id, flaps(o, p))).collect();
            assert_eq!(read, stored);
        }
        assert_eq!(bench.gaps(*observer_id, 0, 10), [0, u32::MAX].map(|number| gap(number, flaps(o, 0))));
        for node_id in ids {
            let log = bench.log(*observer_id, node_id);
            assert_eq!(log.len(), 1);
            assert_eq!(log[0].entries, segment(1, 0, 3, flaps(o, 0)).entries);
        }
    }
}

/// A peer that one observer forgets is still known to the other.
pub(super) fn forgetting_stays_with_its_observer<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, batch(1));
    bench.commit(THEIRS, batch(2));
    let before = bench.sight(THEIRS, [node(1), node(2)]);
    bench.commit(OURS, forgetting_batch([node(1), node(2)]));
    bench.commit(OURS, observer_batch(observer(9)));
    let bench = bench.reopen();
    assert_eq!(bench.sight(THEIRS, [node(1), node(2)]), before);
    assert_eq!(bench.peers(OURS, 10), []);
    assert_eq!(bench.log(OURS, node(1)), []);
}

/// What one observer deletes of its gaps, and replaces of a log, the other keeps.
pub(super) fn deleting_stays_with_its_observer<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, batch(1));
    bench.commit(THEIRS, batch(2));
    let before = bench.sight(THEIRS, [node(1), node(2)]);
    bench.commit(OURS, Batch { prune_gaps_before: Some(u32::MAX), ..Batch::default() });
    bench.commit(OURS, replacing_batch([replacement(1, 5, []), replacement(2, 5, [segment(2, 3, 1, 9)])]));
    let bench = bench.reopen();
    assert_eq!(bench.sight(THEIRS, [node(1), node(2)]), before);
    assert_eq!(bench.gaps(OURS, 0, 10), []);
    assert_eq!(bench.log(OURS, node(1)), []);
    assert_eq!(bench.log(OURS, node(2)), [segment(2, 3, 1, 9)]);
}
