//! A peer's history as a row of marks, the taller the better.

use clap::builder::styling::{AnsiColor, Effects, Style};
use fitness_core::{PeerHistory, Timestamp};

use super::glyphs::Glyphs;

/// How many parts a strip is kept in: each of [`WIDTHS`] divides it.
const PARTS: usize = 72;

/// How many marks a strip can be drawn with.
const WIDTHS: [usize; 5] = [72, 36, 24, 18, 12];

/// How much was observed, and how much of that online, in equal parts of one stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strip(Vec<Part>);

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    length_ns: u64,
    observed_ns: u64,
    uptime_ns: u64,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The peer was not followed yet.
    Nothing,
    Unobserved,
    Offline,
    /// Online for a part of the time, in sixths, from 0 to 5.
    Partly(u8),
    Online,
}

impl Strip {
    /// The strip of a peer from `from` until `to`.
    pub(crate) fn of(history: &PeerHistory, from: Timestamp, to: Timestamp) -> Self {
        let length_ns = to.nanos_since(from);
        let edge = |part: usize| {
            let into = u128::from(length_ns) * part as u128 / PARTS as u128;
            from.after_nanos(u64::try_from(into).unwrap_or(length_ns))
        };
        // Where only the sums of an interval are known, each part has its share of them: an order that was
        // lost is not drawn as if it were known.
        let mut parts = vec![Part::default(); PARTS];
        let mut first = 0;
        for interval in history.timeline(Timestamp::EPOCH, to) {
            let share = |of_ns: u64, inside_ns: u64| {
                let share =
                    u128::from(of_ns) * u128::from(inside_ns) / u128::from(interval.length_ns().max(1));
                u64::try_from(share).unwrap_or(of_ns)
            };
            for (i, part) in parts.iter_mut().enumerate().skip(first) {
                let inside_ns = interval.to.min(edge(i + 1)).nanos_since(interval.from.max(edge(i)));
                part.length_ns += inside_ns;
                part.observed_ns += share(interval.observed_ns, inside_ns);
                part.uptime_ns += share(interval.uptime_ns, inside_ns);
                if interval.to <= edge(i + 1) {
                    break;
                }
                first = i + 1;
            }
        }
        Self(parts)
    }

    /// The most marks that fit, where any do.
    pub(crate) fn fitting(room: usize) -> Option<usize> {
        WIDTHS.into_iter().find(|&width| width <= room)
    }

    /// The strip in so many marks, one of those that [`Strip::fitting`] tells, with ANSI colours and
    /// without blanks at its end; empty where there is none.
    pub(crate) fn draw(&self, width: usize, glyphs: &Glyphs) -> String {
        let marks = self.0.chunks(PARTS / width.clamp(1, PARTS)).map(Mark::of);
        let mut drawn = String::new();
        let mut style = Style::new();
        for mark in marks {
            if mark.style() != style {
                drawn += &format!("{}{}", style.render_reset(), mark.style().render());
                style = mark.style();
            }
            drawn.push(mark.glyph(glyphs));
        }
        drawn += &style.render_reset().to_string();
        drawn
    }
}

impl Mark {
    fn of(parts: &[Part]) -> Self {
        let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>();
        let (length, observed, uptime) =
            (sum(|part| part.length_ns), sum(|part| part.observed_ns), sum(|part| part.uptime_ns));
        match (observed, uptime) {
            _ if length == 0 => Self::Nothing,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            _ if uptime >= observed => Self::Online,
            _ => {
                let sixths = u128::from(uptime) * 6 / u128::from(observed);
                Self::Partly(u8::try_from(sixths).unwrap_or(5).min(5))
            }
        }
    }

    fn glyph(self, glyphs: &Glyphs) -> char {
        match self {
            Self::Nothing => ' ',
            Self::Unobserved => glyphs.unobserved,
            Self::Offline => glyphs.offline,
            Self::Partly(sixths) => glyphs.partly[usize::from(sixths)],
            Self::Online => glyphs.online,
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Nothing => Style::new(),
            Self::Unobserved => Style::new().effects(Effects::DIMMED),
            Self::Offline => AnsiColor::Red.on_default(),
            Self::Partly(_) => AnsiColor::Yellow.on_default(),
            Self::Online => AnsiColor::Green.on_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    use super::*;

    /// Followed for the second half: a third of that unobserved, a third on, and a third half on.
    fn strip() -> Strip {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start.after_secs(3_600), &Event::Watch { node_id });
        tracker.apply(start.after_secs(4_800), &Event::PeerOnline { node_id });
        tracker.apply(start.after_secs(6_000), &Event::PeerOffline { node_id });
        tracker.apply(start.after_secs(6_900), &Event::PeerOnline { node_id });
        let end = start.after_secs(7_200);
        let history = tracker.history(end, &node_id, &[]).expect("it is watched");
        Strip::of(&history, start, end)
    }

    fn plain(width: usize, glyphs: &Glyphs) -> String {
        anstream::adapter::strip_str(&strip().draw(width, glyphs)).to_string()
    }

    #[test]
    fn a_mark_is_as_tall_as_its_time_was_good() {
        assert_eq!(plain(12, &Glyphs::UNICODE), "      ··██▁▅");
        assert_eq!(plain(24, &Glyphs::UNICODE), "            ····████▁▁▁█");
        assert_eq!(plain(12, &Glyphs::ASCII), "      ..##_=");
        assert_eq!(Strip::default().draw(12, &Glyphs::ASCII), "");
    }

    #[test]
    fn every_width_divides_the_parts() {
        assert!(WIDTHS.iter().all(|width| PARTS.is_multiple_of(*width)));
        assert!(WIDTHS.is_sorted_by(|one, next| one > next));
        assert_eq!([11, 12, 30, 500].map(Strip::fitting), [None, Some(12), Some(24), Some(72)]);
        for width in WIDTHS {
            assert_eq!(plain(width, &Glyphs::UNICODE).chars().count(), width);
        }
    }

    #[test]
    fn colours_end_where_they_began() {
        let drawn = strip().draw(12, &Glyphs::UNICODE);
        assert!(drawn.contains("\x1b[31m▁") && drawn.contains("\x1b[33m▅") && drawn.ends_with("\x1b[0m"));
    }
}
