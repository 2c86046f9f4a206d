//! Whoever looks on sees whole batches.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use fitness_core::NodeId;

use super::Harness;
use super::bench::Bench;
use super::marked::{look, marked, sight_of};
use super::samples::{OURS, THEIRS, forgetting_batch, node, peer, peers_batch};

/// Tells the onlookers to stop, also where the writer panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `commit` round after round, from 1 on, while two threads `look` again and again with a memory
/// of their own. Returns the last round.
fn while_others_look<M: Default>(commit: impl Fn(u32), look: impl Fn(&mut M) + Sync) -> u32 {
    const LOOKS: usize = 60;
    const ROUNDS: std::ops::Range<u32> = 60..3_000;

    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let onlooker = || {
        let mut memory = M::default();
        while !done.load(Ordering::Relaxed) {
            look(&mut memory);
            looks.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut round = 0;
    thread::scope(|scope| {
        let onlookers = [scope.spawn(onlooker), scope.spawn(onlooker)];
        let _stop = Stop(&done);
        // At least so many rounds, and as many more as it takes for the others to get a look in.
        while round < ROUNDS.start || (round < ROUNDS.end && looks.load(Ordering::Relaxed) < LOOKS) {
            round += 1;
            commit(round);
            if onlookers.iter().any(|onlooker| onlooker.is_finished()) {
                break;
            }
        }
    });
    round
}

/// What a read sees was left by whole batches: a page of peers or a run of segments never mixes
/// two, and what was seen once does not go away.
pub(super) fn readers_see_whole_batches<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let last = while_others_look(
        |round| bench.commit(OURS, marked(round)),
        |seen: &mut u64| *seen = look(&bench, OURS, *seen),
    );
    assert_eq!(bench.sight(OURS, [node(0)]), sight_of(last));
}

/// Nor do they see parts where several commits of several observers are under way at once.
pub(super) fn readers_see_whole_batches_of_many<H: Harness>(harness: &H) {
    const WHO: [NodeId; 3] = [OURS, THEIRS, NodeId([5; 33])];
    // By its version one can tell whose a batch is.
    let versions = |round: u32| (round * 6..round * 6 + 6).zip(WHO.into_iter().cycle());
    let bench = Bench::new(harness);
    let last = while_others_look(
        |round| bench.commit_all(versions(round).map(|(version, who)| (who, marked(version)))),
        |seen: &mut [u64; 3]| {
            for ((seen, who), remainder) in seen.iter_mut().zip(WHO).zip(0..) {
                *seen = look(&bench, who, *seen);
                assert!(*seen == 0 || *seen % 3 == remainder, "batch {seen} is another observer's");
            }
        },
    );
    for (version, who) in versions(last).skip(3) {
        assert_eq!(bench.sight(who, [node(0)]), sight_of(version));
    }
}

/// Whoever goes through the pages while peers are forgotten and come back meets those that stay,
/// once each and in order, and takes no page for the last one that is not.
pub(super) fn pages_hold_while_peers_come_and_go<H: Harness>(harness: &H) {
    let stays = |number: &u32| number % 2 == 0;
    let bench = Bench::new(harness);
    bench.commit(OURS, peers_batch((0..60).map(|number| peer(number, 1))));
    let staying: Vec<NodeId> = (0..60).filter(stays).map(node).collect();
    while_others_look(
        |round| {
            let some = (0..60).filter(|number| !stays(number) && number % 5 == (round - 1) / 2 % 5);
            bench.commit(
                OURS,
                match round % 2 {
                    0 => peers_batch(some.map(|number| peer(number, 1))),
                    _ => forgetting_batch(some.map(node)),
                },
            );
        },
        |pages: &mut usize| {
            *pages += 1;
            let met: Vec<NodeId> =
                bench.peers(OURS, 1 + *pages % 7).iter().map(|peer| peer.node_id).collect();
            assert!(met.is_sorted_by(|earlier, later| earlier < later), "not ascending: {met:?}");
            let stayed: Vec<NodeId> = met.into_iter().filter(|id| staying.contains(id)).collect();
            assert_eq!(stayed, staying);
        },
    );
}
