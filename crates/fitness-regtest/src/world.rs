//! What LDK asks of the world around a node: nobody broadcasts, nobody pays, all is kept at once.

use std::sync::{Arc, OnceLock};

use bitcoin::secp256k1::{PublicKey, Secp256k1, Signing, Verification};
use bitcoin::{Network, Transaction};
use lightning::blinded_path::payment::{BlindedPaymentPath, ReceiveTlvs};
use lightning::chain::chaininterface::{BroadcasterInterface, ConfirmationTarget, FeeEstimator};
use lightning::chain::chainmonitor::{ChainMonitor, Persist};
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::chain::{BestBlock, ChannelMonitorUpdateStatus, Filter};
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::channelmanager::{ChainParameters, ChannelManager};
use lightning::onion_message::messenger::NullMessageRouter;
use lightning::routing::router::{InFlightHtlcs, Route, RouteParameters, Router};
use lightning::sign::{InMemorySigner, KeysManager, NodeSigner as _};
use lightning::util::config::UserConfig;
use lightning::util::logger::{Logger, Record};
use lightning::util::persist::MonitorName;

/// Somebody who hears what LDK logs.
type Listener = Box<dyn Fn(&Record<'_>) + Send + Sync>;

/// The world around a node on LDK that has neither chain nor money: what [`Channels`] asks for.
#[derive(Default)]
pub struct StubBackend {
    listener: OnceLock<Listener>,
}

impl StubBackend {
    /// Has `listener` hear what LDK logs from now on. The first one stays.
    pub fn set_log_hook(&self, listener: impl Fn(&Record<'_>) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }
}

impl std::fmt::Debug for StubBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// LDK's chain monitor in such a world.
pub type StubChainMonitor = ChainMonitor<
    InMemorySigner,
    Arc<dyn Filter + Send + Sync>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<KeysManager>,
>;

/// LDK's channel manager in such a world.
pub type StubChannelManager = ChannelManager<
    Arc<StubChainMonitor>,
    Arc<StubBackend>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<NullMessageRouter>,
    Arc<StubBackend>,
>;

/// A channel manager that has just begun, and its monitor.
#[must_use]
pub fn channel_manager(
    world: &Arc<StubBackend>,
    keys: &Arc<KeysManager>,
    network: Network,
    config: UserConfig,
) -> (Arc<StubChainMonitor>, Arc<StubChannelManager>) {
    let monitor = Arc::new(StubChainMonitor::new(
        None,
        Arc::clone(world),
        Arc::clone(world),
        Arc::clone(world),
        Arc::clone(world),
        Arc::clone(keys),
        keys.get_peer_storage_key(),
    ));
    let channels = StubChannelManager::new(
        Arc::clone(world),
        Arc::clone(&monitor),
        Arc::clone(world),
        Arc::clone(world),
        Arc::new(NullMessageRouter {}),
        Arc::clone(world),
        Arc::clone(keys),
        Arc::clone(keys),
        Arc::clone(keys),
        config,
        ChainParameters { network, best_block: BestBlock::from_network(network) },
        1,
    );
    (monitor, Arc::new(channels))
}

impl Logger for StubBackend {
    fn log(&self, record: Record<'_>) {
        tracing::trace!(target: "ldk", module = record.module_path, "{}", record.args);
        if let Some(listener) = self.listener.get() {
            listener(&record);
        }
    }
}

impl BroadcasterInterface for StubBackend {
    fn broadcast_transactions(&self, _: &[&Transaction]) {}
}

impl FeeEstimator for StubBackend {
    fn get_est_sat_per_1000_weight(&self, _: ConfirmationTarget) -> u32 {
        253
    }
}

impl Persist<InMemorySigner> for StubBackend {
    fn persist_new_channel(
        &self,
        _: MonitorName,
        _: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        ChannelMonitorUpdateStatus::Completed
    }

    fn update_persisted_channel(
        &self,
        _: MonitorName,
        _: Option<&ChannelMonitorUpdate>,
        _: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        ChannelMonitorUpdateStatus::Completed
    }

    fn archive_persisted_channel(&self, _: MonitorName) {}
}

impl Router for StubBackend {
    fn find_route(
        &self,
        _: &PublicKey,
        _: &RouteParameters,
        _: Option<&[&ChannelDetails]>,
        _: InFlightHtlcs,
    ) -> Result<Route, &'static str> {
        Err("nobody pays here")
    }

    fn create_blinded_payment_paths<T: Signing + Verification>(
        &self,
        _: PublicKey,
        _: Vec<ChannelDetails>,
        _: ReceiveTlvs,
        _: Option<u64>,
        _: &Secp256k1<T>,
    ) -> Result<Vec<BlindedPaymentPath>, ()> {
        Err(())
    }
}
