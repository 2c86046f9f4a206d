//! One writer for each observer.

use std::sync::Barrier;
use std::thread;

use super::Harness;
use super::bench::Bench;
use super::samples::{OURS, THEIRS, peer, peers_batch};
use crate::{Claim, Store, StoreError};

fn claim<H: Harness>(bench: &Bench<'_, H>, observer: fitness_core::NodeId) -> Result<Claim, StoreError> {
    bench.harness.block_on(bench.store.claim(&observer))
}

pub(super) fn a_second_claim_is_refused<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let first = claim(&bench, OURS).expect("a claim");
    for _ in 0..2 {
        let refused = claim(&bench, OURS).expect_err("a second claim");
        assert!(matches!(refused, StoreError::Claimed { observer: OURS, .. }), "{refused}");
        assert!(!refused.is_transient(), "to wait does not help");
    }
    drop(first);
    let _next = claim(&bench, OURS).expect("a claim");
}

/// Of several threads that claim at the same moment one has it, and the others are told.
pub(super) fn of_many_who_claim_at_once_one_has_it<H: Harness>(harness: &H) {
    const THREADS: usize = 4;
    let bench = Bench::new(harness);
    let start = Barrier::new(THREADS);
    let contend = || {
        start.wait();
        claim(&bench, OURS)
    };
    for _ in 0..50 {
        let results: Vec<Result<Claim, StoreError>> = thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(contend));
            threads.map(|thread| thread.join().expect("a claim panicked")).into()
        });
        let (given, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(given.len(), 1, "so many have the claim");
        for error in refused.into_iter().filter_map(Result::err) {
            assert!(matches!(error, StoreError::Claimed { observer: OURS, .. }), "{error}");
        }
    }
}

pub(super) fn a_claim_ends_when_it_is_dropped<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    for _ in 0..3 {
        drop(claim(&bench, OURS).expect("a claim"));
    }
}

pub(super) fn a_claim_ends_with_its_store<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let held = claim(&bench, OURS).expect("a claim");
    bench.commit(OURS, peers_batch([peer(1, 1)]));
    drop(held);
    let bench = bench.reopen();
    let _held = claim(&bench, OURS).expect("a claim");
    assert_eq!(bench.peers(OURS, 10), [peer(1, 1)]);
}

pub(super) fn a_claim_is_for_one_observer<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let _ours = claim(&bench, OURS).expect("a claim");
    let _theirs = claim(&bench, THEIRS).expect("a claim");
    bench.commit(THEIRS, peers_batch([peer(2, 1)]));
    assert_eq!(bench.peers(THEIRS, 10), [peer(2, 1)]);
}

pub(super) fn whoever_has_a_claim_commits<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let held = claim(&bench, OURS).expect("a claim");
    bench.commit(OURS, peers_batch([peer(1, 1)]));
    bench.commit(OURS, peers_batch([peer(1, 2)]));
    drop(held);
    bench.commit(OURS, peers_batch([peer(1, 3)]));
    assert_eq!(bench.peers(OURS, 10), [peer(1, 3)]);
}
