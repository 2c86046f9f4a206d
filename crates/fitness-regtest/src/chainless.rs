//! An LDK node on a loopback socket, without a chain, funds or channels.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitcoin::Network;
use bitcoin::secp256k1::PublicKey;
use lightning::ln::peer_handler::{IgnoringMessageHandler, MessageHandler, PeerManager};
use lightning::sign::{KeysManager, NodeSigner, Recipient};
use lightning::util::config::UserConfig;
use lightning_net_tokio::SocketDescriptor;
use tokio::net::TcpListener;

use crate::backend::{StubBackend, StubChannelManager, channel_manager};
use crate::worker::Worker;

/// The time between two pings of a connected peer, as LDK recommends.
const PING_INTERVAL: Duration = Duration::from_secs(10);

type Peers = PeerManager<
    SocketDescriptor,
    Arc<StubChannelManager>,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<StubBackend>,
    IgnoringMessageHandler,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// A running LDK node that accepts connections, completes handshakes, exchanges `init` messages and pings
/// its peers, but has no chain, no funds and no channels. It does not dial.
///
/// The node runs on its own thread. Dropping it closes all its connections and waits for that thread.
pub struct ChainlessNode {
    id: PublicKey,
    addr: SocketAddr,
    peers: Arc<Peers>,
    accepted: Arc<AtomicUsize>,
    _worker: Worker,
}

impl ChainlessNode {
    /// Starts a node whose keys are derived from `seed`, on a free loopback port.
    ///
    /// # Errors
    ///
    /// Returns an error if no port is free or no thread can be created.
    pub fn start(seed: [u8; 32], network: Network) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), seed, network)
    }

    /// Starts a node whose keys are derived from `seed`, at a given address, for example the one that it
    /// had before.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is not available or no thread can be created.
    pub fn start_at(addr: SocketAddr, seed: [u8; 32], network: Network) -> io::Result<Self> {
        let keys = Arc::new(KeysManager::new(&seed, 1, 1, true));
        let invalid = |()| io::Error::other("the seed does not yield a valid key");
        let id = keys.get_node_id(Recipient::Node).map_err(invalid)?;
        let peers = Arc::new(peer_manager(seed, network, keys));
        let listener = StdListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let (acceptor, counter) = (Arc::clone(&peers), Arc::clone(&accepted));
        let worker = Worker::spawn("regtest-node", move || {
            let listener = TcpListener::from_std(listener)?;
            Ok(run(listener, acceptor, counter))
        })?;
        Ok(Self { id, addr, peers, accepted, _worker: worker })
    }

    /// Returns the public key of the node.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.id
    }

    /// Returns the address at which the node listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the peers that LDK lists as connected: those that have completed the handshake and sent
    /// their `init` message.
    #[must_use]
    pub fn connected_peers(&self) -> Vec<PublicKey> {
        self.peers.list_peers().into_iter().map(|peer| peer.counterparty_node_id).collect()
    }

    /// Returns how many connections the node has accepted so far, closed ones included.
    #[must_use]
    pub fn accepted_connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections. Peers may dial again.
    pub fn disconnect_all_peers(&self) {
        self.peers.disconnect_all_peers();
    }
}

impl std::fmt::Debug for ChainlessNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainlessNode")
            .field("id", &self.id)
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// Includes a channel manager, because it puts the network into the `init` message.
fn peer_manager(seed: [u8; 32], network: Network, keys: Arc<KeysManager>) -> Peers {
    let backend = Arc::<StubBackend>::default();
    let (_, channels) = channel_manager(&backend, &keys, network, UserConfig::default());
    let handlers = MessageHandler {
        chan_handler: channels,
        route_handler: IgnoringMessageHandler {},
        onion_message_handler: IgnoringMessageHandler {},
        custom_message_handler: IgnoringMessageHandler {},
        send_only_message_handler: IgnoringMessageHandler {},
    };
    Peers::new(handlers, 1, &seed, backend, keys)
}

async fn run(listener: TcpListener, peers: Arc<Peers>, accepted: Arc<AtomicUsize>) {
    let mut ticks = tokio::time::interval(PING_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => peers.timer_tick_occurred(),
            stream = listener.accept() => match stream.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(lightning_net_tokio::setup_inbound(Arc::clone(&peers), stream));
                }
                Err(error) => {
                    tracing::warn!(addr = ?listener.local_addr().ok(), %error, "accept failed");
                    // Probably out of file descriptors: wait instead of retrying in a busy loop.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
        peers.process_events();
    }
}
