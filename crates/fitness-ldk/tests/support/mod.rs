//! Whole LDK nodes without a chain, a disk or a wallet, on loopback sockets: a real `ChannelManager`
//! behind a real `PeerManager` that has our wrapper as its custom message handler.

mod background;
mod log;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A custom message handler, or a send-only one, that refuses everybody when it is told to.
#[derive(Debug, Default)]
pub(crate) struct Gatekeeper {
    pub(crate) refuses: AtomicBool,
}

impl Gatekeeper {
    fn answer(&self) -> Result<(), ()> {
        if self.refuses.load(Ordering::SeqCst) { Err(()) } else { Ok(()) }
    }
}

impl CustomMessageReader for Gatekeeper {
    type CustomMessage = <IgnoringMessageHandler as CustomMessageReader>::CustomMessage;

    fn read<R: LengthLimitedRead>(
        &self,
        message_type: u16,
        buffer: &mut R,
    ) -> Result<Option<Self::CustomMessage>, lightning::ln::msgs::DecodeError> {
        CustomMessageReader::read(&IgnoringMessageHandler {}, message_type, buffer)
    }
}

impl CustomMessageHandler for Gatekeeper {
    fn handle_custom_message(&self, _: Self::CustomMessage, _: PublicKey) -> Result<(), LightningError> {
        Ok(())
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Self::CustomMessage)> {
        vec![]
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn peer_connected(&self, _: PublicKey, _: &Init, _: bool) -> Result<(), ()> {
        self.answer()
    }

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

impl BaseMessageHandler for Gatekeeper {
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
        self.answer()
    }
}

impl SendOnlyMessageHandler for Gatekeeper {}

type Peers = PeerManager<
    SocketDescriptor,
    Arc<StubChannelManager>,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<StubBackend>,
    Arc<ConnectionRecorder<Arc<Gatekeeper>>>,
    Arc<KeysManager>,
    Arc<Gatekeeper>,
>;

/// A node, watched.
pub(crate) struct RawNode {
    pub(crate) key: PublicKey,
    pub(crate) world: Arc<StubBackend>,
    pub(crate) log: Arc<Log>,
    monitor: Arc<StubChainMonitor>,
    pub(crate) channels: Arc<StubChannelManager>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) custom: Arc<Gatekeeper>,
    pub(crate) send_only: Arc<Gatekeeper>,
    pub(crate) fitness: LdkFitness,
    pub(crate) service: Service,
    addr: SocketAddr,
}

impl RawNode {
    pub(crate) async fn start(seed: u8) -> Self {
        Self::start_at(seed, "127.0.0.1:0").await
    }

    async fn start_at(seed: u8, addr: &str) -> Self {
        let world = Arc::<StubBackend>::default();
        let keys = Arc::new(KeysManager::new(&[seed; 32], 1, 1, true));
        let key = keys.get_node_id(Recipient::Node).unwrap();
        let mut config = UserConfig::default();
        config.channel_handshake_config.minimum_depth = 1;
        let (monitor, channels) = channel_manager(&world, &keys, Network::Regtest, config);

        let store = Arc::new(MemoryStore::default());
        let service = Service::builder(convert::node_id(&key), store).start().await.unwrap();
        let fitness = LdkFitness::new(service.handle());
        let (log, told) = (Arc::<Log>::default(), fitness.clone());
        let keep = Arc::clone(&log);
        world.set_log_hook(move |record| {
            // As a wallet's logger does.
            told.record_log(record);
            keep.keep(record);
        });
        let (custom, send_only) = (Arc::<Gatekeeper>::default(), Arc::<Gatekeeper>::default());
        let handlers = MessageHandler {
            chan_handler: Arc::clone(&channels),
            route_handler: IgnoringMessageHandler {},
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: Arc::new(fitness.wrap(Arc::clone(&custom))),
            send_only_message_handler: Arc::clone(&send_only),
        };
        let peers = Arc::new(Peers::new(handlers, 1, &[seed; 32], Arc::clone(&world), keys));

        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let acceptor = Arc::downgrade(&peers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(peers) = acceptor.upgrade() else { return };
                tokio::spawn(lightning_net_tokio::setup_inbound(peers, stream.into_std().unwrap()));
            }
        });
        Self { key, world, log, monitor, channels, peers, custom, send_only, fitness, service, addr }
    }

    pub(crate) fn node_id(&self) -> NodeId {
        convert::node_id(&self.key)
    }

    pub(crate) fn handle(&self) -> Handle {
        self.service.handle()
    }

    /// Dials, and returns as soon as the socket is up; the handshake may still be refused. The task
    /// ends with the connection.
    pub(crate) async fn dial(&self, other: &Self) -> tokio::task::JoinHandle<()> {
        let peers = Arc::clone(&self.peers);
        let connection = lightning_net_tokio::connect_outbound(peers, other.key, other.addr).await;
        tokio::spawn(connection.expect("the socket"))
    }

    /// Dials, and waits until both ends see the connection.
    pub(crate) async fn connect(&self, other: &Self) {
        self.dial(other).await;
        until(|| self.lists(other) && other.lists(self)).await;
    }

    /// Whether LDK lists a peer as connected.
    pub(crate) fn lists(&self, other: &Self) -> bool {
        self.peers.peer_by_node_id(&other.key).is_some()
    }

    /// What we say of a peer that is watched.
    pub(crate) fn presence(&self, other: &Self) -> Presence {
        self.handle().peer(&other.node_id()).expect("it is watched").presence
    }

    /// Hands all pending events to the observer, as a wallet's event handler does, and returns them.
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

    /// Opens a channel that both ends see as pending, its funding transaction made up, which is
    /// returned.
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
                return opened.expect("it was funded");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the channel did not open");
    }

    /// Has both ends see a channel's funding transaction confirmed, and waits until both say that the
    /// channel is ready.
    pub(crate) async fn confirm_channel(&self, other: &Self, funding: &Transaction) {
        for node in [self, other] {
            node.see_confirmed(funding);
        }
        let mut ready = 0;
        until(|| {
            let events = [self.handle_events(), other.handle_events()].concat();
            ready += events.iter().filter(|event| matches!(event, Event::ChannelReady { .. })).count();
            ready == 2
        })
        .await;
    }

    fn see_confirmed(&self, funding: &Transaction) {
        let genesis = genesis_block(Network::Regtest).header;
        let header = Header { prev_blockhash: genesis.block_hash(), ..genesis };
        self.channels.transactions_confirmed(&header, &[(1, funding)], 1);
        self.channels.best_block_updated(&header, 1);
    }

    /// LDK's background processor for this node. It runs while it is polled, and handles the events.
    pub(crate) async fn process_in_background(&self) {
        background::run(self).await;
    }

    /// Tells what LDK lists.
    pub(crate) fn seed(&self) {
        self.fitness.reconcile(&self.channels, &self.peers);
    }

    /// What we say of the only channel.
    pub(crate) fn channel(&self) -> ChannelReport {
        let [listed] = &self.channels.list_channels()[..] else { panic!("one channel") };
        self.handle().channel(&convert::channel_id(&listed.channel_id)).expect("it is known")
    }
}

fn funding_transaction(output: TxOut) -> Transaction {
    let input = TxIn {
        // Anything that makes it no coinbase, which has to mature.
        previous_output: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 },
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[1]]),
        ..TxIn::default()
    };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

/// Waits for something that LDK or a thread is going to bring about.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within ten seconds");
}
