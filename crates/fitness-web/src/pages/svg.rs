//! Strips, charts and timelines as SVG, rendered on the server without inline styles or scripts.
//!
//! Marks differ in height and position as well as in color: full height for online, lower for partly online,
//! a stub at the bottom for offline, and a dash in the middle for unobserved.

use std::fmt::Write as _;

use fitness_core::{PeerHistory, Presence, PresenceInterval, Timestamp};
use maud::{Markup, html};

use super::text;
use crate::summary::{Mark, Strip};

/// Height of all images, in SVG units.
const HEIGHT: u32 = 24;

/// Width of one part of a strip, and of the space after it, in SVG units.
const PART_WIDTH: usize = 4;
const SPACING: usize = 1;

/// Returns the kind of a mark, its top and its height.
fn shape(mark: Mark) -> Option<(Kind, u32, u32)> {
    match mark {
        Mark::Untracked => None,
        Mark::Online => Some((Kind::Online, 0, HEIGHT)),
        // Always lower than online and higher than offline.
        Mark::PartlyOnline(permille) => {
            let height = 7 + 11 * u32::from(permille) / 1_000;
            Some((Kind::PartlyOnline, HEIGHT - height, height))
        }
        Mark::Offline => Some((Kind::Offline, HEIGHT - 5, 5)),
        Mark::Unobserved => Some((Kind::Unobserved, HEIGHT / 2 - 1, 3)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Online,
    PartlyOnline,
    /// The background color, which separates a mark from the one that it is drawn over.
    Background,
    Offline,
    Unobserved,
}

impl Kind {
    /// All kinds in drawing order.
    const ALL: [Self; 5] =
        [Self::Online, Self::PartlyOnline, Self::Background, Self::Offline, Self::Unobserved];

    const fn class(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::PartlyOnline => "partly-online",
            Self::Background => "background",
            Self::Offline => "offline",
            Self::Unobserved => "unobserved",
        }
    }
}

/// Rectangles, with one SVG path for each kind. A strip of 90 marks takes a few hundred bytes.
#[derive(Default)]
struct Paths([String; 5]);

impl Paths {
    fn add(&mut self, kind: Kind, x: usize, width: usize, y: u32, height: u32) {
        let Some(path) = self.0.get_mut(kind as usize) else { return };
        // Writing to a `String` cannot fail.
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

/// A row of marks. An image with an empty description is decorative and hidden from screen readers.
pub(super) fn strip(marks: &[Mark], description: &str) -> Markup {
    let mut paths = Paths::default();
    for (i, mark) in marks.iter().enumerate() {
        if let Some((kind, y, height)) = shape(*mark) {
            paths.add(kind, i * PART_WIDTH, PART_WIDTH - SPACING, y, height);
        }
    }
    let width = (marks.len() * PART_WIDTH).saturating_sub(SPACING).max(1);
    image("strip", width, HEIGHT, description, &paths.draw())
}

/// Tall bars, for a chart.
pub(super) fn bars(marks: &[Mark], description: &str) -> Markup {
    chart("strip bars", marks, PART_WIDTH - SPACING, description)
}

/// A chart with bars of the given width.
fn chart(class: &str, marks: &[Mark], bar_width: usize, description: &str) -> Markup {
    let mut paths = Paths::default();
    for (i, mark) in marks.iter().enumerate() {
        if let Some((kind, y, height)) = shape(*mark) {
            // Unlike in a strip, the height of a bar is proportional to the availability.
            let (y, height) = match mark {
                Mark::PartlyOnline(permille) => {
                    let height = (24 * u32::from(*permille) / 1_000).clamp(6, 23);
                    (HEIGHT - height, height)
                }
                _ => (y, height),
            };
            paths.add(kind, i * PART_WIDTH, bar_width, y, height);
        }
    }
    let width = (marks.len() * PART_WIDTH).saturating_sub(PART_WIDTH - bar_width).max(1);
    image(class, width, HEIGHT, description, &paths.draw())
}

fn image(class: &str, width: usize, height: u32, description: &str, content: &Markup) -> Markup {
    let (role, hidden) = if description.is_empty() { (None, Some("true")) } else { (Some("img"), None) };
    html! {
        svg class=(class) role=[role] aria-hidden=[hidden] aria-label=[role.map(|_| description)]
            preserveAspectRatio="none" viewBox={ "0 0 " (width) " " (height) } { (content) }
    }
}

/// Width of a timeline, in SVG units.
const TIMELINE_WIDTH: usize = 1_200;

/// Minimum visible width, in SVG units.
const MIN_WIDTH: usize = 3;

/// Maximum number of outages that are drawn separately. With more of them at their minimum width, a peer that
/// is mostly online would look mostly offline.
const MAX_SEPARATE_OUTAGES: usize = TIMELINE_WIDTH / MIN_WIDTH / 10;

/// A peer's timeline. Draws each interval, or the availability of equal parts if there are too many outages.
pub(super) fn timeline(history: &PeerHistory, intervals: &[PresenceInterval], description: &str) -> Markup {
    let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
        return image("strip timeline", TIMELINE_WIDTH, HEIGHT, description, &Markup::default());
    };
    let (from, to) = (first.from, last.to);
    if intervals.iter().filter(|interval| kind_of(interval) == Kind::Offline).count() > MAX_SEPARATE_OUTAGES {
        let strip = Strip::of(history, from, to, TIMELINE_WIDTH / MIN_WIDTH);
        return chart("strip timeline", strip.marks(), PART_WIDTH, description);
    }
    draw_intervals(intervals, from, to, description)
}

/// Draws each interval. Adjacent rectangles of one kind are merged, which bounds the size of the image.
fn draw_intervals(
    intervals: &[PresenceInterval],
    from: Timestamp,
    to: Timestamp,
    description: &str,
) -> Markup {
    let length_ns = u128::from(to.nanos_since(from)).max(1);
    let x_of = |at: Timestamp| {
        let x = u128::from(at.nanos_since(from)) * TIMELINE_WIDTH as u128 / length_ns;
        usize::try_from(x).unwrap_or(TIMELINE_WIDTH).min(TIMELINE_WIDTH)
    };
    let mut paths = Paths::default();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Background) {
        let (y, height) = match kind {
            Kind::Online | Kind::Background => (0, HEIGHT),
            Kind::PartlyOnline => (HEIGHT - 16, 16),
            Kind::Offline => (HEIGHT - 7, 7),
            Kind::Unobserved => (HEIGHT / 2 - 2, 4),
        };
        // The rectangle that may still be extended.
        let mut open: Option<(usize, usize)> = None;
        for interval in intervals.iter().filter(|interval| kind_of(interval) == kind) {
            let (start, end) = (x_of(interval.from), x_of(interval.to));
            // Even a short outage is visible. Other short intervals need not be.
            let min_width = if kind == Kind::Offline { MIN_WIDTH } else { 0 };
            let start = start.min(TIMELINE_WIDTH - MIN_WIDTH);
            let end = end.max(start + min_width);
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
    image("strip timeline", TIMELINE_WIDTH, HEIGHT, description, &paths.draw())
}

fn add_bar(paths: &mut Paths, kind: Kind, bar: Option<(usize, usize)>, y: u32, height: u32) {
    if let Some((start, end)) = bar.filter(|(start, end)| start < end) {
        if kind == Kind::Offline {
            paths.add(Kind::Background, start, end - start, 0, HEIGHT);
        }
        paths.add(kind, start, end - start, y, height);
    }
}

fn kind_of(interval: &PresenceInterval) -> Kind {
    match interval.presence {
        Some(Presence::Online) => Kind::Online,
        Some(Presence::Offline) => Kind::Offline,
        Some(Presence::Unobserved) => Kind::Unobserved,
        None => Kind::PartlyOnline,
    }
}

/// The labels below an image: the start of each quarter.
pub(super) fn axis(from: Timestamp, to: Timestamp) -> Markup {
    let length_ns = to.nanos_since(from);
    let label = |part: u64| -> String {
        let datetime = text::datetime(from.after_nanos(length_ns / 4 * part));
        // The part of `2026-11-22 21:22:13` that distinguishes the labels.
        let (skip, take) = match length_ns / 3_600_000_000_000 {
            0 => (11, 8),
            1..=48 => (5, 11),
            _ => (0, 10),
        };
        datetime.chars().skip(skip).take(take).collect()
    };
    html! {
        ol.axis aria-hidden="true" { @for part in 0..4 { li { (label(part)) } } }
    }
}

/// A legend of marks.
pub(super) fn legend(entries: &[(Mark, &str)]) -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @for (mark, label) in entries { li { (strip(&[*mark; 3], "")) " " (label) } }
        }
    }
}

