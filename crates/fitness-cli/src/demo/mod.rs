//! `demo`: a real wallet, real peers and real outages, and what ldk-fitness makes of them.

mod live;
mod play;
mod print;
mod script;
mod stage;
mod truth;
mod verdict;
mod wallet;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Archive, Handle};
use fitness_core::{NodeId, Presence};

use self::live::Live;
use self::play::Play;
use self::stage::Stage;
use self::verdict::Verdict;
use self::wallet::Wallet;
use crate::error::CliError;
use crate::help;
use crate::listen::{Front, ListenArgs};
use crate::output::{Document, OutputArgs, Section};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
See it work: a real wallet, real peers, real outages.

Starts an ldk-node wallet and four ldk-node peers over loopback TCP, on a regtest chain inside this \
process, and opens channels between them for real. Then it cuts the connections: one peer is steady, \
one flaps, one goes away and returns late, one never returns. It cuts all of them at once, as when \
the wallet's own network fails, and restarts the wallet on its files: neither is held against a peer. At \
the end it prints the table, and what really happened, which the demo knows because it did it, and \
says whether the two agree; the exit code is 1 where they do not.

Nothing leaves this machine, and no money is at stake. With --store the history is kept: run it again \
on the same store, and the same peers come back with their flap counts. With --listen a browser shows it \
live, and still does when it is over, until Ctrl-C.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness demo
  ldk-fitness demo --seconds 60 --store demo.redb
  ldk-fitness demo --seconds 300 --listen
  ldk-fitness demo --store sqlite:demo.sqlite
  ldk-fitness demo --json | jq '.channels[] | {availability, uptime_ns, true_uptime_ns}'";

/// See it work: a real wallet, real peers, real outages
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// How long to cut and restore connections, in seconds, once the channels are open; what a restart
    /// takes is added
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub(crate) seconds: u64,

    /// Keep the history in this store, a redb file or another kind as below; by default it goes with the demo
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreUrl>,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs the demo and prints its table.
///
/// # Errors
///
/// A store that cannot be opened, nodes that do not start, an output that cannot be written, or
/// [`CliError::Untrue`] where the table is not what happened.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    let directory = tempfile::tempdir().map_err(CliError::Directory)?;
    let url = args.store.clone().unwrap_or_else(|| StoreUrl::Redb(directory.path().join("fitness.redb")));
    let mut front = args.listen.front(None)?;
    let Played { observer, is_whole, document, verdict } =
        runtime.block_on(play(args, directory.path(), &url, front.as_mut()))?;
    print::print(document, &verdict, &args.output)?;
    if !args.output.json {
        summary(args).map_err(CliError::Output)?;
    }
    if let Some(front) = front.filter(|_| is_whole) {
        // The wallet is gone; what it has seen can still be looked at.
        let at_rest = async { front.show(Archive::open(observer, url.open_read_only().await?).await?).await };
        runtime.block_on(at_rest)?;
    }
    if verdict.right { Ok(()) } else { Err(CliError::Untrue) }
}

/// What came of a play.
struct Played {
    /// The wallet.
    observer: NodeId,
    /// Whether nobody had enough of it before.
    is_whole: bool,
    document: Document,
    verdict: Verdict,
}

/// Where the history is.
fn summary(args: &Args) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if let Some(store) = &args.store {
        writeln!(out, "The history is in {store}; another demo on it meets the same peers.")?;
        writeln!(out, "To read it: ldk-fitness report {}", store.in_a_shell())?;
    }
    Ok(())
}

async fn play(
    args: &Args,
    directory: &Path,
    url: &StoreUrl,
    mut front: Option<&mut Front>,
) -> Result<Played, CliError> {
    let store = url.open().await?;

    let mut live = Live::start();
    live.preparing("starting a regtest chain, a wallet and four peers");
    let nodes = directory.to_owned();
    let (stage, node) = blocking(move || Stage::build(&nodes)).await??;
    let stage = Arc::new(stage);
    if let Some(front) = &mut front {
        stage.peers.iter().for_each(|peer| front.name(peer.node_id(), peer.role.name()));
    }
    let wallet = Wallet::watch(node, store, &stage.hint, front.as_deref_mut()).await?;

    live.preparing("opening four channels");
    let (opening, node) = (Arc::clone(&stage), Arc::clone(wallet.node()));
    blocking(move || opening.open_channels(&node)).await??;
    await_channels(&wallet.handle(), stage.peers.len()).await?;

    let length = Duration::from_secs(args.seconds);
    live.curtain(&stage, length);
    let (wallet, truths, is_whole) = Play::begin(&stage, url, &live, front, wallet).run(length).await?;
    live.end();

    let handle = wallet.handle();
    let (at, reports) = (handle.now(), handle.peers());
    let verdict = Verdict::new(&truths, at, &reports, &wallet.gaps().await?);
    let mut section = Section::new(Some(at), reports);
    for entry in &mut section.peers {
        let peer = stage.peers.iter().find(|peer| peer.node_id() == entry.report.node_id);
        entry.label = peer.map(|peer| peer.role.name().to_owned());
    }

    wallet.close().await?;
    // Nodes stop slowly, each for itself.
    blocking(move || drop(stage)).await?;
    Ok(Played { observer: handle.observer(), is_whole, document: Document::from(section), verdict })
}

/// Waits until every peer has its channel and is seen to be online.
async fn await_channels(handle: &Handle, count: usize) -> Result<(), CliError> {
    let mut changes = handle.subscribe();
    let ready = || {
        let peers = handle.peers();
        let ready =
            peers.iter().filter(|peer| peer.presence == Presence::Online && !peer.channels.is_empty());
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
