//! What was copied, for people and for programs.

use std::io::{self, BufWriter, Write as _};
use std::time::Duration;

use fitness_core::NodeId;
use fitness_store::copy::CopySummary;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use crate::output::humanise;
use crate::store::StoreUrl;

/// A copy that was made.
pub(super) struct Summary {
    pub(super) from: StoreUrl,
    pub(super) to: StoreUrl,
    pub(super) copied: Vec<CopySummary>,
    pub(super) took: Duration,
}

#[derive(Serialize)]
struct SummaryJson {
    from: String,
    to: String,
    took_ns: u64,
    observers: Vec<CopiedJson>,
}

#[derive(Serialize)]
struct CopiedJson {
    node_id: NodeId,
    peers: u64,
    segments: u64,
    gaps: u64,
    written: u64,
    unchanged: u64,
    deleted: u64,
    bytes: u64,
}

impl Summary {
    /// Prints it on standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        if json { self.print_json() } else { self.print_text() }
    }

    fn took_ns(&self) -> u64 {
        u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX)
    }

    fn print_json(&self) -> io::Result<()> {
        let observers = self.copied.iter().map(|copied| CopiedJson {
            node_id: copied.observer,
            peers: copied.peers,
            segments: copied.segments,
            gaps: copied.gaps,
            written: copied.records_written,
            unchanged: copied.records_unchanged,
            deleted: copied.records_deleted,
            bytes: copied.bytes_written,
        });
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let json = SummaryJson { from, to, took_ns: self.took_ns(), observers: observers.collect() };
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, &json)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn print_text(&self) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let Self { from, to, copied, .. } = self;
        if copied.is_empty() {
            return writeln!(out, "Nothing has been recorded in {from} yet: there is nothing to copy.");
        }
        for CopySummary { observer, peers, segments, gaps, .. } in copied {
            let (peers, segments) = (count(*peers, "peer"), count(*segments, "log segment"));
            writeln!(out, "Node {observer}: {peers}, {segments}, {}.", count(*gaps, "gap"))?;
        }
        let sum = |of: fn(&CopySummary) -> u64| copied.iter().map(of).sum::<u64>();
        let (written, unchanged, deleted) = (
            sum(|copied| copied.records_written),
            sum(|copied| copied.records_unchanged),
            sum(|copied| copied.records_deleted),
        );
        let took = humanise::duration(self.took_ns());
        if written == 0 && deleted == 0 {
            writeln!(
                out,
                "{to} had all of it already: {} compared in {took}, and all are equal.",
                count(unchanged, "record")
            )?;
        } else {
            let bytes = HumanBytes(sum(|copied| copied.bytes_written));
            write!(out, "{} written to {to}, {bytes} in {took}", count(written, "record"))?;
            if unchanged > 0 {
                write!(out, "; {} were there already", HumanCount(unchanged))?;
            }
            if deleted > 0 {
                write!(out, "; {} deleted that {from} does not have", HumanCount(deleted))?;
            }
            writeln!(out, ".\nAll were read back, and are equal.")?;
        }
        writeln!(out, "To read it: ldk-fitness report {}", to.in_a_shell())
    }
}

/// So many of them, in words.
fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {of}{plural}", HumanCount(number))
}
