//! A wallet on LDK itself that knows how reliable its peers are.
//!
//! ```text
//! cargo run -p fitness-ldk --example raw_ldk -- <directory> <peer>@<ip>:<port>
//! ```
//!
//! It connects to a peer and says every ten seconds what it knows of it, until Ctrl-C. A wallet has
//! a `ChannelManager` besides; [`seed_and_dial`] and [`handle_event`] are what it does with it. The
//! lines between `fitness: begin` and `fitness: end` are what a wallet adds; the rest it has already.

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

/// Once both managers are there, and before anybody is dialled. Repeated by the wallet's timer: LDK
/// tells nobody that a channel is no longer usable.
#[expect(dead_code, reason = "this example has no ChannelManager")]
fn seed_and_dial<CM, PM>(fitness: &LdkFitness, channel_manager: &CM, peer_manager: &PM)
where
    CM: Deref<Target: AChannelManager>,
    PM: Deref<Target: APeerManager>,
{
    // --- fitness: begin 2
    // Once both managers are there, before anybody is dialled, and then every ten seconds:
    fitness.reconcile(channel_manager, peer_manager);
    // --- fitness: end
    // Then the wallet connects to its peers.
}

/// What LDK's background processor is given.
#[expect(dead_code, reason = "this example has no ChannelManager")]
fn handle_event(fitness: &LdkFitness, event: Event) -> Result<(), ReplayEvent> {
    // --- fitness: begin 3
    // In the event handler:
    fitness.record_event(&event);
    // --- fitness: end
    match event {
        Event::FundingGenerationReady { .. } => { /* the wallet pays for its channel, … */ }
        _ => { /* … and so on */ }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, peer] = &args[..] else {
        return Err("usage: raw_ldk <directory> <peer>@<ip>:<port>".into());
    };
    let (peer, addr) = peer.split_once('@').ok_or("a peer is named <public key>@<ip>:<port>")?;
    let (peer, addr): (PublicKey, _) = (peer.parse()?, addr.parse()?);
    let dir = PathBuf::from(dir);
    std::fs::create_dir_all(&dir)?;

    // A wallet has a seed already.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let keys = Arc::new(KeysManager::new(&seed, 0, 0, true));
    let our_node_id = keys.get_node_id(Recipient::Node).map_err(|()| "the keys have no node id")?;
    // --- fitness: begin 1
    // Before the PeerManager is made, which gets the wrapper in its MessageHandler:
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
    let log = Arc::new(Log { fitness: fitness.clone() });
    let peer_manager = Arc::new(PeerManager::new(handlers, 0, &random, log, Arc::clone(&keys)));

    // Peers with a channel are followed by themselves; this one has none.
    service.handle().record(FitnessEvent::Watch { node_id: convert::node_id(&peer) });
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                peer_manager.timer_tick_occurred();
                if peer_manager.peer_by_node_id(&peer).is_none() {
                    let peer_manager = Arc::clone(&peer_manager);
                    if let Some(connection) = lightning_net_tokio::connect_outbound(peer_manager, peer, addr).await {
                        tokio::spawn(connection);
                    }
                }
                println!("{:#?}", service.handle().peer(&convert::node_id(&peer)));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }

    // --- fitness: begin 5
    // At the end, before the wallet disconnects:
    fitness.pause();
    service.shutdown().await?;
    // --- fitness: end
    peer_manager.disconnect_all_peers();
    Ok(())
}

/// The wallet's own log, which keeps nothing.
struct Log {
    fitness: LdkFitness,
}

impl Logger for Log {
    fn log(&self, record: Record<'_>) {
        // --- fitness: begin 4
        // In the logger, on phones: LDK drops everybody when it was held up, and says so there alone.
        self.fitness.record_log(&record);
        // --- fitness: end
    }
}
