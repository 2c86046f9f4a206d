//! A peer's page: one long column that is scrolled. Of its outages only those that are seen are written.

use fitness_core::{Presence, StandardWindow};
use ratatui::style::Style;

use super::{Screen, bar, header, list};
use crate::api::{Channel, Interval, Peer, Window, Word};
use crate::look::TerminalCapabilities;
use crate::model::{Mark, Model, Page, Told, marks_of};
use crate::text;

/// A line of the page.
enum Row {
    Text(String, Style),
    Marks(Vec<Mark>),
}

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model) {
    let Some(page) = &model.page else { return };
    let Some(bottom) = screen.area.height.checked_sub(1) else { return };
    let (width, look) = (screen.area.width, screen.look);
    let head = head(model, page, width, look);
    let outages = page.told.iter().flat_map(|told| told.outages.iter().map(move |place| (told, *place)));
    let outages = outages.filter_map(|(told, place)| Some((told, told.timeline.get(place)?)));
    let outages = outages.map(|(told, interval)| {
        let (text, style) = outage(interval, told, width, look);
        Row::Text(text, style)
    });
    for (y, row) in (0..bottom).zip(head.into_iter().chain(outages).skip(page.scrolled)) {
        match row {
            Row::Text(text, style) => drop(screen.put(0, y, width, &text, style)),
            Row::Marks(marks) => screen.put_marks(0, y, &marks),
        }
    }
    bar::page(screen, bottom);
}

/// How many lines there are in all.
pub(super) fn lines(model: &Model) -> usize {
    let Some(page) = &model.page else { return 0 };
    let look = TerminalCapabilities { unicode: true, colour: false };
    let outages = page.told.as_ref().map_or(0, |told| told.outages.len());
    head(model, page, model.size.0, look).len() + outages
}

/// All that stands above the list of outages.
fn head(model: &Model, page: &Page, width: u16, look: TerminalCapabilities) -> Vec<Row> {
    let plain = |text: String| Row::Text(text, Style::new());
    let mut rows = Vec::new();
    rows.extend(header::alarm(model).map(|alarm| Row::Text(alarm, look.alarm())));
    match page.peer(&model.list) {
        Some(peer) => rows.extend(who(model, peer, width, look)),
        None => rows.push(plain(format!("Peer {}", page.node_id))),
    }
    rows.extend(page.trouble.iter().map(|trouble| Row::Text(trouble.clone(), look.alarm())));
    let Some(told) = &page.told else {
        rows.extend(page.trouble.is_none().then(|| plain("Asking ...".to_owned())));
        return rows;
    };
    rows.push(plain(String::new()));
    rows.extend(windows(page, told, width, look));
    rows.push(plain(String::new()));
    rows.extend(history(told, width, look));
    rows.push(plain(String::new()));
    rows.extend(channels(&told.channels, width, look));
    rows.push(plain(String::new()));
    let count = text::count(told.outages.len());
    let over = over(told.span);
    let heading = match told.outages.len() {
        0 => format!("Outages {over}: none, neither theirs nor ours"),
        _ if told.cut => format!("Outages {over}, theirs and ours: the latest {count}"),
        _ => format!("Outages {over}, theirs and ours: {count}, the newest first"),
    };
    rows.push(Row::Text(heading, look.bold()));
    rows
}

fn over(span: StandardWindow) -> String {
    if span == StandardWindow::Lifetime {
        "in all its time".to_owned()
    } else {
        format!("in the last {span}")
    }
}

/// Who it is, and how it is doing.
fn who(model: &Model, peer: &Peer, width: u16, look: TerminalCapabilities) -> Vec<Row> {
    let now = model.now();
    let (observed_ns, uptime_ns) = peer.totals(now);
    let state = look.state(peer.presence, header::is_gone(model));
    let word = match peer.presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unobserved => "unobserved",
    };
    let name = list::called(peer, usize::from(width).saturating_sub(2), look.gap());
    let (link, _) = header::state(model);
    let length = text::duration(now.nanos_since(peer.presence_since_ns));
    let mut lines = vec![Row::Text(format!("{state} {name}"), look.bold())];
    let since = format!("since {} UTC", text::datetime(peer.presence_since_ns));
    let so = [format!("{word} for {length}"), since, format!("[{link}]")];
    lines.extend(flow(&so, width).into_iter().map(|line| Row::Text(line, look.state_style(peer.presence))));
    let known = text::duration(now.nanos_since(peer.tracked_since_ns));
    let flap = peer.last_flap_ns.map(|at| format!(" (last {} ago)", text::duration(now.nanos_since(at))));
    let mut facts = vec![
        format!("availability {}", text::percent(uptime_ns, observed_ns)),
        format!("uptime {}", text::duration(uptime_ns)),
        format!("observed {}", text::duration(observed_ns)),
        format!("followed for {known}"),
        format!("lost {}", text::counted(peer.disconnects as usize, "time")),
        format!("flaps {}{}", peer.flap_count, flap.unwrap_or_default()),
    ];
    facts.extend(peer.watched.then(|| "watched for its own sake".to_owned()));
    facts.extend(peer.imported.as_ref().map(|taken| {
        let until = text::datetime(taken.at_ns);
        format!("until {until} as counted by {}", text::harmless(&taken.source).unwrap_or_default())
    }));
    facts.extend(peer.untracked_at_ns.map(|at| format!("let go {}", text::datetime(at))));
    // Where there is no room for a whole id, its two halves are.
    let id = peer.node_id.to_string();
    let (front, back) = id.split_at(id.len() / 2);
    let ids = if usize::from(width) >= id.len() { vec![id.as_str()] } else { vec![front, back] };
    lines.extend(ids.into_iter().map(|id| Row::Text(id.to_owned(), Style::new())));
    lines.extend(flow(&facts, width).into_iter().map(|line| Row::Text(line, Style::new())));
    lines
}

