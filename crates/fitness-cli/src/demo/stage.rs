//! The stage: a chain, a wallet, four peers behind wires that can be cut, and channels between them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_ldk::ConnectionHint;
use fitness_regtest::{Chain, LocalNode, Proxy, fund, open_channels};
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
    pub(super) wallet: LocalNode,
    /// Tells the monitor at once when the wallet's node logs a connection.
    pub(super) hint: Arc<ConnectionHint>,
    pub(super) peers: Vec<Peer>,
}

/// A peer and the wire to it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) role: Role,
    node: LocalNode,
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
    /// Starts everything but the channels. Blocks for as long as nodes take.
    ///
    /// The keys are always the same, so that a second run on the same store meets the same peers.
    pub(super) fn build(directory: &Path) -> Result<Self, fitness_regtest::Error> {
        let chain = Chain::start()?;
        chain.mine(1);
        let hint = ConnectionHint::new();
        let wallet = LocalNode::start(&chain, &directory.join("wallet"), seed(0), Some(hint.clone()))?;
        let mut peers = Vec::new();
        for (number, role) in (1..).zip(Role::ALL) {
            let node = LocalNode::start(&chain, &directory.join(role.name()), seed(number), None)?;
            let wire = Proxy::start(node.addr()).map_err(fitness_regtest::Error::Start)?;
            peers.push(Peer { role, node, wire });
        }
        fund(&chain, &[&wallet], WALLET_FUNDS)?;
        let nodes: Vec<&LocalNode> = peers.iter().map(|peer| &peer.node).collect();
        fund(&chain, &nodes, PEER_FUNDS)?;
        Ok(Self { chain, wallet, hint, peers })
    }

    /// Opens a channel to every peer. Blocks until all are usable.
    pub(super) fn open_channels(&self) -> Result<(), fitness_regtest::Error> {
        let peers: Vec<_> = self.peers.iter().map(|peer| (&peer.node, peer.addr())).collect();
        open_channels(&self.chain, &self.wallet, &peers, CHANNEL_SIZE)
    }

    pub(super) fn peer(&self, role: Role) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.role == role)
    }
}

fn seed(number: u8) -> [u8; 64] {
    [number + 100; 64]
}
