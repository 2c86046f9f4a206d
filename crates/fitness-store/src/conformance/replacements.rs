//! Replacing the older part of a log.

use fitness_core::{LogSegment, NodeId, SEGMENT_ENTRIES};

use super::Harness;
use super::open_store::{Contents, OpenStore};
use super::samples::{
    OBSERVER, node, observer_record, peer, peers_batch, replacement, replacing_batch, segment, segments_batch,
};
use crate::{Batch, LogReplacement, StoreError};

/// Returns a store with three peers, five segments each, and the observer's record.
fn store_with_logs<H: Harness>(harness: &H) -> OpenStore<'_, H> {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch((1..4).map(|number| peer(number, 1)));
    batch.changes.segments = (1..4).flat_map(log).collect();
    batch.observer = Some(observer_record(1));
    store.commit(OBSERVER, batch);
    store
}

fn log(number: u32) -> Vec<LogSegment> {
    (0..5).map(|index| segment(number, index, SEGMENT_ENTRIES, 1)).collect()
}

/// A replacement affects exactly the segments below its index: later segments, and all other records, stay.
pub(super) fn replacement_affects_only_its_range<H: Harness>(harness: &H) {
    let mut store = store_with_logs(harness);
    let others = store.contents(OBSERVER, [node(1), node(3)]);
    store.commit(OBSERVER, replacing_batch([replacement(2, 3, [segment(2, 1, 40, 2)])]));
    let expected = [vec![segment(2, 1, 40, 2)], log(2)[3..].to_vec()].concat();
    for _ in 0..2 {
        assert_eq!(store.log(OBSERVER, node(2)), expected);
        assert_eq!(store.contents(OBSERVER, [node(1), node(3)]), others);
        store = store.reopen();
    }
    // Replace again, now that some indices are missing.
    let again = [segment(2, 0, 3, 3), segment(2, 2, 5, 3), segment(2, 3, 7, 3)];
    store.commit(OBSERVER, replacing_batch([replacement(2, 4, again.clone())]));
    assert_eq!(store.reopen().log(OBSERVER, node(2)), [again.to_vec(), log(2)[4..].to_vec()].concat());
}

/// A replacement without segments only deletes, possibly the whole log.
pub(super) fn replacement_without_segments_deletes<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    store.commit(OBSERVER, replacing_batch([replacement(2, 0, [])]));
    assert_eq!(store.log(OBSERVER, node(2)), log(2));
    store.commit(OBSERVER, replacing_batch([replacement(2, 1, [])]));
    assert_eq!(store.log(OBSERVER, node(2)), log(2)[1..]);
    store.commit(OBSERVER, replacing_batch([replacement(2, u32::MAX, [])]));
    let store = store.reopen();
    assert_eq!(store.log(OBSERVER, node(2)), []);
    assert_eq!(store.peer(OBSERVER, node(2)), Some(peer(2, 1)));
    assert_eq!(store.log(OBSERVER, node(1)), log(1));
    assert_eq!(store.log(OBSERVER, node(3)), log(3));
}

