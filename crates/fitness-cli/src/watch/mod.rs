//! The `watch` command: monitors Lightning nodes without channels to them.

mod events;
mod key_file;
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

use crate::compare::{print_uncertainty_note, rank_cells, rank_nodes};
use crate::error::CliError;
use crate::help;
use crate::listen::{DashboardServer, ListenArgs, shutdown_signal};
use crate::output::{available_width, format, grid};
use crate::store::StoreUrl;

const LONG_ABOUT: &str = "\
Watch any Lightning nodes, without channels and without a wallet.

Each node is dialled, completes the Lightning handshake and `init` exchange, and stays connected. After a \
disconnect it is dialled again, with increasing delays. Every attempt is printed with its duration or with \
the reason why it failed: connection refused, timeout, not a Lightning node, a different node, a different \
network. Alerts are printed as well: a node has been offline for long, is flapping, has a low availability, \
or is back online. If all nodes become unreachable, the cause is assumed to be the local network, and there \
is one alert instead of one for each node.

With --store the history is kept for `report` and `compare`, and a later run with the same store continues \
it. Use a separate store, not that of a wallet. The watcher's identity key is kept in a key file beside the \
store.

The command runs until it is interrupted, or for --duration. Watch at least two nodes: with only one, a \
failure of the local network looks like an outage of that node.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness watch 02ab…@203.0.113.7:9735 03cd…@[2001:db8::7]:9735 --duration 1h
  ldk-fitness watch lsps.txt --store lsps.redb --network mainnet --listen 127.0.0.1:8080
  ldk-fitness watch lsps.txt --store lsps.redb --proxy 127.0.0.1:9050
  grep -v slow lsps.txt | ldk-fitness watch - --json | jq 'select(.outcome != \"connected\")'";

/// Watch any Lightning nodes, without channels and without a wallet
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// NODE_ID@HOST:PORT, a file with one such entry on each line, or - for standard input
    ///
    /// The port defaults to 9735. A # starts a comment. Give a node with several addresses once for each.
    #[arg(required = true, value_name = "NODE_ID@HOST:PORT")]
    targets: Vec<String>,

    /// Keep the history in this store, as listed below; by default it is not kept
    #[arg(long, value_name = "STORE")]
    store: Option<StoreUrl>,

    /// File that keeps the watcher's identity key; by default beside the store, with .key appended
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Require nodes to be on this network: mainnet, testnet, testnet4, signet or regtest; by default any
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    network: Option<Network>,

    /// Dial and resolve host names through this SOCKS5 proxy, such as Tor's at 127.0.0.1:9050
    #[arg(long, value_name = "IP:PORT")]
    proxy: Option<SocketAddr>,

    /// Dial only onion services through this SOCKS5 proxy
    #[arg(long, value_name = "IP:PORT", conflicts_with = "proxy")]
    onion_proxy: Option<SocketAddr>,

    /// File with a webhook for alerts: an HTTP or HTTPS URL, and on the second line an optional secret
    /// `whsec_…`
    #[arg(long, value_name = "FILE")]
    webhook_file: Option<PathBuf>,

    #[command(flatten)]
    listen: ListenArgs,

    /// Stop after this time, such as 10m or 7d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,

    /// Print JSON lines: one object for each attempt, disconnect and alert, and a summary at the end
    #[arg(long)]
    json: bool,
}

fn parse_network(text: &str) -> Result<Network, String> {
    let name = if text == "mainnet" { "bitcoin" } else { text };
    name.parse().map_err(|_| "expected mainnet, testnet, testnet4, signet or regtest".to_owned())
}

/// Watches until interrupted or for the given duration, then prints a summary.
///
/// # Errors
///
/// Fails if a target is invalid, if the key file or the store cannot be opened, if the output cannot be
/// written, or if the last changes cannot be stored.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let targets = targets::read(&args.targets)?;
    args.check_proxy(&targets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(watch(args, targets))
}

async fn watch(args: &Args, targets: Vec<Target>) -> Result<(), CliError> {
    let shutdown = shutdown_signal().map_err(CliError::Runtime)?;
    let server = args.listen.server(None)?;
    let webhook = args.webhook_file.as_deref().map(webhook::read).transpose()?;
    let identity = args.identity()?;
    let store: Arc<dyn Store> = match &args.store {
        Some(store) => store.open().await?,
        None => Arc::new(MemoryStore::default()),
    };
    let service = Service::builder(identity.node_id(), store).start().await?;
    let handle = service.handle();
    let webhook_task = webhook.map(|webhook| {
        let alerts = handle.alerts(AlertRules::default());
        tokio::spawn(async move { webhook.run(handle.observer(), alerts).await })
    });
    let result = run_watcher(args, service.handle(), server, identity, targets, shutdown).await;
    // After an error, too: the history up to here is stored.
    service.shutdown().await?;
    webhook_task.inspect(JoinHandle::abort);
    result
}

