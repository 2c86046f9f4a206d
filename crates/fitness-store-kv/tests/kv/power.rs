//! The power is cut, not the process: of the writes that are under way any have landed, and lazy
//! removals that were answered long ago may be undone.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::UnsavedChanges;
use fitness_store::Batch;

use crate::crashes::{NODES, sights, workload};
use crate::support::{Event, Memory, Name, Sight, commit, peer, sight};

/// Sessions of so many commits each.
const SESSION: usize = 20;

type Values = BTreeMap<Name, Vec<u8>>;

/// Several sessions' worth of everything, with a fold that writes more pages than are written at once.
fn life() -> Vec<Batch> {
    let mut batches = workload(3, 80);
    let peers = (0..3_000).map(|number| peer(number, 9)).collect();
    batches[77].changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    batches
}

/// Commits all of them, and notes down when.
fn live(memory: &Memory, batches: &[Batch]) {
    for session in batches.chunks(SESSION) {
        let store = memory.open();
        for batch in session {
            memory.shelves().events.push(Event::Begun);
            commit(&store, batch).expect("nothing fails");
            memory.shelves().events.push(Event::Stored);
        }
    }
}

/// What has happened before a cut.
#[derive(Default)]
struct Past {
    /// As if removals were undone.
    all: Values,
    /// Removed, unless that is undone.
    removed: BTreeSet<Name>,
    under_way: BTreeMap<usize, (Name, Option<Vec<u8>>)>,
    begun: usize,
    stored: usize,
}

impl Past {
    fn happens(&mut self, event: &Event) {
        match event {
            Event::Asked(number, name, value) => {
                self.under_way.insert(*number, (name.clone(), value.clone()));
            }
            Event::Answered(number) => match self.under_way.remove(number) {
                Some((name, Some(value))) => {
                    self.removed.remove(&name);
                    self.all.insert(name, value);
                }
                Some((name, None)) => {
                    self.removed.insert(name);
                }
                None => panic!("an answer to nothing"),
            },
            Event::Begun => self.begun += 1,
            Event::Stored => self.stored += 1,
        }
    }

    /// What is there after a cut.
    fn left(&self, mut landed: impl FnMut(usize) -> bool, mut undone: impl FnMut() -> bool) -> Values {
        let mut values = self.all.clone();
        values.retain(|name, _| !self.removed.contains(name) || undone());
        for (place, (name, value)) in self.under_way.values().enumerate() {
            match value {
                Some(value) if landed(place) => drop(values.insert(name.clone(), value.clone())),
                None if landed(place) => drop(values.remove(name)),
                _ => {}
            }
        }
        values
    }

    /// Everything that may be there after a cut; where that is too much, some of it.
    fn each_left(&self, rng: &mut fastrand::Rng) -> Vec<Values> {
        let writes = self.under_way.len();
        let mut lefts = Vec::new();
        if writes <= 3 {
            lefts.extend((0..1_u32 << writes).map(|set| self.left(|place| set >> place & 1 == 1, || false)));
        } else {
            let (one, mut chance) = (rng.usize(0..writes), rng.fork());
            lefts.extend([self.left(|_| false, || false), self.left(|_| true, || false)]);
            lefts.push(self.left(|place| place == one, || false));
            lefts.push(self.left(|place| place != one, || false));
            lefts.push(self.left(|_| chance.bool(), || false));
        }
        let (mut landed, mut undone) = (rng.fork(), rng.fork());
        lefts.push(self.left(|_| landed.bool(), || true));
        lefts.push(self.left(|_| landed.bool(), || undone.bool()));
        lefts
    }
}

/// Keys of a journal or a manifest that belong to a session before the last one.
fn litter(values: &Values) -> usize {
    let session = |name: &Name| name.2.splitn(4, '-').skip(1).take(2).collect::<Vec<_>>().join("-");
    let keys = || values.keys().filter(|name| name.2.starts_with(['m', 'j']));
    let last = keys().map(session).max();
    keys().filter(|name| Some(session(name)) != last).count()
}

#[test]
fn no_power_loss_loses_a_batch() {
    let batches = life();
    let expected = sights(&batches);
    let memory = Memory::default();
    live(&memory, &batches);
    let events = memory.shelves().events.clone();
    let seed = std::env::var("FITNESS_POWER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("FITNESS_POWER_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);

    let mut past = Past::default();
    let (mut images, mut undone, mut most, mut under_way, mut went_on) = (0, 0, 0, [0, 0], 0);
    for (at, event) in events.iter().enumerate() {
        past.happens(event);
        most = most.max(past.under_way.len());
        for values in past.each_left(&mut rng) {
            images += 1;
            undone += usize::from(past.removed.iter().any(|name| values.contains_key(name)));
            let left = Memory::holding(values);
            let what = || format!("cut after event {at}, FITNESS_POWER_SEED={seed}");
            let seen = sight(&left.open(), NODES).unwrap_or_else(|error| panic!("{}: {error}", what()));
            let (before, after) = (&expected[past.stored], &expected[past.begun]);
            assert!(seen == *before || seen == *after, "{}: there is something else", what());
            if past.stored < past.begun {
                under_way[usize::from(seen == *after)] += 1;
            }
            if images % 5 == 0 {
                go_on(&left, &seen, &what());
                went_on += 1;
            }
        }
    }
    println!(
        "{} events, {images} images, {undone} with removals undone, up to {most} writes under way, \
         {under_way:?} with a commit under way, {went_on} written to",
        events.len()
    );
    assert!(most == 16 && undone > 100 && under_way[0] > 100 && under_way[1] > 100);
}

/// The next session takes over what is there, and leaves nothing of the earlier ones.
fn go_on(left: &Memory, seen: &Sight, what: &str) {
    let store = left.open();
    let newcomer = peer(9_999_999, 5);
    let changes = UnsavedChanges { peers: vec![newcomer.clone()], ..UnsavedChanges::default() };
    commit(&store, &Batch { changes, ..Batch::default() }).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(store);
    let mut expected = seen.clone();
    expected.peers.push(newcomer);
    expected.peers.sort_by_key(|peer| peer.node_id);
    let again = sight(&left.survivor().open(), NODES).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again, expected, "{what}");
    assert_eq!(litter(&left.shelves().values), 0, "{what}");
}
