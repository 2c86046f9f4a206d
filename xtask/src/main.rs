//! Maintenance tasks of ldk-fitness: `cargo xtask --help`.

mod bench;
mod ci;
mod command;
mod dependencies;
mod diagram;
mod example_trace;
mod markers;
mod sample_day;
mod screenshots;
mod snippets;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Maintenance tasks of ldk-fitness.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check that decides whether a change lands; stop at the first failure.
    Ci,
    /// Run the benchmarks and print each figure beside its bound.
    Bench {
        /// Measure for a shorter time.
        #[arg(long)]
        quick: bool,
        /// Compare the stores with each other instead.
        #[arg(long)]
        stores: bool,
        /// Write the tables of the stores into docs/storage.md.
        #[arg(long, requires = "stores")]
        write: bool,
    },
    /// Check that no retired identifier or phrase is used (xtask/retired-words.txt).
    CheckWords,
    /// Check the dependencies that ARCHITECTURE.md forbids.
    Dependencies,
    /// Check that the diagram and the table of docs/how-it-counts.md match the model.
    Diagram {
        /// Draw the diagram and write the table.
        #[arg(long)]
        write: bool,
    },
    /// Check that examples/month.jsonl.gz and its aliases match the simulation.
    ExampleTrace {
        /// Write the trace and the aliases.
        #[arg(long)]
        write: bool,
    },
    /// Take the screenshots of the dashboard in a browser, to check that they can be taken.
    Screenshots {
        /// Write them to docs/screenshots.
        #[arg(long)]
        write: bool,
    },
    /// Check that the code in the README and the docs is that of the examples, and that every
    /// other block of Rust code is compiled.
    Snippets {
        /// Copy the code of the examples into the pages.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Ci => ci::run_all(),
        Task::Bench { quick, stores: true, write } => bench::run_stores(quick, write),
        Task::Bench { quick, .. } => bench::run(quick),
        Task::CheckWords => words::check(),
        Task::Dependencies => dependencies::check(),
        Task::Diagram { write } => diagram::check(write),
        Task::ExampleTrace { write } => example_trace::check(write),
        Task::Screenshots { write } => screenshots::take(write),
        Task::Snippets { write } => snippets::check(write),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
