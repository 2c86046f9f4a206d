//! Stub implementations of the traits that LDK needs from a wallet.

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

/// Called with every record that LDK logs.
type LogHook = Box<dyn Fn(&Record<'_>) + Send + Sync>;

/// A logger, broadcaster, fee estimator, persister and router for an LDK node without a chain or funds.
///
/// Transactions are not broadcast, channel monitors are not stored, and no route is found.
#[derive(Default)]
pub struct StubBackend {
    log_hook: OnceLock<LogHook>,
}

impl StubBackend {
    /// Calls `hook` with every record that LDK logs from now on. Only the first hook that is set is used.
    pub fn set_log_hook(&self, hook: impl Fn(&Record<'_>) + Send + Sync + 'static) {
        let _ = self.log_hook.set(Box::new(hook));
    }
}

impl std::fmt::Debug for StubBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StubBackend").finish_non_exhaustive()
    }
}

/// LDK's chain monitor with a [`StubBackend`].
pub type StubChainMonitor = ChainMonitor<
    InMemorySigner,
    Arc<dyn Filter + Send + Sync>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<StubBackend>,
    Arc<KeysManager>,
>;

/// LDK's channel manager with a [`StubBackend`].
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

/// Creates a channel manager without channels, and its chain monitor.
#[must_use]
pub fn channel_manager(
    backend: &Arc<StubBackend>,
    keys: &Arc<KeysManager>,
    network: Network,
    config: UserConfig,
) -> (Arc<StubChainMonitor>, Arc<StubChannelManager>) {
    let monitor = Arc::new(StubChainMonitor::new(
        None,
        Arc::clone(backend),
        Arc::clone(backend),
        Arc::clone(backend),
        Arc::clone(backend),
        Arc::clone(keys),
        keys.get_peer_storage_key(),
    ));
    let channels = StubChannelManager::new(
        Arc::clone(backend),
        Arc::clone(&monitor),
        Arc::clone(backend),
        Arc::clone(backend),
        Arc::new(NullMessageRouter {}),
        Arc::clone(backend),
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
        if let Some(hook) = self.log_hook.get() {
            hook(&record);
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
        Err("the stub backend has no routes")
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
