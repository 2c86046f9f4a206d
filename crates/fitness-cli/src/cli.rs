//! The command line: commands, options and the help that teaches them.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{advise, compare, completions, copy, demo, help, import, replay, report, top, watch};

const LONG_ABOUT: &str = "\
Which Lightning peers and channels deserve your money.

ldk-fitness tells how long each channel has been watched (lifetime), how much of that time it could \
be told whether the peer was online (observed), how much of that it was (uptime), and how often its \
connection changed (flaps). Availability is uptime over observed time: our own outages count neither \
for nor against a peer, and where nothing was observed it is `n/a`.

`demo`, `report` and `replay` print the same table, or with --json the same document; with --listen they \
serve the same dashboard.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness demo                          real nodes and real outages, in a minute
  ldk-fitness demo --seconds 60 --store demo.redb
  ldk-fitness report fitness.redb           what a stopped node knows of its peers
  ldk-fitness report sqlite:~/wallet/ldk_node_data.sqlite
  ldk-fitness top http://127.0.0.1:8080     peers as they come and go, on the terminal
  ldk-fitness advise fitness.redb           what to close, what to keep, and why
  ldk-fitness watch 02ab…@lsp.example:9735 --store lsps.redb
  ldk-fitness compare lsps.redb             which of the watched is the best
  ldk-fitness copy fitness.redb dir:wallet/fs_store
  ldk-fitness replay trace.jsonl.gz --window 7d
  ldk-fitness replay examples/month.jsonl.gz --listen   a dashboard, in a browser
  ldk-fitness replay - --json < trace.jsonl | jq '.channels[].availability'
  ldk-fitness import lnd --help             what lnd has counted, for who moves to LDK

Environment:
  LDK_FITNESS_STORE  the store of `report`, `top`, `advise`, `compare` and
                     `import` where none is named, so that no password is seen
                     where processes are listed
  LDK_FITNESS_TOKEN  what whoever asks `--listen` has to know; `top` sends it
  NO_COLOR           no colours, whatever the terminal can do
  COLUMNS            width of the table, in place of the terminal's
  RUST_LOG           what to log to standard error, `warn` by default; such as
                     `debug` or `fitness_ldk=trace`";

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(
    name = "ldk-fitness",
    version,
    about = "Which Lightning peers and channels deserve your money",
    long_about = LONG_ABOUT,
    after_help = help::end(EXAMPLES),
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// When to colour the output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", display_order = 100)]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Replay(replay::Args),
    Report(report::Args),
    Top(top::Args),
    Advise(advise::Args),
    Watch(watch::Args),
    Compare(compare::Args),
    Copy(copy::Args),
    Import(import::Args),
    Completions(completions::Args),
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Into files and pipes, too
    Always,
    /// Not at all
    Never,
}

impl Color {
    /// Makes it the rule for everything that is printed from now on.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
