//! `import`: imports statistics from other programs into a store.

mod lnd;

use clap::Subcommand;

pub(crate) use self::lnd::LndError;
use crate::error::CliError;
use crate::help;

const EXAMPLES: &str = "\
Examples:
  ldk-fitness import lnd --help
  ldk-fitness import lnd peers.json channels.json --store fitness.redb --observer 02ab…";

/// Import statistics from another program
#[derive(Debug, clap::Args)]
#[command(after_help = help::footer(EXAMPLES))]
pub(crate) struct Args {
    #[command(subcommand)]
    source: Source,
}

/// The program to import from.
#[derive(Debug, Subcommand)]
enum Source {
    Lnd(lnd::Args),
}

/// Imports statistics and prints a summary.
///
/// # Errors
///
/// Fails if the input is invalid, if the store cannot be opened or written, or if standard output cannot be
/// written. Only in the last case is anything imported.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    match &args.source {
        Source::Lnd(args) => lnd::run(args),
    }
}
