//! At most one claim on an observer exists at a time.

use std::sync::Barrier;
use std::thread;

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, OTHER_OBSERVER, peer, peers_batch};
use crate::{Claim, Store, StoreError};

fn claim<H: Harness>(store: &OpenStore<'_, H>, observer: fitness_core::NodeId) -> Result<Claim, StoreError> {
    store.harness.block_on(store.inner.claim(&observer))
}

/// While a claim is held, further claims fail with a permanent error.
pub(super) fn second_claim_is_rejected<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let first = claim(&store, OBSERVER).expect("the first claim failed");
    for _ in 0..2 {
        let error = claim(&store, OBSERVER).expect_err("a second claim succeeded");
        assert!(
            matches!(error, StoreError::Claimed { observer: OBSERVER, .. }),
            "expected StoreError::Claimed, got: {error}"
        );
        assert!(!error.is_transient(), "StoreError::Claimed is transient");
    }
    drop(first);
    let _next = claim(&store, OBSERVER).expect("claiming after the first claim was dropped failed");
}

/// If several threads claim an observer at the same time, exactly one of them succeeds.
pub(super) fn concurrent_claims_grant_exactly_one<H: Harness>(harness: &H) {
    const THREADS: usize = 4;
    let store = OpenStore::new(harness);
    let start = Barrier::new(THREADS);
    let contend = || {
        start.wait();
        claim(&store, OBSERVER)
    };
    for _ in 0..50 {
        let results: Vec<Result<Claim, StoreError>> = thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(contend));
            threads.map(|thread| thread.join().expect("a claim panicked")).into()
        });
        let (granted, rejected): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(granted.len(), 1, "number of claims granted at the same time");
        for error in rejected.into_iter().filter_map(Result::err) {
            assert!(
                matches!(error, StoreError::Claimed { observer: OBSERVER, .. }),
                "expected StoreError::Claimed, got: {error}"
            );
        }
    }
}

/// Dropping a claim ends it.
pub(super) fn claim_ends_when_dropped<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    for _ in 0..3 {
        drop(claim(&store, OBSERVER).expect("a claim failed"));
    }
}

/// After the store was closed and reopened, the observer can be claimed again.
pub(super) fn observer_can_be_claimed_again_after_reopening<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let first = claim(&store, OBSERVER).expect("a claim failed");
    store.commit(OBSERVER, peers_batch([peer(1, 1)]));
    drop(first);
    let store = store.reopen();
    let _second = claim(&store, OBSERVER).expect("claiming after reopening failed");
    assert_eq!(store.peers(OBSERVER, 10), [peer(1, 1)]);
}

/// A claim on one observer does not affect other observers.
pub(super) fn claim_covers_one_observer<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let _first = claim(&store, OBSERVER).expect("a claim failed");
    let _second = claim(&store, OTHER_OBSERVER).expect("claiming another observer failed");
    store.commit(OTHER_OBSERVER, peers_batch([peer(2, 1)]));
    assert_eq!(store.peers(OTHER_OBSERVER, 10), [peer(2, 1)]);
}

/// A commit does not need a claim.
pub(super) fn commits_succeed_with_and_without_a_claim<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let held = claim(&store, OBSERVER).expect("a claim failed");
    store.commit(OBSERVER, peers_batch([peer(1, 1)]));
    store.commit(OBSERVER, peers_batch([peer(1, 2)]));
    drop(held);
    store.commit(OBSERVER, peers_batch([peer(1, 3)]));
    assert_eq!(store.peers(OBSERVER, 10), [peer(1, 3)]);
}
