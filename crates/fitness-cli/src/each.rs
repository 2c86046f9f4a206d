//! What `advise` and `compare` have in common: they judge the peers of each observer of a store at rest.

use std::io::{self, Write};
use std::sync::Arc;

use fitness_actor::Archive;
use fitness_advice::Score;
use fitness_core::NodeId;
use serde::Serialize;

use crate::error::CliError;
use crate::output::humanise;
use crate::store::{self, StoreUrl};

/// Opens the store and judges what each of its observers knows, or the one that was `asked` for.
///
/// # Errors
///
/// A store that cannot be opened or read, an observer that it does not know, and what `judge` says.
pub(crate) fn judge<T>(
    url: &StoreUrl,
    asked: Option<NodeId>,
    judge: impl AsyncFn(Archive) -> Result<T, CliError>,
) -> Result<Vec<T>, CliError> {
    store::runtime()?.block_on(async {
        let store = url.open_read_only().await?;
        let mut judged = Vec::new();
        for observer in url.observers(&*store, asked).await? {
            judged.push(judge(Archive::open(observer, Arc::clone(&store)).await?).await?);
        }
        Ok(judged)
    })
}

/// Prints one JSON document, or a table for each observer by `table`.
///
/// # Errors
///
/// An output that cannot be written.
pub(crate) fn print<T: Serialize>(
    observers: &[T],
    json: bool,
    table: impl Fn(&mut dyn Write, &T) -> io::Result<()>,
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
            writeln!(out, "Nothing has been recorded yet.")?;
        }
        for (index, observer) in observers.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            table(&mut out, observer)?;
        }
        Ok(())
    };
    print().map_err(CliError::Output)
}

/// A part of a score as it stands in a table, `n/a` where there is no score.
pub(crate) fn figure(score: Option<&Score>, of: fn(&Score) -> String) -> String {
    score.map_or_else(|| humanise::NA.to_owned(), of)
}
