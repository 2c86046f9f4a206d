//! The state machine: events in; answers, changes and deadlines out.

mod monitoring;
mod network_outage;
mod peer;
mod persist;
mod presence;
mod query;
mod reconcile;
mod reconnect_grace;
mod registry;
mod retention;
mod usability;

use alloc::vec::Vec;

use self::monitoring::Monitoring;
use self::network_outage::NetworkMonitor;
use self::peer::{Channel, Peer};
use self::reconnect_grace::GraceTimer;
use self::registry::Registry;
pub use self::retention::StoredLog;
use crate::clock::TrackerClock;
use crate::slab::{HashSeed, Slot, SlotSet};
use crate::{
    Change, ChannelId, ChannelOpened, ClockFaults, Event, NodeId, OutPoint, Presence, Timestamp,
    TrackerConfig,
};

/// Follows peers and channels.
///
/// # Protocol
///
/// 1. [`Tracker::new`], then [`Tracker::resume_observer`] and [`Tracker::resume_peer`] for what an earlier
///    process stored.
/// 2. [`Tracker::apply`] for every event, with the time at which it happened. The first is usually
///    a [`Snapshot`](crate::Snapshot) of what is open and connected.
/// 3. Questions at any time, with the time at which they are asked: they change nothing.
/// 4. When [`Tracker::commit_deadline`] has come: [`Tracker::drain_changes`], store them as one, then
///    [`Tracker::mark_stored`], or where that fails [`Tracker::requeue`]. When
///    [`Tracker::reconnect_grace_deadline`] has come: [`Tracker::advance`].
/// 5. Now and then [`Tracker::forget_expired`] and [`Tracker::downsampled`], or what is old is kept for ever.
///
/// # Time
///
/// Times should not go back, and nothing breaks when they do: up to a second is taken as the latest
/// time there was, more as a clock that was set back, while which no time passed. A step ahead of
/// more than ten years is a broken clock, and no time either. [`Tracker::clock_faults`] counts them.
/// All times that are handed out are in terms of the clock as it reads at that moment.
///
/// # Cost
///
/// `apply` of one event and the questions about one channel or peer are O(1) in the number of peers
/// and in the length of the history, windows O(log n) in that length; a snapshot is O(everything).
/// Memory is bounded by the peers followed and by [`TrackerConfig::with_log_capacity`].
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    clock: TrackerClock,
    paused: bool,
    /// Whether an earlier process has left peers that are waited for.
    resumed_in_grace: bool,
    grace_timer: GraceTimer,
    /// Until when a connection that is lost may be one that died in a gap of ours.
    stale_until_ns: u64,
    network: NetworkMonitor,
    /// When the last lapse ended: it dates presences anew, and is no news of them.
    last_suspension_end_ns: Option<u64>,
    monitoring: Monitoring,
    registry: Registry,
    /// Peers to persist, those first that a flush has begun with.
    commit_pending: SlotSet,
    dirty: SlotSet,
    /// Peers to delete.
    forgotten_peers: Vec<NodeId>,
    dirty_since_ns: u64,
}

impl Tracker {
    /// A tracker that knows nobody.
    #[must_use]
    pub fn new(config: TrackerConfig, seed: HashSeed) -> Self {
        Self {
            config,
            clock: TrackerClock::default(),
            paused: false,
            resumed_in_grace: false,
            grace_timer: GraceTimer::default(),
            stale_until_ns: 0,
            network: NetworkMonitor::default(),
            last_suspension_end_ns: None,
            monitoring: Monitoring::default(),
            registry: Registry::new(seed),
            commit_pending: SlotSet::default(),
            dirty: SlotSet::default(),
            forgotten_peers: Vec::new(),
            dirty_since_ns: 0,
        }
    }

    /// Tells the time, and nothing else: what was to happen by then happens.
    pub fn advance(&mut self, at: Timestamp) {
        self.advance_with(at, |_| ());
    }

