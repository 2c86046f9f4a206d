//! The simulated peers, and the intervals in which each of them is up, whether or not the node can see it.

use std::ops::Range;

use crate::random::Random;
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

/// Intervals of time, in order and separate from each other.
pub(crate) type Intervals = Vec<(u64, u64)>;

/// The number of peers. First come those that are tracked at some time, then strangers.
pub(crate) const PEERS: usize = 17;
pub(crate) const STRANGERS: Range<usize> = 13..PEERS;

/// The peer that has no channel for two months.
pub(crate) const PRIVATE: usize = 5;
/// The peer whose first channel opens after two months.
pub(crate) const NEWCOMER: usize = 6;
/// The peer that is watched and has no channel.
pub(crate) const WATCHED: usize = 11;
/// The peer whose only channel closes after ten days.
pub(crate) const FORMER: usize = 12;

/// Returns the intervals in which each peer is up.
pub(crate) fn peer_uptimes(seed: u64) -> Vec<Intervals> {
    let random = &mut Random::new(seed, "peers");
    let mut peers = vec![
        // Always up.
        vec![(START, END)],
        reboots_daily(random),
        flaps(random),
        // A phone that is used fifteen times a day.
        alternates(random, MINUTE / 2..40 * MINUTE, 5 * MINUTE..3 * HOUR),
        // Down for good after a month, see below.
        alternates(random, DAY..20 * DAY, MINUTE..HOUR),
        // `PRIVATE`.
        alternates(random, 3 * DAY..12 * DAY, MINUTE..2 * HOUR),
        // `NEWCOMER`.
        alternates(random, DAY..9 * DAY, 10 * SECOND..3 * HOUR),
        // A computer that is switched off for half of each day.
        alternates(random, 11 * HOUR..13 * HOUR, 11 * HOUR..13 * HOUR),
        // Three peers at the same hosting provider, with common outages, see below.
        alternates(random, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        alternates(random, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        alternates(random, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        // `WATCHED`.
        alternates(random, 2 * HOUR..4 * DAY, 20 * SECOND..6 * HOUR),
        // `FORMER`.
        alternates(random, 5 * HOUR..2 * DAY, MINUTE..3 * HOUR),
        // Strangers.
        alternates(random, DAY..30 * DAY, MINUTE..HOUR),
        alternates(random, 6 * HOUR..3 * DAY, MINUTE..HOUR),
        alternates(random, 10 * MINUTE..DAY, MINUTE..DAY),
        alternates(random, 2 * DAY..20 * DAY, SECOND..MINUTE),
    ];
    assert_eq!(peers.len(), PEERS);
    let month = START + 30 * DAY;
    peers[4] = peers[4].iter().filter(|up| up.0 < month).map(|up| (up.0, up.1.min(month))).collect();
    let mut at = START;
    while at < END - 30 * DAY {
        at += random.uniform(10 * DAY..30 * DAY);
        for peer in &mut peers[8..=10] {
            let from = at + random.uniform(0..5 * SECOND);
            let to = from + random.uniform(2 * MINUTE..HOUR);
            *peer = without(peer, from, to);
        }
    }
    peers
}

/// Returns the intervals of a peer that is up and down for random durations.
fn alternates(random: &mut Random, up: Range<u64>, down: Range<u64>) -> Intervals {
    alternates_within(random, START, END, up, down)
}

fn alternates_within(
    random: &mut Random,
    start: u64,
    end: u64,
    up: Range<u64>,
    down: Range<u64>,
) -> Intervals {
    let mut intervals = Vec::new();
    let mut at = start;
    if random.chance(0.3) {
        at += random.uniform(down.clone());
    }
    while at < end {
        let from = at;
        at += random.log_uniform(up.clone());
        intervals.push((from, at.min(end)));
        at += random.log_uniform(down.clone());
    }
    intervals
}

fn reboots_daily(random: &mut Random) -> Intervals {
    let mut up = vec![(START, END)];
    for day in 0..365 {
        let from = START + day * DAY + 6 * HOUR + random.uniform(0..20 * MINUTE);
        up = without(&up, from, from + random.uniform(40 * SECOND..5 * MINUTE));
    }
    up
}

/// Returns the intervals of a peer that flaps every minute or so for two weeks, enough to reach the lowest
/// rate limit of the log, and then every few hours.
fn flaps(random: &mut Random) -> Intervals {
    let (fast, slow) = (START + 70 * DAY, START + 84 * DAY);
    let mut up = alternates_within(random, START, fast, HOUR..4 * DAY, MINUTE..HOUR);
    up.extend(alternates_within(
        random,
        fast + SECOND,
        slow,
        10 * SECOND..3 * MINUTE,
        5 * SECOND..2 * MINUTE,
    ));
    up.extend(alternates_within(random, slow + SECOND, END, 20 * MINUTE..6 * HOUR, 10 * SECOND..2 * HOUR));
    up
}

/// Removes `[from, to)` from the intervals.
fn without(intervals: &Intervals, from: u64, to: u64) -> Intervals {
    let parts = |&(start, end): &(u64, u64)| [(start, end.min(from)), (start.max(to), end)];
    intervals.iter().flat_map(parts).filter(|(start, end)| start < end).collect()
}

/// Returns whether a peer is up at a moment, and when that changes next.
pub(crate) fn is_up(uptimes: &Intervals, at: u64) -> (bool, u64) {
    let next = uptimes.partition_point(|up| up.1 <= at);
    match uptimes.get(next) {
        Some(&(from, to)) if from <= at => (true, to),
        Some(&(from, _)) => (false, from),
        None => (false, u64::MAX),
    }
}

/// Returns the time since which a peer has been up, or 0 if it is down.
pub(crate) fn up_since(uptimes: &Intervals, at: u64) -> u64 {
    let next = uptimes.partition_point(|up| up.1 <= at);
    uptimes.get(next).filter(|up| up.0 <= at).map_or(0, |up| up.0)
}
