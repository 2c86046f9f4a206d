//! How much a store holds after a year of flaps, if what the tracker no longer holds itself is
//! thinned once a day, and if nothing is.
//!
//! Prints one line of JSON a peer; another number of years may be asked for:
//! `cargo run --release --package fitness-core --example year_of_flaps -- 1`.
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

/// What the store's format takes for an entry, and for a segment besides: format, place, count and
/// checksum.
const ENTRY_BYTES: usize = 24;
const SEGMENT_BYTES: usize = 7;

/// The segments that a store holds of one peer, by their index.
#[derive(Default)]
struct Disk(BTreeMap<u32, LogSegment>);

impl Disk {
    fn write(&mut self, segments: Vec<LogSegment>) {
        self.0.extend(segments.into_iter().map(|segment| (segment.index(), segment)));
    }

    /// Thins what the tracker, which holds the entries from number `held` on, will not write again.
    fn thin(&mut self, held: u32, now_ns: u64) {
        let newer = self.0.split_off(&(held / SEGMENT_ENTRIES));
        let older = self.entries();
        self.0.clear();
        self.write(LogSegment::pack(PEER, &downsample(&older, START_NS, now_ns, &Retention::default())));
        self.0.extend(newer);
    }

    fn entries(&self) -> Vec<LogEntry> {
        self.0.values().flat_map(|segment| &segment.entries).copied().collect()
    }

    fn bytes(&self) -> usize {
        self.entries().len() * ENTRY_BYTES + self.0.len() * SEGMENT_BYTES
    }
}

/// Years of a peer that pauses between its flaps for what `pause_ns` makes of their count.
fn print(figure: &str, years: u64, pause_ns: impl Fn(u32) -> u64) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([9; 16]));
    let (mut thinned, mut whole) = (Disk::default(), Disk::default());
    let (mut now_ns, mut flaps, mut count) = (START_NS, 0_u64, 0);
    let mut next_day_ns = START_NS + DAY_NS;
    tracker.apply(Timestamp::from_nanos(now_ns), &Event::Watch { node_id: PEER });
    while now_ns < START_NS + years * 365 * DAY_NS {
        now_ns += pause_ns(count);
        let event = match flaps % 2 {
            0 => Event::PeerOnline { node_id: PEER },
            _ => Event::PeerOffline { node_id: PEER },
        };
        flaps += 1;
        tracker.apply_with(Timestamp::from_nanos(now_ns), &event, |change| {
            if let Change::Presence { flap_count, .. } = change {
                count = flap_count;
            }
        });
        if now_ns >= next_day_ns {
            next_day_ns += DAY_NS;
            let mut changes = UnsavedChanges::default();
            while tracker.drain_changes(usize::MAX, &mut changes) {}
            whole.write(changes.segments.clone());
            thinned.write(changes.segments);
            thinned.thin(tracker.event_log(&PEER).map_or(0, |log| log.first_number()), now_ns);
        }
    }
    println!(
        "{{\"figure\":\"{figure}\",\"flaps\":{flaps},\"entries\":{},\"bytes\":{},\"unthinned_entries\":{},\"unthinned_bytes\":{}}}",
        thinned.entries().len(),
        thinned.bytes(),
        whole.entries().len(),
        whole.bytes(),
    );
}

fn main() {
    let years = std::env::args().nth(1).and_then(|years| years.parse().ok()).unwrap_or(1);
    print("every_second", years, |_| SECOND_NS);
    print("every_minute", years, |_| 60 * SECOND_NS);
    // As soon as the log takes another entry.
    print("at_the_rate_limit", years, |count| log_rate_limit_ns(count + 1) + 1);
    // The same, but with a night's rest whenever the limit is more than a minute.
    print("at_the_rate_limit_with_rests", years, |count| match log_rate_limit_ns(count + 1) {
        limit_ns if limit_ns > 60 * SECOND_NS => 8 * 3600 * SECOND_NS,
        limit_ns => limit_ns + 1,
    });
}
