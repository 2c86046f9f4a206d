//! The `demo` command: runs a real wallet with real peers and outages, and verifies what ldk-fitness
//! measures.

mod ground_truth;
mod network;
mod print;
mod progress;
mod run;
mod scenario;
mod verification;
mod wallet;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Archive, Handle};
use fitness_core::{NodeId, Presence};

use self::network::DemoNetwork;
use self::progress::Progress;
use self::run::ScenarioRun;
use self::verification::Verification;
use self::wallet::Wallet;
use crate::error::CliError;
use crate::help;
use crate::listen::{DashboardServer, ListenArgs};
use crate::output::{Document, OutputArgs, Section};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Run a demo with a real wallet, real peers and real outages.

Starts an ldk-node wallet and four ldk-node peers on a regtest chain in this process, connected over \
loopback TCP, and opens a channel to each peer. Then it cuts connections: one peer stays online, one flaps, \
one has a long outage, and one goes offline and stays offline. It also cuts all connections at once, as a \
failure of the wallet's network would, and restarts the wallet; neither counts against a peer.

At the end it prints the table of peers and compares the measured values with what the demo did. The exit \
code is 1 if they differ.

The demo runs on this machine only and uses no real money. With --store the history is kept: a later demo \
with the same store has the same peers, with their flap counts. With --listen the dashboard shows the demo \
live in a browser, and stays available afterwards until Ctrl-C.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness demo
  ldk-fitness demo --seconds 60 --store demo.redb
  ldk-fitness demo --seconds 300 --listen
  ldk-fitness demo --store sqlite:demo.sqlite
  ldk-fitness demo --json | jq '.channels[] | {availability, uptime_ns, true_uptime_ns}'";

/// Run a demo with a real wallet, real peers and real outages
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The length of the scenario in seconds, without the time to start and restart nodes
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub(crate) seconds: u64,

    /// Keep the history in this store, as listed below; by default it is deleted at the end
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreUrl>,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs the demo and prints its result.
///
/// # Errors
///
/// Fails if the store cannot be opened, if the nodes do not start, or if the output cannot be written.
/// Returns [`CliError::VerificationFailed`] if the verification fails.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    let directory = tempfile::tempdir().map_err(CliError::Directory)?;
    let url = args.store.clone().unwrap_or_else(|| StoreUrl::Redb(directory.path().join("fitness.redb")));
    let mut server = args.listen.server(None)?;
    let DemoResult { observer, completed, document, verification } =
        runtime.block_on(run_demo(args, directory.path(), &url, server.as_mut()))?;
    print::print(document, &verification, &args.output)?;
    if !args.output.json {
        print_store_hint(args).map_err(CliError::Output)?;
    }
    if let Some(server) = server.filter(|_| completed) {
        // The wallet has stopped; the dashboard now shows its stored history.
        let show =
            async { server.serve_archive(Archive::open(observer, url.open_read_only().await?).await?).await };
        runtime.block_on(show)?;
    }
    if verification.passed { Ok(()) } else { Err(CliError::VerificationFailed) }
}

/// The result of the demo.
struct DemoResult {
    /// The wallet.
    observer: NodeId,
    /// Whether the scenario ran to its end, without Ctrl-C.
    completed: bool,
    document: Document,
    verification: Verification,
}

/// Prints where the history is stored.
fn print_store_hint(args: &Args) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if let Some(store) = &args.store {
        writeln!(out, "\nHistory stored in {store}. Another demo with this store continues it.")?;
        writeln!(out, "To view it: ldk-fitness report {}", store.shell_quoted())?;
    }
    Ok(())
}

async fn run_demo(
    args: &Args,
    directory: &Path,
    url: &StoreUrl,
    mut server: Option<&mut DashboardServer>,
) -> Result<DemoResult, CliError> {
    let store = url.open().await?;

    let mut progress = Progress::start();
    progress.preparing("starting a regtest chain, a wallet and four peers");
    let nodes_directory = directory.to_owned();
    let (network, node) = blocking(move || DemoNetwork::start(&nodes_directory)).await??;
    let network = Arc::new(network);
    if let Some(server) = &mut server {
        network.peers.iter().for_each(|peer| server.set_default_alias(peer.node_id(), peer.role.alias()));
    }
    let wallet = Wallet::start(node, store, &network.hint, server.as_deref_mut()).await?;

    progress.preparing("opening four channels");
    let (channel_network, node) = (Arc::clone(&network), Arc::clone(wallet.node()));
    blocking(move || channel_network.open_channels(&node)).await??;
    wait_for_channels(&wallet.handle(), network.peers.len()).await?;

    let length = Duration::from_secs(args.seconds);
    progress.start_scenario(&network, length);
    let (wallet, truth, completed) =
        ScenarioRun::new(&network, url, &progress, server, wallet).run(length).await?;
    progress.finish();

    let handle = wallet.handle();
    let (at, reports) = (handle.now(), handle.peers());
    let verification = Verification::new(&truth, at, &reports, &wallet.stored_gaps().await?);
    let mut section = Section::new(Some(at), reports);
    for entry in &mut section.peers {
        let peer = network.peers.iter().find(|peer| peer.node_id() == entry.report.node_id);
        entry.alias = peer.map(|peer| peer.role.alias().to_owned());
    }

    wallet.shut_down().await?;
    // Dropping the nodes blocks until they have stopped.
    blocking(move || drop(network)).await?;
    Ok(DemoResult { observer: handle.observer(), completed, document: Document::from(section), verification })
}

/// Waits until every peer is online and has its channel.
async fn wait_for_channels(handle: &Handle, count: usize) -> Result<(), CliError> {
    let mut changes = handle.subscribe();
    let ready = || {
        let peers = handle.peers();
        let ready =
            peers.iter().filter(|peer| peer.presence == Presence::Online && !peer.channels.is_empty());
        ready.count() >= count
    };
    let wait = async {
        while !ready() {
            // After a lag, the next check still uses the current state.
            let _ = changes.next().await;
        }
    };
    let timeout = Duration::from_secs(60);
    tokio::time::timeout(timeout, wait).await.map_err(|_| CliError::ChannelsNotReported { timeout })
}

/// Runs blocking work on a thread where blocking is permitted.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| CliError::Runtime(io::Error::other(error)))
}
