//! What is large comes back whole.

use fitness_core::{GapRecord, LogSegment, PeerRecord, SEGMENT_ENTRIES};

use super::Harness;
use super::bench::Bench;
use super::samples::{
    OURS, channel, gap, gaps_batch, node, observer, peer, peers_batch, segment, segments_batch,
};

/// A batch of thousands of peers, each with a part of its log, is read as it was stored, at once and
/// after reopening: that is what the first flush of a large node writes.
pub(super) fn a_huge_batch_comes_back_whole<H: Harness>(harness: &H) {
    const COUNT: u32 = 5_000;
    let ascending: Vec<PeerRecord> = (0..COUNT).map(|number| peer(number, 1)).collect();
    // 7,919 is prime to 5,000: every number once, in a scattered order.
    let scattered = (0..COUNT).map(|number| number * 7_919 % COUNT);
    let mut batch = peers_batch(scattered.clone().map(|number| peer(number, 1)));
    batch.changes.segments = scattered.map(|number| segment(number, 0, number % 4 + 1, number)).collect();
    batch.observer = Some(observer(1));
    let mut bench = Bench::new(harness);
    bench.commit(OURS, batch);
    for _ in 0..2 {
        assert!(bench.peers(OURS, 1_000) == ascending, "not what was stored");
        for number in 0..COUNT {
            assert_eq!(bench.log(OURS, node(number)), [segment(number, 0, number % 4 + 1, number)]);
        }
        assert_eq!(bench.observer(OURS), Some(observer(1)));
        bench = bench.reopen();
    }
}

/// A record may have thousands of channels, grow to that, shrink from it, and have neighbours.
pub(super) fn a_peer_may_have_thousands_of_channels<H: Harness>(harness: &H) {
    let large = |version| {
        let mut peer = peer(2, version);
        peer.channels = (0..2_000).map(|index| channel(2, index, version, peer.totals)).collect();
        peer
    };
    let mut bench = Bench::new(harness);
    bench.commit(OURS, peers_batch([peer(1, 1), peer(3, 1)]));
    for stored in [peer(2, 1), large(2), large(3), peer(2, 4), large(5)] {
        bench.commit(OURS, peers_batch([stored.clone()]));
        for _ in 0..2 {
            assert!(bench.peer(OURS, node(2)).as_ref() == Some(&stored), "not what was stored");
            assert!(bench.peers(OURS, 2) == [peer(1, 1), stored.clone(), peer(3, 1)], "not the pages");
            bench = bench.reopen();
        }
    }
}

/// Years of one log are read page by page.
pub(super) fn a_log_may_have_hundreds_of_segments<H: Harness>(harness: &H) {
    const PAGE: usize = 256;
    let stored: Vec<LogSegment> = (0..600).map(|index| segment(1, index, SEGMENT_ENTRIES, 1)).collect();
    let bench = Bench::new(harness);
    for part in stored.chunks(250) {
        bench.commit(OURS, segments_batch(part.to_vec()));
    }
    let bench = bench.reopen();
    let mut read: Vec<LogSegment> = Vec::new();
    loop {
        let from = read.last().map_or(0, |segment| segment.index() + 1);
        let page = bench.segments(OURS, node(1), from, PAGE);
        let is_last = page.len() < PAGE;
        read.extend(page);
        if is_last {
            break;
        }
    }
    assert!(read == stored, "not what was stored");
    assert!(bench.segments(OURS, node(1), 500, PAGE) == stored[500..], "not its end");
}

/// Years of gaps are read at once, or the latest of them.
pub(super) fn there_may_be_thousands_of_gaps<H: Harness>(harness: &H) {
    let stored: Vec<GapRecord> = (0..10_000).map(|number| gap(number, 1)).collect();
    let bench = Bench::new(harness);
    bench.commit(OURS, gaps_batch(stored.iter().rev().copied()));
    let bench = bench.reopen();
    assert!(bench.gaps(OURS, 0, 10_000) == stored, "not what was stored");
    assert!(bench.gaps(OURS, 5_904, 4_096) == stored[5_904..], "not the latest");
    bench.commit(OURS, crate::Batch { prune_gaps_before: Some(9_000), ..Default::default() });
    assert!(bench.reopen().gaps(OURS, 0, 10_000) == stored[9_000..], "not what was to stay");
}
