//! Power losses at every write and sync of a workload. Acknowledged commits must survive, and a commit in flight
//! must be stored completely or not at all.

use std::collections::HashMap;

use fitness_store::Store;
use fitness_store::conformance::block_on;

use crate::crash_images::{Cut, Variant, each_cut};
use crate::faulty_disk::{Disk, Step};
use crate::workload::{
    Action, Contents, OURS, actions_after_upgrade, all_actions, contents_after_each_commit, probe_batch,
    run_actions,
};

/// A file of format 1.
const FORMAT_1: &[u8] = include_bytes!("../fixtures/format-1.redb");

/// The number of places at which a write is torn.
const TEARS: usize = 3;

/// Every so many distinct images are written to as well.
const AFTER: usize = 4;

/// For every so many distinct images, the power is lost again while the store is opened.
const AGAIN: usize = 320;

/// What was tried.
#[derive(Debug, Default)]
struct Statistics {
    cuts: usize,
    images: usize,
    different: usize,
    /// Images with a commit in flight: how often it was absent, and how often it was stored.
    in_flight: [usize; 2],
    /// Images with a second power loss, and the number of images that resulted.
    nested: [usize; 2],
}

/// Tries all power losses of one workload.
struct Sweep<'a> {
    contents_after_each_commit: &'a [Contents],
    /// The contents after [`probe_batch`], by the contents before it.
    after: Vec<Contents>,
    tears: usize,
    seed: u64,
    /// The index of the contents that was found for each image.
    found: HashMap<(usize, usize, u32), Result<usize, String>>,
    /// Whether the power is lost a second time for some images.
    nested: bool,
    statistics: Statistics,
}

impl<'a> Sweep<'a> {
    fn new(contents_after_each_commit: &'a [Contents], tears: usize, seed: u64, nested: bool) -> Self {
        let after =
            contents_after_each_commit.iter().map(|contents| contents.after(&OURS, &probe_batch())).collect();
        Self {
            contents_after_each_commit,
            after,
            tears,
            seed,
            found: HashMap::new(),
            nested,
            statistics: Statistics::default(),
        }
    }

    /// Tries every power loss; returns the first error.
    fn check_all(&mut self, start: &[u8], steps: &[Step]) -> Result<(), String> {
        let mut error = None;
        each_cut(start, steps, |cut| {
            self.statistics.cuts += 1;
            if error.is_none() {
                let variants = cut.variants(self.tears, self.seed);
                error = variants.into_iter().find_map(|variant| self.check(cut, variant).err());
            }
        });
        error.map_or(Ok(()), Err)
    }

    fn check(&mut self, cut: &Cut<'_>, variant: Variant) -> Result<(), String> {
        let Cut { at, stored, begun, .. } = *cut;
        let image = cut.image(variant);
        self.statistics.images += 1;
        // Images before different syncs are rarely equal.
        let name = (cut.syncs, image.len(), crc32fast::hash(&image));
        let found = match self.found.get(&name) {
            Some(found) => found.clone(),
            None => {
                self.statistics.different += 1;
                let found = self.reopen_and_check(image);
                self.found.insert(name, found.clone());
                found
            }
        };
        let after = || format!("cut after {at} steps, {variant:?}, {stored} commits stored, {begun} begun");
        match found {
            Ok(contents) if contents == stored || contents == begun => {
                if stored < begun {
                    self.statistics.in_flight[usize::from(contents == begun)] += 1;
                }
                Ok(())
            }
            Ok(contents) => Err(format!("{}: there are {contents} commits", after())),
            Err(error) => Err(format!("{}: {error}", after())),
        }
    }

    /// Opens an image, checks its contents and uses the store. Returns the index of the contents.
    fn reopen_and_check(&mut self, image: Vec<u8>) -> Result<usize, String> {
        let disk = Disk::with_bytes(image.clone());
        let told = |doing: &str| {
            let doing = doing.to_owned();
            move |error| format!("{doing}: {error}")
        };
        let store = disk.open().map_err(told("opening it"))?;
        let found = Contents::of(&store).map_err(told("reading it"))?;
        let contents = self.contents_after_each_commit.iter().position(|contents| *contents == found);
        let contents = contents.ok_or("what is there is no whole number of commits")?;
        if !self.statistics.different.is_multiple_of(AFTER) {
            return Ok(contents);
        }
        disk.record(Step::Begun);
        block_on(store.commit(&OURS, probe_batch())).map_err(told("committing to it"))?;
        disk.record(Step::Stored);
        drop(store);
        let found = disk.open().and_then(|store| Contents::of(&store)).map_err(told("opening it again"))?;
        if found != self.after[contents] {
            return Err("the commit after it spoils it".to_owned());
        }
        if self.nested && self.statistics.different.is_multiple_of(AGAIN) {
            let contents_after_each_commit =
                [self.contents_after_each_commit[contents].clone(), self.after[contents].clone()];
            let mut sweep = Sweep::new(&contents_after_each_commit, TEARS, self.seed, false);
            sweep.check_all(&image, &disk.steps()).map_err(|error| format!("second power loss: {error}"))?;
            self.statistics.nested[0] += 1;
            self.statistics.nested[1] += sweep.statistics.images;
        }
        Ok(contents)
    }
}

