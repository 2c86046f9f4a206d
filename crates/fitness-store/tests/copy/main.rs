//! Copies between stores: what is there after each, and after each that was cut short.

mod contents;
#[allow(dead_code, reason = "the codec's tests need more of it")]
#[path = "../codec/samples.rs"]
mod samples;
mod tapped;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fitness_core::{NodeId, UnsavedChanges};
use fitness_store::copy::{CopyError, CopyOptions, CopyPhase, CopyProgress, CopySummary, copy};
use fitness_store::{Batch, MemoryStore, Store, StoreError};
use proptest::prelude::*;

use contents::{Contents, contents, node, now, ordinary, peer, record, segment};
use tapped::{Fate, Tapped};

const US: NodeId = NodeId([3; 33]);
const OTHER: NodeId = NodeId([4; 33]);

fn all() -> CopyOptions {
    CopyOptions::default()
}

fn filled(contents: &Contents) -> MemoryStore {
    let store = MemoryStore::new();
    now(contents.put(&store, US)).expect("memory does not wait");
    store
}

fn contents_of(store: &MemoryStore, observer: NodeId) -> Contents {
    let nodes: Vec<NodeId> = (0..40).map(node).collect();
    now(Contents::of(store, observer, &nodes)).expect("memory does not wait")
}

fn copied(from: &dyn Store, to: &dyn Store, options: &CopyOptions) -> Result<Vec<CopySummary>, CopyError> {
    now(copy(from, to, options, |_| {})).expect("memory does not wait")
}

/// A store that counts its commits and the rows of the largest.
fn counted(store: &MemoryStore) -> (Tapped, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (commits, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&commits), Arc::clone(&most));
    let tapped = Tapped::new(store, move |batch| {
        if let Some(Batch { changes, .. }) = batch {
            commits.fetch_add(1, Ordering::Relaxed);
            let rows = changes.peers.len() + changes.segments.len() + changes.gaps.len();
            most.fetch_max(rows as u64, Ordering::Relaxed);
        }
        Fate::Done
    });
    (tapped, counts.0, counts.1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_a_copy_all_is_equal(
        source in contents(),
        other in contents(),
        choices in proptest::collection::vec(any::<bool>(), 1..64),
        listed in any::<bool>(),
        rows in 1..9_usize,
    ) {
        let from = filled(&source);
        let mut choice = choices.iter().cycle();
        let mut before = other.mixed(&source, || choice.next().copied().unwrap_or_default());
        before.record = before.record.filter(|_| listed);
        let to = filled(&before);
        now(other.put(&to, OTHER)).expect("memory does not wait");
        let expected = source.clone().reachable();

        let options = all().overwrite(true).max_batch_records(rows);
        let (counting, _, most) = counted(&to);
        let done = copied(&from, &counting, &options).expect("it is copied");
        let target = contents_of(&to, US);
        // A peer that neither store knows is beyond anybody's sight.
        prop_assert_eq!(&target.clone().reachable(), &expected);
        let in_neither = |node_id| !source.peers.contains_key(node_id) && !before.peers.contains_key(node_id);
        let is_left = |node_id| source.peers.contains_key(node_id) || in_neither(node_id);
        prop_assert!(target.segments.keys().all(|(node_id, _)| is_left(node_id)));
        prop_assert_eq!(done[0].records_written + done[0].records_unchanged, expected.rows());
        prop_assert!(most.load(Ordering::Relaxed) <= rows as u64);
        prop_assert_eq!(contents_of(&to, OTHER), other, "another observer's");
        prop_assert_eq!(contents_of(&from, US), source, "the source is only read");

        // Once more, with or without leave to overwrite, there is nothing to do.
        for options in [options, all()] {
            let (counting, commits, _) = counted(&to);
            let again = copied(&from, &counting, &options).expect("it is there");
            prop_assert_eq!((again[0].records_written, again[0].bytes_written, again[0].records_deleted), (0, 0, 0));
            prop_assert_eq!(again[0].records_unchanged, expected.rows());
            prop_assert_eq!(commits.load(Ordering::Relaxed), 0);
        }
    }
}

