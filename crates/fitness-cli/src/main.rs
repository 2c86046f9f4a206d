//! `ldk-fitness`: measures how reliable Lightning peers and channels are.
//!
//! This file parses the command line, sets up logging, runs one command and sets the exit code. Each command
//! has a module of the same name. Module `output` formats reports.

mod advise;
mod cli;
mod compare;
mod completions;
mod copy;
mod demo;
mod error;
mod help;
mod import;
mod listen;
mod output;
mod per_observer;
mod query;
mod replay;
mod report;
mod store;
mod time;
mod top;
mod watch;

use std::error::Error as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Cli, Command};
use crate::error::CliError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.apply();
    // Log lines would corrupt the screen of `top`.
    if !matches!(cli.command, Command::Top(_)) || !io::stderr().is_terminal() {
        log_to_stderr();
    }
    let outcome = match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Report(args) => report::run(args),
        Command::Top(args) => top::run(args),
        Command::Advise(args) => advise::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Copy(args) => copy::run(args),
        Command::Import(args) => import::run(args),
        Command::Completions(args) => completions::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // A closed pipe, as in `ldk-fitness … | head`, is not a failure.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            error.exit_code()
        }
    }
}

/// Logs to standard error as `RUST_LOG` configures; by default, warnings.
fn log_to_stderr() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour && io::stderr().is_terminal())
        .init();
}

/// Prints an error and its sources on one line.
///
/// A source whose text the message already contains is skipped.
fn print_error(error: &CliError) {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.contains(&cause_text) {
            message = format!("{message}: {cause_text}");
        }
        source = cause.source();
    }
    // If standard error is closed, the message cannot be delivered; the exit code still reports the failure.
    let _ = writeln!(anstream::stderr(), "error: {message}");
}
