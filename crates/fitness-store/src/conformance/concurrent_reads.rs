//! Reads during commits see complete batches.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use fitness_core::NodeId;

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, OTHER_OBSERVER, forgetting_batch, node, peer, peers_batch};
use super::versioned::{contents_of, read_version, versioned_batch};

/// Stops the readers when dropped, also if the writer panics.
struct StopReaders<'a>(&'a AtomicBool);

impl Drop for StopReaders<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `commit` with the round numbers 1, 2 and so on, while two threads call `read` repeatedly. Each
/// reader thread passes its own state to `read`. Returns the number of the last round.
fn commit_while_reading<S: Default>(commit: impl Fn(u32), read: impl Fn(&mut S) + Sync) -> u32 {
    const MIN_READS: usize = 60;
    const ROUNDS: std::ops::Range<u32> = 60..3_000;

    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let reader = || {
        let mut state = S::default();
        while !done.load(Ordering::Relaxed) {
            read(&mut state);
            reads.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut round = 0;
    thread::scope(|scope| {
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        let _stop = StopReaders(&done);
        // Runs at least `ROUNDS.start` rounds, and more until the readers have read `MIN_READS` times.
        while round < ROUNDS.start || (round < ROUNDS.end && reads.load(Ordering::Relaxed) < MIN_READS) {
            round += 1;
            commit(round);
            if readers.iter().any(|reader| reader.is_finished()) {
                break;
            }
        }
    });
    round
}

/// A page of peers or a list of segments never mixes two batches, and reads never go back in time.
pub(super) fn reads_never_see_partial_batches<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let last = commit_while_reading(
        |round| store.commit(OBSERVER, versioned_batch(round)),
        |last_seen: &mut u64| *last_seen = read_version(&store, OBSERVER, *last_seen),
    );
    assert_eq!(store.contents(OBSERVER, [node(0)]), contents_of(last));
}

/// The same holds while several commits of several observers are in progress.
pub(super) fn reads_never_see_partial_batches_of_many_observers<H: Harness>(harness: &H) {
    const OBSERVERS: [NodeId; 3] = [OBSERVER, OTHER_OBSERVER, NodeId([5; 33])];
    // The version modulo 3 identifies the observer.
    let versions = |round: u32| (round * 6..round * 6 + 6).zip(OBSERVERS.into_iter().cycle());
    let store = OpenStore::new(harness);
    let last = commit_while_reading(
        |round| {
            store.commit_all(versions(round).map(|(version, observer)| (observer, versioned_batch(version))));
        },
        |last_seen: &mut [u64; 3]| {
            for ((last_seen, observer), remainder) in last_seen.iter_mut().zip(OBSERVERS).zip(0..) {
                *last_seen = read_version(&store, observer, *last_seen);
                assert!(
                    *last_seen == 0 || *last_seen % 3 == remainder,
                    "read version {last_seen}, which another observer wrote"
                );
            }
        },
    );
    for (version, observer) in versions(last).skip(3) {
        assert_eq!(store.contents(observer, [node(0)]), contents_of(version));
    }
}

/// Reading page by page while other peers are forgotten and written again returns each remaining peer
/// exactly once and in order, and no page before the last one is short.
pub(super) fn paging_is_stable_while_peers_change<H: Harness>(harness: &H) {
    let is_permanent = |number: &u32| number % 2 == 0;
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch((0..60).map(|number| peer(number, 1))));
    let permanent: Vec<NodeId> = (0..60).filter(is_permanent).map(node).collect();
    commit_while_reading(
        |round| {
            let changing =
                (0..60).filter(|number| !is_permanent(number) && number % 5 == (round - 1) / 2 % 5);
            store.commit(
                OBSERVER,
                match round % 2 {
                    0 => peers_batch(changing.map(|number| peer(number, 1))),
                    _ => forgetting_batch(changing.map(node)),
                },
            );
        },
        |walks: &mut usize| {
            *walks += 1;
            let read: Vec<NodeId> =
                store.peers(OBSERVER, 1 + *walks % 7).iter().map(|peer| peer.node_id).collect();
            assert!(
                read.is_sorted_by(|earlier, later| earlier < later),
                "peers are not in strictly ascending order: {read:?}"
            );
            let read: Vec<NodeId> = read.into_iter().filter(|id| permanent.contains(id)).collect();
            assert_eq!(read, permanent);
        },
    );
}
