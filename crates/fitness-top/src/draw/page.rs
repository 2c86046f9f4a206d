//! The page of a peer: one long column that scrolls. Only the visible outages are formatted.

use fitness_core::{Presence, StandardWindow};
use ratatui::style::Style;

use super::{Screen, bar, header, list};
use crate::api::{Channel, Interval, Peer, Window};
use crate::capabilities::TerminalCapabilities;
use crate::model::{Mark, Model, Page, PageData, timeline_marks};
use crate::text;

/// A line of the page.
enum Line {
    Text(String, Style),
    Marks(Vec<Mark>),
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Style::new())
    }
}

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model) {
    let Some(page) = &model.page else { return };
    let Some(bottom) = screen.area.height.checked_sub(1) else { return };
    let (width, caps) = (screen.area.width, screen.caps);
    let top = lines_above_outages(model, page, width, caps);
    let outages = page.data.iter().flat_map(|data| data.outages.iter().map(move |index| (data, *index)));
    let outages = outages.filter_map(|(data, index)| Some((data, data.timeline.get(index)?)));
    let outages = outages.map(|(data, interval)| {
        let (text, style) = outage(interval, data, width, caps);
        Line::Text(text, style)
    });
    for (y, line) in (0..bottom).zip(top.into_iter().chain(outages).skip(page.scroll)) {
        match line {
            Line::Text(text, style) => drop(screen.put(0, y, width, &text, style)),
            Line::Marks(marks) => screen.put_marks(0, y, &marks),
        }
    }
    bar::page(screen, bottom);
}

/// Returns the number of lines of the open page.
pub(super) fn line_count(model: &Model) -> usize {
    let Some(page) = &model.page else { return 0 };
    let caps = TerminalCapabilities { unicode: true, colour: false };
    let outages = page.data.as_ref().map_or(0, |data| data.outages.len());
    lines_above_outages(model, page, model.size.0, caps).len() + outages
}

fn lines_above_outages(model: &Model, page: &Page, width: u16, caps: TerminalCapabilities) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(header::alert(model).map(|alert| Line::Text(alert, caps.alert())));
    match page.peer(&model.list) {
        Some(peer) => lines.extend(peer_lines(model, peer, width, caps)),
        None => lines.push(Line::plain(format!("Peer {}", page.node_id))),
    }
    lines.extend(page.error.iter().map(|error| Line::Text(error.clone(), caps.alert())));
    let Some(data) = &page.data else {
        lines.extend(page.error.is_none().then(|| Line::plain("Loading...")));
        return lines;
    };
    lines.push(Line::plain(""));
    lines.extend(window_lines(page, data, width, caps));
    lines.push(Line::plain(""));
    lines.extend(timeline_lines(data, width, caps));
    lines.push(Line::plain(""));
    lines.extend(channel_lines(&data.channels, width, caps));
    lines.push(Line::plain(""));
    lines.push(Line::Text(outages_heading(data), caps.bold()));
    lines
}

fn outages_heading(data: &PageData) -> String {
    let period = if data.window == StandardWindow::Lifetime {
        "since tracking began".to_owned()
    } else {
        format!("in the last {}", data.window)
    };
    let count = text::count(data.outages.len());
    match data.outages.len() {
        0 => format!("No outages or gaps {period}"),
        _ if data.is_truncated => format!("Outages and gaps {period}: the latest {count}"),
        _ => format!("Outages and gaps {period}: {count}, newest first"),
    }
}

