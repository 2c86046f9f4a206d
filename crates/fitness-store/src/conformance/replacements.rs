//! Old parts of logs are replaced by what was made of them.

use fitness_core::{LogSegment, NodeId, SEGMENT_ENTRIES};

use super::Harness;
use super::bench::{Bench, Sight};
use super::samples::{
    OURS, node, observer, peer, peers_batch, replacement, replacing_batch, segment, segments_batch,
};
use crate::{Batch, LogReplacement, StoreError};

/// Three peers with five segments each, and the observer.
fn filled<H: Harness>(harness: &H) -> Bench<'_, H> {
    let bench = Bench::new(harness);
    let mut batch = peers_batch((1..4).map(|number| peer(number, 1)));
    batch.changes.segments = (1..4).flat_map(log).collect();
    batch.observer = Some(observer(1));
    bench.commit(OURS, batch);
    bench
}

fn log(number: u32) -> Vec<LogSegment> {
    (0..5).map(|index| segment(number, index, SEGMENT_ENTRIES, 1)).collect()
}

/// What is below the index is replaced, what is at it or above stays, and so does all else.
pub(super) fn a_replacement_replaces_exactly_its_range<H: Harness>(harness: &H) {
    let mut bench = filled(harness);
    let others = bench.sight(OURS, [node(1), node(3)]);
    bench.commit(OURS, replacing_batch([replacement(2, 3, [segment(2, 1, 40, 2)])]));
    let expected = [vec![segment(2, 1, 40, 2)], log(2)[3..].to_vec()].concat();
    for _ in 0..2 {
        assert_eq!(bench.log(OURS, node(2)), expected);
        assert_eq!(bench.sight(OURS, [node(1), node(3)]), others);
        bench = bench.reopen();
    }
    // And again, now that there are holes.
    let again = [segment(2, 0, 3, 3), segment(2, 2, 5, 3), segment(2, 3, 7, 3)];
    bench.commit(OURS, replacing_batch([replacement(2, 4, again.clone())]));
    assert_eq!(bench.reopen().log(OURS, node(2)), [again.to_vec(), log(2)[4..].to_vec()].concat());
}

/// Without segments a replacement deletes, down to nothing at all.
pub(super) fn a_replacement_may_delete_alone<H: Harness>(harness: &H) {
    let bench = filled(harness);
    bench.commit(OURS, replacing_batch([replacement(2, 0, [])]));
    assert_eq!(bench.log(OURS, node(2)), log(2));
    bench.commit(OURS, replacing_batch([replacement(2, 1, [])]));
    assert_eq!(bench.log(OURS, node(2)), log(2)[1..]);
    bench.commit(OURS, replacing_batch([replacement(2, u32::MAX, [])]));
    let bench = bench.reopen();
    assert_eq!(bench.log(OURS, node(2)), []);
    assert_eq!(bench.peer(OURS, node(2)), Some(peer(2, 1)));
    assert_eq!(bench.log(OURS, node(1)), log(1));
    assert_eq!(bench.log(OURS, node(3)), log(3));
}

