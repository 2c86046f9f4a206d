//! Two stores with the same observer: one of them goes on, and what was acknowledged stays.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fitness_core::UnsavedChanges;
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store, StoreError};
use fitness_store_kv::KvStore;

use crate::support::{Memory, OURS, commit, flap, node, peer, sight};

fn locked(result: Result<(), StoreError>) {
    let error = result.expect_err("it was to be refused");
    assert!(matches!(&error, StoreError::Locked { location } if location.contains("memory")), "{error}");
    assert!(!error.is_transient());
}

fn flaps(store: &impl Store, number: u32) -> u32 {
    let peer = block_on(store.peer(&OURS, &node(number))).expect("it reads");
    peer.map_or(0, |peer| peer.flap_count)
}

/// More peers than fit into a journal.
const LARGE: u32 = 900;

fn large(version: u32) -> Batch {
    let peers = (0..LARGE).map(|number| peer(number, version)).collect();
    Batch { changes: UnsavedChanges { peers, ..UnsavedChanges::default() }, ..Batch::default() }
}

#[test]
fn the_session_before_is_fenced() {
    let memory = Memory::default();
    let before = memory.open();
    commit(&before, &flap(1, 1, 1)).expect("nobody else is there");
    let after = memory.open();
    assert_eq!(flaps(&after, 1), 1);
    // To look is not noticed.
    commit(&before, &flap(1, 2, 1)).expect("nobody else has written");
    drop(after);
    let after = memory.open();
    commit(&after, &flap(2, 3, 1)).expect("it takes over");
    for _ in 0..2 {
        locked(commit(&before, &flap(1, 9, 1)));
        locked(commit(&before, &large(9)));
    }
    commit(&after, &flap(3, 4, 1)).expect("it goes on");
    let seen = sight(&memory.survivor().open(), 0).expect("it loads");
    let peers: Vec<(u32, u32)> = (0..9)
        .map(|n| (n, seen.peers.iter().find(|peer| peer.node_id == node(n)).map_or(0, |p| p.flap_count)))
        .collect();
    assert_eq!(
        peers.iter().filter(|(_, flaps)| *flaps > 0).copied().collect::<Vec<_>>(),
        [(1, 2), (2, 3), (3, 4)]
    );
}

#[test]
fn who_loaded_before_another_wrote_is_refused() {
    for batch in [flap(1, 2, 1), large(2)] {
        let memory = Memory::default();
        let before = memory.open();
        commit(&before, &flap(1, 1, 1)).expect("nobody else is there");
        let late = memory.open();
        assert_eq!(flaps(&late, 1), 1);
        commit(&before, &batch).expect("nobody else has written");
        locked(commit(&late, &flap(1, 3, 1)));
        locked(commit(&late, &flap(1, 3, 1)));
        // It has written nothing, so the other one goes on.
        commit(&before, &flap(1, 4, 1)).expect("nobody else has written");
        assert_eq!(flaps(&memory.open(), 1), 4);
    }
}

#[test]
fn of_two_that_begin_with_nothing_one_goes_on() {
    let memory = Memory::default();
    let (one, other) = (memory.open(), memory.open());
    assert_eq!((flaps(&one, 1), flaps(&other, 1)), (0, 0));
    commit(&one, &flap(1, 1, 1)).expect("it is the first");
    locked(commit(&other, &flap(1, 2, 1)));
    commit(&one, &flap(1, 3, 1)).expect("it goes on");
}

/// Who reads while another one folds finds a state that was there.
#[test]
fn a_reader_survives_that_pages_go_away() {
    let memory = Memory::default();
    let writer = memory.open();
    commit(&writer, &large(1)).expect("it is stored");
    let reader = memory.open();
    assert_eq!(flaps(&reader, 5), 1);
    commit(&writer, &large(2)).expect("it is stored");
    assert_eq!(flaps(&reader, 5), 2);
    // It has loaded anew, and what it had loaded first is out of date.
    locked(commit(&reader, &flap(5, 9, 1)));
    commit(&writer, &large(3)).expect("it goes on");
}

/// Earlier sessions leave nothing behind for good.
#[test]
fn litter_is_removed() {
    let memory = Memory::default();
    for version in 1..20 {
        let store = memory.open();
        for _ in 0..40 {
            commit(&store, &flap(version, version, 1)).expect("it is stored");
        }
    }
    let keys = memory.shelves().values.len();
    assert!(keys <= 2 + 1 + 33, "{keys} keys");
}

type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

fn begin<'a>(
    store: &'a KvStore,
    batch: &Batch,
    polls: usize,
) -> (Commit<'a>, Option<Result<(), StoreError>>) {
    let mut context = Context::from_waker(Waker::noop());
    let batch = Arc::new(batch.clone());
    let mut commit: Commit<'a> = Box::pin(async move { store.commit(&OURS, batch).await });
    for _ in 0..polls {
        if let Poll::Ready(done) = commit.as_mut().poll(&mut context) {
            return (commit, Some(done));
        }
    }
    (commit, None)
}

