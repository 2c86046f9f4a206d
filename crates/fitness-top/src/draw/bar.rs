//! The bottom line: the key bar or a prompt.

use ratatui::style::Style;

use super::Screen;
use crate::layout::Layout;
use crate::model::{Model, Overlay, Prompt};
use crate::text;

/// A key, its action, and its rank. Keys with a higher rank are omitted first if the bar is too narrow.
type KeyHint = (&'static str, &'static str, u8);

const LIST: [KeyHint; 8] = [
    ("F1", "Help", 1),
    ("F3", "Search", 4),
    ("F4", "Filter", 3),
    ("F6", "Sort", 2),
    ("I", "Reverse", 6),
    ("F5", "Refresh", 7),
    ("Enter", "Open", 5),
    ("F10", "Quit", 0),
];

const PAGE: [KeyHint; 5] =
    [("F1", "Help", 1), ("<>", "Window", 2), ("F5", "Refresh", 4), ("Esc", "Back", 0), ("F10", "Quit", 3)];

const HELP: [KeyHint; 2] = [("Esc", "Back", 0), ("F10", "Quit", 1)];

/// Draws the bar of the list. Returns the cursor position if a prompt is open.
pub(super) fn list(screen: &mut Screen<'_>, model: &Model, layout: &Layout) -> Option<(u16, u16)> {
    let y = screen.area.height.checked_sub(1)?;
    if let Some(Overlay::Prompt(prompt)) = &model.overlay {
        return Some(draw_prompt(screen, prompt, y));
    }
    if layout.has_key_bar {
        let mut x = 0;
        if !model.list.filter().is_empty() {
            let filter = text::sanitize(model.list.filter()).unwrap_or_default();
            let filter = text::truncate(&filter, 16, screen.caps.ellipsis());
            let (matching, total) = (text::count(model.list.len()), text::count(model.list.total()));
            let summary = format!("{matching} of {total}: {filter}  ");
            x = screen.put_all(x, y, &[(&summary, screen.caps.bold())]);
        }
        draw_keys(screen, &LIST, x, y);
    }
    None
}

pub(super) fn page(screen: &mut Screen<'_>, y: u16) {
    draw_keys(screen, &PAGE, 0, y);
}

pub(super) fn help(screen: &mut Screen<'_>, y: u16) {
    draw_keys(screen, &HELP, 0, y);
}

fn draw_prompt(screen: &mut Screen<'_>, prompt: &Prompt, y: u16) -> (u16, u16) {
    let caps = screen.caps;
    let label = if prompt.is_filter { "Filter: " } else { "Search: " };
    let mut x = screen.put_all(0, y, &[(label, caps.bold())]);
    // If the text is too long, its end is shown.
    let available = usize::from(screen.area.width.saturating_sub(x + 1));
    let mut visible = text::sanitize(&prompt.text).unwrap_or_default();
    if prompt.text.ends_with(' ') && !visible.is_empty() {
        visible.push(' ');
    }
    while text::width(&visible) > available {
        visible.remove(0);
    }
    let style = if prompt.has_no_match { caps.alert() } else { Style::new() };
    x = screen.put_all(x, y, &[(&visible, style)]);
    let hint = match (prompt.has_no_match, prompt.is_filter) {
        (true, _) => "   No match",
        (false, true) => "   Enter: apply, Esc: cancel",
        (false, false) => "   F3: next, Enter: accept, Esc: cancel",
    };
    if usize::from(x) + hint.len() < usize::from(screen.area.width) {
        screen.put_all(x, y, &[(hint, style)]);
    }
    (x.min(screen.area.width.saturating_sub(1)), y)
}

/// Draws as many keys as fit, starting at `x`.
fn draw_keys(screen: &mut Screen<'_>, keys: &[KeyHint], mut x: u16, y: u16) {
    let available = usize::from(screen.area.width.saturating_sub(x)) + 1;
    let width_up_to = |max_rank: u8| -> usize {
        let included = keys.iter().filter(|key| key.2 <= max_rank);
        included.map(|(key, action, _)| key.len() + action.len() + 1).sum()
    };
    let ranks = 0..u8::try_from(keys.len()).unwrap_or(u8::MAX);
    let max_rank = ranks.rev().find(|rank| width_up_to(*rank) <= available);
    let caps = screen.caps;
    for (key, action, _) in keys.iter().filter(|key| Some(key.2) <= max_rank) {
        x = screen.put_all(x, y, &[(key, caps.bold()), (action, caps.selected()), (" ", Style::new())]);
    }
}
