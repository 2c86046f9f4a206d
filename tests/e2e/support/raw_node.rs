//! A node built on LDK without ldk-node: a `ChannelManager` and a `PeerManager` on loopback sockets,
//! monitored by a service on a redb file. It has no chain and no funds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fitness_actor::{Handle, Service};
use fitness_core::NodeId;
use fitness_ldk::{ConnectionRecorder, LdkFitness, convert};
use fitness_regtest::{StubBackend, StubChannelManager, channel_manager};
use lightning::bitcoin::Network;
use lightning::bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::{DecodeError, Init, LightningError};
use lightning::ln::peer_handler::{
    CustomMessageHandler, IgnoringMessageHandler, MessageHandler, PeerManager,
};
use lightning::ln::wire::CustomMessageReader;
use lightning::sign::{KeysManager, NodeSigner, Recipient};
use lightning::types::features::{InitFeatures, NodeFeatures};
use lightning::util::config::UserConfig;
use lightning::util::ser::LengthLimitedRead;
use lightning_net_tokio::SocketDescriptor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{init_logging, open_store};

/// The wallet's own custom message handler, which rejects all peers on request.
#[derive(Debug, Default)]
pub(crate) struct RejectingHandler {
    is_rejecting: AtomicBool,
    rejected: AtomicUsize,
}

impl CustomMessageReader for RejectingHandler {
    type CustomMessage = <IgnoringMessageHandler as CustomMessageReader>::CustomMessage;

    fn read<R: LengthLimitedRead>(
        &self,
        message_type: u16,
        buffer: &mut R,
    ) -> Result<Option<Self::CustomMessage>, DecodeError> {
        CustomMessageReader::read(&IgnoringMessageHandler {}, message_type, buffer)
    }
}

impl CustomMessageHandler for RejectingHandler {
    fn handle_custom_message(&self, _: Self::CustomMessage, _: PublicKey) -> Result<(), LightningError> {
        Ok(())
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Self::CustomMessage)> {
        vec![]
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn peer_connected(&self, _: PublicKey, _: &Init, _: bool) -> Result<(), ()> {
        if !self.is_rejecting.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.rejected.fetch_add(1, Ordering::SeqCst);
        Err(())
    }

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

type Peers = PeerManager<
    SocketDescriptor,
    Arc<StubChannelManager>,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<StubBackend>,
    Arc<ConnectionRecorder<Arc<RejectingHandler>>>,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// A running node. The seed determines its keys.
pub(crate) struct RawNode {
    key: PublicKey,
    channels: Arc<StubChannelManager>,
    peers: Arc<Peers>,
    handler: Arc<RejectingHandler>,
    fitness: LdkFitness,
    service: Service,
    acceptor: JoinHandle<()>,
    addr: SocketAddr,
}

impl RawNode {
    /// Starts a node as a wallet does: the handler is wrapped and the lists are reconciled before any peer is dialled.
    pub(crate) async fn start(seed: u8, store: &Path) -> Self {
        init_logging();
        let backend = Arc::<StubBackend>::default();
        let keys = Arc::new(KeysManager::new(&[seed; 32], 1, 1, true));
        let key = keys.get_node_id(Recipient::Node).unwrap();
        let store = Arc::new(open_store(store));
        let service = Service::builder(convert::node_id(&key), store).start().await.unwrap();
        let fitness = LdkFitness::new(service.handle());

        let (_, channels) = channel_manager(&backend, &keys, Network::Regtest, UserConfig::default());
        let handler = Arc::<RejectingHandler>::default();
        let handlers = MessageHandler {
            chan_handler: Arc::clone(&channels),
            route_handler: IgnoringMessageHandler {},
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: Arc::new(fitness.wrap(Arc::clone(&handler))),
            send_only_message_handler: IgnoringMessageHandler {},
        };
        let peers = Arc::new(Peers::new(handlers, 1, &[seed; 32], backend, keys));
        fitness.reconcile(&channels, &peers);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&peers)));
        Self { key, channels, peers, handler, fitness, service, acceptor, addr }
    }

    /// Stops the node in order: pauses monitoring, disconnects all peers, and stores all changes.
    pub(crate) async fn stop(self) {
        self.fitness.pause();
        self.acceptor.abort();
        self.peers.disconnect_all_peers();
        self.service.shutdown().await.unwrap();
    }

    pub(crate) fn id(&self) -> NodeId {
        convert::node_id(&self.key)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn handle(&self) -> Handle {
        self.service.handle()
    }

    /// Makes the wallet's own handler reject all peers, or accept them again.
    pub(crate) fn reject_peers(&self, reject: bool) {
        self.handler.is_rejecting.store(reject, Ordering::SeqCst);
    }

    /// Reconciles with the lists of LDK.
    pub(crate) fn reconcile(&self) {
        self.fitness.reconcile(&self.channels, &self.peers);
    }

    /// Returns the number of rejected connections.
    pub(crate) fn rejected(&self) -> usize {
        self.handler.rejected.load(Ordering::SeqCst)
    }

    /// Dials `other` at `addr`. The peer may still reject the handshake. The task ends when this side of the
    /// connection has ended.
    pub(crate) async fn dial(&self, other: &Self, addr: SocketAddr) -> JoinHandle<()> {
        let connection =
            lightning_net_tokio::connect_outbound(Arc::clone(&self.peers), other.key, addr).await;
        tokio::spawn(connection.expect("a listening node"))
    }

    /// Whether LDK lists a peer as connected.
    pub(crate) fn lists(&self, other: &Self) -> bool {
        self.peers.peer_by_node_id(&other.key).is_some()
    }
}

async fn accept(listener: TcpListener, peers: Arc<Peers>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(lightning_net_tokio::setup_inbound(Arc::clone(&peers), stream.into_std().unwrap()));
    }
}