/// Runs `actions` on a disk with these contents. Returns all steps, and the contents after each commit.
fn recorded_run(start: &[u8], actions: &[Action]) -> (Vec<Step>, Vec<Contents>) {
    let first = Disk::with_bytes(start.to_vec()).open().and_then(|store| Contents::of(&store));
    let contents_after_each_commit = contents_after_each_commit(first.expect("an intact file"), actions);
    let disk = Disk::with_bytes(start.to_vec());
    run_actions(&disk, actions);
    let last = disk.open().and_then(|store| Contents::of(&store)).expect("an intact file");
    assert_eq!(contents_after_each_commit.last(), Some(&last), "without any failure");
    (disk.steps(), contents_after_each_commit)
}

/// `FITNESS_POWER_LOSS_SEED=…` selects other sectors.
fn seed() -> u64 {
    let seed = std::env::var("FITNESS_POWER_LOSS_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or(1)
}

fn sweep(name: &str, start: &[u8], actions: &[Action]) -> Statistics {
    let (steps, contents_after_each_commit) = recorded_run(start, actions);
    let seed = seed();
    println!("{name}: {} steps, FITNESS_POWER_LOSS_SEED={seed}", steps.len());
    let mut sweep = Sweep::new(&contents_after_each_commit, TEARS, seed, true);
    if let Err(error) = sweep.check_all(start, &steps) {
        panic!("{name}: {error}; FITNESS_POWER_LOSS_SEED={seed}");
    }
    println!("{name}: {:?}", sweep.statistics);
    sweep.statistics
}

fn growths_and_shrinks(steps: &[Step]) -> [usize; 2] {
    let (mut counts, mut len) = ([0, 0], 0);
    for step in steps {
        if let Step::SetLen(to) = *step {
            counts[usize::from(to < len)] += 1;
            len = to;
        }
    }
    counts
}

#[test]
fn power_loss_keeps_acknowledged_commits() {
    let (steps, _) = recorded_run(&[], &all_actions());
    let [growths, shrinks] = growths_and_shrinks(&steps);
    assert!(growths > 2 && shrinks > 0, "the file grew {growths} times and shrank {shrinks}");
    let statistics = sweep("a life", &[], &all_actions());
    assert!(statistics.in_flight[0] > 500 && statistics.in_flight[1] > 5, "{statistics:?}");
}

/// The creation of the header is interrupted at each of its bytes.
#[test]
fn a_creation_that_is_cut_short_is_no_trouble() {
    let (steps, contents_after_each_commit) = recorded_run(&[], &[]);
    let mut sweep = Sweep::new(&contents_after_each_commit, usize::MAX, seed(), false);
    sweep.check_all(&[], &steps).unwrap_or_else(|error| panic!("{error}"));
    println!("{:?}", sweep.statistics);
    assert!(sweep.statistics.different > 300, "{:?}", sweep.statistics);
}

/// The first commit into a file of format 1 upgrades it.
#[test]
fn power_loss_during_upgrade_keeps_the_file() {
    let statistics = sweep("an upgrade", FORMAT_1, &actions_after_upgrade());
    assert!(statistics.in_flight[0] > 200 && statistics.in_flight[1] > 5, "{statistics:?}");
}

/// A disk that reports a sync that it did not do loses the commits of that time, and nothing else.
#[test]
fn unsynced_commit_is_lost_alone() {
    let (steps, contents_after_each_commit) = recorded_run(&[], &all_actions());
    let mut sweep = Sweep::new(&contents_after_each_commit, TEARS, seed(), false);
    let begun = steps.iter().enumerate().filter(|(_, step)| **step == Step::Begun);
    for (commit, (begun, _)) in begun.enumerate() {
        let length = steps[begun..].iter().take_while(|step| **step != Step::Stored).count();
        // Syncs after the file has grown are real: redb does not survive the loss of those.
        let lie = |at: &usize| steps[*at] == Step::Sync && !matches!(steps[at - 1], Step::SetLen(_));
        let unsynced = (begun..begun + length).filter(|at| !lie(at)).map(|at| &steps[at]);
        let steps: Vec<Step> = steps[..begun].iter().chain(unsynced).cloned().collect();
        each_cut(&[], &steps, |cut| {
            if cut.at == steps.len() {
                for variant in cut.variants(TEARS, seed()) {
                    sweep.check(cut, variant).unwrap_or_else(|error| panic!("commit {commit}: {error}"));
                }
            }
        });
    }
    println!("{:?}", sweep.statistics);
    assert!(sweep.statistics.different > 200, "{:?}", sweep.statistics);
}

/// Checks that these tests detect a store that does not sync, or syncs too late.
#[test]
fn missing_sync_is_detected() {
    let (steps, contents_after_each_commit) = recorded_run(&[], &all_actions());
    let mut never = steps.clone();
    never.retain(|step| *step != Step::Sync);
    let mut too_early = steps;
    for at in 1..too_early.len() {
        if too_early[at] == Step::Stored {
            assert_eq!(too_early[at - 1], Step::Sync, "a sync is the last thing that a commit does");
            too_early.swap(at - 1, at);
        }
    }
    for steps in [never, too_early] {
        let error = Sweep::new(&contents_after_each_commit, TEARS, seed(), false)
            .check_all(&[], &steps)
            .expect_err("it is not durable");
        println!("{error}");
    }
}