    /// Tells the time, and tells what that changed.
    pub fn advance_with(&mut self, at: Timestamp, mut on_change: impl FnMut(Change)) {
        let at_ns = self.clock.advance(at);
        self.process_deadlines(at_ns, &mut on_change);
    }

    /// When something happened whose time is in a record, in terms of the clock as it reads now.
    #[must_use]
    pub fn to_wall_clock(&self, record_ns: u64) -> Timestamp {
        self.clock.to_wall_clock(record_ns)
    }

    /// Takes an event that happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.apply_with(at, event, |_| ());
    }

    /// Takes an event that happened at `at`, and tells what it changed, in order.
    pub fn apply_with(&mut self, at: Timestamp, event: &Event, mut on_change: impl FnMut(Change)) {
        let (last_ns, since_ns) =
            (self.clock.now_ns(), event.unobserved_since().map(|at| self.clock.to_tracker_time(at)));
        let at_ns = self.clock.advance(at);
        let on_change = &mut on_change;
        // Nothing that was to happen in a time that we did not observe happens; and whatever we were
        // told before, we were well then.
        let observed_until_ns = since_ns.map_or(at_ns, |since_ns| since_ns.max(last_ns).min(at_ns));
        self.process_deadlines(observed_until_ns, on_change);
        match event {
            Event::PeerOnline { node_id } => self.record_connection(node_id, true, at_ns, on_change),
            Event::PeerOffline { node_id } => self.record_connection(node_id, false, at_ns, on_change),
            Event::ChannelOpened(opened) => self.open_channel(opened, at_ns, on_change),
            Event::ChannelClosed { channel_id } => self.close_channel(channel_id, at_ns, on_change),
            Event::FundingChanged { channel_id, funding } => {
                self.set_funding(channel_id, *funding, on_change)
            }
            Event::Watch { node_id } => self.set_watched(node_id, true, at_ns, on_change),
            Event::Unwatch { node_id } => self.set_watched(node_id, false, at_ns, on_change),
            Event::Snapshot(snapshot) => self.reconcile(snapshot, at_ns, on_change),
            Event::ObservationPaused => self.pause_observation(at_ns, on_change),
            Event::ObservationResumed => self.resume_observation(at_ns, on_change),
            Event::ChannelUsable { channel_id, usable } => {
                self.record_usable(channel_id, *usable, at_ns, on_change);
            }
            Event::Unobserved { .. } => self.record_suspension(observed_until_ns, at_ns, on_change),
            Event::ClockSet { to } => {
                // Where the line was ahead of a clock that is right, no time passes on it.
                let is_ahead = *to > self.clock.to_wall_clock(at_ns);
                let to_ns = self.clock.set(*to);
                if is_ahead {
                    self.record_suspension(at_ns, to_ns, on_change);
                }
            }
        }
    }

    /// When this tracker next wants to hear of the time, by [`Tracker::advance`] or any event, or to
    /// have its changes stored: the earlier of the two that follow.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        [self.commit_deadline(), self.reconnect_grace_deadline()].into_iter().flatten().min()
    }

    /// When the changes so far should be stored: [`TrackerConfig::with_commit_delay_ns`] after the
    /// first of them; `None` while there are none.
    #[must_use]
    pub fn commit_deadline(&self) -> Option<Timestamp> {
        if !self.is_dirty() {
            return None;
        }
        let due_ns = self.dirty_since_ns.saturating_add(self.config.commit_delay_ns);
        Some(self.clock.to_wall_clock(due_ns))
    }

    /// When peers that were online before a gap of ours, and are not back, are going to count as
    /// offline; `None` while nobody is waited for.
    #[must_use]
    pub fn reconnect_grace_deadline(&self) -> Option<Timestamp> {
        self.grace_timer.deadline_ns().map(|at_ns| self.clock.to_wall_clock(at_ns))
    }

    /// What was wrong with the times that were passed in.
    #[must_use]
    pub fn clock_faults(&self) -> ClockFaults {
        self.clock.faults()
    }

    /// Whether observation is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many peers are known, those without a channel that only their history is kept of included.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.registry.peer_count()
    }

    /// How many channels are open.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.registry.channel_count()
    }

    /// How many peers have changes that were not taken to be stored, those that were dropped included.
    #[must_use]
    pub fn dirty_count(&self) -> usize {
        self.commit_pending.len() + self.dirty.len() + self.forgotten_peers.len()
    }

    /// Whether there is anything at all that was not taken to be stored.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.commit_pending.is_empty()
            || !self.dirty.is_empty()
            || !self.forgotten_peers.is_empty()
            || self.monitoring.has_unsaved()
    }

    fn mark_dirty(&mut self, slot: Slot) {
        self.note_unsaved_change();
        self.dirty.insert(slot);
    }

    /// There is, or is going to be, something to store.
    fn note_unsaved_change(&mut self) {
        if !self.is_dirty() {
            self.dirty_since_ns = self.clock.now_ns();
        }
    }

    /// The peer's slot; a new one where it was not known, with what we heard of its connection.
    fn peer_slot(&mut self, node_id: &NodeId, at_ns: u64) -> Slot {
        if let Some(slot) = self.registry.find_peer(node_id) {
            return slot;
        }
        let mut peer = Peer::new(*node_id, at_ns);
        if self.registry.remove_stranger(node_id) {
            peer.connection = Presence::Online;
        }
        self.registry.add_peer(peer)
    }

    fn open_channel(&mut self, opened: &ChannelOpened, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let ChannelOpened { channel_id, node_id, funding, online } = *opened;
        if self.registry.find_channel(&channel_id).is_some() {
            if let Some(funding) = funding {
                self.set_funding(&channel_id, funding, on_change);
            }
            return;
        }
        let slot = self.peer_slot(&node_id, at_ns);
        self.track_for_channel(slot, online, at_ns, on_change);
        let Some(peer) = self.registry.peers.get(slot) else { return };
        let opened_totals = peer.ledger.totals_at(at_ns);
        self.registry.add_channel(slot, Channel::new(channel_id, funding, at_ns, opened_totals));
        self.mark_dirty(slot);
        on_change(Change::ChannelOpened { channel_id, node_id, at: self.clock.to_wall_clock(at_ns) });
    }

    fn close_channel(&mut self, channel_id: &ChannelId, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let Some(slot) = self.registry.find_channel(channel_id) else { return };
        let report = self
            .registry
            .channel(channel_id)
            .map(|(peer, channel)| self.report_channel(peer, channel, at_ns));
        self.registry.remove_channel(slot, channel_id);
        self.mark_dirty(slot);
        if let Some(report) = report {
            on_change(Change::ChannelClosed { at: self.clock.to_wall_clock(at_ns), report });
        }
        self.after_channel_closed(slot, at_ns, on_change);
    }

    fn set_funding(&mut self, channel_id: &ChannelId, funding: OutPoint, on_change: &mut impl FnMut(Change)) {
        let Some(slot) = self.registry.find_channel(channel_id).filter(|_| !funding.is_null()) else {
            return;
        };
        let was = self.registry.set_funding(slot, channel_id, Some(funding));
        if was != Some(funding) {
            self.mark_dirty(slot);
            on_change(Change::FundingChanged { channel_id: *channel_id, previous: was, funding });
        }
    }

    fn set_watched(
        &mut self,
        node_id: &NodeId,
        watched: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let slot = match self.registry.find_peer(node_id) {
            Some(slot) => slot,
            None if watched => self.peer_slot(node_id, at_ns),
            None => return,
        };
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        if peer.watched == watched {
            return;
        }
        peer.watched = watched;
        self.mark_dirty(slot);
        on_change(Change::Watched { node_id: *node_id, watched });
        if watched {
            self.update_presence(slot, at_ns, on_change);
        } else {
            self.untrack_if_unneeded(slot, at_ns, on_change);
        }
    }
}
