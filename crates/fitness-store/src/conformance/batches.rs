//! A batch is stored completely or not at all, in the documented order.

use fitness_core::{GapRecord, NodeId, PeerRecord, Totals};

use super::Harness;
use super::open_store::{Contents, OpenStore};
use super::samples::{
    OBSERVER, forgetting_batch, gap, node, observer_batch, observer_record, peer, peers_batch, replacement,
    segment,
};
use crate::Batch;

/// Returns a batch with three peers, two segments each, two gaps and the observer's record.
fn full_batch(version: u32) -> Batch {
    let mut batch = peers_batch((1..4).map(|number| peer(number, version)));
    batch.changes.segments =
        (1..4).flat_map(|number| [segment(number, 0, 64, version), segment(number, 1, 5, version)]).collect();
    batch.changes.gaps = vec![gap(0, version), gap(1, version)];
    batch.observer = Some(observer_record(u64::from(version)));
    batch
}

fn nodes() -> [NodeId; 3] {
    [node(1), node(2), node(3)]
}

fn contents_of(batch: &Batch) -> Contents {
    Contents {
        listed: true,
        observer: batch.observer,
        peers: batch.changes.peers.clone(),
        segments: batch.changes.segments.clone(),
        gaps: batch.changes.gaps.clone(),
    }
}

/// An empty batch changes nothing and does not make the observer listed.
pub(super) fn empty_batch_changes_nothing<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    assert!(Batch::default().is_empty());
    store.commit(OBSERVER, Batch::default());
    assert_eq!(store.observers(), []);
    store.commit(OBSERVER, full_batch(1));
    store.commit(OBSERVER, Batch::default());
    assert_eq!(store.reopen().contents(OBSERVER, nodes()), contents_of(&full_batch(1)));
}

/// A batch with only the observer's record changes nothing else.
pub(super) fn heartbeat_changes_only_the_observer_record<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, full_batch(1));
    for version in 2..5 {
        store.commit(OBSERVER, observer_batch(observer_record(version)));
        let expected = Contents { observer: Some(observer_record(version)), ..contents_of(&full_batch(1)) };
        assert_eq!(store.contents(OBSERVER, nodes()), expected);
    }
    let expected = Contents { observer: Some(observer_record(4)), ..contents_of(&full_batch(1)) };
    assert_eq!(store.reopen().contents(OBSERVER, nodes()), expected);
}

/// After a commit, all peers, segments, gaps and the observer's record of the batch are readable. A batch
/// without an observer's record does not change the stored one.
pub(super) fn batch_is_stored_completely<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, full_batch(1));
    assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(1)));
    store.commit(OBSERVER, Batch { observer: None, ..full_batch(2) });
    let expected = Contents { observer: Some(observer_record(1)), ..contents_of(&full_batch(2)) };
    assert_eq!(store.contents(OBSERVER, nodes()), expected);
    assert_eq!(store.reopen().contents(OBSERVER, nodes()), expected);
}

/// A rejected batch changes nothing, wherever the invalid record is, and the store remains usable.
pub(super) fn rejected_batch_changes_nothing<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, full_batch(1));
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let mut unordered = segment(3, 1, 3, 2);
    unordered.entries.reverse();

    let mut bad_peer = full_batch(2);
    bad_peer.changes.forgotten_peers = vec![node(2)];
    bad_peer.changes.peers.push(PeerRecord { totals: impossible, ..peer(9, 2) });
    let mut bad_segment = full_batch(2);
    bad_segment.changes.segments.push(unordered);
    let mut bad_gap = full_batch(2);
    bad_gap.changes.gaps.push(GapRecord { to_ns: 0, ..gap(2, 2) });
    let mut bad_replacement = full_batch(2);
    bad_replacement.prune_gaps_before = Some(9);
    bad_replacement.replacements =
        vec![replacement(1, 1, [segment(1, 0, 1, 2)]), replacement(2, 1, [segment(2, 1, 1, 2)])];
    for batch in [bad_peer, bad_segment, bad_gap, bad_replacement] {
        store.rejected(OBSERVER, batch);
        assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(1)));
    }
    store.commit(OBSERVER, full_batch(3));
    assert_eq!(store.reopen().contents(OBSERVER, nodes()), contents_of(&full_batch(3)));
}

/// After reopening, nothing of a rejected batch is stored, whether or not other batches were committed.
pub(super) fn rejected_batch_is_absent_after_reopening<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    let mut invalid = full_batch(2);
    invalid.changes.forgotten_peers = nodes().into();
    invalid.changes.gaps.push(GapRecord { to_ns: 0, ..gap(2, 2) });
    store.rejected(OBSERVER, invalid.clone());
    store = store.reopen();
    assert_eq!(store.contents(OBSERVER, nodes()), Contents::default());
    for version in [1, 3] {
        store.commit(OBSERVER, full_batch(version));
        store.rejected(OBSERVER, invalid.clone());
        store = store.reopen();
        assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(version)));
    }
}

