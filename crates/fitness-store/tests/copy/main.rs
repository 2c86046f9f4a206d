//! Tests of copying between stores, including interrupted copies.

mod contents;
mod intercepted;
#[allow(dead_code, reason = "the tests of the codec use the rest")]
#[path = "../codec/samples.rs"]
mod samples;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fitness_core::{NodeId, UnsavedChanges};
use fitness_store::codec::RecordKey;
use fitness_store::copy::{CopyError, CopyOptions, CopyPhase, CopyProgress, CopySummary, copy};
use fitness_store::{Batch, MemoryStore, Store, StoreError};
use proptest::prelude::*;

use contents::{Contents, contents, node, ordinary, peer, poll_once, ready, record, segment};
use intercepted::{InterceptedStore, Outcome};

const OBSERVER: NodeId = NodeId([3; 33]);
const OTHER_OBSERVER: NodeId = NodeId([4; 33]);

/// Returns a store with the given contents.
fn store_with(contents: &Contents) -> MemoryStore {
    let store = MemoryStore::new();
    ready(contents.write_to(&store, OBSERVER));
    store
}

fn contents_of(store: &MemoryStore, observer: NodeId) -> Contents {
    let nodes: Vec<NodeId> = (0..40).map(node).collect();
    ready(Contents::read_from(store, observer, &nodes))
}

/// Copies between stores whose operations complete immediately.
fn copy_now(from: &dyn Store, to: &dyn Store, options: &CopyOptions) -> Result<Vec<CopySummary>, CopyError> {
    ready(copy(from, to, options, |_| {}))
}

/// Returns the store with counters of its commits and of the records in its largest batch.
fn counting_store(store: &MemoryStore) -> (InterceptedStore, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (commits, max_records) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&commits), Arc::clone(&max_records));
    let intercepted = InterceptedStore::new(store, move |batch| {
        if let Some(Batch { changes, .. }) = batch {
            commits.fetch_add(1, Ordering::Relaxed);
            let records = changes.peers.len() + changes.segments.len() + changes.gaps.len();
            max_records.fetch_max(records as u64, Ordering::Relaxed);
        }
        Outcome::Succeeds
    });
    (intercepted, counts.0, counts.1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn copy_makes_target_equal_to_source(
        source in contents(),
        other in contents(),
        choices in proptest::collection::vec(any::<bool>(), 1..64),
        listed in any::<bool>(),
        max_batch in 1..9_usize,
    ) {
        let from = store_with(&source);
        let mut choice = choices.iter().cycle();
        let mut before = other.mixed_with(&source, || choice.next().copied().unwrap_or_default());
        before.record = before.record.filter(|_| listed);
        let to = store_with(&before);
        ready(other.write_to(&to, OTHER_OBSERVER));
        let expected = source.clone().reachable();

        let options = CopyOptions::default().overwrite(true).max_batch_records(max_batch);
        let (counting, _, max_records) = counting_store(&to);
        let summaries = copy_now(&from, &counting, &options).expect("the copy failed");
        let target = contents_of(&to, OBSERVER);
        // The log of a peer without a record in either store is not found, and is not deleted.
        prop_assert_eq!(&target.clone().reachable(), &expected);
        let in_neither_store = |node_id| !source.peers.contains_key(node_id) && !before.peers.contains_key(node_id);
        let may_have_log = |node_id| source.peers.contains_key(node_id) || in_neither_store(node_id);
        prop_assert!(target.segments.keys().all(|(node_id, _)| may_have_log(node_id)));
        prop_assert_eq!(summaries[0].records_written + summaries[0].records_unchanged, expected.record_count());
        prop_assert!(max_records.load(Ordering::Relaxed) <= max_batch as u64);
        prop_assert_eq!(contents_of(&to, OTHER_OBSERVER), other, "the other observer's data changed");
        prop_assert_eq!(contents_of(&from, OBSERVER), source, "the source changed");

        // Copying again writes nothing, with and without overwriting.
        for options in [options, CopyOptions::default()] {
            let (counting, commits, _) = counting_store(&to);
            let again = copy_now(&from, &counting, &options).expect("copying again failed");
            prop_assert_eq!((again[0].records_written, again[0].bytes_written, again[0].records_deleted), (0, 0, 0));
            prop_assert_eq!(again[0].records_unchanged, expected.record_count());
            prop_assert_eq!(commits.load(Ordering::Relaxed), 0);
        }
    }
}

