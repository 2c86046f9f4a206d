//! The power is cut at every single write and sync of a life. What was acknowledged is there then,
//! and the commit that was under way is there wholly or not at all.

use std::collections::HashMap;

use fitness_store::Store;
use fitness_store::conformance::block_on;

use crate::cuts::{Cut, Variant, each_cut};
use crate::disk::{Disk, Step};
use crate::workload::{Act, OURS, World, aftermath, life, life_after_an_upgrade, live, worlds};

/// A file that an earlier release wrote.
const FORMAT_1: &[u8] = include_bytes!("../fixtures/format-1.redb");

/// At how many places a write is torn.
const TEARS: usize = 3;

/// Every so many different disks are not only looked at, but written to.
const AFTER: usize = 4;

/// Every so many different disks, the power is cut once more while the store is opened again.
const AGAIN: usize = 320;

/// What was tried.
#[derive(Debug, Default)]
struct Tally {
    cuts: usize,
    images: usize,
    different: usize,
    /// Of the images with a commit under way: where it had not landed, and where it had.
    under_way: [usize; 2],
    /// Disks on which the power was cut again, and how many images that made.
    again: [usize; 2],
}

/// One sweep over the cuts of a life.
struct Sweep<'a> {
    worlds: &'a [World],
    /// What is there after [`aftermath`], by the world before it.
    after: Vec<World>,
    tears: usize,
    seed: u64,
    /// Which of the worlds was found on the disks so far.
    found: HashMap<(usize, usize, u32), Result<usize, String>>,
    /// Whether the power is cut again on some of the disks.
    again: bool,
    tally: Tally,
}

impl<'a> Sweep<'a> {
    fn new(worlds: &'a [World], tears: usize, seed: u64, again: bool) -> Self {
        let after = worlds.iter().map(|world| world.after(&OURS, &aftermath())).collect();
        Self { worlds, after, tears, seed, found: HashMap::new(), again, tally: Tally::default() }
    }

    /// Cuts the power everywhere, and returns what was wrong first.
    fn run(&mut self, start: &[u8], steps: &[Step]) -> Result<(), String> {
        let mut wrong = None;
        each_cut(start, steps, |cut| {
            self.tally.cuts += 1;
            if wrong.is_none() {
                let variants = cut.variants(self.tears, self.seed);
                wrong = variants.into_iter().find_map(|variant| self.look_at(cut, variant).err());
            }
        });
        wrong.map_or(Ok(()), Err)
    }

    fn look_at(&mut self, cut: &Cut<'_>, variant: Variant) -> Result<(), String> {
        let Cut { at, stored, begun, .. } = *cut;
        let image = cut.image(variant);
        self.tally.images += 1;
        // Images of different syncs are hardly ever alike.
        let name = (cut.syncs, image.len(), crc32fast::hash(&image));
        let found = match self.found.get(&name) {
            Some(found) => found.clone(),
            None => {
                self.tally.different += 1;
                let found = self.survive(image);
                self.found.insert(name, found.clone());
                found
            }
        };
        let after = || format!("cut after {at} steps, {variant:?}, {stored} commits stored, {begun} begun");
        match found {
            Ok(world) if world == stored || world == begun => {
                if stored < begun {
                    self.tally.under_way[usize::from(world == begun)] += 1;
                }
                Ok(())
            }
            Ok(world) => Err(format!("{}: there are {world} commits", after())),
            Err(wrong) => Err(format!("{}: {wrong}", after())),
        }
    }

    /// Opens what is left on a disk, looks at it, and lives on: which of the worlds it is.
    fn survive(&mut self, image: Vec<u8>) -> Result<usize, String> {
        let disk = Disk::holding(image.clone());
        let told = |doing: &str| {
            let doing = doing.to_owned();
            move |error| format!("{doing}: {error}")
        };
        let store = disk.open().map_err(told("opening it"))?;
        let seen = World::of(&store).map_err(told("reading it"))?;
        let world = self.worlds.iter().position(|world| *world == seen);
        let world = world.ok_or("what is there is no whole number of commits")?;
        if !self.tally.different.is_multiple_of(AFTER) {
            return Ok(world);
        }
        disk.note(Step::Begun);
        block_on(store.commit(&OURS, aftermath())).map_err(told("committing to it"))?;
        disk.note(Step::Stored);
        drop(store);
        let seen = disk.open().and_then(|store| World::of(&store)).map_err(told("opening it again"))?;
        if seen != self.after[world] {
            return Err("the commit after it spoils it".to_owned());
        }
        if self.again && self.tally.different.is_multiple_of(AGAIN) {
            let worlds = [self.worlds[world].clone(), self.after[world].clone()];
            let mut sweep = Sweep::new(&worlds, TEARS, self.seed, false);
            sweep.run(&image, &disk.steps()).map_err(|wrong| format!("and again, {wrong}"))?;
            self.tally.again[0] += 1;
            self.tally.again[1] += sweep.tally.images;
        }
        Ok(world)
    }
}

