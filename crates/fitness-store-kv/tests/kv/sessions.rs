//! Two stores for the same observer: one of them continues, and acknowledged batches are kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fitness_core::UnsavedChanges;
use fitness_store::conformance::block_on;
use fitness_store::{Batch, Store, StoreError};
use fitness_store_kv::KvStore;

use crate::support::{Memory, OBSERVER, commit, contents, flap, node, peer};

fn assert_locked(result: Result<(), StoreError>) {
    let error = result.expect_err("it was to be refused");
    assert!(matches!(&error, StoreError::Locked { location } if location.contains("ldk_fitness")), "{error}");
    assert!(!error.is_transient());
}

fn flaps(store: &impl Store, number: u32) -> u32 {
    let peer = block_on(store.peer(&OBSERVER, &node(number))).expect("a successful read");
    peer.map_or(0, |peer| peer.flap_count)
}

/// More peers than fit into a journal entry.
const LARGE: u32 = 900;

fn large(version: u32) -> Batch {
    let peers = (0..LARGE).map(|number| peer(number, version)).collect();
    Batch { changes: UnsavedChanges { peers, ..UnsavedChanges::default() }, ..Batch::default() }
}

#[test]
fn earlier_session_is_fenced() {
    let memory = Memory::default();
    let before = memory.open();
    commit(&before, &flap(1, 1, 1)).expect("the only session");
    let after = memory.open();
    assert_eq!(flaps(&after, 1), 1);
    // Reading does not fence the other session.
    commit(&before, &flap(1, 2, 1)).expect("no other session has written");
    drop(after);
    let after = memory.open();
    commit(&after, &flap(2, 3, 1)).expect("the next session");
    for _ in 0..2 {
        assert_locked(commit(&before, &flap(1, 9, 1)));
        assert_locked(commit(&before, &large(9)));
    }
    commit(&after, &flap(3, 4, 1)).expect("the session continues");
    let found = contents(&memory.copy_without_faults().open(), 0).expect("a successful load");
    let peers: Vec<(u32, u32)> = (0..9)
        .map(|n| (n, found.peers.iter().find(|peer| peer.node_id == node(n)).map_or(0, |p| p.flap_count)))
        .collect();
    assert_eq!(
        peers.iter().filter(|(_, flaps)| *flaps > 0).copied().collect::<Vec<_>>(),
        [(1, 2), (2, 3), (3, 4)]
    );
}

#[test]
fn session_that_loaded_before_another_wrote_is_rejected() {
    for batch in [flap(1, 2, 1), large(2)] {
        let memory = Memory::default();
        let before = memory.open();
        commit(&before, &flap(1, 1, 1)).expect("the only session");
        let late = memory.open();
        assert_eq!(flaps(&late, 1), 1);
        commit(&before, &batch).expect("no other session has written");
        assert_locked(commit(&late, &flap(1, 3, 1)));
        assert_locked(commit(&late, &flap(1, 3, 1)));
        // The rejected session has written nothing, so the other one continues.
        commit(&before, &flap(1, 4, 1)).expect("no other session has written");
        assert_eq!(flaps(&memory.open(), 1), 4);
    }
}

#[test]
fn one_of_two_first_sessions_continues() {
    let memory = Memory::default();
    let (one, other) = (memory.open(), memory.open());
    assert_eq!((flaps(&one, 1), flaps(&other, 1)), (0, 0));
    commit(&one, &flap(1, 1, 1)).expect("the first session");
    assert_locked(commit(&other, &flap(1, 2, 1)));
    commit(&one, &flap(1, 3, 1)).expect("the session continues");
}

/// A reader during a fold by another process sees a consistent state.
#[test]
fn reader_recovers_from_removed_pages() {
    let memory = Memory::default();
    let writer = memory.open();
    commit(&writer, &large(1)).expect("a successful commit");
    let reader = memory.open();
    assert_eq!(flaps(&reader, 5), 1);
    commit(&writer, &large(2)).expect("a successful commit");
    assert_eq!(flaps(&reader, 5), 2);
    // The reader has loaded again, and its first state is outdated.
    assert_locked(commit(&reader, &flap(5, 9, 1)));
    commit(&writer, &large(3)).expect("the session continues");
}

