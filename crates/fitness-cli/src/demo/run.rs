//! Runs the scenario: executes its steps and records the ground truth.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::blocking;
use super::ground_truth::{GapTrigger, GroundTruth};
use super::network::{DemoNetwork, Peer};
use super::progress::Progress;
use super::scenario::{Action, PeerAction, Role, steps};
use super::wallet::Wallet;
use crate::error::CliError;
use crate::listen::DashboardServer;
use crate::store::StoreUrl;

/// How often the progress display is updated.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

/// How long the wallet stays stopped during a restart: long enough to be detected.
const STOPPED_FOR: Duration = Duration::from_secs(2);

/// A running scenario.
pub(super) struct ScenarioRun<'a> {
    network: &'a Arc<DemoNetwork>,
    /// The store with the wallet's history.
    store: &'a StoreUrl,
    progress: &'a Progress,
    server: Option<&'a mut DashboardServer>,
    wallet: Wallet,
    truth: GroundTruth,
    /// The delay of the scenario: how much longer than expected the steps have taken.
    delay: Duration,
}

impl<'a> ScenarioRun<'a> {
    /// Prepares a run that starts now, with all peers connected.
    pub(super) fn new(
        network: &'a Arc<DemoNetwork>,
        store: &'a StoreUrl,
        progress: &'a Progress,
        server: Option<&'a mut DashboardServer>,
        wallet: Wallet,
    ) -> Self {
        let handle = wallet.handle();
        let reports =
            network.peers.iter().filter_map(|peer| Some((peer.role, handle.peer(&peer.node_id())?)));
        let truth = GroundTruth::start(reports);
        Self { network, store, progress, server, wallet, truth, delay: Duration::ZERO }
    }

    /// Runs the scenario for `length` or until Ctrl-C. Returns the wallet, the ground truth, and whether the
    /// scenario was completed.
    pub(super) async fn run(mut self, length: Duration) -> Result<(Wallet, GroundTruth, bool), CliError> {
        let started = Instant::now();
        for step in steps(length) {
            if self.wait_until(started, step.at).await? {
                return Ok((self.wallet, self.truth, false));
            }
            self.progress.print_action(self.truth.clock.elapsed(), step.action);
            self = self.execute(step.action).await?;
            self.delay = self.delay.max(started.elapsed().saturating_sub(step.at));
        }
        let interrupted = self.wait_until(started, length).await?;
        Ok((self.wallet, self.truth, !interrupted))
    }

    /// Updates the progress display until `at`, relative to the start. Returns whether Ctrl-C was pressed.
    async fn wait_until(&self, started: Instant, at: Duration) -> Result<bool, CliError> {
        let end = sleep_until(started + self.delay + at);
        let elapsed = || started.elapsed().saturating_sub(self.delay);
        tokio::select! {
            () = end => Ok(false),
            never = update_progress(self.progress, self.wallet.handle(), elapsed) => match never {},
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(CliError::Runtime)?;
                Ok(true)
            }
        }
    }

    async fn execute(mut self, action: Action) -> Result<Self, CliError> {
        match action {
            Action::Peer(role, action) => self.execute_peer_action(role, action).await?,
            Action::NetworkDown => {
                // Before the first connection is cut, so that no disconnect is detected before this time.
                self.truth.start_gap(GapTrigger::NetworkDown);
                self.network.peers.iter().for_each(|peer| peer.proxy.cut());
            }
            Action::NetworkUp => {
                let roles = self.truth.peers_to_reconnect().into_iter();
                let peers: Vec<&Peer> = roles.filter_map(|role| self.network.peer(role)).collect();
                peers.iter().for_each(|peer| peer.proxy.restore());
                for peer in peers {
                    if self.wallet.connect(peer).await? {
                        self.truth.record_online(peer.role);
                    }
                }
            }
            Action::RestartWallet => self = self.restart_wallet().await?,
        }
        Ok(self)
    }

    async fn execute_peer_action(&mut self, role: Role, action: PeerAction) -> Result<(), CliError> {
        let Some(peer) = self.network.peer(role) else { return Ok(()) };
        match action {
            PeerAction::Disconnect => {
                peer.proxy.cut();
                self.truth.record_offline(role);
            }
            PeerAction::Stall => peer.proxy.hold(),
            PeerAction::Reconnect => {
                peer.proxy.restore();
                if self.wallet.connect(peer).await? {
                    self.truth.record_online(role);
                }
            }
        }
        Ok(())
    }

    /// Shuts the wallet down completely, and starts it again from its files.
    async fn restart_wallet(self) -> Result<Self, CliError> {
        let Self { network, store, progress, mut server, wallet, mut truth, delay } = self;
        let handle = wallet.handle();
        truth.start_gap(GapTrigger::Restart);
        let restart = async {
            wallet.shut_down().await?;
            tokio::time::sleep(STOPPED_FOR).await;
            let network_to_start = Arc::clone(network);
            let node = blocking(move || network_to_start.start_wallet()).await??;
            Wallet::start(node, store.open().await?, &network.hint, server.as_deref_mut()).await
        };
        let elapsed = truth.clock.elapsed().saturating_sub(delay);
        let wallet = tokio::select! {
            wallet = restart => wallet?,
            never = update_progress(progress, handle, || elapsed) => match never {},
        };
        truth.record_wallet_running();
        for peer in truth.peers_to_reconnect().into_iter().filter_map(|role| network.peer(role)) {
            // The node also reconnects to its peers on its own.
            if wallet.connect(peer).await? {
                truth.record_online(peer.role);
            }
        }
        Ok(Self { network, store, progress, server, wallet, truth, delay })
    }
}

/// Updates the progress display at regular intervals, forever.
async fn update_progress(progress: &Progress, handle: Handle, elapsed: impl Fn() -> Duration) -> Infallible {
    let mut updates = interval_at(Instant::now(), UPDATE_INTERVAL);
    updates.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        updates.tick().await;
        progress.update(&handle, elapsed());
    }
}
