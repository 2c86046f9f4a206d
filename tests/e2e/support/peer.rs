//! A peer: an ldk-node behind a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use fitness_core::NodeId;
use fitness_ldk::convert;
use fitness_regtest::{Chain, Proxy, RegtestNode};
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::{Node, UserChannelId};
use tempfile::TempDir;

pub(crate) struct Peer {
    local: RegtestNode,
    proxy: Proxy,
    _dir: TempDir,
}

impl Peer {
    /// Starts a peer. The seed determines its keys.
    pub(crate) fn start(chain: &Chain, seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = RegtestNode::start(chain, dir.path(), [seed; 64], None).unwrap();
        let proxy = Proxy::start(local.addr()).unwrap();
        Self { local, proxy, _dir: dir }
    }

    pub(crate) fn local(&self) -> &RegtestNode {
        &self.local
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        self.local.node()
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.local.id()
    }

    pub(crate) fn id(&self) -> NodeId {
        convert::node_id(&self.key())
    }

    /// Returns the proxy in front of the peer.
    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Returns the address at which the wallet dials the peer: that of the proxy.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.proxy.addr()
    }

    /// Returns the peer's identifier of its only channel.
    pub(crate) fn user_channel_id(&self) -> UserChannelId {
        let [channel] = &self.node().list_channels()[..] else { panic!("the peer has one channel") };
        channel.user_channel_id
    }
}
