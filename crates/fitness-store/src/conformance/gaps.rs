//! Reading, writing and pruning monitoring gaps.

use fitness_core::{GapCause, GapRecord};

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, gap, gaps_batch, node, observer_record, peer, peers_batch, segment};
use crate::Batch;

fn pruning_batch(before: u32) -> Batch {
    Batch { prune_gaps_before: Some(before), ..Batch::default() }
}

/// Gaps of every cause are read back as they were written, immediately and after reopening.
pub(super) fn gap_round_trips<H: Harness>(harness: &H) {
    let stored: Vec<GapRecord> = (0..8).map(|number| gap(number, 1)).collect();
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(store.gaps(OBSERVER, 0, 100), stored);
        store = store.reopen();
    }
}

/// Gaps with the largest numbers and times, and gaps of zero length, are read back.
pub(super) fn extreme_gaps_round_trip<H: Harness>(harness: &H) {
    let mut stored = Vec::new();
    for (cause, number) in GapCause::ALL.into_iter().zip(0..) {
        stored.push(GapRecord { number, cause, from_ns: 0, to_ns: 0 });
    }
    for (cause, back) in GapCause::ALL.into_iter().zip((0..4).rev()) {
        let from_ns = if back % 2 == 0 { u64::MAX } else { 0 };
        stored.push(GapRecord { number: u32::MAX - back, cause, from_ns, to_ns: u64::MAX });
    }
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(store.gaps(OBSERVER, 0, 100), stored);
        assert_eq!(store.gaps(OBSERVER, u32::MAX, 100), stored[7..]);
        store = store.reopen();
    }
}

/// A gap overwrites the stored gap with the same number; if a batch contains several, the last one wins.
pub(super) fn gap_is_overwritten<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch([gap(1, 1), gap(2, 1), gap(3, 1)]));
    store.commit(OBSERVER, gaps_batch([gap(2, 9), gap(4, 1), gap(2, 5)]));
    let expected = [gap(1, 1), gap(2, 5), gap(3, 1), gap(4, 1)];
    assert_eq!(store.gaps(OBSERVER, 0, 100), expected);
    assert_eq!(store.reopen().gaps(OBSERVER, 0, 100), expected);
}

/// Gaps are ordered by their numeric value, not by its text or its little-endian bytes.
pub(super) fn gaps_are_ordered_by_number<H: Harness>(harness: &H) {
    let numbers = [2, 9, 10, 255, 256, 257, 65_535, 65_536, 16_777_216, 4_294_967_295];
    let all = numbers.map(|number| gap(number, 1));
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch(all.iter().rev().copied()));
    assert_eq!(store.gaps(OBSERVER, 0, 100), all);
    assert_eq!(store.gaps(OBSERVER, 10, 4), all[2..6]);
    assert_eq!(store.gaps(OBSERVER, 256, 100), all[4..]);
}

/// A read starts at the given number, stored or not, and returns at most the given number of gaps.
pub(super) fn gap_reads_respect_start_and_limit<H: Harness>(harness: &H) {
    let all: Vec<GapRecord> = (0..10).map(|number| gap(number * 3, 1)).collect();
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch(all.clone()));
    assert_eq!(store.gaps(OBSERVER, 0, 1), all[..1]);
    assert_eq!(store.gaps(OBSERVER, 0, 9), all[..9]);
    assert_eq!(store.gaps(OBSERVER, 0, 10), all);
    assert_eq!(store.gaps(OBSERVER, 0, 11), all);
    assert_eq!(store.gaps(OBSERVER, 12, 3), all[4..7]);
    assert_eq!(store.gaps(OBSERVER, 13, 3), all[5..8]);
    assert_eq!(store.gaps(OBSERVER, 27, 3), all[9..]);
    assert_eq!(store.gaps(OBSERVER, 28, 3), []);
}

/// Pruning deletes the gaps with a smaller number. It keeps the gap with that number, and all other records.
pub(super) fn gaps_before_the_given_number_are_pruned<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch([peer(1, 1)]);
    batch.changes.segments = vec![segment(1, 0, 3, 1)];
    batch.changes.gaps = [0, 1, 255, 256, 300].map(|number| gap(number, 1)).into();
    batch.observer = Some(observer_record(1));
    store.commit(OBSERVER, batch);
    store.commit(OBSERVER, pruning_batch(0));
    assert_eq!(store.gaps(OBSERVER, 0, 100).len(), 5);
    store.commit(OBSERVER, pruning_batch(255));
    store.commit(OBSERVER, pruning_batch(7));
    let kept = [gap(255, 1), gap(256, 1), gap(300, 1)];
    assert_eq!(store.gaps(OBSERVER, 0, 100), kept);
    let store = store.reopen();
    assert_eq!(store.gaps(OBSERVER, 0, 100), kept);
    store.commit(OBSERVER, pruning_batch(u32::MAX));
    let store = store.reopen();
    assert_eq!(store.gaps(OBSERVER, 0, 100), []);
    assert_eq!(store.peers(OBSERVER, 10), [peer(1, 1)]);
    assert_eq!(store.log(OBSERVER, node(1)), [segment(1, 0, 3, 1)]);
    assert_eq!(store.observer(OBSERVER), Some(observer_record(1)));
}

/// A batch writes its gaps before it prunes, so it also deletes gaps that it has just written.
pub(super) fn gaps_are_pruned_after_being_written<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch([gap(1, 1), gap(5, 1)]));
    let batch = gaps_batch([gap(2, 2), gap(5, 2), gap(6, 2)]);
    store.commit(OBSERVER, Batch { prune_gaps_before: Some(5), ..batch });
    assert_eq!(store.gaps(OBSERVER, 0, 100), [gap(5, 2), gap(6, 2)]);
}

/// Forgetting peers, replacing logs and writing the observer's record do not affect gaps.
pub(super) fn gaps_are_unaffected_by_other_changes<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch([peer(1, 1)]);
    batch.changes.gaps = vec![gap(0, 1), gap(1, 1)];
    store.commit(OBSERVER, batch);
    let mut batch = Batch { observer: Some(observer_record(2)), ..Batch::default() };
    batch.changes.forgotten_peers = vec![node(1)];
    batch.replacements = vec![super::samples::replacement(1, u32::MAX, [])];
    store.commit(OBSERVER, batch);
    assert_eq!(store.reopen().gaps(OBSERVER, 0, 100), [gap(0, 1), gap(1, 1)]);
}
