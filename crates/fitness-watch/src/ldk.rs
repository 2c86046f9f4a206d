//! LDK's `PeerManager` without channels, network graph or funds.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fitness_ldk::{ConnectionRecorder, LdkFitness};
use lightning::bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::{DecodeError, Init, LightningError};
use lightning::ln::peer_handler::{
    CustomMessageHandler, ErroringMessageHandler, IgnoringMessageHandler, MessageHandler, PeerManager,
};
use lightning::ln::wire::CustomMessageReader;
use lightning::sign::KeysManager;
use lightning::types::features::{InitFeatures, NodeFeatures};
use lightning::util::logger::{Level, Logger, Record};
use lightning::util::ser::LengthLimitedRead;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use crate::chain::Chain;
use crate::connection::Descriptor;
use crate::identity::Identity;

/// Answers messages about channels with an error, and ignores all other messages.
type WatchPeerManager = PeerManager<
    Descriptor,
    ErroringMessageHandler,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<LdkLogger>,
    Arc<ConnectionRecorder<Arc<InitHandler>>>,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// The parts of LDK that the watcher uses.
pub(crate) struct Ldk {
    pub(crate) peer_manager: WatchPeerManager,
    pub(crate) init_handler: Arc<InitHandler>,
    work_pending: Notify,
}

impl Ldk {
    /// `random` must be different in each run: the ephemeral keys of connections are derived from it.
    pub(crate) fn new(
        fitness: &LdkFitness,
        identity: Identity,
        network: Option<Chain>,
        random: &[u8; 32],
    ) -> Self {
        let init_handler = Arc::new(InitHandler { network, received: Mutex::default() });
        let handlers = MessageHandler {
            chan_handler: ErroringMessageHandler::new(),
            route_handler: IgnoringMessageHandler {},
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: Arc::new(fitness.wrap(Arc::clone(&init_handler))),
            send_only_message_handler: IgnoringMessageHandler {},
        };
        // The time only affects node announcements, and the watcher sends none.
        let peer_manager =
            PeerManager::new(handlers, 0, random, Arc::new(LdkLogger), Arc::new(identity.keys));
        Self { peer_manager, init_handler, work_pending: Notify::new() }
    }

    /// Requests that LDK process received messages and send its replies.
    pub(crate) fn request_processing(&self) {
        self.work_pending.notify_one();
    }

    /// Lets LDK process messages on request, and ping all nodes once per `period`. Never returns.
    ///
    /// One task does this for all connections, because each call visits all of them. Requests that arrive
    /// meanwhile are handled by one call.
    pub(crate) async fn run(&self, period: Duration) {
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        // Two ticks in a row would leave no time for a reply to the ping.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.work_pending.notified() => {}
                _ = ticks.tick() => self.peer_manager.timer_tick_occurred(),
            }
            self.peer_manager.process_events();
        }
    }
}

/// The `init` message that a node sent.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedInit {
    /// The chains that it announces; empty if it announces none.
    pub(crate) chains: Vec<Chain>,
    /// Whether the expected network is one of them, or it announces none.
    pub(crate) is_accepted: bool,
}

/// Records received `init` messages, and disconnects nodes on another network than the expected one.
///
/// Our own `init` does not name the expected network: a node on another one would close the connection before
/// its network is known.
#[derive(Debug)]
pub(crate) struct InitHandler {
    network: Option<Chain>,
    /// The messages that were received and not taken yet.
    received: Mutex<HashMap<PublicKey, ReceivedInit>>,
}

impl InitHandler {
    /// Removes and returns the `init` that a node sent since the last call.
    pub(crate) fn take(&self, node: &PublicKey) -> Option<ReceivedInit> {
        self.lock().remove(node)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, ReceivedInit>> {
        // No foreign code runs under this lock, and a panic leaves the map consistent.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomMessageReader for InitHandler {
    type CustomMessage = Infallible;

    fn read<R: LengthLimitedRead>(&self, _: u16, _: &mut R) -> Result<Option<Infallible>, DecodeError> {
        Ok(None)
    }
}

impl CustomMessageHandler for InitHandler {
    fn handle_custom_message(&self, message: Infallible, _: PublicKey) -> Result<(), LightningError> {
        match message {}
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Infallible)> {
        Vec::new()
    }

    fn peer_connected(&self, node: PublicKey, init: &Init, _: bool) -> Result<(), ()> {
        let chains: Vec<Chain> = init.networks.iter().flatten().copied().map(Chain::from).collect();
        // A node that announces no chain may be on any.
        let is_accepted = self.network.is_none_or(|expected| chains.is_empty() || chains.contains(&expected));
        self.lock().insert(node, ReceivedInit { chains, is_accepted });
        if is_accepted { Ok(()) } else { Err(()) }
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

/// Forwards LDK's log to `tracing`. LDK's `Info` becomes `DEBUG`.
#[derive(Debug)]
pub(crate) struct LdkLogger;

impl Logger for LdkLogger {
    fn log(&self, record: Record<'_>) {
        let (module, text) = (record.module_path, record.args);
        let peer = record.peer_id.map(tracing::field::display);
        match record.level {
            Level::Gossip | Level::Trace => {
                tracing::trace!(target: "fitness_watch::ldk", module, peer, "{text}");
            }
            Level::Debug | Level::Info => {
                tracing::debug!(target: "fitness_watch::ldk", module, peer, "{text}");
            }
            Level::Warn | Level::Error => {
                tracing::warn!(target: "fitness_watch::ldk", module, peer, "{text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning::bitcoin::Network;
    use lightning::bitcoin::secp256k1::{Secp256k1, SecretKey};

    #[test]
    fn init_is_accepted_if_it_announces_the_expected_chain_or_none() {
        let node = PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[7; 32]).unwrap());
        let hashes =
            |networks: &[Network]| Some(networks.iter().map(|network| network.chain_hash()).collect());
        let cases = [
            (None, true),
            (hashes(&[]), true),
            (hashes(&[Network::Signet]), true),
            (hashes(&[Network::Bitcoin, Network::Signet]), true),
            (hashes(&[Network::Bitcoin, Network::Testnet]), false),
        ];
        let handler = InitHandler { network: Some(Network::Signet.into()), received: Mutex::default() };
        for (networks, accepted) in cases {
            let init = Init { features: InitFeatures::empty(), networks, remote_network_address: None };
            assert_eq!(handler.peer_connected(node, &init, false).is_ok(), accepted, "{init:?}");
            let received = handler.take(&node).unwrap();
            assert_eq!(
                (received.is_accepted, received.chains.len()),
                (accepted, init.networks.iter().flatten().count())
            );
            assert!(handler.take(&node).is_none(), "it was taken already");
        }
    }
}
