//! A wallet built on LDK itself that measures how reliable its peers are.
//!
//! ```text
//! cargo run -p fitness-ldk --example raw_ldk -- <directory> <peer>@<ip>:<port>
//! ```
//!
//! The example connects to one peer and prints a report about it every ten seconds until you press
//! Ctrl-C. It has no `ChannelManager`; [`reconcile_and_dial`] and [`handle_event`] show what a wallet
//! with one does.
//!
//! To add ldk-fitness to your wallet, copy the lines between `fitness: begin` and `fitness: end`. Your
//! wallet already has the rest.

use std::error::Error;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Service;
use fitness_core::Event as FitnessEvent;
use fitness_ldk::{LdkFitness, convert};
use fitness_store_redb::RedbStore;
use lightning::bitcoin::secp256k1::PublicKey;
use lightning::events::{Event, ReplayEvent};
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::{
    APeerManager, ErroringMessageHandler, IgnoringMessageHandler, MessageHandler, PeerManager,
};
use lightning::sign::{EntropySource, KeysManager, NodeSigner, Recipient};
use lightning::util::logger::{Logger, Record};

/// Call this after you have constructed both managers.
#[expect(dead_code, reason = "this example has no ChannelManager")]
fn reconcile_and_dial<CM, PM>(fitness: &LdkFitness, channel_manager: &CM, peer_manager: &PM)
where
    CM: Deref<Target: AChannelManager>,
    PM: Deref<Target: APeerManager>,
{
    // --- fitness: begin 2
    // Before you dial peers, and then every ten seconds: reconcile with LDK's lists.
    fitness.reconcile(channel_manager, peer_manager);
    // --- fitness: end
    // Then dial the peers.
}

/// The event handler that you pass to LDK's background processor.
#[expect(dead_code, reason = "this example has no ChannelManager")]
fn handle_event(fitness: &LdkFitness, event: Event) -> Result<(), ReplayEvent> {
    // --- fitness: begin 3
    // In your event handler: record every event.
    fitness.record_event(&event);
    // --- fitness: end
    match event {
        Event::FundingGenerationReady { .. } => { /* fund the channel */ }
        _ => { /* handle the other events */ }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, peer] = &args[..] else {
        return Err("usage: raw_ldk <directory> <peer>@<ip>:<port>".into());
    };
    let (peer, addr) = peer.split_once('@').ok_or("invalid peer: expected <public key>@<ip>:<port>")?;
    let (peer, addr): (PublicKey, _) = (peer.parse()?, addr.parse()?);
    let dir = PathBuf::from(dir);
    std::fs::create_dir_all(&dir)?;

    // Your wallet already has a seed.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let keys = Arc::new(KeysManager::new(&seed, 0, 0, true));
    let our_node_id = keys.get_node_id(Recipient::Node).map_err(|()| "cannot read the node id")?;
    // --- fitness: begin 1
    // Before you construct the PeerManager: start the service and wrap the custom message handler.
    let store = Arc::new(RedbStore::open(dir.join("fitness.redb"))?);
    let service = Service::builder(convert::node_id(&our_node_id), store).start().await?;
    let fitness = LdkFitness::new(service.handle());
    let custom_message_handler = Arc::new(fitness.wrap(IgnoringMessageHandler {}));
    // --- fitness: end
    let handlers = MessageHandler {
        chan_handler: ErroringMessageHandler::new(),
        route_handler: IgnoringMessageHandler {},
        onion_message_handler: IgnoringMessageHandler {},
        custom_message_handler,
        send_only_message_handler: IgnoringMessageHandler {},
    };
    let random = keys.get_secure_random_bytes();
    let logger = Arc::new(WalletLogger { fitness: fitness.clone() });
    let peer_manager = Arc::new(PeerManager::new(handlers, 0, &random, logger, Arc::clone(&keys)));

    // Peers with a channel are tracked automatically. This peer has none, so watch it explicitly.
    service.handle().record(FitnessEvent::Watch { node_id: convert::node_id(&peer) });
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                peer_manager.timer_tick_occurred();
                if peer_manager.peer_by_node_id(&peer).is_none() {
                    let dialer = Arc::clone(&peer_manager);
                    let connection = lightning_net_tokio::connect_outbound(dialer, peer, addr).await;
                    if let Some(connection) = connection {
                        tokio::spawn(connection);
                    }
                }
                println!("{:#?}", service.handle().peer(&convert::node_id(&peer)));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    // --- fitness: begin 5
    // On shutdown, before you disconnect from the peers:
    fitness.pause();
    service.shutdown().await?;
    // --- fitness: end
    peer_manager.disconnect_all_peers();
    Ok(())
}

/// The wallet's own logger. This one discards its records.
struct WalletLogger {
    fitness: LdkFitness,
}

impl Logger for WalletLogger {
    fn log(&self, record: Record<'_>) {
        // --- fitness: begin 4
        // In your logger, on phones: LDK reports only here that it drops all connections after a stall.
        self.fitness.record_log(&record);
        // --- fitness: end
    }
}
