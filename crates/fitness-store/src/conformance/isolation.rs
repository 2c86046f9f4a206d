//! Observers that share a store never see each other's data.

use fitness_core::{NodeId, PeerRecord};

use super::Harness;
use super::open_store::{Contents, OpenStore};
use super::samples::{
    OBSERVER, OTHER_OBSERVER, forgetting_batch, gap, node, observer_batch, observer_record, peer,
    peers_batch, replacement, replacing_batch, segment,
};
use crate::Batch;

fn batch(version: u32) -> Batch {
    let mut batch = peers_batch([peer(1, version), peer(2, version)]);
    batch.changes.segments = vec![segment(1, 0, 3, version), segment(2, 0, 2, version)];
    batch.changes.gaps = vec![gap(0, version), gap(7, version)];
    batch.observer = Some(observer_record(u64::from(version)));
    batch
}

/// The records of one peer for two observers are independent.
pub(super) fn observers_are_isolated<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, batch(1));
    assert_eq!(store.contents(OTHER_OBSERVER, [node(1), node(2)]), Contents::default());
    assert_eq!(store.peer(OTHER_OBSERVER, node(1)), None);
    store.commit(OTHER_OBSERVER, batch(2));
    let store = store.reopen();
    for (id, version) in [(OBSERVER, 1), (OTHER_OBSERVER, 2)] {
        assert_eq!(store.peers(id, 1), [peer(1, version), peer(2, version)]);
        assert_eq!(store.peer(id, node(2)), Some(peer(2, version)));
        assert_eq!(store.log(id, node(1)), [segment(1, 0, 3, version)]);
        assert_eq!(store.gaps(id, 0, 10), [gap(0, version), gap(7, version)]);
        assert_eq!(store.observer(id), Some(observer_record(u64::from(version))));
    }
    assert_eq!(store.observers(), [OBSERVER, OTHER_OBSERVER]);
}

/// Range reads do not overlap for adjacent ids, both of observers and of peers.
pub(super) fn adjacent_ids_do_not_overlap<H: Harness>(harness: &H) {
    let mut next = [0; 33];
    next[32] = 1;
    let ids = [NodeId([0; 33]), NodeId(next), NodeId([0xfe; 33]), NodeId([0xff; 33])];
    let store = OpenStore::new(harness);
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
        batch.observer = Some(observer_record(1));
        store.commit(*observer_id, batch);
    }
    assert_eq!(store.observers(), ids);
    for (o, observer_id) in ids.iter().enumerate() {
        for limit in [1, 4, 100] {
            let read = store.peers(*observer_id, limit);
            let read: Vec<(NodeId, u32)> = read.iter().map(|peer| (peer.node_id, peer.flap_count)).collect();
            let stored: Vec<(NodeId, u32)> =
                ids.iter().enumerate().map(|(p, id)| (*id, flaps(o, p))).collect();
            assert_eq!(read, stored);
        }
        assert_eq!(store.gaps(*observer_id, 0, 10), [0, u32::MAX].map(|number| gap(number, flaps(o, 0))));
        for node_id in ids {
            let log = store.log(*observer_id, node_id);
            assert_eq!(log.len(), 1);
            assert_eq!(log[0].entries, segment(1, 0, 3, flaps(o, 0)).entries);
        }
    }
}

/// Forgetting a peer for one observer does not affect the other observer.
pub(super) fn forgetting_affects_only_its_observer<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, batch(1));
    store.commit(OTHER_OBSERVER, batch(2));
    let before = store.contents(OTHER_OBSERVER, [node(1), node(2)]);
    store.commit(OBSERVER, forgetting_batch([node(1), node(2)]));
    store.commit(OBSERVER, observer_batch(observer_record(9)));
    let store = store.reopen();
    assert_eq!(store.contents(OTHER_OBSERVER, [node(1), node(2)]), before);
    assert_eq!(store.peers(OBSERVER, 10), []);
    assert_eq!(store.log(OBSERVER, node(1)), []);
}

/// Pruning gaps and replacing logs of one observer does not affect the other observer.
pub(super) fn pruning_and_replacing_affect_only_their_observer<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, batch(1));
    store.commit(OTHER_OBSERVER, batch(2));
    let before = store.contents(OTHER_OBSERVER, [node(1), node(2)]);
    store.commit(OBSERVER, Batch { prune_gaps_before: Some(u32::MAX), ..Batch::default() });
    store
        .commit(OBSERVER, replacing_batch([replacement(1, 5, []), replacement(2, 5, [segment(2, 3, 1, 9)])]));
    let store = store.reopen();
    assert_eq!(store.contents(OTHER_OBSERVER, [node(1), node(2)]), before);
    assert_eq!(store.gaps(OBSERVER, 0, 10), []);
    assert_eq!(store.log(OBSERVER, node(1)), []);
    assert_eq!(store.log(OBSERVER, node(2)), [segment(2, 3, 1, 9)]);
}
