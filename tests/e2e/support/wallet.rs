//! The wallet under observation: an ldk-node that can go down and come back, and its watch.

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

use super::storage::Storage;
use super::watch::Watch;
use super::{CHANNEL_SATS, Changes, Peer, log, until};

/// How often the monitor looks by itself: the default.
const INTERVAL: Duration = Duration::from_secs(1);

// The watch stands before the node, and so ends first: its event loop must not be the last to hold
// the node, which cannot be dropped within a runtime.
pub(crate) struct Wallet {
    watch: Option<Watch>,
    node: Option<RegtestNode>,
    hint: Arc<ConnectionHint>,
    key: PublicKey,
    chain: Chain,
    storage: Storage,
    dir: TempDir,
}

impl Wallet {
    /// A running wallet that is watched.
    pub(crate) fn start(chain: &Chain) -> Self {
        let mut wallet = Self::start_unwatched(chain);
        wallet.watch(INTERVAL);
        wallet
    }

    /// The same, with its fitness in the node's own store.
    pub(crate) fn start_sharing(chain: &Chain) -> Self {
        let mut wallet = Self::start_on(chain, Storage::Shared(None));
        wallet.watch(INTERVAL);
        wallet
    }

    pub(crate) fn start_unwatched(chain: &Chain) -> Self {
        Self::start_on(chain, Storage::Apart)
    }

    fn start_on(chain: &Chain, mut storage: Storage) -> Self {
        log();
        let dir = tempfile::tempdir().unwrap();
        let hint = ConnectionHint::wrapping(Arc::new(Traced));
        let node = storage.start_node(chain, dir.path(), Arc::<ConnectionHint>::clone(&hint));
        Self { watch: None, key: node.id(), node: Some(node), hint, chain: chain.clone(), storage, dir }
    }

    /// Starts the node on what it stored before.
    pub(crate) fn start_node(&mut self) {
        assert!(self.node.is_none(), "it is down");
        let hint = Arc::<ConnectionHint>::clone(&self.hint);
        self.node = Some(self.storage.start_node(&self.chain, self.dir.path(), hint));
    }

    /// Stops the node and forgets all of it that is not on the disk.
    pub(crate) fn stop_node(&mut self) {
        assert!(self.watch.is_none(), "the watch holds the node");
        let node = self.node.take().expect("it is up");
        let gone = Arc::downgrade(node.node());
        drop(node);
        assert!(gone.upgrade().is_none(), "somebody still holds the node");
        self.storage.close();
    }

    /// Starts to watch, as a wallet does that was just started, with what the file knows.
    pub(crate) fn watch(&mut self, interval: Duration) {
        assert!(self.watch.is_none(), "it is not watched");
        let node = self.node.as_ref().expect("it is up").node();
        self.watch = Some(Watch::start(node, &self.hint, self.storage.fitness(self.dir()), interval));
    }

    /// As [`Wallet::watch`], as often as is the default.
    pub(crate) fn watch_as_usual(&mut self) {
        self.watch(INTERVAL);
    }

    /// Ends the watch in good order; all is stored. The handle still answers.
    pub(crate) fn unwatch(&mut self) -> Handle {
        self.watch.take().expect("it is watched").end()
    }

    /// Ends the watch as a crash does: nothing more is stored.
    pub(crate) fn crash_watch(&mut self) {
        self.watch.take().expect("it is watched").crash();
    }

    /// Where all of it is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.dir().join("fitness.redb")
    }

    /// Its name, also while it is down.
    pub(crate) fn key(&self) -> PublicKey {
        self.key
    }

    pub(crate) fn id(&self) -> NodeId {
        convert::node_id(&self.key)
    }

    pub(crate) fn local(&self) -> &RegtestNode {
        self.node.as_ref().expect("it is up")
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        self.local().node()
    }

    pub(crate) fn handle(&self) -> Handle {
        self.watch.as_ref().expect("it is watched").handle()
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes::since_now(&self.handle())
    }

    /// Waits until all that was recorded is in the file.
    pub(crate) fn flush(&self) {
        self.watch.as_ref().expect("it is watched").flush();
    }

    /// What is known of a peer.
    #[track_caller]
    pub(crate) fn report(&self, peer: &Peer) -> PeerReport {
        self.handle().peer(&peer.id()).expect("the peer is known")
    }

    #[track_caller]
    pub(crate) fn until_presence(&self, peer: &Peer, presence: Presence) {
        let (handle, id) = (self.handle(), peer.id());
        until(&format!("{presence:?}"), || handle.peer(&id).is_some_and(|peer| peer.presence == presence));
    }

    /// Gives the wallet and the peers money enough for any test.
    pub(crate) fn fund(&self, peers: &[&Peer]) {
        let nodes: Vec<_> =
            std::iter::once(self.local()).chain(peers.iter().map(|peer| peer.local())).collect();
        fund_nodes(&self.chain, &nodes, Amount::from_sat(2_000_000)).unwrap();
    }

    /// Opens a channel with each peer, through its proxy, and waits until all are seen to be usable, and
    /// so every peer to be online. A peer named twice gets two.
    pub(crate) fn open_channels(&self, peers: &[&Peer]) {
        let to: Vec<_> = peers.iter().map(|peer| (peer.local(), peer.addr())).collect();
        open_channels(&self.chain, self.local(), &to, Amount::from_sat(CHANNEL_SATS)).unwrap();
        for peer in peers {
            self.until_usable(peer, true);
        }
    }

    /// Waits until all channels with a peer that is online are seen to be usable, or none of them.
    #[track_caller]
    pub(crate) fn until_usable(&self, peer: &Peer, usable: bool) {
        until(&format!("usable: {usable}"), || {
            let report = self.report(peer);
            report.presence == Presence::Online
                && report.channels.iter().all(|channel| channel.usable == usable.into())
        });
    }

    /// The only channel with a peer, as the node lists it.
    #[track_caller]
    pub(crate) fn channel_with(&self, peer: &Peer) -> ChannelDetails {
        let [channel] = &self.channels_with(peer)[..] else { panic!("one channel with the peer") };
        channel.clone()
    }

    /// The channels with a peer, as the node lists them.
    pub(crate) fn channels_with(&self, peer: &Peer) -> Vec<ChannelDetails> {
        let mut channels = self.node().list_channels();
        channels.retain(|channel| channel.counterparty_node_id == peer.key());
        channels
    }

    /// Dials a peer until it answers.
    pub(crate) fn dial(&self, peer: &Peer) {
        until("a connection", || self.node().connect(peer.key(), peer.addr().into(), true).is_ok());
    }

    /// Cuts a peer off, and waits until that is noticed.
    pub(crate) fn cut(&self, peer: &Peer) {
        peer.proxy().cut();
        self.until_presence(peer, Presence::Offline);
    }

    /// Lets a peer back, dials it, and waits until that is noticed.
    pub(crate) fn restore(&self, peer: &Peer) {
        peer.proxy().restore();
        self.dial(peer);
        self.until_presence(peer, Presence::Online);
    }

    /// Mines, and waits until the wallet and the peers have seen it.
    pub(crate) fn mine(&self, blocks: u32, peers: &[&Peer]) {
        self.chain.mine(blocks);
        self.node().sync_wallets().unwrap();
        for peer in peers {
            peer.node().sync_wallets().unwrap();
        }
    }
}

/// The node's log, for whoever asks for it with `RUST_LOG`.
struct Traced;

impl LogWriter for Traced {
    fn log(&self, record: LogRecord<'_>) {
        tracing::debug!(target: "ldk", module = record.module_path, "{}", record.args);
    }
}