#[test]
fn copy_resumes_after_failure_of_any_call() {
    let mut source = ordinary(40);
    source.segments.insert((node(2), 7), segment(2, 7, 1));
    let from = store_with(&source);
    let mut part = ordinary(20);
    part.record = None;
    part.peers.insert(node(3), peer(3, 2));
    part.peers.insert(node(99), peer(99, 1));
    part.segments.insert((node(4), 3), segment(4, 3, 1));
    part.gaps.remove(&0);
    for start in [Contents::default(), part] {
        for outcome_at_call in
            [Outcome::Fails, Outcome::TakesEffectButFails, Outcome::Hangs, Outcome::TakesEffectButHangs]
        {
            let mut call = 0;
            // Interrupt the copy at each call in turn, until no call is left.
            loop {
                let to = store_with(&start);
                let mut calls_left = call;
                let intercepted = InterceptedStore::new(&from, move |_| {
                    calls_left -= 1;
                    if calls_left == -1 { outcome_at_call } else { Outcome::Succeeds }
                });
                let options = CopyOptions::default().max_batch_records(7);
                let first =
                    poll_once(copy(&intercepted, &intercepted.with_same_callback(&to), &options, |_| {}));
                let is_whole = contents_of(&to, OBSERVER) == source;
                let listed = ready(to.observers()).expect("listing observers failed");
                assert_eq!(
                    listed == [OBSERVER],
                    is_whole,
                    "{outcome_at_call:?} at call {call}: the observer must be listed exactly if its history is complete"
                );
                let was_interrupted = !matches!(first, Some(Ok(_)));
                let again = copy_now(&from, &to, &options).expect("resuming failed");
                assert_eq!(contents_of(&to, OBSERVER), source, "{outcome_at_call:?} at call {call}");
                assert!(again[0].records_written < source.record_count() || listed.is_empty());
                if !was_interrupted {
                    assert!(call > 50, "the copy made only {call} calls");
                    break;
                }
                call += 1;
            }
        }
    }
}

#[test]
fn large_history_is_copied_in_batches() {
    let mut source = ordinary(2_500);
    for index in 0..2_100 {
        source.segments.insert((node(5), index), segment(5, index, 1));
    }
    let gap = source.gaps[&0];
    source.gaps.extend((0..2_000).map(|number| (number, fitness_core::GapRecord { number, ..gap })));
    // The largest possible number.
    source.gaps.insert(u32::MAX, fitness_core::GapRecord { number: u32::MAX, ..gap });
    let (from, to) = (store_with(&source), MemoryStore::new());
    let (counting, commits, max_records) = counting_store(&to);
    let summaries =
        copy_now(&from, &counting, &CopyOptions::default().max_batch_records(500)).expect("the copy failed");
    let nodes: Vec<NodeId> = source.peers.keys().copied().collect();
    assert!(
        poll_once(Contents::read_from(&to, OBSERVER, &nodes)) == Some(source.clone()),
        "the target differs from the source"
    );
    assert_eq!((summaries[0].peers, summaries[0].gaps), (2_500, 2_001));
    assert_eq!(
        (summaries[0].segments, summaries[0].records_written),
        (source.segments.len() as u64, source.record_count())
    );
    assert_eq!(max_records.load(Ordering::Relaxed), 500, "size of the largest batch");
    assert_eq!(commits.load(Ordering::Relaxed), source.record_count().div_ceil(500) + 1);
}

#[test]
fn existing_history_is_not_overwritten_by_default() {
    let (source, mut target) = (ordinary(10), ordinary(10));
    let from = store_with(&source);
    // A different observer record, or an equal one with different peers, segments or gaps.
    let mut targets = Vec::new();
    target.record = Some(record(2));
    targets.push(target.clone());
    target.record = source.record;
    targets.push({
        target.peers.insert(node(3), peer(3, 2));
        target.clone()
    });
    targets.push({
        target = source.clone();
        target.segments.insert((node(5), 9), segment(5, 9, 1));
        target.clone()
    });
    targets.push({
        target = source.clone();
        target.gaps.remove(&2);
        target
    });
    for target in targets {
        let to = store_with(&target);
        let (counting, commits, _) = counting_store(&to);
        let result = copy_now(&from, &counting, &CopyOptions::default());
        assert!(matches!(result, Err(CopyError::TargetExists { observer: OBSERVER })), "{result:?}");
        assert_eq!(commits.load(Ordering::Relaxed), 0);
        assert_eq!(contents_of(&to, OBSERVER), target);
    }
}