/// Replacements work for the largest indices, and never affect the logs of peers with adjacent ids.
pub(super) fn extreme_ranges_are_replaced<H: Harness>(harness: &H) {
    const LAST: u32 = u32::MAX / SEGMENT_ENTRIES;
    let ids = [NodeId([0; 33]), NodeId([0xfe; 33]), NodeId([0xff; 33])];
    let segment_of = |node_id, index, entries| LogSegment { node_id, ..segment(1, index, entries, 1) };
    let indices = [0, 255, 256, 65_536, LAST];
    let store = OpenStore::new(harness);
    let mut batch = peers_batch(ids.map(|node_id| fitness_core::PeerRecord { node_id, ..peer(1, 1) }));
    batch.changes.segments =
        ids.iter().flat_map(|&id| indices.map(|index| segment_of(id, index, 1))).collect();
    store.commit(OBSERVER, batch);

    let below = |node_id, below, segments: &[LogSegment]| {
        replacing_batch([LogReplacement { node_id, below_index: below, segments: segments.to_vec() }])
    };
    store.commit(OBSERVER, below(ids[0], 256, &[segment_of(ids[0], 255, 2)]));
    store.commit(OBSERVER, below(ids[1], LAST, &[segment_of(ids[1], LAST - 1, 2)]));
    store.commit(OBSERVER, below(ids[2], u32::MAX, &[segment_of(ids[2], 0, 2), segment_of(ids[2], LAST, 2)]));
    let store = store.reopen();
    let kept = [256, 65_536, LAST].map(|index| segment_of(ids[0], index, 1));
    assert_eq!(store.log(OBSERVER, ids[0]), [vec![segment_of(ids[0], 255, 2)], kept.to_vec()].concat());
    assert_eq!(store.log(OBSERVER, ids[1]), [segment_of(ids[1], LAST - 1, 2), segment_of(ids[1], LAST, 1)]);
    assert_eq!(store.log(OBSERVER, ids[2]), [segment_of(ids[2], 0, 2), segment_of(ids[2], LAST, 2)]);
}

/// If one batch forgets a peer, writes it and replaces its log, exactly what the batch writes remains.
pub(super) fn peers_are_forgotten_before_logs_are_replaced<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let mut batch = peers_batch([peer(2, 7)]);
    batch.changes.forgotten_peers = vec![node(2)];
    batch.replacements = vec![replacement(2, 3, [segment(2, 1, 4, 7)])];
    store.commit(OBSERVER, batch);
    let store = store.reopen();
    assert_eq!(store.peer(OBSERVER, node(2)), Some(peer(2, 7)));
    assert_eq!(store.log(OBSERVER, node(2)), [segment(2, 1, 4, 7)]);
}

/// Segments that a batch writes are kept even if a replacement in the same batch covers their index.
pub(super) fn segments_are_written_after_logs_are_replaced<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let mut batch = segments_batch([segment(2, 0, 9, 8), segment(2, 1, 9, 8), segment(2, 5, 9, 8)]);
    batch.replacements = vec![replacement(2, 4, [segment(2, 1, 4, 7), segment(2, 2, 4, 7)])];
    store.commit(OBSERVER, batch);
    let expected = [
        segment(2, 0, 9, 8),
        segment(2, 1, 9, 8),
        segment(2, 2, 4, 7),
        log(2)[4].clone(),
        segment(2, 5, 9, 8),
    ];
    assert_eq!(store.reopen().log(OBSERVER, node(2)), expected);
}

/// Several replacements of one log are applied in order.
pub(super) fn replacements_are_applied_in_order<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let first = replacement(2, 3, [segment(2, 0, 1, 2), segment(2, 2, 1, 2)]);
    let second = replacement(2, 1, [segment(2, 0, 5, 3)]);
    store.commit(OBSERVER, replacing_batch([first.clone(), second.clone()]));
    let newest = &log(2)[3..];
    let expected = [&[segment(2, 0, 5, 3), segment(2, 2, 1, 2)], newest].concat();
    assert_eq!(store.log(OBSERVER, node(2)), expected);
    store.commit(OBSERVER, replacing_batch([second, first]));
    let expected = [&[segment(2, 0, 1, 2), segment(2, 2, 1, 2)], newest].concat();
    assert_eq!(store.log(OBSERVER, node(2)), expected);
}

