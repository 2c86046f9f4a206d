//! Crashes and errors at any call: the next session finds complete batches.

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, LogReplacement, MemoryStore, StoreError};

use crate::support::{Contents, Fault, Memory, commit, contents, flap, gap, node, observer, peer, segment};

pub(crate) const NODES: u32 = 12;

/// Returns a random batch with every kind of change.
fn any_batch(rng: &mut fastrand::Rng, version: u32) -> Batch {
    let mut batch = Batch::default();
    let UnsavedChanges { forgotten_peers: forgotten, peers, segments, gaps } = &mut batch.changes;
    for number in 0..NODES {
        match rng.u32(0..12) {
            0 => forgotten.push(node(number)),
            1..=3 => peers.push(peer(number, version)),
            4 => {
                let below = rng.u32(0..4);
                let kept = (0..below).filter(|_| rng.bool()).map(|index| segment(number, index, 5, version));
                batch.replacements.push(LogReplacement {
                    node_id: node(number),
                    below_index: below,
                    segments: kept.collect(),
                });
            }
            5 | 6 => segments.push(segment(number, rng.u32(0..4), rng.u32(1..=64), rng.u32(1..3))),
            _ => {}
        }
    }
    if rng.u32(0..4) == 0 {
        gaps.push(gap(rng.u32(0..9), version));
    }
    if rng.u32(0..9) == 0 {
        batch.prune_gaps_before = Some(rng.u32(0..9));
    }
    if rng.bool() {
        batch.observer = Some(observer(u64::from(version)));
    }
    batch
}

/// Returns batches for several folds, one of which is too large for a journal entry.
pub(crate) fn workload(seed: u64, batches: u32) -> Vec<Batch> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut all: Vec<Batch> = (1..=batches).map(|version| any_batch(&mut rng, version)).collect();
    let large = (0..500).map(|number| peer(number, 7)).collect();
    let segments = (0..60).map(|number| segment(number, 0, 64, 7)).collect();
    all[batches as usize / 3].changes =
        UnsavedChanges { peers: large, segments, ..UnsavedChanges::default() };
    all
}

/// Returns the contents after each number of batches.
pub(crate) fn contents_after_each(batches: &[Batch]) -> Vec<Contents> {
    let model = MemoryStore::new();
    let mut found = vec![contents(&model, NODES).expect("an operation in memory")];
    for batch in batches {
        commit(&model, batch).expect("an operation in memory");
        found.push(contents(&model, NODES).expect("an operation in memory"));
    }
    found
}

/// Commits batches until one fails; returns the number of acknowledged ones.
fn run(memory: &Memory, batches: &[Batch]) -> usize {
    let store = memory.open();
    batches.iter().take_while(|batch| commit(&store, batch).is_ok()).count()
}

/// After a crash at any call, acknowledged batches are stored, and the next batch is stored completely or not
/// at all. The next session continues from there and may crash as well.
#[test]
fn crash_at_any_call_leaves_complete_batches() {
    let batches = workload(1, 90);
    let expected = contents_after_each(&batches);
    let (calls, folds) = {
        let memory = Memory::default();
        assert_eq!(run(&memory, &batches), batches.len());
        assert_eq!(
            contents(&memory.copy_without_faults().open(), NODES).expect("a successful load"),
            expected[batches.len()]
        );
        let state = memory.state();
        (state.calls, state.writes - batches.len())
    };
    assert!(folds > 5, "the workload is too short to fold: {folds} more writes than batches");
    for call in 0..calls {
        let memory = Memory::default().failing(call, Fault::Crash);
        let acknowledged = run(&memory, &batches);
        let left = memory.copy_without_faults();
        let found =
            contents(&left.open(), NODES).unwrap_or_else(|error| panic!("after call {call}: {error}"));
        let next = expected.get(acknowledged + 1);
        assert!(
            found == expected[acknowledged] || Some(&found) == next,
            "after call {call} and {acknowledged} batches there is something else"
        );
        // Committing the unacknowledged batch again is safe.
        if call % 7 == 0 {
            let rest = batches[acknowledged..].iter().take(5).cloned().collect::<Vec<_>>();
            assert_eq!(run(&left, &rest), rest.len());
            let found = contents(&left.copy_without_faults().open(), NODES).expect("a successful load");
            assert_eq!(found, expected[acknowledged + rest.len()], "going on after call {call}");
        }
    }
}

