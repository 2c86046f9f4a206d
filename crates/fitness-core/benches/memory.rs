//! Measures the heap bytes of a peer and of a log entry with a counting allocator, and those of a peer in a
//! plain hash map for comparison.
//!
//! Prints one line of JSON per figure.
#![allow(missing_docs)]

mod support;

use std::alloc::System;

use fitness_core::{TrackerConfig, UnsavedChanges};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Ids, PEERS, raw_map, tracker_with_log, tracker_with_peers};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the number of bytes that the value of `create` occupies on the heap.
fn heap_bytes<T>(create: impl FnOnce() -> T) -> f64 {
    let region = Region::new(ALLOCATOR);
    let value = create();
    let change = region.change();
    drop(value);
    #[allow(clippy::cast_precision_loss)]
    let bytes = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    bytes
}

fn print(figure: &str, bytes: f64) {
    println!("{{\"figure\":\"{figure}\",\"bytes\":{bytes:.1}}}");
}

fn main() {
    let ids = Ids::new(PEERS);
    #[allow(clippy::cast_precision_loss)]
    let peers = PEERS as f64;
    print("raw_peer", heap_bytes(|| raw_map(&ids)) / peers);
    let tracker = || {
        let mut tracker = tracker_with_peers(&ids, TrackerConfig::default());
        tracker.drain_changes(usize::MAX, &mut UnsavedChanges::default());
        tracker
    };
    print("peer_with_channel", heap_bytes(tracker) / peers);
    let empty = heap_bytes(|| tracker_with_log(0));
    for (entries, count) in [(64, 64.0), (1_000, 1_000.0), (4_096, 4_096.0), (100_000, 100_000.0)] {
        let bytes = heap_bytes(|| tracker_with_log(entries)) - empty;
        print(&format!("log_entry_of_{entries}"), bytes / count);
    }
}
