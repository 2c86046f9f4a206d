//! The demo's network: a chain, four peers behind proxies that can cut connections, and the wallet's files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_ldk::ConnectionHint;
use fitness_regtest::{Chain, Proxy, RegtestNode, fund_nodes, open_channels};
use ldk_node::bitcoin::Amount;
use ldk_node::bitcoin::secp256k1::PublicKey;

use super::scenario::Role;

/// The wallet's funds, enough for four channels and their reserves.
const WALLET_FUNDS: Amount = Amount::from_sat(10_000_000);
/// A peer's funds: the reserve that an anchor channel requires.
const PEER_FUNDS: Amount = Amount::from_sat(100_000);
const CHANNEL_SIZE: Amount = Amount::from_sat(1_000_000);

/// The running network, without the wallet's node.
#[derive(Debug)]
pub(super) struct DemoNetwork {
    chain: Chain,
    wallet_directory: PathBuf,
    /// Wakes the monitor when the wallet's node logs a connection change.
    pub(super) hint: Arc<ConnectionHint>,
    pub(super) peers: Vec<Peer>,
}

/// A peer and the proxy in server of it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) role: Role,
    node: RegtestNode,
    pub(super) proxy: Proxy,
}

impl Peer {
    pub(super) fn node_id(&self) -> NodeId {
        fitness_ldk::convert::node_id(&self.node.id())
    }

    pub(super) fn id(&self) -> PublicKey {
        self.node.id()
    }

    /// Returns the address that the wallet dials, which is that of the proxy.
    pub(super) fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }
}

impl DemoNetwork {
    /// Starts the chain, the peers and the wallet's node, without channels. Blocks until the nodes are
    /// running.
    ///
    /// The keys are always the same, so that a second demo with the same store has the same peers.
    pub(super) fn start(directory: &Path) -> Result<(Self, RegtestNode), fitness_regtest::Error> {
        let chain = Chain::start()?;
        chain.mine(1);
        let mut peers = Vec::new();
        for (number, role) in (1..).zip(Role::ALL) {
            let node = RegtestNode::start(&chain, &directory.join(role.alias()), seed(number), None)?;
            let proxy = Proxy::start(node.addr()).map_err(fitness_regtest::Error::Start)?;
            peers.push(Peer { role, node, proxy });
        }
        let nodes: Vec<&RegtestNode> = peers.iter().map(|peer| &peer.node).collect();
        fund_nodes(&chain, &nodes, PEER_FUNDS)?;
        let wallet_directory = directory.join("wallet");
        let network = Self { chain, wallet_directory, hint: ConnectionHint::new(), peers };
        let wallet = network.start_wallet()?;
        fund_nodes(&network.chain, &[&wallet], WALLET_FUNDS)?;
        Ok((network, wallet))
    }

    /// Starts the wallet's node from its files. Blocks until it is running.
    pub(super) fn start_wallet(&self) -> Result<RegtestNode, fitness_regtest::Error> {
        RegtestNode::start(&self.chain, &self.wallet_directory, seed(0), Some(self.hint.clone()))
    }

    /// Opens a channel from the wallet to each peer. Blocks until all are usable.
    pub(super) fn open_channels(&self, wallet: &RegtestNode) -> Result<(), fitness_regtest::Error> {
        let peers: Vec<_> = self.peers.iter().map(|peer| (&peer.node, peer.addr())).collect();
        open_channels(&self.chain, wallet, &peers, CHANNEL_SIZE)
    }

    pub(super) fn peer(&self, role: Role) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.role == role)
    }
}

fn seed(number: u8) -> [u8; 64] {
    [number + 100; 64]
}
