//! The process is gone after any of its writes, and whoever comes next finds whole batches.

use fitness_core::UnsavedChanges;
use fitness_store::{Batch, LogReplacement, MemoryStore, StoreError};

use crate::support::{Fault, Memory, Sight, commit, flap, gap, node, observer, peer, segment, sight};

pub(crate) const NODES: u32 = 12;

/// A batch that does something of everything, by chance.
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

/// Several folds' worth of batches, one of which is too large for a journal.
pub(crate) fn workload(seed: u64, batches: u32) -> Vec<Batch> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut all: Vec<Batch> = (1..=batches).map(|version| any_batch(&mut rng, version)).collect();
    let large = (0..500).map(|number| peer(number, 7)).collect();
    let segments = (0..60).map(|number| segment(number, 0, 64, 7)).collect();
    all[batches as usize / 3].changes =
        UnsavedChanges { peers: large, segments, ..UnsavedChanges::default() };
    all
}

/// What is there after each number of batches.
pub(crate) fn sights(batches: &[Batch]) -> Vec<Sight> {
    let model = MemoryStore::new();
    let mut seen = vec![sight(&model, NODES).expect("it is in memory")];
    for batch in batches {
        commit(&model, batch).expect("it is in memory");
        seen.push(sight(&model, NODES).expect("it is in memory"));
    }
    seen
}

/// Commits batch after batch until one fails; how many were acknowledged.
fn run(memory: &Memory, batches: &[Batch]) -> usize {
    let store = memory.open();
    batches.iter().take_while(|batch| commit(&store, batch).is_ok()).count()
}

/// After a crash at every single call, what was acknowledged is there, and the batch after it is
/// there wholly or not at all. The next session goes on from there, and may crash as well.
#[test]
fn a_crash_at_any_call_leaves_whole_batches() {
    let batches = workload(1, 90);
    let expected = sights(&batches);
    let (calls, folds) = {
        let memory = Memory::default();
        assert_eq!(run(&memory, &batches), batches.len());
        assert_eq!(sight(&memory.survivor().open(), NODES).expect("it loads"), expected[batches.len()]);
        let shelves = memory.shelves();
        (shelves.calls, shelves.writes - batches.len())
    };
    assert!(folds > 5, "the workload is too short to fold: {folds} more writes than batches");
    for call in 0..calls {
        let memory = Memory::default().failing(call, Fault::Crash);
        let acknowledged = run(&memory, &batches);
        let left = memory.survivor();
        let seen = sight(&left.open(), NODES).unwrap_or_else(|error| panic!("after call {call}: {error}"));
        let next = expected.get(acknowledged + 1);
        assert!(
            seen == expected[acknowledged] || Some(&seen) == next,
            "after call {call} and {acknowledged} batches there is something else"
        );
        // To commit again what was not acknowledged does no harm.
        if call % 7 == 0 {
            let rest = batches[acknowledged..].iter().take(5).cloned().collect::<Vec<_>>();
            assert_eq!(run(&left, &rest), rest.len());
            let seen = sight(&left.survivor().open(), NODES).expect("it loads");
            assert_eq!(seen, expected[acknowledged + rest.len()], "going on after call {call}");
        }
    }
}

/// Every call fails once, with and without effect: the commit fails, says that trying again may
/// help, leaves everything as it was for who asks, and succeeds the next time.
#[test]
fn every_error_is_survived() {
    let batches = workload(2, 50);
    let expected = sights(&batches);
    let calls = {
        let memory = Memory::default();
        run(&memory, &batches);
        memory.shelves().calls
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
                    assert!(error.to_string().contains("memory under ldk_fitness/0303"), "{error}");
                    assert_eq!(sight(&store, NODES).expect("it reads"), expected[number]);
                    commit(&store, batch).unwrap_or_else(|error| panic!("{fault:?} at {call}: {error}"));
                }
            }
            assert!(failed <= 1, "{fault:?} at call {call}: {failed} commits failed");
            let last = &expected[batches.len()];
            assert_eq!(&sight(&store, NODES).expect("it reads"), last);
            let left = memory.survivor();
            assert_eq!(&sight(&left.open(), NODES).expect("it loads"), last, "{fault:?} at call {call}");
        }
    }
}

/// An error leaves a batch whose fate is unknown; then another one is committed, and the process
/// is gone. What was not acknowledged never lands after it.
#[test]
fn what_failed_does_not_land_over_what_came_later() {
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
        let seen = sight(&memory.survivor().open(), NODES).expect("it loads");
        assert_eq!(seen.peers, [peer(1, last)], "call {call}");
    }
}

/// The same where one of the two goes into the journal and the other one does not.
#[test]
fn what_failed_does_not_land_over_another_kind_of_commit() {
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
                // The fault may come as late as here.
                let here = sight(&store, 2).or_else(|_| sight(&store, 2)).expect("it reads");
                let left = sight(&memory.survivor().open(), 2).expect("it loads");
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

/// Random batches and crashes, one session after the other, against the store in memory.
#[test]
fn sessions_that_crash_by_chance_agree_with_the_model() {
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
            let seen = sight(&memory.survivor().open(), NODES).expect("it loads");
            let without = sights_last(&model);
            if seen != without {
                model.push(unsure);
                assert_eq!(seen, sights_last(&model), "seed {seed}");
            }
        }
    }
}

fn sights_last(batches: &[Batch]) -> Sight {
    let model = MemoryStore::new();
    for batch in batches {
        commit(&model, batch).expect("it is in memory");
    }
    sight(&model, NODES).expect("it is in memory")
}
