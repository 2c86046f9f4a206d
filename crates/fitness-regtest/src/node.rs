//! Real ldk-nodes on the chain: started, funded, and with channels between them.
//!
//! Everything here blocks its caller, as ldk-node does: call it from a thread of its own where a
//! runtime must go on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcoin::secp256k1::PublicKey;
use bitcoin::{Amount, Network};
use ldk_node::logger::{LogRecord, LogWriter};
use ldk_node::{Builder, DynStore, Node, NodeError};

use crate::{Chain, Error, RpcAccess};

/// How long a node may take for anything: machines that build and test at once are slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running ldk-node that listens on loopback. Dropping it stops it.
pub struct RegtestNode {
    node: Arc<Node>,
    addr: SocketAddr,
}

impl RegtestNode {
    /// Starts a node that keeps its data in `dir` and its keys in `seed`: the same seed is the
    /// same node.
    ///
    /// `logger` gets every line of its log; without one there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Node`] where it cannot be built or started, [`Error::Start`] where no port is free.
    pub fn start(
        chain: &Chain,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
    ) -> Result<Self, Error> {
        Self::start_with_rpc(&chain.rpc(), dir, seed, logger)
    }

    /// The same on a chain that may belong to another process.
    ///
    /// # Errors
    ///
    /// As [`RegtestNode::start`].
    pub fn start_with_rpc(
        rpc: &RpcAccess,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
    ) -> Result<Self, Error> {
        Start { rpc, dir, seed, logger, store: None }.run()
    }

    /// The same with its data in `store`, which others may use, too. What is no data (its log, where
    /// there is one) goes to `dir`.
    ///
    /// # Errors
    ///
    /// As [`RegtestNode::start`].
    pub fn start_with_store(
        chain: &Chain,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
        store: Arc<DynStore>,
    ) -> Result<Self, Error> {
        Start { rpc: &chain.rpc(), dir, seed, logger, store: Some(store) }.run()
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Its public key.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.node.node_id()
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it has a connection to `peer`, by its own account.
    #[must_use]
    pub fn is_connected_to(&self, peer: &PublicKey) -> bool {
        self.node.list_peers().iter().any(|other| other.node_id == *peer && other.is_connected)
    }
}

impl Drop for RegtestNode {
    fn drop(&mut self) {
        // One that was stopped already says so, and there is nobody to tell.
        let _ = self.node.stop();
    }
}

impl std::fmt::Debug for RegtestNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegtestNode").field("id", &self.id()).field("addr", &self.addr).finish()
    }
}

/// All that a start takes.
struct Start<'a> {
    rpc: &'a RpcAccess,
    dir: &'a Path,
    seed: [u8; 64],
    logger: Option<Arc<dyn LogWriter>>,
    /// Without one the node opens a file of its own in `dir`.
    store: Option<Arc<DynStore>>,
}

impl Start<'_> {
    fn run(&self) -> Result<RegtestNode, Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt()? {
                Ok(node) => return Ok(node),
                // Between us and the node somebody else has taken the port, a dialling socket as likely
                // as not.
                Err(NodeError::InvalidSocketAddress) if attempts < 5 => {}
                Err(error) => return Err(failed("start")(error)),
            }
        }
    }

    /// The inner error is that of the node's start.
    fn attempt(&self) -> Result<Result<RegtestNode, NodeError>, Error> {
        let rpc = self.rpc;
        let log = Arc::new(Log { inner: self.logger.clone(), follows_the_chain: AtomicBool::new(false) });
        let mut builder = Builder::new();
        builder
            .set_network(Network::Regtest)
            .set_chain_source_bitcoind_rpc(rpc.host.clone(), rpc.port, rpc.user.clone(), rpc.password.clone())
            .set_storage_dir_path(self.dir.to_string_lossy().into_owned())
            .set_entropy_seed_bytes(self.seed)
            .set_custom_logger(Arc::<Log>::clone(&log));
        let addr = free_address()?;
        builder.set_listening_addresses(vec![addr.into()]).map_err(failed("take its address"))?;
        let built = match &self.store {
            Some(store) => builder.build_with_store(Arc::clone(store)),
            None => builder.build(),
        };
        let node = Arc::new(built.map_err(failed("be built"))?);
        if let Err(error) = node.start() {
            return Ok(Err(error));
        }
        let local = RegtestNode { node, addr };
        // `Node::sync_wallets` before that trips an assertion of ldk-node's, and leaves it without a
        // chain for good.
        wait_until("a node that follows the chain", || log.follows_the_chain.load(Ordering::SeqCst))?;
        Ok(Ok(local))
    }
}

