//! The help screen.

use fitness_core::Presence;
use ratatui::style::Style;

use super::{Screen, bar};
use crate::capabilities::TerminalCapabilities;

/// The help text. No line is longer than 40 columns.
const LINES: &[&str] = &[
    "ldk-fitness top",
    "",
    " Up Down k j    move",
    " PgUp PgDn      move one page (or Space)",
    " Home End g G   first, last",
    " Enter          open a peer",
    " Esc Backspace  back; clear the filter",
    " F3 /           search by alias, or by",
    "                the start of a node id",
    " n N            next, previous match",
    " F4 \\           filter by alias or id",
    " F6 s           choose the sort column",
    " < >            sort by the column to",
    "                the left or right",
    " I              reverse order",
    " Left Right Tab change a page's window",
    " F5 r           refresh",
    " F1 h ?         this help",
    " F10 q Ctrl-C   quit",
    " Ctrl-L         redraw the screen",
    "",
    "Availability is uptime divided by",
    "observed time, or n/a if nothing was",
    "observed. Monitoring gaps count neither",
    "for nor against a peer. A disconnect is",
    "a change from online to offline. Flap",
    "counts decay as in lnd.",
    "",
    "On a peer's page, med and max recov are",
    "the median and longest time until the",
    "peer came back. MTBD is the mean time",
    "between disconnects.",
    "",
];

/// Returns the help text, followed by the symbols of peers and strips.
pub(super) fn lines(caps: TerminalCapabilities) -> Vec<String> {
    let presences = [
        (Presence::Online, false, "online"),
        (Presence::Offline, false, "offline"),
        (Presence::Unobserved, false, "unobserved"),
        (Presence::Unobserved, true, "unobserved: monitoring gap"),
    ];
    let presences = presences
        .into_iter()
        .map(|(presence, in_gap, label)| format!(" {} {label}", caps.presence(presence, in_gap)));
    let marks = caps.legend().into_iter().map(|mark| format!(" {mark}"));
    let mut lines: Vec<String> = LINES.iter().map(ToString::to_string).collect();
    lines.push("State of a peer:".to_owned());
    lines.extend(presences);
    lines.push(String::new());
    lines.push("Marks of a strip, one per hour:".to_owned());
    lines.extend(marks);
    lines
}

pub(super) fn draw(screen: &mut Screen<'_>, scroll: usize) {
    let Some(bottom) = screen.area.height.checked_sub(1) else { return };
    let (width, caps) = (screen.area.width, screen.caps);
    for (y, (index, line)) in (0..bottom).zip(lines(caps).iter().enumerate().skip(scroll)) {
        let style = if index == 0 { caps.bold() } else { Style::new() };
        screen.put(0, y, width, line, style);
    }
    bar::help(screen, bottom);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_into_forty_columns() {
        for unicode in [true, false] {
            let lines = lines(TerminalCapabilities { unicode, colour: false });
            let too_long: Vec<_> = lines.iter().filter(|line| crate::text::width(line) > 40).collect();
            assert!(too_long.is_empty(), "{too_long:?}");
        }
    }
}
