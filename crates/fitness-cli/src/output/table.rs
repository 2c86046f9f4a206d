//! The document as a table.
//!
//! A peer with several channels has a row for each; the first row also has the cells of the peer. The
//! narrower the terminal, the shorter the ids and headings. The strip of a peer is to the right of its first
//! row if there is enough space, and else in a separate list below the table.

use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use fitness_core::Timestamp;

use super::column::{Column, Layout, Row};
use super::document::{Document, PeerEntry, Section};
use super::glyphs::Glyphs;
use super::strip::Strip;
use super::{coverage, detail, format, grid};
use crate::time::rfc3339;
use fitness_words::pluralize;

/// The width of a table, and the characters to draw it with.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableOptions {
    /// The width of the terminal in columns; `None` if it is not limited.
    pub(super) width: Option<u16>,
    /// Whether to print full ids and ignore the width.
    pub(super) wide: bool,
    pub(super) glyphs: &'static Glyphs,
}

/// The layouts to try on a terminal, each with the space between columns: first those with one line per row,
/// then those with two.
const SINGLE_LINE_LAYOUTS: [(Layout, u16); 4] =
    [(Layout::Normal, 3), (Layout::Normal, 2), (Layout::Compact, 2), (Layout::Compact, 1)];
const TWO_LINE_LAYOUTS: [(Layout, u16); 2] = [(Layout::Narrow, 3), (Layout::Narrow, 2)];

/// The minimum width of a strip beside a row.
const MIN_STRIP_WIDTH: usize = 24;
/// The width of strips if the width of the table is not limited.
const UNLIMITED_STRIP_WIDTH: usize = 36;

/// Printed in place of a report if nothing was recorded.
pub(crate) const NO_DATA: &str = "No data yet";

/// Renders the document with ANSI colours and without a line break at the end.
pub(super) fn render(document: &Document, options: &TableOptions) -> String {
    let sections: Vec<String> =
        document.sections.iter().map(|section| render_section(section, options)).collect();
    if sections.is_empty() { NO_DATA.to_owned() } else { sections.join("\n\n") }
}

fn render_section(section: &Section, options: &TableOptions) -> String {
    let width = options.width.filter(|_| !options.wide);
    let mut parts = vec![caption(section, width.is_some(), options.glyphs)];
    let at = section.at.filter(|_| !section.peers.is_empty());
    parts.extend(at.into_iter().flat_map(|at| render_peers(section, at, width, options.glyphs)));
    parts.extend(imported_footnote(section, width, options.glyphs));
    parts.extend(section.peers.iter().filter_map(|peer| {
        let id = peer.report.node_id.to_string();
        let fits = width.is_none_or(|width| usize::from(width) >= id.len() + "Peer ".len());
        let id = if fits { id } else { Layout::Normal.id(&id, options.glyphs) };
        detail::render(section, peer, &format!("Peer {id}"), width)
    }));
    parts.extend(coverage::render(section, width));
    parts.join("\n\n")
}

/// Renders the table of peers, the strips and their legend.
fn render_peers(section: &Section, at: Timestamp, width: Option<u16>, glyphs: &Glyphs) -> Vec<String> {
    let strips_from = section.strips_from.filter(|&from| from < at);
    let strip_length_ns = strips_from.map(|from| at.nanos_since(from));
    let Some(width) = width else {
        let table = table(section, at, Layout::Wide, 3, glyphs);
        return match strip_length_ns {
            Some(length_ns) => {
                let axis = Axis { length_ns, width: UNLIMITED_STRIP_WIDTH };
                table_with_strips(section, &table, 3, axis, glyphs)
            }
            None => vec![table.trim_fmt()],
        };
    };
    let table = |&(layout, gap): &(Layout, u16)| (table(section, at, layout, gap, glyphs), gap);
    let remaining = |table: &Table, gap| usize::from(width).checked_sub(grid::natural_width(table, gap));
    if let Some(length_ns) = strip_length_ns {
        for (table, gap) in SINGLE_LINE_LAYOUTS.iter().map(table) {
            let available = remaining(&table, gap).unwrap_or(0).saturating_sub(gap.into());
            let strip_width = Strip::fitting_width(available).filter(|&width| width >= MIN_STRIP_WIDTH);
            if let Some(width) = strip_width {
                return table_with_strips(section, &table, gap, Axis { length_ns, width }, glyphs);
            }
        }
    }
    let mut tables = SINGLE_LINE_LAYOUTS.iter().chain(&TWO_LINE_LAYOUTS).map(table);
    let fitting = tables.find(|(table, gap)| remaining(table, *gap).is_some());
    let table = fitting.map(|(table, _)| table).unwrap_or_else(|| {
        let (mut narrow, _) = table(&(Layout::Narrow, 1));
        narrow.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
        narrow
    });
    let strips =
        strip_length_ns.map(|length_ns| strip_list(section, length_ns, width, glyphs)).unwrap_or_default();
    [table.trim_fmt()].into_iter().chain(strips).collect()
}

