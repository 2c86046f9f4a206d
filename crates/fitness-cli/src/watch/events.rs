//! Prints events of watched nodes as they happen: attempts, disconnects and alerts, and the summary at the
//! end.

use std::io::{self, Write as _};

use fitness_advice::Alert;
use fitness_core::{NodeId, Timestamp};
use fitness_watch::{RankedCandidate, TargetReport, WatchEvent};
use serde::Serialize;

use crate::output::format;
use fitness_words::rfc3339;

/// Prints an event as a line of text on standard error.
pub(super) fn print_event(event: &WatchEvent) {
    let (at, text) = match event {
        WatchEvent::Dialled { attempt, .. } => {
            (attempt.at, format!("{}: {}", attempt.address, attempt.outcome))
        }
        WatchEvent::Disconnected { at, reason, connected_for, .. } => {
            let connected_ns = u64::try_from(connected_for.as_nanos()).unwrap_or(u64::MAX);
            (*at, format!("disconnected after {}: {reason}", format::duration(connected_ns)))
        }
        _ => return,
    };
    print_line(&format!("{}  {}  {text}", rfc3339(at), shorten_node_id(event.node_id())));
}

/// Prints an alert as a line of text on standard error.
pub(super) fn print_alert(alert: &Alert) {
    print_line(&format!("{}  ALERT  {alert}", rfc3339(alert.at)));
}

/// Prints a line on standard error.
pub(super) fn print_line(text: &str) {
    // Standard error may be closed.
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn shorten_node_id(node_id: NodeId) -> String {
    format::short(&node_id.to_string(), 6, "…")
}

/// An alert as a line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename = "alert")]
pub(super) struct AlertLine<'a> {
    #[serde(flatten)]
    pub(super) alert: &'a Alert,
}

/// The last line of JSON output: the final state of all targets, and their ranking.
#[derive(Serialize)]
#[serde(tag = "event", rename = "summary")]
pub(super) struct Summary<'a> {
    #[serde(rename = "at_ns")]
    pub(super) at: Timestamp,
    pub(super) observer: NodeId,
    pub(super) targets: &'a [TargetReport],
    pub(super) ranks: &'a [RankedCandidate],
}

/// Writes `value` as one line of JSON on standard output.
///
/// # Errors
///
/// Fails if standard output cannot be written.
pub(super) fn write_json_line(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
