//! `import lnd`: imports the statistics of lnd's `chanfitness`.
//!
//! `lncli` parses lncli's output, `peer` converts it to records, `adjust` corrects uptimes that contradict each
//! other, and this module writes the records to the store.

mod adjust;
mod error;
mod lncli;
mod peer;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{NodeId, ObserverRecord, Timestamp};
use fitness_store::{Batch, Store};

pub(crate) use self::error::LndError;
use self::lncli::LncliLists;
use self::summary::Summary;
use crate::error::CliError;
use crate::help;
use crate::store::{self, StoreUrl};
use crate::time::{parse_time, rfc3339};

const LONG_ABOUT: &str = "\
Import lnd's statistics of peers and channels, when moving from lnd to LDK.

The input is the output of `lncli listpeers` (flap counts) and `lncli listchannels` (lifetimes and uptimes). \
One file may contain both, and either may be split over several files. The kind of each list is detected from \
its content.

Each imported peer's history starts when its longest-lived channel opened. Its observed time is that \
channel's lifetime, and its uptime is that channel's uptime. lnd does not report when a peer was online, so \
the statistics of windows before the import state their possible error. Flap counts keep decaying as in lnd. \
Every report marks imported values.

lnd resets lifetimes and uptimes when it stops, and lists only connected peers: run lncli just before you stop \
lnd for good. Closed and pending channels are not imported.

Peers that the store already has for this observer are not changed. If any input is invalid, nothing is \
imported.";

const EXAMPLES: &str = "\
Examples:
  lncli listpeers > peers.json; lncli listchannels > channels.json
  export LDK_FITNESS_STORE=fitness.redb
  ldk-fitness import lnd peers.json channels.json --observer 02ab…
  ldk-fitness import lnd *.json --observer 02ab… --at 2026-03-01T12:00:00Z --json
  (lncli listpeers; lncli listchannels) | ldk-fitness import lnd - --observer 02ab…
  ldk-fitness import lnd *.json --observer 02ab… --store sqlite:ldk_node_data.sqlite";

/// Import lnd's statistics of peers and channels
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// A file with lncli's output; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The store to import into: a redb file, or another kind as below
    ///
    /// It is created if it does not exist.
    #[arg(long, env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// The node id of your LDK node (not of lnd), which continues the history
    #[arg(long, value_name = "NODE_ID")]
    observer: NodeId,

    /// The time at which lncli was run: RFC 3339, or nanoseconds since 1970
    ///
    /// The default is now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,

    /// Print the summary as JSON
    ///
    /// docs/JSON.md describes the fields.
    #[arg(long)]
    json: bool,
}

/// Parses the lists, imports them and prints a summary.
///
/// # Errors
///
/// As [`super::run`].
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let now = SystemClock::new().wall();
    if let Some(at) = args.at.filter(|&at| at > now) {
        return Err(LndError::Future { at: rfc3339(at), now: rfc3339(now) }.into());
    }
    let mut lists = LncliLists::new(args.at.unwrap_or(now));
    for file in &args.files {
        lists.read(file)?;
    }
    let summary = store::runtime()?.block_on(import(&lists, args))?;
    summary.print(args.json).map_err(CliError::Output)
}

async fn import(lists: &LncliLists, args: &Args) -> Result<Summary, CliError> {
    let mut summary = Summary::new(lists, args.observer, args.store.to_string());
    let peers = lists.peers_with_data();
    if peers.is_empty() {
        return Ok(summary);
    }
    let store = args.store.open().await?;
    // Keeps other processes from writing this observer's history between our reads and the commit.
    let _claim = store.claim(&args.observer).await?;
    let observer_record = store.observer(&args.observer).await?;
    let clock_ahead_ns = observer_record.map_or(0, |record| record.clock_ahead_ns);
    let mut batch = Batch::default();
    for peer in peers {
        if store.peer(&args.observer, &peer.node_id).await?.is_some() {
            summary.already_stored.push(peer.node_id);
            continue;
        }
        let (record, segments) = peer
            .records(lists.at, clock_ahead_ns)
            .ok_or(LndError::BeforeClockEpoch { observer: args.observer })?;
        batch.changes.peers.push(record);
        batch.changes.segments.extend(segments);
        summary.imported.push(peer);
    }
    if batch.is_empty() {
        return Ok(summary);
    }
    // A new observer's monitoring starts at the time of the import.
    let at_ns = lists.at.as_nanos();
    let new_observer = ObserverRecord {
        started_at_ns: at_ns,
        last_heartbeat_ns: at_ns,
        first_started_at_ns: at_ns,
        ..ObserverRecord::default()
    };
    batch.observer = observer_record.is_none().then_some(new_observer);
    store.commit(&args.observer, Arc::new(batch)).await?;
    Ok(summary)
}
