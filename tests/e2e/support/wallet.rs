//! The monitored wallet: an ldk-node that can be stopped and started again, and its monitoring.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fitness_actor::Handle;
use fitness_core::{NodeId, PeerReport, Presence};
use fitness_ldk::{ConnectionHint, convert};
use fitness_regtest::{Chain, RegtestNode, fund_nodes, open_channels};
use ldk_node::bitcoin::Amount;
use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::logger::{LogRecord, LogWriter};
use ldk_node::{ChannelDetails, Node};
use tempfile::TempDir;

use super::monitoring::Monitoring;
use super::storage::Storage;
use super::{CHANNEL_SATS, Changes, Peer, init_logging, wait_until};

/// The default interval between polls of the monitor.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

// The monitoring is declared before the node and so dropped first: its event loop must not hold the last
// reference to the node, which cannot be dropped within a runtime.
pub(crate) struct Wallet {
    monitoring: Option<Monitoring>,
    node: Option<RegtestNode>,
    hint: Arc<ConnectionHint>,
    key: PublicKey,
    chain: Chain,
    storage: Storage,
    dir: TempDir,
}

impl Wallet {
    /// Starts a monitored wallet.
    pub(crate) fn start(chain: &Chain) -> Self {
        let mut wallet = Self::start_unmonitored(chain);
        wallet.start_monitoring_every(POLL_INTERVAL);
        wallet
    }

    /// Starts a monitored wallet with its history in the node's own store.
    pub(crate) fn start_with_shared_store(chain: &Chain) -> Self {
        let mut wallet = Self::start_on(chain, Storage::Shared(None));
        wallet.start_monitoring_every(POLL_INTERVAL);
        wallet
    }

    pub(crate) fn start_unmonitored(chain: &Chain) -> Self {
        Self::start_on(chain, Storage::Separate)
    }

    fn start_on(chain: &Chain, mut storage: Storage) -> Self {
        init_logging();
        let dir = tempfile::tempdir().unwrap();
        let hint = ConnectionHint::wrapping(Arc::new(TracingLogWriter));
        let node = storage.start_node(chain, dir.path(), Arc::<ConnectionHint>::clone(&hint));
        Self { monitoring: None, key: node.id(), node: Some(node), hint, chain: chain.clone(), storage, dir }
    }

    /// Starts the node again on its stored data.
    pub(crate) fn start_node(&mut self) {
        assert!(self.node.is_none(), "the node is stopped");
        let hint = Arc::<ConnectionHint>::clone(&self.hint);
        self.node = Some(self.storage.start_node(&self.chain, self.dir.path(), hint));
    }

    /// Stops the node and drops everything that is not on disk.
    pub(crate) fn stop_node(&mut self) {
        assert!(self.monitoring.is_none(), "monitoring has stopped");
        let node = self.node.take().expect("a running node");
        let weak = Arc::downgrade(node.node());
        drop(node);
        assert!(weak.upgrade().is_none(), "no reference to the node is left");
        self.storage.close();
    }

    /// Starts monitoring with the history in the file, as a wallet does at its start.
    pub(crate) fn start_monitoring_every(&mut self, interval: Duration) {
        assert!(self.monitoring.is_none(), "not monitored yet");
        let node = self.node.as_ref().expect("a running node").node();
        self.monitoring =
            Some(Monitoring::start(node, &self.hint, self.storage.fitness(self.dir()), interval));
    }

    /// Starts monitoring with the default interval.
    pub(crate) fn start_monitoring(&mut self) {
        self.start_monitoring_every(POLL_INTERVAL);
    }

    /// Stops monitoring and stores all changes. The returned handle still answers queries.
    pub(crate) fn stop_monitoring(&mut self) -> Handle {
        self.monitoring.take().expect("a monitored wallet").stop()
    }

    /// Stops monitoring as a crash does: nothing more is stored.
    pub(crate) fn crash_monitoring(&mut self) {
        self.monitoring.take().expect("a monitored wallet").crash();
    }

