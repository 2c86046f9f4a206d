//! Output: prints a document as a table or as JSON.
//!
//! Each command fills a [`Document`] and passes it to [`print()`].

mod column;
mod coverage;
mod detail;
mod document;
pub(crate) mod format;
mod glyphs;
pub(crate) mod grid;
mod json;
mod sort;
mod strip;
mod table;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use comfy_table::Table;
use fitness_core::Presence;

pub(crate) use self::document::{Document, Observer, PeerEntry, Section};
use self::glyphs::Glyphs;
pub(crate) use self::glyphs::supports_unicode;
use self::sort::{Sort, SortParser};
pub(crate) use self::strip::Strip;
pub(crate) use self::table::NO_DATA;
use self::table::{TableOptions, render};
use crate::error::CliError;

/// The output options.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print one JSON document instead of the table
    ///
    /// The document has `at_ns`, `peers`, `channels` and `coverage`. Fields that end in `_ns` are integers in
    /// nanoseconds; times count from the Unix epoch. Unknown values are `null`. docs/reference/json.md
    /// describes all fields.
    #[arg(long)]
    pub(crate) json: bool,

    /// Sort peers by this key, such as `flaps`; `:asc` or `:desc` sets the direction
    #[arg(long, value_parser = SortParser, default_value = "availability", value_name = "KEY[:asc|:desc]")]
    pub(crate) sort: Sort,

    /// Print full ids, even if the table becomes wider than the terminal
    #[arg(long)]
    pub(crate) wide: bool,

    /// Use ASCII characters only
    ///
    /// This is the default on a terminal whose locale is not UTF-8.
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// Prints the document on standard output, sorted and formatted as `args` specify.
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
    // Removes colours if standard output does not support them.
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", render(document, &options))?;
    out.flush()
}

/// The width assumed for a terminal that does not report its size.
const DEFAULT_WIDTH: u16 = 80;

/// Returns the width of standard output in columns; `None` if it is not limited.
pub(crate) fn available_width() -> Option<u16> {
    let from_env = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        // Some terminals report no size, or 0.
        let width = Table::new().width().filter(|&columns| columns > 0);
        io::stdout().is_terminal().then(|| width.unwrap_or(DEFAULT_WIDTH))
    };
    from_env.filter(|&columns| columns > 0).or_else(terminal)
}

/// Returns the label of a presence.
const fn presence_label(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Offline => "offline",
        Presence::Unobserved => "unobserved",
    }
}
