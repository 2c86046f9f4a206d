//! Calls that fail: once, or for a while. The store says so, loses nothing, and works again as soon
//! as the disk does.

use std::io::ErrorKind;
use std::sync::Arc;

use fitness_store::conformance::block_on;
use fitness_store::{Store, StoreError};
use fitness_store_redb::RedbStore;

use crate::cuts::{Variant, each_cut};
use crate::disk::{Call, Disk, Step, Trouble};
use crate::workload::{Act, World, life, worlds};

fn assert_transient(error: &StoreError) {
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("a disk of memory"), "{error}");
}

fn full(call: Call) -> Option<Trouble> {
    matches!(call, Call::Write | Call::SetLen).then_some(Trouble::Refused(ErrorKind::StorageFull))
}

/// The commits of a life.
fn commits() -> Vec<Act> {
    life().into_iter().filter(|act| matches!(act, Act::Commit(..))).collect()
}

fn commit(store: &RedbStore, act: &Act) -> Result<(), StoreError> {
    let Act::Commit(observer, batch) = act else { return Ok(()) };
    block_on(store.commit(observer, Arc::clone(batch)))
}

fn empty() -> World {
    World::of(&Disk::default().open().expect("a store")).expect("an answer")
}

#[test]
fn a_full_disk_loses_nothing_and_passes() {
    let acts = commits();
    let worlds = worlds(empty(), &acts);
    let disk = Disk::default();
    let store = disk.open().expect("a store");
    for (act, world) in acts.iter().zip(&worlds) {
        disk.fail(full);
        for _ in 0..3 {
            assert_transient(&commit(&store, act).expect_err("the disk is full"));
        }
        disk.mend();
        assert_eq!(&World::of(&store).expect("an answer"), world);
        // Nothing needs to be opened by the user: the store works again as soon as the disk does.
        commit(&store, act).expect("a commit");
    }
    drop(store);
    assert_eq!(Some(&World::of(&disk.open().expect("a store")).expect("an answer")), worlds.last());
}

#[test]
fn a_disk_that_does_not_answer_passes() {
    let acts = commits();
    let worlds = worlds(empty(), &acts[..2]);
    let disk = Disk::default();
    let store = disk.open().expect("a store");
    commit(&store, &acts[0]).expect("a commit");
    // Everything is in memory until the file has to be opened again.
    disk.fail(full);
    assert_transient(&commit(&store, &acts[1]).expect_err("the disk is full"));
    disk.fail(|call| (call == Call::Read).then_some(Trouble::Refused(ErrorKind::Other)));
    for _ in 0..3 {
        assert_transient(&World::of(&store).expect_err("the disk does not answer"));
    }
    disk.mend();
    assert_eq!(World::of(&store).expect("an answer"), worlds[1]);
    commit(&store, &acts[1]).expect("a commit");
    assert_eq!(World::of(&store).expect("an answer"), worlds[2]);
}

#[test]
fn a_failure_to_open_passes() {
    let disk = Disk::default();
    disk.fail(full);
    assert_transient(&disk.open().expect_err("the disk is full"));
    disk.mend();
    assert_eq!(World::of(&disk.open().expect("a store")).expect("an answer"), empty());
}

/// Fails the call of that number, of the calls that `which` says.
fn once(number: usize, which: fn(Call) -> bool, trouble: Trouble) -> impl FnMut(Call) -> Option<Trouble> {
    let mut count = 0;
    move |call| {
        let number_of_this = count;
        count += usize::from(which(call));
        (which(call) && number_of_this == number).then_some(trouble)
    }
}

/// Lives through `acts` as a service does: what fails is tried again. Returns what failed.
fn persist(disk: &Disk, acts: &[Act], worlds: &[World]) -> Vec<StoreError> {
    let mut errors = Vec::new();
    let open = |errors: &mut Vec<StoreError>| match disk.open() {
        Ok(store) => store,
        Err(error) => {
            errors.push(error);
            disk.open().expect("it failed once")
        }
    };
    let mut store = open(&mut errors);
    let mut stored = 0;
    for act in acts {
        if matches!(act, Act::Reopen) {
            drop(store);
            store = open(&mut errors);
            continue;
        }
        disk.note(Step::Begun);
        if let Err(error) = commit(&store, act) {
            errors.push(error);
            let seen = World::of(&store).or_else(|error| {
                errors.push(error);
                World::of(&store)
            });
            let seen = seen.expect("it failed once");
            assert!(worlds[stored..stored + 2].contains(&seen), "after {errors:?}");
            commit(&store, act).expect("it failed once");
        }
        disk.note(Step::Stored);
        stored += 1;
    }
    errors
}

/// Every call in turn fails once, with and without effect.
#[test]
fn every_call_may_fail_once() {
    let acts = life();
    let worlds = worlds(empty(), &acts);
    let all: fn(Call) -> bool = |_| true;
    let changing: fn(Call) -> bool = |call| matches!(call, Call::SetLen | Call::Sync | Call::Write);
    let (mut lives, mut failed) = (0, 0);
    for (which, trouble) in [
        (changing, Trouble::Refused(ErrorKind::StorageFull)),
        (all, Trouble::Refused(ErrorKind::Other)),
        (changing, Trouble::Done(ErrorKind::Other)),
    ] {
        for number in 0.. {
            let disk = Disk::default();
            disk.fail(once(number, which, trouble));
            let errors = persist(&disk, &acts, &worlds);
            assert!(errors.len() <= 1, "call {number}, {trouble:?}: {errors:?}");
            errors.iter().for_each(assert_transient);
            lives += 1;
            failed += errors.len();
            disk.mend();
            let seen = disk.open().and_then(|store| World::of(&store)).expect("it is sound");
            assert_eq!(Some(&seen), worlds.last(), "call {number}, {trouble:?}");
            if disk.troubles() == 0 {
                break;
            }
        }
    }
    println!("{lives} lives, of which {failed} had a call of the store's fail");
    assert!(failed > 300, "{failed}");
}

/// A sync that fails may have lost what it was to make durable, although it is read as ever: systems
/// do that. Whatever is acknowledged afterwards is there all the same when the power is cut.
#[test]
fn a_sync_that_fails_spoils_nothing_later() {
    let acts = life();
    let worlds = worlds(empty(), &acts);
    let (mut lives, mut images) = (0, 0);
    for number in 0.. {
        let disk = Disk::default();
        disk.fail(once(number, |call| call == Call::Sync, Trouble::Lost(ErrorKind::Other)));
        persist(&disk, &acts, &worlds);
        if disk.troubles() == 0 {
            break;
        }
        lives += 1;
        let steps = disk.steps();
        let failed = steps.iter().position(|step| *step == Step::LostSync);
        each_cut(&[], &steps, |cut| {
            let acknowledged = steps[..cut.at].last() == Some(&Step::Stored);
            if failed.is_some_and(|failed| failed < cut.at) && acknowledged {
                images += 1;
                let disk = Disk::holding(cut.image(Variant::Nothing));
                let seen = disk.open().and_then(|store| World::of(&store));
                let seen =
                    seen.unwrap_or_else(|error| panic!("sync {number}, cut after {}: {error}", cut.at));
                assert_eq!(seen, worlds[cut.stored], "sync {number}, cut after {} steps", cut.at);
            }
        });
    }
    println!("{lives} lives, {images} images");
}
