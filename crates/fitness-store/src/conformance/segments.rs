//! The segments of a peer's log.

use fitness_core::{LogSegment, SEGMENT_ENTRIES};

use super::Harness;
use super::bench::Bench;
use super::extremes::extreme_entries;
use super::samples::{OURS, node, segment, segments_batch};

/// A segment is read as it was stored, at once and after reopening.
pub(super) fn a_segment_comes_back<H: Harness>(harness: &H) {
    let stored = [segment(1, 0, SEGMENT_ENTRIES, 1), segment(1, 1, 1, 1), segment(1, 2, 17, 1)];
    let mut bench = Bench::new(harness);
    bench.commit(OURS, segments_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(bench.log(OURS, node(1)), stored);
        bench = bench.reopen();
    }
}

/// The largest numbers and times come back, and so does a segment that starts late.
pub(super) fn extreme_segments_come_back<H: Harness>(harness: &H) {
    let entries = extreme_entries();
    let late = LogSegment { node_id: node(1), first_number: 61, entries: entries.to_vec() };
    let last = LogSegment { node_id: node(1), first_number: u32::MAX, entries: entries[2..].to_vec() };
    let mut bench = Bench::new(harness);
    bench.commit(OURS, segments_batch([last.clone(), late.clone()]));
    for _ in 0..2 {
        assert_eq!(bench.log(OURS, node(1)), [late.clone(), last.clone()]);
        assert_eq!(bench.segments(OURS, node(1), last.index(), 1), std::slice::from_ref(&last));
        assert_eq!(bench.segments(OURS, node(1), u32::MAX, 1), []);
        bench = bench.reopen();
    }
}

/// The last segment grows, and is stored again each time; those before it stay.
pub(super) fn the_last_segment_is_stored_again<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, segments_batch([segment(1, 0, SEGMENT_ENTRIES, 1)]));
    for entries in [1, 2, 40, 39] {
        let last = segment(1, 1, entries, entries);
        bench.commit(OURS, segments_batch([last.clone()]));
        assert_eq!(bench.log(OURS, node(1)), [segment(1, 0, SEGMENT_ENTRIES, 1), last]);
    }
    let kept = [segment(1, 0, SEGMENT_ENTRIES, 1), segment(1, 1, 39, 39)];
    assert_eq!(bench.reopen().log(OURS, node(1)), kept);
}

/// A read starts at the index it is told, and returns as many as it is told.
pub(super) fn ranges_of_segments<H: Harness>(harness: &H) {
    let all: Vec<LogSegment> = (0..10).map(|index| segment(1, index, 2, 1)).collect();
    let bench = Bench::new(harness);
    bench.commit(OURS, segments_batch(all.iter().rev().cloned()));
    assert_eq!(bench.segments(OURS, node(1), 0, 1), all[..1]);
    assert_eq!(bench.segments(OURS, node(1), 0, 10), all);
    assert_eq!(bench.segments(OURS, node(1), 0, 11), all);
    assert_eq!(bench.segments(OURS, node(1), 4, 3), all[4..7]);
    assert_eq!(bench.segments(OURS, node(1), 9, 3), all[9..]);
    assert_eq!(bench.segments(OURS, node(1), 10, 3), []);
}

/// Segments ascend by number, which is not the order of numbers as text or as little-endian bytes.
pub(super) fn order_is_that_of_the_numbers<H: Harness>(harness: &H) {
    let indices = [2, 9, 10, 255, 256, 257, 65_535, 65_536, 16_777_216];
    let all: Vec<LogSegment> = indices.iter().map(|&index| segment(1, index, 1, 1)).collect();
    let bench = Bench::new(harness);
    bench.commit(OURS, segments_batch(all.iter().rev().cloned()));
    assert_eq!(bench.log(OURS, node(1)), all);
    assert_eq!(bench.segments(OURS, node(1), 10, 4), all[2..6]);
    assert_eq!(bench.segments(OURS, node(1), 256, 100), all[4..]);
}

/// A read returns segments of the peer it is asked for alone.
pub(super) fn only_those_of_the_peer<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let of = |number| [segment(number, 0, 3, number), segment(number, 1, 2, number)];
    bench.commit(OURS, segments_batch([of(1), of(2), of(3)].concat()));
    for number in 1..4 {
        assert_eq!(bench.segments(OURS, node(number), 0, 100), of(number));
        assert_eq!(bench.segments(OURS, node(number), 1, 100), of(number)[1..]);
        assert_eq!(bench.segments(OURS, node(number), 2, 100), []);
    }
    assert_eq!(bench.log(OURS, node(4)), []);
}

/// Missing indices are passed over: a limit counts segments, not indices.
pub(super) fn a_log_may_have_holes<H: Harness>(harness: &H) {
    let all = [segment(1, 3, 2, 1), segment(1, 7, 2, 1), segment(1, 8, 2, 1)];
    let bench = Bench::new(harness);
    bench.commit(OURS, segments_batch(all.clone()));
    assert_eq!(bench.segments(OURS, node(1), 0, 2), all[..2]);
    assert_eq!(bench.segments(OURS, node(1), 4, 2), all[1..]);
}
