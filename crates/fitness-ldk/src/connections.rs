//! Records connects and disconnects that LDK's `PeerManager` reports to its custom message handler.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_actor::Handle;
use fitness_core::{Event, NodeId};
use lightning::bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::{DecodeError, Init, LightningError};
use lightning::ln::peer_handler::CustomMessageHandler;
use lightning::ln::wire::CustomMessageReader;
use lightning::types::features::{InitFeatures, NodeFeatures};
use lightning::util::ser::LengthLimitedRead;

use crate::convert;

/// A custom message handler that records connects and disconnects and forwards every call to another
/// handler.
///
/// LDK sees the messages, features and rejections of the inner handler unchanged. This wrapper adds one
/// event for each connection that is established or closed. A peer is recorded as online after the
/// inner handler has accepted it. A peer that the inner handler rejects is not recorded at all, because
/// LDK drops it without reporting a disconnect.
///
/// Create it with [`LdkFitness::wrap`](crate::LdkFitness::wrap) and use it, behind an `Arc`, as the
/// `custom_message_handler` of LDK's `MessageHandler`.
///
/// LDK calls it with its peer locks held. The wrapper takes two more locks, briefly and never while
/// calling LDK or the inner handler, and does no I/O.
#[derive(Debug)]
pub struct ConnectionRecorder<H> {
    inner: H,
    handle: Handle,
    connected: Arc<ConnectedPeers>,
}

impl<H> ConnectionRecorder<H> {
    pub(crate) fn new(inner: H, handle: Handle, connected: Arc<ConnectedPeers>) -> Self {
        Self { inner, handle, connected }
    }

    /// Returns the wrapped handler.
    pub fn inner(&self) -> &H {
        &self.inner
    }
}

impl<H: Deref> CustomMessageReader for ConnectionRecorder<H>
where
    H::Target: CustomMessageReader,
{
    type CustomMessage = <H::Target as CustomMessageReader>::CustomMessage;

    fn read<R: LengthLimitedRead>(
        &self,
        message_type: u16,
        buffer: &mut R,
    ) -> Result<Option<Self::CustomMessage>, DecodeError> {
        self.inner.read(message_type, buffer)
    }
}

impl<H: Deref> CustomMessageHandler for ConnectionRecorder<H>
where
    H::Target: CustomMessageHandler,
{
    fn handle_custom_message(
        &self,
        msg: Self::CustomMessage,
        sender_node_id: PublicKey,
    ) -> Result<(), LightningError> {
        self.inner.handle_custom_message(msg, sender_node_id)
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, Self::CustomMessage)> {
        self.inner.get_and_clear_pending_msg()
    }

    fn peer_disconnected(&self, their_node_id: PublicKey) {
        let node_id = convert::node_id(&their_node_id);
        self.connected.remove(&node_id);
        self.handle.record(Event::PeerOffline { node_id });
        tracing::trace!(peer = %node_id, "peer disconnected");
        self.inner.peer_disconnected(their_node_id);
    }

    fn peer_connected(&self, their_node_id: PublicKey, msg: &Init, inbound: bool) -> Result<(), ()> {
        self.inner.peer_connected(their_node_id, msg, inbound)?;
        let node_id = convert::node_id(&their_node_id);
        self.connected.insert(node_id);
        self.handle.record(Event::PeerOnline { node_id });
        tracing::trace!(peer = %node_id, inbound, "peer connected");
        Ok(())
    }

    fn provided_node_features(&self) -> NodeFeatures {
        self.inner.provided_node_features()
    }

    fn provided_init_features(&self, their_node_id: PublicKey) -> InitFeatures {
        self.inner.provided_init_features(their_node_id)
    }
}

/// The peers that are connected now, strangers included.
///
/// The tracker has them as well, but discards the strangers when monitoring pauses; a channel may be
/// opened with a stranger afterwards.
///
/// Holds `None` until connections are recorded.
#[derive(Debug, Default)]
pub(crate) struct ConnectedPeers(Mutex<Option<HashSet<NodeId>>>);

impl ConnectedPeers {
    /// Declares that every connection is recorded from now on.
    ///
    /// A `PeerManager` has its handlers before it has a connection, so a peer that was not recorded is
    /// not connected.
    pub(crate) fn enable(&self) {
        self.lock().get_or_insert_with(HashSet::new);
    }

    /// Returns whether a peer is connected, or `None` if connections are not recorded.
    pub(crate) fn contains(&self, node_id: &NodeId) -> Option<bool> {
        self.lock().as_ref().map(|peers| peers.contains(node_id))
    }

    fn insert(&self, node_id: NodeId) {
        self.lock().get_or_insert_with(HashSet::new).insert(node_id);
    }

    fn remove(&self, node_id: &NodeId) {
        self.lock().get_or_insert_with(HashSet::new).remove(node_id);
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashSet<NodeId>>> {
        // Only operations of the set run under this lock, and a panic cannot leave it inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
