//! `watch`: any Lightning nodes, followed from outside.

mod key;
mod live;
mod targets;
mod webhook;

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{AlertStream, Handle, Service};
use fitness_advice::AlertRules;
use fitness_core::StandardWindow;
use fitness_store::{MemoryStore, Store};
use fitness_watch::{
    Identity, Network, Outcome, Proxy, RankedCandidate, StartError, Target, TargetReport, WatchEvents,
    Watcher, WatcherBuilder,
};
use tokio::task::JoinHandle;

use crate::compare::{ranks, row as rank};
use crate::error::CliError;
use crate::help;
use crate::listen::{Front, ListenArgs, stopped};
use crate::output::{available_width, grid, humanise};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Follow any Lightning nodes from outside, with no channels and no wallet.

Each node is dialled, shaken hands with and greeted as a Lightning node does it, and kept connected; one that \
is lost is dialled again, more and more seldom. Every attempt is told with how long it took, or why it failed: \
nobody listens, nothing answers, something else does, another node does, it is on another network. Alerts are told \
as well: a node that has been away for long, that flaps, whose availability is low, and that is back. When nobody \
can be reached the fault is ours, and that is one alert.

With --store the history is kept, for `report` and `compare`: who stops and starts again on it goes on. \
A store has to be of its own, not a wallet's. What we are called is kept in a key file beside it.

It runs until it is interrupted, or as long as --for says. Watch two nodes at least: only while one is there \
can we tell that it is not our own network that another does not answer to.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness watch 02ab…@203.0.113.7:9735 03cd…@[2001:db8::7]:9735 --for 1h
  ldk-fitness watch lsps.txt --store lsps.redb --network mainnet --listen 127.0.0.1:8080
  ldk-fitness watch lsps.txt --store lsps.redb --proxy 127.0.0.1:9050
  grep -v slow lsps.txt | ldk-fitness watch - --json | jq 'select(.outcome != \"connected\")'";

/// Follow any Lightning nodes from outside
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// NODE@HOST:PORT, a file with one such a line, or - for standard input
    ///
    /// A port that is missing is 9735. What stands after a # is a comment. A node at several addresses is
    /// named once for each.
    #[arg(required = true, value_name = "NODE@HOST:PORT")]
    targets: Vec<String>,

    /// Keep the history in this store, a redb file or another kind as below; by default it is forgotten
    #[arg(long, value_name = "STORE")]
    store: Option<StoreUrl>,

    /// Keep what we are called in this file; by default in one beside the store, whose name ends in .key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The network that nodes have to be on: mainnet, testnet, testnet4, signet or regtest; by default any
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    network: Option<Network>,

    /// Dial through this SOCKS5 proxy, such as Tor's at 127.0.0.1:9050, and let it resolve names
    #[arg(long, value_name = "IP:PORT")]
    proxy: Option<SocketAddr>,

    /// Dial through this SOCKS5 proxy to onion services alone
    #[arg(long, value_name = "IP:PORT", conflicts_with = "proxy")]
    onion_proxy: Option<SocketAddr>,

    /// Post alerts to the address in this file: http or https, with the secret `whsec_…` in its second line
    #[arg(long, value_name = "FILE")]
    webhook: Option<PathBuf>,

    #[command(flatten)]
    listen: ListenArgs,

    /// Stop after this time, such as 10m or 7d
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    length: Option<Duration>,

    /// Print one JSON object a line, for each attempt, each loss, each alert, and the end
    #[arg(long)]
    json: bool,
}

fn parse_network(text: &str) -> Result<Network, String> {
    let name = if text == "mainnet" { "bitcoin" } else { text };
    name.parse().map_err(|_| "expected mainnet, testnet, testnet4, signet or regtest".to_owned())
}

/// Watches until it is told to stop, and prints what came of it.
///
/// # Errors
///
/// Nodes that are none, a key or a store that cannot be opened, an output that cannot be written, and what
/// could not be stored.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let targets = targets::read(&args.targets)?;
    args.check(&targets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(watch(args, targets))
}

async fn watch(args: &Args, targets: Vec<Target>) -> Result<(), CliError> {
    let stop = stopped().map_err(CliError::Runtime)?;
    let front = args.listen.front(None)?;
    let webhook = args.webhook.as_deref().map(webhook::read).transpose()?;
    let identity = args.identity()?;
    let store: Arc<dyn Store> = match &args.store {
        Some(store) => store.open().await?,
        None => Arc::new(MemoryStore::default()),
    };
    let service = Service::builder(identity.node_id(), store).start().await?;
    let handle = service.handle();
    let posting = webhook.map(|webhook| {
        let alerts = handle.alerts(AlertRules::default());
        tokio::spawn(async move { webhook.run(handle.observer(), alerts).await })
    });
    let watched = follow(args, service.handle(), front, identity, targets, stop).await;
    // Whatever went wrong, what was seen is kept.
    service.shutdown().await?;
    posting.inspect(JoinHandle::abort);
    watched
}

