//! Random operations, compared with a model that implements the documentation of the port directly.

mod batch_spec;
mod reference;
mod steps;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use self::batch_spec::{BatchSpec, NODES, OBSERVERS, node_id, observer_id};
use self::reference::ReferenceModel;
use self::steps::Step;
use super::Harness;
use super::open_store::OpenStore;
use crate::{Claim, Store, StoreError};

/// The number of sequences unless `PROPTEST_CASES` sets another one. A sequence has about ten commits, so a
/// store that takes milliseconds for a commit runs all sequences in a few seconds.
const SEQUENCES: u32 = 32;

/// Any sequence of commits, reads, claims and reopenings returns what the documentation of the port
/// specifies. A failing sequence is shrunk and printed.
pub(super) fn random_operations_match_the_model<H: Harness>(_: &H) {
    let mut config = Config { failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    if config.rng_seed == RngSeed::Random {
        // A fixed seed can be printed with a failure.
        config.rng_seed = RngSeed::Fixed(RandomState::new().build_hasher().finish());
    }
    let seed = config.rng_seed;
    let result = TestRunner::new(config).run(&steps::sequences(), |steps| {
        run_sequence::<H>(&steps);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("generating sequences failed: {reason}"),
        Err(TestError::Fail(reason, steps)) => panic!(
            "the store differs from the model: {reason}\n\n\
             Shortest failing sequence (the store is reopened and compared after the last step):\n{}\n\
             To reproduce, set PROPTEST_RNG_SEED={seed}",
            steps::format_steps(&steps)
        ),
    }
}

/// Runs a sequence on its own data. In failed comparisons, `left` is the store and `right` the model.
fn run_sequence<H: Harness>(steps: &[Step]) {
    let harness = H::build();
    let mut store = OpenStore::new(&harness);
    let (mut model, mut commits, mut claims) = (ReferenceModel::default(), Vec::new(), BTreeMap::new());
    for step in steps {
        match step {
            Step::Reopen => {
                claims.clear();
                compare_all(&store, &model);
                store = store.reopen();
                compare_all(&store, &model);
            }
            Step::Claim(observer) => claim(&store, *observer, &mut claims),
            Step::DropClaim(observer) => drop(claims.remove(observer)),
            Step::Commit(observer, spec) => {
                commit(&store, *observer, spec, &mut model);
                commits.push((*observer, spec));
            }
            Step::CommitAgain(ago) => {
                if let Some((observer, spec)) = commits.iter().nth_back(*ago) {
                    commit(&store, *observer, spec, &mut model);
                }
            }
            Step::ReadObservers => assert_eq!(store.observers(), model.observers()),
            Step::ReadObserver(observer) => {
                let observer = observer_id(*observer);
                assert_eq!(store.observer(observer), model.observer(observer));
            }
            Step::ReadPeer(observer, node) => {
                let (observer, node) = (observer_id(*observer), node_id(*node));
                assert_eq!(store.peer(observer, node), model.peer(observer, node));
            }
            Step::ReadPeers { observer, after, limit } => {
                let (observer, after) = (observer_id(*observer), after.map(node_id));
                assert_eq!(store.page(observer, after, *limit), model.peers(observer, after, *limit));
            }
            Step::ReadSegments { observer, node, from, limit } => {
                let (observer, node) = (observer_id(*observer), node_id(*node));
                let read = store.segments(observer, node, *from, *limit);
                assert_eq!(read, model.segments(observer, node, *from, *limit));
            }
            Step::ReadGaps { observer, from, limit } => {
                let observer = observer_id(*observer);
                assert_eq!(store.gaps(observer, *from, *limit), model.gaps(observer, *from, *limit));
            }
        }
    }
    drop(claims);
    compare_all(&store.reopen(), &model);
}

/// Commits a batch: a valid one is stored, an invalid one is rejected and changes nothing.
fn commit<H: Harness>(
    store: &OpenStore<'_, H>,
    observer: usize,
    spec: &BatchSpec,
    model: &mut ReferenceModel,
) {
    let (observer, batch) = (observer_id(observer), spec.batch());
    if spec.fault.is_some() {
        let error = store.rejected(observer, batch);
        assert!(matches!(error, StoreError::Invalid { .. }), "expected StoreError::Invalid, got: {error}");
    } else {
        model.commit(observer, &batch);
        store.commit(observer, batch);
    }
}

/// Claims an observer: this succeeds exactly if no claim on it exists.
fn claim<H: Harness>(store: &OpenStore<'_, H>, observer: usize, claims: &mut BTreeMap<usize, Claim>) {
    match store.harness.block_on(store.inner.claim(&observer_id(observer))) {
        Ok(claim) => {
            let earlier = claims.insert(observer, claim);
            assert!(earlier.is_none(), "a second claim on observer {observer} succeeded");
        }
        Err(StoreError::Claimed { .. }) => assert!(
            claims.contains_key(&observer),
            "claiming observer {observer} failed although no claim on it exists"
        ),
        Err(error) => panic!("claiming observer {observer} failed: {error}"),
    }
}

/// Reads everything and compares it with the model.
fn compare_all<H: Harness>(store: &OpenStore<'_, H>, model: &ReferenceModel) {
    assert_eq!(store.observers(), model.observers());
    for observer in (0..OBSERVERS).map(observer_id) {
        assert_eq!(store.observer(observer), model.observer(observer));
        assert_eq!(store.peers(observer, 2), model.peers(observer, None, usize::MAX));
        assert_eq!(store.gaps(observer, 0, usize::MAX), model.gaps(observer, 0, usize::MAX));
        for node in (0..NODES).map(node_id) {
            let log = store.segments(observer, node, 0, usize::MAX);
            assert_eq!(log, model.segments(observer, node, 0, usize::MAX));
        }
    }
}