#[test]
fn nothing_is_written_if_one_observer_cannot_be_copied() {
    let source = ordinary(10);
    let from = store_with(&source);
    ready(source.write_to(&from, OTHER_OBSERVER));
    let to = MemoryStore::new();
    ready(Contents { record: Some(record(2)), ..ordinary(1) }.write_to(&to, OTHER_OBSERVER));
    assert!(matches!(
        copy_now(&from, &to, &CopyOptions::default()),
        Err(CopyError::TargetExists { observer: OTHER_OBSERVER })
    ));
    assert_eq!(contents_of(&to, OBSERVER), Contents::default());

    let summaries = copy_now(&from, &to, &CopyOptions::default().observers([OBSERVER, OBSERVER]))
        .expect("copying the other observer failed");
    assert_eq!((summaries.len(), summaries[0].observer), (1, OBSERVER));
    // The observer copied before is unchanged when the other is copied later.
    let summaries = copy_now(&from, &to, &CopyOptions::default().overwrite(true)).expect("the copy failed");
    assert_eq!(
        summaries.iter().map(|summary| (summary.observer, summary.records_written > 0)).collect::<Vec<_>>(),
        [(OBSERVER, false), (OTHER_OBSERVER, true)]
    );
    assert_eq!(contents_of(&to, OTHER_OBSERVER), source);
}