async fn follow(
    args: &Args,
    handle: Handle,
    front: Option<Front>,
    identity: Identity,
    targets: Vec<Target>,
    stop: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let alerts = handle.alerts(AlertRules::default());
    let builder = Watcher::builder(handle.clone()).targets(targets).identity(identity);
    let news = builder.events();
    let watcher = args.apply(builder).start()?;
    // Whoever asks finds all nodes there.
    let serving = match front {
        Some(mut front) => Some(front.serve(handle.clone()).await?),
        None => None,
    };
    let told = tell(args, news, alerts, stop).await;
    let reports = watcher.targets();
    let connecting = reports.iter().map(|report| (report.node_id, report.median_connect_time));
    let (at, ranks) = (handle.now(), ranks(&handle, connecting, StandardWindow::Lifetime).await?);
    watcher.stop().await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    told?;
    let end = live::End { at, observer: handle.observer(), targets: &reports, ranks: &ranks };
    let printed = if args.json { live::write(&end) } else { print(&reports, &ranks) };
    printed.map_err(CliError::Output)
}

/// Tells what happens until it is time to stop.
async fn tell(
    args: &Args,
    mut news: WatchEvents,
    mut alerts: AlertStream,
    stop: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let length = async {
        match args.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(stop, length);
    loop {
        let news = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            () = &mut length => return Ok(()),
            Some(alert) = alerts.next() => {
                if args.json {
                    live::write(&live::Alarm { alert: &alert }).map_err(CliError::Output)?;
                } else {
                    live::alarm(&alert);
                }
                continue;
            }
            news = news.next() => news,
        };
        match news {
            Some(Ok(news)) if args.json => live::write(&news).map_err(CliError::Output)?,
            Some(Ok(news)) => live::say(&news),
            Some(Err(missed)) => live::tell(&missed.to_string()),
            None => return Ok(()),
        }
    }
}

impl Args {
    /// What can be said before anything is opened or made.
    fn check(&self, targets: &[Target]) -> Result<(), CliError> {
        let onion = |target: &&Target| target.addresses().iter().any(fitness_watch::Address::is_onion);
        match targets.iter().find(onion) {
            Some(target) if self.proxy.or(self.onion_proxy).is_none() => {
                Err(StartError::OnionWithoutProxy { node_id: target.node_id() }.into())
            }
            _ => Ok(()),
        }
    }

    fn identity(&self) -> Result<Identity, CliError> {
        let beside = || match &self.store {
            Some(store) => match key::beside(store) {
                Some(path) => Ok(Some(path)),
                None => Err(CliError::KeyNeeded { store: store.to_string() }),
            },
            None => Ok(None),
        };
        match self.key.clone().map_or_else(beside, |path| Ok(Some(path)))? {
            Some(path) => key::read_or_make(&path),
            None => Ok(Identity::random()?),
        }
    }

    fn apply(&self, mut builder: WatcherBuilder) -> WatcherBuilder {
        if let Some(network) = self.network {
            builder = builder.network(network);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(Proxy::AllAddresses(proxy));
        }
        if let Some(proxy) = self.onion_proxy {
            builder = builder.proxy(Proxy::OnionOnly(proxy));
        }
        builder
    }
}

/// How the last attempt went, and where that was learnt the network.
fn last_attempt(report: &TargetReport) -> String {
    let Some(attempt) = &report.last_attempt else { return String::new() };
    let chains: Vec<String> = report.chains.iter().map(ToString::to_string).collect();
    match &attempt.outcome {
        connected @ Outcome::Connected(_) if !chains.is_empty() => {
            format!("{connected}, on {}", chains.join(", "))
        }
        outcome => outcome.to_string(),
    }
}

fn print(reports: &[TargetReport], ranks: &[RankedCandidate]) -> io::Result<()> {
    let reports: HashMap<_, _> = reports.iter().map(|report| (report.node_id, report)).collect();
    let rows = ranks.iter().map(|row| {
        let report = reports.get(&row.node_id);
        let connecting = row.connect_time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let last = report.map_or_else(String::new, |report| last_attempt(report));
        let [place, node, score, upper_bound, availability, observed, disconnects] = rank(row);
        let connecting = humanise::or_na(connecting);
        [place, node, score, upper_bound, availability, observed, disconnects, connecting, last]
    });
    let headings = [
        ">#",
        "node",
        ">score",
        ">at best",
        ">availability",
        ">observed",
        ">disconnects",
        ">connecting",
        "last attempt",
    ];
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", grid::lines(headings, rows, available_width()))?;
    crate::compare::explain(&mut out, ranks)
}
