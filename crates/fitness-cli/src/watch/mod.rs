//! `watch`: any Lightning nodes, followed from outside.

mod rank;

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use fitness_actor::{Fitness, Handle};
use fitness_advice::AlertRules;
use fitness_core::{NodeId, Span};
use fitness_store::{MemoryStore, Store};
use fitness_watch::{Identity, Network, News, Proxy, Target, Watcher};
use fitness_webhook::Webhook;

pub(crate) use self::rank::{CompareArgs, compare};
use crate::cli::EXIT_CODES;
use crate::error::CliError;
use crate::listen::{ListenArgs, interrupted};
use crate::moment::rfc3339_seconds;
use crate::store::{self, StoreUrl};

const LONG_ABOUT: &str = "\
Follow any Lightning nodes from outside: no channels, no wallet.

Each node is dialled, shakes hands by BOLT 8, and stays connected; one that is lost is dialled again, with \
back-off. What happens is told as it comes: how long connecting took, and why it failed, where it did: refused, \
timed out, a failed handshake, a wrong key. At the end, by Ctrl-C or after --for, they are ranked.

With --store the history goes on with the next run; `compare` ranks what is stored, `report` tells all of it. \
Watch two nodes at least: with one alone, its outage cannot be told from ours.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness watch 02ab…@lsp.example:9735 03cd…@203.0.113.5 --store lsps.redb
  ldk-fitness watch --file lsps.txt --listen 127.0.0.1:8080
  cat lsps.txt | ldk-fitness watch --file - --for 10m --json
  ldk-fitness watch 02ab…@abcdef….onion --proxy 127.0.0.1:9050";

/// Follow any Lightning nodes from outside
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = format!("Stores:\n{}\n\n{EXAMPLES}\n\n{EXIT_CODES}", store::FORMS))]
pub(crate) struct Args {
    /// The nodes, as NODE@HOST:PORT; without a port it is 9735
    #[arg(value_name = "NODE@HOST:PORT")]
    nodes: Vec<Target>,

    /// More nodes, one a line, with comments after #; `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Keep the history in this store, a redb file or another kind as below
    #[arg(long, env = "LDK_FITNESS_STORE", hide_env_values = true)]
    store: Option<StoreUrl>,

    /// The node that is said to observe; by default the one that did before, in the same store
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// Refuse nodes on other networks; by default each is taken as it is
    #[arg(long, value_enum)]
    network: Option<NetworkArg>,

    /// A SOCKS5 proxy, such as Tor's at 127.0.0.1:9050
    #[arg(long, value_name = "ADDRESS")]
    proxy: Option<SocketAddr>,

    /// Use the proxy for onion services alone
    #[arg(long, requires = "proxy")]
    onions_only: bool,

    /// End after so long, such as 10m; by default with Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    length: Option<Duration>,

    /// Post alerts to the address in this file: http or https, with the secret `whsec_…` in its second line
    #[arg(long, value_name = "FILE")]
    webhook: Option<PathBuf>,

    #[command(flatten)]
    listen: ListenArgs,

    /// Print JSON: a line for each thing that happens, and one with the ranking
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NetworkArg {
    Mainnet,
    Signet,
    Testnet,
    Regtest,
}

impl From<NetworkArg> for Network {
    fn from(network: NetworkArg) -> Self {
        match network {
            NetworkArg::Mainnet => Self::Bitcoin,
            NetworkArg::Signet => Self::Signet,
            NetworkArg::Testnet => Self::Testnet,
            NetworkArg::Regtest => Self::Regtest,
        }
    }
}

/// Watches until it is over, and prints what happens.
///
/// # Errors
///
/// Nodes that are none, a store that cannot be opened, an address that cannot be listened on, or an output
/// that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(watch(args))
}

