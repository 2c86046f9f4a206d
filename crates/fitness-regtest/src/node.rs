//! Starts ldk-nodes on the chain, funds them and opens channels between them.
//!
//! Like ldk-node itself, everything here blocks. Async code must call it on a separate thread.

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

/// The timeout of all operations. It is long because a machine that builds and tests at the same time is
/// slow.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A running ldk-node that listens on the loopback interface. Dropping it stops the node.
pub struct RegtestNode {
    node: Arc<Node>,
    addr: SocketAddr,
}

impl RegtestNode {
    /// Starts a node that stores its data in `dir` and derives its keys from `seed`. The same seed yields
    /// the same node id.
    ///
    /// The node passes every log record to `logger`. Without a logger it drops them.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Node`] if the node cannot be built or started, [`Error::Start`] if no port is
    /// free, and [`Error::Timeout`] if the node does not start to sync with the chain.
    pub fn start(
        chain: &Chain,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
    ) -> Result<Self, Error> {
        Self::start_with_rpc(&chain.rpc(), dir, seed, logger)
    }

    /// Like [`RegtestNode::start`], on a chain that may belong to another process.
    ///
    /// # Errors
    ///
    /// The same as those of [`RegtestNode::start`].
    pub fn start_with_rpc(
        rpc: &RpcAccess,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
    ) -> Result<Self, Error> {
        NodeConfig { rpc, dir, seed, logger, store: None }.start()
    }

    /// Like [`RegtestNode::start`], but stores the node's data in `store`, which the caller may use as
    /// well. Other files go to `dir`.
    ///
    /// # Errors
    ///
    /// The same as those of [`RegtestNode::start`].
    pub fn start_with_store(
        chain: &Chain,
        dir: &Path,
        seed: [u8; 64],
        logger: Option<Arc<dyn LogWriter>>,
        store: Arc<DynStore>,
    ) -> Result<Self, Error> {
        NodeConfig { rpc: &chain.rpc(), dir, seed, logger, store: Some(store) }.start()
    }

    /// Returns the ldk-node.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Returns the public key of the node.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.node.node_id()
    }

    /// Returns the address at which the node listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns whether the node lists `peer` as connected.
    #[must_use]
    pub fn is_connected_to(&self, peer: &PublicKey) -> bool {
        self.node.list_peers().iter().any(|other| other.node_id == *peer && other.is_connected)
    }
}

impl Drop for RegtestNode {
    fn drop(&mut self) {
        // Fails if the node was stopped already, which is fine.
        let _ = self.node.stop();
    }
}

impl std::fmt::Debug for RegtestNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegtestNode").field("id", &self.id()).field("addr", &self.addr).finish()
    }
}

/// The parameters of a node.
struct NodeConfig<'a> {
    rpc: &'a RpcAccess,
    dir: &'a Path,
    seed: [u8; 64],
    logger: Option<Arc<dyn LogWriter>>,
    /// Without a store the node opens a database in `dir`.
    store: Option<Arc<DynStore>>,
}

impl NodeConfig<'_> {
    fn start(&self) -> Result<RegtestNode, Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_start()? {
                Ok(node) => return Ok(node),
                // Another process or an outgoing connection has taken the port after it was found free.
                Err(NodeError::InvalidSocketAddress) if attempts < 5 => {}
                Err(error) => return Err(failed("start the node")(error)),
            }
        }
    }

    /// The inner error is that of `Node::start`.
    fn try_start(&self) -> Result<Result<RegtestNode, NodeError>, Error> {
        let rpc = self.rpc;
        let log = Arc::new(SyncDetector { inner: self.logger.clone(), sync_started: AtomicBool::new(false) });
        let mut builder = Builder::new();
        builder
            .set_network(Network::Regtest)
            .set_chain_source_bitcoind_rpc(rpc.host.clone(), rpc.port, rpc.user.clone(), rpc.password.clone())
            .set_storage_dir_path(self.dir.to_string_lossy().into_owned())
            .set_entropy_seed_bytes(self.seed)
            .set_custom_logger(Arc::<SyncDetector>::clone(&log));
        let addr = free_address()?;
        builder.set_listening_addresses(vec![addr.into()]).map_err(failed("set the listening address"))?;
        let built = match &self.store {
            Some(store) => builder.build_with_store(Arc::clone(store)),
            None => builder.build(),
        };
        let node = Arc::new(built.map_err(failed("build the node"))?);
        if let Err(error) = node.start() {
            return Ok(Err(error));
        }
        let started = RegtestNode { node, addr };
        // Calling `Node::sync_wallets` earlier fails an assertion of ldk-node, and the node never syncs
        // afterwards.
        wait_until("the node to start syncing", || log.sync_started.load(Ordering::SeqCst))?;
        Ok(Ok(started))
    }
}

