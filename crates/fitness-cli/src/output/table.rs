//! The document as a table.
//!
//! A peer with several channels has a row for each, and its own cells on the first of them alone.
//! The narrower the terminal, the shorter the ids and headings. A peer's strip stands beside its
//! row where there is room, else in a list of its own below.

use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use fitness_core::Timestamp;

use super::column::{Column, Layout, Row};
use super::document::{Document, PeerEntry, Section};
use super::glyphs::Glyphs;
use super::strip::Strip;
use super::watch::{self, count};
use super::{detail, grid, humanise};
use crate::moment::rfc3339;

/// The room that a table has, and what it is drawn with.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableOptions {
    /// Columns of the terminal; `None` where nothing limits them.
    pub(super) width: Option<u16>,
    /// Ids in full, whatever the width.
    pub(super) wide: bool,
    pub(super) glyphs: &'static Glyphs,
}

/// What is tried on a terminal, with the blanks between columns, and then where rows may take two lines.
const LIMITED: [(Layout, u16); 4] =
    [(Layout::Normal, 3), (Layout::Normal, 2), (Layout::Compact, 2), (Layout::Compact, 1)];
const NARROW: [(Layout, u16); 2] = [(Layout::Narrow, 3), (Layout::Narrow, 2)];

/// The least marks of a strip beside a row; and those where nothing limits them.
const LEAST_MARKS: usize = 24;
const WIDE_MARKS: usize = 36;

/// The document as lines for a terminal, with ANSI colours and without a line break at the end.
pub(super) fn render(document: &Document, options: &TableOptions) -> String {
    let sections: Vec<String> =
        document.sections.iter().map(|section| render_section(section, options)).collect();
    if sections.is_empty() { NOTHING_YET.to_owned() } else { sections.join("\n\n") }
}

const NOTHING_YET: &str = "Nothing has been recorded yet.";

fn render_section(section: &Section, options: &TableOptions) -> String {
    let width = options.width.filter(|_| !options.wide);
    let mut parts = vec![caption(section, width.is_some(), options.glyphs)];
    let at = section.at.filter(|_| !section.peers.is_empty());
    parts.extend(at.into_iter().flat_map(|at| peers(section, at, width, options.glyphs)));
    parts.extend(imported(section, width, options.glyphs));
    parts.extend(section.peers.iter().filter_map(|peer| {
        let id = peer.report.node_id.to_string();
        let fits = width.is_none_or(|width| usize::from(width) >= id.len() + "Peer ".len());
        let id = if fits { id } else { Layout::Normal.id(&id, options.glyphs) };
        detail::render(section, peer, &format!("Peer {id}"), width)
    }));
    parts.extend(watch::render(section, width));
    parts.join("\n\n")
}

/// The table of the peers, and what belongs to it.
fn peers(section: &Section, at: Timestamp, width: Option<u16>, glyphs: &Glyphs) -> Vec<String> {
    let from = section.strips_from.filter(|&from| from < at);
    let axis = from.map(|from| at.nanos_since(from));
    let Some(width) = width else {
        let table = table(section, at, Layout::Wide, 3, glyphs);
        return match axis {
            Some(axis_ns) => {
                beside(section, &table, 3, Axis { length_ns: axis_ns, marks: WIDE_MARKS }, glyphs)
            }
            None => vec![table.trim_fmt()],
        };
    };
    let table = |&(layout, gap): &(Layout, u16)| (table(section, at, layout, gap, glyphs), gap);
    let left = |table: &Table, gap| usize::from(width).checked_sub(grid::natural_width(table, gap));
    if let Some(length_ns) = axis {
        for (table, gap) in LIMITED.iter().map(table) {
            let room = left(&table, gap).unwrap_or(0).saturating_sub(gap.into());
            if let Some(marks) = Strip::fitting(room).filter(|&marks| marks >= LEAST_MARKS) {
                return beside(section, &table, gap, Axis { length_ns, marks }, glyphs);
            }
        }
    }
    let mut tried = LIMITED.iter().chain(&NARROW).map(table);
    let fitting = tried.find(|(table, gap)| left(table, *gap).is_some());
    let table = fitting.map(|(table, _)| table).unwrap_or_else(|| {
        let (mut narrow, _) = table(&(Layout::Narrow, 1));
        narrow.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        narrow
    });
    let below = axis.map(|length_ns| below(section, length_ns, width, glyphs)).unwrap_or_default();
    [table.trim_fmt()].into_iter().chain(below).collect()
}