/// Committing a batch twice has the same effect as committing it once. A service that did not receive the
/// reply to a commit repeats it, although it may have been stored.
pub(super) fn repeated_commit_is_idempotent<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    let mut first = full_batch(1);
    first.changes.segments.extend([segment(3, 2, 9, 1), segment(4, 0, 9, 1)]);
    first.changes.peers.push(peer(4, 1));
    store.commit(OBSERVER, first);
    // Covers every kind of change: peers forgotten and written again, forgotten only, replaced logs, and
    // gaps that the same batch prunes.
    let mut batch = peers_batch([peer(1, 2), peer(3, 2)]);
    batch.changes.forgotten_peers = vec![node(1), node(2)];
    batch.changes.segments = vec![segment(1, 1, 7, 2), segment(3, 0, 5, 2)];
    batch.changes.gaps = vec![gap(1, 2), gap(7, 2), gap(8, 2)];
    batch.replacements = vec![
        replacement(3, 2, [segment(3, 0, 2, 3), segment(3, 1, 2, 3)]),
        replacement(4, 1, []),
        replacement(2, 9, [segment(2, 3, 2, 3)]),
        replacement(3, 1, []),
    ];
    batch.prune_gaps_before = Some(7);
    batch.observer = Some(observer_record(2));
    let expected = Contents {
        listed: true,
        observer: Some(observer_record(2)),
        peers: vec![peer(1, 2), peer(3, 2), peer(4, 1)],
        segments: vec![segment(1, 1, 7, 2), segment(3, 0, 5, 2), segment(3, 1, 2, 3), segment(3, 2, 9, 1)],
        gaps: vec![gap(7, 2), gap(8, 2)],
    };
    for _ in 0..2 {
        for _ in 0..2 {
            store.commit(OBSERVER, batch.clone());
            assert_eq!(store.contents(OBSERVER, (1..5).map(node)), expected);
        }
        store = store.reopen();
        assert_eq!(store.contents(OBSERVER, (1..5).map(node)), expected);
    }
}

/// A batch equal to an earlier one is applied again if other batches were committed in between.
pub(super) fn earlier_batch_committed_again_takes_effect<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    for version in [1, 2, 1, 1, 2] {
        store.commit(OBSERVER, full_batch(version));
        assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(version)));
        store = store.reopen();
        assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(version)));
    }
}

/// Forgetting a peer deletes its record and every segment of its log.
pub(super) fn forgetting_a_peer_deletes_its_log<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    let mut long = full_batch(1);
    long.changes.segments.extend([
        segment(2, 255, 1, 1),
        segment(2, 256, 1, 1),
        segment(2, 67_108_863, 1, 1),
    ]);
    store.commit(OBSERVER, long);
    store.commit(OBSERVER, forgetting_batch([node(2)]));
    for _ in 0..2 {
        assert_eq!(store.peer(OBSERVER, node(2)), None);
        assert_eq!(store.log(OBSERVER, node(2)), []);
        assert_eq!(store.peers(OBSERVER, 10), [peer(1, 1), peer(3, 1)]);
        store = store.reopen();
    }
}

/// Forgetting a peer does not affect other peers, gaps and the observer's record.
pub(super) fn forgetting_a_peer_deletes_nothing_else<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, full_batch(1));
    let before = store.contents(OBSERVER, [node(1), node(3)]);
    store.commit(OBSERVER, forgetting_batch([node(2)]));
    let after = store.reopen().contents(OBSERVER, [node(1), node(3)]);
    let peers = before.peers.iter().filter(|peer| peer.node_id != node(2)).cloned().collect();
    assert_eq!(after, Contents { peers, ..before });
}

/// If one batch forgets and writes a peer, exactly what the batch writes remains.
pub(super) fn peers_are_forgotten_before_records_are_written<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, full_batch(1));
    let mut batch = peers_batch([peer(2, 7), peer(8, 7)]);
    batch.changes.segments = vec![segment(2, 1, 3, 7)];
    batch.changes.forgotten_peers = vec![node(2), node(8)];
    store.commit(OBSERVER, batch);
    let store = store.reopen();
    assert_eq!(store.peers(OBSERVER, 10), [peer(1, 1), peer(2, 7), peer(3, 1), peer(8, 7)]);
    assert_eq!(store.log(OBSERVER, node(2)), [segment(2, 1, 3, 7)]);
}

/// Forgetting a peer that is not stored succeeds, also repeatedly.
pub(super) fn forgetting_an_absent_peer_is_not_an_error<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let absent = forgetting_batch([node(8), node(9), node(8)]);
    store.commit(OBSERVER, absent.clone());
    assert_eq!(store.contents(OBSERVER, [node(8)]), Contents::default());
    store.commit(OBSERVER, full_batch(1));
    store.commit(OBSERVER, absent);
    assert_eq!(store.contents(OBSERVER, nodes()), contents_of(&full_batch(1)));
}

/// One batch can forget hundreds of peers; the peers in between stay.
pub(super) fn many_peers_are_forgotten_in_one_batch<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch((0..600).map(|number| peer(number, 1)));
    batch.changes.segments = (0..600).map(|number| segment(number, 0, 1, 1)).collect();
    store.commit(OBSERVER, batch);
    let (odd, even): (Vec<u32>, Vec<u32>) = (0..600).partition(|number| number % 2 == 1);
    store.commit(OBSERVER, forgetting_batch(odd.iter().rev().map(|&number| node(number))));
    let store = store.reopen();
    let kept: Vec<PeerRecord> = even.iter().map(|&number| peer(number, 1)).collect();
    assert!(
        store.peers(OBSERVER, 100) == kept,
        "the remaining peers differ from those that were not forgotten"
    );
    assert_eq!(store.log(OBSERVER, node(1)), []);
    assert_eq!(store.log(OBSERVER, node(2)), [segment(2, 0, 1, 1)]);
}
