//! `copy`: copies histories between stores of any kind.

mod progress;
mod summary;

use std::sync::Arc;

use fitness_core::{NodeId, ObserverRecord};
use fitness_store::Store;
use fitness_store::copy::{CopyError, CopyOptions};
use tokio::time::Instant;

use self::progress::Progress;
use self::summary::Summary;
use crate::error::CliError;
use crate::help;
use crate::store::{self, StoreUrl};

const LONG_ABOUT: &str = "\
Copy histories from one store to another and verify the copy.

All records are copied: peers, channels, logs, gaps and observers. Then every record is read from both stores \
and compared. Only when all records are equal is the history listed in the target; `report` then prints the \
same for both stores. Other histories in the target are kept.

An interrupted copy leaves records that no command reads. Run the same command again to continue. A history \
that already exists in the target is not changed without --overwrite; if it is equal, there is nothing to do.

Stop the nodes that use either store first. redb files and PostgreSQL databases in use are rejected. SQLite \
files and directories cannot be locked, so this is not always detected.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness copy fitness.redb sqlite:~/wallet/ldk_node_data.sqlite
  ldk-fitness copy dir:wallet/fs_store backup.redb
  ldk-fitness copy fitness.redb postgres://fitness@db/fitness
  ldk-fitness copy all.redb one.redb --observer 03ab…";

/// Copy histories from one store to another
#[derive(Debug, clap::Args)]
#[command(
    long_about = LONG_ABOUT,
    after_help = help::footer_with_stores(EXAMPLES)
)]
pub(crate) struct Args {
    /// The store to copy from; it is not changed
    from: StoreUrl,

    /// The store to copy to; it is created if it does not exist
    to: StoreUrl,

    /// Copy only the history of this observer; may be given several times
    #[arg(long, value_name = "NODE_ID")]
    observer: Vec<NodeId>,

    /// Replace histories that the target already has
    ///
    /// The target's records of these observers are lost.
    #[arg(long)]
    overwrite: bool,

    /// Print the summary as JSON
    ///
    /// docs/JSON.md describes the fields.
    #[arg(long)]
    json: bool,
}

/// Copies histories and prints a summary.
///
/// # Errors
///
/// Fails if a store cannot be opened, read or written, or is in use; if a history would be overwritten; if
/// verification fails; if the copy is interrupted; or if standard output cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = store::runtime()?;
    let progress = Progress::new();
    let summary = runtime.block_on(async {
        tokio::select! {
            summary = copy(args, &progress) => summary,
            interrupted = tokio::signal::ctrl_c() => Err(interrupted.map_or_else(CliError::Runtime, |()| CliError::Interrupted)),
        }
    });
    progress.clear();
    // Does not wait for a commit in progress: an interrupted commit is handled like one cut off by a crash.
    runtime.shutdown_background();
    summary?.print(args.json).map_err(CliError::Output)
}

async fn copy(args: &Args, progress: &Progress) -> Result<Summary, CliError> {
    let Args { from, to, .. } = args;
    if from.is_same_place(to) {
        return Err(CliError::SamePlace { store: from.to_string() });
    }
    let started = Instant::now();
    progress.opening(from);
    let source = from.open_for_copy().await?;
    let observers = selected_observers(args, &*source).await?;
    let mut summary =
        Summary { from: from.clone(), to: to.clone(), copied: Vec::new(), duration: started.elapsed() };
    if observers.is_empty() {
        return Ok(summary);
    }
    let before = observer_records(&*source, &observers).await?;
    progress.opening(to);
    // Opened this late so that a rejected copy does not create the target.
    let target = to.open().await?;
    let options = CopyOptions::default().observers(observers.clone()).overwrite(args.overwrite);
    let copied =
        fitness_store::copy::copy(&*source, &*target, &options, |update| progress.update(&update)).await;
    summary.copied = copied.map_err(|error| into_cli_error(error, args))?;
    drop((source, target));
    check_unchanged(from, &observers, &before).await?;
    summary.duration = started.elapsed();
    Ok(summary)
}

/// Returns the observers whose histories to copy, ascending.
async fn selected_observers(args: &Args, source: &dyn Store) -> Result<Vec<NodeId>, CliError> {
    let available = source.observers().await?;
    if args.observer.is_empty() {
        return Ok(available);
    }
    let unknown = args.observer.iter().find(|observer| !available.contains(observer));
    unknown.map_or_else(
        || Ok(args.observer.clone()),
        |&observer| Err(CliError::unknown_observer(&args.from, observer, &available)),
    )
}

async fn observer_records(
    store: &dyn Store,
    observers: &[NodeId],
) -> Result<Vec<Option<ObserverRecord>>, CliError> {
    let mut records = Vec::new();
    for observer in observers {
        records.push(store.observer(observer).await?);
    }
    Ok(records)
}

/// Checks that no process has written to the source since `before` was read.
///
/// Reopens the source, because some stores cannot be locked and keep returning the state from when they were
/// opened.
async fn check_unchanged(
    from: &StoreUrl,
    observers: &[NodeId],
    before: &[Option<ObserverRecord>],
) -> Result<(), CliError> {
    let source: Arc<dyn Store> = from.open_read_only().await?;
    let now = observer_records(&*source, observers).await?;
    match observers.iter().zip(before.iter().zip(&now)).find(|(_, (before, now))| before != now) {
        Some((&observer, _)) => Err(CliError::CopyOutdated { store: from.to_string(), observer }),
        None => Ok(()),
    }
}

/// Converts an error of the library and names the two stores.
fn into_cli_error(error: CopyError, args: &Args) -> CliError {
    let Args { from, to, .. } = args;
    match error {
        CopyError::Store(error) => error.into(),
        CopyError::SameStore => CliError::SamePlace { store: from.to_string() },
        CopyError::UnknownObserver { observer, available } => {
            CliError::unknown_observer(from, observer, &available)
        }
        CopyError::TargetExists { observer } => {
            let hint = "choose another target, or replace the history with --overwrite";
            CliError::HistoryExists { store: to.to_string(), observer, hint }
        }
        CopyError::SourceChanged { observer } => {
            CliError::CopyIncomplete { store: from.to_string(), observer }
        }
        error => CliError::Copy { store: to.to_string(), source: error },
    }
}
