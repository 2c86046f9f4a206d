//! `import lnd`: what lnd's `chanfitness` has counted.
//!
//! What lncli prints is read by `lists`; what that makes of a peer is `seed`'s business, and what to
//! make of channels that contradict each other that of `fit`. Here it comes into the store.

mod error;
mod fit;
mod lists;
mod outcome;
mod seed;

use std::path::PathBuf;
use std::sync::Arc;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{NodeId, ObserverRecord, Timestamp};
use fitness_store::{Batch, Store};

pub(crate) use self::error::LndError;
use self::lists::Lists;
use self::outcome::Outcome;
use crate::error::CliError;
use crate::help;
use crate::moment::{parse_moment, rfc3339};
use crate::store::{self, StoreUrl};

const LONG_ABOUT: &str = "\
Take over what lnd has counted of its peers and channels, for who moves from lnd to LDK.

What is read is what `lncli listpeers` prints (flap counts) and what `lncli listchannels` prints (lifetimes \
and uptimes). Both may be in one file, and each in several: they are told apart by what is in them.

Each peer gets a history that began with its longest-lived channel: its lifetime is what was observed, its \
uptime how much of that the peer was online. When it was and when it was not lnd does not tell, so that \
windows before the moment of the import state how far off they may be. Flap counts cool down as they did in \
lnd. What was taken over stays marked as such in every report.

lnd forgets lifetimes and uptimes when it stops, and lists the peers that are connected: ask lncli while lnd \
runs, just before it is stopped for good. Closed channels and pending ones are not taken over.

Peers that the store knows already for that observer are left alone. Nothing is changed if anything in the \
files is not what it should be.";

const EXAMPLES: &str = "\
Examples:
  lncli listpeers > peers.json; lncli listchannels > channels.json
  export LDK_FITNESS_STORE=fitness.redb
  ldk-fitness import lnd peers.json channels.json --observer 02ab…
  ldk-fitness import lnd *.json --observer 02ab… --at 2026-03-01T12:00:00Z --json
  (lncli listpeers; lncli listchannels) | ldk-fitness import lnd - --observer 02ab…
  ldk-fitness import lnd *.json --observer 02ab… --store sqlite:ldk_node_data.sqlite";

/// Take over what lnd has counted of its peers and channels
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// What lncli printed; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The store to take it over into: a redb file, or another kind by its name, as below
    ///
    /// It is created where there is none.
    #[arg(long, env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// The node that goes on from there: the id of your LDK node, and not that of lnd
    #[arg(long, value_name = "NODE_ID")]
    observer: NodeId,

    /// When lncli was asked: RFC 3339, or nanoseconds since 1970
    ///
    /// By default it is now.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,

    /// Print one JSON document instead of sentences
    #[arg(long)]
    json: bool,
}

/// Reads the lists, takes them over and tells what was.
///
/// # Errors
///
/// As [`super::run`].
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let now = SystemClock::new().wall();
    if let Some(asked) = args.at.filter(|&asked| asked > now) {
        return Err(LndError::Future { asked: rfc3339(asked), now: rfc3339(now) }.into());
    }
    let at = args.at.unwrap_or(now);
    let mut lists = Lists::at(at);
    for file in &args.files {
        lists.read(file)?;
    }
    let outcome = store::runtime()?.block_on(take_over(&lists, args))?;
    outcome.print(args.json).map_err(CliError::Output)
}

async fn take_over(lists: &Lists, args: &Args) -> Result<Outcome, CliError> {
    let mut outcome = Outcome::new(lists, args.observer, args.store.to_string());
    let seeds = lists.seeds();
    if seeds.is_empty() {
        return Ok(outcome);
    }
    let store = args.store.open().await?;
    // Nobody else writes for this observer between our reading and writing.
    let _claim = store.claim(&args.observer).await?;
    let record = store.observer(&args.observer).await?;
    let mut batch = Batch::default();
    for seed in seeds {
        if store.peer(&args.observer, &seed.node_id).await?.is_some() {
            outcome.known.push(seed.node_id);
            continue;
        }
        let (peer, log) = seed
            .records(lists.at, record.map_or(0, |record| record.clock_ahead_ns))
            .ok_or(LndError::NoPlace { observer: args.observer })?;
        batch.changes.peers.push(peer);
        batch.changes.segments.extend(log);
        outcome.imported.push(seed);
    }
    if batch.is_empty() {
        return Ok(outcome);
    }
    // Where nobody has observed yet, what is known of the observer begins with what is taken over.
    let at_ns = lists.at.as_nanos();
    let began = ObserverRecord {
        started_at_ns: at_ns,
        last_heartbeat_ns: at_ns,
        first_started_at_ns: at_ns,
        ..ObserverRecord::default()
    };
    batch.observer = record.is_none().then_some(began);
    store.commit(&args.observer, Arc::new(batch)).await?;
    Ok(outcome)
}
