//! Random operations, against a model that was written straight from the documentation of the port.

mod deeds;
mod sketch;
mod steps;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use self::deeds::Deeds;
use self::sketch::{NODES, OBSERVERS, Sketch, node_id, observer_id};
use self::steps::Step;
use super::Harness;
use super::bench::Bench;
use crate::{Claim, Store, StoreError};

/// How many sequences are played, unless `PROPTEST_CASES` says otherwise: with some ten commits each,
/// a few seconds for a store that takes milliseconds to commit.
const SEQUENCES: u32 = 32;

/// Whatever is committed, read, claimed and opened anew in whatever order: what comes back is what
/// the documentation says. A sequence that shows otherwise is shortened and printed.
pub(super) fn whatever_is_done_reads_are_as_documented<H: Harness>(_: &H) {
    let mut config = Config { failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    if config.rng_seed == RngSeed::Random {
        // So that it can be told.
        config.rng_seed = RngSeed::Fixed(RandomState::new().build_hasher().finish());
    }
    let seed = config.rng_seed;
    let played = TestRunner::new(config).run(&steps::sequences(), |steps| {
        play::<H>(&steps);
        Ok(())
    });
    match played {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("no sequences to play: {reason}"),
        Err(TestError::Fail(reason, steps)) => panic!(
            "{reason}\n\nafter these steps, and opening once more:\n{}\n\
             (PROPTEST_RNG_SEED={seed} finds them again)",
            steps::listed(&steps)
        ),
    }
}

/// Plays a sequence on data of its own.
fn play<H: Harness>(steps: &[Step]) {
    let harness = H::build();
    let mut bench = Bench::new(&harness);
    let (mut deeds, mut commits, mut claims) = (Deeds::default(), Vec::new(), BTreeMap::new());
    for step in steps {
        match step {
            Step::Reopen => {
                claims.clear();
                compare(&bench, &deeds);
                bench = bench.reopen();
                compare(&bench, &deeds);
            }
            Step::Claim(who) => claim(&bench, *who, &mut claims),
            Step::Release(who) => drop(claims.remove(who)),
            Step::Commit(who, sketch) => {
                commit(&bench, *who, sketch, &mut deeds);
                commits.push((*who, sketch));
            }
            Step::Again(ago) => {
                if let Some((who, sketch)) = commits.iter().nth_back(*ago) {
                    commit(&bench, *who, sketch, &mut deeds);
                }
            }
            Step::Observers => assert_eq!(bench.observers(), deeds.observers()),
            Step::Observer(who) => {
                assert_eq!(bench.observer(observer_id(*who)), deeds.observer(observer_id(*who)));
            }
            Step::Peer(who, node) => {
                let (who, node) = (observer_id(*who), node_id(*node));
                assert_eq!(bench.peer(who, node), deeds.peer(who, node));
            }
            Step::Peers { who, after, limit } => {
                let (who, after) = (observer_id(*who), after.map(node_id));
                assert_eq!(bench.page(who, after, *limit), deeds.peers(who, after, *limit));
            }
            Step::Segments { who, node, from, limit } => {
                let (who, node) = (observer_id(*who), node_id(*node));
                let read = bench.segments(who, node, *from, *limit);
                assert_eq!(read, deeds.segments(who, node, *from, *limit));
            }
            Step::Gaps { who, from, limit } => {
                let who = observer_id(*who);
                assert_eq!(bench.gaps(who, *from, *limit), deeds.gaps(who, *from, *limit));
            }
        }
    }
    drop(claims);
    compare(&bench.reopen(), &deeds);
}

/// A batch lands, or is refused and leaves no trace.
fn commit<H: Harness>(bench: &Bench<'_, H>, who: usize, sketch: &Sketch, deeds: &mut Deeds) {
    let (who, batch) = (observer_id(who), sketch.batch());
    if sketch.fault.is_some() {
        let error = bench.refused(who, batch);
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    } else {
        deeds.commit(who, &batch);
        bench.commit(who, batch);
    }
}

/// A claim is given where nobody has it, and refused where somebody has.
fn claim<H: Harness>(bench: &Bench<'_, H>, who: usize, claims: &mut BTreeMap<usize, Claim>) {
    match bench.harness.block_on(bench.store.claim(&observer_id(who))) {
        Ok(claim) => {
            let earlier = claims.insert(who, claim);
            assert!(earlier.is_none(), "a second claim for observer {who}");
        }
        Err(StoreError::Claimed { .. }) => {
            assert!(claims.contains_key(&who), "no claim for observer {who}, which nobody has claimed");
        }
        Err(error) => panic!("no claim for observer {who}: {error}"),
    }
}

/// Reads all there is.
fn compare<H: Harness>(bench: &Bench<'_, H>, deeds: &Deeds) {
    assert_eq!(bench.observers(), deeds.observers());
    for who in (0..OBSERVERS).map(observer_id) {
        assert_eq!(bench.observer(who), deeds.observer(who));
        assert_eq!(bench.peers(who, 2), deeds.peers(who, None, usize::MAX));
        assert_eq!(bench.gaps(who, 0, usize::MAX), deeds.gaps(who, 0, usize::MAX));
        for node in (0..NODES).map(node_id) {
            let log = bench.segments(who, node, 0, usize::MAX);
            assert_eq!(log, deeds.segments(who, node, 0, usize::MAX));
        }
    }
}
