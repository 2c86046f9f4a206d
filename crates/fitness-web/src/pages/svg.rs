//! Strips and bars, drawn on the server. A mark is told by its height and place as well as by its colour:
//! the taller the better, a stub on the ground for offline, a dash in mid-air where we could not tell.
//!
//! Nothing in them needs a style or a script of its own.

use std::fmt::Write as _;

use fitness_core::{GapCause, PeerHistory, Presence, PresenceInterval, Timestamp};
use maud::{Markup, html};

use super::text;
use crate::summary::{Mark, Strip};

/// The height of a strip, in units of its picture.
const HEIGHT: u32 = 24;

/// How wide a part of a strip is, and what of that is blank.
const PART: usize = 4;
const BLANK: usize = 1;

/// What can be seen of a mark: its kind, its top and its height.
fn shape(mark: Mark) -> Option<(Kind, u32, u32)> {
    match mark {
        Mark::Nothing => None,
        Mark::Online => Some((Kind::Up, 0, HEIGHT)),
        // Always shorter than what was online throughout, and taller than what never was.
        Mark::Partly(permille) => {
            let height = 7 + 11 * u32::from(permille) / 1_000;
            Some((Kind::Partly, HEIGHT - height, height))
        }
        Mark::Offline => Some((Kind::Down, HEIGHT - 5, 5)),
        Mark::Unobserved => Some((Kind::Unknown, HEIGHT / 2 - 1, 3)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Up,
    Partly,
    /// The ground, where a mark is to be seen on another.
    Cut,
    Down,
    Unknown,
}

impl Kind {
    /// All of them, those that are drawn over others last.
    const ALL: [Self; 5] = [Self::Up, Self::Partly, Self::Cut, Self::Down, Self::Unknown];

    const fn class(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Partly => "partly",
            Self::Cut => "cut",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// Rectangles of one kind make one path: a strip of ninety marks is then a few hundred bytes.
#[derive(Default)]
struct Paths([String; 5]);

impl Paths {
    fn add(&mut self, kind: Kind, x: usize, width: usize, y: u32, height: u32) {
        let Some(path) = self.0.get_mut(kind as usize) else { return };
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
    }

    fn draw(&self) -> Markup {
        html! {
            @for (kind, path) in Kind::ALL.into_iter().zip(&self.0) {
                @if !path.is_empty() { path class=(kind.class()) d=(path) {} }
            }
        }
    }
}

/// A row of marks, and in words what it shows; without words it is but an ornament.
pub(super) fn strip(marks: &[Mark], words: &str) -> Markup {
    let mut paths = Paths::default();
    for (i, mark) in marks.iter().enumerate() {
        if let Some((kind, y, height)) = shape(*mark) {
            paths.add(kind, i * PART, PART - BLANK, y, height);
        }
    }
    let width = (marks.len() * PART).saturating_sub(BLANK).max(1);
    picture("strip", width, HEIGHT, words, &paths.draw())
}

/// The same as tall bars, for a chart.
pub(super) fn bars(marks: &[Mark], words: &str) -> Markup {
    chart("strip bars", marks, PART - BLANK, words)
}

/// Bars, so wide of the room that each has.
fn chart(class: &str, marks: &[Mark], wide: usize, words: &str) -> Markup {
    let mut paths = Paths::default();
    for (i, mark) in marks.iter().enumerate() {
        if let Some((kind, y, height)) = shape(*mark) {
            // A chart has room for the truth: a bar is as tall as the part of the time that was good.
            let (y, height) = match mark {
                Mark::Partly(permille) => {
                    let height = (24 * u32::from(*permille) / 1_000).clamp(6, 23);
                    (HEIGHT - height, height)
                }
                _ => (y, height),
            };
            paths.add(kind, i * PART, wide, y, height);
        }
    }
    let width = (marks.len() * PART).saturating_sub(PART - wide).max(1);
    picture(class, width, HEIGHT, words, &paths.draw())
}

fn picture(class: &str, width: usize, height: u32, words: &str, content: &Markup) -> Markup {
    let (role, hidden) = if words.is_empty() { (None, Some("true")) } else { (Some("img"), None) };
    html! {
        svg class=(class) role=[role] aria-hidden=[hidden] aria-label=[role.map(|_| words)]
            preserveAspectRatio="none" viewBox={ "0 0 " (width) " " (height) } { (content) }
    }
}

/// How wide the picture of a timeline is, in units.
const WIDTH: usize = 1_200;

/// What is shorter than this would not be seen.
const THINNEST: usize = 3;

/// As many outages as can be told apart. Were more of them drawn, each at its least width, a peer that is
/// mostly there would look as if it were mostly gone.
const APART: usize = WIDTH / THINNEST / 10;

/// A peer's timeline: each stretch of it, or how good each part of it was where that is too many.
pub(super) fn timeline(history: &PeerHistory, intervals: &[PresenceInterval], words: &str) -> Markup {
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
        return picture("strip timeline", WIDTH, HEIGHT, words, &Markup::default());
    };
    let (from, to) = (first.from, last.to);
    if intervals.iter().filter(|interval| kind_of(interval) == Kind::Down).count() > APART {
        let strip = Strip::of(history, from, to, WIDTH / THINNEST);
        return chart("strip timeline", strip.marks(), PART, words);
    }
    stretches(intervals, from, to, words)
}

/// However many changes there were, it takes no more than there is to see.
fn stretches(intervals: &[PresenceInterval], from: Timestamp, to: Timestamp, words: &str) -> Markup {
    let length_ns = u128::from(to.nanos_since(from)).max(1);
    let place = |at: Timestamp| {
        let x = u128::from(at.nanos_since(from)) * WIDTH as u128 / length_ns;
        usize::try_from(x).unwrap_or(WIDTH).min(WIDTH)
    };
    let mut paths = Paths::default();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Cut) {
        let (y, height) = match kind {
            Kind::Up | Kind::Cut => (0, HEIGHT),
            Kind::Partly => (HEIGHT - 16, 16),
            Kind::Down => (HEIGHT - 7, 7),
            Kind::Unknown => (HEIGHT / 2 - 2, 4),
        };
        // Those of one kind that touch become one.
        let mut open: Option<(usize, usize)> = None;
        for interval in intervals.iter().filter(|interval| kind_of(interval) == kind) {
            let (start, end) = (place(interval.from), place(interval.to));
            // A peer that was away for a second in a month was away; that it was there for a second between
            // is not to be seen.
            let least = if kind == Kind::Down { THINNEST } else { 0 };
            let start = start.min(WIDTH - THINNEST);
            let end = end.max(start + least);
            open = match open {
                Some((began, ended)) if start <= ended => Some((began, ended.max(end))),
                closed => {
                    add_bar(&mut paths, kind, closed, y, height);
                    Some((start, end))
                }
            };
        }
        add_bar(&mut paths, kind, open, y, height);
    }
    picture("strip timeline", WIDTH, HEIGHT, words, &paths.draw())
}

fn add_bar(paths: &mut Paths, kind: Kind, bar: Option<(usize, usize)>, y: u32, height: u32) {
    if let Some((start, end)) = bar.filter(|(start, end)| start < end) {
        if kind == Kind::Down {
            paths.add(Kind::Cut, start, end - start, 0, HEIGHT);
        }
        paths.add(kind, start, end - start, y, height);
    }
}

fn kind_of(interval: &PresenceInterval) -> Kind {
    match interval.presence {
        Some(Presence::Online) => Kind::Up,
        Some(Presence::Offline) => Kind::Down,
        Some(Presence::Unobserved) => Kind::Unknown,
        None => Kind::Partly,
    }
}

/// When the parts of a chart begin: four of them, under it.
pub(super) fn axis(from: Timestamp, to: Timestamp) -> Markup {
    let length_ns = to.nanos_since(from);
    let begin = |part: u64| -> String {
        let moment = text::datetime(from.after_nanos(length_ns / 4 * part));
        // Of `2026-11-22 21:22:13`, as much as tells the parts from each other.
        let (skip, take) = match length_ns / 3_600_000_000_000 {
            0 => (11, 8),
            1..=48 => (5, 11),
            _ => (0, 10),
        };
        moment.chars().skip(skip).take(take).collect()
    };
    html! {
        ol.axis aria-hidden="true" { @for part in 0..4 { li { (begin(part)) } } }
    }
}

/// What the marks mean.
pub(super) fn legend() -> Markup {
    let entry = |mark: Mark, words: &str| {
        html! { li { (strip(&[mark; 3], "")) " " (words) } }
    };
    html! {
        ul.legend aria-label="What the marks mean" {
            (entry(Mark::Online, "online"))
            (entry(Mark::Partly(600), "online in part"))
            (entry(Mark::Offline, "offline"))
            (entry(Mark::Unobserved, "unobserved: we could not tell"))
        }
    }
}

/// Whose doing it was.
pub(super) fn whose(presence: Option<Presence>, cause: Option<GapCause>) -> (&'static str, &'static str) {
    match (presence, cause) {
        (Some(Presence::Offline), _) => ("theirs", "it was offline"),
        (Some(Presence::Unobserved), Some(cause)) => ("ours", text::gap_cause(cause)),
        (Some(Presence::Unobserved), None) => {
            ("nobody's", "not heard of yet, or waited for after a gap of ours")
        }
        _ => ("theirs", "it came and went; only the sums were kept"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    /// A month with so many outages of a minute.
    fn month(outages: u64) -> String {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let end = start.after_secs(30 * 86_400);
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start, &Event::Watch { node_id });
        tracker.apply(start, &Event::PeerOnline { node_id });
        for outage in 0..outages {
            let at = start.after_secs(3_600 + outage * 30 * 86_400 / (outages + 1));
            tracker.apply(at, &Event::PeerOffline { node_id });
            tracker.apply(at.after_secs(60), &Event::PeerOnline { node_id });
        }
        let history = tracker.history(end, &node_id, &[]).expect("it is watched");
        timeline(&history, &history.timeline_with_gaps(start, end, &[]), "").into_string()
    }

    #[test]
    fn outages_are_seen_one_by_one_while_they_can_be() {
        let drawn = month(3);
        assert_eq!(drawn.matches("v7h-3z").count(), 3, "{drawn}");
        // Two minutes in a thousand are not half of the picture.
        let drawn = month(APART as u64 + 1);
        assert!(!drawn.contains("down") && drawn.contains("partly"), "{drawn}");
        assert!(drawn.len() < 10_000, "{} bytes", drawn.len());
    }

    #[test]
    fn the_parts_of_an_axis_are_told_from_each_other() {
        let start = Timestamp::from_secs(1_700_000_000);
        for (secs, first) in [(40, "22:13:20"), (86_400, "11-14 22:13"), (30 * 86_400, "2023-11-14")] {
            let drawn = axis(start, start.after_secs(secs)).into_string();
            let parts: std::collections::BTreeSet<_> = drawn.split("<li>").skip(1).collect();
            assert!(drawn.contains(&format!("<li>{first}</li>")), "{drawn}");
            assert_eq!(parts.len(), 4, "{drawn}");
        }
    }
}
