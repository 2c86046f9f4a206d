//! `compare`: which of the nodes that are watched is the most reliable.

use std::io::{self, Write};
use std::time::Duration;

use fitness_actor::{Archive, Handle};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use fitness_watch::{Candidate, RankedCandidate, rank};
use serde::Serialize;

use crate::each::{self, figure};
use crate::error::CliError;
use crate::help;
use crate::moment::rfc3339;
use crate::output::{available_width, grid, humanise};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Rank the nodes that are watched, the most reliable first.

They are ranked by their score, from 0 to 100, in a window of their history, as of the last moment that the \
store knows: the lower confidence bound of the availability, less what disconnects cost. So a node that was \
seen for an hour and was always there does not beat one that has been there for a month. `at best` is what \
the score may turn out to be; a ~ before a place says that this is better than the score one place above, so \
that the order of the two may be chance. Of equals the fewer disconnects come first.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness compare lsps.redb
  ldk-fitness compare lsps.redb --window 7d
  ldk-fitness compare lsps.redb --json | jq -r '.observers[].ranks[0].node_id'";

/// Rank the nodes that are watched
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind by its name, as below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Rank only what this node watches; by default all that share the store are told
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// The window that nodes are ranked by: 24h, 7d, 30d, 90d or lifetime
    #[arg(long, default_value = "30d")]
    window: StandardWindow,

    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// What one observer watches.
#[derive(Serialize)]
struct Ranked {
    observer: NodeId,
    #[serde(rename = "at_ns")]
    at: Timestamp,
    window: StandardWindow,
    ranks: Vec<RankedCandidate>,
}

/// Reads the store and prints the ranks.
///
/// # Errors
///
/// A store that cannot be opened or read, an observer that it does not know, or an output that cannot be
/// written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let ranked =
        each::judge(&args.store, args.observer, async |known| rank_watched(known, args.window).await)?;
    each::print(&ranked, args.json, print_table)
}

async fn rank_watched(known: Archive, window: StandardWindow) -> Result<Ranked, CliError> {
    let handle = known.handle();
    let watched = handle.peers().into_iter().filter(|report| report.watched);
    let ranks = ranks(&handle, watched.map(|report| (report.node_id, None)), window).await?;
    Ok(Ranked { observer: handle.observer(), at: known.as_of(), window, ranks })
}

/// The nodes as they rank, with how long it takes to connect to them.
///
/// # Errors
///
/// What the store says.
pub(crate) async fn ranks(
    handle: &Handle,
    nodes: impl IntoIterator<Item = (NodeId, Option<Duration>)>,
    window: StandardWindow,
) -> Result<Vec<RankedCandidate>, CliError> {
    let mut entrants = Vec::new();
    for (node_id, connecting) in nodes {
        if let Some(stats) = handle.peer_stats(&node_id, window).await? {
            entrants.push(Candidate { node_id, stats, connect_time: connecting });
        }
    }
    Ok(rank(entrants))
}

fn print_table(mut out: &mut dyn Write, ranked: &Ranked) -> io::Result<()> {
    let Ranked { observer, at, window, ranks } = ranked;
    let at = rfc3339(*at);
    if ranks.is_empty() {
        return writeln!(out, "Nobody is watched by {observer}, as of {at}.");
    }
    let nodes = fitness_words::pluralize(ranks.len() as u64, "node", "nodes");
    writeln!(out, "{nodes} watched by {observer}, window {}, as of {at}\n", window.name())?;
    let headings = [">#", "node", ">score", ">at best", ">availability", ">observed", ">disconnects"];
    writeln!(out, "{}", grid::lines(headings, ranks.iter().map(row), available_width()))?;
    explain(&mut out, ranks)
}

/// A rank's cells: its place, the node, its score, what that may be at best, availability, observed time and
/// disconnects.
pub(crate) fn row(row: &RankedCandidate) -> [String; 7] {
    let figure = |of| figure(row.score.as_ref(), of);
    let window = &row.stats.window;
    let least = if row.stats.outages.complete { "" } else { ">= " };
    [
        format!("{}{}", if row.rank_uncertain { "~" } else { "" }, row.rank),
        humanise::short(&row.node_id.to_string(), 6, "…"),
        figure(|score| format!("{:.1}", score.value)),
        figure(|score| format!("{:.1}", score.upper_bound)),
        humanise::availability(window.uptime_ns, window.observed_ns),
        humanise::duration(window.observed_ns),
        format!("{least}{}", row.stats.outages.disconnects),
    ]
}

/// Says what the marks of the table mean, where it has some.
pub(crate) fn explain(out: &mut impl Write, ranks: &[RankedCandidate]) -> io::Result<()> {
    if ranks.iter().any(|row| row.rank_uncertain) {
        writeln!(out, "\n~ may turn out better than the one above: they have not been watched long enough.")?;
    }
    Ok(())
}
