//! The characters and colours that a terminal can show. No state is shown by colour alone.

use fitness_core::Presence;
use ratatui::style::{Color, Modifier, Style};

use crate::model::Mark;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalCapabilities {
    /// Whether the terminal can show characters other than ASCII.
    pub unicode: bool,
    /// Whether to use colours.
    pub colour: bool,
}

impl TerminalCapabilities {
    const fn either(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// The end of a truncated text.
    pub(crate) const fn ellipsis(self) -> &'static str {
        self.either("…", "..")
    }

    /// The symbol of a peer's presence. `in_gap` is whether a monitoring gap is ongoing.
    pub(crate) const fn presence(self, presence: Presence, in_gap: bool) -> &'static str {
        match presence {
            Presence::Online => self.either("●", "+"),
            Presence::Offline => self.either("○", "-"),
            Presence::Unobserved if in_gap => "~",
            Presence::Unobserved => "?",
        }
    }

    pub(crate) const fn presence_style(self, presence: Presence) -> Style {
        match presence {
            Presence::Online => self.foreground(Color::Green),
            Presence::Offline => self.foreground(Color::Red),
            Presence::Unobserved => self.foreground(Color::Yellow),
        }
    }

    pub(crate) fn mark(self, mark: Mark) -> &'static str {
        const PARTIAL: [&str; 6] = ["▂", "▃", "▄", "▅", "▆", "▇"];
        match mark {
            Mark::NotTracked => " ",
            Mark::Gap => "~",
            Mark::Unobserved => self.either("·", "."),
            Mark::Offline => self.either("▁", "_"),
            Mark::Partial(sixths) if self.unicode => PARTIAL[usize::from(sixths.min(5))],
            Mark::Partial(..3) => "-",
            Mark::Partial(_) => "=",
            Mark::Online => self.either("█", "#"),
        }
    }

    pub(crate) const fn mark_style(self, mark: Mark) -> Style {
        match mark {
            Mark::NotTracked => Style::new(),
            Mark::Unobserved | Mark::Gap => self.foreground(Color::DarkGray),
            Mark::Offline => self.foreground(Color::Red),
            Mark::Partial(_) => self.foreground(Color::Yellow),
            Mark::Online => self.foreground(Color::Green),
        }
    }

    /// The symbols of a strip with their meanings, in the order in which they are shown.
    pub(crate) fn legend(self) -> [String; 5] {
        let (most, least) = (self.mark(Mark::Partial(5)), self.mark(Mark::Partial(0)));
        [
            format!("{} online", self.mark(Mark::Online)),
            format!("{least} to {most} partly online"),
            format!("{} offline", self.mark(Mark::Offline)),
            format!("{} unobserved", self.mark(Mark::Unobserved)),
            format!("{} monitoring gap", self.mark(Mark::Gap)),
        ]
    }

    pub(crate) const fn selected(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Cyan)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    pub(crate) const fn heading(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Green)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    pub(crate) const fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) const fn alert(self) -> Style {
        self.foreground(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) const fn good(self) -> Style {
        self.foreground(Color::Green)
    }

    const fn foreground(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