#[test]
fn it_goes_on_after_a_failure_of_any_call() {
    let mut source = ordinary(40);
    source.segments.insert((node(2), 7), segment(2, 7, 1));
    let from = filled(&source);
    let mut part = ordinary(20);
    part.record = None;
    part.peers.insert(node(3), peer(3, 2));
    part.peers.insert(node(99), peer(99, 1));
    part.segments.insert((node(4), 3), segment(4, 3, 1));
    part.gaps.remove(&0);
    for start in [Contents::default(), part] {
        for fate in [Fate::Fails, Fate::DoneAndFails, Fate::Hangs, Fate::DoneAndHangs] {
            let mut call = 0;
            // Cut short at each call in turn, until there are no more.
            loop {
                let to = filled(&start);
                let mut left = call;
                let tap = Tapped::new(&from, move |_| {
                    left -= 1;
                    if left == -1 { fate } else { Fate::Done }
                });
                let options = all().max_batch_records(7);
                let first = now(copy(&tap, &tap.and(&to), &options, |_| {}));
                let is_whole = contents_of(&to, US) == source;
                let listed = now(to.observers()).expect("memory").expect("a list");
                assert_eq!(listed == [US], is_whole, "{fate:?} at call {call}: listed once it is all there");
                let was_cut = !matches!(first, Some(Ok(_)));
                let again = copied(&from, &to, &options).expect("it goes on");
                assert_eq!(contents_of(&to, US), source, "{fate:?} at call {call}");
                assert!(again[0].records_written < source.rows() || listed.is_empty());
                if !was_cut {
                    assert!(call > 50, "{call} calls");
                    break;
                }
                call += 1;
            }
        }
    }
}

#[test]
fn many_of_everything() {
    let mut source = ordinary(2_500);
    for index in 0..2_100 {
        source.segments.insert((node(5), index), segment(5, index, 1));
    }
    let gap = source.gaps[&0];
    source.gaps.extend((0..2_000).map(|number| (number, fitness_core::GapRecord { number, ..gap })));
    // The last number there is comes last, too.
    source.gaps.insert(u32::MAX, fitness_core::GapRecord { number: u32::MAX, ..gap });
    let (from, to) = (filled(&source), MemoryStore::new());
    let (counting, commits, most) = counted(&to);
    let done = copied(&from, &counting, &all().max_batch_records(500)).expect("it is copied");
    let nodes: Vec<NodeId> = source.peers.keys().copied().collect();
    assert!(now(Contents::of(&to, US, &nodes)) == Some(source.clone()), "all is there");
    assert_eq!((done[0].peers, done[0].gaps), (2_500, 2_001));
    assert_eq!((done[0].segments, done[0].records_written), (source.segments.len() as u64, source.rows()));
    assert_eq!(most.load(Ordering::Relaxed), 500, "batches are of the size that was asked for");
    assert_eq!(commits.load(Ordering::Relaxed), source.rows().div_ceil(500) + 1);
}

#[test]
fn a_history_that_is_there_is_not_touched() {
    let (source, mut target) = (ordinary(10), ordinary(10));
    let from = filled(&source);
    // Another record, or the same record with something else behind it.
    let mut others = Vec::new();
    target.record = Some(record(2));
    others.push(target.clone());
    target.record = source.record;
    others.push({
        target.peers.insert(node(3), peer(3, 2));
        target.clone()
    });
    others.push({
        target = source.clone();
        target.segments.insert((node(5), 9), segment(5, 9, 1));
        target.clone()
    });
    others.push({
        target = source.clone();
        target.gaps.remove(&2);
        target
    });
    for target in others {
        let to = filled(&target);
        let (counting, commits, _) = counted(&to);
        let refused = copied(&from, &counting, &all());
        assert!(matches!(refused, Err(CopyError::TargetExists { observer: US })), "{refused:?}");
        assert_eq!(commits.load(Ordering::Relaxed), 0);
        assert_eq!(contents_of(&to, US), target);
    }
}

