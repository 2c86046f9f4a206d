//! Peers are read page by page.

use fitness_core::{NodeId, PeerRecord};

use super::Harness;
use super::bench::Bench;
use super::samples::{OURS, THEIRS, forgetting_batch, gap, gaps_batch, node, peer, peers_batch};

fn filled<H: Harness>(harness: &H, count: u32) -> (Bench<'_, H>, Vec<PeerRecord>) {
    let bench = Bench::new(harness);
    let peers: Vec<PeerRecord> = (0..count).map(|number| peer(number * 10, 1)).collect();
    // Stored in another order than read, among those of a neighbour.
    bench.commit(OURS, peers_batch(peers.iter().rev().cloned()));
    bench.commit(THEIRS, peers_batch([peer(1, 9), peer(50, 9), peer(999_999, 9)]));
    (bench, peers)
}

/// Whatever the size of a page, all of them together are all peers, once each, in order.
pub(super) fn pages_cover_everything_once<H: Harness>(harness: &H) {
    let (bench, peers) = filled(harness, 25);
    for limit in [1, 2, 5, 24, 25, 26, 1_000] {
        assert_eq!(bench.peers(OURS, limit), peers, "pages of {limit}");
    }
}

/// Fewer than the limit mean the end, so a page that has room and followers is full.
pub(super) fn a_short_page_is_the_last<H: Harness>(harness: &H) {
    let (bench, peers) = filled(harness, 10);
    assert_eq!(bench.page(OURS, None, 1), peers[..1]);
    assert_eq!(bench.page(OURS, None, 9), peers[..9]);
    assert_eq!(bench.page(OURS, None, 10), peers);
    assert_eq!(bench.page(OURS, Some(peers[9].node_id), 10), []);
    assert_eq!(bench.page(OURS, Some(peers[8].node_id), 10), peers[9..]);
    assert_eq!(bench.page(OURS, Some(peers[3].node_id), 3), peers[4..7]);
}

/// Node ids ascend as unsigned bytes do, not as numbers, text or signed bytes.
pub(super) fn order_is_that_of_the_bytes<H: Harness>(harness: &H) {
    let mut ids = Vec::new();
    for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
        for last in [0x00, 0x7f, 0x80, 0xff] {
            let mut id = [first; 33];
            id[32] = last;
            ids.push(NodeId(id));
        }
    }
    let bench = Bench::new(harness);
    bench.commit(OURS, peers_batch(ids.iter().rev().map(|id| PeerRecord { node_id: *id, ..peer(1, 1) })));
    for limit in [3, 100] {
        let read: Vec<NodeId> = bench.peers(OURS, limit).iter().map(|peer| peer.node_id).collect();
        assert_eq!(read, ids);
    }
}

/// A page starts strictly after an id, whether that is stored or not: its peer may have been
/// forgotten since.
pub(super) fn a_page_may_start_after_an_absent_peer<H: Harness>(harness: &H) {
    let (bench, peers) = filled(harness, 5);
    assert_eq!(bench.page(OURS, Some(node(15)), 2), peers[2..4]);
    assert_eq!(bench.page(OURS, Some(NodeId([0; 33])), 2), peers[..2]);
    assert_eq!(bench.page(OURS, Some(NodeId([0xff; 33])), 2), []);
    bench.commit(OURS, forgetting_batch([node(20)]));
    assert_eq!(bench.page(OURS, Some(node(20)), 9), peers[3..]);
}

/// The largest limit there is means all.
pub(super) fn a_limit_may_be_huge<H: Harness>(harness: &H) {
    let (bench, peers) = filled(harness, 5);
    assert_eq!(bench.page(OURS, None, usize::MAX), peers);
    assert_eq!(bench.page(OURS, Some(peers[0].node_id), usize::MAX), peers[1..]);
    assert_eq!(bench.segments(OURS, node(0), 0, usize::MAX), []);
    bench.commit(OURS, gaps_batch([gap(1, 1), gap(2, 1)]));
    assert_eq!(bench.gaps(OURS, 2, usize::MAX), [gap(2, 1)]);
}
