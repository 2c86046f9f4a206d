//! LDK's `PeerManager` with nothing behind it: no channels, no graph, no money.

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
use crate::identity::Identity;
use crate::link::Descriptor;

/// It answers what is said of channels with an error, and ignores the rest.
type Peers = PeerManager<
    Descriptor,
    ErroringMessageHandler,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<Log>,
    Arc<ConnectionRecorder<Arc<Greeter>>>,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// LDK, as far as it takes part.
pub(crate) struct Ldk {
    pub(crate) peers: Peers,
    pub(crate) greeter: Arc<Greeter>,
    work: Notify,
}

impl Ldk {
    /// `random` has to be new each time: the keys of connections come from it.
    pub(crate) fn new(
        fitness: &LdkFitness,
        identity: Identity,
        network: Option<Chain>,
        random: &[u8; 32],
    ) -> Self {
        let greeter = Arc::new(Greeter { network, greetings: Mutex::default() });
        let handlers = MessageHandler {
            chan_handler: ErroringMessageHandler::new(),
            route_handler: IgnoringMessageHandler {},
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: Arc::new(fitness.wrap(Arc::clone(&greeter))),
            send_only_message_handler: IgnoringMessageHandler {},
        };
        // The time numbers our announcements, of which there are none.
        let peers = PeerManager::new(handlers, 0, random, Arc::new(Log), Arc::new(identity.keys));
        Self { peers, greeter, work: Notify::new() }
    }

    /// Something was read: what LDK has to say to it is to be sent.
    pub(crate) fn process(&self) {
        self.work.notify_one();
    }

    /// Has LDK say what it has to say, and ping everybody in each `period`. Never ends.
    ///
    /// In one place, as it goes through all connections each time: what was read meanwhile, of however
    /// many, is done in one go.
    pub(crate) async fn run(&self, period: Duration) {
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        // Late is late: two at once would leave no time for an answer.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.work.notified() => {}
                _ = ticks.tick() => self.peers.timer_tick_occurred(),
            }
            self.peers.process_events();
        }
    }
}

/// What a node said of itself when it greeted us.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    /// The chains that it is on, where it says so.
    pub(crate) chains: Vec<Chain>,
    /// Whether one of them is ours.
    pub(crate) accepted: bool,
}

/// Reads greetings, and turns away who is on another network.
///
/// We do not say in our own greeting which network we ask for: whoever is on another one would then
/// hang up before we know why.
#[derive(Debug)]
pub(crate) struct Greeter {
    network: Option<Chain>,
    /// Until their connections take note.
    greetings: Mutex<HashMap<PublicKey, Greeting>>,
}

impl Greeter {
    /// What a node has said since this was asked last.
    pub(crate) fn take(&self, node: &PublicKey) -> Option<Greeting> {
        self.lock().remove(node)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Greeting>> {
        // No code of others runs under this lock, and a map survives a panic whole.
        self.greetings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomMessageReader for Greeter {
    type CustomMessage = Infallible;

    fn read<R: LengthLimitedRead>(&self, _: u16, _: &mut R) -> Result<Option<Infallible>, DecodeError> {
        Ok(None)
    }
}

impl CustomMessageHandler for Greeter {
    fn handle_custom_message(&self, message: Infallible, _: PublicKey) -> Result<(), LightningError> {
        match message {}
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Infallible)> {
        Vec::new()
    }

    fn peer_connected(&self, node: PublicKey, init: &Init, _: bool) -> Result<(), ()> {
        let chains: Vec<Chain> = init.networks.iter().flatten().copied().map(Chain::from).collect();
        // Who names none may be on any.
        let accepted = self.network.is_none_or(|ours| chains.is_empty() || chains.contains(&ours));
        self.lock().insert(node, Greeting { chains, accepted });
        if accepted { Ok(()) } else { Err(()) }
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

/// LDK's log, in ours. What it calls informative is a detail here.
#[derive(Debug)]
pub(crate) struct Log;

impl Logger for Log {
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
    fn who_names_no_network_may_be_on_any() {
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
        let greeter = Greeter { network: Some(Network::Signet.into()), greetings: Mutex::default() };
        for (networks, accepted) in cases {
            let init = Init { features: InitFeatures::empty(), networks, remote_network_address: None };
            assert_eq!(greeter.peer_connected(node, &init, false).is_ok(), accepted, "{init:?}");
            let greeting = greeter.take(&node).unwrap();
            assert_eq!(
                (greeting.accepted, greeting.chains.len()),
                (accepted, init.networks.iter().flatten().count())
            );
            assert!(greeter.take(&node).is_none(), "it was taken");
        }
    }
}
