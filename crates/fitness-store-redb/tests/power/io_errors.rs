//! I/O errors, once or for a while: the store reports them, loses nothing, and works again as soon as the
//! disk does.

use std::io::ErrorKind;
use std::sync::Arc;

use fitness_store::conformance::block_on;
use fitness_store::{Store, StoreError};
use fitness_store_redb::RedbStore;

use crate::crash_images::{Variant, each_cut};
use crate::faulty_disk::{Call, Disk, Failure, Step};
use crate::workload::{Action, Contents, all_actions, contents_after_each_commit};

fn assert_transient(error: &StoreError) {
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("simulated disk"), "{error}");
}

fn full(call: Call) -> Option<Failure> {
    matches!(call, Call::Write | Call::SetLen).then_some(Failure::Refused(ErrorKind::StorageFull))
}

/// Returns the commits of the workload.
fn commits() -> Vec<Action> {
    all_actions().into_iter().filter(|action| matches!(action, Action::Commit(..))).collect()
}

fn commit(store: &RedbStore, action: &Action) -> Result<(), StoreError> {
    let Action::Commit(observer, batch) = action else { return Ok(()) };
    block_on(store.commit(observer, Arc::clone(batch)))
}

fn empty() -> Contents {
    Contents::of(&Disk::default().open().expect("a store")).expect("a successful read")
}

#[test]
fn full_disk_loses_nothing() {
    let actions = commits();
    let contents_after_each_commit = contents_after_each_commit(empty(), &actions);
    let disk = Disk::default();
    let store = disk.open().expect("a store");
    for (action, contents) in actions.iter().zip(&contents_after_each_commit) {
        disk.fail(full);
        for _ in 0..3 {
            assert_transient(&commit(&store, action).expect_err("the disk is full"));
        }
        disk.recover();
        assert_eq!(&Contents::of(&store).expect("a successful read"), contents);
        // The store works again as soon as the disk does, without being opened again by its user.
        commit(&store, action).expect("a commit");
    }
    drop(store);
    assert_eq!(
        Some(&Contents::of(&disk.open().expect("a store")).expect("a successful read")),
        contents_after_each_commit.last()
    );
}

#[test]
fn store_recovers_from_an_unavailable_disk() {
    let actions = commits();
    let contents_after_each_commit = contents_after_each_commit(empty(), &actions[..2]);
    let disk = Disk::default();
    let store = disk.open().expect("a store");
    commit(&store, &actions[0]).expect("a commit");
    // All reads are served from memory until the file must be opened again.
    disk.fail(full);
    assert_transient(&commit(&store, &actions[1]).expect_err("the disk is full"));
    disk.fail(|call| (call == Call::Read).then_some(Failure::Refused(ErrorKind::Other)));
    for _ in 0..3 {
        assert_transient(&Contents::of(&store).expect_err("the disk does not answer"));
    }
    disk.recover();
    assert_eq!(Contents::of(&store).expect("a successful read"), contents_after_each_commit[1]);
    commit(&store, &actions[1]).expect("a commit");
    assert_eq!(Contents::of(&store).expect("a successful read"), contents_after_each_commit[2]);
}

#[test]
fn open_succeeds_after_a_failure() {
    let disk = Disk::default();
    disk.fail(full);
    assert_transient(&disk.open().expect_err("the disk is full"));
    disk.recover();
    assert_eq!(Contents::of(&disk.open().expect("a store")).expect("a successful read"), empty());
}

/// Returns a rule that fails one call: the one with this number among those that `which` selects.
fn once(number: usize, which: fn(Call) -> bool, failure: Failure) -> impl FnMut(Call) -> Option<Failure> {
    let mut count = 0;
    move |call| {
        let number_of_this = count;
        count += usize::from(which(call));
        (which(call) && number_of_this == number).then_some(failure)
    }
}

