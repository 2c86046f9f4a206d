//! The `compare` command: ranks watched nodes by reliability.

use std::io::{self, Write};
use std::time::Duration;

use fitness_actor::{Archive, Handle};
use fitness_core::{NodeId, StandardWindow, Timestamp};
use fitness_watch::{Candidate, RankedCandidate, rank};
use serde::Serialize;

use crate::error::CliError;
use crate::help;
use crate::output::{available_width, format, grid};
use crate::per_observer::{evaluate_observers, print, score_cell};
use crate::store::StoreUrl;
use crate::time::rfc3339;

const LONG_ABOUT: &str = "\
Rank watched nodes, most reliable first.

Nodes are ranked by their score over a window of their history, up to the last heartbeat in the store. The \
score, from 0 to 100, is the lower confidence bound of the availability, reduced for disconnects: a node \
that was online during one observed hour does not rank above a node that was online for a month. Nodes with \
equal scores are ranked by the number of disconnects.

`upper bound` is the score for the upper confidence bound. A ~ before a rank means that the order is \
uncertain: the upper bound of the node exceeds the score of the node above it.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness compare lsps.redb
  ldk-fitness compare lsps.redb --window 7d
  ldk-fitness compare lsps.redb --json | jq -r '.observers[].ranks[0].node_id'";

/// Rank watched nodes by reliability
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind of store as listed below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Rank only the nodes that this observer watches; by default those of all observers in the store
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// The window to rank by: 24h, 7d, 30d, 90d or lifetime
    #[arg(long, default_value = "30d")]
    window: StandardWindow,

    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// The ranking of one observer's watched nodes.
#[derive(Serialize)]
struct Ranking {
    observer: NodeId,
    #[serde(rename = "at_ns")]
    at: Timestamp,
    window: StandardWindow,
    ranks: Vec<RankedCandidate>,
}

/// Reads the store and prints the ranking.
///
/// # Errors
///
/// Fails if the store cannot be opened or read, if it has no such observer, or if the output cannot be
/// written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let rankings = evaluate_observers(&args.store, args.observer, async |archive| {
        rank_archive(archive, args.window).await
    })?;
    print(&rankings, args.json, print_table)
}

async fn rank_archive(archive: Archive, window: StandardWindow) -> Result<Ranking, CliError> {
    let handle = archive.handle();
    let watched = handle.peers().into_iter().filter(|report| report.watched);
    let ranks = rank_nodes(&handle, watched.map(|report| (report.node_id, None)), window).await?;
    Ok(Ranking { observer: handle.observer(), at: archive.as_of(), window, ranks })
}

/// Ranks nodes, each given with its median connect time where known.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub(crate) async fn rank_nodes(
    handle: &Handle,
    nodes: impl IntoIterator<Item = (NodeId, Option<Duration>)>,
    window: StandardWindow,
) -> Result<Vec<RankedCandidate>, CliError> {
    let mut candidates = Vec::new();
    for (node_id, connect_time) in nodes {
        if let Some(stats) = handle.peer_stats(&node_id, window).await? {
            candidates.push(Candidate { node_id, stats, connect_time });
        }
    }
    Ok(rank(candidates))
}

fn print_table(mut out: &mut dyn Write, ranking: &Ranking) -> io::Result<()> {
    let Ranking { observer, at, window, ranks } = ranking;
    let at = rfc3339(*at);
    if ranks.is_empty() {
        return writeln!(out, "No nodes watched by {observer}, as of {at}");
    }
    let nodes = fitness_words::pluralize(ranks.len() as u64, "node", "nodes");
    writeln!(out, "{nodes} watched by {observer}, as of {at}, window {}\n", window.name())?;
    let headings = [">rank", "node", ">score", ">upper bound", ">availability", ">observed", ">disconnects"];
    writeln!(out, "{}", grid::lines(headings, ranks.iter().map(rank_cells), available_width()))?;
    print_uncertainty_note(&mut out, ranks)
}

/// Returns the cells of a ranked node: rank, node id, score, upper bound of the score, availability,
/// observed time and disconnects.
pub(crate) fn rank_cells(ranked: &RankedCandidate) -> [String; 7] {
    let score_cell = |format| score_cell(ranked.score.as_ref(), format);
    let window = &ranked.stats.window;
    let lower_bound_mark = if ranked.stats.outages.complete { "" } else { ">= " };
    [
        format!("{}{}", if ranked.rank_uncertain { "~" } else { "" }, ranked.rank),
        format::short(&ranked.node_id.to_string(), 6, "…"),
        score_cell(|score| format!("{:.1}", score.value)),
        score_cell(|score| format!("{:.1}", score.upper_bound)),
        format::availability(window.uptime_ns, window.observed_ns),
        format::duration(window.observed_ns),
        format!("{lower_bound_mark}{}", ranked.stats.outages.disconnects),
    ]
}

/// Prints what `~` means, if a rank is uncertain.
pub(crate) fn print_uncertainty_note(out: &mut impl Write, ranks: &[RankedCandidate]) -> io::Result<()> {
    if ranks.iter().any(|ranked| ranked.rank_uncertain) {
        writeln!(out, "\n~ uncertain rank: observed too briefly to distinguish it from the node above")?;
    }
    Ok(())
}
