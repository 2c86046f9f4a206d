//! LDK nodes on loopback sockets, without a chain, a disk or a wallet: a real `ChannelManager` and a real
//! `PeerManager` whose custom message handler is a `ConnectionRecorder`.

mod background;
mod log;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_core::{ChannelReport, NodeId, Presence};
use fitness_ldk::{ConnectionRecorder, LdkFitness, convert};
use fitness_regtest::{StubBackend, StubChainMonitor, StubChannelManager, channel_manager};
use fitness_store::MemoryStore;
use lightning::bitcoin::absolute::LockTime;
use lightning::bitcoin::block::Header;
use lightning::bitcoin::constants::genesis_block;
use lightning::bitcoin::hashes::Hash;
use lightning::bitcoin::secp256k1::PublicKey;
use lightning::bitcoin::transaction::Version;
use lightning::bitcoin::{Amount, Network, OutPoint, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use lightning::chain::Confirm;
use lightning::events::{Event, EventsProvider};
use lightning::ln::msgs::{
    BaseMessageHandler, Init, LightningError, MessageSendEvent, SendOnlyMessageHandler,
};
use lightning::ln::peer_handler::{
    CustomMessageHandler, IgnoringMessageHandler, MessageHandler, PeerManager,
};
use lightning::ln::wire::CustomMessageReader;
use lightning::sign::{KeysManager, NodeSigner, Recipient};
use lightning::types::features::{InitFeatures, NodeFeatures};
use lightning::util::config::UserConfig;
use lightning::util::ser::LengthLimitedRead;
use lightning_net_tokio::SocketDescriptor;

pub(crate) use self::log::Log;

/// A custom or send-only message handler that rejects all peers while `rejects` is set.
#[derive(Debug, Default)]
pub(crate) struct RejectingHandler {
    pub(crate) rejects: AtomicBool,
}

impl RejectingHandler {
    fn check(&self) -> Result<(), ()> {
        if self.rejects.load(Ordering::SeqCst) { Err(()) } else { Ok(()) }
    }
}

impl CustomMessageReader for RejectingHandler {
    type CustomMessage = <IgnoringMessageHandler as CustomMessageReader>::CustomMessage;

    fn read<R: LengthLimitedRead>(
        &self,
        message_type: u16,
        buffer: &mut R,
    ) -> Result<Option<Self::CustomMessage>, lightning::ln::msgs::DecodeError> {
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
        self.check()
    }

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

impl BaseMessageHandler for RejectingHandler {
    fn get_and_clear_pending_msg_events(&self) -> Vec<MessageSendEvent> {
        vec![]
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }

    fn peer_connected(&self, _: PublicKey, _: &Init, _: bool) -> Result<(), ()> {
        self.check()
    }
}

impl SendOnlyMessageHandler for RejectingHandler {}

type Peers = PeerManager<
    SocketDescriptor,
    Arc<StubChannelManager>,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<StubBackend>,
    Arc<ConnectionRecorder<Arc<RejectingHandler>>>,
    Arc<KeysManager>,
    Arc<RejectingHandler>,
>;

/// An LDK node with its fitness service.
pub(crate) struct RawNode {
    pub(crate) key: PublicKey,
    pub(crate) backend: Arc<StubBackend>,
    pub(crate) log: Arc<Log>,
    monitor: Arc<StubChainMonitor>,
    pub(crate) channels: Arc<StubChannelManager>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) custom: Arc<RejectingHandler>,
    pub(crate) send_only: Arc<RejectingHandler>,
    pub(crate) fitness: LdkFitness,
    pub(crate) service: Service,
    addr: SocketAddr,
    closed_inbound: Arc<AtomicUsize>,
}

impl RawNode {
    pub(crate) async fn start(seed: u8) -> Self {
        Self::start_at(seed, "127.0.0.1:0").await
    }

    async fn start_at(seed: u8, addr: &str) -> Self {
        let backend = Arc::<StubBackend>::default();
        let keys = Arc::new(KeysManager::new(&[seed; 32], 1, 1, true));
        let key = keys.get_node_id(Recipient::Node).unwrap();
        let mut config = UserConfig::default();
        config.channel_handshake_config.minimum_depth = 1;
        let (monitor, channels) = channel_manager(&backend, &keys, Network::Regtest, config);

        let store = Arc::new(MemoryStore::default());
        let service = Service::builder(convert::node_id(&key), store).start().await.unwrap();
        let fitness = LdkFitness::new(service.handle());
        let log = Arc::<Log>::default();
        let (log_fitness, log_copy) = (fitness.clone(), Arc::clone(&log));
        backend.set_log_hook(move |record| {
            log_fitness.record_log(record);
            log_copy.record(record);
        });
        let (custom, send_only) = (Arc::<RejectingHandler>::default(), Arc::<RejectingHandler>::default());
        let handlers = MessageHandler {
            chan_handler: Arc::clone(&channels),
            route_handler: IgnoringMessageHandler {},
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: Arc::new(fitness.wrap(Arc::clone(&custom))),
            send_only_message_handler: Arc::clone(&send_only),
        };
        let peers = Arc::new(Peers::new(handlers, 1, &[seed; 32], Arc::clone(&backend), keys));

        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let acceptor = Arc::downgrade(&peers);
        let closed_inbound = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&closed_inbound);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(peers) = acceptor.upgrade() else { return };
                let connection = lightning_net_tokio::setup_inbound(peers, stream.into_std().unwrap());
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    connection.await;
                    counter.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            key,
            backend,
            log,
            monitor,
            channels,
            peers,
            custom,
            send_only,
            fitness,
            service,
            addr,
            closed_inbound,
        }
    }

    pub(crate) fn node_id(&self) -> NodeId {
        convert::node_id(&self.key)
    }

    pub(crate) fn handle(&self) -> Handle {
        self.service.handle()
    }

    /// Returns how many accepted connections have been closed.
    pub(crate) fn closed_inbound_connections(&self) -> usize {
        self.closed_inbound.load(Ordering::SeqCst)
    }

    /// Dials, and returns as soon as the socket is connected. The other node may still reject the
    /// handshake. The returned task ends with the connection.
    pub(crate) async fn dial(&self, other: &Self) -> tokio::task::JoinHandle<()> {
        let peers = Arc::clone(&self.peers);
        let connection = lightning_net_tokio::connect_outbound(peers, other.key, other.addr).await;
        tokio::spawn(connection.expect("the dial succeeds"))
    }

    /// Dials, and waits until both nodes list the connection.
    pub(crate) async fn connect(&self, other: &Self) {
        self.dial(other).await;
        wait_until(|| self.lists(other) && other.lists(self)).await;
    }

    /// Returns whether LDK lists a peer as connected.
    pub(crate) fn lists(&self, other: &Self) -> bool {
        self.peers.peer_by_node_id(&other.key).is_some()
    }

    /// Returns the presence of a tracked peer.
    pub(crate) fn presence(&self, other: &Self) -> Presence {
        self.handle().peer(&other.node_id()).expect("the peer is tracked").presence
    }

    /// Records all pending events, as a wallet's event handler does, and returns them.
    pub(crate) fn handle_events(&self) -> Vec<Event> {
        let events = Mutex::new(Vec::new());
        self.channels.process_pending_events(&|event: Event| {
            self.fitness.record_event(&event);
            events.lock().unwrap().push(event);
            Ok(())
        });
        self.peers.process_events();
        events.into_inner().unwrap()
    }

    /// Opens a channel and waits until it is pending at both nodes. Returns the funding transaction, whose
    /// input does not exist.
    pub(crate) async fn open_channel(&self, other: &Self) -> Transaction {
        self.channels.create_channel(other.key, 100_000, 0, 1, None, None).unwrap();
        let (mut pending, mut opened) = (0, None);
        for _ in 0..1_000 {
            for event in [self.handle_events(), other.handle_events()].concat() {
                match event {
                    Event::FundingGenerationReady {
                        temporary_channel_id,
                        counterparty_node_id,
                        channel_value_satoshis,
                        output_script,
                        ..
                    } => {
                        let value = Amount::from_sat(channel_value_satoshis);
                        let funding = funding_transaction(TxOut { value, script_pubkey: output_script });
                        opened = Some(funding.clone());
                        self.channels
                            .funding_transaction_generated(
                                temporary_channel_id,
                                counterparty_node_id,
                                funding,
                            )
                            .unwrap();
                    }
                    Event::ChannelPending { .. } => pending += 1,
                    _ => {}
                }
            }
            if pending == 2 {
                return opened.expect("the channel was funded");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the channel was not opened within 5 s");
    }

    /// Confirms a channel's funding transaction at both nodes, and waits until the channel is ready at
    /// both.
    pub(crate) async fn confirm_channel(&self, other: &Self, funding: &Transaction) {
        for node in [self, other] {
            node.confirm(funding);
        }
        let mut ready = 0;
        wait_until(|| {
            let events = [self.handle_events(), other.handle_events()].concat();
            ready += events.iter().filter(|event| matches!(event, Event::ChannelReady { .. })).count();
            ready == 2
        })
        .await;
    }

    fn confirm(&self, funding: &Transaction) {
        let genesis = genesis_block(Network::Regtest).header;
        let header = Header { prev_blockhash: genesis.block_hash(), ..genesis };
        self.channels.transactions_confirmed(&header, &[(1, funding)], 1);
        self.channels.best_block_updated(&header, 1);
    }

    /// Runs LDK's background processor for this node, which also handles its events.
    pub(crate) async fn process_in_background(&self) {
        background::run(self).await;
    }

    pub(crate) fn reconcile(&self) {
        self.fitness.reconcile(&self.channels, &self.peers);
    }

    /// Returns the report of the only channel.
    pub(crate) fn channel(&self) -> ChannelReport {
        let [listed] = &self.channels.list_channels()[..] else { panic!("one channel") };
        self.handle().channel(&convert::channel_id(&listed.channel_id)).expect("the channel is recorded")
    }
}

fn funding_transaction(output: TxOut) -> Transaction {
    let input = TxIn {
        // Any outpoint but the null one, which would make this a coinbase.
        previous_output: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 },
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[1]]),
        ..TxIn::default()
    };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

/// Waits until LDK or another thread has made `condition` true.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..2_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{caller}: condition was not met within 10 s");
    }
}
