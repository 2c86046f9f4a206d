//! The lowest line: keys, or what is typed.

use ratatui::style::Style;

use super::Screen;
use crate::layout::Layout;
use crate::model::{Model, Over, Prompt};
use crate::text;

/// Keys and what they do, in their order on the bar; the higher the number, the sooner it is left out.
const LIST: [(&str, &str, u8); 8] = [
    ("F1", "Help", 1),
    ("F3", "Search", 4),
    ("F4", "Filter", 3),
    ("F6", "Sort", 2),
    ("I", "Invert", 6),
    ("F5", "Refresh", 7),
    ("Enter", "Open", 5),
    ("F10", "Quit", 0),
];

const PAGE: [(&str, &str, u8); 5] =
    [("F1", "Help", 1), ("<>", "Window", 2), ("F5", "Refresh", 4), ("Esc", "Back", 0), ("F10", "Quit", 3)];

const HELP: [(&str, &str, u8); 2] = [("Esc", "Back", 0), ("F10", "Quit", 1)];

/// The bar of the list. Returns where the cursor stands, if somebody types.
pub(super) fn draw(screen: &mut Screen<'_>, model: &Model, layout: &Layout) -> Option<(u16, u16)> {
    let y = screen.area.height.checked_sub(1)?;
    if let Some(Over::Prompt(prompt)) = &model.over {
        return Some(typed(screen, prompt, y));
    }
    if layout.has_bar {
        let mut x = 0;
        if !model.list.filter().is_empty() {
            let wanted = text::harmless(model.list.filter()).unwrap_or_default();
            let (shown, all) = (text::count(model.list.len()), text::count(model.list.all()));
            let filter = format!("{shown} of {all}: {}  ", text::cut(&wanted, 16, screen.look.gap()));
            x = screen.put_all(x, y, &[(&filter, screen.look.bold())]);
        }
        keys(screen, &LIST, x, y);
    }
    None
}

pub(super) fn page(screen: &mut Screen<'_>, y: u16) {
    keys(screen, &PAGE, 0, y);
}

pub(super) fn help(screen: &mut Screen<'_>, y: u16) {
    keys(screen, &HELP, 0, y);
}

fn typed(screen: &mut Screen<'_>, prompt: &Prompt, y: u16) -> (u16, u16) {
    let look = screen.look;
    let label = if prompt.is_filter { "Filter: " } else { "Search: " };
    let mut x = screen.put_all(0, y, &[(label, look.bold())]);
    // The end of what is typed is what one looks at.
    let room = usize::from(screen.area.width.saturating_sub(x + 1));
    let mut shown = text::harmless(&prompt.text).unwrap_or_default();
    if prompt.text.ends_with(' ') && !shown.is_empty() {
        shown.push(' ');
    }
    while text::width(&shown) > room {
        shown.remove(0);
    }
    let style = if prompt.in_vain { look.alarm() } else { Style::new() };
    x = screen.put_all(x, y, &[(&shown, style)]);
    let hint = match (prompt.in_vain, prompt.is_filter) {
        (true, _) => "   nobody is called so",
        (false, true) => "   Enter keeps it, Esc not",
        (false, false) => "   F3 next, Enter here, Esc back",
    };
    if usize::from(x) + hint.len() < usize::from(screen.area.width) {
        screen.put_all(x, y, &[(hint, style)]);
    }
    (x.min(screen.area.width.saturating_sub(1)), y)
}

/// Puts as many keys as fit from `x` on.
fn keys(screen: &mut Screen<'_>, keys: &[(&str, &str, u8)], mut x: u16, y: u16) {
    let room = usize::from(screen.area.width.saturating_sub(x)) + 1;
    let wide = |least: u8| -> usize {
        let shown = keys.iter().filter(|key| key.2 <= least);
        shown.map(|(key, word, _)| key.len() + word.len() + 1).sum()
    };
    let most = 0..u8::try_from(keys.len()).unwrap_or(u8::MAX);
    let least = most.rev().find(|least| wide(*least) <= room);
    let look = screen.look;
    for (key, word, _) in keys.iter().filter(|key| Some(key.2) <= least) {
        x = screen.put_all(x, y, &[(key, look.bold()), (word, look.chosen()), (" ", Style::new())]);
    }
}
