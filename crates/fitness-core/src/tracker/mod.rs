//! The state machine: takes events and returns reports, changes and deadlines.

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

/// Tracks the presence of peers and the usability of their channels.
///
/// The [crate documentation](crate) defines the terms used here.
///
/// # Calling protocol
///
/// A tracker is passive: it acts only when the embedder calls it. The embedder passes the time to every
/// call. Methods with `&mut self` are the only ones that change the state.
///
/// **At startup**
///
/// 1. Create the tracker with [`Tracker::new`].
/// 2. If an earlier process has stored records, call [`Tracker::resume_observer`] once, and then
///    [`Tracker::resume_peer`] for each peer record. Both must come before the first event.
/// 3. Apply a [`Snapshot`](crate::Snapshot) of all open channels and connected peers. It is usually the
///    first event. Without it, peers stay unobserved until an event reports them.
///
/// **While running**
///
/// * Call [`Tracker::apply`] for every event, with the time at which it happened. [`Tracker::apply_with`]
///   does the same and passes each resulting [`Change`] to a callback.
/// * Call any query at any time, with the time of the query. Queries change nothing, and include every
///   event applied before them.
/// * When [`Tracker::commit_deadline`] is reached, commit the changes:
///   1. Take them with [`Tracker::drain_changes`].
///   2. Store them atomically, together with [`Tracker::observer_record`].
///   3. Call [`Tracker::mark_stored`] if storing succeeded and [`Tracker::requeue`] if it failed. Events and
///      queries are allowed in between.
/// * When [`Tracker::reconnect_grace_deadline`] is reached, call [`Tracker::advance`]. Any event has the
///   same effect.
/// * Store [`Tracker::observer_record`] at regular intervals even if nothing changed. After a crash, the
///   time since the last stored record is a monitoring gap.
/// * Call [`Tracker::forget_expired`] and [`Tracker::downsampled`] regularly, for example once a day.
///   Otherwise old history is kept forever.
///
/// **At shutdown**
///
/// Commit until [`Tracker::is_dirty`] returns `false`. Changes that were never stored are lost.
///
/// # Guarantees
///
/// * Methods perform no I/O and never block. Events may arrive in any order and with any times.
/// * The totals and the number of disconnects count every event, whatever the log's rate limit drops.
/// * Reports never contain a negative duration, and `uptime <= observed time <= lifetime` always holds.
/// * A failed commit loses nothing: requeued changes are returned by the next
///   [`Tracker::drain_changes`], in their latest state.
///
/// # Time
///
/// Times should not go back, but the tracker tolerates it. A time up to a second earlier than the latest
/// one is replaced by the latest one. A time that is earlier by more than that means that the clock was
/// set back, and no tracker time passes during the step. A step of more than ten years forward means that
/// the clock is broken, and is ignored. [`Tracker::clock_faults`] counts these cases. All timestamps in
/// results refer to the clock setting at the time of the call.
///
/// # Cost
///
/// Applying an event of one peer or channel, and querying one, takes constant time, regardless of the
/// number of peers and the length of the history. Window queries take O(log n) in the length of the
/// history. Snapshots, and the start and end of monitoring gaps and grace periods, take time proportional
/// to the number of all peers and channels. Memory is bounded by the number of peers and by
/// [`TrackerConfig::with_log_capacity`].
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    clock: TrackerClock,
    paused: bool,
    /// Whether an earlier process has left peers in their reconnect grace period.
    resumed_in_grace: bool,
    grace_timer: GraceTimer,
    /// The time until which a lost connection may be one that died during a monitoring gap.
    stale_until_ns: u64,
    network: NetworkMonitor,
    /// The end of the last suspension. A presence that begins at this time was not reported then, so a
    /// snapshot may still replace it.
    last_suspension_end_ns: Option<u64>,
    monitoring: Monitoring,
    registry: Registry,
    /// Peers of the commit that has begun. They are stored before other dirty peers.
    commit_pending: SlotSet,
    dirty: SlotSet,
    /// Peers to delete from the store.
    forgotten_peers: Vec<NodeId>,
    dirty_since_ns: u64,
}

impl Tracker {
    /// Creates a tracker without peers.
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

    /// Advances the time to `at`, and handles the deadlines that have passed.
    pub fn advance(&mut self, at: Timestamp) {
        self.advance_with(at, |_| ());
    }

