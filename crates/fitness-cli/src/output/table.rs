//! The document as a table.
//!
//! A peer with several channels has a row for each, and its own cells on the first of them alone.
//! The narrower the terminal, the shorter the ids and headings.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};
use fitness_core::{Presence, Timestamp, WindowReport};

use super::document::{ChannelEntry, Document, PeerEntry, Section};
use super::humanise;
use crate::moment::{Window, rfc3339};

/// The room that a table has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TableOptions {
    /// Columns of the terminal; `None` where nothing limits them.
    pub(crate) width: Option<u16>,
    /// Ids in full, whatever the width.
    pub(crate) wide: bool,
}

/// How much a table says, from the roomiest to the tightest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Ids in full.
    Wide,
    /// Ids shortened.
    Normal,
    /// Ids shortened more, headings on two lines, durations without `ago`.
    Compact,
    /// What a peer is and since when in one column, on two lines.
    Narrow,
}

/// What is tried on a terminal, with the blanks between columns. The last is taken if none fits.
const LIMITED: [(Layout, u16); 4] =
    [(Layout::Normal, 3), (Layout::Normal, 2), (Layout::Compact, 2), (Layout::Compact, 1)];

/// The document as lines for a terminal, with ANSI colours and without a line break at the end.
pub(crate) fn render(document: &Document, options: &TableOptions) -> String {
    let width = options.width.filter(|_| !options.wide);
    let sections: Vec<String> =
        document.sections.iter().map(|section| render_section(section, width)).collect();
    if sections.is_empty() { NOTHING_YET.to_owned() } else { sections.join("\n\n") }
}

const NOTHING_YET: &str = "Nothing has been recorded yet.";

fn render_section(section: &Section, width: Option<u16>) -> String {
    let caption = caption(section, width.is_some());
    let Some(at) = section.at.filter(|_| !section.peers.is_empty()) else { return caption };
    let table = match width {
        None => table(section, at, Layout::Wide, 3),
        Some(width) => {
            let tried = LIMITED.iter().map(|&(layout, gap)| (table(section, at, layout, gap), gap));
            let fitting = tried.into_iter().find(|(table, gap)| natural_width(table, *gap) <= width.into());
            fitting.map(|(table, _)| table).unwrap_or_else(|| {
                let mut narrow = table(section, at, Layout::Narrow, 1);
                narrow.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
                narrow
            })
        }
    };
    format!("{caption}\n\n{}", table.trim_fmt())
}

