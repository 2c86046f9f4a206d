//! How an answer looks: one document, printed as a table for people or as JSON for programs.
//!
//! Every command fills a [`Document`] and hands it to [`print()`]. What the numbers mean and where
//! they come from is the commands' business.

mod column;
mod detail;
mod document;
mod glyphs;
pub(crate) mod grid;
pub(crate) mod humanise;
mod json;
mod order;
mod strip;
mod table;
mod watch;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use comfy_table::Table;
use fitness_core::Presence;

pub(crate) use self::document::{Document, Observer, PeerEntry, Section};
use self::glyphs::Glyphs;
pub(crate) use self::glyphs::knows_unicode;
use self::order::{Sort, SortParser};
pub(crate) use self::strip::Strip;
use self::table::{TableOptions, render};
use crate::error::CliError;

/// How to print an answer.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print one JSON document instead of the table
    ///
    /// It has `at_ns`, `peers`, `channels` and `coverage`. Names that end in `_ns` are integers:
    /// nanoseconds, moments since the Unix epoch. What is not known is `null`. docs/JSON.md has all of it.
    #[arg(long)]
    pub(crate) json: bool,

    /// What comes first, such as `flaps`; with `:asc` or `:desc` the other end does
    #[arg(long, value_parser = SortParser, default_value = "availability", value_name = "COLUMN[:desc]")]
    pub(crate) sort: Sort,

    /// Print ids in full, however wide the table gets
    #[arg(long)]
    pub(crate) wide: bool,

    /// Draw with ASCII characters alone
    ///
    /// It is the default on a terminal whose locale is not UTF-8.
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// Prints the document on standard output, in the order and form that was asked for.
///
/// # Errors
///
/// [`CliError::Output`], and [`CliError::SortNeedsWindow`].
pub(crate) fn print(document: &mut Document, args: &OutputArgs) -> Result<(), CliError> {
    if args.sort.needs_window() && document.sections.iter().any(|section| section.window.is_none()) {
        return Err(CliError::SortNeedsWindow);
    }
    document.sort(args.sort);
    let printed = if args.json { print_json(document) } else { print_table(document, args) };
    printed.map_err(CliError::Output)
}

fn print_json(document: &Document) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn print_table(document: &Document, args: &OutputArgs) -> io::Result<()> {
    let glyphs = if args.ascii { &Glyphs::ASCII } else { Glyphs::available() };
    let options = TableOptions { width: available_width(), wide: args.wide, glyphs };
    // Takes the colours out again where there should be none.
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", render(document, &options))?;
    out.flush()
}

/// The columns of a terminal that does not say.
const UNKNOWN_TERMINAL: u16 = 80;

/// The columns of standard output; `None` where nothing limits them.
pub(crate) fn available_width() -> Option<u16> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        // Some terminals do not know their size, or say 0.
        let width = Table::new().width().filter(|&columns| columns > 0);
        io::stdout().is_terminal().then(|| width.unwrap_or(UNKNOWN_TERMINAL))
    };
    asked.filter(|&columns| columns > 0).or_else(terminal)
}

/// A presence in a word.
const fn state(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unobserved => "unobserved",
    }
}