/// Each call fails once, with and without taking effect: the commit fails with a transient error, readers see
/// no change, and the next attempt succeeds.
#[test]
fn commit_succeeds_after_any_failed_call() {
    let batches = workload(2, 50);
    let expected = contents_after_each(&batches);
    let calls = {
        let memory = Memory::default();
        run(&memory, &batches);
        memory.state().calls
    };
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for call in 0..calls {
            let memory = Memory::default().failing(call, fault);
            let store = memory.open();
            let mut failed = 0;
            for (number, batch) in batches.iter().enumerate() {
                if let Err(error) = commit(&store, batch) {
                    failed += 1;
                    assert!(error.is_transient(), "{fault:?} at call {call}: {error}");
                    assert!(matches!(&error, StoreError::Backend { .. }), "{error}");
                    assert!(error.to_string().contains("ldk_fitness/0303"), "{error}");
                    assert_eq!(contents(&store, NODES).expect("a successful read"), expected[number]);
                    commit(&store, batch).unwrap_or_else(|error| panic!("{fault:?} at {call}: {error}"));
                }
            }
            assert!(failed <= 1, "{fault:?} at call {call}: {failed} commits failed");
            let last = &expected[batches.len()];
            assert_eq!(&contents(&store, NODES).expect("a successful read"), last);
            let left = memory.copy_without_faults();
            assert_eq!(
                &contents(&left.open(), NODES).expect("a successful load"),
                last,
                "{fault:?} at call {call}"
            );
        }
    }
}

/// A commit fails and may or may not have taken effect, another one succeeds, and the process crashes. The
/// failed one must not overwrite the later one.
#[test]
fn failed_commit_does_not_overwrite_a_later_one() {
    for call in 0..60 {
        let memory = Memory::default().failing(call, Fault::AnswerLost);
        let store = memory.open();
        let mut last = 0;
        for version in 1..=40 {
            if commit(&store, &flap(1, version, 1)).is_ok() {
                last = version;
            }
        }
        drop(store);
        let found = contents(&memory.copy_without_faults().open(), NODES).expect("a successful load");
        assert_eq!(found.peers, [peer(1, last)], "call {call}");
    }
}

/// The same where one of the two commits is a journal entry and the other one a fold.
#[test]
fn failed_commit_does_not_overwrite_a_later_one_of_another_kind() {
    let large = |version| {
        let peers = (0..900).map(|number| peer(number, version)).collect();
        Batch { changes: UnsavedChanges { peers, ..UnsavedChanges::default() }, ..Batch::default() }
    };
    let mut failed = 0;
    for batches in [[large(1), flap(1, 2, 1), large(3)], [large(1), large(2), flap(1, 3, 1)]] {
        for call in 0..60 {
            for fault in [Fault::AnswerLost, Fault::Refused] {
                let memory = Memory::default().failing(call, fault);
                let store = memory.open();
                let acknowledged: Vec<bool> =
                    batches.iter().map(|batch| commit(&store, batch).is_ok()).collect();
                // The fault may occur during this read.
                let here = contents(&store, 2).or_else(|_| contents(&store, 2)).expect("a successful read");
                let left = contents(&memory.copy_without_faults().open(), 2).expect("a successful load");
                failed += acknowledged.iter().filter(|ok| !**ok).count();
                if acknowledged[2] {
                    assert_eq!(here, left, "{fault:?} at call {call}");
                    assert!(left.peers.contains(&peer(1, 3)), "{fault:?} at call {call}");
                }
            }
        }
    }
    assert!(failed > 50, "{failed} commits failed");
}

/// Random batches and crashes over many sessions, compared with the store in memory.
#[test]
fn randomly_crashing_sessions_match_the_model() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut memory, mut version) = (Memory::default(), 0);
        let mut model: Vec<Batch> = Vec::new();
        for _ in 0..6 {
            memory = memory.failing(rng.usize(0..150), Fault::Crash);
            let store = memory.open();
            let unsure = loop {
                version += 1;
                let batch = any_batch(&mut rng, version);
                if commit(&store, &batch).is_err() {
                    break batch;
                }
                model.push(batch);
            };
            drop(store);
            let found = contents(&memory.copy_without_faults().open(), NODES).expect("a successful load");
            let without = contents_after_all(&model);
            if found != without {
                model.push(unsure);
                assert_eq!(found, contents_after_all(&model), "seed {seed}");
            }
        }
    }
}

fn contents_after_all(batches: &[Batch]) -> Contents {
    let model = MemoryStore::new();
    for batch in batches {
        commit(&model, batch).expect("an operation in memory");
    }
    contents(&model, NODES).expect("an operation in memory")
}
