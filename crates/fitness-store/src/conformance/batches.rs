//! A batch is stored as one.

use fitness_core::{GapRecord, NodeId, PeerRecord, Totals};

use super::Harness;
use super::bench::{Bench, Sight};
use super::samples::{
    OURS, forgetting_batch, gap, node, observer, observer_batch, peer, peers_batch, replacement, segment,
};
use crate::Batch;

/// Three peers with two segments each, two gaps and the observer.
fn whole(version: u32) -> Batch {
    let mut batch = peers_batch((1..4).map(|number| peer(number, version)));
    batch.changes.segments =
        (1..4).flat_map(|number| [segment(number, 0, 64, version), segment(number, 1, 5, version)]).collect();
    batch.changes.gaps = vec![gap(0, version), gap(1, version)];
    batch.observer = Some(observer(u64::from(version)));
    batch
}

fn nodes() -> [NodeId; 3] {
    [node(1), node(2), node(3)]
}

fn sight_of(batch: &Batch) -> Sight {
    Sight {
        listed: true,
        observer: batch.observer,
        peers: batch.changes.peers.clone(),
        segments: batch.changes.segments.clone(),
        gaps: batch.changes.gaps.clone(),
    }
}

/// A batch with nothing in it leaves nothing behind, not even its observer.
pub(super) fn an_empty_batch_does_nothing<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    assert!(Batch::default().is_empty());
    bench.commit(OURS, Batch::default());
    assert_eq!(bench.observers(), []);
    bench.commit(OURS, whole(1));
    bench.commit(OURS, Batch::default());
    assert_eq!(bench.reopen().sight(OURS, nodes()), sight_of(&whole(1)));
}

/// A batch with the observer's record alone changes that alone.
pub(super) fn a_heartbeat_changes_nothing_else<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, whole(1));
    for version in 2..5 {
        bench.commit(OURS, observer_batch(observer(version)));
        let expected = Sight { observer: Some(observer(version)), ..sight_of(&whole(1)) };
        assert_eq!(bench.sight(OURS, nodes()), expected);
    }
    let expected = Sight { observer: Some(observer(4)), ..sight_of(&whole(1)) };
    assert_eq!(bench.reopen().sight(OURS, nodes()), expected);
}

/// Peers, segments, gaps and observer of a batch are all there once it is committed; a batch without
/// the observer leaves that as it was.
pub(super) fn a_batch_lands_as_a_whole<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, whole(1));
    assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(1)));
    bench.commit(OURS, Batch { observer: None, ..whole(2) });
    let expected = Sight { observer: Some(observer(1)), ..sight_of(&whole(2)) };
    assert_eq!(bench.sight(OURS, nodes()), expected);
    assert_eq!(bench.reopen().sight(OURS, nodes()), expected);
}

/// Of a batch that fails nothing is stored, wherever in it the fault is; and the store goes on.
pub(super) fn a_refused_batch_leaves_no_trace<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, whole(1));
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let mut unordered = segment(3, 1, 3, 2);
    unordered.entries.reverse();

    let mut bad_peer = whole(2);
    bad_peer.changes.forgotten_peers = vec![node(2)];
    bad_peer.changes.peers.push(PeerRecord { totals: impossible, ..peer(9, 2) });
    let mut bad_segment = whole(2);
    bad_segment.changes.segments.push(unordered);
    let mut bad_gap = whole(2);
    bad_gap.changes.gaps.push(GapRecord { to_ns: 0, ..gap(2, 2) });
    let mut bad_replacement = whole(2);
    bad_replacement.prune_gaps_before = Some(9);
    bad_replacement.replacements =
        vec![replacement(1, 1, [segment(1, 0, 1, 2)]), replacement(2, 1, [segment(2, 1, 1, 2)])];
    for batch in [bad_peer, bad_segment, bad_gap, bad_replacement] {
        bench.refused(OURS, batch);
        assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(1)));
    }
    bench.commit(OURS, whole(3));
    assert_eq!(bench.reopen().sight(OURS, nodes()), sight_of(&whole(3)));
}

/// A store that was opened anew knows nothing of a batch that was refused before, whether other
/// batches came after it or not.
pub(super) fn a_refused_batch_is_not_there_after_reopening<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    let mut refused = whole(2);
    refused.changes.forgotten_peers = nodes().into();
    refused.changes.gaps.push(GapRecord { to_ns: 0, ..gap(2, 2) });
    bench.refused(OURS, refused.clone());
    bench = bench.reopen();
    assert_eq!(bench.sight(OURS, nodes()), Sight::default());
    for version in [1, 3] {
        bench.commit(OURS, whole(version));
        bench.refused(OURS, refused.clone());
        bench = bench.reopen();
        assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(version)));
    }
}