/// Gives each node `amount` on chain, confirmed and seen.
///
/// # Errors
///
/// [`Error::Node`] where a node cannot make an address or sync.
pub fn fund_nodes(chain: &Chain, nodes: &[&RegtestNode], amount: Amount) -> Result<(), Error> {
    for node in nodes {
        let address = node.node.onchain_payment().new_address().map_err(failed("make an address"))?;
        chain.fund(address.script_pubkey(), amount);
    }
    chain.mine(1);
    sync(nodes)
}

/// Opens a channel of `amount` from `from` to each of `to`, at the address given, and waits until
/// all of them are usable.
///
/// Whoever else follows events of the nodes goes on following them: none are taken.
///
/// # Errors
///
/// [`Error::Node`] where a node refuses, [`Error::Timeout`] where a channel does not come about.
pub fn open_channels(
    chain: &Chain,
    from: &RegtestNode,
    to: &[(&RegtestNode, SocketAddr)],
    amount: Amount,
) -> Result<(), Error> {
    let usable = || from.node.list_channels().iter().filter(|channel| channel.is_usable).count();
    let before = usable();
    for (peer, addr) in to {
        let waiting = chain.mempool().len();
        from.node
            .open_channel(peer.id(), (*addr).into(), amount.to_sat(), None, None)
            .map_err(failed("open a channel"))?;
        chain.wait_for_mempool(waiting + 1, PATIENCE)?;
        // The wallet would spend the same coin again until it has seen this one spent.
        chain.mine(1);
        sync(&[from])?;
    }
    chain.mine(6);
    let nodes: Vec<&RegtestNode> = std::iter::once(from).chain(to.iter().map(|(peer, _)| *peer)).collect();
    sync(&nodes)?;
    wait_until("usable channels", || usable() >= before + to.len())
}

/// Waits until something is so, looking a hundred times a second.
///
/// # Errors
///
/// [`Error::Timeout`] after two minutes.
pub fn wait_until(awaited: &str, mut so: impl FnMut() -> bool) -> Result<(), Error> {
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while !so() {
        if waited > PATIENCE {
            return Err(Error::Timeout { condition: awaited.into(), mempool_size: 0 });
        }
        std::thread::sleep(pause);
        waited += pause;
    }
    Ok(())
}

fn sync(nodes: &[&RegtestNode]) -> Result<(), Error> {
    nodes.iter().try_for_each(|node| node.node.sync_wallets().map_err(failed("sync its wallets")))
}

fn failed<E: std::error::Error + Send + Sync + 'static>(task: &'static str) -> impl Fn(E) -> Error {
    move |source| Error::Node { operation: task, source: Box::new(source) }
}

/// A loopback address that was free a moment ago.
fn free_address() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Start)?;
    listener.local_addr().map_err(Error::Start)
}

/// A node's log. Without an inner one it goes nowhere, where ldk-node would write a file.
struct Log {
    inner: Option<Arc<dyn LogWriter>>,
    /// Whether the node has begun to. It says so here alone, and some time after its start.
    follows_the_chain: AtomicBool,
}

impl LogWriter for Log {
    fn log<'a>(&self, record: LogRecord<'a>) {
        if !self.follows_the_chain.load(Ordering::SeqCst)
            && record.module_path == "ldk_node::chain::bitcoind"
            && record.args.to_string().starts_with("Starting initial synchronization")
        {
            self.follows_the_chain.store(true, Ordering::SeqCst);
        }
        if let Some(inner) = &self.inner {
            inner.log(record);
        }
    }
}
