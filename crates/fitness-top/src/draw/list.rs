//! The visible rows of the peer list, and the menu of sort columns.

use ratatui::style::Style;

use super::Screen;
use super::header::in_gap;
use crate::api::Peer;
use crate::layout::Layout;
use crate::model::{Column, Model};
use crate::text;

pub(super) fn draw(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    if layout.has_headings {
        draw_headings(screen, model, layout);
    }
    let first = layout.header + u16::from(layout.has_headings);
    let mut is_empty = true;
    for (y, (peer, is_selected)) in (first..).zip(model.list.visible(layout.rows())) {
        is_empty = false;
        draw_row(screen, model, layout, peer, y);
        if is_selected {
            let style = screen.caps.selected();
            screen.set_row_style(y, style);
        }
    }
    if is_empty && layout.rows() > 0 {
        screen.put(0, first, screen.area.width, empty_list_message(model), Style::new());
    }
}

fn empty_list_message(model: &Model) -> &'static str {
    match (model.has_data(), model.list.total()) {
        (false, _) => "Loading...",
        (true, 0) => "No tracked peers. Peers with an open channel and watched peers are tracked.",
        (true, _) => "No peer matches the filter. Press Esc to clear it.",
    }
}

fn draw_headings(screen: &mut Screen<'_>, model: &Model, layout: &Layout) {
    let (y, caps) = (layout.header, screen.caps);
    let style = caps.heading();
    screen.set_row_style(y, style);
    for &(column, x, width) in &layout.columns {
        let is_sorted = column == model.list.sort;
        let arrow = if model.list.is_reversed { "^" } else { "v" };
        // A heading that fills its column is shortened to make room for the arrow.
        let heading = if is_sorted {
            format!("{}{arrow}", text::truncate(column.heading(), usize::from(width).saturating_sub(1), ""))
        } else {
            column.heading().to_owned()
        };
        let style = if is_sorted { style.patch(caps.bold()) } else { style };
        if is_left_aligned(column) {
            screen.put(x, y, width, &heading, style);
        } else {
            screen.put_right(x, y, width, &heading, style);
        }
    }
    if layout.strip_hours > 0 {
        let start = format!("-{}h", layout.strip_hours);
        screen.put(layout.strip_x, y, layout.strip_hours, &start, style);
        screen.put_right(layout.strip_x, y, layout.strip_hours, "now", style);
    }
}

const fn is_left_aligned(column: Column) -> bool {
    matches!(column, Column::Presence | Column::Alias)
}

fn draw_row(screen: &mut Screen<'_>, model: &Model, layout: &Layout, peer: &Peer, y: u16) {
    let caps = screen.caps;
    for &(column, x, width) in &layout.columns {
        match column {
            Column::Presence => {
                let symbol = caps.presence(peer.presence, in_gap(model));
                screen.put(x, y, width, symbol, caps.presence_style(peer.presence));
            }
            Column::Alias => {
                let alias = alias_or_id(peer, width.into(), caps.ellipsis());
                screen.put(x, y, width, &alias, Style::new());
            }
            _ => screen.put_right(x, y, width, &cell(column, model, peer), Style::new()),
        }
    }
    if let Some(strip) = model.list.strips.get(&peer.node_id).filter(|_| layout.strip_hours > 0) {
        let marks = strip.marks(model.now(), layout.strip_hours, model.gaps());
        screen.put_marks(layout.strip_x, y, &marks);
    }
}

/// Returns the peer's alias, or its node id if it has none.
pub(super) fn alias_or_id(peer: &Peer, width: usize, ellipsis: &str) -> String {
    peer.alias.clone().unwrap_or_else(|| text::fit_node_id(&peer.node_id, width, ellipsis))
}

fn cell(column: Column, model: &Model, peer: &Peer) -> String {
    let now = model.now();
    let (observed_ns, uptime_ns) = peer.totals(now);
    let since = |at| text::duration(now.nanos_since(at));
    match column {
        Column::Presence | Column::Alias => String::new(),
        Column::Availability => text::percent(uptime_ns, observed_ns),
        Column::InState => since(peer.presence_since_ns),
        Column::Disconnects => peer.disconnects.to_string(),
        Column::Flaps => peer.flap_count.to_string(),
        Column::LastFlap => peer.last_flap_ns.map_or_else(|| "-".to_owned(), since),
        Column::Uptime => text::duration(uptime_ns),
        Column::Observed => text::duration(observed_ns),
        Column::Tracked => since(peer.tracked_since_ns),
        Column::Channels => peer.channel_count.to_string(),
    }
}

/// Draws the menu of sort columns over the list.
pub(super) fn draw_menu(screen: &mut Screen<'_>, model: &Model, cursor: usize) {
    let caps = screen.caps;
    let width = screen.area.width.min(52);
    let rows = usize::from(screen.area.height.saturating_sub(1));
    if rows == 0 {
        return;
    }
    let blank = " ".repeat(width.into());
    screen.put(0, 0, width, &blank, caps.heading());
    screen.put(0, 0, width, " Sort by (Enter: select, I: reverse)", caps.heading());
    let visible = rows.saturating_sub(1).max(1);
    let top = cursor.saturating_sub(visible - 1);
    let columns = Column::ALL.into_iter().enumerate().skip(top).take(visible);
    for (y, (index, column)) in (1..).zip(columns) {
        let style = if index == cursor { caps.selected() } else { Style::reset() };
        let marker = if column == model.list.sort { "*" } else { " " };
        let line = format!("{marker}{:<9} {}", column.heading(), column.description());
        screen.put(0, y, width, &blank, style);
        screen.put(0, y, width, &line, style);
    }
}
