//! The columns of the peer table: headings and cells.

use comfy_table::{Attribute, Cell, CellAlignment, Color};
use fitness_core::{Presence, Timestamp, WindowStats};

use super::detail;
use super::document::{ChannelEntry, PeerEntry, Section};
use super::format;
use super::glyphs::Glyphs;
use crate::time::Window;

/// How much space a table takes, widest first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Full ids.
    Wide,
    /// Shortened ids.
    Normal,
    /// Ids shortened further, two-line headings, durations without `ago`.
    Compact,
    /// As compact, with pairs of columns merged into one that has two lines per row.
    Narrow,
}

impl Layout {
    const fn is_tight(self) -> bool {
        matches!(self, Self::Compact | Self::Narrow)
    }

    /// Formats an id as long as the layout permits.
    pub(super) fn id(self, id: &impl ToString, glyphs: &Glyphs) -> String {
        let id = id.to_string();
        match self {
            Self::Wide => id,
            Self::Normal => format::short(&id, 6, glyphs.ellipsis),
            Self::Compact | Self::Narrow => format::short(&id, 4, glyphs.ellipsis),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Alias,
    Peer,
    Channel,
    Lifetime,
    Observed,
    Uptime,
    Usable,
    UptimeUsable,
    LndUptime,
    Availability,
    Flaps,
    LastFlap,
    Disconnects,
    MeanTimeBetweenDisconnects,
    MedianRecovery,
    LongestRecovery,
    DisconnectsMeanTime,
    RecoveryTimes,
    State,
    LastChange,
    StateLastChange,
}

/// The row that a cell belongs to.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) section: &'a Section,
    pub(super) at: Timestamp,
    pub(super) layout: Layout,
    pub(super) glyphs: &'a Glyphs,
    pub(super) peer: &'a PeerEntry,
    pub(super) channel: Option<&'a ChannelEntry>,
    /// Whether this is the first row of the peer. Only that row has the cells that concern the peer.
    pub(super) is_first: bool,
}

impl Column {
    /// Returns the columns for which the section has data.
    pub(super) fn all(section: &Section, layout: Layout) -> Vec<Self> {
        let is_narrow = layout == Layout::Narrow;
        let mut columns = Vec::with_capacity(16);
        if section.peers.iter().any(|peer| peer.alias.is_some()) {
            columns.push(Self::Alias);
        }
        columns.extend([Self::Peer, Self::Channel]);
        if section.window.is_none() || !is_narrow {
            columns.push(Self::Lifetime);
        }
        columns.push(Self::Observed);
        let mut channels = section.channels();
        let has_usable =
            section.window.is_none() && channels.any(|channel| channel.report.usable_observed_ns > 0);
        columns.extend_from_slice(match (has_usable, is_narrow) {
            (false, _) => &[Self::Uptime],
            (true, false) => &[Self::Uptime, Self::Usable],
            (true, true) => &[Self::UptimeUsable],
        });
        if section.channels().any(|channel| channel.lnd_uptime_ns.is_some()) {
            columns.push(Self::LndUptime);
        }
        columns.push(Self::Availability);
        columns.extend_from_slice(match (&section.window, is_narrow) {
            (None, _) => &[Self::Flaps, Self::LastFlap],
            (Some(_), false) => &[
                Self::Disconnects,
                Self::MeanTimeBetweenDisconnects,
                Self::MedianRecovery,
                Self::LongestRecovery,
            ],
            (Some(_), true) => &[Self::DisconnectsMeanTime, Self::RecoveryTimes],
        });
        columns.extend_from_slice(if is_narrow {
            &[Self::StateLastChange]
        } else {
            &[Self::State, Self::LastChange]
        });
        columns
    }

    /// Returns whether the cells are useless when truncated, such as ids.
    pub(super) const fn is_indivisible(self) -> bool {
        matches!(self, Self::Peer | Self::Channel | Self::Lifetime | Self::StateLastChange)
    }

    const fn is_numeric(self) -> bool {
        !matches!(
            self,
            Self::Alias
                | Self::Peer
                | Self::Channel
                | Self::LastFlap
                | Self::State
                | Self::LastChange
                | Self::StateLastChange
        )
    }

