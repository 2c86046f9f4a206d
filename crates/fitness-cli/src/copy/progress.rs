//! The progress of a copy, drawn on standard error if that is a terminal.

use std::time::Duration;

use fitness_store::copy::{CopyPhase, CopyProgress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::format;
use crate::store::StoreUrl;

/// A progress bar, or a spinner while the total is unknown.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Shows that a store is being opened. This takes long if the store has to be repaired after a crash.
    pub(super) fn opening(&self, store: &StoreUrl) {
        self.0.set_style(style("{spinner} {msg}"));
        self.0.set_message(format!("opening {store}"));
    }

    /// Shows the phase and the number of peers processed.
    pub(super) fn update(&self, progress: &CopyProgress) {
        let (phase, template) = match progress.phase {
            CopyPhase::Counting => ("counting", "{spinner} {msg}  {human_pos} peers"),
            CopyPhase::Copying => ("copying", BAR),
            _ => ("verifying", BAR),
        };
        let node = format::short(&progress.observer.to_string(), 6, "…");
        let message = format!("{phase:9} {node}");
        if self.0.message() != message {
            // Each phase of each observer has its own bar and its own time estimate.
            self.0.reset_eta();
            self.0.set_style(style(template));
            self.0.set_message(message);
        }
        self.0.set_length(progress.peers_total.unwrap_or_default());
        self.0.set_position(progress.peers_done);
    }

    /// Removes the progress bar from the screen.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

const BAR: &str = "{msg}  {wide_bar} {human_pos} of {human_len} peers, {eta} left";

fn style(template: &str) -> ProgressStyle {
    // All templates are constants in this file. An invalid one falls back to the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
