//! Strips: a peer's history as a row of marks. Taller marks mean more time online.

use clap::builder::styling::{AnsiColor, Effects, Style};
use fitness_core::{PeerHistory, Timestamp};

use super::glyphs::Glyphs;

/// The number of parts in a strip, divisible by each of [`WIDTHS`].
const PARTS: usize = 72;

/// The widths in which a strip can be drawn.
const WIDTHS: [usize; 5] = [72, 36, 24, 18, 12];

/// A period of time in equal parts, with the observed time and the uptime of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strip(Vec<Part>);

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    length_ns: u64,
    observed_ns: u64,
    uptime_ns: u64,
}

/// The meaning of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The peer was not tracked yet.
    Untracked,
    Unobserved,
    Offline,
    /// Online for a part of the time, in sixths, from 0 to 5.
    PartlyOnline(u8),
    Online,
}

impl Strip {
    /// Creates the strip of a peer from `from` to `to`.
    pub(crate) fn new(history: &PeerHistory, from: Timestamp, to: Timestamp) -> Self {
        let length_ns = to.nanos_since(from);
        let start_of = |part: usize| {
            let offset_ns = u128::from(length_ns) * part as u128 / PARTS as u128;
            from.after_nanos(u64::try_from(offset_ns).unwrap_or(length_ns))
        };
        // If only the totals of an interval are known, they are distributed evenly over its parts: the strip
        // does not show an order of changes that is not known.
        let mut parts = vec![Part::default(); PARTS];
        let mut first = 0;
        for interval in history.timeline(Timestamp::EPOCH, to) {
            let share = |of_ns: u64, inside_ns: u64| {
                let share =
                    u128::from(of_ns) * u128::from(inside_ns) / u128::from(interval.length_ns().max(1));
                u64::try_from(share).unwrap_or(of_ns)
            };
            for (i, part) in parts.iter_mut().enumerate().skip(first) {
                let inside_ns = interval.to.min(start_of(i + 1)).nanos_since(interval.from.max(start_of(i)));
                part.length_ns += inside_ns;
                part.observed_ns += share(interval.observed_ns, inside_ns);
                part.uptime_ns += share(interval.uptime_ns, inside_ns);
                if interval.to <= start_of(i + 1) {
                    break;
                }
                first = i + 1;
            }
        }
        Self(parts)
    }

    /// Returns the largest width of a strip that fits into `available` columns, if any.
    pub(crate) fn fitting_width(available: usize) -> Option<usize> {
        WIDTHS.into_iter().find(|&width| width <= available)
    }

    /// Draws the strip with `width` marks, with ANSI colours. `width` is one that [`Strip::fitting_width`]
    /// returns. An empty strip is drawn as an empty string.
    pub(crate) fn draw(&self, width: usize, glyphs: &Glyphs) -> String {
        let marks = self.0.chunks(PARTS / width.clamp(1, PARTS)).map(Mark::from_parts);
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
    fn from_parts(parts: &[Part]) -> Self {
        let sum = |field: fn(&Part) -> u64| parts.iter().map(field).sum::<u64>();
        let (length, observed, uptime) =
            (sum(|part| part.length_ns), sum(|part| part.observed_ns), sum(|part| part.uptime_ns));
        match (observed, uptime) {
            _ if length == 0 => Self::Untracked,
            (0, _) => Self::Unobserved,
            (_, 0) => Self::Offline,
            _ if uptime >= observed => Self::Online,
            _ => {
                let sixths = u128::from(uptime) * 6 / u128::from(observed);
                Self::PartlyOnline(u8::try_from(sixths).unwrap_or(5).min(5))
            }
        }
    }

    fn glyph(self, glyphs: &Glyphs) -> char {
        match self {
            Self::Untracked => ' ',
            Self::Unobserved => glyphs.unobserved,
            Self::Offline => glyphs.offline,
            Self::PartlyOnline(sixths) => glyphs.partly_online[usize::from(sixths)],
            Self::Online => glyphs.online,
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Untracked => Style::new(),
            Self::Unobserved => Style::new().effects(Effects::DIMMED),
            Self::Offline => AnsiColor::Red.on_default(),
            Self::PartlyOnline(_) => AnsiColor::Yellow.on_default(),
            Self::Online => AnsiColor::Green.on_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use fitness_core::{Event, HashSeed, NodeId, Tracker, TrackerConfig};

    use super::*;

    /// Tracked in the second half: unobserved for the first third of it, then online, then partly online.
    fn strip() -> Strip {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_700_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start.after_secs(3_600), &Event::Watch { node_id });
        tracker.apply(start.after_secs(4_800), &Event::PeerOnline { node_id });
        tracker.apply(start.after_secs(6_000), &Event::PeerOffline { node_id });
        tracker.apply(start.after_secs(6_900), &Event::PeerOnline { node_id });
        let end = start.after_secs(7_200);
        let history = tracker.history(end, &node_id, &[]).expect("the peer is watched");
        Strip::new(&history, start, end)
    }

    fn plain(width: usize, glyphs: &Glyphs) -> String {
        anstream::adapter::strip_str(&strip().draw(width, glyphs)).to_string()
    }

    #[test]
    fn marks_show_the_share_of_time_online() {
        assert_eq!(plain(12, &Glyphs::UNICODE), "      ··██▁▅");
        assert_eq!(plain(24, &Glyphs::UNICODE), "            ····████▁▁▁█");
        assert_eq!(plain(12, &Glyphs::ASCII), "      ..##_=");
        assert_eq!(Strip::default().draw(12, &Glyphs::ASCII), "");
    }

    #[test]
    fn every_width_divides_the_number_of_parts() {
        assert!(WIDTHS.iter().all(|width| PARTS.is_multiple_of(*width)));
        assert!(WIDTHS.is_sorted_by(|a, b| a > b));
        assert_eq!([11, 12, 30, 500].map(Strip::fitting_width), [None, Some(12), Some(24), Some(72)]);
        for width in WIDTHS {
            assert_eq!(plain(width, &Glyphs::UNICODE).chars().count(), width);
        }
    }

    #[test]
    fn colours_are_reset_at_the_end() {
        let drawn = strip().draw(12, &Glyphs::UNICODE);
        assert!(drawn.contains("\x1b[31m▁") && drawn.contains("\x1b[33m▅") && drawn.ends_with("\x1b[0m"));
    }
}
