//! The wallet: its node, and what it takes to have its peers watched.

use std::sync::Arc;
use std::time::Duration;

use fitness_actor::{Handle, Service};
use fitness_core::GapRecord;
use fitness_ldk::{ConnectionHint, NodeMonitor, convert};
use fitness_regtest::RegtestNode;
use fitness_store::Store;
use ldk_node::Node;
use ldk_node::bitcoin::secp256k1::PublicKey;
use tokio::task::JoinHandle;

use super::blocking;
use super::stage::Peer;
use crate::error::CliError;
use crate::listen::{Front, Serving};

/// How often the wallet looks by itself who is connected. A hint of the node's log makes it look earlier,
/// so this is the most that any moment may be off.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// A wallet that is watched.
pub(super) struct Wallet {
    node: Arc<RegtestNode>,
    store: Arc<dyn Store>,
    service: Service,
    monitor: Arc<NodeMonitor>,
    events: JoinHandle<()>,
    serving: Option<Serving>,
}

impl Wallet {
    /// This is all that a wallet adds: the service, the monitor, and its events.
    pub(super) async fn watch(
        node: RegtestNode,
        store: Arc<dyn Store>,
        hint: &ConnectionHint,
        front: Option<&mut Front>,
    ) -> Result<Self, CliError> {
        let service = Service::builder(convert::node_id(&node.id()), Arc::clone(&store)).start().await?;
        let monitor =
            NodeMonitor::builder(node.node(), service.handle()).poll_interval(LOOK).hint(hint).start();
        let monitor = Arc::new(monitor.map_err(CliError::Runtime)?);
        let events = tokio::spawn(follow_events(Arc::clone(node.node()), Arc::clone(&monitor)));
        let serving = match front {
            Some(front) => Some(front.serve(service.handle()).await?),
            None => None,
        };
        Ok(Self { node: Arc::new(node), store, service, monitor, events, serving })
    }

    /// Shuts the wallet down as one does that is closed by its user: all is stored, and nothing is left
    /// of it but its files.
    pub(super) async fn close(self) -> Result<(), CliError> {
        let Self { node, store, service, monitor, events, serving } = self;
        if let Some(serving) = serving {
            serving.stop().await;
        }
        events.abort();
        // An aborted task is done when its last turn is; only then is the monitor ours alone.
        let _ = events.await;
        if let Some(monitor) = Arc::into_inner(monitor) {
            monitor.stop().await;
        }
        drop(store);
        service.shutdown().await?;
        // Nodes stop slowly.
        blocking(move || drop(node)).await
    }

    pub(super) fn node(&self) -> &Arc<RegtestNode> {
        &self.node
    }

    pub(super) fn handle(&self) -> Handle {
        self.service.handle()
    }

    /// Connects to a peer, as a wallet does for a user who opens it; a connection that is there stays.
    /// Whether there is one then.
    pub(super) async fn dial(&self, peer: &Peer) -> Result<bool, CliError> {
        let node: Arc<Node> = Arc::clone(self.node.node());
        let (id, addr): (PublicKey, _) = (peer.id(), peer.addr());
        let dialled = blocking(move || node.connect(id, addr.into(), true)).await?;
        if let Err(error) = &dialled {
            tracing::warn!(peer = %peer.node_id(), %error, "the wallet could not connect");
        }
        Ok(dialled.is_ok())
    }

    /// The gaps of our own that are over, as stored.
    pub(super) async fn gaps(&self) -> Result<Vec<GapRecord>, CliError> {
        // What cannot be stored shows in what is read.
        let _ = self.handle().flush().await;
        Ok(self.store.gaps(&self.handle().observer(), 0, usize::MAX).await?)
    }
}

/// The wallet's own loop, as every ldk-node wallet has one.
async fn follow_events(wallet: Arc<Node>, monitor: Arc<NodeMonitor>) {
    loop {
        let event = wallet.next_event_async().await;
        monitor.record_event(&event);
        if let Err(error) = wallet.event_handled() {
            tracing::warn!(%error, "an event could not be marked as handled");
            return;
        }
    }
}
