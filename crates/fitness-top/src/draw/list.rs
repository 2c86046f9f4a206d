//! The list of peers: only those rows that are seen.

use ratatui::style::Style;

use super::Screen;
use super::header::is_gone;
use crate::api::Peer;
use crate::layout::Layout;
use crate::model::{Column, Model};
use crate::text;

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    if layout.has_headings {
        headings(screen, model, layout);
    }
    let first = layout.header + u16::from(layout.has_headings);
    let mut is_empty = true;
    for (y, (peer, is_chosen)) in (first..).zip(model.list.visible(layout.rows())) {
        is_empty = false;
        row(screen, model, layout, peer, y);
        if is_chosen {
            let style = screen.look.chosen();
            screen.paint(y, style);
        }
    }
    if is_empty && layout.rows() > 0 {
        screen.put(0, first, screen.area.width, nothing(model), Style::new());
    }
}

/// Why there is nobody to be seen.
fn nothing(model: &Model) -> &'static str {
    match (model.is_begun(), model.list.all()) {
        (false, _) => "Asking …",
        (true, 0) => "No peer is followed: those with a channel are, and those that are watched",
        (true, _) => "No peer matches the filter; Esc takes it away",
    }
}

fn headings(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    let (y, look) = (layout.header, screen.look);
    let style = look.heading();
    screen.paint(y, style);
    for &(column, x, width) in &layout.columns {
        let is_sorted = column == model.list.sort;
        let arrow = if model.list.inverted { "^" } else { "v" };
        let heading = column.heading();
        // A column of one place has room for its arrow alone.
        let heading = match (is_sorted, width) {
            (true, 1) => arrow.to_owned(),
            (true, _) => format!("{heading}{arrow}"),
            (false, _) => heading.to_owned(),
        };
        let style = if is_sorted { style.patch(look.bold()) } else { style };
        if is_left(column) {
            screen.put(x, y, width, &heading, style);
        } else {
            screen.put_right(x, y, width, &heading, style);
        }
    }
    if layout.hours > 0 {
        let begin = format!("-{}h", layout.hours);
        screen.put(layout.strip, y, layout.hours, &begin, style);
        screen.put_right(layout.strip, y, layout.hours, "now", style);
    }
}

const fn is_left(column: Column) -> bool {
    matches!(column, Column::State | Column::Name)
}

fn row(screen: &mut Screen<'_>, model: &Model, layout: &Layout, peer: &Peer, y: u16) {
    let look = screen.look;
    for &(column, x, width) in &layout.columns {
        match column {
            Column::State => {
                let glyph = look.state(peer.presence, is_gone(model));
                screen.put(x, y, width, glyph, look.state_style(peer.presence));
            }
            Column::Name => {
                let name = called(peer, width.into(), look.gap());
                screen.put(x, y, width, &name, Style::new());
            }
            _ => screen.put_right(x, y, width, &cell(column, model, peer), Style::new()),
        }
    }
    if let Some(hours) = model.list.strips.get(&peer.node_id).filter(|_| layout.hours > 0) {
        let marks = hours.marks(model.now(), layout.hours, model.gaps());
        screen.put_marks(layout.strip, y, &marks);
    }
}

/// Its name, or its id.
pub(super) fn called(peer: &Peer, width: usize, gap: &str) -> String {
    peer.alias.clone().unwrap_or_else(|| text::id_in(&peer.node_id, width, gap))
}

fn cell(column: Column, model: &Model, peer: &Peer) -> String {
    let now = model.now();
    let (observed_ns, uptime_ns) = peer.totals(now);
    let ago = |at| text::duration(now.nanos_since(at));
    match column {
        Column::State | Column::Name => String::new(),
        Column::Availability => text::percent(uptime_ns, observed_ns),
        Column::Since => ago(peer.presence_since_ns),
        Column::Disconnects => peer.disconnects.to_string(),
        Column::Flaps => peer.flap_count.to_string(),
        Column::LastFlap => peer.last_flap_ns.map_or_else(|| "-".to_owned(), ago),
        Column::Uptime => text::duration(uptime_ns),
        Column::Observed => text::duration(observed_ns),
        Column::FirstSeen => ago(peer.tracked_since_ns),
        Column::Channels => peer.channel_count.to_string(),
    }
}

/// The choice of a column to sort by, over the list.
pub(super) fn menu(screen: &mut Screen<'_>, model: &Model, cursor: usize) {
    let look = screen.look;
    let width = screen.area.width.min(52);
    let rows = usize::from(screen.area.height.saturating_sub(1));
    if rows == 0 {
        return;
    }
    let blank = " ".repeat(width.into());
    screen.put(0, 0, width, &blank, look.heading());
    screen.put(0, 0, width, " Sort by (Enter), I inverts", look.heading());
    let shown = rows.saturating_sub(1).max(1);
    let top = cursor.saturating_sub(shown - 1);
    let columns = Column::ALL.into_iter().enumerate().skip(top).take(shown);
    for (y, (place, column)) in (1..).zip(columns) {
        let style = if place == cursor { look.chosen() } else { Style::reset() };
        let mark = if column == model.list.sort { "*" } else { " " };
        screen.put(0, y, width, &blank, style);
        screen.put(0, y, width, &format!("{mark}{:<9} {}", column.heading(), column.meaning()), style);
    }
}