/// Returns the peer's alias, presence, id and totals.
fn peer_lines(model: &Model, peer: &Peer, width: u16, caps: TerminalCapabilities) -> Vec<Line> {
    let now = model.now();
    let symbol = caps.presence(peer.presence, header::in_gap(model));
    let presence = match peer.presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unobserved => "unobserved",
    };
    let alias = list::alias_or_id(peer, usize::from(width).saturating_sub(2), caps.ellipsis());
    let (data_state, _) = header::data_state(model);
    let elapsed = text::duration(now.nanos_since(peer.presence_since_ns));
    let since = format!("since {} UTC", text::datetime(peer.presence_since_ns));
    let state = [format!("{presence} for {elapsed}"), since, format!("[{data_state}]")];
    let state_style = caps.presence_style(peer.presence);
    // An id that does not fit into one line is split into halves.
    let id = peer.node_id.to_string();
    let (first, second) = id.split_at(id.len() / 2);
    let id_lines = if usize::from(width) >= id.len() { vec![id.as_str()] } else { vec![first, second] };

    let mut lines = vec![Line::Text(format!("{symbol} {alias}"), caps.bold())];
    lines.extend(flow(&state, width).into_iter().map(|line| Line::Text(line, state_style)));
    lines.extend(id_lines.into_iter().map(Line::plain));
    lines.extend(flow(&peer_facts(model, peer), width).into_iter().map(Line::plain));
    lines
}

fn peer_facts(model: &Model, peer: &Peer) -> Vec<String> {
    let now = model.now();
    let (observed_ns, uptime_ns) = peer.totals(now);
    let since = |at| text::duration(now.nanos_since(at));
    let last_flap = peer.last_flap_ns.map(|at| format!(", last {} ago", since(at)));
    let mut facts = vec![
        format!("availability {}", text::percent(uptime_ns, observed_ns)),
        format!("uptime {}", text::duration(uptime_ns)),
        format!("observed {}", text::duration(observed_ns)),
        format!("tracked for {}", since(peer.tracked_since_ns)),
        text::pluralize(peer.disconnects as usize, "disconnect", "disconnects"),
        format!("flaps (decaying) {}{}", peer.flap_count, last_flap.unwrap_or_default()),
    ];
    facts.extend(peer.watched.then(|| "watched".to_owned()));
    facts.extend(peer.imported.as_ref().map(|imported| {
        let source = text::sanitize(&imported.source).unwrap_or_default();
        format!("imported from {source} up to {}", text::datetime(imported.at_ns))
    }));
    facts.extend(peer.untracked_at_ns.map(|at| format!("untracked since {}", text::datetime(at))));
    facts
}

/// Joins texts into as few lines as possible.
fn flow(texts: &[String], width: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            Some(line) if text::width(line) + 2 + text::width(text) <= width.into() => {
                *line = format!("{line}  {text}");
            }
            _ => lines.push(text.clone()),
        }
    }
    lines
}

/// Formats a table row from texts and column widths. The first column is left-aligned, the others are
/// right-aligned. Columns that do not fit are omitted.
fn table_row(width: u16, cells: &[(&str, usize)]) -> String {
    let mut row = String::new();
    for (index, (text, cell_width)) in cells.iter().enumerate() {
        let padding = " ".repeat(cell_width.saturating_sub(text::width(text)));
        let cell = if index == 0 { format!("{text}{padding}") } else { format!(" {padding}{text}") };
        if text::width(&row) + text::width(&cell) > width.into() {
            break;
        }
        row += &cell;
    }
    row
}

fn window_lines(page: &Page, data: &PageData, width: u16, caps: TerminalCapabilities) -> Vec<Line> {
    let headings = ["window", "avail", "disconn", "med recov", "max recov", "uptime", "observed", "MTBD"];
    let widths = [10, 8, 7, 9, 9, 14, 14, 8];
    let heading: Vec<(&str, usize)> = headings.into_iter().zip(widths).collect();
    let mut lines = vec![Line::Text(table_row(width, &heading), caps.bold())];
    for (span, window) in StandardWindow::ALL.into_iter().zip(data.windows.all()) {
        let Window { totals, uptime_error_ns, observed_error_ns, outages } = window;
        let name = if span == page.window { format!("[{span}]") } else { format!(" {span}") };
        let with_error = |ns, error_ns| {
            let error = text::duration(error_ns);
            if error_ns == 0 { text::duration(ns) } else { format!("{}+-{error}", text::duration(ns)) }
        };
        let texts = [
            name,
            text::percent(totals.uptime_ns, totals.observed_ns),
            format!("{}{}", if outages.complete { "" } else { ">=" }, outages.disconnects),
            text::duration_or_na(outages.median_recovery_ns),
            text::duration_or_na(outages.longest_recovery_ns),
            with_error(totals.uptime_ns, *uptime_error_ns),
            with_error(totals.observed_ns, *observed_error_ns),
            text::duration_or_na(outages.mean_time_between_disconnects_ns),
        ];
        let cells: Vec<(&str, usize)> = texts.iter().map(String::as_str).zip(widths).collect();
        let style = if span == page.window { caps.bold() } else { Style::new() };
        lines.push(Line::Text(table_row(width, &cells), style));
    }
    lines
}

