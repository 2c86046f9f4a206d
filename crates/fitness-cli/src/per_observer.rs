//! Evaluates each observer of a store and prints the results, for `advise` and `compare`.

use std::io::{self, Write};
use std::sync::Arc;

use fitness_actor::Archive;
use fitness_advice::Score;
use fitness_core::NodeId;
use serde::Serialize;

use crate::error::CliError;
use crate::output::{self, format};
use crate::store::{self, StoreUrl};

/// Opens the store and calls `evaluate` with the archive of `observer`, or of each observer if it is `None`.
///
/// # Errors
///
/// Fails if the store cannot be opened or read, if it has no such observer, or if `evaluate` fails.
pub(crate) fn evaluate_observers<T>(
    url: &StoreUrl,
    observer: Option<NodeId>,
    evaluate: impl AsyncFn(Archive) -> Result<T, CliError>,
) -> Result<Vec<T>, CliError> {
    store::runtime()?.block_on(async {
        let store = url.open_read_only().await?;
        let mut results = Vec::new();
        for observer in url.observers(&*store, observer).await? {
            results.push(evaluate(Archive::open(observer, Arc::clone(&store)).await?).await?);
        }
        Ok(results)
    })
}

/// Prints the results of all observers as one JSON document, or as one table each with `print_table`.
///
/// # Errors
///
/// Fails if the output cannot be written.
pub(crate) fn print<T: Serialize>(
    observers: &[T],
    json: bool,
    print_table: impl Fn(&mut dyn Write, &T) -> io::Result<()>,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        observers: &'a [T],
    }
    let print = || {
        if json {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &Document { observers })?;
            return out.write_all(b"\n");
        }
        let mut out = anstream::stdout().lock();
        if observers.is_empty() {
            writeln!(out, "{}", output::NO_DATA)?;
        }
        for (index, observer) in observers.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            print_table(&mut out, observer)?;
        }
        Ok(())
    };
    print().map_err(CliError::Output)
}

/// Formats a part of a score for a table cell; `n/a` without a score.
pub(crate) fn score_cell(score: Option<&Score>, format: fn(&Score) -> String) -> String {
    score.map_or_else(|| format::NA.to_owned(), format)
}