    /// Like [`Tracker::advance`], and passes each change to `on_change`.
    pub fn advance_with(&mut self, at: Timestamp, mut on_change: impl FnMut(Change)) {
        let at_ns = self.clock.advance(at);
        self.process_deadlines(at_ns, &mut on_change);
    }

    /// Converts a time from a record to wall-clock time, relative to the current clock setting.
    #[must_use]
    pub fn to_wall_clock(&self, record_ns: u64) -> Timestamp {
        self.clock.to_wall_clock(record_ns)
    }

    /// Applies an event that happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.apply_with(at, event, |_| ());
    }

    /// Like [`Tracker::apply`], and passes each change to `on_change`, in order.
    pub fn apply_with(&mut self, at: Timestamp, event: &Event, mut on_change: impl FnMut(Change)) {
        let (last_ns, since_ns) =
            (self.clock.now_ns(), event.unobserved_since().map(|at| self.clock.to_tracker_time(at)));
        let at_ns = self.clock.advance(at);
        let on_change = &mut on_change;
        // Deadlines within a time that was not observed do not take effect. All earlier events show that the
        // process was working at their time.
        let observed_until_ns = since_ns.map_or(at_ns, |since_ns| since_ns.max(last_ns).min(at_ns));
        self.process_deadlines(observed_until_ns, on_change);
        match event {
            Event::PeerOnline { node_id } => self.record_connection_change(node_id, true, at_ns, on_change),
            Event::PeerOffline { node_id } => self.record_connection_change(node_id, false, at_ns, on_change),
            Event::ChannelOpened(opened) => self.open_channel(opened, at_ns, on_change),
            Event::ChannelClosed { channel_id } => self.close_channel(channel_id, at_ns, on_change),
            Event::FundingChanged { channel_id, funding } => {
                self.set_funding(channel_id, *funding, on_change);
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
                // If tracker time was ahead of a correct clock, it does not advance.
                let is_ahead = *to > self.clock.to_wall_clock(at_ns);
                let to_ns = self.clock.set(*to);
                if is_ahead {
                    self.record_suspension(at_ns, to_ns, on_change);
                }
            }
        }
    }

    /// Returns the earlier of [`Tracker::commit_deadline`] and [`Tracker::reconnect_grace_deadline`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        [self.commit_deadline(), self.reconnect_grace_deadline()].into_iter().flatten().min()
    }

    /// Returns the time by which the current changes should be committed: the time of the first of them plus
    /// [`TrackerConfig::with_commit_delay_ns`]. `None` if there are none.
    #[must_use]
    pub fn commit_deadline(&self) -> Option<Timestamp> {
        if !self.is_dirty() {
            return None;
        }
        let due_ns = self.dirty_since_ns.saturating_add(self.config.commit_delay_ns);
        Some(self.clock.to_wall_clock(due_ns))
    }

    /// Returns the time at which the reconnect grace period expires, so that peers that have not reconnected
    /// count as offline; `None` if no grace period is running.
    #[must_use]
    pub fn reconnect_grace_deadline(&self) -> Option<Timestamp> {
        self.grace_timer.deadline_ns().map(|at_ns| self.clock.to_wall_clock(at_ns))
    }

    /// Returns the faults in the times that were passed in.
    #[must_use]
    pub fn clock_faults(&self) -> ClockFaults {
        self.clock.faults()
    }

    /// Returns whether the observation is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Returns the number of peers, including untracked peers whose history is kept.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.registry.peer_count()
    }

    /// Returns the number of open channels.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.registry.channel_count()
    }

    /// Returns the number of peers with changes that have not been drained, including forgotten peers.
    #[must_use]
    pub fn dirty_count(&self) -> usize {
        self.commit_pending.len() + self.dirty.len() + self.forgotten_peers.len()
    }

    /// Returns whether there are changes that have not been drained.
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

    /// Records that there is, or will be, something to store.
    fn note_unsaved_change(&mut self) {
        if !self.is_dirty() {
            self.dirty_since_ns = self.clock.now_ns();
        }
    }

    /// Returns the peer's slot. A new peer is added, with the connection state that it had as a stranger.
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
        let previous = self.registry.set_funding(slot, channel_id, Some(funding));
        if previous != Some(funding) {
            self.mark_dirty(slot);
            on_change(Change::FundingChanged { channel_id: *channel_id, previous, funding });
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