/// Pays `amount` to the on-chain wallet of each node, confirms it and syncs the nodes.
///
/// # Errors
///
/// Returns [`Error::Node`] if a node cannot create an address or sync.
pub fn fund_nodes(chain: &Chain, nodes: &[&RegtestNode], amount: Amount) -> Result<(), Error> {
    for node in nodes {
        let address = node.node.onchain_payment().new_address().map_err(failed("create an address"))?;
        chain.fund(address.script_pubkey(), amount);
    }
    chain.mine(1);
    sync(nodes)
}

/// Opens a channel of `amount` from `from` to each node of `to`, at the given address, and waits until all
/// channels are usable.
///
/// This does not consume any events of the nodes.
///
/// # Errors
///
/// Returns [`Error::Node`] if a channel cannot be opened, and [`Error::Timeout`] if a channel does not
/// become usable.
pub fn open_channels(
    chain: &Chain,
    from: &RegtestNode,
    to: &[(&RegtestNode, SocketAddr)],
    amount: Amount,
) -> Result<(), Error> {
    let usable = || from.node.list_channels().iter().filter(|channel| channel.is_usable).count();
    let before = usable();
    for (peer, addr) in to {
        let mempool_size = chain.mempool().len();
        from.node
            .open_channel(peer.id(), (*addr).into(), amount.to_sat(), None, None)
            .map_err(failed("open a channel"))?;
        chain.wait_for_mempool(mempool_size + 1, TIMEOUT)?;
        // Until the wallet has synced, it would spend the same output again.
        chain.mine(1);
        sync(&[from])?;
    }
    chain.mine(6);
    let nodes: Vec<&RegtestNode> = std::iter::once(from).chain(to.iter().map(|(peer, _)| *peer)).collect();
    sync(&nodes)?;
    wait_until("usable channels", || usable() >= before + to.len())
}

/// Blocks until `condition` returns `true`. Checks it every 10 ms. `what` describes the condition in the
/// error.
///
/// # Errors
///
/// Returns [`Error::Timeout`] after two minutes.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
    let interval = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while !condition() {
        if waited > TIMEOUT {
            return Err(Error::Timeout { condition: what.into(), mempool_size: None });
        }
        std::thread::sleep(interval);
        waited += interval;
    }
    Ok(())
}

fn sync(nodes: &[&RegtestNode]) -> Result<(), Error> {
    nodes.iter().try_for_each(|node| node.node.sync_wallets().map_err(failed("sync the wallets")))
}

fn failed<E: std::error::Error + Send + Sync + 'static>(operation: &'static str) -> impl Fn(E) -> Error {
    move |source| Error::Node { operation, source: Box::new(source) }
}

/// Returns a loopback address that was just free.
fn free_address() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Start)?;
    listener.local_addr().map_err(Error::Start)
}

/// A log writer that detects when the node starts to sync with the chain. ldk-node reports this only in its
/// log, some time after its start.
///
/// Without an inner writer the records are dropped, whereas ldk-node itself would write them to a file.
struct SyncDetector {
    inner: Option<Arc<dyn LogWriter>>,
    sync_started: AtomicBool,
}

impl LogWriter for SyncDetector {
    fn log<'a>(&self, record: LogRecord<'a>) {
        if !self.sync_started.load(Ordering::SeqCst)
            && record.module_path == "ldk_node::chain::bitcoind"
            && record.args.to_string().starts_with("Starting initial synchronization")
        {
            self.sync_started.store(true, Ordering::SeqCst);
        }
        if let Some(inner) = &self.inner {
            inner.log(record);
        }
    }
}