/// Runs `actions` as a service does, retrying what fails. Returns the errors.
fn run_with_retries(
    disk: &Disk,
    actions: &[Action],
    contents_after_each_commit: &[Contents],
) -> Vec<StoreError> {
    let mut errors = Vec::new();
    let open = |errors: &mut Vec<StoreError>| match disk.open() {
        Ok(store) => store,
        Err(error) => {
            errors.push(error);
            disk.open().expect("only the first call fails")
        }
    };
    let mut store = open(&mut errors);
    let mut stored = 0;
    for action in actions {
        if matches!(action, Action::Reopen) {
            drop(store);
            store = open(&mut errors);
            continue;
        }
        disk.record(Step::Begun);
        if let Err(error) = commit(&store, action) {
            errors.push(error);
            let found = Contents::of(&store).or_else(|error| {
                errors.push(error);
                Contents::of(&store)
            });
            let found = found.expect("only the first call fails");
            assert!(contents_after_each_commit[stored..stored + 2].contains(&found), "after {errors:?}");
            commit(&store, action).expect("only the first call fails");
        }
        disk.record(Step::Stored);
        stored += 1;
    }
    errors
}

/// Each call fails once in its turn, with and without taking effect.
#[test]
fn store_recovers_from_any_failed_call() {
    let actions = all_actions();
    let contents_after_each_commit = contents_after_each_commit(empty(), &actions);
    let all: fn(Call) -> bool = |_| true;
    let changing: fn(Call) -> bool = |call| matches!(call, Call::SetLen | Call::Sync | Call::Write);
    let (mut runs, mut failed) = (0, 0);
    for (which, failure) in [
        (changing, Failure::Refused(ErrorKind::StorageFull)),
        (all, Failure::Refused(ErrorKind::Other)),
        (changing, Failure::Done(ErrorKind::Other)),
    ] {
        for number in 0.. {
            let disk = Disk::default();
            disk.fail(once(number, which, failure));
            let errors = run_with_retries(&disk, &actions, &contents_after_each_commit);
            assert!(errors.len() <= 1, "call {number}, {failure:?}: {errors:?}");
            errors.iter().for_each(assert_transient);
            runs += 1;
            failed += errors.len();
            disk.recover();
            let found = disk.open().and_then(|store| Contents::of(&store)).expect("an intact file");
            assert_eq!(Some(&found), contents_after_each_commit.last(), "call {number}, {failure:?}");
            if disk.failures() == 0 {
                break;
            }
        }
    }
    println!("{runs} runs, of which {failed} had a call of the store's fail");
    assert!(failed > 300, "{failed}");
}

/// A failed sync may lose writes that can still be read. Commits that are acknowledged afterwards must survive
/// a power loss nevertheless.
#[test]
fn failed_sync_does_not_affect_later_commits() {
    let actions = all_actions();
    let contents_after_each_commit = contents_after_each_commit(empty(), &actions);
    let (mut runs, mut images) = (0, 0);
    for number in 0.. {
        let disk = Disk::default();
        disk.fail(once(number, |call| call == Call::Sync, Failure::Lost(ErrorKind::Other)));
        run_with_retries(&disk, &actions, &contents_after_each_commit);
        if disk.failures() == 0 {
            break;
        }
        runs += 1;
        let steps = disk.steps();
        let failed = steps.iter().position(|step| *step == Step::LostSync);
        each_cut(&[], &steps, |cut| {
            let acknowledged = steps[..cut.at].last() == Some(&Step::Stored);
            if failed.is_some_and(|failed| failed < cut.at) && acknowledged {
                images += 1;
                let disk = Disk::with_bytes(cut.image(Variant::Nothing));
                let found = disk.open().and_then(|store| Contents::of(&store));
                let found =
                    found.unwrap_or_else(|error| panic!("sync {number}, cut after {}: {error}", cut.at));
                assert_eq!(
                    found, contents_after_each_commit[cut.stored],
                    "sync {number}, cut after {} steps",
                    cut.at
                );
            }
        });
    }
    println!("{runs} runs, {images} images");
}
