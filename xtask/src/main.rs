//! What a maintainer of ldk-fitness runs: `cargo xtask --help`.

mod bench;
mod ci;
mod day;
mod house;
mod marked;
mod month;
mod picture;
mod readme;
mod run;
mod screens;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a maintainer of ldk-fitness runs.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All that decides whether a change lands, in order; stops at the first failure.
    Ci,
    /// Run the benchmarks and print each figure beside its bound.
    Bench {
        /// Shorter measurements, for a look in passing.
        #[arg(long)]
        quick: bool,
        /// The stores side by side instead.
        #[arg(long)]
        stores: bool,
        /// Put the tables of the stores into docs/STORES.md.
        #[arg(long, requires = "stores")]
        write: bool,
    },
    /// Check that no crate knows what ARCHITECTURE.md says it must not know.
    House,
    /// Check that examples/month is what the simulation makes; with `--write`, make it so.
    Month {
        /// Write the trace and the names.
        #[arg(long)]
        write: bool,
    },
    /// Check that the README's picture and table of what is counted are what the model says; with
    /// `--write`, make it so.
    Picture {
        /// Draw the picture, and put the table into the README.
        #[arg(long)]
        write: bool,
    },
    /// Check that the code of README.md and docs/BACKENDS.md is that of the examples; with
    /// `--write`, make it so.
    Readme {
        /// Put the examples' code into the pages.
        #[arg(long)]
        write: bool,
    },
    /// Look at the dashboard in a browser; with `--write`, keep what is seen as the README's pictures.
    Screens {
        /// Write the pictures.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Ci => ci::run_all(),
        Task::Bench { quick, stores: true, write } => bench::run_stores(quick, write),
        Task::Bench { quick, .. } => bench::run(quick),
        Task::House => house::check(),
        Task::Month { write } => month::check(write),
        Task::Picture { write } => picture::check(write),
        Task::Readme { write } => readme::check(write),
        Task::Screens { write } => screens::take(write),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}