/// Returns the timeline of the window as marks, with its axis and legend.
fn timeline_lines(data: &PageData, width: u16, caps: TerminalCapabilities) -> Vec<Line> {
    let marks = timeline_marks(&data.timeline, data.from, data.to, width);
    let length_ns = data.to.nanos_since(data.from);
    let start = format!("-{}", text::duration(length_ns));
    let axis = format!("{start}{:>rest$}", "now", rest = usize::from(width).saturating_sub(start.len()));
    let mark_length = text::duration(length_ns / u64::from(width.max(1)));
    let mut legend = caps.legend();
    legend[0] = format!("Each mark is {mark_length}: {}", legend[0]);
    let mut lines = vec![Line::Marks(marks), Line::plain(axis)];
    lines.extend(flow(&legend, width).into_iter().map(Line::plain));
    lines
}

fn channel_lines(channels: &[Channel], width: u16, caps: TerminalCapabilities) -> Vec<Line> {
    if channels.is_empty() {
        return vec![Line::Text("No open channels".to_owned(), caps.bold())];
    }
    let headings = ["channel", "avail", "usable", "usable %", "uptime", "opened (UTC)", "funding"];
    let widths = [18, 8, 7, 8, 10, 20, 18];
    let heading: Vec<(&str, usize)> = headings.into_iter().zip(widths).collect();
    let mut lines = vec![Line::Text(table_row(width, &heading), caps.bold())];
    for channel in channels {
        let usable = match channel.usable {
            Some(true) => "yes",
            Some(false) => "no",
            None => text::NA,
        };
        let funding = channel.funding.map(|funding| text::shorten_id(&funding, 10, caps.ellipsis()));
        let texts = [
            text::shorten_id(&channel.channel_id, 12, caps.ellipsis()),
            text::percent(channel.uptime_ns, channel.observed_ns),
            usable.to_owned(),
            text::percent(channel.usable_ns, channel.usable_observed_ns),
            text::duration(channel.uptime_ns),
            text::datetime(channel.opened_at_ns),
            funding.unwrap_or_default(),
        ];
        let cells: Vec<(&str, usize)> = texts.iter().map(String::as_str).zip(widths).collect();
        lines.push(Line::plain(table_row(width, &cells)));
    }
    lines
}

/// Formats an interval in which the peer was not online: its start, end, duration, kind and details.
fn outage(interval: &Interval, data: &PageData, width: u16, caps: TerminalCapabilities) -> (String, Style) {
    let (kind, details) = match (interval.presence, interval.cause) {
        (Some(Presence::Offline), _) => ("peer", "offline"),
        (Some(Presence::Unobserved), Some(cause)) => ("gap", text::cause(cause)),
        (Some(Presence::Unobserved), None) => ("grace", "reconnect grace period, or not observed yet"),
        _ => ("peer", "unstable (details downsampled)"),
    };
    let is_ongoing = interval.to_ns >= data.to;
    let from = text::datetime(interval.from_ns);
    let until = if is_ongoing { "now".to_owned() } else { text::datetime(interval.to_ns) };
    let length = text::duration(interval.to_ns.nanos_since(interval.from_ns));
    let line = if width >= 80 {
        format!("{from}  {until:<19}  {length:>7}  {kind:<5}  {details}")
    } else {
        format!("{from} {length:>7} {kind}")
    };
    let style = if kind == "peer" { caps.presence_style(Presence::Offline) } else { Style::new() };
    (line, style)
}
