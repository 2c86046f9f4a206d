//! The process that the tests kill and suspend: an ldk-node wallet with its channels, monitored by the service
//! on a redb file. It dials peers that are not connected, and prints what it observes on standard output.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fitness_actor::{Service, Subscription};
use fitness_core::{Change, Presence, TrackerConfig};
use fitness_ldk::{ConnectionHint, NodeMonitor, convert};
use fitness_regtest::{RegtestNode, RpcAccess};
use fitness_store_redb::RedbStore;
use ldk_node::Node;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::logger::{LogRecord, LogWriter};

/// The seed of the wallet's keys.
pub(crate) const SEED: [u8; 64] = [1; 64];

/// The prefix of lines for the parent process. Other lines are those of the test harness.
pub(crate) const PREFIX: &str = "fitness: ";

/// The environment variable with the configuration. If it is set, this process is the wallet.
const CONFIG_VARIABLE: &str = "FITNESS_E2E_WALLET_CONFIG";

/// The time between two attempts to connect to a peer.
const REDIAL_INTERVAL: Duration = Duration::from_millis(50);

/// The configuration of the wallet.
#[derive(Clone, Debug)]
pub(crate) struct WalletConfig {
    pub(crate) dir: PathBuf,
    pub(crate) rpc: RpcAccess,
    pub(crate) peers: Vec<(PublicKey, SocketAddr)>,
    pub(crate) heartbeat: Duration,
    pub(crate) commit_delay: Duration,
    pub(crate) pulse: Duration,
    pub(crate) grace: Duration,
}

impl WalletConfig {
    pub(crate) fn node_dir(&self) -> PathBuf {
        self.dir.join("node")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.join("fitness.redb")
    }

    /// Returns the name and the value of the environment variable.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let Self { dir, rpc, peers, heartbeat, commit_delay, pulse, grace } = self;
        let RpcAccess { host, port, user, password } = rpc;
        let millis = [heartbeat, commit_delay, pulse, grace].map(|time| time.as_millis().to_string());
        let peers: Vec<_> = peers.iter().map(|(key, addr)| format!("{key}@{addr}")).collect();
        let (dir, millis, peers) = (dir.display(), millis.join(","), peers.join(","));
        (CONFIG_VARIABLE, format!("{dir}\n{host}\n{port}\n{user}\n{password}\n{millis}\n{peers}"))
    }

    fn parse(text: &str) -> Self {
        let [dir, host, port, user, password, millis, peers] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("malformed configuration: {text}")
        };
        let mut millis = millis.split(',').map(|time| Duration::from_millis(time.parse().unwrap()));
        let mut next = || millis.next().unwrap();
        let peer = |peer: &str| {
            let (key, addr) = peer.split_once('@').unwrap();
            (key.parse().unwrap(), addr.parse().unwrap())
        };
        Self {
            dir: dir.into(),
            rpc: RpcAccess {
                host: host.into(),
                port: port.parse().unwrap(),
                user: user.into(),
                password: password.into(),
            },
            heartbeat: next(),
            commit_delay: next(),
            pulse: next(),
            grace: next(),
            peers: peers.split(',').map(peer).collect(),
        }
    }
}

/// Runs the wallet if the configuration is set. Otherwise there is nothing to test.
#[test]
fn process() {
    if let Ok(config) = std::env::var(CONFIG_VARIABLE) {
        run(&WalletConfig::parse(&config));
    }
}

fn run(config: &WalletConfig) {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let hint = ConnectionHint::wrapping(Arc::new(TracingLogWriter));
    let node =
        RegtestNode::start_with_rpc(&config.rpc, &config.node_dir(), SEED, Some(hint.clone())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if !config.store().exists() {
        // A peer that is not connected at the first poll is offline, and its connect counts as a flap.
        let all =
            || config.peers.iter().all(|&(key, addr)| node.node().connect(key, addr.into(), true).is_ok());
        fitness_regtest::wait_until("all peers", all).unwrap();
    }
    let store = Arc::new(RedbStore::open(config.store()).unwrap());
    let grace_ns = u64::try_from(config.grace.as_nanos()).unwrap();
    let service = Service::builder(convert::node_id(&node.id()), store)
        .tracker(TrackerConfig::default().with_reconnect_grace_ns(grace_ns))
        .heartbeat_interval(config.heartbeat)
        .commit_delay(config.commit_delay)
        .stall_check_interval(config.pulse);
    let service = runtime.block_on(service.start()).unwrap();
    let handle = service.handle();
    let reports = runtime.spawn(report_changes(handle.subscribe()));
    let monitor = NodeMonitor::builder(node.node(), handle.clone()).hint(&hint).start().unwrap();
    print_report(&format!("watching {}", handle.health().started_at.as_nanos()));

    let ending = Arc::<AtomicBool>::default();
    let dial = |&(key, addr): &(PublicKey, SocketAddr)| {
        let (node, ending) = (Arc::clone(node.node()), Arc::clone(&ending));
        std::thread::spawn(move || dial(&node, key, addr, &ending))
    };
    let diallers: Vec<_> = config.peers.iter().map(dial).collect();

    // The parent closes our standard input to stop the wallet.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    ending.store(true, Ordering::SeqCst);
    diallers.into_iter().for_each(|dialler| dialler.join().unwrap());
    runtime.block_on(async {
        monitor.stop().await;
        service.shutdown().await.unwrap();
        reports.await.unwrap();
    });
    drop(node);
    print_report("ended");
}

/// Dials a peer whenever it is not connected.
fn dial(node: &Node, key: PublicKey, addr: SocketAddr, ending: &AtomicBool) {
    while !ending.load(Ordering::SeqCst) {
        let is_connected = node.list_peers().iter().any(|peer| peer.node_id == key && peer.is_connected);
        if !is_connected {
            // A failed attempt is repeated soon.
            let _ = node.connect(key, addr.into(), true);
        }
        std::thread::sleep(REDIAL_INTERVAL);
    }
}

async fn report_changes(mut changes: Subscription) {
    while let Some(change) = changes.next().await {
        match change.unwrap() {
            Change::Presence { node_id, at, presence: online, flap_count, .. } => {
                let presence = presence_name(online);
                print_report(&format!("presence {node_id} {presence} {} {flap_count}", at.as_nanos()));
            }
            Change::GapEnded(gap) => {
                print_report(&format!("gap {:?} {} {}", gap.cause, gap.from.as_nanos(), gap.to.as_nanos()));
            }
            _ => {}
        }
    }
}

pub(crate) fn presence_name(presence: Presence) -> String {
    format!("{presence:?}")
}

/// Prints a complete line at once, since the process may be killed right after it.
fn print_report(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{PREFIX}{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Forwards the node's log to tracing.
struct TracingLogWriter;

impl LogWriter for TracingLogWriter {
    fn log(&self, record: LogRecord<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
    }
}
