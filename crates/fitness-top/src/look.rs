//! What a terminal can show: characters and colours. No state is told by colour alone.

use fitness_core::Presence;
use ratatui::style::{Color, Modifier, Style};

use crate::model::Mark;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalCapabilities {
    /// Whether it knows more than ASCII.
    pub unicode: bool,
    /// Whether it may be coloured.
    pub colour: bool,
}

impl TerminalCapabilities {
    const fn either(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// What is at the end of a text that was cut.
    pub(crate) const fn gap(self) -> &'static str {
        self.either("…", "..")
    }

    /// A peer's state. Where we are gone nothing can be said of it.
    pub(crate) const fn state(self, presence: Presence, gone: bool) -> &'static str {
        match presence {
            Presence::Online => self.either("●", "+"),
            Presence::Offline => self.either("○", "-"),
            Presence::Unobserved if gone => "~",
            Presence::Unobserved => "?",
        }
    }

    pub(crate) const fn state_style(self, presence: Presence) -> Style {
        match presence {
            Presence::Online => self.colour(Color::Green),
            Presence::Offline => self.colour(Color::Red),
            Presence::Unobserved => self.colour(Color::Yellow),
        }
    }

    pub(crate) fn mark(self, mark: Mark) -> &'static str {
        const PARTLY: [&str; 6] = ["▂", "▃", "▄", "▅", "▆", "▇"];
        match mark {
            Mark::Nothing => " ",
            Mark::Gone => "~",
            Mark::Unobserved => self.either("·", "."),
            Mark::Offline => self.either("▁", "_"),
            Mark::Partly(sixths) if self.unicode => PARTLY[usize::from(sixths.min(5))],
            Mark::Partly(..3) => "-",
            Mark::Partly(_) => "=",
            Mark::Online => self.either("█", "#"),
        }
    }

    pub(crate) const fn mark_style(self, mark: Mark) -> Style {
        match mark {
            Mark::Nothing => Style::new(),
            Mark::Unobserved | Mark::Gone => self.colour(Color::DarkGray),
            Mark::Offline => self.colour(Color::Red),
            Mark::Partly(_) => self.colour(Color::Yellow),
            Mark::Online => self.colour(Color::Green),
        }
    }

    /// What the marks mean.
    pub(crate) fn legend(self) -> String {
        let (best, worst) = (self.mark(Mark::Partly(5)), self.mark(Mark::Partly(0)));
        let [on, off, unknown] = [Mark::Online, Mark::Offline, Mark::Unobserved].map(|mark| self.mark(mark));
        format!("{on} online  {worst} to {best} in part  {off} offline  {unknown} unobserved  ~ we were gone")
    }

    /// What is chosen.
    pub(crate) const fn chosen(self) -> Style {
        if self.colour {
            Style::new().fg(Color::Black).bg(Color::Cyan)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// Headings.
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

    /// What somebody should see to.
    pub(crate) const fn alarm(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) const fn good(self) -> Style {
        self.colour(Color::Green)
    }

    const fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