    /// Returns the directory of all data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.dir().join("fitness.redb")
    }

    /// Returns the public key, also while the node is stopped.
    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }

    pub(crate) fn id(&self) -> NodeId {
        convert::node_id(&self.key)
    }

    pub(crate) fn local(&self) -> &RegtestNode {
        self.node.as_ref().expect("a running node")
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        self.local().node()
    }

    pub(crate) fn handle(&self) -> Handle {
        self.monitoring.as_ref().expect("a monitored wallet").handle()
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes::since_now(&self.handle())
    }

    /// Waits until all recorded changes are in the file.
    pub(crate) fn flush(&self) {
        self.monitoring.as_ref().expect("a monitored wallet").flush();
    }

    /// Returns the report on a peer.
    #[track_caller]
    pub(crate) fn report(&self, peer: &Peer) -> PeerReport {
        self.handle().peer(&peer.id()).expect("a known peer")
    }

    #[track_caller]
    pub(crate) fn wait_for_presence(&self, peer: &Peer, presence: Presence) {
        let (handle, id) = (self.handle(), peer.id());
        wait_until(&format!("{presence:?}"), || {
            handle.peer(&id).is_some_and(|peer| peer.presence == presence)
        });
    }

    /// Funds the wallet and the peers with enough for any test.
    pub(crate) fn fund(&self, peers: &[&Peer]) {
        let nodes: Vec<_> =
            std::iter::once(self.local()).chain(peers.iter().map(|peer| peer.local())).collect();
        fund_nodes(&self.chain, &nodes, Amount::from_sat(2_000_000)).unwrap();
    }

    /// Opens a channel with each peer through its proxy, and waits until all channels are reported as usable.
    /// A peer that is listed twice gets two channels.
    pub(crate) fn open_channels(&self, peers: &[&Peer]) {
        let to: Vec<_> = peers.iter().map(|peer| (peer.local(), peer.addr())).collect();
        open_channels(&self.chain, self.local(), &to, Amount::from_sat(CHANNEL_SATS)).unwrap();
        for peer in peers {
            self.wait_for_usable(peer, true);
        }
    }

    /// Waits until the peer is online and all its channels are reported as usable, or all as unusable.
    #[track_caller]
    pub(crate) fn wait_for_usable(&self, peer: &Peer, usable: bool) {
        wait_until(&format!("usable: {usable}"), || {
            let report = self.report(peer);
            report.presence == Presence::Online
                && report.channels.iter().all(|channel| channel.usable == Some(usable))
        });
    }

    /// Returns the only channel with a peer, as the node lists it.
    #[track_caller]
    pub(crate) fn channel_with(&self, peer: &Peer) -> ChannelDetails {
        let [channel] = &self.channels_with(peer)[..] else { panic!("one channel with the peer") };
        channel.clone()
    }

    /// Returns the channels with a peer, as the node lists them.
    pub(crate) fn channels_with(&self, peer: &Peer) -> Vec<ChannelDetails> {
        let mut channels = self.node().list_channels();
        channels.retain(|channel| channel.counterparty_node_id == peer.key());
        channels
    }

    /// Dials a peer until a connection is established.
    pub(crate) fn dial(&self, peer: &Peer) {
        wait_until("a connection", || self.node().connect(peer.key(), peer.addr().into(), true).is_ok());
    }

    /// Cuts the connection to a peer, and waits until the peer is reported as offline.
    pub(crate) fn cut(&self, peer: &Peer) {
        peer.proxy().cut();
        self.wait_for_presence(peer, Presence::Offline);
    }

    /// Restores the connection to a peer, and waits until the peer is reported as online.
    pub(crate) fn restore(&self, peer: &Peer) {
        peer.proxy().restore();
        self.dial(peer);
        self.wait_for_presence(peer, Presence::Online);
    }

    /// Mines blocks, and waits until the wallet and the peers have synced.
    pub(crate) fn mine(&self, blocks: u32, peers: &[&Peer]) {
        self.chain.mine(blocks);
        self.node().sync_wallets().unwrap();
        for peer in peers {
            peer.node().sync_wallets().unwrap();
        }
    }
}

/// Forwards the node's log to tracing.
struct TracingLogWriter;

impl LogWriter for TracingLogWriter {
    fn log(&self, record: LogRecord<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
    }
}
