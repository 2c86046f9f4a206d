//! `report`: what a redb file at rest knows.

mod history;

use std::path::PathBuf;

use fitness_core::{NodeId, Timestamp};
use fitness_store_redb::RedbStore;

use crate::ask::AskArgs;
use crate::cli::EXIT_CODES;
use crate::error::CliError;
use crate::moment::parse_moment;
use crate::output::{Document, OutputArgs, print};

const LONG_ABOUT: &str = "\
Print what a redb file at rest knows of its peers and channels.

The file is the one that a node with ldk-fitness keeps, or `ldk-fitness demo --store`. The node must \
not be running: a redb file has one user at a time. The file is not changed.

The answer is that of the last heartbeat, the last moment at which the node is known to have observed. \
With --at it is that of a later moment: lifetimes have grown by then, and all that followed the \
heartbeat is unobserved. Nodes that share a file are told one after the other.

Below the table stands how long we watched, and when we were gone and why: that time counts neither for \
nor against a peer. The strips show each peer's history, or its window.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness report fitness.redb
  ldk-fitness report fitness.redb --window 7d
  ldk-fitness report fitness.redb --window 30d --sort return
  ldk-fitness report fitness.redb --peer 02ab12 --timeline
  ldk-fitness report fitness.redb --peer 02ab12 --buckets day --json
  ldk-fitness report fitness.redb --all --sort flaps --json";

/// Print what a redb file at rest knows
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    /// The redb file
    path: PathBuf,

    /// The moment of the question: RFC 3339, or nanoseconds since 1970
    ///
    /// By default it is that of the last heartbeat, and it cannot be earlier.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<Timestamp>,

    /// Tell only what this node observed; by default all that share the file are told
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// Reads the file and prints the answer.
///
/// # Errors
///
/// A file that cannot be opened or read, an observer or a moment that it does not know, or an
/// output that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(CliError::Runtime)?;
    let mut document = runtime.block_on(read(args))?;
    print(&mut document, &args.output)
}

async fn read(args: &Args) -> Result<Document, CliError> {
    let store = RedbStore::open_existing(&args.path)?;
    let all = fitness_store::Store::observers(&store).await?;
    let asked: Vec<NodeId> =
        all.iter().copied().filter(|id| args.observer.is_none_or(|asked| asked == *id)).collect();
    if let Some(observer) = args.observer.filter(|_| asked.is_empty()) {
        let names: Vec<String> = all.iter().map(NodeId::to_string).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(CliError::UnknownObserver { path: args.path.clone(), observer, known });
    }
    let mut document = Document::default();
    let mut known = Vec::new();
    for observer in asked {
        let (section, tracker) = history::read(&store, observer, args).await?;
        document.sections.push(section);
        known.push((observer, tracker));
    }
    args.ask.choose(&mut document.sections)?;
    for section in &mut document.sections {
        let of = |(observer, _): &&(NodeId, _)| section.observer.is_some_and(|it| it.node_id == *observer);
        if let Some((observer, tracker)) = known.iter().find(of) {
            history::tell(&store, *observer, tracker, section, args).await?;
        }
    }
    Ok(document)
}