#[test]
fn unknown_observer_is_rejected() {
    let (from, to) = (store_with(&ordinary(1)), MemoryStore::new());
    // An observer without a record, as after an interrupted copy, counts as unknown.
    ready(Contents { record: None, ..ordinary(1) }.write_to(&from, OTHER_OBSERVER));
    let result = copy_now(&from, &to, &CopyOptions::default().observers([OBSERVER, OTHER_OBSERVER]));
    let Err(CopyError::UnknownObserver { observer: OTHER_OBSERVER, available }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(available, [OBSERVER]);
    assert_eq!(copy_now(&from, &to, &CopyOptions::default()).expect("the copy failed").len(), 1);
    assert_eq!(
        copy_now(&MemoryStore::new(), &to, &CopyOptions::default()).expect("copying an empty store failed"),
        []
    );
}

#[test]
fn copy_fails_while_a_service_runs_on_either_store() {
    let (from, to) = (store_with(&ordinary(3)), MemoryStore::new());
    for store in [&from, &to] {
        let claim = ready(store.claim(&OBSERVER)).expect("claiming failed");
        let result = copy_now(&from, &to, &CopyOptions::default());
        assert!(
            matches!(result, Err(CopyError::Store(StoreError::Claimed { observer: OBSERVER, .. }))),
            "{result:?}"
        );
        drop(claim);
    }
    assert_eq!(contents_of(&to, OBSERVER), Contents::default());
    // No service can claim the observer during the copy.
    let mut claimable = Vec::new();
    let try_claims = |_: CopyProgress| {
        claimable.extend([&from, &to].map(|store| ready(store.claim(&OBSERVER)).is_ok()));
    };
    ready(copy(&from, &to, &CopyOptions::default(), try_claims)).expect("the copy failed");
    assert!(claimable.len() >= 6 && !claimable.contains(&true), "{claimable:?}");
    for store in [&from, &to] {
        drop(ready(store.claim(&OBSERVER)).expect("claiming after the copy failed"));
    }
}

#[test]
fn read_only_source_is_copied_without_a_claim() {
    for source_is_read_only in [true, false] {
        let (from, to) = (store_with(&ordinary(3)), MemoryStore::new());
        let mut calls = 0;
        // The claim is the second call to the source, after listing the observers, and the first to the target.
        let intercepted = InterceptedStore::new(if source_is_read_only { &from } else { &to }, move |_| {
            calls += 1;
            if calls == 1 + i32::from(source_is_read_only) { Outcome::ReadOnly } else { Outcome::Succeeds }
        });
        if source_is_read_only {
            copy_now(&intercepted, &to, &CopyOptions::default()).expect("the copy failed");
            assert_eq!(contents_of(&to, OBSERVER), ordinary(3));
        } else {
            let result = copy_now(&from, &intercepted, &CopyOptions::default());
            assert!(matches!(result, Err(CopyError::Store(StoreError::ReadOnly { .. }))), "{result:?}");
        }
    }
}

#[test]
fn copying_a_store_to_itself_is_rejected() {
    let store = store_with(&ordinary(3));
    for overwrite in [false, true] {
        let result = copy_now(&store, &store.clone(), &CopyOptions::default().overwrite(overwrite));
        assert!(matches!(result, Err(CopyError::SameStore)), "{result:?}");
    }
    drop(ready(store.claim(&OBSERVER)).expect("the copy kept a claim"));
}

#[test]
fn change_of_the_source_during_copy_is_detected() {
    let old = ordinary(40);
    let mut new = Contents { record: Some(record(2)), ..old.clone() };
    new.peers.insert(node(0), peer(0, 9));
    new.peers.insert(node(39), peer(39, 9));
    let mut changed = 0;
    for call in 0.. {
        let (from, to) = (store_with(&old), MemoryStore::new());
        let (source, change, mut calls_left) = (from.clone(), new.clone(), call);
        let intercepted = InterceptedStore::new(&from, move |_| {
            calls_left -= 1;
            if calls_left == -1 {
                ready(change.write_to(&source, OBSERVER));
            }
            Outcome::Succeeds
        });
        let result = copy_now(
            &intercepted,
            &intercepted.with_same_callback(&to),
            &CopyOptions::default().max_batch_records(7),
        );
        match result {
            Ok(_) => {
                let target = contents_of(&to, OBSERVER);
                assert!(
                    target == old || target == new,
                    "call {call}: the target is a mixture of both versions"
                );
            }
            Err(CopyError::SourceChanged { observer: OBSERVER }) => {
                assert_eq!(contents_of(&to, OBSERVER).record, None, "the observer is listed");
                changed += 1;
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if contents_of(&from, OBSERVER) == old {
            break;
        }
    }
    assert!(changed > 50, "detected only {changed} changes");
}

#[test]
fn verification_reports_the_first_difference() {
    type Corruption = fn(&mut UnsavedChanges);
    let from = store_with(&ordinary(10));
    let corruptions: [(Corruption, RecordKey<'_>); 6] = [
        (|changes| changes.peers[4].flap_count += 1, RecordKey::Peer(&node(4))),
        (|changes| drop(changes.peers.remove(4)), RecordKey::Peer(&node(4))),
        (|changes| changes.peers.push(peer(77, 1)), RecordKey::Peer(&node(77))),
        (|changes| drop(changes.segments.remove(1)), RecordKey::Segment(&node(2), 0)),
        (|changes| changes.segments.push(segment(1, 5, 1)), RecordKey::Segment(&node(1), 5)),
        (|changes| changes.gaps[1].to_ns += 1, RecordKey::Gap(1)),
    ];
    for (corrupt, expected) in corruptions {
        let to = MemoryStore::new();
        let intercepted = InterceptedStore::new(&to, move |batch| {
            if let Some(batch) =
                batch.filter(|batch| !batch.changes.peers.is_empty() || !batch.changes.gaps.is_empty())
            {
                corrupt(&mut batch.changes);
            }
            Outcome::Succeeds
        });
        let result = copy_now(&from, &intercepted, &CopyOptions::default());
        let Err(CopyError::VerificationFailed { observer: OBSERVER, item }) = result else {
            panic!("{expected}: {result:?}")
        };
        assert_eq!(item, expected.to_string());
        assert_eq!(contents_of(&to, OBSERVER).record, None, "the observer is listed");
        copy_now(&from, &to, &CopyOptions::default()).expect("copying to a correct store failed");
        assert_eq!(contents_of(&to, OBSERVER), ordinary(10));
    }
    // The observer's record is verified as well.
    let to = MemoryStore::new();
    let intercepted = InterceptedStore::new(&to, |batch| {
        if let Some(record) = batch.and_then(|batch| batch.observer.as_mut()) {
            record.starts += 1;
        }
        Outcome::Succeeds
    });
    let result = copy_now(&from, &intercepted, &CopyOptions::default());
    let Err(CopyError::VerificationFailed { item, .. }) = result else { panic!("{result:?}") };
    assert_eq!(item, RecordKey::Observer(&OBSERVER).to_string());
}

#[test]
fn progress_is_reported_in_order() {
    let (from, to) = (store_with(&ordinary(100)), MemoryStore::new());
    let mut reported = Vec::new();
    ready(copy(&from, &to, &CopyOptions::default(), |progress| reported.push(progress)))
        .expect("the copy failed");
    let of_phase = |phase| reported.iter().filter(move |progress| progress.phase == phase);
    for phase in [CopyPhase::Counting, CopyPhase::Copying, CopyPhase::Verifying] {
        assert!(of_phase(phase).map(|progress| progress.peers_done).is_sorted());
        assert_eq!(of_phase(phase).next_back().map(|progress| progress.peers_done), Some(100));
        let total = (phase != CopyPhase::Counting).then_some(100);
        assert!(
            of_phase(phase).all(|progress| progress.peers_total == total && progress.observer == OBSERVER)
        );
    }
    assert!(of_phase(CopyPhase::Copying).count() > 2, "too few progress reports");
    let position = |phase| {
        [CopyPhase::Counting, CopyPhase::Copying, CopyPhase::Verifying].iter().position(|it| *it == phase)
    };
    assert!(reported.iter().map(|progress| position(progress.phase)).is_sorted());
}

#[test]
fn copy_future_is_send() {
    fn spawn<F: Future + Send + 'static>(_: F) {}
    spawn(async {
        let (from, to): (Arc<dyn Store>, Arc<dyn Store>) =
            (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
        copy(&*from, &*to, &CopyOptions::default(), |_| {}).await
    });
}
