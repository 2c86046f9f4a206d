//! The gaps of our own observation.

use fitness_core::{GapCause, GapRecord};

use super::Harness;
use super::bench::Bench;
use super::samples::{OURS, gap, gaps_batch, node, observer, peer, peers_batch, segment};
use crate::Batch;

fn deleting(before: u32) -> Batch {
    Batch { prune_gaps_before: Some(before), ..Batch::default() }
}

/// A gap of each cause is read as it was stored, at once and after reopening.
pub(super) fn a_gap_comes_back<H: Harness>(harness: &H) {
    let stored: Vec<GapRecord> = (0..8).map(|number| gap(number, 1)).collect();
    let mut bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(bench.gaps(OURS, 0, 100), stored);
        bench = bench.reopen();
    }
}

/// The largest numbers and times come back, and so does a gap that lasted no time.
pub(super) fn extreme_gaps_come_back<H: Harness>(harness: &H) {
    let mut stored = Vec::new();
    for (cause, number) in GapCause::ALL.into_iter().zip(0..) {
        stored.push(GapRecord { number, cause, from_ns: 0, to_ns: 0 });
    }
    for (cause, back) in GapCause::ALL.into_iter().zip((0..4).rev()) {
        let from_ns = if back % 2 == 0 { u64::MAX } else { 0 };
        stored.push(GapRecord { number: u32::MAX - back, cause, from_ns, to_ns: u64::MAX });
    }
    let mut bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(bench.gaps(OURS, 0, 100), stored);
        assert_eq!(bench.gaps(OURS, u32::MAX, 100), stored[7..]);
        bench = bench.reopen();
    }
}

/// A gap takes the place of the one of its number; of several in one batch the last counts.
pub(super) fn a_gap_is_overwritten<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch([gap(1, 1), gap(2, 1), gap(3, 1)]));
    bench.commit(OURS, gaps_batch([gap(2, 9), gap(4, 1), gap(2, 5)]));
    let expected = [gap(1, 1), gap(2, 5), gap(3, 1), gap(4, 1)];
    assert_eq!(bench.gaps(OURS, 0, 100), expected);
    assert_eq!(bench.reopen().gaps(OURS, 0, 100), expected);
}

/// Gaps ascend by number, which is not the order of numbers as text or as little-endian bytes.
pub(super) fn gaps_ascend_by_number<H: Harness>(harness: &H) {
    let numbers = [2, 9, 10, 255, 256, 257, 65_535, 65_536, 16_777_216, 4_294_967_295];
    let all = numbers.map(|number| gap(number, 1));
    let bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch(all.iter().rev().copied()));
    assert_eq!(bench.gaps(OURS, 0, 100), all);
    assert_eq!(bench.gaps(OURS, 10, 4), all[2..6]);
    assert_eq!(bench.gaps(OURS, 256, 100), all[4..]);
}

/// A read starts at the number it is told, stored or not, and returns as many as it is told.
pub(super) fn ranges_of_gaps<H: Harness>(harness: &H) {
    let all: Vec<GapRecord> = (0..10).map(|number| gap(number * 3, 1)).collect();
    let bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch(all.clone()));
    assert_eq!(bench.gaps(OURS, 0, 1), all[..1]);
    assert_eq!(bench.gaps(OURS, 0, 9), all[..9]);
    assert_eq!(bench.gaps(OURS, 0, 10), all);
    assert_eq!(bench.gaps(OURS, 0, 11), all);
    assert_eq!(bench.gaps(OURS, 12, 3), all[4..7]);
    assert_eq!(bench.gaps(OURS, 13, 3), all[5..8]);
    assert_eq!(bench.gaps(OURS, 27, 3), all[9..]);
    assert_eq!(bench.gaps(OURS, 28, 3), []);
}

/// Gaps before a number are deleted, that number's own is not, and nothing else is.
pub(super) fn old_gaps_are_deleted<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut batch = peers_batch([peer(1, 1)]);
    batch.changes.segments = vec![segment(1, 0, 3, 1)];
    batch.changes.gaps = [0, 1, 255, 256, 300].map(|number| gap(number, 1)).into();
    batch.observer = Some(observer(1));
    bench.commit(OURS, batch);
    bench.commit(OURS, deleting(0));
    assert_eq!(bench.gaps(OURS, 0, 100).len(), 5);
    bench.commit(OURS, deleting(255));
    bench.commit(OURS, deleting(7));
    let kept = [gap(255, 1), gap(256, 1), gap(300, 1)];
    assert_eq!(bench.gaps(OURS, 0, 100), kept);
    let bench = bench.reopen();
    assert_eq!(bench.gaps(OURS, 0, 100), kept);
    bench.commit(OURS, deleting(u32::MAX));
    let bench = bench.reopen();
    assert_eq!(bench.gaps(OURS, 0, 100), []);
    assert_eq!(bench.peers(OURS, 10), [peer(1, 1)]);
    assert_eq!(bench.log(OURS, node(1)), [segment(1, 0, 3, 1)]);
    assert_eq!(bench.observer(OURS), Some(observer(1)));
}

/// Of what a batch writes, what is too old by the same batch is not kept.
pub(super) fn deleting_gaps_comes_after_writing_them<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch([gap(1, 1), gap(5, 1)]));
    let batch = gaps_batch([gap(2, 2), gap(5, 2), gap(6, 2)]);
    bench.commit(OURS, Batch { prune_gaps_before: Some(5), ..batch });
    assert_eq!(bench.gaps(OURS, 0, 100), [gap(5, 2), gap(6, 2)]);
}

/// Gaps are the observer's: to forget peers, to replace a log or to beat its heart leaves them.
pub(super) fn gaps_are_no_part_of_a_log<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut batch = peers_batch([peer(1, 1)]);
    batch.changes.gaps = vec![gap(0, 1), gap(1, 1)];
    bench.commit(OURS, batch);
    let mut batch = Batch { observer: Some(observer(2)), ..Batch::default() };
    batch.changes.forgotten_peers = vec![node(1)];
    batch.replacements = vec![super::samples::replacement(1, u32::MAX, [])];
    bench.commit(OURS, batch);
    assert_eq!(bench.reopen().gaps(OURS, 0, 100), [gap(0, 1), gap(1, 1)]);
}
