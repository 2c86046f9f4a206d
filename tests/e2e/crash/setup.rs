//! A wallet with channels, ready to run in a process of its own, and its peers.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::NodeId;
use fitness_regtest::{Chain, RegtestNode, fund_nodes, open_channels};
use ldk_node::bitcoin::Amount;
use ldk_node::bitcoin::secp256k1::PublicKey;
use tempfile::TempDir;

use crate::ground_truth::PeerView;
use crate::peer::Peer;
use crate::wallet_main::{SEED, WalletConfig};

const FUNDS: Amount = Amount::from_sat(2_000_000);
const CHANNEL: Amount = Amount::from_sat(200_000);

// The nodes are declared before the chain, which they poll until they stop.
pub(crate) struct Setup {
    pub(crate) peers: Vec<Peer>,
    pub(crate) ids: Vec<NodeId>,
    pub(crate) config: WalletConfig,
    wallet: PublicKey,
    _chain: Chain,
    _dir: TempDir,
}

impl Setup {
    /// Creates a wallet that has a channel with each of three peers, and is not running.
    pub(crate) fn start() -> Self {
        let (chain, dir) = (Chain::start().unwrap(), tempfile::tempdir().unwrap());
        let peers = [2, 3, 4].map(|seed| Peer::start(&chain, seed));
        let config = WalletConfig {
            dir: dir.path().to_owned(),
            rpc: chain.rpc(),
            peers: peers.iter().map(|peer| (peer.key(), peer.addr())).collect(),
            heartbeat: Duration::from_secs(1),
            commit_delay: Duration::from_millis(200),
            pulse: Duration::from_secs(5),
            grace: Duration::from_secs(120),
        };
        let node = RegtestNode::start(&chain, &config.node_dir(), SEED, None).unwrap();
        let nodes: Vec<_> = std::iter::once(&node).chain(peers.iter().map(Peer::local)).collect();
        fund_nodes(&chain, &nodes, FUNDS).unwrap();
        let to: Vec<_> = peers.iter().map(|peer| (peer.local(), peer.addr())).collect();
        open_channels(&chain, &node, &to, CHANNEL).unwrap();
        let ids = peers.iter().map(Peer::id).collect();
        Self { peers: peers.into(), ids, config, wallet: node.id(), _chain: chain, _dir: dir }
    }

    pub(crate) fn observer(&self) -> NodeId {
        fitness_ldk::convert::node_id(&self.wallet)
    }

    /// Starts recording when the wallet is connected to the peers, as they see it.
    pub(crate) fn peer_view(&self) -> PeerView {
        let nodes = self.peers.iter().map(|peer| (peer.id(), Arc::clone(peer.node())));
        PeerView::watch(nodes, self.wallet)
    }
}
