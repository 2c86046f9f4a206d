//! The watched nodes, the most reliable first.

use std::io::{self, Write as _};

use fitness_actor::Handle;
use fitness_advice::Score;
use fitness_core::{NodeId, Span};
use fitness_watch::{Entrant, Row, TargetReport};
use serde::Serialize;

use crate::cli::EXIT_CODES;
use crate::error::CliError;
use crate::output::{available_width, grid, humanise};
use crate::report::history::{self, History};
use crate::store::{self, StoreUrl};

const LONG_ABOUT: &str = "\
Rank the nodes of a store, the most reliable first.

They are ranked by their score, from 0 to 100: the lower confidence bound of the availability, so that who was \
watched for an hour does not beat who was for a month, times what disconnects leave of it. `at best` is what it \
may turn out to be.";

/// Rank the nodes of a store, the most reliable first
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = format!("Stores:\n{}\n\n{EXIT_CODES}", store::FORMS))]
pub(crate) struct CompareArgs {
    /// The store: a redb file, or another kind by its name, as below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Compare only what this node observed; by default all that share the store
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// The window that they are compared by: 24h, 7d, 30d, 90d or lifetime
    #[arg(long, default_value = "lifetime")]
    window: Span,

    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// Reads the store and prints the ranking.
///
/// # Errors
///
/// A store that cannot be opened or read, an observer that it does not know, or an output that cannot be
/// written.
pub(crate) fn compare(args: &CompareArgs) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ranked = runtime.map_err(CliError::Runtime)?.block_on(stored(args))?;
    print(&ranked, args.json).map_err(CliError::Output)
}

async fn stored(args: &CompareArgs) -> Result<Vec<Row>, CliError> {
    let store = args.store.open_existing().await?;
    let all = store.observers().await?;
    let asked: Vec<NodeId> =
        all.iter().copied().filter(|id| args.observer.is_none_or(|asked| asked == *id)).collect();
    if let Some(observer) = args.observer.filter(|_| asked.is_empty()) {
        return Err(CliError::unknown_observer(&args.store, observer, &all));
    }
    let mut entrants = Vec::new();
    for observer in asked {
        let record = store.observer(&observer).await?.unwrap_or_default();
        let known = History::load(&*store, observer, &record, &[]).await?;
        for report in known.tracker().peers(known.end()) {
            let log = history::read_log(&*store, &observer, &report.node_id).await?;
            let history = known.tracker().history(known.end(), &report.node_id, &log);
            entrants.extend(history.map(|history| Entrant {
                node_id: report.node_id,
                stats: history.stats_over(args.window),
                connecting: None,
            }));
        }
    }
    Ok(fitness_watch::compare(entrants))
}

/// The ranking of what is being watched.
pub(super) async fn live(
    handle: &Handle,
    targets: &[TargetReport],
    span: Span,
) -> Result<Vec<Row>, CliError> {
    let mut entrants = Vec::new();
    for target in targets {
        if let Some(stats) = handle.peer_stats(&target.node_id, span).await? {
            entrants.push(Entrant { node_id: target.node_id, stats, connecting: target.median_took });
        }
    }
    Ok(fitness_watch::compare(entrants))
}

/// Prints the ranking on standard output.
pub(super) fn print(ranked: &[Row], json: bool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        #[derive(Serialize)]
        struct Answer<'a> {
            ranking: &'a [Row],
        }
        serde_json::to_writer(&mut out, &Answer { ranking: ranked })?;
        return writeln!(out);
    }
    if ranked.is_empty() {
        return writeln!(out, "Nothing has been recorded yet.");
    }
    let headings =
        [">rank", "node", ">score", ">at best", ">availability", ">observed", ">lost", ">connecting"];
    writeln!(out, "\n{}", grid::lines(headings, ranked.iter().map(row), available_width()))
}

fn row(ranked: &Row) -> [String; 8] {
    let figure = |of: fn(&Score) -> String| ranked.score.as_ref().map_or_else(|| "n/a".to_owned(), of);
    [
        ranked.rank.to_string(),
        short(&ranked.node_id),
        figure(|score| format!("{:.1}", score.value)),
        figure(|score| format!("{:.1}", score.at_best)),
        figure(|score| format!("{:.2} %", score.availability * 100.0)),
        figure(|score| humanise::duration(score.observed_ns)),
        ranked.stats.outages.count.to_string(),
        ranked.connecting.map_or_else(|| "-".to_owned(), |took| format!("{} ms", took.as_millis())),
    ]
}

/// A node id as it stands in tables.
pub(super) fn short(node_id: &NodeId) -> String {
    let id = node_id.to_string();
    // Node ids are hexadecimal digits.
    format!("{}…{}", id.get(..6).unwrap_or_default(), id.get(62..).unwrap_or_default())
}
