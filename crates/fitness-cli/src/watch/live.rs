//! What happens, as it happens: a line for each attempt and each loss.

use std::io::{self, Write as _};

use fitness_advice::Alert;
use fitness_core::{NodeId, Timestamp};
use fitness_watch::{RankedCandidate, TargetReport, WatchEvent};
use serde::Serialize;

use crate::output::humanise;
use fitness_words::rfc3339;

/// Says it to people, on standard error.
pub(super) fn say(news: &WatchEvent) {
    let (at, text) = match news {
        WatchEvent::Dialled { attempt, .. } => {
            (attempt.at, format!("{}: {}", attempt.address, attempt.outcome))
        }
        WatchEvent::Disconnected { at, reason: parting, connected_for: lasted, .. } => {
            let lasted = u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX);
            (*at, format!("lost after {}: {parting}", humanise::duration(lasted)))
        }
        _ => return,
    };
    tell(&format!("{}  {}  {text}", rfc3339(at), short(news.node_id())));
}

/// Says an alert to people, on standard error.
pub(super) fn alarm(alert: &Alert) {
    tell(&format!("{}  ALERT  {alert}", rfc3339(alert.at)));
}

/// Says anything else on standard error.
pub(super) fn tell(what: &str) {
    // There is nobody left to tell where standard error is closed.
    let _ = writeln!(anstream::stderr(), "{what}");
}

/// An id as it stands in lines and tables.
pub(super) fn short(node_id: NodeId) -> String {
    humanise::short(&node_id.to_string(), 6, "…")
}

/// An alert, to programs.
#[derive(Serialize)]
#[serde(tag = "event", rename = "alert")]
pub(super) struct Alarm<'a> {
    #[serde(flatten)]
    pub(super) alert: &'a Alert,
}

/// What all of it came to.
#[derive(Serialize)]
#[serde(tag = "event", rename = "summary")]
pub(super) struct End<'a> {
    #[serde(rename = "at_ns")]
    pub(super) at: Timestamp,
    pub(super) observer: NodeId,
    pub(super) targets: &'a [TargetReport],
    pub(super) ranks: &'a [RankedCandidate],
}

/// Says it to programs, on standard output: one JSON object a line.
///
/// # Errors
///
/// What the system says of standard output.
pub(super) fn write(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