fn table(section: &Section, at: Timestamp, layout: Layout, gap: u16, glyphs: &Glyphs) -> Table {
    let columns = Column::all(section, layout);
    let mut table = grid::styled();
    table.set_header(columns.iter().map(|column| column.heading(section.window.as_ref(), layout)));
    for peer in &section.peers {
        let row = |channel, first| {
            let row = Row { section, at, layout, glyphs, peer, channel, first };
            columns.iter().map(move |column| column.cell(&row))
        };
        if peer.channels.is_empty() {
            table.add_row(row(None, true));
        }
        for (index, channel) in peer.channels.iter().enumerate() {
            table.add_row(row(Some(channel), index == 0));
        }
    }
    grid::space(&mut table, gap);
    for (column, style) in columns.iter().zip(table.column_iter_mut()) {
        if column.is_indivisible() {
            // Half an id is of no use to anybody.
            style.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// The time that strips go over, and how many marks they have.
#[derive(Clone, Copy)]
struct Axis {
    length_ns: u64,
    marks: usize,
}

impl Axis {
    /// What stands above the strips: how long ago they begin, and that they end now.
    fn heading(self) -> String {
        let start = format!("-{}", humanise::duration(self.length_ns));
        format!("{start}{:>rest$}", "now", rest = self.marks.saturating_sub(start.len()))
    }

    fn legend(self, glyphs: &Glyphs) -> String {
        let mark = humanise::duration(self.length_ns / self.marks as u64);
        let Glyphs { online, offline, unobserved, partly, .. } = glyphs;
        let (worst, best) = (partly[0], partly[partly.len() - 1]);
        format!(
            "A mark is {mark}: {online} online, {worst} to {best} in part, {offline} offline, {unobserved} unobserved"
        )
    }
}

/// The table with a strip at the right of each peer's first row, and what its marks mean.
fn beside(section: &Section, table: &Table, gap: u16, axis: Axis, glyphs: &Glyphs) -> Vec<String> {
    let start = grid::natural_width(table, gap) + usize::from(gap);
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let rows: usize = section.peers.iter().map(rows_of).sum();
    let rule = lines.len().saturating_sub(rows + 1);
    let mut put = |line: usize, text: &str| {
        if let Some(line) = lines.get_mut(line) {
            let written = anstream::adapter::strip_str(line).to_string().chars().count();
            *line += &" ".repeat(start.saturating_sub(written));
            *line += text;
        }
    };
    if let Some(heading) = rule.checked_sub(1) {
        put(heading, &axis.heading());
    }
    let mut row = rule + 1;
    for peer in &section.peers {
        put(row, &peer.strip.draw(axis.marks, glyphs));
        row += rows_of(peer);
    }
    if let Some(line) = lines.get_mut(rule) {
        *line = "-".repeat(start + axis.marks);
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    vec![lines.join("\n"), axis.legend(glyphs)]
}

fn rows_of(peer: &PeerEntry) -> usize {
    peer.channels.len().max(1)
}

/// The strips as a list of their own, and what their marks mean; nothing where there is no room at all.
fn below(section: &Section, length_ns: u64, width: u16, glyphs: &Glyphs) -> Vec<String> {
    let name = |peer: &PeerEntry| {
        peer.label.clone().unwrap_or_else(|| Layout::Compact.id(&peer.report.node_id, glyphs))
    };
    let names: Vec<String> = section.peers.iter().map(name).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("peer".len());
    let Some(marks) = Strip::fitting(usize::from(width).saturating_sub(longest + 2)) else {
        return Vec::new();
    };
    let axis = Axis { length_ns, marks };
    let legend = grid::wrap(&axis.legend(glyphs), Some(width));
    let line = |name: &str, rest: &str| format!("{name:longest$}  {rest}").trim_end().to_owned();
    let mut lines = vec![line("peer", &axis.heading()), "-".repeat(longest + 2 + marks)];
    lines.extend(
        names.iter().zip(&section.peers).map(|(name, peer)| line(name, &peer.strip.draw(marks, glyphs))),
    );
    vec![lines.join("\n"), legend]
}

/// What the mark behind some ids means.
fn imported(section: &Section, width: Option<u16>, glyphs: &Glyphs) -> Option<String> {
    let imported = || section.peers.iter().filter_map(|peer| peer.report.imported);
    let (first, last) = (imported().min_by_key(|taken| taken.at)?, imported().max_by_key(|taken| taken.at)?);
    let (mark, source, until) = (glyphs.imported, first.source, rfc3339(first.at));
    let footnote = if first.at == last.at {
        format!("{mark} until {until} as counted by {source}")
    } else {
        let latest = rfc3339(last.at);
        format!("{mark} until some time from {until} to {latest} as counted by {source}; --peer tells when")
    };
    Some(grid::wrap(&footnote, width))
}

/// Who answers, for which moment, and about how many.
fn caption(section: &Section, is_limited: bool, glyphs: &Glyphs) -> String {
    let layout = if is_limited { Layout::Normal } else { Layout::Wide };
    let observer =
        section.observer.map(|observer| format!("Observer {}\n", layout.id(&observer.node_id, glyphs)));
    let observer = observer.unwrap_or_default();
    let Some(at) = section.at else { return observer + NOTHING_YET };
    let peers = count(section.peers.len() as u64, "peer");
    let channels = count(section.channels().count() as u64, "channel");
    let window = section.window.as_ref().map(|window| match window.is_lifetime() {
        true => ", over their lifetimes".to_owned(),
        false => format!(", over the last {}", window.text),
    });
    format!("{observer}{peers}, {channels}, at {}{}", rfc3339(at), window.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use fitness_core::{ChannelId, ChannelOpened, Event, HashSeed, NodeId, Tracker, TrackerConfig};

    use super::*;

    /// One peer with a name, whose channel was up for 28.5 of 30 s, and by our reckoning a bit less.
    fn named() -> Document {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_767_225_600));
        let opened =
            ChannelOpened { channel_id: ChannelId([7; 32]), node_id, funding: None, online: Some(true) };
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start, &Event::ChannelOpened(opened));
        tracker.apply(start.after_secs(10), &Event::PeerOffline { node_id });
        tracker.apply(start.after_nanos(11_512_000_000), &Event::PeerOnline { node_id });
        let end = start.after_secs(30);
        let mut section = Section::new(Some(end), tracker.peers(end));
        section.peers[0].label = Some("flapping".to_owned());
        for channel in section.channels_mut() {
            channel.true_uptime_ns = Some(28_500_000_000);
        }
        section.into()
    }

    fn plain(document: &Document, width: u16) -> String {
        let options = TableOptions { width: Some(width), wide: false, glyphs: &Glyphs::UNICODE };
        anstream::adapter::strip_str(&render(document, &options)).to_string()
    }

    #[test]
    fn names_and_true_uptimes_have_columns_of_their_own() {
        let expected = "\
1 peer, 1 channel, at 2026-01-01T00:00:30Z

name       peer          channel       lifetime   observed   uptime   true uptime   off by   availability   flaps   last flap   state    since
--------------------------------------------------------------------------------------------------------------------------------------------------
flapping   020202…0202   070707…0707      30.0s      30.0s    28.4s         28.5s    -12ms        94.96 %       2   18.4s ago   online   18.4s ago";
        assert_eq!(plain(&named(), 160), expected);
    }

    #[test]
    fn tighter_terminals_get_less_of_the_ids() {
        let expected = "\
1 peer, 1 channel, at 2026-01-01T00:00:30Z

name     peer      channel   lifetime observed uptime   true off by  avail- flaps last  state  for
                                                      uptime        ability       flap
----------------------------------------------------------------------------------------------------
flapping 0202…0202 0707…0707    30.0s    30.0s  28.4s  28.5s  -12ms 94.96 %     2 18.4s online 18.4s";
        assert_eq!(plain(&named(), 100), expected);
        assert!(plain(&named(), 80).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn no_width_is_too_small_to_say_something() {
        for width in 1..80 {
            assert!(plain(&named(), width).contains("1 peer, 1 channel"), "{width}");
        }
    }
}