    pub(super) fn heading(self, window: Option<&Window>, layout: Layout) -> Cell {
        let tight = layout.is_tight();
        let text = match self {
            Self::Alias => "alias",
            Self::Peer => "peer",
            Self::Channel => "channel",
            Self::Lifetime => "lifetime",
            Self::Observed => "observed",
            Self::Uptime => "uptime",
            Self::Usable => "usable",
            Self::UptimeUsable => "uptime/\nusable",
            Self::LndUptime if tight => "lnd\nuptime",
            Self::LndUptime => "lnd uptime",
            Self::Availability if tight => "avail-\nability",
            Self::Availability => "availability",
            Self::Flaps if tight => "flaps",
            Self::Flaps => "flaps (decaying)",
            Self::LastFlap if tight => "last\nflap",
            Self::LastFlap => "last flap",
            Self::Disconnects if tight => "discon-\nnects",
            Self::Disconnects => "disconnects",
            Self::MeanTimeBetweenDisconnects => "MTBD",
            Self::MedianRecovery if tight => "median\nrecovery",
            Self::MedianRecovery => "median recovery",
            Self::LongestRecovery if tight => "longest\nrecovery",
            Self::LongestRecovery => "longest recovery",
            Self::DisconnectsMeanTime => "discon-\nnects/\nMTBD",
            Self::RecoveryTimes => "recovery\nmedian/\nlongest",
            Self::State => "state",
            Self::LastChange if tight => "last\nchange",
            Self::LastChange => "last change",
            Self::StateLastChange => "state/\nchanged",
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
        if self.is_numeric() { cell.set_alignment(CellAlignment::Right) } else { cell }
    }

    pub(super) fn cell(self, row: &Row<'_>) -> Cell {
        let cell = Cell::new_owned(self.text(row).unwrap_or_default());
        let cell = match (self, row.state()) {
            (Self::State | Self::StateLastChange, Some(state)) => state.style(cell),
            _ => cell,
        };
        self.align(cell)
    }

    /// Returns the text of a cell, or `None` for an empty one.
    fn text(self, row: &Row<'_>) -> Option<String> {
        let report = &row.peer.report;
        let ago = |at| match row.layout.is_tight() {
            true => format::duration(row.at.nanos_since(at)),
            false => format::ago(row.at, at),
        };
        let stat =
            |format: fn(&WindowStats) -> String| row.window().map_or_else(|| format::NA.to_owned(), format);
        Some(match self {
            Self::Alias if row.is_first => row.peer.alias.clone()?,
            Self::Peer if row.is_first => {
                let mut id = row.layout.id(&report.node_id, row.glyphs);
                id.extend(report.imported.map(|_| row.glyphs.imported));
                id
            }
            Self::Flaps if row.is_first => report.flap_count.to_string(),
            Self::LastFlap if row.is_first => report.last_flap.map_or_else(|| "never".to_owned(), ago),
            Self::LastChange if row.is_first => ago(report.presence_since),
            Self::Alias | Self::Peer | Self::Flaps | Self::LastFlap | Self::LastChange => return None,
            Self::State => row.state()?.label().to_owned(),
            Self::StateLastChange if row.is_first => {
                format!("{}\n{}", row.state()?.label(), ago(report.presence_since))
            }
            Self::StateLastChange => row.state()?.label().to_owned(),

            Self::Channel => {
                let channel =
                    row.channel.map(|channel| row.layout.id(&channel.report.channel_id, row.glyphs));
                channel.unwrap_or_else(|| "-".to_owned())
            }
            Self::Lifetime => format::duration(row.lifetime_ns()),
            Self::Observed => {
                let error_ns = row.window().map_or(0, |stats| stats.window.observed_error_ns);
                format::with_error(row.observed_ns(), error_ns)
            }
            Self::Uptime => row.uptime(),
            Self::Usable => row.usable()?,
            Self::UptimeUsable => {
                [Some(row.uptime()), row.usable()].into_iter().flatten().collect::<Vec<_>>().join("\n")
            }
            Self::LndUptime => format::duration(row.channel?.lnd_uptime_ns?),
            Self::Availability => match row.window() {
                Some(stats) => detail::availability(&stats.window),
                None => format::availability(row.uptime_ns(), row.observed_ns()),
            },
            Self::Disconnects => stat(detail::disconnects),
            Self::MeanTimeBetweenDisconnects => stat(detail::mean_time_between_disconnects),
            Self::MedianRecovery => stat(detail::median_recovery),
            Self::LongestRecovery => stat(detail::longest_recovery),
            Self::DisconnectsMeanTime => {
                format!("{}\n{}", stat(detail::disconnects), stat(detail::mean_time_between_disconnects))
            }
            Self::RecoveryTimes => {
                format!("{}\n{}", stat(detail::median_recovery), stat(detail::longest_recovery))
            }
        })
    }
}

/// The state shown in a row: that of the peer or, if unusable, that of the channel.
#[derive(Clone, Copy)]
enum State {
    Presence(Presence),
    /// The peer is online, but the channel cannot carry payments.
    Unusable,
    /// The peer is no longer tracked.
    Untracked,
}

impl State {
    const fn label(self) -> &'static str {
        match self {
            Self::Presence(presence) => super::presence_label(presence),
            Self::Unusable => "unusable",
            Self::Untracked => "untracked",
        }
    }

    fn style(self, cell: Cell) -> Cell {
        match self {
            Self::Presence(Presence::Online) => cell.fg(Color::DarkGreen),
            Self::Presence(Presence::Offline) => cell.fg(Color::DarkRed),
            Self::Unusable => cell.fg(Color::DarkYellow),
            Self::Presence(Presence::Unobserved) | Self::Untracked => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl Row<'_> {
    /// Returns the state to show. The first row of a peer has one; the others only if a channel of the peer
    /// is unusable.
    fn state(&self) -> Option<State> {
        let peer = &self.peer.report;
        if self.channel.is_some_and(|channel| channel.is_unusable(peer)) {
            return Some(State::Unusable);
        }
        let is_shown = self.is_first || self.peer.channels.iter().any(|channel| channel.is_unusable(peer));
        let state =
            if peer.untracked_at.is_some() { State::Untracked } else { State::Presence(peer.presence) };
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
        format::with_error(self.uptime_ns(), error_ns)
    }

    /// Formats how long the channel was usable, or returns `None` for a row without a channel.
    fn usable(&self) -> Option<String> {
        let report = &self.channel?.report;
        Some(format::or_na((report.usable_observed_ns > 0).then_some(report.usable_ns)))
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