/// Keys of earlier sessions are removed in the end.
#[test]
fn garbage_is_removed() {
    let memory = Memory::default();
    for version in 1..20 {
        let store = memory.open();
        for _ in 0..40 {
            commit(&store, &flap(version, version, 1)).expect("a successful commit");
        }
    }
    let keys = memory.state().values.len();
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
    let mut commit: Commit<'a> = Box::pin(async move { store.commit(&OBSERVER, batch).await });
    for _ in 0..polls {
        if let Poll::Ready(done) = commit.as_mut().poll(&mut context) {
            return (commit, Some(done));
        }
    }
    (commit, None)
}

/// One session commits; at any point of it the other one loads, commits and continues. Acknowledged batches of
/// both are kept.
#[test]
fn interleaved_sessions_keep_acknowledged_batches() {
    let mut outcomes = [0; 4];
    for (first, second) in [
        (flap(1, 2, 1), flap(2, 2, 1)),
        (large(2), flap(1_700, 2, 1)),
        (flap(1_700, 2, 1), large(2)),
        (large(2), large(3)),
    ] {
        // The other session starts here, or has loaded already.
        for loaded in [false, true] {
            for polls in 0..120 {
                let memory = Memory::default();
                let one = memory.open();
                commit(&one, &flap(1, 1, 1)).expect("the only session");
                let other = memory.open();
                if loaded {
                    assert_eq!(flaps(&other, 1), 1);
                }
                let (rest, done) = begin(&one, &first, polls);
                let finished = done.is_some();
                let second_done = commit(&other, &second);
                let first_done = done.unwrap_or_else(|| block_on(rest));
                let left = memory.copy_without_faults().open();
                let found = contents(&left, 0).unwrap_or_else(|error| panic!("{polls} polls: {error}"));
                let holds = |batch: &Batch| batch.changes.peers.iter().all(|peer| found.peers.contains(peer));
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

/// One session has loaded and begins to claim the observer; at any point of it the other one commits. Only one of
/// them continues, and its acknowledged batches are kept.
#[test]
fn no_commit_is_lost_between_load_and_claim() {
    for first in [flap(1, 2, 1), large(2)] {
        let (mut refused, mut fenced) = (0, 0);
        for polls in 0..200 {
            let memory = Memory::default();
            let one = memory.open();
            commit(&one, &flap(1, 1, 1)).expect("the only session");
            let other = memory.open();
            assert_eq!(flaps(&other, 1), 1);
            let (rest, done) = begin(&other, &flap(2_000, 2, 1), polls);
            let finished = done.is_some();
            let first_done = commit(&one, &first);
            let second_done = done.unwrap_or_else(|| block_on(rest));
            let found = contents(&memory.copy_without_faults().open(), 0)
                .unwrap_or_else(|error| panic!("{polls}: {error}"));
            if first_done.is_ok() {
                assert!(first.changes.peers.iter().all(|peer| found.peers.contains(peer)), "{polls} polls");
                assert_locked(second_done);
                refused += 1;
            } else {
                assert_locked(first_done);
                fenced += 1;
                if second_done.is_ok() {
                    assert!(found.peers.contains(&peer(2_000, 2)), "{polls} polls");
                }
            }
            if finished {
                break;
            }
        }
        assert!(refused > 3 && fenced > 3, "{refused} refused, {fenced} fenced");
    }
}

/// A commit that is dropped after any number of polls is finished before the next one, or never begins.
#[test]
fn dropped_commit_is_finished_first() {
    for batch in [flap(1, 2, 1), large(2)] {
        for polls in 0..80 {
            let memory = Memory::default();
            let store = memory.open();
            commit(&store, &flap(1, 1, 1)).expect("the only session");
            drop(begin(&store, &batch, polls));
            commit(&store, &flap(9, 7, 1)).expect("a successful commit");
            let expected = if polls == 0 { 1 } else { 2 };
            for store in [store, memory.copy_without_faults().open()] {
                assert_eq!((flaps(&store, 1), flaps(&store, 9)), (expected, 7), "{polls} polls");
            }
        }
    }
}

/// A store that is dropped during a commit leaves a complete batch or nothing.
#[test]
fn dropped_store_leaves_complete_batches() {
    for polls in 0..80 {
        let memory = Memory::default();
        let store = memory.open();
        commit(&store, &large(1)).expect("the only session");
        drop(begin(&store, &large(2), polls));
        drop(store);
        let found = contents(&memory.open(), 0).expect("a successful load");
        assert_eq!(found.peers.len(), LARGE as usize);
        assert!([1, 2].iter().any(|version| found.peers.iter().all(|peer| peer.flap_count == *version)));
    }
}
