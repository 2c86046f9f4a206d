//! Large batches and large histories.

use fitness_core::{GapRecord, LogSegment, PeerRecord, SEGMENT_ENTRIES};

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{
    OBSERVER, channel, gap, gaps_batch, node, observer_record, peer, peers_batch, segment, segments_batch,
};

/// A batch of thousands of peers, each with a segment, is read back immediately and after reopening. The first
/// commit of a large node is such a batch.
pub(super) fn large_batch_round_trips<H: Harness>(harness: &H) {
    const COUNT: u32 = 5_000;
    let ascending: Vec<PeerRecord> = (0..COUNT).map(|number| peer(number, 1)).collect();
    // 7,919 and 5,000 are coprime, so this yields every number once, in a mixed order.
    let mixed = (0..COUNT).map(|number| number * 7_919 % COUNT);
    let mut batch = peers_batch(mixed.clone().map(|number| peer(number, 1)));
    batch.changes.segments = mixed.map(|number| segment(number, 0, number % 4 + 1, number)).collect();
    batch.observer = Some(observer_record(1));
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, batch);
    for _ in 0..2 {
        assert!(store.peers(OBSERVER, 1_000) == ascending, "the peers differ from what was written");
        for number in 0..COUNT {
            assert_eq!(store.log(OBSERVER, node(number)), [segment(number, 0, number % 4 + 1, number)]);
        }
        assert_eq!(store.observer(OBSERVER), Some(observer_record(1)));
        store = store.reopen();
    }
}

/// A peer can have thousands of channels. Its record can grow and shrink without affecting adjacent peers.
pub(super) fn peer_can_have_thousands_of_channels<H: Harness>(harness: &H) {
    let large = |version| {
        let mut peer = peer(2, version);
        peer.channels = (0..2_000).map(|index| channel(2, index, version, peer.totals)).collect();
        peer
    };
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch([peer(1, 1), peer(3, 1)]));
    for stored in [peer(2, 1), large(2), large(3), peer(2, 4), large(5)] {
        store.commit(OBSERVER, peers_batch([stored.clone()]));
        for _ in 0..2 {
            assert!(
                store.peer(OBSERVER, node(2)).as_ref() == Some(&stored),
                "the peer differs from what was written"
            );
            assert!(
                store.peers(OBSERVER, 2) == [peer(1, 1), stored.clone(), peer(3, 1)],
                "the pages differ from what was written"
            );
            store = store.reopen();
        }
    }
}

/// A log of hundreds of segments is read page by page.
pub(super) fn log_can_have_hundreds_of_segments<H: Harness>(harness: &H) {
    const PAGE: usize = 256;
    let stored: Vec<LogSegment> = (0..600).map(|index| segment(1, index, SEGMENT_ENTRIES, 1)).collect();
    let store = OpenStore::new(harness);
    for part in stored.chunks(250) {
        store.commit(OBSERVER, segments_batch(part.to_vec()));
    }
    let store = store.reopen();
    let mut read: Vec<LogSegment> = Vec::new();
    loop {
        let from = read.last().map_or(0, |segment| segment.index() + 1);
        let page = store.segments(OBSERVER, node(1), from, PAGE);
        let is_last = page.len() < PAGE;
        read.extend(page);
        if is_last {
            break;
        }
    }
    assert!(read == stored, "the log differs from what was written");
    assert!(
        store.segments(OBSERVER, node(1), 500, PAGE) == stored[500..],
        "the end of the log differs from what was written"
    );
}

/// Thousands of gaps can be read in one call, as can the latest of them.
pub(super) fn observer_can_have_thousands_of_gaps<H: Harness>(harness: &H) {
    let stored: Vec<GapRecord> = (0..10_000).map(|number| gap(number, 1)).collect();
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, gaps_batch(stored.iter().rev().copied()));
    let store = store.reopen();
    assert!(store.gaps(OBSERVER, 0, 10_000) == stored, "the gaps differ from what was written");
    assert!(
        store.gaps(OBSERVER, 5_904, 4_096) == stored[5_904..],
        "the latest gaps differ from what was written"
    );
    store.commit(OBSERVER, crate::Batch { prune_gaps_before: Some(9_000), ..Default::default() });
    assert!(store.reopen().gaps(OBSERVER, 0, 10_000) == stored[9_000..], "the gaps differ after pruning");
}
