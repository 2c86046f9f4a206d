//! A simulated year of a node that has all kinds of peers and troubles, held against an oracle that
//! knows what really happened.
//!
//! `FITNESS_YEAR_SEED=0x… cargo test -p fitness-core --test year` lives through one year again.

mod checks;
mod dice;
mod disk;
mod embedder;
mod facts;
mod faults;
mod oracle;
mod peers;
mod script;
mod time;
mod world;

use fitness_core::{Retention, TrackerConfig};

use crate::checks::Inspector;
use crate::embedder::Embedder;
use crate::faults::Step;
use crate::script::Happening;
use crate::time::{DAY, END};
use crate::world::World;

const SEEDS: [u64; 3] = [0x1, 0x2, 0x3];

/// One that forgets within the year, and keeps little in full.
fn retention() -> Retention {
    Retention::default()
        .with_full_detail_ns(20 * DAY)
        .with_full_detail_entries(1_000)
        .with_hourly_ns(60 * DAY)
        .with_max_age_ns(KEEP)
}

const KEEP: u64 = 200 * DAY;

fn live_through(seed: u64) {
    println!("seed {seed:#x}; FITNESS_YEAR_SEED={seed:#x} lives through it again");
    let world = World::new(seed);
    let mut embedder = Embedder::new(TrackerConfig::default(), retention());
    let mut inspector = Inspector::new(seed);
    for (now, happening) in &world.script {
        let now = *now;
        embedder.run_until(now);
        match happening {
            Happening::Step(Step::Start) => embedder.start(now),
            Happening::Step(Step::Stop) => embedder.stop(now),
            Happening::Step(Step::Crash) => embedder.crash(now),
            Happening::Step(Step::Sleep | Step::Freeze) => embedder.halt(now),
            Happening::Step(Step::Wake) => embedder.go_on(now, true),
            Happening::Step(Step::Thaw) => embedder.go_on(now, false),
            // The node tells what they mean.
            Happening::Step(Step::Disconnect | Step::Pause { .. } | Step::Resume) => {}
            Happening::Told(word, late) => {
                embedder.tell(now, word, *late);
                inspector.glance(&embedder, now);
            }
            Happening::Wall(ahead) => embedder.wall_ahead = *ahead,
            Happening::Disk { is_broken } => embedder.disk_is_broken = *is_broken,
            Happening::Look => inspector.look(&embedder, &world, now, KEEP),
        }
    }
    embedder.run_until(END);
    inspector.look(&embedder, &world, END, KEEP);
    inspector.look_back(&mut embedder, END, KEEP);
    println!("seed {seed:#x}: {}", inspector.summary());
}

fn live_through_all(seeds: &[u64]) {
    std::thread::scope(|scope| {
        for &seed in seeds {
            scope.spawn(move || live_through(seed));
        }
    });
}

#[test]
fn a_year_is_what_it_was() {
    match std::env::var("FITNESS_YEAR_SEED") {
        Ok(seed) => {
            let digits = seed.trim_start_matches("0x");
            live_through(u64::from_str_radix(digits, 16).expect("a seed is a hexadecimal number"));
        }
        Err(_) => live_through_all(&SEEDS),
    }
}