/// The legend of a peer's presence.
pub(super) fn presence_legend() -> Markup {
    legend(&[
        (Mark::Online, "online"),
        (Mark::PartlyOnline(600), "partly online"),
        (Mark::Offline, "offline"),
        (Mark::Unobserved, "unobserved (presence not known)"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    /// The timeline of a month with the given number of one-minute outages.
    fn month_with(outages: u64) -> String {
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
        let history = tracker.history(end, &node_id, &[]).expect("peer is tracked");
        timeline(&history, &history.timeline_with_gaps(start, end, &[]), "").into_string()
    }

    #[test]
    fn many_outages_are_drawn_as_availability() {
        let drawn = month_with(3);
        assert_eq!(drawn.matches("v7h-3z").count(), 3, "{drawn}");
        let drawn = month_with(MAX_SEPARATE_OUTAGES as u64 + 1);
        assert!(!drawn.contains("offline") && drawn.contains("partly-online"), "{drawn}");
        assert!(drawn.len() < 10_000, "{} bytes", drawn.len());
    }

    #[test]
    fn axis_labels_are_distinct() {
        let start = Timestamp::from_secs(1_700_000_000);
        for (secs, first) in [(40, "22:13:20"), (86_400, "11-14 22:13"), (30 * 86_400, "2023-11-14")] {
            let drawn = axis(start, start.after_secs(secs)).into_string();
            let parts: std::collections::BTreeSet<_> = drawn.split("<li>").skip(1).collect();
            assert!(drawn.contains(&format!("<li>{first}</li>")), "{drawn}");
            assert_eq!(parts.len(), 4, "{drawn}");
        }
    }
}
