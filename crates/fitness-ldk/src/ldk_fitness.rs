//! The entry point for wallets built on LDK itself.

use std::ops::Deref;
use std::sync::Arc;

use fitness_actor::Handle;
use fitness_core::Event;
use lightning::events;
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::APeerManager;
use lightning::util::logger::Record;

use crate::connections::{ConnectedPeers, ConnectionRecorder};
use crate::events::translate;
use crate::ldk_log::{self, LogSignal};
use crate::sequence::EventSequence;
use crate::snapshot::snapshot;

/// How often a snapshot is taken again because a channel event was recorded meanwhile, before it is
/// recorded regardless. Taking a snapshot lasts microseconds to milliseconds, and more than one event
/// in that time is rare.
const SNAPSHOT_ATTEMPTS: u32 = 8;

/// Records in the fitness service what a wallet's LDK objects do.
///
/// # Integration
///
/// 1. Wrap the custom message handler with [`LdkFitness::wrap`] before you construct the
///    `PeerManager`.
/// 2. Call [`LdkFitness::reconcile`] after you have constructed both managers and before you dial
///    peers. Repeat it about every ten seconds, because LDK emits no event when a channel stops being
///    usable (see below).
/// 3. Pass every event to [`LdkFitness::record_event`] at the start of the wallet's event handler.
/// 4. If the background processor runs with `mobile_interruptable_platform`, pass every log record
///    to [`LdkFitness::record_log`] in the wallet's logger.
/// 5. Call [`LdkFitness::pause`] before the wallet itself drops its connections: on shutdown, when a
///    phone app goes to the background, or when the network is known to be down. Otherwise these
///    disconnects count against the peers. Call [`LdkFitness::resume`] afterwards.
///
/// # Usable channels
///
/// A channel can be unusable while its peer is connected: it may be waiting for confirmations or for
/// its re-establishment, or it may be closing. LDK emits an event when a channel first becomes ready,
/// but no event for later changes; only LDK's channel list shows them. While the peer is online, a
/// channel therefore counts as usable or not according to the last event or
/// [`LdkFitness::reconcile`], and the usable time is off by at most the time between two calls of
/// `reconcile`. For a channel from an earlier run whose state was never reported, the state is unknown
/// until the first `reconcile` while its peer is connected.
///
/// # On a phone
///
/// - When the app goes to the background, call [`LdkFitness::pause`] while the app still runs. From
///   then on nothing counts, whether the system suspends the app, ends it or lets it run.
/// - When the app returns to the foreground, call [`LdkFitness::resume`] and then dial. Sockets that
///   look alive may be dead by then: peers that are disconnected or missing have the reconnect grace
///   period to come back, two minutes by default.
/// - If the system suspends the app without notice, the service detects this from its clocks,
///   provided that the suspension lasts longer than two of its stall check periods (ten seconds by
///   default). [`LdkFitness::record_log`] covers shorter suspensions.
///
/// Clones share their state.
#[derive(Clone, Debug)]
pub struct LdkFitness {
    handle: Handle,
    connected: Arc<ConnectedPeers>,
    sequence: Arc<EventSequence>,
}

impl LdkFitness {
    /// Creates an adapter between one LDK node and the service behind `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle, connected: Arc::default(), sequence: Arc::default() }
    }

    /// Wraps a custom message handler in one that forwards every call to `inner` and records connects
    /// and disconnects.
    ///
    /// Wallets without a custom message handler wrap LDK's `IgnoringMessageHandler {}`.
    pub fn wrap<H: Deref>(&self, inner: H) -> ConnectionRecorder<H> {
        self.connected.enable();
        ConnectionRecorder::new(inner, self.handle.clone(), Arc::clone(&self.connected))
    }

    /// Records which channels are open and usable, and which peers are connected, from LDK's lists.
    ///
    /// This also finds channels that were opened or closed while the service was not running. It may
    /// be repeated at any time and costs as much as the two lists do.
    ///
    /// This takes LDK's locks: never call it from one of LDK's callbacks, such as those of a message
    /// handler. Calling it from an event handler is safe.
    pub fn reconcile<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
    where
        CM: Deref<Target: AChannelManager>,
        PM: Deref<Target: APeerManager>,
    {
        for attempt in 1.. {
            let number = self.sequence.number();
            let snapshot = snapshot(channel_manager, peer_manager, self.handle.now());
            let (channels, connected) = (snapshot.channels.len(), snapshot.connected.len());
            let record = || self.handle.record(Event::Snapshot(snapshot));
            if attempt == SNAPSHOT_ATTEMPTS {
                record();
            } else if !self.sequence.record_snapshot(number, record) {
                continue;
            }
            tracing::debug!(channels, connected, "reconciled");
            return;
        }
    }

    /// Records that a channel was opened, closed or spliced. Ignores all other events, so every event
    /// can be passed to it.
    ///
    /// LDK delivers events at least once; recording an event again has no effect. This method neither
    /// waits nor fails.
    pub fn record_event(&self, event: &events::Event) {
        let is_connected = |node_id: &_| match self.connected.contains(node_id) {
            Some(connected) => Some(connected),
            None => self.handle.is_connected(node_id),
        };
        let events = translate(event, is_connected);
        if events.is_empty() {
            return;
        }
        tracing::debug!(?events, "channel event");
        self.sequence.record_event(|| events.into_iter().for_each(|event| self.handle.record(event)));
    }

    /// Detects process stalls from a record of LDK's log. Ignores all other records, so every record,
    /// traces included, can be passed to it.
    ///
    /// LDK's background processor, if it runs with `mobile_interruptable_platform`, drops all
    /// connections after a stall of more than a second, because LDK assumes that they are dead. It
    /// reports this beforehand and only in its log. The peers are not at fault, and this method keeps
    /// the disconnects from counting against them: it records at least that second as unobserved, and
    /// peers that are disconnected afterwards have the reconnect grace period to come back.
    ///
    /// LDK measures a stall with the sleeper that it is given, whose time must run from the call on.
    /// The time of an `async` block around `tokio::time::sleep` runs from when the block is first
    /// polled: with such a sleeper LDK never detects a stall and drops no connections.
    ///
    /// LDK logs with its locks held. This method does not call LDK, and neither waits nor fails.
    pub fn record_log(&self, record: &Record<'_>) {
        if ldk_log::recognize(record.module_path, record.args) == Some(LogSignal::Stalled) {
            // LDK does not log how long the stall lasted.
            let since = self.handle.now().before_nanos(ldk_log::MIN_STALL_NS);
            self.handle.record(Event::Unobserved { since });
            let reported_by_ldk = true;
            tracing::warn!(%since, reported_by_ldk, "process stalled; disconnects are attributed to us");
        }
    }

    /// Pauses monitoring: from now on neither online nor offline time counts for any peer. Call this
    /// before the wallet disconnects from its peers or goes offline. Calling it again has no effect.
    pub fn pause(&self) {
        self.handle.record(Event::ObservationPaused);
    }

    /// Resumes monitoring after [`LdkFitness::pause`]. Peers that were online before the pause have the
    /// reconnect grace period to come back before they count as offline. Without a preceding pause this
    /// is the same as [`LdkFitness::reconcile`].
    ///
    /// Like [`LdkFitness::reconcile`], this must not be called from LDK's callbacks.
    pub fn resume<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
    where
        CM: Deref<Target: AChannelManager>,
        PM: Deref<Target: APeerManager>,
    {
        self.handle.record(Event::ObservationResumed);
        self.reconcile(channel_manager, peer_manager);
    }
}