/// The largest indices are replaced as the others are, and nothing beyond the ends of a peer's
/// range is touched.
pub(super) fn extreme_ranges_are_replaced<H: Harness>(harness: &H) {
    const LAST: u32 = u32::MAX / SEGMENT_ENTRIES;
    let ids = [NodeId([0; 33]), NodeId([0xfe; 33]), NodeId([0xff; 33])];
    let of = |node_id, index, entries| LogSegment { node_id, ..segment(1, index, entries, 1) };
    let indices = [0, 255, 256, 65_536, LAST];
    let bench = Bench::new(harness);
    let mut batch = peers_batch(ids.map(|node_id| fitness_core::PeerRecord { node_id, ..peer(1, 1) }));
    batch.changes.segments = ids.iter().flat_map(|&id| indices.map(|index| of(id, index, 1))).collect();
    bench.commit(OURS, batch);

    let below = |node_id, below, segments: &[LogSegment]| {
        replacing_batch([LogReplacement { node_id, below_index: below, segments: segments.to_vec() }])
    };
    bench.commit(OURS, below(ids[0], 256, &[of(ids[0], 255, 2)]));
    bench.commit(OURS, below(ids[1], LAST, &[of(ids[1], LAST - 1, 2)]));
    bench.commit(OURS, below(ids[2], u32::MAX, &[of(ids[2], 0, 2), of(ids[2], LAST, 2)]));
    let bench = bench.reopen();
    let kept = [256, 65_536, LAST].map(|index| of(ids[0], index, 1));
    assert_eq!(bench.log(OURS, ids[0]), [vec![of(ids[0], 255, 2)], kept.to_vec()].concat());
    assert_eq!(bench.log(OURS, ids[1]), [of(ids[1], LAST - 1, 2), of(ids[1], LAST, 1)]);
    assert_eq!(bench.log(OURS, ids[2]), [of(ids[2], 0, 2), of(ids[2], LAST, 2)]);
}

/// Of a peer that is forgotten, written and has its log replaced in one batch, there is what the
/// batch wrote.
pub(super) fn forgetting_comes_before_replacing<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let mut batch = peers_batch([peer(2, 7)]);
    batch.changes.forgotten_peers = vec![node(2)];
    batch.replacements = vec![replacement(2, 3, [segment(2, 1, 4, 7)])];
    bench.commit(OURS, batch);
    let bench = bench.reopen();
    assert_eq!(bench.peer(OURS, node(2)), Some(peer(2, 7)));
    assert_eq!(bench.log(OURS, node(2)), [segment(2, 1, 4, 7)]);
}

/// Segments that a batch writes stand, whatever it replaces: also below the index.
pub(super) fn writing_comes_after_replacing<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let mut batch = segments_batch([segment(2, 0, 9, 8), segment(2, 1, 9, 8), segment(2, 5, 9, 8)]);
    batch.replacements = vec![replacement(2, 4, [segment(2, 1, 4, 7), segment(2, 2, 4, 7)])];
    bench.commit(OURS, batch);
    let expected = [
        segment(2, 0, 9, 8),
        segment(2, 1, 9, 8),
        segment(2, 2, 4, 7),
        log(2)[4].clone(),
        segment(2, 5, 9, 8),
    ];
    assert_eq!(bench.reopen().log(OURS, node(2)), expected);
}

/// Two replacements of one log are done one after the other.
pub(super) fn replacements_are_done_in_their_order<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let first = replacement(2, 3, [segment(2, 0, 1, 2), segment(2, 2, 1, 2)]);
    let second = replacement(2, 1, [segment(2, 0, 5, 3)]);
    bench.commit(OURS, replacing_batch([first.clone(), second.clone()]));
    let newest = &log(2)[3..];
    let expected = [&[segment(2, 0, 5, 3), segment(2, 2, 1, 2)], newest].concat();
    assert_eq!(bench.log(OURS, node(2)), expected);
    bench.commit(OURS, replacing_batch([second, first]));
    let expected = [&[segment(2, 0, 1, 2), segment(2, 2, 1, 2)], newest].concat();
    assert_eq!(bench.log(OURS, node(2)), expected);
}

