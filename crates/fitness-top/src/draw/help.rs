//! The help.

use ratatui::style::Style;

use super::{Screen, bar};

pub(super) const LINES: &[&str] = &[
    "ldk-fitness top: which peers deserve your money, as it happens",
    "",
    "  Up Down j k       move           F1 h ?      this help",
    "  PgUp PgDn Space   a page         F10 q ^C    quit",
    "  Home End g G      first, last    ^L          draw anew",
    "  Enter             open a peer    F5 r        ask anew",
    "  Esc Backspace     back, or drop the filter",
    "  F3 /   search a name or the beginning of an id",
    "  n N    the next, the previous that matches",
    "  F4 \\   filter: only peers that match",
    "  F6 s   choose the column to sort by",
    "  < >    sort by the column left or right",
    "  I      invert the order",
    "  Left Right Tab    on a peer's page: its window",
    "",
    "The first character of a row is the peer's state:",
    "  online, offline, ? unobserved, ~ we are gone",
    "",
    "Availability is uptime over observed time. Our own",
    "outages count neither for nor against a peer; where",
    "nothing was observed it is n/a. A peer was lost when",
    "it went offline; flaps cool down as lnd counts them.",
    "A mark of a strip is an hour, the taller the better.",
];

pub(super) fn draw(screen: &mut Screen<'_>, scrolled: usize) {
    let Some(bottom) = screen.area.height.checked_sub(1) else { return };
    let width = screen.area.width;
    for (y, line) in (0..bottom).zip(LINES.iter().skip(scrolled)) {
        let style = if usize::from(y) + scrolled == 0 { screen.look.bold() } else { Style::new() };
        screen.put(0, y, width, line, style);
    }
    bar::help(screen, bottom);
}