fn table(section: &Section, at: Timestamp, layout: Layout, gap: u16, glyphs: &Glyphs) -> Table {
    let columns = Column::all(section, layout);
    let mut table = grid::styled();
    table.set_header(columns.iter().map(|column| column.heading(section.window.as_ref(), layout)));
    for peer in &section.peers {
        let row = |channel, is_first| {
            let row = Row { section, at, layout, glyphs, peer, channel, is_first };
            columns.iter().map(move |column| column.cell(&row))
        };
        if peer.channels.is_empty() {
            table.add_row(row(None, true));
        }
        for (index, channel) in peer.channels.iter().enumerate() {
            table.add_row(row(Some(channel), index == 0));
        }
    }
    grid::set_gap(&mut table, gap);
    for (column, style) in columns.iter().zip(table.column_iter_mut()) {
        if column.is_indivisible() {
            style.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// The time axis of strips.
#[derive(Clone, Copy)]
struct Axis {
    length_ns: u64,
    /// The number of marks.
    width: usize,
}

impl Axis {
    /// Returns the heading above the strips: how long ago they start, and `now` at the end.
    fn heading(self) -> String {
        let start = format!("-{}", format::duration(self.length_ns));
        format!("{start}{:>rest$}", "now", rest = self.width.saturating_sub(start.len()))
    }

    fn legend(self, glyphs: &Glyphs) -> String {
        let mark = format::duration(self.length_ns / self.width as u64);
        let Glyphs { online, offline, unobserved, partly_online, .. } = glyphs;
        let (least, most) = (partly_online[0], partly_online[partly_online.len() - 1]);
        format!(
            "Each mark is {mark}: {online} online, {least} to {most} partly online, {offline} offline, \
             {unobserved} unobserved"
        )
    }
}

/// Renders the table with a strip to the right of each peer's first row, and the legend.
fn table_with_strips(section: &Section, table: &Table, gap: u16, axis: Axis, glyphs: &Glyphs) -> Vec<String> {
    let start = grid::natural_width(table, gap) + usize::from(gap);
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let row_count: usize = section.peers.iter().map(row_count).sum();
    let separator = lines.len().saturating_sub(row_count + 1);
    let mut append = |line: usize, text: &str| {
        if let Some(line) = lines.get_mut(line) {
            let width = anstream::adapter::strip_str(line).to_string().chars().count();
            *line += &" ".repeat(start.saturating_sub(width));
            *line += text;
        }
    };
    if let Some(heading) = separator.checked_sub(1) {
        append(heading, &axis.heading());
    }
    let mut row = separator + 1;
    for peer in &section.peers {
        append(row, &peer.strip.draw(axis.width, glyphs));
        row += self::row_count(peer);
    }
    if let Some(line) = lines.get_mut(separator) {
        *line = "-".repeat(start + axis.width);
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    vec![lines.join("\n"), axis.legend(glyphs)]
}

fn row_count(peer: &PeerEntry) -> usize {
    peer.channels.len().max(1)
}

/// Renders the strips as a separate list, and the legend. Returns nothing if no strip fits.
fn strip_list(section: &Section, length_ns: u64, width: u16, glyphs: &Glyphs) -> Vec<String> {
    let label = |peer: &PeerEntry| {
        peer.alias.clone().unwrap_or_else(|| Layout::Compact.id(&peer.report.node_id, glyphs))
    };
    let labels: Vec<String> = section.peers.iter().map(label).collect();
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max("peer".len());
    let Some(strip_width) = Strip::fitting_width(usize::from(width).saturating_sub(longest + 2)) else {
        return Vec::new();
    };
    let axis = Axis { length_ns, width: strip_width };
    let legend = grid::wrap(&axis.legend(glyphs), Some(width));
    let line = |label: &str, rest: &str| format!("{label:longest$}  {rest}").trim_end().to_owned();
    let mut lines = vec![line("peer", &axis.heading()), "-".repeat(longest + 2 + strip_width)];
    lines.extend(
        labels
            .iter()
            .zip(&section.peers)
            .map(|(label, peer)| line(label, &peer.strip.draw(strip_width, glyphs))),
    );
    vec![lines.join("\n"), legend]
}

/// Explains the mark of peers with imported values, if there are any.
fn imported_footnote(section: &Section, width: Option<u16>, glyphs: &Glyphs) -> Option<String> {
    let imported = || section.peers.iter().filter_map(|peer| peer.report.imported);
    let first = imported().min_by_key(|imported| imported.at)?;
    let last = imported().max_by_key(|imported| imported.at)?;
    let (mark, source, at) = (glyphs.imported, first.source, rfc3339(first.at));
    let footnote = if first.at == last.at {
        format!("{mark} imported from {source} up to {at}")
    } else {
        let last = rfc3339(last.at);
        format!("{mark} imported from {source} up to a time between {at} and {last}; use --peer to see which")
    };
    Some(grid::wrap(&footnote, width))
}

/// Returns the lines above the table: the observer, the number of peers and channels, the time and the
/// window.
fn caption(section: &Section, is_limited: bool, glyphs: &Glyphs) -> String {
    let layout = if is_limited { Layout::Normal } else { Layout::Wide };
    let observer =
        section.observer.map(|observer| format!("Observer {}\n", layout.id(&observer.node_id, glyphs)));
    let observer = observer.unwrap_or_default();
    let Some(at) = section.at else { return observer + NO_DATA };
    let peers = pluralize(section.peers.len() as u64, "peer", "peers");
    let channels = pluralize(section.channels().count() as u64, "channel", "channels");
    let window = section.window.as_ref().map(|window| format!(", window {}", window.text));
    format!("{observer}{peers}, {channels}, as of {}{}", rfc3339(at), window.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use fitness_core::{ChannelId, ChannelOpened, Event, HashSeed, NodeId, Tracker, TrackerConfig};

    use super::*;

    /// Returns one peer with an alias, which was online for 28.488 s of 30 s.
    fn document() -> Document {
        let (node_id, start) = (NodeId([2; 33]), Timestamp::from_secs(1_767_225_600));
        let opened =
            ChannelOpened { channel_id: ChannelId([7; 32]), node_id, funding: None, online: Some(true) };
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.apply(start, &Event::ChannelOpened(opened));
        tracker.apply(start.after_secs(10), &Event::PeerOffline { node_id });
        tracker.apply(start.after_nanos(11_512_000_000), &Event::PeerOnline { node_id });
        let end = start.after_secs(30);
        let mut section = Section::new(Some(end), tracker.peers(end));
        section.peers[0].alias = Some("flapping".to_owned());
        section.into()
    }

    fn render_plain(document: &Document, width: u16) -> String {
        let options = TableOptions { width: Some(width), wide: false, glyphs: &Glyphs::UNICODE };
        anstream::adapter::strip_str(&render(document, &options)).to_string()
    }

    #[test]
    fn wide_terminal_gets_one_line_headings() {
        let expected = "\
1 peer, 1 channel, as of 2026-01-01T00:00:30Z

alias      peer          channel       lifetime   observed   uptime   availability   flaps (decaying)   last flap   state    last change
----------------------------------------------------------------------------------------------------------------------------------------
flapping   020202…0202   070707…0707      30.0s      30.0s    28.4s         94.96%                  2   18.4s ago   online   18.4s ago";
        assert_eq!(render_plain(&document(), 160), expected);
    }

    #[test]
    fn narrow_terminals_get_shorter_ids_and_headings() {
        let expected = "\
1 peer, 1 channel, as of 2026-01-01T00:00:30Z

alias     peer       channel    lifetime  observed  uptime   avail-  flaps  last   state   last
                                                            ability         flap           change
-------------------------------------------------------------------------------------------------
flapping  0202…0202  0707…0707     30.0s     30.0s   28.4s   94.96%      2  18.4s  online  18.4s";
        assert_eq!(render_plain(&document(), 101), expected);
        assert!(render_plain(&document(), 80).lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn smallest_widths_still_have_a_caption() {
        for width in 1..80 {
            assert!(render_plain(&document(), width).contains("1 peer, 1 channel"), "{width}");
        }
    }
}
