//! The columns of the table of peers: what stands in them, and how it is called.

use comfy_table::{Attribute, Cell, CellAlignment, Color};
use fitness_core::{Presence, Timestamp, WindowStats};

use super::detail;
use super::document::{ChannelEntry, PeerEntry, Section};
use super::glyphs::Glyphs;
use super::humanise;
use crate::moment::Window;

/// How much a table says, from the roomiest to the tightest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Ids in full.
    Wide,
    /// Ids shortened.
    Normal,
    /// Ids shortened more, headings on two lines, durations without `ago`.
    Compact,
    /// What a peer is and since when in one column, on two lines, and so on.
    Narrow,
}

impl Layout {
    const fn is_tight(self) -> bool {
        matches!(self, Self::Compact | Self::Narrow)
    }

    /// An id as long as there is room for.
    pub(super) fn id(self, id: &impl ToString, glyphs: &Glyphs) -> String {
        let id = id.to_string();
        match self {
            Self::Wide => id,
            Self::Normal => humanise::short(&id, 6, glyphs.gap),
            Self::Compact | Self::Narrow => humanise::short(&id, 4, glyphs.gap),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Label,
    Peer,
    Channel,
    Lifetime,
    Observed,
    Uptime,
    Usable,
    UptimeUsable,
    LndUptime,
    TrueUptime,
    OffBy,
    Availability,
    Flaps,
    LastFlap,
    Losses,
    Between,
    Return,
    Worst,
    LossesBetween,
    ReturnWorst,
    State,
    Since,
    StateSince,
}

/// What a cell is made from.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) section: &'a Section,
    pub(super) at: Timestamp,
    pub(super) layout: Layout,
    pub(super) glyphs: &'a Glyphs,
    pub(super) peer: &'a PeerEntry,
    pub(super) channel: Option<&'a ChannelEntry>,
    /// Whether it is the peer's first row, which alone has the peer's cells.
    pub(super) first: bool,
}

impl Column {
    /// The columns that this section has anything to say in.
    pub(super) fn all(section: &Section, layout: Layout) -> Vec<Self> {
        let is_narrow = layout == Layout::Narrow;
        let mut columns = Vec::with_capacity(16);
        if section.peers.iter().any(|peer| peer.label.is_some()) {
            columns.push(Self::Label);
        }
        columns.extend([Self::Peer, Self::Channel]);
        if section.window.is_none() || !is_narrow {
            columns.push(Self::Lifetime);
        }
        columns.push(Self::Observed);
        let mut channels = section.channels();
        let tells_usable =
            section.window.is_none() && channels.any(|channel| channel.report.usable_observed_ns > 0);
        columns.extend_from_slice(match (tells_usable, is_narrow) {
            (false, _) => &[Self::Uptime],
            (true, false) => &[Self::Uptime, Self::Usable],
            (true, true) => &[Self::UptimeUsable],
        });
        if section.channels().any(|channel| channel.lnd_uptime_ns.is_some()) {
            columns.push(Self::LndUptime);
        }
        if section.channels().any(|channel| channel.true_uptime_ns.is_some()) {
            columns.extend([Self::TrueUptime, Self::OffBy]);
        }
        columns.push(Self::Availability);
        columns.extend_from_slice(match (&section.window, is_narrow) {
            (None, _) => &[Self::Flaps, Self::LastFlap],
            (Some(_), false) => &[Self::Losses, Self::Between, Self::Return, Self::Worst],
            (Some(_), true) => &[Self::LossesBetween, Self::ReturnWorst],
        });
        columns.extend_from_slice(if is_narrow { &[Self::StateSince] } else { &[Self::State, Self::Since] });
        columns
    }

    /// Whether it is of no use to anybody where a part of it is cut off.
    pub(super) const fn is_indivisible(self) -> bool {
        matches!(self, Self::Peer | Self::Channel | Self::Lifetime | Self::StateSince)
    }

    const fn is_a_number(self) -> bool {
        !matches!(
            self,
            Self::Label
                | Self::Peer
                | Self::Channel
                | Self::LastFlap
                | Self::State
                | Self::Since
                | Self::StateSince
        )
    }

