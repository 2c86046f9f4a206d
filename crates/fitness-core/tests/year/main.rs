//! Simulates years of a node with various peers and faults, and compares the reports with those of an oracle
//! that knows everything that happened.
//!
//! To repeat one year, run `FITNESS_YEAR_SEED=0x… cargo test -p fitness-core --test year`.

mod checks;
mod facts;
mod faults;
mod oracle;
mod peers;
mod random;
mod script;
mod service;
mod simulation;
mod store;
mod time;

use fitness_core::{Retention, TrackerConfig};

use crate::checks::Checker;
use crate::faults::Step;
use crate::script::ScriptEvent;
use crate::service::SimulatedService;
use crate::simulation::SimulatedYear;
use crate::time::{DAY, END};

const SEEDS: [u64; 3] = [0x1, 0x2, 0x3];

const MAX_AGE: u64 = 200 * DAY;

/// Returns a retention under which the year includes downsampling and expired peers.
fn retention() -> Retention {
    Retention::default()
        .with_full_detail_ns(20 * DAY)
        .with_full_detail_entries(1_000)
        .with_hourly_ns(60 * DAY)
        .with_max_age_ns(MAX_AGE)
}

fn simulate_year(seed: u64) {
    println!("seed {seed:#x}; to repeat this year, set FITNESS_YEAR_SEED={seed:#x}");
    let year = SimulatedYear::new(seed);
    let mut service = SimulatedService::new(TrackerConfig::default(), retention());
    let mut checker = Checker::new(seed);
    for (now, script_event) in &year.script {
        let now = *now;
        service.run_until(now);
        match script_event {
            ScriptEvent::Step(Step::Start) => service.start(now),
            ScriptEvent::Step(Step::Stop) => service.stop(now),
            ScriptEvent::Step(Step::Crash) => service.crash(now),
            ScriptEvent::Step(Step::Suspend | Step::Stall) => service.halt(now),
            ScriptEvent::Step(Step::Wake) => service.resume(now, true),
            ScriptEvent::Step(Step::EndStall) => service.resume(now, false),
            // The node reports their effects.
            ScriptEvent::Step(Step::Disconnect | Step::Pause { .. } | Step::Resume) => {}
            ScriptEvent::NodeEvent { event, delay } => {
                service.record(now, event, *delay);
                checker.check_next_peer_totals(&service, now);
            }
            ScriptEvent::WallClockOffset(offset) => service.wall_clock_offset = *offset,
            ScriptEvent::StoreFails(fails) => service.store_fails = *fails,
            ScriptEvent::Check => checker.check_all_reports(&service, &year, now, MAX_AGE),
        }
    }
    service.run_until(END);
    checker.check_all_reports(&service, &year, END, MAX_AGE);
    checker.check_windows(&service, END, MAX_AGE);
    println!("seed {seed:#x}: {}", checker.summary());
}

fn simulate_years(seeds: &[u64]) {
    std::thread::scope(|scope| {
        for &seed in seeds {
            scope.spawn(move || simulate_year(seed));
        }
    });
}

#[test]
fn reports_of_a_simulated_year_match_the_oracle() {
    match std::env::var("FITNESS_YEAR_SEED") {
        Ok(seed) => {
            let digits = seed.trim_start_matches("0x");
            simulate_year(u64::from_str_radix(digits, 16).expect("FITNESS_YEAR_SEED is hexadecimal"));
        }
        Err(_) => simulate_years(&SEEDS),
    }
}
