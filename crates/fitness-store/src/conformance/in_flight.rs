//! Several commits under way at once.

use std::thread;

use fitness_core::{NodeId, SEGMENT_ENTRIES};

use super::Harness;
use super::bench::{Bench, Sight};
use super::marked::{marked, sight_of};
use super::samples::{
    OURS, THEIRS, forgetting_batch, node, peer, peers_batch, replacement, replacing_batch, segment,
    segments_batch,
};

/// Commits land in the order in which they were first polled: of one peer the last one counts,
/// although it be the smallest batch, and to forget it works on what came before alone.
pub(super) fn commits_land_in_their_order<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    for round in 0..10 {
        // The first one is the largest.
        let batches = (0..8_u32).map(|place| {
            let version = round * 10 + place;
            let mut batch = peers_batch((0..1 + (7 - place) * 20).map(|number| peer(number, version)));
            batch.changes.segments = vec![segment(0, place, 3, version)];
            if place == 4 {
                batch.changes.forgotten_peers = vec![node(0)];
            }
            (OURS, batch)
        });
        bench.commit_all(batches);
        for _ in 0..2 {
            assert_eq!(bench.peer(OURS, node(0)), Some(peer(0, round * 10 + 7)));
            assert_eq!(bench.peer(OURS, node(20)), Some(peer(20, round * 10 + 6)));
            let expected = (4..8).map(|place| segment(0, place, 3, round * 10 + place));
            assert_eq!(bench.log(OURS, node(0)), expected.collect::<Vec<_>>());
            bench = bench.reopen();
        }
    }
}

/// Commits at the same time do not undo each other.
pub(super) fn commits_from_two_threads_both_land<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    thread::scope(|scope| {
        for half in 0..2 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..20 {
                    let number = round * 2 + half;
                    let mut batch = peers_batch([peer(number, 1)]);
                    batch.changes.segments = vec![segment(number, 0, 3, 1)];
                    bench.commit(OURS, batch);
                }
            });
        }
    });
    let bench = bench.reopen();
    let all: Vec<_> = (0..40).map(|number| peer(number, 1)).collect();
    assert_eq!(bench.peers(OURS, 100), all);
    for number in 0..40 {
        assert_eq!(bench.log(OURS, node(number)), [segment(number, 0, 3, 1)]);
    }
}

/// Two observers that store, replace and forget the same things at once do it each for itself.
pub(super) fn observers_that_commit_at_once_keep_apart<H: Harness>(harness: &H) {
    const ROUNDS: u32 = 15;
    let all: Vec<NodeId> = (0..super::marked::PEERS).map(node).collect();
    let bench = Bench::new(harness);
    thread::scope(|scope| {
        for (who, first) in [(OURS, 1), (THEIRS, 1_001)] {
            let (bench, all) = (&bench, &all);
            scope.spawn(move || {
                for version in first..first + ROUNDS {
                    let mut anew = marked(version);
                    anew.changes.forgotten_peers = all.clone();
                    bench.commit_all([(who, forgetting_batch(all.clone())), (who, anew)]);
                }
            });
        }
    });
    let bench = bench.reopen();
    assert_eq!(bench.sight(OURS, [node(0)]), sight_of(ROUNDS));
    assert_eq!(bench.sight(THEIRS, [node(0)]), sight_of(1_000 + ROUNDS));
}

/// A log whose older part is replaced goes on growing meanwhile.
pub(super) fn a_log_is_replaced_while_it_grows<H: Harness>(harness: &H) {
    const ROUNDS: u32 = 20;
    let bench = Bench::new(harness);
    let old = (0..3).map(|index| segment(1, index, SEGMENT_ENTRIES, 1));
    bench.commit(OURS, segments_batch(old));
    bench.commit(OURS, peers_batch([peer(1, 1)]));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                let thinned = replacement(1, 3, [segment(1, round % 3, 9, round)]);
                bench.commit(OURS, replacing_batch([thinned]));
            }
        });
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                bench.commit(OURS, segments_batch([segment(1, 3 + round / 4, round % 4 + 1, round)]));
            }
        });
    });
    let thinned = [segment(1, ROUNDS % 3, 9, ROUNDS)];
    let grown = (1..=ROUNDS).filter(|round| round % 4 == 3 || *round == ROUNDS);
    let grown = grown.map(|round| segment(1, 3 + round / 4, round % 4 + 1, round));
    let expected: Vec<_> = thinned.into_iter().chain(grown).collect();
    assert_eq!(bench.log(OURS, node(1)), expected);
    assert_eq!(bench.reopen().log(OURS, node(1)), expected);
}

/// Nothing is left of a peer that is forgotten while its log is replaced, whichever comes first.
pub(super) fn a_replaced_log_goes_with_its_peer<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    for round in 0..10 {
        let mut batch = peers_batch([peer(1, round)]);
        batch.changes.segments = vec![segment(1, 0, 5, round), segment(1, 1, 5, round)];
        bench.commit(OURS, batch);
        let replacing = (OURS, replacing_batch([replacement(1, 1, [segment(1, 0, 2, round)])]));
        let forgetting = (OURS, forgetting_batch([node(1)]));
        if round % 2 == 0 {
            bench.commit_all([replacing, forgetting]);
        } else {
            bench.commit_all([forgetting, replacing]);
        }
        assert_eq!(bench.sight(OURS, [node(1)]), Sight::default());
    }
    assert_eq!(bench.reopen().sight(OURS, [node(1)]), Sight::default());
}