/// A batch that is committed again has the same effect as once: whoever lost the answer commits
/// it again, and it may have landed.
pub(super) fn a_batch_committed_again_changes_nothing<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    let mut first = whole(1);
    first.changes.segments.extend([segment(3, 2, 9, 1), segment(4, 0, 9, 1)]);
    first.changes.peers.push(peer(4, 1));
    bench.commit(OURS, first);
    // All there is: forgotten and written again, forgotten for good, replaced, and too old at once.
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
    batch.observer = Some(observer(2));
    let expected = Sight {
        listed: true,
        observer: Some(observer(2)),
        peers: vec![peer(1, 2), peer(3, 2), peer(4, 1)],
        segments: vec![segment(1, 1, 7, 2), segment(3, 0, 5, 2), segment(3, 1, 2, 3), segment(3, 2, 9, 1)],
        gaps: vec![gap(7, 2), gap(8, 2)],
    };
    for _ in 0..2 {
        for _ in 0..2 {
            bench.commit(OURS, batch.clone());
            assert_eq!(bench.sight(OURS, (1..5).map(node)), expected);
        }
        bench = bench.reopen();
        assert_eq!(bench.sight(OURS, (1..5).map(node)), expected);
    }
}

/// A batch that equals an earlier one takes effect like any other, after what came in between.
pub(super) fn a_batch_committed_again_later_counts<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    for version in [1, 2, 1, 1, 2] {
        bench.commit(OURS, whole(version));
        assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(version)));
        bench = bench.reopen();
        assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(version)));
    }
}

/// A forgotten peer is gone, and so is every segment of its log.
pub(super) fn forgetting_takes_the_log_along<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    let mut long = whole(1);
    long.changes.segments.extend([
        segment(2, 255, 1, 1),
        segment(2, 256, 1, 1),
        segment(2, 67_108_863, 1, 1),
    ]);
    bench.commit(OURS, long);
    bench.commit(OURS, forgetting_batch([node(2)]));
    for _ in 0..2 {
        assert_eq!(bench.peer(OURS, node(2)), None);
        assert_eq!(bench.log(OURS, node(2)), []);
        assert_eq!(bench.peers(OURS, 10), [peer(1, 1), peer(3, 1)]);
        bench = bench.reopen();
    }
}

/// Its neighbours and the observer stay as they were.
pub(super) fn forgetting_takes_nothing_else<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, whole(1));
    let before = bench.sight(OURS, [node(1), node(3)]);
    bench.commit(OURS, forgetting_batch([node(2)]));
    let after = bench.reopen().sight(OURS, [node(1), node(3)]);
    let peers = before.peers.iter().filter(|peer| peer.node_id != node(2)).cloned().collect();
    assert_eq!(after, Sight { peers, ..before });
}

/// A peer that is forgotten and written in one batch ends up with what the batch wrote, and
/// nothing of what was there before.
pub(super) fn forgetting_comes_before_writing<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, whole(1));
    let mut batch = peers_batch([peer(2, 7), peer(8, 7)]);
    batch.changes.segments = vec![segment(2, 1, 3, 7)];
    batch.changes.forgotten_peers = vec![node(2), node(8)];
    bench.commit(OURS, batch);
    let bench = bench.reopen();
    assert_eq!(bench.peers(OURS, 10), [peer(1, 1), peer(2, 7), peer(3, 1), peer(8, 7)]);
    assert_eq!(bench.log(OURS, node(2)), [segment(2, 1, 3, 7)]);
}

/// What is not there can be forgotten, once or often.
pub(super) fn forgetting_the_unknown_is_no_error<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let strangers = forgetting_batch([node(8), node(9), node(8)]);
    bench.commit(OURS, strangers.clone());
    assert_eq!(bench.sight(OURS, [node(8)]), Sight::default());
    bench.commit(OURS, whole(1));
    bench.commit(OURS, strangers);
    assert_eq!(bench.sight(OURS, nodes()), sight_of(&whole(1)));
}

/// Hundreds are forgotten in one batch, and those in between stay.
pub(super) fn many_are_forgotten_at_once<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut batch = peers_batch((0..600).map(|number| peer(number, 1)));
    batch.changes.segments = (0..600).map(|number| segment(number, 0, 1, 1)).collect();
    bench.commit(OURS, batch);
    let (odd, even): (Vec<u32>, Vec<u32>) = (0..600).partition(|number| number % 2 == 1);
    bench.commit(OURS, forgetting_batch(odd.iter().rev().map(|&number| node(number))));
    let bench = bench.reopen();
    let kept: Vec<PeerRecord> = even.iter().map(|&number| peer(number, 1)).collect();
    assert!(bench.peers(OURS, 100) == kept, "other peers are left than were to stay");
    assert_eq!(bench.log(OURS, node(1)), []);
    assert_eq!(bench.log(OURS, node(2)), [segment(2, 0, 1, 1)]);
}
