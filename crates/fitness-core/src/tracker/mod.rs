//! The state machine: applies events and returns reports, changes and deadlines.

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
/// A tracker is passive: it acts only when the embedder calls it. Every method that depends on the current
/// time takes it as an argument. Queries take `&self`.
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
/// * Call any query at any time, with the time of the query. A query includes every event that was applied
///   before it.
/// * When [`Tracker::commit_deadline`] is reached, commit the changes:
///   1. Take them with [`Tracker::drain_changes`].
///   2. Store them atomically, together with [`Tracker::observer_record`].
///   3. Call [`Tracker::mark_stored`] if storing succeeded and [`Tracker::requeue`] if it failed. Events and
///      queries are allowed between these steps.
/// * When [`Tracker::reconnect_grace_deadline`] is reached, call [`Tracker::advance`]. Applying any event
///   also advances the time.
/// * Store [`Tracker::observer_record`] at regular intervals, as a heartbeat, even if nothing changed. After
///   a crash, the time since the last heartbeat is a monitoring gap.
///
/// **Once a day**
///
/// Delete and downsample old history. Otherwise it is kept forever.
///
/// 1. Forget expired peers: call [`Tracker::forget_expired`] until it returns no further cursor. The next
///    commit deletes these peers from the store.
/// 2. Downsample long logs: call [`Tracker::stored_logs`] until it returns no further cursor. For each
///    returned [`StoredLog`], read the peer's segments with an index below [`StoredLog::end_index`] from the
///    store, and pass them to [`Tracker::downsampled`]. If it returns segments, delete the segments that were
///    read and write the returned ones, in one atomic commit. If it returns `None`, the log stays as it is.
/// 3. Delete the stored gaps for whose end [`Tracker::is_expired`] returns `true`.
///
/// **At shutdown**
///
/// Commit until no unsaved changes are left ([`Tracker::is_dirty`]). Changes that were never stored are lost.
///
/// # Guarantees
///
/// * Methods perform no I/O and never block.
/// * Events may arrive in any order. Timestamps that go back or jump are tolerated, as described under *Time*
///   below.
/// * The totals and the number of disconnects count every event, even those that the log's rate limit drops.
/// * Reports never contain a negative duration, and `uptime <= observed time <= lifetime` always holds.
/// * A failed commit loses nothing: requeued changes are returned by the next
///   [`Tracker::drain_changes`], in their latest state.
///
/// # Time
///
/// Pass timestamps of the wall clock, in the order of the calls. The tracker tolerates deviations:
///
/// * A timestamp up to a second earlier than the latest one is treated like the latest one.
/// * A timestamp that is earlier by more than a second is taken as a clock that was set back. Tracker time
///   does not change at this step, and continues from there.
/// * A timestamp more than ten years later than the latest one is taken as a faulty clock. Tracker time does
///   not change at this step.
///
/// [`Tracker::clock_faults`] counts these cases. All timestamps in results use the wall clock as it is set at
/// the time of the call.
///
/// # Cost
///
/// * **Events**: an event about one peer or channel takes amortized O(c), where c is the number of channels
///   of that peer. It does not depend on the number of other peers or on the length of the history.
/// * **Monitoring gaps**: an event that begins or ends a monitoring gap, or at which a grace period expires,
///   takes O(n), where n is the number of all peers and channels. This includes a disconnect or a connection
///   that begins or ends a network outage.
/// * **Snapshots**: O(n log n) if each peer has few channels. Here n also includes the entries of the
///   snapshot.
/// * **Queries**: the report of one channel takes O(c), and the report of one peer O(c log c). A report of a
///   window takes O(c + log l), where l is the number of the peer's log entries in memory. The documentation
///   of the other queries states their cost.
/// * **Memory**: O(n) for peers, channels and strangers, plus the log entries in memory. Their number per
///   peer is limited by [`TrackerConfig::with_log_capacity`], or by
///   [`TrackerConfig::with_unsaved_log_capacity`] while the store is unavailable.
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    clock: TrackerClock,
    paused: bool,
    /// Whether peers were in their reconnect grace period when the previous process ended.
    resumed_in_grace: bool,
    grace_timer: GraceTimer,
    /// Until this time, a disconnect may be the late detection of a connection that was lost during a
    /// monitoring gap.
    stale_until_ns: u64,
    network: NetworkMonitor,
    /// The end of the last suspension. A presence that begins at exactly this time was derived, not reported,
    /// so a snapshot may replace it.
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

    /// Advances the time to `at`, and processes the deadlines that have passed.
    pub fn advance(&mut self, at: Timestamp) {
        self.advance_with(at, |_| ());
    }

    /// Like [`Tracker::advance`], but also passes each resulting change to `on_change`.
    pub fn advance_with(&mut self, at: Timestamp, mut on_change: impl FnMut(Change)) {
        let at_ns = self.clock.advance(at);
        self.process_deadlines(at_ns, &mut on_change);
    }

    /// Converts tracker time, as used in records and logs, to wall-clock time as the clock is set now.
    #[must_use]
    pub fn to_wall_clock(&self, record_ns: u64) -> Timestamp {
        self.clock.to_wall_clock(record_ns)
    }

    /// Applies an event that happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.apply_with(at, event, |_| ());
    }

    /// Like [`Tracker::apply`], but also passes each resulting change to `on_change`, in order.
    pub fn apply_with(&mut self, at: Timestamp, event: &Event, mut on_change: impl FnMut(Change)) {
        let (last_ns, since_ns) =
            (self.clock.now_ns(), event.unobserved_since().map(|at| self.clock.to_tracker_time(at)));
        let at_ns = self.clock.advance(at);
        let on_change = &mut on_change;
        // A deadline within an unobserved interval does not take effect at that time. The process was running
        // at the time of the latest event, so the interval begins no earlier.
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

    /// Returns the time by which the unsaved changes should be committed: the time of the first of them plus
    /// [`TrackerConfig::with_commit_delay_ns`]; `None` if there are no unsaved changes.
    #[must_use]
    pub fn commit_deadline(&self) -> Option<Timestamp> {
        if !self.is_dirty() {
            return None;
        }
        let due_ns = self.dirty_since_ns.saturating_add(self.config.commit_delay_ns);
        Some(self.clock.to_wall_clock(due_ns))
    }

    /// Returns the time at which the reconnect grace period expires; `None` if no grace period is running.
    #[must_use]
    pub fn reconnect_grace_deadline(&self) -> Option<Timestamp> {
        self.grace_timer.deadline_ns().map(|at_ns| self.clock.to_wall_clock(at_ns))
    }

    /// Returns counts of implausible timestamps that were passed to this tracker.
    #[must_use]
    pub fn clock_faults(&self) -> ClockFaults {
        self.clock.faults()
    }

    /// Returns whether observation is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Returns the number of peers, including untracked peers.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.registry.peer_count()
    }

    /// Returns the number of open channels.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.registry.channel_count()
    }

    /// Returns the number of peers with unsaved changes that [`Tracker::drain_changes`] has not returned yet.
    /// A forgotten peer counts until its deletion has been drained.
    #[must_use]
    pub fn dirty_count(&self) -> usize {
        self.commit_pending.len() + self.dirty.len() + self.forgotten_peers.len()
    }

    /// Returns whether there are unsaved changes that [`Tracker::drain_changes`] has not returned yet.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.commit_pending.is_empty()
            || !self.dirty.is_empty()
            || !self.forgotten_peers.is_empty()
            || self.monitoring.has_unsaved()
    }

    fn mark_dirty(&mut self, slot: Slot) {
        self.start_commit_delay();
        self.dirty.insert(slot);
    }

    /// Starts the commit delay if no changes are pending yet.
    fn start_commit_delay(&mut self) {
        if !self.is_dirty() {
            self.dirty_since_ns = self.clock.now_ns();
        }
    }

    /// Returns the peer's slot. If the tracker has no such peer, adds it with the connection state that it
    /// had as a stranger.
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
