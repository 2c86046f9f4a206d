//! The process that is killed and stopped: an ldk-node wallet with its channels, watched by the service
//! on a redb file. It dials whoever is not connected, and tells what it learns on standard output.

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

/// The wallet's keys.
pub(crate) const SEED: [u8; 64] = [1; 64];

/// What a line begins with that is meant for the parent, and is not the test harness's.
pub(crate) const MARK: &str = "fitness: ";

/// The environment variable that makes this process the wallet.
const ORDERS: &str = "FITNESS_E2E_WALLET";

/// How long between two tries to reach a peer.
const REDIAL: Duration = Duration::from_millis(50);

/// All that the wallet is told.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) dir: PathBuf,
    pub(crate) rpc: RpcAccess,
    pub(crate) peers: Vec<(PublicKey, SocketAddr)>,
    pub(crate) heartbeat: Duration,
    pub(crate) commit_delay: Duration,
    pub(crate) pulse: Duration,
    pub(crate) grace: Duration,
}

impl Orders {
    pub(crate) fn node_dir(&self) -> PathBuf {
        self.dir.join("node")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.join("fitness.redb")
    }

    /// Name and value of the environment variable that carries them.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        let Self { dir, rpc, peers, heartbeat, commit_delay, pulse, grace } = self;
        let RpcAccess { host, port, user, password } = rpc;
        let millis = [heartbeat, commit_delay, pulse, grace].map(|time| time.as_millis().to_string());
        let peers: Vec<_> = peers.iter().map(|(key, addr)| format!("{key}@{addr}")).collect();
        let (dir, millis, peers) = (dir.display(), millis.join(","), peers.join(","));
        (ORDERS, format!("{dir}\n{host}\n{port}\n{user}\n{password}\n{millis}\n{peers}"))
    }

    fn parse(text: &str) -> Self {
        let [dir, host, port, user, password, millis, peers] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("no orders: {text}")
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

/// No test: the wallet, where somebody has given it orders.
#[test]
fn process() {
    if let Ok(orders) = std::env::var(ORDERS) {
        run(&Orders::parse(&orders));
    }
}

fn run(orders: &Orders) {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let hint = ConnectionHint::wrapping(Arc::new(Traced));
    let node =
        RegtestNode::start_with_rpc(&orders.rpc, &orders.node_dir(), SEED, Some(hint.clone())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if !orders.store().exists() {
        // Who is not there at the first look of all is offline, and flaps when it comes.
        let all =
            || orders.peers.iter().all(|&(key, addr)| node.node().connect(key, addr.into(), true).is_ok());
        fitness_regtest::wait_until("all peers", all).unwrap();
    }
    let store = Arc::new(RedbStore::open(orders.store()).unwrap());
    let grace_ns = u64::try_from(orders.grace.as_nanos()).unwrap();
    let service = Service::builder(convert::node_id(&node.id()), store)
        .tracker(TrackerConfig::default().with_reconnect_grace_ns(grace_ns))
        .heartbeat(orders.heartbeat)
        .commit_delay(orders.commit_delay)
        .pulse(orders.pulse);
    let service = runtime.block_on(service.start()).unwrap();
    let handle = service.handle();
    let told = runtime.spawn(tell_all(handle.subscribe()));
    let monitor = NodeMonitor::builder(node.node(), handle.clone()).hint(&hint).start().unwrap();
    tell(&format!("watching {}", handle.health().started_at.as_nanos()));

    let ending = Arc::<AtomicBool>::default();
    let dial = |&(key, addr): &(PublicKey, SocketAddr)| {
        let (node, ending) = (Arc::clone(node.node()), Arc::clone(&ending));
        std::thread::spawn(move || dial(&node, key, addr, &ending))
    };
    let diallers: Vec<_> = orders.peers.iter().map(dial).collect();

    // The parent closes its end when it has seen enough.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    ending.store(true, Ordering::SeqCst);
    diallers.into_iter().for_each(|dialler| dialler.join().unwrap());
    runtime.block_on(async {
        monitor.stop().await;
        service.shutdown().await.unwrap();
        told.await.unwrap();
    });
    drop(node);
    tell("ended");
}

/// As the user of a wallet that wants its peers back.
fn dial(node: &Node, key: PublicKey, addr: SocketAddr, ending: &AtomicBool) {
    while !ending.load(Ordering::SeqCst) {
        let is_connected = node.list_peers().iter().any(|peer| peer.node_id == key && peer.is_connected);
        if !is_connected {
            // The next try is near.
            let _ = node.connect(key, addr.into(), true);
        }
        std::thread::sleep(REDIAL);
    }
}

async fn tell_all(mut changes: Subscription) {
    while let Some(change) = changes.next().await {
        match change.unwrap() {
            Change::Presence { node_id, at, presence: online, flap_count, .. } => {
                let presence = presence_name(online);
                tell(&format!("presence {node_id} {presence} {} {flap_count}", at.as_nanos()));
            }
            Change::GapEnded(gap) => {
                tell(&format!("gap {:?} {} {}", gap.cause, gap.from.as_nanos(), gap.to.as_nanos()));
            }
            _ => {}
        }
    }
}

pub(crate) fn presence_name(presence: Presence) -> String {
    format!("{presence:?}")
}

/// One line, whole, at once: a process that is killed right after it has told it.
fn tell(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{MARK}{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The node's log, for whoever asks for it with `RUST_LOG`.
struct Traced;

impl LogWriter for Traced {
    fn log(&self, record: LogRecord<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
    }
}