fn table(section: &Section, at: Timestamp, layout: Layout, gap: u16) -> Table {
    let columns = Column::all(section, layout);
    let mut table = Table::new();
    // The junction makes one blank between columns; padding makes the others.
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')))
        .set_content_arrangement(ContentArrangement::Disabled)
        .enforce_styling()
        .set_header(columns.iter().map(|column| column.heading(section.window.as_ref(), layout)));
    table.style_text_only();
    for peer in &section.peers {
        let row = |channel, first| {
            let row = Row { section, at, layout, peer, channel, first };
            columns.iter().map(move |column| column.cell(&row))
        };
        if peer.channels.is_empty() {
            table.add_row(row(None, true));
        }
        for (index, channel) in peer.channels.iter().enumerate() {
            table.add_row(row(Some(channel), index == 0));
        }
    }
    let last = columns.len() - 1;
    for (index, (column, style)) in columns.iter().zip(table.column_iter_mut()).enumerate() {
        style.set_padding((0, if index == last { 0 } else { gap - 1 }));
        if matches!(column, Column::Peer | Column::Channel | Column::Lifetime | Column::StateSince) {
            // Half an id is of no use to anybody.
            style.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// The width of a table that nothing limits.
fn natural_width(table: &Table, gap: u16) -> usize {
    let contents = table.column_max_content_widths();
    let gaps = usize::from(gap) * contents.len().saturating_sub(1);
    contents.into_iter().map(usize::from).sum::<usize>() + gaps
}

/// Who answers, for which moment, and about how many.
fn caption(section: &Section, is_limited: bool) -> String {
    let layout = if is_limited { Layout::Normal } else { Layout::Wide };
    let observer = section.observer.map(|observer| format!("Observer {}\n", id(&observer.node_id, layout)));
    let observer = observer.unwrap_or_default();
    let Some(at) = section.at else { return observer + NOTHING_YET };
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let peers = count(section.peers.len(), "peer");
    let channels = count(section.channels().count(), "channel");
    let window = section.window.as_ref().map(|window| format!(", over the last {}", window.text));
    format!("{observer}{peers}, {channels}, at {}{}", rfc3339(at), window.unwrap_or_default())
}

fn id(id: &impl ToString, layout: Layout) -> String {
    let id = id.to_string();
    match layout {
        Layout::Wide => id,
        Layout::Normal => humanise::short(&id, 6),
        Layout::Compact | Layout::Narrow => humanise::short(&id, 4),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Label,
    Peer,
    Channel,
    Lifetime,
    Observed,
    Uptime,
    LndUptime,
    TrueUptime,
    OffBy,
    Availability,
    Flaps,
    LastFlap,
    State,
    Since,
    StateSince,
}

/// What a cell is made from.
#[derive(Clone, Copy)]
struct Row<'a> {
    section: &'a Section,
    at: Timestamp,
    layout: Layout,
    peer: &'a PeerEntry,
    channel: Option<&'a ChannelEntry>,
    /// Whether it is the peer's first row, which alone has the peer's cells.
    first: bool,
}

impl Column {
    /// The columns that this section has anything to say in.
    fn all(section: &Section, layout: Layout) -> Vec<Self> {
        let mut columns = Vec::with_capacity(13);
        if section.peers.iter().any(|peer| peer.label.is_some()) {
            columns.push(Self::Label);
        }
        columns.extend([Self::Peer, Self::Channel, Self::Lifetime, Self::Observed, Self::Uptime]);
        if section.channels().any(|channel| channel.lnd_uptime_ns.is_some()) {
            columns.push(Self::LndUptime);
        }
        if section.channels().any(|channel| channel.true_uptime_ns.is_some()) {
            columns.extend([Self::TrueUptime, Self::OffBy]);
        }
        columns.extend([Self::Availability, Self::Flaps, Self::LastFlap]);
        match layout {
            Layout::Narrow => columns.push(Self::StateSince),
            Layout::Wide | Layout::Normal | Layout::Compact => columns.extend([Self::State, Self::Since]),
        }
        columns
    }

    const fn is_a_number(self) -> bool {
        matches!(
            self,
            Self::Lifetime
                | Self::Observed
                | Self::Uptime
                | Self::LndUptime
                | Self::TrueUptime
                | Self::OffBy
                | Self::Availability
                | Self::Flaps
        )
    }

    fn heading(self, window: Option<&Window>, layout: Layout) -> Cell {
        let tight = matches!(layout, Layout::Compact | Layout::Narrow);
        let text = match self {
            Self::Label => "name",
            Self::Peer => "peer",
            Self::Channel => "channel",
            Self::Lifetime => "lifetime",
            Self::Observed => "observed",
            Self::Uptime => "uptime",
            Self::LndUptime if tight => "lnd\nuptime",
            Self::LndUptime => "lnd uptime",
            Self::TrueUptime if tight => "true\nuptime",
            Self::TrueUptime => "true uptime",
            Self::OffBy => "off by",
            Self::Availability if tight => "avail-\nability",
            Self::Availability => "availability",
            Self::Flaps => "flaps",
            Self::LastFlap if tight => "last\nflap",
            Self::LastFlap => "last flap",
            Self::State => "state",
            Self::Since if tight => "for",
            Self::Since => "since",
            Self::StateSince => "state\nfor",
        };
        let text = match window {
            Some(window) if matches!(self, Self::Observed | Self::Uptime | Self::Availability) => {
                format!("{}{}{text}", window.text, if tight { '\n' } else { ' ' })
            }
            _ => text.to_owned(),
        };
        self.align(Cell::new_owned(text))
    }

    fn align(self, cell: Cell) -> Cell {
        if self.is_a_number() { cell.set_alignment(CellAlignment::Right) } else { cell }
    }

    fn cell(self, row: &Row<'_>) -> Cell {
        let cell = Cell::new_owned(self.text(row).unwrap_or_default());
        if !row.first {
            return self.align(cell);
        }
        let cell = match (self, row.peer.report.online) {
            (Self::State | Self::StateSince, Presence::Online) => cell.fg(Color::DarkGreen),
            (Self::State | Self::StateSince, Presence::Offline) => cell.fg(Color::DarkRed),
            (Self::State | Self::StateSince, Presence::Unobserved) => cell.add_attribute(Attribute::Dim),
            _ => cell,
        };
        self.align(cell)
    }

    /// The words in a cell; `None` where it stays empty.
    fn text(self, row: &Row<'_>) -> Option<String> {
        let report = &row.peer.report;
        let ago = |at| match row.layout {
            Layout::Compact | Layout::Narrow => humanise::duration(row.at.nanos_since(at)),
            Layout::Normal | Layout::Wide => humanise::ago(row.at, at),
        };
        Some(match self {
            Self::Label if row.first => row.peer.label.clone()?,
            Self::Peer if row.first => id(&report.node_id, row.layout),
            Self::Flaps if row.first => report.flap_count.to_string(),
            Self::LastFlap if row.first => report.last_flap.map_or_else(|| "never".to_owned(), ago),
            Self::State if row.first => state(report.online).to_owned(),
            Self::Since if row.first => ago(report.since),
            Self::StateSince if row.first => format!("{}\n{}", state(report.online), ago(report.since)),
            Self::Label | Self::Peer | Self::Flaps => return None,
            Self::LastFlap | Self::State | Self::Since | Self::StateSince => return None,

            Self::Channel => {
                let channel = row.channel.map(|channel| id(&channel.report.channel_id, row.layout));
                channel.unwrap_or_else(|| "-".to_owned())
            }
            Self::Lifetime => humanise::duration(row.lifetime_ns()),
            Self::Observed => {
                let error_ns = row.window().map_or(0, |window| window.observed_error_ns);
                within(row.observed_ns(), error_ns)
            }
            Self::Uptime => {
                let error_ns = row.window().map_or(0, |window| window.uptime_error_ns);
                within(row.uptime_ns(), error_ns)
            }
            Self::LndUptime => humanise::duration(row.channel?.lnd_uptime_ns?),
            Self::TrueUptime => humanise::duration(row.channel?.true_uptime_ns?),
            Self::OffBy => humanise::difference(row.uptime_ns(), row.channel?.true_uptime_ns?),
            Self::Availability => {
                let is_exact =
                    row.window().is_none_or(|w| w.observed_error_ns == 0 && w.uptime_error_ns == 0);
                let mark = if is_exact { "" } else { "~" };
                format!("{mark}{}", humanise::availability(row.uptime_ns(), row.observed_ns()))
            }
        })
    }
}

impl Row<'_> {
    fn window(&self) -> Option<&WindowReport> {
        match self.channel {
            Some(channel) => channel.window.as_ref(),
            None => self.peer.window.as_ref(),
        }
    }

    fn lifetime_ns(&self) -> u64 {
        match self.channel {
            Some(channel) => channel.report.lifetime_ns,
            None => self.section.lifetime_ns(self.peer),
        }
    }

    fn observed_ns(&self) -> u64 {
        match (self.window(), self.channel) {
            (Some(window), _) => window.observed_ns,
            (None, Some(channel)) => channel.report.observed_ns,
            (None, None) => self.peer.report.observed_ns,
        }
    }

    fn uptime_ns(&self) -> u64 {
        match (self.window(), self.channel) {
            (Some(window), _) => window.uptime_ns,
            (None, Some(channel)) => channel.report.uptime_ns,
            (None, None) => self.peer.report.uptime_ns,
        }
    }
}

/// A duration, and how far it may be off where it may be.
fn within(ns: u64, error_ns: u64) -> String {
    let duration = humanise::duration(ns);
    if error_ns == 0 { duration } else { format!("{duration} +/- {}", humanise::duration(error_ns)) }
}

const fn state(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unobserved => "unobserved",
    }
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
        anstream::adapter::strip_str(&render(document, &TableOptions { width: Some(width), wide: false }))
            .to_string()
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