#[test]
fn nothing_is_written_where_one_of_several_is_refused() {
    let source = ordinary(10);
    let from = filled(&source);
    now(source.put(&from, OTHER)).expect("memory");
    let to = MemoryStore::new();
    now(Contents { record: Some(record(2)), ..ordinary(1) }.put(&to, OTHER)).expect("memory");
    assert!(matches!(copied(&from, &to, &all()), Err(CopyError::TargetExists { observer: OTHER })));
    assert_eq!(contents_of(&to, US), Contents::default());

    let done = copied(&from, &to, &all().observers([US, US])).expect("this one is not in the way");
    assert_eq!((done.len(), done[0].observer), (1, US));
    // What was finished before stays so when the others are copied later.
    let done = copied(&from, &to, &all().overwrite(true)).expect("all");
    assert_eq!(
        done.iter().map(|done| (done.observer, done.records_written > 0)).collect::<Vec<_>>(),
        [(US, false), (OTHER, true)]
    );
    assert_eq!(contents_of(&to, OTHER), source);
}

#[test]
fn who_is_not_there_is_not_copied() {
    let (from, to) = (filled(&ordinary(1)), MemoryStore::new());
    // Neither is one whose own copy was never finished.
    now(Contents { record: None, ..ordinary(1) }.put(&from, OTHER)).expect("memory");
    let refused = copied(&from, &to, &all().observers([US, OTHER]));
    let Err(CopyError::UnknownObserver { observer: OTHER, available }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(available, [US]);
    assert_eq!(copied(&from, &to, &all()).expect("the one that is").len(), 1);
    assert_eq!(copied(&MemoryStore::new(), &to, &all()).expect("nothing to do"), []);
}

#[test]
fn no_service_may_be_running_on_either() {
    let (from, to) = (filled(&ordinary(3)), MemoryStore::new());
    for store in [&from, &to] {
        let claim = now(store.claim(&US)).expect("memory").expect("it is free");
        let refused = copied(&from, &to, &all());
        assert!(
            matches!(refused, Err(CopyError::Store(StoreError::Claimed { observer: US, .. }))),
            "{refused:?}"
        );
        drop(claim);
    }
    assert_eq!(contents_of(&to, US), Contents::default());
    // While it lasts, none can start.
    let mut free = Vec::new();
    let watch = |_: CopyProgress| {
        free.extend([&from, &to].map(|store| now(store.claim(&US)).expect("memory").is_ok()));
    };
    now(copy(&from, &to, &all(), watch)).expect("memory").expect("it is copied");
    assert!(free.len() >= 6 && !free.contains(&true), "{free:?}");
    for store in [&from, &to] {
        drop(now(store.claim(&US)).expect("memory").expect("it is free again"));
    }
}

#[test]
fn a_source_that_can_only_be_read_need_not_be_claimed() {
    for reader in [true, false] {
        let (from, to) = (filled(&ordinary(3)), MemoryStore::new());
        let mut calls = 0;
        // After the list of observers comes the claim.
        let tap = Tapped::new(if reader { &from } else { &to }, move |_| {
            calls += 1;
            if calls == 1 + i32::from(reader) { Fate::ReadOnly } else { Fate::Done }
        });
        if reader {
            copied(&tap, &to, &all()).expect("it is copied");
            assert_eq!(contents_of(&to, US), ordinary(3));
        } else {
            let refused = copied(&from, &tap, &all());
            assert!(matches!(refused, Err(CopyError::Store(StoreError::ReadOnly { .. }))), "{refused:?}");
        }
    }
}

#[test]
fn a_store_is_not_copied_to_itself() {
    let store = filled(&ordinary(3));
    for overwrite in [false, true] {
        let refused = copied(&store, &store.clone(), &all().overwrite(overwrite));
        assert!(matches!(refused, Err(CopyError::SameStore)), "{refused:?}");
    }
    drop(now(store.claim(&US)).expect("memory").expect("nothing is left of the claims"));
}

#[test]
fn a_source_that_is_written_to_is_noticed() {
    let old = ordinary(40);
    let mut new = Contents { record: Some(record(2)), ..old.clone() };
    new.peers.insert(node(0), peer(0, 9));
    new.peers.insert(node(39), peer(39, 9));
    let mut changed = 0;
    for call in 0.. {
        let (from, to) = (filled(&old), MemoryStore::new());
        let (source, change, mut left) = (from.clone(), new.clone(), call);
        let tap = Tapped::new(&from, move |_| {
            left -= 1;
            if left == -1 {
                now(change.put(&source, US)).expect("memory");
            }
            Fate::Done
        });
        let outcome = copied(&tap, &tap.and(&to), &all().max_batch_records(7));
        match outcome {
            Ok(_) => {
                let target = contents_of(&to, US);
                assert!(target == old || target == new, "call {call}: one of them, and all of it");
            }
            Err(CopyError::SourceChanged { observer: US }) => {
                assert_eq!(contents_of(&to, US).record, None, "it is not listed");
                changed += 1;
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if contents_of(&from, US) == old {
            break;
        }
    }
    assert!(changed > 50, "{changed}");
}

#[test]
fn what_is_not_read_back_as_it_was_is_named() {
    type Harm = fn(&mut UnsavedChanges);
    let (from, observer) = (filled(&ordinary(10)), US);
    let harms: [(Harm, &str); 6] = [
        (|changes| changes.peers[4].flap_count += 1, &node(4).to_string()),
        (|changes| drop(changes.peers.remove(4)), &format!("the record of peer {}", node(4))),
        (|changes| changes.peers.push(peer(77, 1)), &format!("the record of peer {}", node(77))),
        (|changes| drop(changes.segments.remove(1)), "log segment 0 of peer"),
        (|changes| changes.segments.push(segment(1, 5, 1)), &format!("log segment 5 of peer {}", node(1))),
        (|changes| changes.gaps[1].to_ns += 1, "gap 1 of"),
    ];
    for (harm, name) in harms {
        let to = MemoryStore::new();
        let tapped = Tapped::new(&to, move |batch| {
            if let Some(batch) =
                batch.filter(|batch| !batch.changes.peers.is_empty() || !batch.changes.gaps.is_empty())
            {
                harm(&mut batch.changes);
            }
            Fate::Done
        });
        let outcome = copied(&from, &tapped, &all());
        let Err(error @ CopyError::VerificationFailed { .. }) = outcome else {
            panic!("{name}: {outcome:?}")
        };
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains(&observer.to_string()), "{error}");
        assert_eq!(contents_of(&to, US).record, None, "it is not listed");
        copied(&from, &to, &all()).expect("a store in order");
        assert_eq!(contents_of(&to, US), ordinary(10));
    }
    // Its own record is read back, too.
    let to = MemoryStore::new();
    let tapped = Tapped::new(&to, |batch| {
        if let Some(record) = batch.and_then(|batch| batch.observer.as_mut()) {
            record.starts += 1;
        }
        Fate::Done
    });
    let outcome = copied(&from, &tapped, &all());
    assert!(
        matches!(&outcome, Err(CopyError::VerificationFailed { item: what, .. }) if what.contains("observer")),
        "{outcome:?}"
    );
}

#[test]
fn progress_is_told() {
    let (from, to) = (filled(&ordinary(100)), MemoryStore::new());
    let mut told = Vec::new();
    now(copy(&from, &to, &all(), |progress| told.push(progress))).expect("memory").expect("it is copied");
    let of = |phase| told.iter().filter(move |told| told.phase == phase);
    for phase in [CopyPhase::Counting, CopyPhase::Copying, CopyPhase::Verifying] {
        assert!(of(phase).map(|told| told.peers_done).is_sorted());
        assert_eq!(of(phase).next_back().map(|told| told.peers_done), Some(100));
        let total = (phase != CopyPhase::Counting).then_some(100);
        assert!(of(phase).all(|told| told.peers_total == total && told.observer == US));
    }
    assert!(of(CopyPhase::Copying).count() > 2, "it moves");
    let rank = |phase| {
        [CopyPhase::Counting, CopyPhase::Copying, CopyPhase::Verifying].iter().position(|it| *it == phase)
    };
    assert!(told.iter().map(|told| rank(told.phase)).is_sorted());
}

#[test]
fn it_can_be_spawned() {
    fn spawn<F: Future + Send + 'static>(_: F) {}
    spawn(async {
        let (from, to): (Arc<dyn Store>, Arc<dyn Store>) =
            (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        copy(&*from, &*to, &CopyOptions::default(), |_| {}).await
    });
}
