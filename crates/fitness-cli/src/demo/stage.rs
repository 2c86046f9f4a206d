//! The stage: a chain, four peers behind wires that can be cut, and where the wallet keeps its files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_ldk::ConnectionHint;
use fitness_regtest::{Chain, Proxy, RegtestNode, fund_nodes, open_channels};
use ldk_node::bitcoin::Amount;
use ldk_node::bitcoin::secp256k1::PublicKey;

use super::script::Role;

/// The wallet's coins, enough for four channels and their reserves.
const WALLET_FUNDS: Amount = Amount::from_sat(10_000_000);
/// A peer's coins: the reserve that an anchor channel wants.
const PEER_FUNDS: Amount = Amount::from_sat(100_000);
const CHANNEL_SIZE: Amount = Amount::from_sat(1_000_000);

/// All that the play needs, running.
#[derive(Debug)]
pub(super) struct Stage {
    chain: Chain,
    wallet_directory: PathBuf,
    /// Tells the monitor at once when the wallet's node logs a connection.
    pub(super) hint: Arc<ConnectionHint>,
    pub(super) peers: Vec<Peer>,
}

/// A peer and the wire to it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) role: Role,
    node: RegtestNode,
    pub(super) wire: Proxy,
}

impl Peer {
    pub(super) fn node_id(&self) -> NodeId {
        fitness_ldk::convert::node_id(&self.node.id())
    }

    pub(super) fn id(&self) -> PublicKey {
        self.node.id()
    }

    /// Where the wallet finds it: at the near end of the wire.
    pub(super) fn addr(&self) -> SocketAddr {
        self.wire.addr()
    }
}

impl Stage {
    /// Starts everything but the channels, the wallet's node included. Blocks for as long as nodes take.
    ///
    /// The keys are always the same, so that a second run on the same store meets the same peers.
    pub(super) fn build(directory: &Path) -> Result<(Self, RegtestNode), fitness_regtest::Error> {
        let chain = Chain::start()?;
        chain.mine(1);
        let mut peers = Vec::new();
        for (number, role) in (1..).zip(Role::ALL) {
            let node = RegtestNode::start(&chain, &directory.join(role.name()), seed(number), None)?;
            let wire = Proxy::start(node.addr()).map_err(fitness_regtest::Error::Start)?;
            peers.push(Peer { role, node, wire });
        }
        let nodes: Vec<&RegtestNode> = peers.iter().map(|peer| &peer.node).collect();
        fund_nodes(&chain, &nodes, PEER_FUNDS)?;
        let wallet_directory = directory.join("wallet");
        let stage = Self { chain, wallet_directory, hint: ConnectionHint::new(), peers };
        let wallet = stage.start_wallet()?;
        fund_nodes(&stage.chain, &[&wallet], WALLET_FUNDS)?;
        Ok((stage, wallet))
    }

    /// Starts the wallet's node on its files. Blocks for as long as that takes.
    pub(super) fn start_wallet(&self) -> Result<RegtestNode, fitness_regtest::Error> {
        RegtestNode::start(&self.chain, &self.wallet_directory, seed(0), Some(self.hint.clone()))
    }

    /// Opens a channel of the wallet's to every peer. Blocks until all are usable.
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
