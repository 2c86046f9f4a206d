//! `report`: what a store at rest knows.

mod history;

use std::sync::Arc;

use fitness_actor::Archive;
use fitness_core::{NodeId, Timestamp};
use fitness_store::Store;

use crate::ask::AskArgs;
use crate::error::CliError;
use crate::help;
use crate::listen::ListenArgs;
use crate::moment::parse_moment;
use crate::output::{Document, OutputArgs, print};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Print what a store at rest knows of its peers and channels.

The store is the one that a node with ldk-fitness keeps, or `ldk-fitness demo --store`. A redb file has \
one user at a time, so its node must not be running. What is stored is not changed.

The answer is that of the last heartbeat, the last moment at which the node is known to have observed. \
With --at it is that of a later moment: lifetimes have grown by then, and all that followed the \
heartbeat is unobserved. Nodes that share a store are told one after the other.

With --listen the dashboard shows it, in a browser, as of the last heartbeat.

Below the table stands how long we watched, and when we were gone and why: that time counts neither for \
nor against a peer. The strips show each peer's history, or its window.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness report fitness.redb
  ldk-fitness report fitness.redb --window 7d
  ldk-fitness report fitness.redb --listen
  ldk-fitness report fitness.redb --window 30d --sort return
  ldk-fitness report sqlite:~/wallet/ldk_node_data.sqlite
  LDK_FITNESS_STORE=postgres://fitness@db/fitness ldk-fitness report
  ldk-fitness report fitness.redb --peer 02ab12 --timeline
  ldk-fitness report fitness.redb --peer 02ab12 --buckets day --json
  ldk-fitness report fitness.redb --all --sort flaps --json";

/// Print what a store at rest knows
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
// The dashboard is of the last moment alone.
#[command(group(clap::ArgGroup::new("shown").args(["at", "listen"])))]
pub(crate) struct Args {
    /// The store: a redb file, or another kind by its name, as below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: StoreUrl,

    /// The moment of the question: RFC 3339, or nanoseconds since 1970
    ///
    /// By default it is that of the last heartbeat, and it cannot be earlier.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,

    /// Tell only what this node observed; by default all that share the store are told
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Reads the store and prints the answer.
///
/// # Errors
///
/// A store that cannot be opened or read, an observer or a moment that it does not know, or an
/// output that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(async {
        let front = args.listen.front(None)?;
        let store = args.store.open_read_only().await?;
        let mut document = read(&store, args).await?;
        // Before anything is printed: whoever has to name one is not told of the others first.
        let shown = match front {
            Some(front) => {
                let observer = args.store.one_observer(&*store, args.observer).await?;
                Some((front, Archive::open(observer, store).await?))
            }
            None => None,
        };
        print(&mut document, &args.output)?;
        match shown {
            Some((front, known)) => front.show(known).await,
            None => Ok(()),
        }
    })
}

async fn read(store: &Arc<dyn Store>, args: &Args) -> Result<Document, CliError> {
    let mut document = Document::default();
    let mut known = Vec::new();
    for observer in args.store.observers(&**store, args.observer).await? {
        let (section, tracker) = history::read(&**store, observer, args).await?;
        document.sections.push(section);
        known.push((observer, tracker));
    }
    args.ask.choose(&mut document.sections)?;
    for section in &mut document.sections {
        let of = |(observer, _): &&(NodeId, _)| section.observer.is_some_and(|it| it.node_id == *observer);
        if let Some((observer, tracker)) = known.iter().find(of) {
            history::tell(&**store, *observer, tracker, section, args).await?;
        }
    }
    Ok(document)
}
