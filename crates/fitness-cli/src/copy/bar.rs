//! How far a copy is, on standard error where that is a terminal.

use std::time::Duration;

use fitness_store::copy::{CopyPhase, CopyProgress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::humanise;
use crate::store::StoreUrl;

/// A bar, or a line while it is not known how long the bar is.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// A store is being opened, which takes long where a crash has to be repaired.
    pub(super) fn opening(&self, store: &StoreUrl) {
        self.0.set_style(style("{spinner} {msg}"));
        self.0.set_message(format!("opening {store}"));
    }

    pub(super) fn show(&self, progress: &CopyProgress) {
        let (what, template) = match progress.phase {
            CopyPhase::Counting => ("counting", "{spinner} {msg}  {human_pos} peers"),
            CopyPhase::Copying => ("copying", BAR),
            _ => ("verifying", BAR),
        };
        let node = humanise::short(&progress.observer.to_string(), 6, "…");
        let message = format!("{what:9} {node}");
        if self.0.message() != message {
            // Each phase has a bar of its own, and its own time to the end.
            self.0.reset_eta();
            self.0.set_style(style(template));
            self.0.set_message(message);
        }
        self.0.set_length(progress.peers_total.unwrap_or_default());
        self.0.set_position(progress.peers_done);
    }

    /// Leaves the screen as it was.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

const BAR: &str = "{msg}  {wide_bar} {human_pos} of {human_len} peers, {eta} left";

fn style(template: &str) -> ProgressStyle {
    // The templates stand in this file: one that is wrong shows as the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
