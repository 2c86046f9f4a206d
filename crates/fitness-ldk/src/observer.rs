//! The entry for wallets on LDK itself.

use std::ops::Deref;
use std::sync::Arc;

use fitness_actor::Handle;
use fitness_core::Event;
use lightning::events;
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::APeerManager;

use crate::gate::Gate;
use crate::peers::{Connected, PeerObserver};
use crate::{events as channel_events, seed};

/// How often a list is made anew because an event overtook it, before it is taken as it is. A list
/// takes microseconds to milliseconds; more than one event in that time is rare.
const SEED_ATTEMPTS: u32 = 8;

/// Tells the fitness service what a wallet's LDK objects do.
///
/// # Protocol
///
/// 1. [`LdkFitness::wrap`] the custom message handler, before the `PeerManager` is made of it.
/// 2. [`LdkFitness::seed`] once both managers are there, before peers are dialled.
/// 3. [`LdkFitness::observe`] every event, first thing in the wallet's event handler.
/// 4. [`LdkFitness::pause`] before the wallet itself drops its connections: on shutdown, when a
///    phone app goes to the background, when the network is known to be out. Otherwise that would
///    be held against the peers. [`LdkFitness::resume`] when it is back.
///
/// Clones are the same observer.
#[derive(Clone, Debug)]
pub struct LdkFitness {
    handle: Handle,
    connected: Arc<Connected>,
    gate: Arc<Gate>,
}

impl LdkFitness {
    /// An observer for one LDK node that tells the service behind `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle, connected: Arc::default(), gate: Arc::default() }
    }

    /// A custom message handler that hands everything on to `inner` and reports who connects and
    /// who disconnects.
    ///
    /// Wallets without one of their own wrap LDK's `IgnoringMessageHandler {}`.
    pub fn wrap<H: Deref>(&self, inner: H) -> PeerObserver<H> {
        self.connected.attach();
        PeerObserver::new(inner, self.handle.clone(), Arc::clone(&self.connected))
    }

    /// Tells which channels are open and which peers are connected, where that is not known.
    ///
    /// It may be repeated at any time, and costs what the two lists cost. What was opened or closed
    /// while we were not running becomes known by it.
    ///
    /// This takes LDK's locks: never call it from one of LDK's callbacks, such as a message
    /// handler's. An event handler may.
    pub fn seed<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
    where
        CM: Deref<Target: AChannelManager>,
        PM: Deref<Target: APeerManager>,
    {
        for attempt in 1.. {
            let passed = self.gate.passed();
            let snapshot = seed::snapshot(channel_manager, peer_manager, self.handle.now());
            let (channels, connected) = (snapshot.channels.len(), snapshot.connected.len());
            let record = || self.handle.record(Event::Snapshot(snapshot));
            if attempt == SEED_ATTEMPTS {
                record();
            } else if !self.gate.listing(passed, record) {
                continue;
            }
            tracing::debug!(channels, connected, "seeded");
            return;
        }
    }

    /// Takes note of an LDK event: of channels that open, close or are spliced. All others are
    /// ignored, so that it can be handed every event.
    ///
    /// LDK delivers events at least once; a replay does no harm. This neither waits nor fails.
    pub fn observe(&self, event: &events::Event) {
        let is_connected = |node_id: &_| match self.connected.contains(node_id) {
            Some(connected) => Some(connected),
            None => self.handle.is_connected(node_id),
        };
        if let Some(event) = channel_events::translate(event, is_connected) {
            tracing::debug!(?event, "channel");
            self.gate.event(|| self.handle.record(event));
        }
    }

    /// From now on nobody's absence counts: we are about to go, or cannot reach anyone.
    pub fn pause(&self) {
        self.handle.record(Event::ObservationPaused);
    }

    /// The end of [`LdkFitness::pause`]: from now on absence counts again.
    ///
    /// As [`LdkFitness::seed`], not to be called from LDK's callbacks.
    pub fn resume<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
    where
        CM: Deref<Target: AChannelManager>,
        PM: Deref<Target: APeerManager>,
    {
        self.handle.record(Event::ObservationResumed);
        self.seed(channel_manager, peer_manager);
    }
}
