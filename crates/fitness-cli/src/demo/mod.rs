//! `demo`: a real wallet, real peers and real outages, and what ldk-fitness makes of them.

mod live;
mod play;
mod script;
mod stage;
mod truth;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Fitness, Handle};
use fitness_core::Presence;
use fitness_ldk::NodeMonitor;
use fitness_store_redb::RedbStore;
use ldk_node::Node;

use self::live::Live;
use self::play::Play;
use self::stage::Stage;
use crate::cli::EXIT_CODES;
use crate::error::CliError;
use crate::output::{Document, OutputArgs, Section, humanise, print};

const LONG_ABOUT: &str = "\
See it work: a real wallet, real peers, real outages.

Starts an ldk-node wallet and four ldk-node peers over loopback TCP, on a regtest chain inside this \
process, and opens channels between them for real. Then it cuts the connections: one peer is steady, \
one flaps, one goes away and returns late, one never returns. At the end it prints the table, and \
beside each measured uptime the true one, which the demo knows because it did the cutting.

Nothing leaves this machine, and no money is at stake. With --store the history is kept: run it again \
on the same file, and the same peers come back with their flap counts.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness demo
  ldk-fitness demo --seconds 60 --store demo.redb
  ldk-fitness demo --json | jq '.channels[] | {availability, uptime_ns, true_uptime_ns}'";

/// See it work: a real wallet, real peers, real outages
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Args {
    /// How long to cut and restore connections, in seconds, once the channels are open
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,

    /// Keep the history in this redb file; by default it goes with the demo
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs the demo and prints its table.
///
/// # Errors
///
/// A store that cannot be opened, nodes that do not start, or an output that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    let mut document = runtime.block_on(play(args))?;
    let furthest_ns = document.furthest_from_truth_ns();
    print(&mut document, &args.output)?;
    if !args.output.json {
        summary(args, furthest_ns).map_err(CliError::Output)?;
    }
    Ok(())
}

/// What the table does not say by itself.
fn summary(args: &Args, furthest_ns: Option<u64>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if let Some(off_ns) = furthest_ns {
        let off = humanise::duration(off_ns);
        writeln!(out, "\nMeasured uptimes are within {off} of the true ones.")?;
    }
    if let Some(path) = &args.store {
        let path = path.display();
        writeln!(out, "The history is in {path}: `ldk-fitness report {path}` reads it, and another")?;
        writeln!(out, "demo on it meets the same peers.")?;
    }
    Ok(())
}

async fn play(args: &Args) -> Result<Document, CliError> {
    let directory = tempfile::tempdir().map_err(CliError::Directory)?;
    let path = args.store.clone().unwrap_or_else(|| directory.path().join("fitness.redb"));
    let store = Arc::new(RedbStore::open(path)?);

    let mut live = Live::start();
    live.preparing("starting a regtest chain, a wallet and four peers");
    let nodes = directory.path().to_owned();
    let stage = Arc::new(blocking(move || Stage::build(&nodes)).await??);

    // This is all that a wallet adds: the service, the monitor, and its events.
    let wallet = Arc::clone(stage.wallet.node());
    let service = Fitness::builder(fitness_ldk::convert::node_id(&wallet.node_id()), store).start().await?;
    let handle = service.handle();
    let monitor = NodeMonitor::builder(&wallet, handle.clone()).hint(&stage.hint).start();
    let monitor = Arc::new(monitor.map_err(CliError::Runtime)?);
    let events = tokio::spawn(follow_events(Arc::clone(&wallet), Arc::clone(&monitor)));

    live.preparing("opening four channels");
    let opening = Arc::clone(&stage);
    blocking(move || opening.open_channels()).await??;
    await_channels(&handle, stage.peers.len()).await?;

    let length = Duration::from_secs(args.seconds);
    live.curtain(&stage, length);
    let truths = Play::new(&stage, &handle, &live).run(length).await?;
    live.end();

    let mut section = Section::new(Some(handle.now()), handle.peers());
    truths.enter(&stage, &mut section);

    events.abort();
    // An aborted task is done when its last turn is; only then is the monitor ours alone.
    let _ = events.await;
    if let Some(monitor) = Arc::into_inner(monitor) {
        monitor.stop().await;
    }
    service.shutdown().await?;
    // Nodes stop slowly, each for itself.
    blocking(move || drop(stage)).await?;
    Ok(Document::from(section))
}

/// The wallet's own loop, as every ldk-node wallet has one.
async fn follow_events(wallet: Arc<Node>, monitor: Arc<NodeMonitor>) {
    loop {
        let event = wallet.next_event_async().await;
        monitor.observe(&event);
        if let Err(error) = wallet.event_handled() {
            tracing::warn!(%error, "an event could not be marked as handled");
            return;
        }
    }
}

/// Waits until every peer has its channel and is seen to be online.
async fn await_channels(handle: &Handle, count: usize) -> Result<(), CliError> {
    let mut changes = handle.subscribe();
    let ready = || {
        let peers = handle.peers();
        let ready = peers.iter().filter(|peer| peer.online == Presence::Online && !peer.channels.is_empty());
        ready.count() >= count
    };
    let wait = async {
        while !ready() {
            // What was missed while we looked shows at the next look.
            let _ = changes.next().await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, wait).await.map_err(|_| CliError::Unseen { patience })
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| CliError::Runtime(io::Error::other(error)))
}
