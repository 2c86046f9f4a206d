//! A Lightning node with nothing behind it: LDK's managers on a socket of the loopback interface.

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

use crate::worker::Worker;
use crate::world::{StubBackend, StubChannelManager, channel_manager};

/// How often a node pings those that are connected, as LDK recommends.
const PING: Duration = Duration::from_secs(10);

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

/// A running node on LDK that listens, shakes hands, greets and pings as any other does, and has no
/// chain, no money and no channels. Others dial it.
///
/// It runs on its own thread. Dropping it closes all of its connections and waits for that thread.
pub struct ChainlessNode {
    id: PublicKey,
    addr: SocketAddr,
    peers: Arc<Peers>,
    accepted: Arc<AtomicUsize>,
    _worker: Worker,
}

impl ChainlessNode {
    /// Starts the node that grows from `seed`, on a free port.
    ///
    /// # Errors
    ///
    /// When there is no port or no thread to be had.
    pub fn start(seed: [u8; 32], network: Network) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), seed, network)
    }

    /// Starts the node that grows from `seed` at an address, such as the one that it had before.
    ///
    /// # Errors
    ///
    /// When the address or a thread is not to be had.
    pub fn start_at(addr: SocketAddr, seed: [u8; 32], network: Network) -> io::Result<Self> {
        let keys = Arc::new(KeysManager::new(&seed, 1, 1, true));
        let no_id = |()| io::Error::other("the seed has no node id");
        let id = keys.get_node_id(Recipient::Node).map_err(no_id)?;
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

    /// Its public key.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.id
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who is connected to it, by its own account: whoever has shaken hands and greeted it.
    #[must_use]
    pub fn connected_peers(&self) -> Vec<PublicKey> {
        self.peers.list_peers().into_iter().map(|peer| peer.counterparty_node_id).collect()
    }

    /// How many connections it has accepted so far, whatever became of them.
    #[must_use]
    pub fn accepted_connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections. Whoever dials again is welcome.
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

/// The channel manager is what makes it say which network it is on.
fn peer_manager(seed: [u8; 32], network: Network, keys: Arc<KeysManager>) -> Peers {
    let world = Arc::<StubBackend>::default();
    let (_, channels) = channel_manager(&world, &keys, network, UserConfig::default());
    let handlers = MessageHandler {
        chan_handler: channels,
        route_handler: IgnoringMessageHandler {},
        onion_message_handler: IgnoringMessageHandler {},
        custom_message_handler: IgnoringMessageHandler {},
        send_only_message_handler: IgnoringMessageHandler {},
    };
    Peers::new(handlers, 1, &seed, world, keys)
}

async fn run(listener: TcpListener, peers: Arc<Peers>, accepted: Arc<AtomicUsize>) {
    let mut ticks = tokio::time::interval(PING);
    loop {
        tokio::select! {
            _ = ticks.tick() => peers.timer_tick_occurred(),
            stream = listener.accept() => match stream.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(lightning_net_tokio::setup_inbound(Arc::clone(&peers), stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "the node could not accept a connection");
                    // Most likely there are no file descriptors left, which a busy loop does not cure.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
        peers.process_events();
    }
}
