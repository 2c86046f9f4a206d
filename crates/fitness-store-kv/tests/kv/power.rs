//! Power losses: any of the writes in flight may have taken effect, and lazy removals may be is_undone.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::UnsavedChanges;
use fitness_store::Batch;

use crate::crashes::{NODES, contents_after_each, workload};
use crate::support::{Contents, Event, Memory, Name, commit, contents, peer};

/// The number of commits in each session.
const SESSION: usize = 20;

type Values = BTreeMap<Name, Vec<u8>>;

/// Returns batches for several sessions, with a fold that writes more pages than are written concurrently.
fn all_batches() -> Vec<Batch> {
    let mut batches = workload(3, 80);
    let peers = (0..3_000).map(|number| peer(number, 9)).collect();
    batches[77].changes = UnsavedChanges { peers, ..UnsavedChanges::default() };
    batches
}

/// Commits all batches and records the events.
fn run(memory: &Memory, batches: &[Batch]) {
    for session in batches.chunks(SESSION) {
        let store = memory.open();
        for batch in session {
            memory.state().events.push(Event::Begun);
            commit(&store, batch).expect("a commit without faults");
            memory.state().events.push(Event::Stored);
        }
    }
}

/// The events before a power loss.
#[derive(Default)]
struct History {
    /// The values if removals are is_undone.
    all: Values,
    /// Removed keys.
    removed: BTreeSet<Name>,
    in_flight: BTreeMap<usize, (Name, Option<Vec<u8>>)>,
    begun: usize,
    stored: usize,
}

impl History {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Asked(number, name, value) => {
                self.in_flight.insert(*number, (name.clone(), value.clone()));
            }
            Event::Answered(number) => match self.in_flight.remove(number) {
                Some((name, Some(value))) => {
                    self.removed.remove(&name);
                    self.all.insert(name, value);
                }
                Some((name, None)) => {
                    self.removed.insert(name);
                }
                None => panic!("a completion without a call"),
            },
            Event::Begun => self.begun += 1,
            Event::Stored => self.stored += 1,
        }
    }

    /// Returns the values after a power loss.
    fn left(&self, mut is_written: impl FnMut(usize) -> bool, mut is_undone: impl FnMut() -> bool) -> Values {
        let mut values = self.all.clone();
        values.retain(|name, _| !self.removed.contains(name) || is_undone());
        for (place, (name, value)) in self.in_flight.values().enumerate() {
            match value {
                Some(value) if is_written(place) => drop(values.insert(name.clone(), value.clone())),
                None if is_written(place) => drop(values.remove(name)),
                _ => {}
            }
        }
        values
    }

    /// Returns every possible result of a power loss, or some of them if there are too many.
    fn possible_results(&self, rng: &mut fastrand::Rng) -> Vec<Values> {
        let writes = self.in_flight.len();
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
        let (mut is_written, mut is_undone) = (rng.fork(), rng.fork());
        lefts.push(self.left(|_| is_written.bool(), || true));
        lefts.push(self.left(|_| is_written.bool(), || is_undone.bool()));
        lefts
    }
}

/// Returns the number of journal and manifest keys of sessions before the last one.
fn garbage(values: &Values) -> usize {
    let session = |name: &Name| name.2.splitn(4, '-').skip(1).take(2).collect::<Vec<_>>().join("-");
    let keys = || values.keys().filter(|name| name.2.starts_with(['m', 'j']));
    let last = keys().map(session).max();
    keys().filter(|name| Some(session(name)) != last).count()
}

#[test]
fn power_loss_keeps_acknowledged_batches() {
    let batches = all_batches();
    let expected = contents_after_each(&batches);
    let memory = Memory::default();
    run(&memory, &batches);
    let events = memory.state().events.clone();
    let seed = std::env::var("FITNESS_POWER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("FITNESS_POWER_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);

    let mut past = History::default();
    let (mut images, mut is_undone, mut most, mut in_flight, mut went_on) = (0, 0, 0, [0, 0], 0);
    for (at, event) in events.iter().enumerate() {
        past.apply(event);
        most = most.max(past.in_flight.len());
        for values in past.possible_results(&mut rng) {
            images += 1;
            is_undone += usize::from(past.removed.iter().any(|name| values.contains_key(name)));
            let left = Memory::with_values(values);
            let what = || format!("cut after event {at}, FITNESS_POWER_SEED={seed}");
            let found = contents(&left.open(), NODES).unwrap_or_else(|error| panic!("{}: {error}", what()));
            let (before, after) = (&expected[past.stored], &expected[past.begun]);
            assert!(found == *before || found == *after, "{}: there is something else", what());
            if past.stored < past.begun {
                in_flight[usize::from(found == *after)] += 1;
            }
            if images % 5 == 0 {
                check_next_session(&left, &found, &what());
                went_on += 1;
            }
        }
    }
    println!(
        "{} events, {images} images, {is_undone} with removals is_undone, up to {most} writes under way, \
         {in_flight:?} with a commit under way, {went_on} written to",
        events.len()
    );
    assert!(most == 16 && is_undone > 100 && in_flight[0] > 100 && in_flight[1] > 100);
}

/// Checks that the next session continues from these values and removes those of earlier sessions.
fn check_next_session(left: &Memory, found: &Contents, what: &str) {
    let store = left.open();
    let newcomer = peer(9_999_999, 5);
    let changes = UnsavedChanges { peers: vec![newcomer.clone()], ..UnsavedChanges::default() };
    commit(&store, &Batch { changes, ..Batch::default() }).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(store);
    let mut expected = found.clone();
    expected.peers.push(newcomer);
    expected.peers.sort_by_key(|peer| peer.node_id);
    let again =
        contents(&left.copy_without_faults().open(), NODES).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again, expected, "{what}");
    assert_eq!(garbage(&left.state().values), 0, "{what}");
}
