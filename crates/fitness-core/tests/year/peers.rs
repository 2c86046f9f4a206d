//! Who is out there, and when each of them truly is up, whatever we see of it.

use crate::dice::Dice;
use crate::time::{DAY, END, HOUR, MINUTE, SECOND, START};

/// Stretches of time, in order, that do not meet.
pub(crate) type Spans = Vec<(u64, u64)>;

/// Peers by number: those with a channel or a watch at some time, then strangers.
pub(crate) const PEERS: usize = 17;
pub(crate) const STRANGERS: std::ops::Range<usize> = 13..PEERS;

/// Its channel closes for two months.
pub(crate) const PRIVATE: usize = 5;
/// Its first channel opens after two months.
pub(crate) const NEWCOMER: usize = 6;
/// It has no channel, and is watched.
pub(crate) const WATCHED: usize = 11;
/// Its channel closes after ten days, for good.
pub(crate) const FORMER: usize = 12;

/// When each peer is up.
pub(crate) fn truths(seed: u64) -> Vec<Spans> {
    let dice = &mut Dice::new(seed, "peers");
    let mut peers = vec![
        // Solid as a rock.
        vec![(START, END)],
        reboots_daily(dice),
        flaps(dice),
        // A phone: fifteen looks at the screen a day.
        alternates(dice, MINUTE / 2..40 * MINUTE, 5 * MINUTE..3 * HOUR),
        // Dead after a month.
        alternates(dice, DAY..20 * DAY, MINUTE..HOUR),
        // Private.
        alternates(dice, 3 * DAY..12 * DAY, MINUTE..2 * HOUR),
        // The newcomer.
        alternates(dice, DAY..9 * DAY, 10 * SECOND..3 * HOUR),
        // Sleeps half of the day, as its owner does.
        alternates(dice, 11 * HOUR..13 * HOUR, 11 * HOUR..13 * HOUR),
        // Three that one hoster hosts.
        alternates(dice, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        alternates(dice, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        alternates(dice, 10 * DAY..60 * DAY, MINUTE..2 * HOUR),
        // Watched.
        alternates(dice, 2 * HOUR..4 * DAY, 20 * SECOND..6 * HOUR),
        // The former one, whose end nobody sees.
        alternates(dice, 5 * HOUR..2 * DAY, MINUTE..3 * HOUR),
        // Strangers.
        alternates(dice, DAY..30 * DAY, MINUTE..HOUR),
        alternates(dice, 6 * HOUR..3 * DAY, MINUTE..HOUR),
        alternates(dice, 10 * MINUTE..DAY, MINUTE..DAY),
        alternates(dice, 2 * DAY..20 * DAY, SECOND..MINUTE),
    ];
    assert_eq!(peers.len(), PEERS, "a temper for each");
    let month = START + 30 * DAY;
    peers[4] = peers[4].iter().filter(|up| up.0 < month).map(|up| (up.0, up.1.min(month))).collect();
    let mut at = START;
    while at < END - 30 * DAY {
        at += dice.within(10 * DAY..30 * DAY);
        for peer in &mut peers[8..=10] {
            let from = at + dice.within(0..5 * SECOND);
            let to = from + dice.within(2 * MINUTE..HOUR);
            *peer = without(peer, from, to);
        }
    }
    peers
}

/// Up and down for as long as the dice say, from a start within either.
fn alternates(dice: &mut Dice, up: std::ops::Range<u64>, down: std::ops::Range<u64>) -> Spans {
    alternates_within(dice, START, END, up, down)
}

fn alternates_within(
    dice: &mut Dice,
    start: u64,
    end: u64,
    up: std::ops::Range<u64>,
    down: std::ops::Range<u64>,
) -> Spans {
    let mut spans = Vec::new();
    let mut at = start;
    if dice.chance(0.3) {
        at += dice.within(down.clone());
    }
    while at < end {
        let from = at;
        at += dice.any_size(up.clone());
        spans.push((from, at.min(end)));
        at += dice.any_size(down.clone());
    }
    spans
}

fn reboots_daily(dice: &mut Dice) -> Spans {
    let mut up = vec![(START, END)];
    for day in 0..365 {
        let from = START + day * DAY + 6 * HOUR + dice.within(0..20 * MINUTE);
        up = without(&up, from, from + dice.within(40 * SECOND..5 * MINUTE));
    }
    up
}

/// By the minute for two weeks, enough for the coarsest limit of the log, and by the hour after that.
fn flaps(dice: &mut Dice) -> Spans {
    let (wild, calmer) = (START + 70 * DAY, START + 84 * DAY);
    let mut up = alternates_within(dice, START, wild, HOUR..4 * DAY, MINUTE..HOUR);
    up.extend(alternates_within(
        dice,
        wild + SECOND,
        calmer,
        10 * SECOND..3 * MINUTE,
        5 * SECOND..2 * MINUTE,
    ));
    up.extend(alternates_within(dice, calmer + SECOND, END, 20 * MINUTE..6 * HOUR, 10 * SECOND..2 * HOUR));
    up
}

/// The same, but down within `[from, to)`.
fn without(spans: &Spans, from: u64, to: u64) -> Spans {
    let parts = |&(start, end): &(u64, u64)| [(start, end.min(from)), (start.max(to), end)];
    spans.iter().flat_map(parts).filter(|(start, end)| start < end).collect()
}

/// Whether it is up at a moment, and when that changes next.
pub(crate) fn is_up(spans: &Spans, at: u64) -> (bool, u64) {
    let next = spans.partition_point(|up| up.1 <= at);
    match spans.get(next) {
        Some(&(from, to)) if from <= at => (true, to),
        Some(&(from, _)) => (false, from),
        None => (false, u64::MAX),
    }
}

/// Since when it has been up; 0 where it is not.
pub(crate) fn up_since(spans: &Spans, at: u64) -> u64 {
    let next = spans.partition_point(|up| up.1 <= at);
    spans.get(next).filter(|up| up.0 <= at).map_or(0, |up| up.0)
}
