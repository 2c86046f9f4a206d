//! A wallet with channels that is ready to be started in a process of its own, and its peers.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::NodeId;
use fitness_regtest::{Chain, RegtestNode, fund_nodes, open_channels};
use ldk_node::bitcoin::Amount;
use ldk_node::bitcoin::secp256k1::PublicKey;
use tempfile::TempDir;

use crate::peer::Peer;
use crate::truth::OtherEnds;
use crate::wallet::{Orders, SEED};

const FUNDS: Amount = Amount::from_sat(2_000_000);
const CHANNEL: Amount = Amount::from_sat(200_000);

// The nodes stand before the chain, which they ask until they end.
pub(crate) struct Rig {
    pub(crate) peers: Vec<Peer>,
    pub(crate) ids: Vec<NodeId>,
    pub(crate) orders: Orders,
    wallet: PublicKey,
    _chain: Chain,
    _dir: TempDir,
}

impl Rig {
    /// A wallet that has a channel with each of three peers, and is down.
    pub(crate) fn start() -> Self {
        let (chain, dir) = (Chain::start().unwrap(), tempfile::tempdir().unwrap());
        let peers = [2, 3, 4].map(|seed| Peer::start(&chain, seed));
        let orders = Orders {
            dir: dir.path().to_owned(),
            rpc: chain.rpc(),
            peers: peers.iter().map(|peer| (peer.key(), peer.addr())).collect(),
            heartbeat: Duration::from_secs(1),
            commit_delay: Duration::from_millis(200),
            pulse: Duration::from_secs(5),
            grace: Duration::from_secs(120),
        };
        let node = RegtestNode::start(&chain, &orders.node_dir(), SEED, None).unwrap();
        let nodes: Vec<_> = std::iter::once(&node).chain(peers.iter().map(Peer::local)).collect();
        fund_nodes(&chain, &nodes, FUNDS).unwrap();
        let to: Vec<_> = peers.iter().map(|peer| (peer.local(), peer.addr())).collect();
        open_channels(&chain, &node, &to, CHANNEL).unwrap();
        let ids = peers.iter().map(Peer::id).collect();
        Self { peers: peers.into(), ids, orders, wallet: node.id(), _chain: chain, _dir: dir }
    }

    pub(crate) fn observer(&self) -> NodeId {
        fitness_ldk::convert::node_id(&self.wallet)
    }

    /// From now on the peers note when the wallet is connected to them.
    pub(crate) fn other_ends(&self) -> OtherEnds {
        let nodes = self.peers.iter().map(|peer| (peer.id(), Arc::clone(peer.node())));
        OtherEnds::watch(nodes, self.wallet)
    }
}