/// A replacement for a peer without a record is skipped: it neither writes nor deletes, and the rest of the
/// batch is stored. If the same batch writes the record, the replacement is applied.
pub(super) fn replacement_for_absent_peer_is_skipped<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let orphan = segment(9, 0, 2, 1);
    store.commit(OBSERVER, segments_batch([orphan.clone()]));
    let for_absent = [replacement(8, 3, [segment(8, 1, 4, 7)]), replacement(9, 3, [segment(9, 1, 4, 7)])];
    let for_present = replacement(2, 5, [segment(2, 1, 4, 7)]);
    let replacements = for_absent.iter().cloned().chain([for_present]);
    store.commit(OBSERVER, Batch { observer: Some(observer_record(2)), ..replacing_batch(replacements) });
    let store = store.reopen();
    assert_eq!(store.log(OBSERVER, node(8)), []);
    assert_eq!(store.log(OBSERVER, node(9)), [orphan]);
    assert_eq!(store.log(OBSERVER, node(2)), [segment(2, 1, 4, 7)]);
    assert_eq!(store.peers(OBSERVER, 10).len(), 3);
    assert_eq!(store.observer(OBSERVER), Some(observer_record(2)));

    let batch = Batch { replacements: for_absent.to_vec(), ..peers_batch([peer(8, 1), peer(9, 1)]) };
    store.commit(OBSERVER, batch);
    let store = store.reopen();
    assert_eq!(store.log(OBSERVER, node(8)), [segment(8, 1, 4, 7)]);
    assert_eq!(store.log(OBSERVER, node(9)), [segment(9, 1, 4, 7)]);
}

/// The log of a forgotten peer does not reappear if it was being downsampled: the replacement is skipped in
/// the batch that forgets the peer, and in later batches.
pub(super) fn replacement_for_forgotten_peer_is_skipped<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let downsampled = replacement(2, 3, [segment(2, 1, 4, 7)]);
    let mut batch = replacing_batch([downsampled.clone()]);
    batch.changes.forgotten_peers = vec![node(2)];
    store.commit(OBSERVER, batch);
    assert_eq!(store.log(OBSERVER, node(2)), []);
    store.commit(OBSERVER, replacing_batch([downsampled]));
    let store = store.reopen();
    assert_eq!(store.log(OBSERVER, node(2)), []);
    assert_eq!(store.peer(OBSERVER, node(2)), None);
}

/// A replacement with segments of another peer, at or above its index, out of order or otherwise invalid is
/// rejected with a permanent error, even if its peer is not stored.
pub(super) fn invalid_replacement_is_rejected<H: Harness>(harness: &H) {
    let store = store_with_logs(harness);
    let nodes = [node(1), node(2), node(3), node(9)];
    let before = store.contents(OBSERVER, nodes);
    for number in [2, 9] {
        let mut unordered = segment(number, 1, 3, 1);
        unordered.entries.reverse();
        let invalid = [
            replacement(number, 3, [segment(1, 1, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 3, 1, 2)]),
            replacement(number, 0, [segment(number, 0, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 0, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 1, 1, 2)]),
            replacement(number, 3, [unordered]),
            replacement(number, 3, [segment(number, 0, 65, 1)]),
        ];
        for replacement in invalid {
            let mut batch = peers_batch([peer(3, 9)]);
            batch.replacements = vec![replacement];
            let error = store.rejected(OBSERVER, batch);
            assert!(
                matches!(error, StoreError::Invalid { .. }),
                "expected StoreError::Invalid, got: {error}"
            );
            assert!(!error.is_transient(), "StoreError::Invalid is transient");
            assert_eq!(store.contents(OBSERVER, nodes), before);
        }
    }
    assert_eq!(before, Contents { segments: (1..4).flat_map(log).collect(), ..store.contents(OBSERVER, []) });
}

/// One batch can replace hundreds of logs; the logs in between stay unchanged.
pub(super) fn many_logs_are_replaced_in_one_batch<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch((0..400).map(|number| peer(number, 1)));
    batch.changes.segments =
        (0..400).flat_map(|number| [segment(number, 0, 2, 1), segment(number, 1, 2, 1)]).collect();
    store.commit(OBSERVER, batch);
    let odd = (0..400).rev().filter(|number| number % 2 == 1);
    store.commit(
        OBSERVER,
        replacing_batch(odd.map(|number| replacement(number, 1, [segment(number, 0, 1, 2)]))),
    );
    let store = store.reopen();
    for number in 0..400 {
        let old = if number % 2 == 1 { segment(number, 0, 1, 2) } else { segment(number, 0, 2, 1) };
        assert_eq!(store.log(OBSERVER, node(number)), [old, segment(number, 1, 2, 1)]);
    }
    assert_eq!(store.peers(OBSERVER, 1_000).len(), 400);
}
