//! Several commits in progress at the same time.

use std::thread;

use fitness_core::{NodeId, SEGMENT_ENTRIES};

use super::Harness;
use super::open_store::{Contents, OpenStore};
use super::samples::{
    OBSERVER, OTHER_OBSERVER, forgetting_batch, node, peer, peers_batch, replacement, replacing_batch,
    segment, segments_batch,
};
use super::versioned::{PEERS, contents_of, versioned_batch};

/// Commits are applied in the order in which they were first polled: the last write of a peer wins even if
/// its batch is the smallest, and forgetting the peer affects only earlier commits.
pub(super) fn commits_are_applied_in_order<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    for round in 0..10 {
        // The first batch is the largest.
        let batches = (0..8_u32).map(|position| {
            let version = round * 10 + position;
            let mut batch = peers_batch((0..1 + (7 - position) * 20).map(|number| peer(number, version)));
            batch.changes.segments = vec![segment(0, position, 3, version)];
            if position == 4 {
                batch.changes.forgotten_peers = vec![node(0)];
            }
            (OBSERVER, batch)
        });
        store.commit_all(batches);
        for _ in 0..2 {
            assert_eq!(store.peer(OBSERVER, node(0)), Some(peer(0, round * 10 + 7)));
            assert_eq!(store.peer(OBSERVER, node(20)), Some(peer(20, round * 10 + 6)));
            let expected = (4..8).map(|position| segment(0, position, 3, round * 10 + position));
            assert_eq!(store.log(OBSERVER, node(0)), expected.collect::<Vec<_>>());
            store = store.reopen();
        }
    }
}

/// Concurrent commits of one observer do not undo each other.
pub(super) fn commits_from_two_threads_are_both_stored<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    thread::scope(|scope| {
        for half in 0..2 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20 {
                    let number = round * 2 + half;
                    let mut batch = peers_batch([peer(number, 1)]);
                    batch.changes.segments = vec![segment(number, 0, 3, 1)];
                    store.commit(OBSERVER, batch);
                }
            });
        }
    });
    let store = store.reopen();
    let all: Vec<_> = (0..40).map(|number| peer(number, 1)).collect();
    assert_eq!(store.peers(OBSERVER, 100), all);
    for number in 0..40 {
        assert_eq!(store.log(OBSERVER, node(number)), [segment(number, 0, 3, 1)]);
    }
}

/// Two observers that write, replace and forget the same peers concurrently do not affect each other.
pub(super) fn concurrent_observers_are_isolated<H: Harness>(harness: &H) {
    const ROUNDS: u32 = 15;
    let all: Vec<NodeId> = (0..PEERS).map(node).collect();
    let store = OpenStore::new(harness);
    thread::scope(|scope| {
        for (observer, first) in [(OBSERVER, 1), (OTHER_OBSERVER, 1_001)] {
            let (store, all) = (&store, &all);
            scope.spawn(move || {
                for version in first..first + ROUNDS {
                    let mut batch = versioned_batch(version);
                    batch.changes.forgotten_peers = all.clone();
                    store.commit_all([(observer, forgetting_batch(all.clone())), (observer, batch)]);
                }
            });
        }
    });
    let store = store.reopen();
    assert_eq!(store.contents(OBSERVER, [node(0)]), contents_of(ROUNDS));
    assert_eq!(store.contents(OTHER_OBSERVER, [node(0)]), contents_of(1_000 + ROUNDS));
}

/// A log can grow while its older part is replaced.
pub(super) fn log_can_be_replaced_while_it_grows<H: Harness>(harness: &H) {
    const ROUNDS: u32 = 20;
    let store = OpenStore::new(harness);
    let old = (0..3).map(|index| segment(1, index, SEGMENT_ENTRIES, 1));
    store.commit(OBSERVER, segments_batch(old));
    store.commit(OBSERVER, peers_batch([peer(1, 1)]));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                let downsampled = replacement(1, 3, [segment(1, round % 3, 9, round)]);
                store.commit(OBSERVER, replacing_batch([downsampled]));
            }
        });
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                let newest = segment(1, 3 + round / 4, round % 4 + 1, round);
                store.commit(OBSERVER, segments_batch([newest]));
            }
        });
    });
    let downsampled = [segment(1, ROUNDS % 3, 9, ROUNDS)];
    let appended = (1..=ROUNDS).filter(|round| round % 4 == 3 || *round == ROUNDS);
    let appended = appended.map(|round| segment(1, 3 + round / 4, round % 4 + 1, round));
    let expected: Vec<_> = downsampled.into_iter().chain(appended).collect();
    assert_eq!(store.log(OBSERVER, node(1)), expected);
    assert_eq!(store.reopen().log(OBSERVER, node(1)), expected);
}

/// Nothing is left of a peer that is forgotten while its log is replaced, whichever is applied first.
pub(super) fn forgetting_deletes_log_during_replacement<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    for round in 0..10 {
        let mut batch = peers_batch([peer(1, round)]);
        batch.changes.segments = vec![segment(1, 0, 5, round), segment(1, 1, 5, round)];
        store.commit(OBSERVER, batch);
        let replacing = (OBSERVER, replacing_batch([replacement(1, 1, [segment(1, 0, 2, round)])]));
        let forgetting = (OBSERVER, forgetting_batch([node(1)]));
        if round % 2 == 0 {
            store.commit_all([replacing, forgetting]);
        } else {
            store.commit_all([forgetting, replacing]);
        }
        assert_eq!(store.contents(OBSERVER, [node(1)]), Contents::default());
    }
    assert_eq!(store.reopen().contents(OBSERVER, [node(1)]), Contents::default());
}