/// Lives through `acts` on a disk that holds `start`: all that happened, and the worlds.
fn lived(start: &[u8], acts: &[Act]) -> (Vec<Step>, Vec<World>) {
    let first = Disk::holding(start.to_vec()).open().and_then(|store| World::of(&store));
    let worlds = worlds(first.expect("it is sound"), acts);
    let disk = Disk::holding(start.to_vec());
    live(&disk, acts);
    let last = disk.open().and_then(|store| World::of(&store)).expect("it is sound");
    assert_eq!(worlds.last(), Some(&last), "without any trouble");
    (disk.steps(), worlds)
}

/// `FITNESS_POWER_SEED=…` tries other sectors.
fn seed() -> u64 {
    let seed = std::env::var("FITNESS_POWER_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or(1)
}

fn sweep(name: &str, start: &[u8], acts: &[Act]) -> Tally {
    let (steps, worlds) = lived(start, acts);
    let seed = seed();
    println!("{name}: {} steps, FITNESS_POWER_SEED={seed}", steps.len());
    let mut sweep = Sweep::new(&worlds, TEARS, seed, true);
    if let Err(wrong) = sweep.run(start, &steps) {
        panic!("{name}: {wrong}; FITNESS_POWER_SEED={seed}");
    }
    println!("{name}: {:?}", sweep.tally);
    sweep.tally
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
fn no_power_loss_loses_a_commit() {
    let (steps, _) = lived(&[], &life());
    let [growths, shrinks] = growths_and_shrinks(&steps);
    assert!(growths > 2 && shrinks > 0, "the file grew {growths} times and shrank {shrinks}");
    let tally = sweep("a life", &[], &life());
    assert!(tally.under_way[0] > 500 && tally.under_way[1] > 5, "{tally:?}");
}

/// Down to each byte of the header, of which there was none before.
#[test]
fn a_creation_that_is_cut_short_is_no_trouble() {
    let (steps, worlds) = lived(&[], &[]);
    let mut sweep = Sweep::new(&worlds, usize::MAX, seed(), false);
    sweep.run(&[], &steps).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{:?}", sweep.tally);
    assert!(sweep.tally.different > 300, "{:?}", sweep.tally);
}

/// The first commit into a file of format 1 makes it one of format 2.
#[test]
fn no_power_loss_spoils_a_file_of_format_1() {
    let tally = sweep("an upgrade", FORMAT_1, &life_after_an_upgrade());
    assert!(tally.under_way[0] > 200 && tally.under_way[1] > 5, "{tally:?}");
}

/// A disk may say that it synced, and not have done so. That costs the commits of which it said so,
/// and nothing else.
#[test]
fn a_disk_that_lies_about_a_commit_loses_that_one_alone() {
    let (steps, worlds) = lived(&[], &life());
    let mut sweep = Sweep::new(&worlds, TEARS, seed(), false);
    let begun = steps.iter().enumerate().filter(|(_, step)| **step == Step::Begun);
    for (commit, (begun, _)) in begun.enumerate() {
        let length = steps[begun..].iter().take_while(|step| **step != Step::Stored).count();
        // That the file grew is no lie: redb does not survive that one.
        let lie = |at: &usize| steps[*at] == Step::Sync && !matches!(steps[at - 1], Step::SetLen(_));
        let unsynced = (begun..begun + length).filter(|at| !lie(at)).map(|at| &steps[at]);
        let steps: Vec<Step> = steps[..begun].iter().chain(unsynced).cloned().collect();
        each_cut(&[], &steps, |cut| {
            if cut.at == steps.len() {
                for variant in cut.variants(TEARS, seed()) {
                    sweep.look_at(cut, variant).unwrap_or_else(|wrong| panic!("commit {commit}: {wrong}"));
                }
            }
        });
    }
    println!("{:?}", sweep.tally);
    assert!(sweep.tally.different > 200, "{:?}", sweep.tally);
}

/// What these tests would say of a store that does not sync, or not in time.
#[test]
fn a_commit_that_is_not_synced_is_found_out() {
    let (steps, worlds) = lived(&[], &life());
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
        let wrong =
            Sweep::new(&worlds, TEARS, seed(), false).run(&[], &steps).expect_err("it is not durable");
        println!("{wrong}");
    }
}
