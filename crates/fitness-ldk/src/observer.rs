//! The entry for wallets on LDK itself.

use std::ops::Deref;
use std::sync::Arc;

use fitness_actor::Handle;
use fitness_core::Event;
use lightning::events;
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::APeerManager;
use lightning::util::logger::Record;

use crate::gate::Gate;
use crate::log::{self, Sign};
use crate::peers::{Connected, ConnectionRecorder};
use crate::{events as channel_events, seed};

/// How often a list is made anew because an event overtook it, before it is taken as it is. A list
/// takes microseconds to milliseconds; more than one event in that time is rare.
const SEED_ATTEMPTS: u32 = 8;

/// Tells the fitness service what a wallet's LDK objects do.
///
/// # Protocol
///
/// 1. [`LdkFitness::wrap`] the custom message handler, before the `PeerManager` is made of it.
/// 2. [`LdkFitness::reconcile`] once both managers are there, before peers are dialled; and again every
///    ten seconds or so, for what LDK tells nobody (see below).
/// 3. [`LdkFitness::record_event`] every event, first thing in the wallet's event handler.
/// 4. [`LdkFitness::record_log`] every record, in the wallet's logger, where the background processor
///    runs with `mobile_interruptable_platform`.
/// 5. [`LdkFitness::pause`] before the wallet itself drops its connections: on shutdown, when a
///    phone app goes to the background, when the network is known to be out. Otherwise that would
///    be held against the peers. [`LdkFitness::resume`] when it is back.
///
/// # Usable channels
///
/// A channel can be of no use while its peer is connected: it waits for confirmations, or to be
/// re-established, or is being closed. LDK's events tell when it is ready first, and none tells of
/// what comes after that; LDK's list does. So a channel counts as usable, while its peer is online,
/// as the last event or [`LdkFitness::reconcile`] said, and is off by the time between two of the latter
/// at most. Of a channel of an earlier run that was never told, nothing is known until the
/// first seed with its peer connected.
///
/// # On a phone
///
/// - When the app goes to the background: [`LdkFitness::pause`], while it still runs. From then on
///   nothing counts, whether the system suspends the app, ends it or lets it go on.
/// - When it is back: [`LdkFitness::resume`], and then dial. Sockets that look alive may be dead by then:
///   peers that are lost or missing have the grace to come back, two minutes by default.
/// - Where the app is suspended without being told, the service notices by itself, by its clocks, if
///   that took longer than two of its pulses, ten seconds by default. For what is shorter there is
///   [`LdkFitness::record_log`].
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
    pub fn wrap<H: Deref>(&self, inner: H) -> ConnectionRecorder<H> {
        self.connected.attach();
        ConnectionRecorder::new(inner, self.handle.clone(), Arc::clone(&self.connected))
    }

    /// Tells which channels are open and which peers are connected, where that is not known.
    ///
    /// It may be repeated at any time, and costs what the two lists cost. What was opened or closed
    /// while we were not running becomes known by it, and which channels are usable.
    ///
    /// This takes LDK's locks: never call it from one of LDK's callbacks, such as a message
    /// handler's. An event handler may.
    pub fn reconcile<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
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
    pub fn record_event(&self, event: &events::Event) {
        let is_connected = |node_id: &_| match self.connected.contains(node_id) {
            Some(connected) => Some(connected),
            None => self.handle.is_connected(node_id),
        };
        let events = channel_events::translate(event, is_connected);
        if events.is_empty() {
            return;
        }
        tracing::debug!(?events, "channel");
        self.gate.event(|| events.into_iter().for_each(|event| self.handle.record(event)));
    }

    /// Takes note of a record of LDK's log. All but one are ignored, so that it can be handed every
    /// record, traces included.
    ///
    /// LDK's background processor, where it runs with `mobile_interruptable_platform`, drops all
    /// connections after it was held up for a second: LDK takes it that they are dead. It says so in
    /// its log before, and nowhere else. That is not the peers' fault, and with this it is not held
    /// against them: at least that second is unobserved, and who is lost then has the grace to come back.
    ///
    /// LDK finds out by the sleeper that it is given, whose time has to run from the call on. That of
    /// an `async` block around `tokio::time::sleep` runs from when it is first polled: with such a one
    /// LDK never finds out, and drops nobody.
    ///
    /// LDK logs with its locks held. This calls nothing of LDK's, and neither waits nor fails.
    pub fn record_log(&self, record: &Record<'_>) {
        if log::sign(record.module_path, record.args) == Some(Sign::HeldUp) {
            // For how long it does not say.
            let since = self.handle.now().before_nanos(log::HELD_UP_NS);
            self.handle.record(Event::Unobserved { since });
            tracing::warn!(%since, "held up: whose connection is lost now was lost by us");
        }
    }

    /// From now on nobody's absence counts: we are about to go, or cannot reach anyone. Neither does
    /// anybody's presence. Repeated, it changes nothing.
    pub fn pause(&self) {
        self.handle.record(Event::ObservationPaused);
    }

    /// The end of [`LdkFitness::pause`]: from now on absence counts again, for those who were online
    /// before once they have had the grace to come back. Without a pause it is a [`LdkFitness::reconcile`].
    ///
    /// As [`LdkFitness::reconcile`], not to be called from LDK's callbacks.
    pub fn resume<CM, PM>(&self, channel_manager: &CM, peer_manager: &PM)
    where
        CM: Deref<Target: AChannelManager>,
        PM: Deref<Target: APeerManager>,
    {
        self.handle.record(Event::ObservationResumed);
        self.reconcile(channel_manager, peer_manager);
    }
}
