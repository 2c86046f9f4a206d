//! The progress display on standard error: one line per peer on a terminal, one line per step elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{NodeId, Presence};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::network::DemoNetwork;
use super::scenario::{Action, PeerAction};
use crate::output::format;

/// The progress display.
pub(super) struct Progress {
    screen: Option<Screen>,
}

/// The display on a terminal.
struct Screen {
    step: ProgressBar,
    peers: Vec<(NodeId, ProgressBar)>,
    bars: MultiProgress,
}

impl Progress {
    /// Starts the display: bars if standard error is a terminal, plain lines otherwise.
    pub(super) fn start() -> Self {
        let screen = std::io::stderr().is_terminal().then(|| {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let step = bars.add(ProgressBar::new_spinner());
            step.enable_steady_tick(Duration::from_millis(100));
            Screen { step, peers: Vec::new(), bars }
        });
        Self { screen }
    }

    /// Shows the current step of the preparation.
    pub(super) fn preparing(&self, task: &'static str) {
        match &self.screen {
            Some(screen) => screen.step.set_message(task),
            None => print_line(task),
        }
    }

    /// Shows that the scenario starts.
    pub(super) fn start_scenario(&mut self, network: &DemoNetwork, length: Duration) {
        let text = format!("running the scenario: {} s plus the time for a restart", length.as_secs());
        let Some(screen) = &mut self.screen else {
            print_line(&text);
            return;
        };
        screen.step.disable_steady_tick();
        screen.step.set_length(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        screen.step.set_message(text);
        screen.step.set_style(style("{bar:40} {msg}"));
        for peer in &network.peers {
            let bar = screen.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("{prefix:>13}  {msg}"));
            bar.set_prefix(peer.role.alias());
            screen.peers.push((peer.node_id(), bar));
        }
    }

    /// Shows an action and the time since the start of the scenario.
    pub(super) fn print_action(&self, elapsed: Duration, action: Action) {
        let (subject, text) = match action {
            Action::Peer(role, PeerAction::Disconnect) => (role.alias(), "disconnected"),
            Action::Peer(role, PeerAction::Stall) => (role.alias(), "connection stalled"),
            Action::Peer(role, PeerAction::Reconnect) => (role.alias(), "connected"),
            Action::NetworkDown => ("network", "down, all connections cut"),
            Action::NetworkUp => ("network", "up"),
            Action::RestartWallet => ("wallet", "restarting"),
        };
        match &self.screen {
            Some(screen) => screen.step.set_message(format!("{subject}: {text}")),
            None => print_line(&format!("{:>6.1} s  {subject}: {text}", elapsed.as_secs_f64())),
        }
    }

    /// Updates the display with the current state of each peer. `elapsed` is the time since the start.
    pub(super) fn update(&self, handle: &Handle, elapsed: Duration) {
        let Some(screen) = &self.screen else { return };
        screen.step.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        for (node_id, bar) in &screen.peers {
            let Some(peer) = handle.peer(node_id) else { continue };
            let state = match peer.presence {
                Presence::Online => "● online    ",
                Presence::Offline => "○ offline   ",
                Presence::Unobserved => "? unobserved",
            };
            let availability = format::availability(peer.uptime_ns, peer.observed_ns);
            let flaps = if peer.flap_count == 1 { "flap" } else { "flaps" };
            bar.set_message(format!("{state}  {availability:>9}  {:>2} {flaps}", peer.flap_count));
        }
    }

    /// Removes the display from the terminal.
    pub(super) fn finish(&self) {
        if let Some(screen) = &self.screen {
            for (_, bar) in &screen.peers {
                bar.finish_and_clear();
            }
            screen.step.finish_and_clear();
            // If clearing fails, the display stays above the table.
            let _ = screen.bars.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file. An invalid one falls back to the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn print_line(text: &str) {
    // Standard error may be closed.
    let _ = writeln!(anstream::stderr(), "{text}");
}