    pub(super) fn heading(self, window: Option<&Window>, layout: Layout) -> Cell {
        let tight = layout.is_tight();
        let text = match self {
            Self::Label => "name",
            Self::Peer => "peer",
            Self::Channel => "channel",
            Self::Lifetime => "lifetime",
            Self::Observed => "observed",
            Self::Uptime => "uptime",
            Self::Usable => "usable",
            Self::UptimeUsable => "uptime\nusable",
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
            Self::Losses => "losses",
            Self::Between => "between",
            Self::Return => "return",
            Self::Worst => "worst",
            Self::LossesBetween => "losses\nbetween",
            Self::ReturnWorst => "return\nworst",
            Self::State => "state",
            Self::Since if tight => "for",
            Self::Since => "since",
            Self::StateSince => "state\nfor",
        };
        let text = match window.filter(|window| !window.is_lifetime()) {
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

    pub(super) fn cell(self, row: &Row<'_>) -> Cell {
        let cell = Cell::new_owned(self.text(row).unwrap_or_default());
        let cell = match (self, row.state()) {
            (Self::State | Self::StateSince, Some(state)) => state.colour(cell),
            _ => cell,
        };
        self.align(cell)
    }

    /// The words in a cell; `None` where it stays empty.
    fn text(self, row: &Row<'_>) -> Option<String> {
        let report = &row.peer.report;
        let ago = |at| match row.layout.is_tight() {
            true => humanise::duration(row.at.nanos_since(at)),
            false => humanise::ago(row.at, at),
        };
        let told = |of: fn(&WindowStats) -> String| row.window().map_or_else(|| humanise::NA.to_owned(), of);
        Some(match self {
            Self::Label if row.first => row.peer.label.clone()?,
            Self::Peer if row.first => {
                let mut id = row.layout.id(&report.node_id, row.glyphs);
                id.extend(report.imported.map(|_| row.glyphs.imported));
                id
            }
            Self::Flaps if row.first => report.flap_count.to_string(),
            Self::LastFlap if row.first => report.last_flap.map_or_else(|| "never".to_owned(), ago),
            Self::Since if row.first => ago(report.presence_since),
            Self::Label | Self::Peer | Self::Flaps | Self::LastFlap | Self::Since => return None,
            Self::State => row.state()?.word().to_owned(),
            Self::StateSince if row.first => {
                format!("{}\n{}", row.state()?.word(), ago(report.presence_since))
            }
            Self::StateSince => row.state()?.word().to_owned(),

            Self::Channel => {
                let channel =
                    row.channel.map(|channel| row.layout.id(&channel.report.channel_id, row.glyphs));
                channel.unwrap_or_else(|| "-".to_owned())
            }
            Self::Lifetime => humanise::duration(row.lifetime_ns()),
            Self::Observed => {
                let error_ns = row.window().map_or(0, |stats| stats.window.observed_error_ns);
                humanise::within(row.observed_ns(), error_ns)
            }
            Self::Uptime => row.uptime(),
            Self::Usable => row.usable()?,
            Self::UptimeUsable => {
                [Some(row.uptime()), row.usable()].into_iter().flatten().collect::<Vec<_>>().join("\n")
            }
            Self::LndUptime => humanise::duration(row.channel?.lnd_uptime_ns?),
            Self::TrueUptime => humanise::duration(row.channel?.true_uptime_ns?),
            Self::OffBy => humanise::difference(row.uptime_ns(), row.channel?.true_uptime_ns?),
            Self::Availability => match row.window() {
                Some(stats) => detail::availability(&stats.window),
                None => humanise::availability(row.uptime_ns(), row.observed_ns()),
            },
            Self::Losses => told(detail::losses),
            Self::Between => told(detail::between),
            Self::Return => told(detail::median),
            Self::Worst => told(detail::worst),
            Self::LossesBetween => format!("{}\n{}", told(detail::losses), told(detail::between)),
            Self::ReturnWorst => format!("{}\n{}", told(detail::median), told(detail::worst)),
        })
    }
}

/// What a row's peer is, or its channel where that is worth saying.
#[derive(Clone, Copy)]
enum State {
    Presence(Presence),
    /// The peer is online, and its channel cannot carry payments.
    Inactive,
    /// The peer was let go.
    Closed,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Presence(presence) => super::state(presence),
            Self::Inactive => "inactive",
            Self::Closed => "closed",
        }
    }

    fn colour(self, cell: Cell) -> Cell {
        match self {
            Self::Presence(Presence::Online) => cell.fg(Color::DarkGreen),
            Self::Presence(Presence::Offline) => cell.fg(Color::DarkRed),
            Self::Inactive => cell.fg(Color::DarkYellow),
            Self::Presence(Presence::Unobserved) | Self::Closed => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl Row<'_> {
    /// What to say of its state: of each channel where one is inactive, else of the peer alone.
    fn state(&self) -> Option<State> {
        let peer = &self.peer.report;
        if self.channel.is_some_and(|channel| channel.is_inactive(peer)) {
            return Some(State::Inactive);
        }
        let is_shown = self.first || self.peer.channels.iter().any(|channel| channel.is_inactive(peer));
        let state = if peer.untracked_at.is_some() { State::Closed } else { State::Presence(peer.presence) };
        is_shown.then_some(state)
    }

    fn window(&self) -> Option<&WindowStats> {
        match self.channel {
            Some(channel) => channel.window.as_ref(),
            None => self.peer.window.as_ref(),
        }
    }

    fn uptime(&self) -> String {
        let error_ns = self.window().map_or(0, |stats| stats.window.uptime_error_ns);
        humanise::within(self.uptime_ns(), error_ns)
    }

    /// How long its channel was usable, where it has one.
    fn usable(&self) -> Option<String> {
        let report = &self.channel?.report;
        Some(humanise::or_na((report.usable_observed_ns > 0).then_some(report.usable_ns)))
    }

    fn lifetime_ns(&self) -> u64 {
        match self.channel {
            Some(channel) => channel.report.lifetime_ns,
            None => self.section.lifetime_ns(self.peer),
        }
    }

    fn observed_ns(&self) -> u64 {
        match (self.window(), self.channel) {
            (Some(stats), _) => stats.window.observed_ns,
            (None, Some(channel)) => channel.report.observed_ns,
            (None, None) => self.peer.report.observed_ns,
        }
    }

    fn uptime_ns(&self) -> u64 {
        match (self.window(), self.channel) {
            (Some(stats), _) => stats.window.uptime_ns,
            (None, Some(channel)) => channel.report.uptime_ns,
            (None, None) => self.peer.report.uptime_ns,
        }
    }
}