/// One commits, and at any moment of it another one loads, commits and goes on. Whatever was
/// acknowledged to either is there in the end.
#[test]
fn no_interleaving_loses_what_was_acknowledged() {
    let mut outcomes = [0; 4];
    for (first, second) in [
        (flap(1, 2, 1), flap(2, 2, 1)),
        (large(2), flap(1_700, 2, 1)),
        (flap(1_700, 2, 1), large(2)),
        (large(2), large(3)),
    ] {
        // Where the other one takes over, and where it had loaded already.
        for loaded in [false, true] {
            for polls in 0..120 {
                let memory = Memory::default();
                let one = memory.open();
                commit(&one, &flap(1, 1, 1)).expect("nobody else is there");
                let other = memory.open();
                if loaded {
                    assert_eq!(flaps(&other, 1), 1);
                }
                let (rest, done) = begin(&one, &first, polls);
                let finished = done.is_some();
                let second_done = commit(&other, &second);
                let first_done = done.unwrap_or_else(|| block_on(rest));
                let left = memory.survivor().open();
                let seen = sight(&left, 0).unwrap_or_else(|error| panic!("{polls} polls: {error}"));
                let holds = |batch: &Batch| batch.changes.peers.iter().all(|peer| seen.peers.contains(peer));
                if second_done.is_ok() {
                    assert!(holds(&second), "{polls} polls");
                }
                if first_done.is_ok() && !(second_done.is_ok() && second.changes.peers.len() > 1) {
                    assert!(holds(&first), "{polls} polls");
                }
                for error in [&first_done, &second_done].into_iter().filter_map(|done| done.as_ref().err()) {
                    assert!(matches!(error, StoreError::Locked { .. }), "{polls} polls: {error}");
                }
                outcomes[usize::from(first_done.is_ok()) * 2 + usize::from(second_done.is_ok())] += 1;
                if finished {
                    break;
                }
            }
        }
    }
    assert!(outcomes[1..].iter().all(|times| *times > 0), "{outcomes:?}");
}

/// The other one has loaded and begins to take over, and at any moment of that the first one
/// commits. Only one of them goes on, and what it was told is there.
#[test]
fn nothing_is_stored_between_loading_and_taking_over() {
    for first in [flap(1, 2, 1), large(2)] {
        let (mut refused, mut fenced) = (0, 0);
        for polls in 0..200 {
            let memory = Memory::default();
            let one = memory.open();
            commit(&one, &flap(1, 1, 1)).expect("nobody else is there");
            let other = memory.open();
            assert_eq!(flaps(&other, 1), 1);
            let (rest, done) = begin(&other, &flap(2_000, 2, 1), polls);
            let finished = done.is_some();
            let first_done = commit(&one, &first);
            let second_done = done.unwrap_or_else(|| block_on(rest));
            let seen = sight(&memory.survivor().open(), 0).unwrap_or_else(|error| panic!("{polls}: {error}"));
            if first_done.is_ok() {
                assert!(first.changes.peers.iter().all(|peer| seen.peers.contains(peer)), "{polls} polls");
                locked(second_done);
                refused += 1;
            } else {
                locked(first_done);
                fenced += 1;
                if second_done.is_ok() {
                    assert!(seen.peers.contains(&peer(2_000, 2)), "{polls} polls");
                }
            }
            if finished {
                break;
            }
        }
        assert!(refused > 3 && fenced > 3, "{refused} refused, {fenced} fenced");
    }
}

/// A commit that was dropped after any number of polls is finished by the next one, or was never
/// begun; it never comes after it.
#[test]
fn a_dropped_commit_is_finished_first() {
    for batch in [flap(1, 2, 1), large(2)] {
        for polls in 0..80 {
            let memory = Memory::default();
            let store = memory.open();
            commit(&store, &flap(1, 1, 1)).expect("nobody else is there");
            drop(begin(&store, &batch, polls));
            commit(&store, &flap(9, 7, 1)).expect("it is stored");
            let expected = if polls == 0 { 1 } else { 2 };
            for store in [store, memory.survivor().open()] {
                assert_eq!((flaps(&store, 1), flaps(&store, 9)), (expected, 7), "{polls} polls");
            }
        }
    }
}

/// A store that is dropped in the middle of a commit leaves it whole or not at all.
#[test]
fn a_dropped_store_leaves_whole_batches() {
    for polls in 0..80 {
        let memory = Memory::default();
        let store = memory.open();
        commit(&store, &large(1)).expect("nobody else is there");
        drop(begin(&store, &large(2), polls));
        drop(store);
        let seen = sight(&memory.open(), 0).expect("it loads");
        assert_eq!(seen.peers.len(), LARGE as usize);
        assert!([1, 2].iter().any(|version| seen.peers.iter().all(|peer| peer.flap_count == *version)));
    }
}