async fn run_watcher(
    args: &Args,
    handle: Handle,
    server: Option<DashboardServer>,
    identity: Identity,
    targets: Vec<Target>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let alerts = handle.alerts(AlertRules::default());
    let builder = Watcher::builder(handle.clone()).targets(targets).identity(identity);
    let events = builder.events();
    let watcher = args.configure(builder).start()?;
    // After the watcher has started, so that the first request finds all nodes.
    let server = match server {
        Some(mut server) => Some(server.serve(handle.clone()).await?),
        None => None,
    };
    let printed_events = print_events(args, events, alerts, shutdown).await;
    let reports = watcher.targets();
    let nodes = reports.iter().map(|report| (report.node_id, report.median_connect_time));
    let (at, ranks) = (handle.now(), rank_nodes(&handle, nodes, StandardWindow::Lifetime).await?);
    watcher.stop().await;
    if let Some(server) = server {
        server.stop().await;
    }
    printed_events?;
    let summary = events::Summary { at, observer: handle.observer(), targets: &reports, ranks: &ranks };
    let printed = if args.json { events::write_json_line(&summary) } else { print_summary(&reports, &ranks) };
    printed.map_err(CliError::Output)
}

/// Prints events and alerts until it is time to stop.
async fn print_events(
    args: &Args,
    mut events: WatchEvents,
    mut alerts: AlertStream,
    shutdown: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let time_limit = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(shutdown, time_limit);
    loop {
        let event = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            () = &mut time_limit => return Ok(()),
            Some(alert) = alerts.next() => {
                if args.json {
                    let line = events::AlertLine { alert: &alert };
                    events::write_json_line(&line).map_err(CliError::Output)?;
                } else {
                    events::print_alert(&alert);
                }
                continue;
            }
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) if args.json => events::write_json_line(&event).map_err(CliError::Output)?,
            Some(Ok(event)) => events::print_event(&event),
            Some(Err(lagged)) => events::print_line(&lagged.to_string()),
            None => return Ok(()),
        }
    }
}

impl Args {
    /// Rejects onion targets without a proxy before anything is opened or created.
    fn check_proxy(&self, targets: &[Target]) -> Result<(), CliError> {
        let has_onion = |target: &&Target| target.addresses().iter().any(fitness_watch::Address::is_onion);
        match targets.iter().find(has_onion) {
            Some(target) if self.proxy.or(self.onion_proxy).is_none() => {
                Err(StartError::OnionWithoutProxy { node_id: target.node_id() }.into())
            }
            _ => Ok(()),
        }
    }

    fn identity(&self) -> Result<Identity, CliError> {
        match self.key_path()? {
            Some(path) => key_file::read_or_create(&path),
            None => Ok(Identity::random()?),
        }
    }

    /// Returns the key file, or `None` if nothing is kept.
    fn key_path(&self) -> Result<Option<PathBuf>, CliError> {
        match (&self.key_file, &self.store) {
            (Some(path), _) => Ok(Some(path.clone())),
            (None, Some(store)) => match key_file::default_path(store) {
                Some(path) => Ok(Some(path)),
                None => Err(CliError::KeyFileRequired { store: store.to_string() }),
            },
            (None, None) => Ok(None),
        }
    }

    fn configure(&self, mut builder: WatcherBuilder) -> WatcherBuilder {
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

/// Describes the last attempt, with the node's networks if known.
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

fn print_summary(reports: &[TargetReport], ranks: &[RankedCandidate]) -> io::Result<()> {
    let reports: HashMap<_, _> = reports.iter().map(|report| (report.node_id, report)).collect();
    let rows = ranks.iter().map(|ranked| {
        let report = reports.get(&ranked.node_id);
        let connect_ns = ranked.connect_time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let last_attempt = report.map_or_else(String::new, |report| last_attempt(report));
        let [rank, node, score, upper_bound, availability, observed, disconnects] = rank_cells(ranked);
        let connect_time = format::or_na(connect_ns);
        [rank, node, score, upper_bound, availability, observed, disconnects, connect_time, last_attempt]
    });
    let headings = [
        ">rank",
        "node",
        ">score",
        ">upper bound",
        ">availability",
        ">observed",
        ">disconnects",
        ">connect time",
        "last attempt",
    ];
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", grid::lines(headings, rows, available_width()))?;
    print_uncertainty_note(&mut out, ranks)
}
