//! The world around a node on LDK: nobody broadcasts, nobody pays, everything is kept at once.
//!
//! The end-to-end tests of the workspace have the same world, by this very file.

use std::sync::{Mutex, OnceLock};

use fitness_ldk::LdkFitness;
use lightning::bitcoin::Transaction;
use lightning::bitcoin::secp256k1::{PublicKey, Secp256k1, Signing, Verification};
use lightning::blinded_path::payment::{BlindedPaymentPath, ReceiveTlvs};
use lightning::chain::ChannelMonitorUpdateStatus;
use lightning::chain::chaininterface::{BroadcasterInterface, ConfirmationTarget, FeeEstimator};
use lightning::chain::chainmonitor::Persist;
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::ln::channel_state::ChannelDetails;
use lightning::routing::router::{InFlightHtlcs, Route, RouteParameters, Router};
use lightning::sign::InMemorySigner;
use lightning::util::logger::{Logger, Record};
use lightning::util::persist::MonitorName;

/// Everything that LDK asks for and a node that is only watched does not need, and a copy of the log.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) log: Mutex<Vec<(&'static str, String)>>,
    fitness: OnceLock<LdkFitness>,
}

impl World {
    /// Has an observer told what is logged, as a wallet's logger does.
    pub(crate) fn tell(&self, fitness: &LdkFitness) {
        assert!(self.fitness.set(fitness.clone()).is_ok(), "one is enough");
    }

    /// Whether there is a line of a module in the log that begins so.
    pub(crate) fn has_said(&self, module: &str, beginning: &str) -> bool {
        let log = self.log.lock().unwrap();
        log.iter().any(|(path, line)| *path == module && line.starts_with(beginning))
    }
}

impl Logger for World {
    fn log(&self, record: Record<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
        if let Some(fitness) = self.fitness.get() {
            fitness.observe_log(&record);
        }
        self.log.lock().unwrap().push((record.module_path, record.args.to_string()));
    }
}

impl BroadcasterInterface for World {
    fn broadcast_transactions(&self, _: &[&Transaction]) {}
}

impl FeeEstimator for World {
    fn get_est_sat_per_1000_weight(&self, _: ConfirmationTarget) -> u32 {
        253
    }
}

impl Persist<InMemorySigner> for World {
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

impl Router for World {
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
