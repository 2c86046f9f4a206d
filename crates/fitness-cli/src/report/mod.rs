//! The `report` command: reports on a store while its node is stopped.

mod history;

use std::sync::Arc;

use fitness_actor::Archive;
use fitness_core::{NodeId, Timestamp};
use fitness_store::Store;

use crate::error::CliError;
use crate::help;
use crate::listen::ListenArgs;
use crate::output::{Document, OutputArgs, print};
use crate::query::QueryArgs;
use crate::store::StoreUrl;
use crate::time::parse_time;

const LONG_ABOUT: &str = "\
Report on the peers and channels in a store while its node is stopped.

The store is that of a node with ldk-fitness, or of `ldk-fitness demo --store`. A redb file can be open in \
one process only, so its node must be stopped. The store is not changed.

The report is as of the last heartbeat, which is the last time at which the node is known to have been \
observing. With --at it is as of a later time: lifetimes are longer, and the time after the heartbeat is \
unobserved. If several nodes share the store, there is one section for each.

With --listen, the dashboard shows the stored history in a browser, as of the last heartbeat.

Strips show the history of each peer, or of the window. Below them, the report lists the monitoring \
coverage and the monitoring gaps with their causes. Gaps count neither for nor against a peer.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness report fitness.redb
  ldk-fitness report fitness.redb --window 7d
  ldk-fitness report fitness.redb --listen
  ldk-fitness report fitness.redb --window 30d --sort median-recovery
  ldk-fitness report sqlite:~/wallet/ldk_node_data.sqlite
  LDK_FITNESS_STORE=postgres://fitness@db/fitness ldk-fitness report
  ldk-fitness report fitness.redb --peer 02ab12 --timeline
  ldk-fitness report fitness.redb --peer 02ab12 --buckets day --json
  ldk-fitness report fitness.redb --all --sort flaps --json";

/// Report on a store while its node is stopped
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
// The dashboard always shows the last heartbeat, so --at and --listen exclude each other.
#[command(group(clap::ArgGroup::new("shown").args(["at", "listen"])))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind of store as listed below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// Report as of this time: RFC 3339, or nanoseconds since 1970
    ///
    /// Defaults to the last heartbeat and cannot be earlier.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,

    /// Report only what this observer stored; by default all observers in the store
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    #[command(flatten)]
    query: QueryArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Reads the store and prints the report.
///
/// # Errors
///
/// Fails if the store cannot be opened or read, if it has no such observer or no data as of that time, or if
/// the output cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(async {
        let server = args.listen.server(None)?;
        let store = args.store.open_read_only().await?;
        let mut document = read(&store, args).await?;
        // Before printing: if the store has several observers, --listen fails without any output.
        let served = match server {
            Some(server) => {
                let observer = args.store.one_observer(&*store, args.observer).await?;
                Some((server, Archive::open(observer, store).await?))
            }
            None => None,
        };
        print(&mut document, &args.output)?;
        match served {
            Some((server, archive)) => server.serve_archive(archive).await,
            None => Ok(()),
        }
    })
}

async fn read(store: &Arc<dyn Store>, args: &Args) -> Result<Document, CliError> {
    let mut document = Document::default();
    let mut trackers = Vec::new();
    for observer in args.store.observers(&**store, args.observer).await? {
        let (section, tracker) = history::read_section(&**store, observer, args).await?;
        document.sections.push(section);
        trackers.push((observer, tracker));
    }
    args.query.filter_peers(&mut document.sections)?;
    for section in &mut document.sections {
        let is_observer =
            |(observer, _): &&(NodeId, _)| section.observer.is_some_and(|it| it.node_id == *observer);
        if let Some((observer, tracker)) = trackers.iter().find(is_observer) {
            history::add_histories(&**store, *observer, tracker, section, args).await?;
        }
    }
    Ok(document)
}
