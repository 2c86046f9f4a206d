//! The summary of a copy, as text or JSON.

use std::io::{self, BufWriter, Write as _};
use std::time::Duration;

use fitness_core::NodeId;
use fitness_store::copy::CopySummary;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use crate::output::format;
use crate::store::StoreUrl;

/// A completed copy.
pub(super) struct Summary {
    pub(super) from: StoreUrl,
    pub(super) to: StoreUrl,
    pub(super) copied: Vec<CopySummary>,
    pub(super) duration: Duration,
}

#[derive(Serialize)]
struct SummaryJson {
    from: String,
    to: String,
    duration_ns: u64,
    observers: Vec<ObserverJson>,
}

#[derive(Serialize)]
struct ObserverJson {
    observer: NodeId,
    peers: u64,
    segments: u64,
    gaps: u64,
    written: u64,
    unchanged: u64,
    deleted: u64,
    bytes: u64,
}

impl Summary {
    /// Prints the summary to standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        if json { self.print_json() } else { self.print_text() }
    }

    fn duration_ns(&self) -> u64 {
        u64::try_from(self.duration.as_nanos()).unwrap_or(u64::MAX)
    }

    fn print_json(&self) -> io::Result<()> {
        let observers = self.copied.iter().map(|copied| ObserverJson {
            observer: copied.observer,
            peers: copied.peers,
            segments: copied.segments,
            gaps: copied.gaps,
            written: copied.records_written,
            unchanged: copied.records_unchanged,
            deleted: copied.records_deleted,
            bytes: copied.bytes_written,
        });
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let json = SummaryJson { from, to, duration_ns: self.duration_ns(), observers: observers.collect() };
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, &json)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn print_text(&self) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let Self { from, to, copied, .. } = self;
        if copied.is_empty() {
            return writeln!(out, "Nothing to copy: no history recorded in {from}.");
        }
        for CopySummary { observer, peers, segments, gaps, .. } in copied {
            let (peers, segments) = (count(*peers, "peer"), count(*segments, "log segment"));
            writeln!(out, "Observer {observer}: {peers}, {segments}, {}.", count(*gaps, "gap"))?;
        }
        let sum = |field: fn(&CopySummary) -> u64| copied.iter().map(field).sum::<u64>();
        let (written, unchanged, deleted) = (
            sum(|copied| copied.records_written),
            sum(|copied| copied.records_unchanged),
            sum(|copied| copied.records_deleted),
        );
        let duration = format::duration(self.duration_ns());
        if written == 0 && deleted == 0 {
            writeln!(
                out,
                "{to} is already up to date: {} compared in {duration}.",
                count(unchanged, "record")
            )?;
        } else {
            let bytes = HumanBytes(sum(|copied| copied.bytes_written));
            write!(out, "{} written to {to} ({bytes} in {duration})", count(written, "record"))?;
            if unchanged > 0 {
                write!(out, "; {} already up to date", HumanCount(unchanged))?;
            }
            if deleted > 0 {
                write!(out, "; {} deleted because {from} does not have them", HumanCount(deleted))?;
            }
            writeln!(out, ".\nVerified: the copied records are equal to those in {from}.")?;
        }
        writeln!(out, "View it with: ldk-fitness report {}", to.shell_quoted())
    }
}

/// Formats a number and its noun, such as `1,200 peers`.
fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(number))
}
