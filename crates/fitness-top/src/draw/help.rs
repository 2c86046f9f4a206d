//! The help.

use fitness_core::Presence;
use ratatui::style::Style;

use super::{Screen, bar};
use crate::look::TerminalCapabilities;

/// None of them longer than forty columns.
const LINES: &[&str] = &[
    "ldk-fitness top",
    "",
    " Up Down k j    move",
    " PgUp PgDn      a page; Space, too",
    " Home End g G   the first, the last",
    " Enter          open a peer",
    " Esc Backspace  back; drops a filter",
    " F3 /           search a name, or how",
    "                an id begins",
    " n N            next match, previous",
    " F4 \\           show only who matches",
    " F6 s           what to sort by",
    " < >            sort by the next column",
    " I              the other way round",
    " Left Right Tab a page's window",
    " F5 r           ask for all anew",
    " F1 h ?         this help",
    " F10 q Ctrl-C   quit",
    " Ctrl-L         draw all anew",
    "",
    "Availability is uptime over observed",
    "time. Our own outages count neither for",
    "nor against a peer; where nothing was",
    "observed it is n/a. A peer is lost when",
    "it goes offline. Flaps cool down as lnd",
    "counts them.",
    "",
];

/// The help, and what the marks mean.
pub(super) fn lines(look: TerminalCapabilities) -> Vec<String> {
    let states = [Presence::Online, Presence::Offline, Presence::Unobserved];
    let words = ["online", "offline", "unobserved"];
    let states = states.into_iter().zip(words).map(|(presence, word)| (look.state(presence, false), word));
    let states = states.map(|(glyph, word)| format!(" {glyph} {word}"));
    let legend = look.legend();
    let marks = legend.split("  ").map(|mark| format!(" {mark}"));
    let fixed = LINES.iter().map(ToString::to_string);
    let of_states = ["A peer's state:".to_owned()].into_iter().chain(states);
    let of_marks = ["An hour of a strip:".to_owned()].into_iter().chain(marks);
    fixed.chain(of_states).chain([" ~ we are gone".to_owned(), String::new()]).chain(of_marks).collect()
}

pub(super) fn draw(screen: &mut Screen<'_>, scrolled: usize) {
    let Some(bottom) = screen.area.height.checked_sub(1) else { return };
    let (width, look) = (screen.area.width, screen.look);
    for (y, (place, line)) in (0..bottom).zip(lines(look).iter().enumerate().skip(scrolled)) {
        let style = if place == 0 { look.bold() } else { Style::new() };
        screen.put(0, y, width, line, style);
    }
    bar::help(screen, bottom);
}
