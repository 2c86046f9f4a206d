//! Bytes on the heap a peer and a log entry take, by a counting allocator; beside them the bare map.
//!
//! Prints one line of JSON a figure.
#![allow(missing_docs)]

mod support;

use std::alloc::System;

use fitness_core::{TrackerConfig, UnsavedChanges};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{PEERS, long_log, names, node, raw_map};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes that what `make` returns holds on to.
fn held<T>(make: impl FnOnce() -> T) -> f64 {
    let region = Region::new(ALLOCATOR);
    let kept = make();
    let change = region.change();
    drop(kept);
    #[allow(clippy::cast_precision_loss)]
    let bytes = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    bytes
}

fn print(figure: &str, bytes: f64) {
    println!("{{\"figure\":\"{figure}\",\"bytes\":{bytes:.1}}}");
}

fn main() {
    let names = names(PEERS);
    #[allow(clippy::cast_precision_loss)]
    let peers = PEERS as f64;
    print("raw_peer", held(|| raw_map(&names)) / peers);
    let tracker = || {
        let mut tracker = node(&names, TrackerConfig::default());
        tracker.drain_changes(usize::MAX, &mut UnsavedChanges::default());
        tracker
    };
    print("peer_with_channel", held(tracker) / peers);
    let empty = held(|| long_log(0));
    for (entries, count) in [(64, 64.0), (1_000, 1_000.0), (4_096, 4_096.0), (100_000, 100_000.0)] {
        print(&format!("log_entry_of_{entries}"), (held(|| long_log(entries)) - empty) / count);
    }
}
