//! `copy`: histories from one store to another, of whatever kinds the two are.

mod bar;
mod print;

use std::sync::Arc;

use fitness_core::{NodeId, ObserverRecord};
use fitness_store::Store;
use fitness_store::copy::{CopyError, CopyOptions};
use tokio::time::Instant;

use self::bar::Bar;
use self::print::Summary;
use crate::error::CliError;
use crate::help;
use crate::store::{self, StoreUrl};

const LONG_ABOUT: &str = "\
Copy histories from one store to another, and read them back.

Everything is copied: peers, channels, logs, gaps, whose history it is. Then every record is read from both \
stores and compared, and only when all are equal is the history listed in the target; `report` then tells the \
same of both. What else the target has stays.

A copy that is cut short leaves a part that nobody sees. The same command goes on with it. A history that is \
there already is never touched without --overwrite; one that is equal already is no error.

No node may be running on either store. A redb file refuses it, and so does PostgreSQL; an SQLite file and a \
directory cannot be locked, so see to it yourself.";

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
    after_help = help::end_with_stores(EXAMPLES)
)]
pub(crate) struct Args {
    /// The store to copy from; it is not changed
    from: StoreUrl,

    /// The store to copy to; it is created where there is none
    to: StoreUrl,

    /// Copy only what this node observed; may be given several times
    #[arg(long, value_name = "NODE_ID")]
    observer: Vec<NodeId>,

    /// Make histories that the target has already equal to the source's; what they had is lost
    #[arg(long)]
    overwrite: bool,

    /// Print what was copied as JSON
    ///
    /// docs/JSON.md has its names.
    #[arg(long)]
    json: bool,
}

/// Copies, and tells what was copied.
///
/// # Errors
///
/// Stores that cannot be opened, read or written, or are in use; a history that would be overwritten; records
/// that are not read back as they were; an interruption; or an output that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = store::runtime()?;
    let bar = Bar::new();
    let summary = runtime.block_on(async {
        tokio::select! {
            summary = copy(args, &bar) => summary,
            interrupted = tokio::signal::ctrl_c() => Err(interrupted.map_or_else(CliError::Runtime, |()| CliError::Interrupted)),
        }
    });
    bar.end();
    // A commit under way may end by itself, and need not: whatever holds of a crash holds of that.
    runtime.shutdown_background();
    summary?.print(args.json).map_err(CliError::Output)
}

async fn copy(args: &Args, bar: &Bar) -> Result<Summary, CliError> {
    let Args { from, to, .. } = args;
    if from.is_same_place(to) {
        return Err(CliError::SamePlace { store: from.to_string() });
    }
    let started = Instant::now();
    bar.opening(from);
    let source = from.open_at_rest().await?;
    let observers = chosen(args, &*source).await?;
    let mut summary =
        Summary { from: from.clone(), to: to.clone(), copied: Vec::new(), took: started.elapsed() };
    if observers.is_empty() {
        return Ok(summary);
    }
    let before = records(&*source, &observers).await?;
    bar.opening(to);
    // Only now, so that nothing is created for a copy that was not to be.
    let target = to.open().await?;
    let options = CopyOptions::default().observers(observers.clone()).overwrite(args.overwrite);
    let copied =
        fitness_store::copy::copy(&*source, &*target, &options, |progress| bar.show(&progress)).await;
    summary.copied = copied.map_err(|error| explain(error, args))?;
    drop((source, target));
    still_at_rest(from, &observers, &before).await?;
    summary.took = started.elapsed();
    Ok(summary)
}

/// Whose histories are to be copied, ascending.
async fn chosen(args: &Args, source: &dyn Store) -> Result<Vec<NodeId>, CliError> {
    let known = source.observers().await?;
    if args.observer.is_empty() {
        return Ok(known);
    }
    let unknown = args.observer.iter().find(|observer| !known.contains(observer));
    unknown.map_or_else(
        || Ok(args.observer.clone()),
        |&observer| Err(CliError::unknown_observer(&args.from, observer, &known)),
    )
}

async fn records(store: &dyn Store, observers: &[NodeId]) -> Result<Vec<Option<ObserverRecord>>, CliError> {
    let mut records = Vec::new();
    for observer in observers {
        records.push(store.observer(observer).await?);
    }
    Ok(records)
}

/// Makes sure that nobody writes to the source. Some stores cannot be locked, and go on telling what they found
/// when they were opened.
async fn still_at_rest(
    from: &StoreUrl,
    observers: &[NodeId],
    before: &[Option<ObserverRecord>],
) -> Result<(), CliError> {
    let source: Arc<dyn Store> = from.open_read_only().await?;
    let now = records(&*source, observers).await?;
    match observers.iter().zip(before.iter().zip(&now)).find(|(_, (before, now))| before != now) {
        Some((&observer, _)) => Err(CliError::MovedOn { store: from.to_string(), observer }),
        None => Ok(()),
    }
}

/// What the library says of a source and a target, of these two stores.
fn explain(error: CopyError, args: &Args) -> CliError {
    let Args { from, to, .. } = args;
    match error {
        CopyError::Store(error) => error.into(),
        CopyError::SameStore => CliError::SamePlace { store: from.to_string() },
        CopyError::UnknownObserver { observer, available: known } => {
            CliError::unknown_observer(from, observer, &known)
        }
        CopyError::TargetExists { observer } => {
            let way_out = "copy to another store, or have it overwritten with --overwrite";
            CliError::Exists { store: to.to_string(), observer, way_out }
        }
        CopyError::SourceChanged { observer } => {
            CliError::WrittenMeanwhile { store: from.to_string(), observer }
        }
        error => CliError::Copy { store: to.to_string(), source: error },
    }
}