/// For a peer without a record nothing is written, and nothing deleted; the rest of the batch
/// lands. With its record in the same batch there is a peer.
pub(super) fn an_absent_peer_is_passed_over<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let orphan = segment(9, 0, 2, 1);
    bench.commit(OURS, segments_batch([orphan.clone()]));
    let absent = [replacement(8, 3, [segment(8, 1, 4, 7)]), replacement(9, 3, [segment(9, 1, 4, 7)])];
    let present = replacement(2, 5, [segment(2, 1, 4, 7)]);
    let replaced = absent.iter().cloned().chain([present]);
    bench.commit(OURS, Batch { observer: Some(observer(2)), ..replacing_batch(replaced) });
    let bench = bench.reopen();
    assert_eq!(bench.log(OURS, node(8)), []);
    assert_eq!(bench.log(OURS, node(9)), [orphan]);
    assert_eq!(bench.log(OURS, node(2)), [segment(2, 1, 4, 7)]);
    assert_eq!(bench.peers(OURS, 10).len(), 3);
    assert_eq!(bench.observer(OURS), Some(observer(2)));

    let batch = Batch { replacements: absent.to_vec(), ..peers_batch([peer(8, 1), peer(9, 1)]) };
    bench.commit(OURS, batch);
    let bench = bench.reopen();
    assert_eq!(bench.log(OURS, node(8)), [segment(8, 1, 4, 7)]);
    assert_eq!(bench.log(OURS, node(9)), [segment(9, 1, 4, 7)]);
}

/// A log that was thinned out while its peer was forgotten does not come back, neither in the
/// batch that forgets nor after it.
pub(super) fn a_forgotten_peer_is_passed_over<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let thinned = replacement(2, 3, [segment(2, 1, 4, 7)]);
    let mut batch = replacing_batch([thinned.clone()]);
    batch.changes.forgotten_peers = vec![node(2)];
    bench.commit(OURS, batch);
    assert_eq!(bench.log(OURS, node(2)), []);
    bench.commit(OURS, replacing_batch([thinned]));
    let bench = bench.reopen();
    assert_eq!(bench.log(OURS, node(2)), []);
    assert_eq!(bench.peer(OURS, node(2)), None);
}

/// Segments of another peer, beyond the range, out of order or against the rules are refused by a
/// permanent error, although their peer be absent.
pub(super) fn a_replacement_that_is_none_is_refused<H: Harness>(harness: &H) {
    let bench = filled(harness);
    let nodes = [node(1), node(2), node(3), node(9)];
    let before = bench.sight(OURS, nodes);
    for number in [2, 9] {
        let mut unordered = segment(number, 1, 3, 1);
        unordered.entries.reverse();
        let refused = [
            replacement(number, 3, [segment(1, 1, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 3, 1, 2)]),
            replacement(number, 0, [segment(number, 0, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 0, 1, 2)]),
            replacement(number, 3, [segment(number, 1, 1, 2), segment(number, 1, 1, 2)]),
            replacement(number, 3, [unordered]),
            replacement(number, 3, [segment(number, 0, 65, 1)]),
        ];
        for replacement in refused {
            let mut batch = peers_batch([peer(3, 9)]);
            batch.replacements = vec![replacement];
            let error = bench.refused(OURS, batch);
            assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
            assert!(!error.is_transient());
            assert_eq!(bench.sight(OURS, nodes), before);
        }
    }
    assert_eq!(before, Sight { segments: (1..4).flat_map(log).collect(), ..bench.sight(OURS, []) });
}

/// Hundreds of logs are replaced in one batch, and those in between stay.
pub(super) fn many_logs_are_replaced_at_once<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut batch = peers_batch((0..400).map(|number| peer(number, 1)));
    batch.changes.segments =
        (0..400).flat_map(|number| [segment(number, 0, 2, 1), segment(number, 1, 2, 1)]).collect();
    bench.commit(OURS, batch);
    let odd = (0..400).rev().filter(|number| number % 2 == 1);
    bench.commit(OURS, replacing_batch(odd.map(|number| replacement(number, 1, [segment(number, 0, 1, 2)]))));
    let bench = bench.reopen();
    for number in 0..400 {
        let old = if number % 2 == 1 { segment(number, 0, 1, 2) } else { segment(number, 0, 2, 1) };
        assert_eq!(bench.log(OURS, node(number)), [old, segment(number, 1, 2, 1)]);
    }
    assert_eq!(bench.peers(OURS, 1_000).len(), 400);
}