async fn watch(args: &Args) -> Result<(), CliError> {
    let targets = args.targets()?;
    let webhook = args.webhook.as_deref().map(webhook).transpose()?;
    let identity = Identity::random()?;
    let store: Arc<dyn Store> = match &args.store {
        Some(url) => url.open().await?,
        None => Arc::new(MemoryStore::new()),
    };
    let observer = args.observer(&*store, identity.node_id()).await?;
    let service = Fitness::builder(observer, store).start().await?;
    let handle = service.handle();
    let server = args.listen.server(handle.clone()).await?;
    let mut builder = Watcher::builder(handle.clone()).targets(targets).identity(identity);
    if let Some(network) = args.network {
        builder = builder.network(network.into());
    }
    if let Some(proxy) = args.proxy {
        builder =
            builder.proxy(if args.onions_only { Proxy::ForOnions(proxy) } else { Proxy::ForAll(proxy) });
    }
    let watcher = builder.start()?;
    let serving = server.map(|server| tokio::spawn(server.run(interrupted())));
    let posting = webhook.map(|webhook| {
        let alerts = handle.alerts(AlertRules::default());
        tokio::spawn(async move { webhook.run(observer, alerts).await })
    });
    let told = tell(args, &watcher, &handle).await;
    let connecting = watcher.targets();
    let ranked = rank::live(&handle, &connecting, Span::Lifetime).await;
    watcher.stop().await;
    serving.inspect(tokio::task::JoinHandle::abort);
    service.shutdown().await?;
    posting.inspect(tokio::task::JoinHandle::abort);
    told.map_err(CliError::Output)?;
    rank::print(&ranked?, args.json).map_err(CliError::Output)
}

/// Tells what happens until it is over.
async fn tell(args: &Args, watcher: &Watcher, handle: &Handle) -> io::Result<()> {
    let mut news = watcher.news();
    let mut alerts = handle.alerts(AlertRules::default());
    let over = async {
        match args.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            () = &mut over => return Ok(()),
            () = &mut interrupted => return Ok(()),
            news = news.next() => match news {
                Some(Ok(news)) => args.line(&news, || words(&news)),
                Some(Err(missed)) => Some(missed.to_string()),
                None => return Ok(()),
            },
            Some(alert) = alerts.next() => {
                args.line(&alert, || format!("{}  ALERT {alert}", rfc3339_seconds(alert.at)))
            }
        };
        if let Some(line) = line {
            writeln!(anstream::stdout(), "{line}")?;
        }
    }
}

fn words(news: &News) -> String {
    let node = rank::short(&news.node_id());
    match news {
        News::Dialled { attempt, .. } => {
            format!("{}  {node}  {} at {}", rfc3339_seconds(attempt.at), attempt.outcome, attempt.address)
        }
        News::Lost { at, parting, lasted, .. } => {
            let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
            format!("{}  {node}  lost after {lasted}: {parting:?}", rfc3339_seconds(*at))
        }
        other => format!("{node}  {other:?}"),
    }
}

impl Args {
    fn line(&self, what: &impl serde::Serialize, words: impl FnOnce() -> String) -> Option<String> {
        if self.json { serde_json::to_string(what).ok() } else { Some(words()) }
    }

    fn targets(&self) -> Result<Vec<Target>, CliError> {
        let mut targets = self.nodes.clone();
        if let Some(path) = &self.file {
            let file = path.display().to_string();
            let text = if path == Path::new("-") {
                let mut text = String::new();
                io::stdin().lock().read_to_string(&mut text).map(|_| text)
            } else {
                std::fs::read_to_string(path)
            };
            let text = text.map_err(|source| CliError::Open { file: file.clone(), source })?;
            targets.extend(Target::list(&text).map_err(|source| CliError::Targets { file, source })?);
        }
        Ok(Target::merge(targets))
    }

    /// Who observes: so that a history goes on, whoever did before.
    async fn observer(&self, store: &dyn Store, new: NodeId) -> Result<NodeId, CliError> {
        if let Some(observer) = self.observer {
            return Ok(observer);
        }
        let known = store.observers().await?;
        match (&self.store, known.as_slice()) {
            (_, []) => Ok(new),
            (_, [observer]) => Ok(*observer),
            (url, several) => Err(CliError::SeveralObservers {
                store: url.as_ref().map_or_else(String::new, ToString::to_string),
                count: several.len(),
            }),
        }
    }
}

fn webhook(path: &Path) -> Result<Webhook, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CliError::Open { file: path.display().to_string(), source })?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut builder = Webhook::builder(lines.next().unwrap_or_default());
    if let Some(secret) = lines.next() {
        builder = builder.secret(secret.parse()?);
    }
    Ok(builder.build()?)
}
