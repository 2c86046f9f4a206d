//! Who is connected, as LDK's `PeerManager` tells its custom message handler.

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

/// A custom message handler that reports connections and hands everything on to another one.
///
/// To LDK it is the inner handler: messages, features and refusals are the inner handler's own.
/// What it adds is one event for each connection that comes up or goes down. A peer is reported
/// online once the inner handler has accepted it; one that it refuses is not reported at all, since
/// LDK drops it without a disconnect.
///
/// It is made by [`LdkFitness::wrap`](crate::LdkFitness::wrap), and meant for the field
/// `custom_message_handler` of LDK's `MessageHandler`, behind an `Arc`.
///
/// LDK calls it with its peer locks held. It adds two short locks that are never held while
/// anybody else's code runs, does no I/O and never calls LDK.
#[derive(Debug)]
pub struct ConnectionRecorder<H> {
    inner: H,
    handle: Handle,
    connected: Arc<Connected>,
}

impl<H> ConnectionRecorder<H> {
    pub(crate) fn new(inner: H, handle: Handle, connected: Arc<Connected>) -> Self {
        Self { inner, handle, connected }
    }

    /// The handler that everything is handed on to.
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
        tracing::trace!(peer = %node_id, "disconnected");
        self.inner.peer_disconnected(their_node_id);
    }

    fn peer_connected(&self, their_node_id: PublicKey, msg: &Init, inbound: bool) -> Result<(), ()> {
        self.inner.peer_connected(their_node_id, msg, inbound)?;
        let node_id = convert::node_id(&their_node_id);
        self.connected.insert(node_id);
        self.handle.record(Event::PeerOnline { node_id });
        tracing::trace!(peer = %node_id, inbound, "connected");
        Ok(())
    }

    fn provided_node_features(&self) -> NodeFeatures {
        self.inner.provided_node_features()
    }

    fn provided_init_features(&self, their_node_id: PublicKey) -> InitFeatures {
        self.inner.provided_init_features(their_node_id)
    }
}

/// The peers that are connected at present, strangers included.
///
/// The tracker knows them, too, but forgets the strangers when observation pauses; and a channel
/// may open with a stranger afterwards.
#[derive(Debug, Default)]
pub(crate) struct Connected(Mutex<Option<HashSet<NodeId>>>);

impl Connected {
    /// From now on every connection is told.
    ///
    /// A `PeerManager` is given its handlers before it has a connection, so what was not told is
    /// not connected.
    pub(crate) fn attach(&self) {
        self.lock().get_or_insert_with(HashSet::new);
    }

    /// Whether a peer is connected; `None` where connections are not told.
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
        // No code of others runs under this lock, and a set survives a panic whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
