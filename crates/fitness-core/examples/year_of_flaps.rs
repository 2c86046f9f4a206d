//! Prints the size of a flapping peer's log in a store after a year, with daily downsampling and without
//! downsampling, as one line of JSON per flapping pattern.
//!
//! The argument is the number of years, 1 by default:
//! `cargo run --release --package fitness-core --example year_of_flaps -- 2`.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use fitness_core::{
    Change, Event, HashSeed, LogEntry, LogSegment, NodeId, Retention, SEGMENT_ENTRIES, Timestamp, Tracker,
    TrackerConfig, UnsavedChanges, downsample, log_rate_limit_ns,
};

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;
const START_NS: u64 = 1_700_000_000 * SECOND_NS;
const PEER: NodeId = NodeId([2; 33]);

/// The encoded size of a log entry.
const ENTRY_BYTES: usize = 24;
/// The encoded size of a segment without its entries: format version, number, count and checksum.
const SEGMENT_BYTES: usize = 7;

/// The stored log segments of one peer, by their index.
#[derive(Default)]
struct StoredSegments(BTreeMap<u32, LogSegment>);

impl StoredSegments {
    fn write(&mut self, segments: Vec<LogSegment>) {
        self.0.extend(segments.into_iter().map(|segment| (segment.index(), segment)));
    }

    /// Downsamples the segments that the tracker will not write again. `first_number` is the number of the first
    /// entry that the tracker holds.
    fn downsample(&mut self, first_number: u32, now_ns: u64) {
        let not_final = self.0.split_off(&(first_number / SEGMENT_ENTRIES));
        let entries = self.entries();
        self.0.clear();
        self.write(LogSegment::pack(PEER, &downsample(&entries, START_NS, now_ns, &Retention::default())));
        self.0.extend(not_final);
    }

    fn entries(&self) -> Vec<LogEntry> {
        self.0.values().flat_map(|segment| &segment.entries).copied().collect()
    }

    fn bytes(&self) -> usize {
        self.entries().len() * ENTRY_BYTES + self.0.len() * SEGMENT_BYTES
    }
}

/// Simulates a flapping peer and prints the size of its log. `pause_ns` returns the time until the next flap for a
/// flap count.
fn simulate(figure: &str, years: u64, pause_ns: impl Fn(u32) -> u64) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([9; 16]));
    let (mut downsampled, mut original) = (StoredSegments::default(), StoredSegments::default());
    let (mut now_ns, mut flaps, mut flap_count) = (START_NS, 0_u64, 0);
    let mut next_day_ns = START_NS + DAY_NS;
    tracker.apply(Timestamp::from_nanos(now_ns), &Event::Watch { node_id: PEER });
    while now_ns < START_NS + years * 365 * DAY_NS {
        now_ns += pause_ns(flap_count);
        let event = match flaps % 2 {
            0 => Event::PeerOnline { node_id: PEER },
            _ => Event::PeerOffline { node_id: PEER },
        };
        flaps += 1;
        tracker.apply_with(Timestamp::from_nanos(now_ns), &event, |change| {
            if let Change::Presence { flap_count: count, .. } = change {
                flap_count = count;
            }
        });
        if now_ns >= next_day_ns {
            next_day_ns += DAY_NS;
            let mut changes = UnsavedChanges::default();
            while tracker.drain_changes(usize::MAX, &mut changes) {}
            original.write(changes.segments.clone());
            downsampled.write(changes.segments);
            downsampled.downsample(tracker.event_log(&PEER).map_or(0, |log| log.first_number()), now_ns);
        }
    }
    println!(
        "{{\"figure\":\"{figure}\",\"flaps\":{flaps},\"entries\":{},\"bytes\":{},\"original_entries\":{},\"original_bytes\":{}}}",
        downsampled.entries().len(),
        downsampled.bytes(),
        original.entries().len(),
        original.bytes(),
    );
}

fn main() {
    let years = std::env::args().nth(1).and_then(|years| years.parse().ok()).unwrap_or(1);
    simulate("every_second", years, |_| SECOND_NS);
    simulate("every_minute", years, |_| 60 * SECOND_NS);
    // As often as the rate limit of the log allows.
    simulate("at_the_rate_limit", years, |count| log_rate_limit_ns(count + 1) + 1);
    // The same, but with a pause of 8 hours when the limit exceeds one minute.
    simulate("at_the_rate_limit_with_rests", years, |count| match log_rate_limit_ns(count + 1) {
        limit_ns if limit_ns > 60 * SECOND_NS => 8 * 3600 * SECOND_NS,
        limit_ns => limit_ns + 1,
    });
}
