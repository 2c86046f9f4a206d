//! The wallet: an ldk-node node with ldk-fitness.

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
use super::network::Peer;
use crate::error::CliError;
use crate::listen::{DashboardServer, RunningServer};

/// How often the monitor polls the node's connections. Log messages of the node trigger earlier polls, so
/// this is the maximum error of a measured time.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A running wallet.
pub(super) struct Wallet {
    node: Arc<RegtestNode>,
    store: Arc<dyn Store>,
    service: Service,
    monitor: Arc<NodeMonitor>,
    event_task: JoinHandle<()>,
    server: Option<RunningServer>,
}

impl Wallet {
    /// Starts ldk-fitness for a node as a wallet would: the service, the monitor and the event loop.
    pub(super) async fn start(
        node: RegtestNode,
        store: Arc<dyn Store>,
        hint: &ConnectionHint,
        server: Option<&mut DashboardServer>,
    ) -> Result<Self, CliError> {
        let service = Service::builder(convert::node_id(&node.id()), Arc::clone(&store)).start().await?;
        let monitor = NodeMonitor::builder(node.node(), service.handle())
            .poll_interval(POLL_INTERVAL)
            .hint(hint)
            .start();
        let monitor = Arc::new(monitor.map_err(CliError::Runtime)?);
        let event_task = tokio::spawn(handle_events(Arc::clone(node.node()), Arc::clone(&monitor)));
        let server = match server {
            Some(server) => Some(server.serve(service.handle()).await?),
            None => None,
        };
        Ok(Self { node: Arc::new(node), store, service, monitor, event_task, server })
    }

    /// Shuts the wallet down in an orderly way: everything is stored, and only its files remain.
    pub(super) async fn shut_down(self) -> Result<(), CliError> {
        let Self { node, store, service, monitor, event_task, server } = self;
        if let Some(server) = server {
            server.stop().await;
        }
        event_task.abort();
        // Wait until the aborted task has dropped its reference to the monitor.
        let _ = event_task.await;
        if let Some(monitor) = Arc::into_inner(monitor) {
            monitor.stop().await;
        }
        drop(store);
        service.shutdown().await?;
        // Dropping a node blocks until it has stopped.
        blocking(move || drop(node)).await
    }

    pub(super) fn node(&self) -> &Arc<RegtestNode> {
        &self.node
    }

    pub(super) fn handle(&self) -> Handle {
        self.service.handle()
    }

    /// Connects to a peer unless it is connected already, as a wallet does when it is opened. Returns whether
    /// the peer is connected.
    pub(super) async fn connect(&self, peer: &Peer) -> Result<bool, CliError> {
        let node: Arc<Node> = Arc::clone(self.node.node());
        let (id, addr): (PublicKey, _) = (peer.id(), peer.addr());
        let connected = blocking(move || node.connect(id, addr.into(), true)).await?;
        if let Err(error) = &connected {
            tracing::warn!(peer = %peer.node_id(), %error, "connection attempt failed");
        }
        Ok(connected.is_ok())
    }

    /// Reads the stored monitoring gaps. An ongoing gap is not stored yet.
    pub(super) async fn stored_gaps(&self) -> Result<Vec<GapRecord>, CliError> {
        // If the flush fails, the missing gaps fail the verification.
        let _ = self.handle().flush().await;
        Ok(self.store.gaps(&self.handle().observer(), 0, usize::MAX).await?)
    }
}

/// Handles the node's events, as each ldk-node wallet does.
async fn handle_events(node: Arc<Node>, monitor: Arc<NodeMonitor>) {
    loop {
        let event = node.next_event_async().await;
        monitor.record_event(&event);
        if let Err(error) = node.event_handled() {
            tracing::warn!(%error, "event not marked as handled");
            return;
        }
    }
}
