//! The command line: commands, global options and their help.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{advise, compare, completions, copy, demo, help, import, replay, report, top, watch};

const LONG_ABOUT: &str = "\
Measure how reliable Lightning peers and channels are.

For each channel, ldk-fitness reports how long it has been monitored (lifetime), for how much of that time \
the peer's presence was known (observed), for how much of the observed time the peer was online (uptime), and \
how often its connection flapped. Availability is uptime divided by observed time. Monitoring gaps count \
neither for nor against a peer. Without any observed time, availability is `n/a`.

`demo`, `report` and `replay` print the same table, or the same JSON document with --json. With --listen they \
serve the same dashboard.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness demo                          measure real nodes and outages for a minute
  ldk-fitness demo --seconds 60 --store demo.redb
  ldk-fitness report fitness.redb           report on a store while its node is stopped
  ldk-fitness report sqlite:~/wallet/ldk_node_data.sqlite
  ldk-fitness top http://127.0.0.1:8080     show live peer status in the terminal
  ldk-fitness advise fitness.redb           recommend which channels to keep or close
  ldk-fitness watch 02ab…@lsp.example:9735 --store lsps.redb
  ldk-fitness compare lsps.redb             rank the watched nodes
  ldk-fitness copy fitness.redb dir:wallet/fs_store
  ldk-fitness replay trace.jsonl.gz --window 7d
  ldk-fitness replay examples/month.jsonl.gz --listen   show the dashboard in a browser
  ldk-fitness replay - --json < trace.jsonl | jq '.channels[].availability'
  ldk-fitness import lnd --help             import lnd's statistics when moving to LDK

Environment:
  LDK_FITNESS_STORE  default store of `report`, `top`, `advise`, `compare` and
                     `import`; keeps passwords out of process listings
  LDK_FITNESS_TOKEN  access token that `--listen` requires and `top` sends
  NO_COLOR           disable colours
  COLUMNS            table width, instead of the terminal's
  RUST_LOG           log filter for standard error, such as `debug` or
                     `fitness_ldk=trace`; default `warn`";

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(
    name = "ldk-fitness",
    version,
    about = "Measure how reliable Lightning peers and channels are",
    long_about = LONG_ABOUT,
    after_help = help::footer(EXAMPLES),
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", display_order = 100)]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command to run.
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

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Never
    Never,
}

impl Color {
    /// Sets the choice for all further output.
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
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