/// Texts in as few lines as they fit into.
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

/// Cells beside each other, as many as fit: the first to the left, the others to the right of their columns.
fn cells(width: u16, cells: &[(&str, usize)]) -> String {
    let mut line = String::new();
    for (place, (text, wide)) in cells.iter().enumerate() {
        let missing = wide.saturating_sub(text::width(text));
        let blank = " ".repeat(missing);
        let cell = if place == 0 { format!("{text}{blank}") } else { format!(" {blank}{text}") };
        if text::width(&line) + text::width(&cell) > width.into() {
            break;
        }
        line += &cell;
    }
    line
}

fn windows(page: &Page, told: &Told, width: u16, look: TerminalCapabilities) -> Vec<Row> {
    let headings = ["window", "avail", "lost", "median", "worst", "uptime", "observed", "between"];
    let wide = [10, 8, 6, 8, 8, 14, 14, 8];
    let heading: Vec<(&str, usize)> = headings.into_iter().zip(wide).collect();
    let mut rows = vec![Row::Text(cells(width, &heading), look.bold())];
    for (span, window) in StandardWindow::ALL.into_iter().zip(told.windows.all()) {
        let Window { sums, uptime_error_ns, observed_error_ns, outages } = window;
        let name = if span == page.span { format!("[{span}]") } else { format!(" {span}") };
        let within = |ns, error_ns| {
            let error = text::duration(error_ns);
            if error_ns == 0 { text::duration(ns) } else { format!("{}+-{error}", text::duration(ns)) }
        };
        let texts = [
            name,
            text::percent(sums.uptime_ns, sums.observed_ns),
            format!("{}{}", if outages.complete { "" } else { ">=" }, outages.disconnects),
            text::known(outages.median_recovery_ns),
            text::known(outages.longest_recovery_ns),
            within(sums.uptime_ns, *uptime_error_ns),
            within(sums.observed_ns, *observed_error_ns),
            text::known(outages.mean_time_between_disconnects_ns),
        ];
        let row: Vec<(&str, usize)> = texts.iter().map(String::as_str).zip(wide).collect();
        let style = if span == page.span { look.bold() } else { Style::new() };
        rows.push(Row::Text(cells(width, &row), style));
    }
    rows
}

/// The window as marks, and what they mean.
fn history(told: &Told, width: u16, look: TerminalCapabilities) -> Vec<Row> {
    let marks = marks_of(&told.timeline, told.from, told.to, width);
    let length_ns = told.to.nanos_since(told.from);
    let begins = format!("-{}", text::duration(length_ns));
    let axis = format!("{begins}{:>rest$}", "now", rest = usize::from(width).saturating_sub(begins.len()));
    let mark = text::duration(length_ns / u64::from(width.max(1)));
    let legend = format!("A mark is {mark}: {}", look.legend());
    let legend: Vec<String> = legend.split("  ").map(str::to_owned).collect();
    let plain = |text: String| Row::Text(text, Style::new());
    let mut rows = vec![Row::Marks(marks), plain(axis)];
    rows.extend(flow(&legend, width).into_iter().map(plain));
    rows
}

fn channels(channels: &[Channel], width: u16, look: TerminalCapabilities) -> Vec<Row> {
    if channels.is_empty() {
        return vec![Row::Text("No channel is open with it".to_owned(), look.bold())];
    }
    let wide = [18, 8, 7, 8, 10, 20, 18];
    let headings = ["channel", "avail", "usable", "useful", "uptime", "opened", "funding"];
    let heading: Vec<(&str, usize)> = headings.into_iter().zip(wide).collect();
    let mut rows = vec![Row::Text(cells(width, &heading), look.bold())];
    for channel in channels {
        let usable = match channel.usable {
            Some(true) => "yes",
            Some(false) => "no",
            None => text::NA,
        };
        let funding = channel.funding.map(|funding| text::short(&funding, 10, look.gap()));
        let texts = [
            text::short(&channel.channel_id, 12, look.gap()),
            text::percent(channel.uptime_ns, channel.observed_ns),
            usable.to_owned(),
            text::percent(channel.usable_ns, channel.usable_observed_ns),
            text::duration(channel.uptime_ns),
            text::datetime(channel.opened_at_ns),
            funding.unwrap_or_default(),
        ];
        let row: Vec<(&str, usize)> = texts.iter().map(String::as_str).zip(wide).collect();
        rows.push(Row::Text(cells(width, &row), Style::new()));
    }
    rows
}

/// A stretch in which the peer was not online: since when, for how long, whose fault, and what it was.
fn outage(interval: &Interval, told: &Told, width: u16, look: TerminalCapabilities) -> (String, Style) {
    let (whose, what) = match (interval.presence, interval.cause) {
        (Some(Word::Offline), _) => ("theirs", "it was offline"),
        (Some(Word::Unobserved), Some(cause)) => ("ours", text::cause(cause)),
        (Some(Word::Unobserved), None) => ("nobody's", "not heard of yet, or waited for after a gap of ours"),
        _ => ("theirs", "it came and went; only the sums were kept"),
    };
    let lasts = interval.to_ns >= told.to;
    let from = text::datetime(interval.from_ns);
    let until = if lasts { "now".to_owned() } else { text::datetime(interval.to_ns) };
    let length = text::duration(interval.to_ns.nanos_since(interval.from_ns));
    let line = if width >= 80 {
        format!("{from}  {until:<19}  {length:>7}  {whose:<8}  {what}")
    } else {
        format!("{from} {length:>7} {whose}")
    };
    let style = if whose == "theirs" { look.state_style(Presence::Offline) } else { Style::new() };
    (line, style)
}
