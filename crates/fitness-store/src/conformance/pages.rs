//! Reading peers page by page.

use fitness_core::{NodeId, PeerRecord};

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, OTHER_OBSERVER, forgetting_batch, gap, gaps_batch, node, peer, peers_batch};

/// Returns a store with `count` peers, whose numbers are multiples of 10.
fn store_with_peers<H: Harness>(harness: &H, count: u32) -> (OpenStore<'_, H>, Vec<PeerRecord>) {
    let store = OpenStore::new(harness);
    let peers: Vec<PeerRecord> = (0..count).map(|number| peer(number * 10, 1)).collect();
    // Written in reverse order; another observer has peers with ids in between.
    store.commit(OBSERVER, peers_batch(peers.iter().rev().cloned()));
    store.commit(OTHER_OBSERVER, peers_batch([peer(1, 9), peer(50, 9), peer(999_999, 9)]));
    (store, peers)
}

/// For any page size, the pages together contain each peer exactly once, in order.
pub(super) fn pages_return_each_peer_exactly_once<H: Harness>(harness: &H) {
    let (store, peers) = store_with_peers(harness, 25);
    for limit in [1, 2, 5, 24, 25, 26, 1_000] {
        assert_eq!(store.peers(OBSERVER, limit), peers, "page size {limit}");
    }
}

/// A page has fewer peers than the limit only if it is the last one.
pub(super) fn short_page_is_the_last_page<H: Harness>(harness: &H) {
    let (store, peers) = store_with_peers(harness, 10);
    assert_eq!(store.page(OBSERVER, None, 1), peers[..1]);
    assert_eq!(store.page(OBSERVER, None, 9), peers[..9]);
    assert_eq!(store.page(OBSERVER, None, 10), peers);
    assert_eq!(store.page(OBSERVER, Some(peers[9].node_id), 10), []);
    assert_eq!(store.page(OBSERVER, Some(peers[8].node_id), 10), peers[9..]);
    assert_eq!(store.page(OBSERVER, Some(peers[3].node_id), 3), peers[4..7]);
}

/// Node ids are compared as unsigned bytes, not as numbers, text or signed bytes.
pub(super) fn peers_are_ordered_by_node_id_bytes<H: Harness>(harness: &H) {
    let mut ids = Vec::new();
    for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
        for last in [0x00, 0x7f, 0x80, 0xff] {
            let mut id = [first; 33];
            id[32] = last;
            ids.push(NodeId(id));
        }
    }
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch(ids.iter().rev().map(|id| PeerRecord { node_id: *id, ..peer(1, 1) })));
    for limit in [3, 100] {
        let read: Vec<NodeId> = store.peers(OBSERVER, limit).iter().map(|peer| peer.node_id).collect();
        assert_eq!(read, ids);
    }
}

/// A page starts strictly after the given id, even if that id is not stored: the peer may have been forgotten
/// since the previous page.
pub(super) fn page_can_start_after_absent_peer<H: Harness>(harness: &H) {
    let (store, peers) = store_with_peers(harness, 5);
    assert_eq!(store.page(OBSERVER, Some(node(15)), 2), peers[2..4]);
    assert_eq!(store.page(OBSERVER, Some(NodeId([0; 33])), 2), peers[..2]);
    assert_eq!(store.page(OBSERVER, Some(NodeId([0xff; 33])), 2), []);
    store.commit(OBSERVER, forgetting_batch([node(20)]));
    assert_eq!(store.page(OBSERVER, Some(node(20)), 9), peers[3..]);
}

/// A limit of `usize::MAX` returns everything.
pub(super) fn maximum_limit_returns_all<H: Harness>(harness: &H) {
    let (store, peers) = store_with_peers(harness, 5);
    assert_eq!(store.page(OBSERVER, None, usize::MAX), peers);
    assert_eq!(store.page(OBSERVER, Some(peers[0].node_id), usize::MAX), peers[1..]);
    assert_eq!(store.segments(OBSERVER, node(0), 0, usize::MAX), []);
    store.commit(OBSERVER, gaps_batch([gap(1, 1), gap(2, 1)]));
    assert_eq!(store.gaps(OBSERVER, 2, usize::MAX), [gap(2, 1)]);
}
