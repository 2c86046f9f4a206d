//! Reading and writing segments of a log.

use fitness_core::{LogSegment, SEGMENT_ENTRIES};

use super::Harness;
use super::extreme_values::extreme_entries;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, node, segment, segments_batch};

/// Segments are read back as they were written, immediately and after reopening.
pub(super) fn segment_round_trips<H: Harness>(harness: &H) {
    let stored = [segment(1, 0, SEGMENT_ENTRIES, 1), segment(1, 1, 1, 1), segment(1, 2, 17, 1)];
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(store.log(OBSERVER, node(1)), stored);
        store = store.reopen();
    }
}

/// Segments with the largest numbers and times, and a segment without its first entries, are read back.
pub(super) fn extreme_segments_round_trip<H: Harness>(harness: &H) {
    let entries = extreme_entries();
    let partial = LogSegment { node_id: node(1), first_number: 61, entries: entries.to_vec() };
    let last = LogSegment { node_id: node(1), first_number: u32::MAX, entries: entries[2..].to_vec() };
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch([last.clone(), partial.clone()]));
    for _ in 0..2 {
        assert_eq!(store.log(OBSERVER, node(1)), [partial.clone(), last.clone()]);
        assert_eq!(store.segments(OBSERVER, node(1), last.index(), 1), std::slice::from_ref(&last));
        assert_eq!(store.segments(OBSERVER, node(1), u32::MAX, 1), []);
        store = store.reopen();
    }
}

/// The last segment can be written again as it grows; earlier segments stay unchanged.
pub(super) fn last_segment_can_be_rewritten<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch([segment(1, 0, SEGMENT_ENTRIES, 1)]));
    for entries in [1, 2, 40, 39] {
        let last = segment(1, 1, entries, entries);
        store.commit(OBSERVER, segments_batch([last.clone()]));
        assert_eq!(store.log(OBSERVER, node(1)), [segment(1, 0, SEGMENT_ENTRIES, 1), last]);
    }
    let kept = [segment(1, 0, SEGMENT_ENTRIES, 1), segment(1, 1, 39, 39)];
    assert_eq!(store.reopen().log(OBSERVER, node(1)), kept);
}

/// A read starts at the given index and returns at most the given number of segments.
pub(super) fn segment_reads_respect_start_and_limit<H: Harness>(harness: &H) {
    let all: Vec<LogSegment> = (0..10).map(|index| segment(1, index, 2, 1)).collect();
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch(all.iter().rev().cloned()));
    assert_eq!(store.segments(OBSERVER, node(1), 0, 1), all[..1]);
    assert_eq!(store.segments(OBSERVER, node(1), 0, 10), all);
    assert_eq!(store.segments(OBSERVER, node(1), 0, 11), all);
    assert_eq!(store.segments(OBSERVER, node(1), 4, 3), all[4..7]);
    assert_eq!(store.segments(OBSERVER, node(1), 9, 3), all[9..]);
    assert_eq!(store.segments(OBSERVER, node(1), 10, 3), []);
}

/// Segments are ordered by their numeric index, not by its text or its little-endian bytes.
pub(super) fn segments_are_ordered_by_index<H: Harness>(harness: &H) {
    let indices = [2, 9, 10, 255, 256, 257, 65_535, 65_536, 16_777_216];
    let all: Vec<LogSegment> = indices.iter().map(|&index| segment(1, index, 1, 1)).collect();
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch(all.iter().rev().cloned()));
    assert_eq!(store.log(OBSERVER, node(1)), all);
    assert_eq!(store.segments(OBSERVER, node(1), 10, 4), all[2..6]);
    assert_eq!(store.segments(OBSERVER, node(1), 256, 100), all[4..]);
}

/// A read returns only segments of the given peer.
pub(super) fn segments_of_other_peers_are_excluded<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let log_of = |number| [segment(number, 0, 3, number), segment(number, 1, 2, number)];
    store.commit(OBSERVER, segments_batch([log_of(1), log_of(2), log_of(3)].concat()));
    for number in 1..4 {
        assert_eq!(store.segments(OBSERVER, node(number), 0, 100), log_of(number));
        assert_eq!(store.segments(OBSERVER, node(number), 1, 100), log_of(number)[1..]);
        assert_eq!(store.segments(OBSERVER, node(number), 2, 100), []);
    }
    assert_eq!(store.log(OBSERVER, node(4)), []);
}

/// Missing indices are skipped: the limit counts segments, not indices.
pub(super) fn missing_segment_indices_are_skipped<H: Harness>(harness: &H) {
    let all = [segment(1, 3, 2, 1), segment(1, 7, 2, 1), segment(1, 8, 2, 1)];
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, segments_batch(all.clone()));
    assert_eq!(store.segments(OBSERVER, node(1), 0, 2), all[..2]);
    assert_eq!(store.segments(OBSERVER, node(1), 4, 2), all[1..]);
}
