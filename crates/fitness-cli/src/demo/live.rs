//! The play as it goes: a line for each peer in a terminal, a line for each move elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{NodeId, Presence};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::script::{Move, What};
use super::stage::Stage;
use crate::output::humanise;

/// What is shown on standard error while the demo runs.
pub(super) struct Live {
    screen: Option<Screen>,
}

struct Screen {
    step: ProgressBar,
    lines: Vec<(NodeId, ProgressBar)>,
    bars: MultiProgress,
}

impl Live {
    /// A screen where standard error is a terminal, plain lines elsewhere.
    pub(super) fn start() -> Self {
        let screen = std::io::stderr().is_terminal().then(|| {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let step = bars.add(ProgressBar::new_spinner());
            step.enable_steady_tick(Duration::from_millis(100));
            Screen { step, lines: Vec::new(), bars }
        });
        Self { screen }
    }

    /// Says what is being prepared.
    pub(super) fn preparing(&self, what: &'static str) {
        match &self.screen {
            Some(screen) => screen.step.set_message(what),
            None => say(what),
        }
    }

    /// The play begins.
    pub(super) fn curtain(&mut self, stage: &Stage, length: Duration) {
        let Some(screen) = &mut self.screen else {
            say(&format!("playing for {} s", length.as_secs()));
            return;
        };
        screen.step.disable_steady_tick();
        screen.step.set_length(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        screen.step.set_message(format!("{} s, and what a restart takes", length.as_secs()));
        screen.step.set_style(style("{bar:40} {msg}"));
        for peer in &stage.peers {
            let line = screen.bars.add(ProgressBar::new_spinner());
            line.set_style(style("{prefix:>13}  {msg}"));
            line.set_prefix(peer.role.name());
            screen.lines.push((peer.node_id(), line));
        }
    }

    /// A move is made, so long after the beginning.
    pub(super) fn moved(&self, elapsed: Duration, what: What) {
        let (who, what) = match what {
            What::Wire(role, Move::Cut) => (role.name(), "cut off"),
            What::Wire(role, Move::Stall) => (role.name(), "stalled"),
            What::Wire(role, Move::Restore) => (role.name(), "back"),
            What::NetworkOut => ("our network", "out, every wire at once"),
            What::NetworkBack => ("our network", "back"),
            What::Restart => ("the wallet", "shut down, and started again on its files"),
        };
        match &self.screen {
            Some(screen) => screen.step.set_message(format!("{who}: {what}")),
            None => say(&format!("{:>6.1} s  {who}: {what}", elapsed.as_secs_f64())),
        }
    }

    /// Shows what is known after `elapsed` of the play.
    pub(super) fn update(&self, handle: &Handle, elapsed: Duration) {
        let Some(screen) = &self.screen else { return };
        screen.step.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        for (node_id, line) in &screen.lines {
            let Some(peer) = handle.peer(node_id) else { continue };
            let state = match peer.presence {
                Presence::Online => "● online ",
                Presence::Offline => "○ offline",
                Presence::Unobserved => "? unknown",
            };
            let availability = humanise::availability(peer.uptime_ns, peer.observed_ns);
            let flaps = if peer.flap_count == 1 { "flap" } else { "flaps" };
            line.set_message(format!("{state}  {availability:>9}  {:>2} {flaps}", peer.flap_count));
        }
    }

    /// Leaves the screen as it was.
    pub(super) fn end(&self) {
        if let Some(screen) = &self.screen {
            for (_, line) in &screen.lines {
                line.finish_and_clear();
            }
            screen.step.finish_and_clear();
            // What could not be cleared stays; the table follows all the same.
            let _ = screen.bars.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates stand in this file: one that is wrong shows as the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn say(what: &str) {
    // There is nobody left to tell where standard error is closed.
    let _ = writeln!(anstream::stderr(), "{what}");
}
