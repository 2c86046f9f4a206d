//! `completions`: generates shell completion scripts.

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

/// Print a shell completion script
#[derive(Debug, clap::Args)]
#[command(after_help = help::footer(EXAMPLES))]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completion script to standard output.
///
/// # Errors
///
/// [`CliError::Output`].
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    // `generate` panics if its writer fails, so write to a buffer first.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ldk-fitness", &mut script);
    io::stdout().write_all(&script).map_err(CliError::Output)
}
