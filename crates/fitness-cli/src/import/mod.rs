//! `import`: what another program has counted, taken over into a store.

mod lnd;

use clap::Subcommand;

pub(crate) use self::lnd::LndError;
use crate::error::CliError;
use crate::help;

const EXAMPLES: &str = "\
Examples:
  ldk-fitness import lnd --help
  ldk-fitness import lnd peers.json channels.json --store fitness.redb --observer 02ab…";

/// Take over what another program has counted
#[derive(Debug, clap::Args)]
#[command(after_help = help::end(EXAMPLES))]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

/// Whose numbers to take over.
#[derive(Debug, Subcommand)]
enum From {
    Lnd(lnd::Args),
}

/// Takes the numbers over and tells which.
///
/// # Errors
///
/// Lists that are not what they should be, a store that cannot be opened or written, or an output
/// that cannot be written. Nothing was taken over then, unless it is the output.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    match &args.from {
        From::Lnd(args) => lnd::run(args),
    }
}
