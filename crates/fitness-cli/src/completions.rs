//! `completions`: what a shell needs to complete our command line.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CliError;
use crate::help;

const EXAMPLES: &str = "\
Examples:
  ldk-fitness completions bash > ~/.local/share/bash-completion/completions/ldk-fitness
  ldk-fitness completions fish > ~/.config/fish/completions/ldk-fitness.fish
  ldk-fitness completions zsh  > ~/.zfunc/_ldk-fitness";

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = help::end(EXAMPLES))]
pub(crate) struct Args {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions to standard output.
///
/// # Errors
///
/// [`CliError::Output`].
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    // The generator panics where its writer fails; a buffer does not.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ldk-fitness", &mut script);
    io::stdout().write_all(&script).map_err(CliError::Output)
}
