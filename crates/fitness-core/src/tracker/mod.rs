//! The state machine: events in; answers, changes and deadlines out.

mod book;
mod coverage;
mod grace;
mod network;
mod peer;
mod persist;
mod presence;
mod query;
mod snapshot;
mod upkeep;
mod usable;

use alloc::vec::Vec;

use self::book::Book;
use self::coverage::Watch;
use self::grace::Grace;
use self::network::Network;
use self::peer::{Channel, Peer};
pub use self::upkeep::StoredLog;
use crate::slab::{HashSeed, Slot, SlotSet};
use crate::timeline::Timeline;
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
    line: Timeline,
    paused: bool,
    /// Whether an earlier process has left peers that are waited for.
    restored_awaited: bool,
    grace: Grace,
    /// Until when a connection that is lost may be one that died in a gap of ours.
    shaky_until_ns: u64,
    network: Network,
    /// When the last lapse ended: it dates presences anew, and is no news of them.
    lapse_ended_ns: Option<u64>,
    watch: Watch,
    book: Book,
    /// Peers to persist, those first that a flush has begun with.
    due: SlotSet,
    dirty: SlotSet,
    /// Peers to delete.
    forgotten: Vec<NodeId>,
    dirty_since_ns: u64,
}

impl Tracker {
    /// A tracker that knows nobody.
    #[must_use]
    pub fn new(config: TrackerConfig, seed: HashSeed) -> Self {
        Self {
            config,
            line: Timeline::default(),
            paused: false,
            restored_awaited: false,
            grace: Grace::default(),
            shaky_until_ns: 0,
            network: Network::default(),
            lapse_ended_ns: None,
            watch: Watch::default(),
            book: Book::new(seed),
            due: SlotSet::default(),
            dirty: SlotSet::default(),
            forgotten: Vec::new(),
            dirty_since_ns: 0,
        }
    }

    /// Tells the time, and nothing else: what was to happen by then happens.
    pub fn advance(&mut self, at: Timestamp) {
        self.advance_with(at, |_| ());
    }

    /// Tells the time, and tells what that changed.
    pub fn advance_with(&mut self, at: Timestamp, mut changed: impl FnMut(Change)) {
        let at_ns = self.line.advance(at);
        self.settle(at_ns, &mut changed);
    }

    /// When something happened whose time is in a record, in terms of the clock as it reads now.
    #[must_use]
    pub fn to_wall_clock(&self, record_ns: u64) -> Timestamp {
        self.line.to_clock(record_ns)
    }

    /// Takes an event that happened at `at`.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.apply_with(at, event, |_| ());
    }

    /// Takes an event that happened at `at`, and tells what it changed, in order.
    pub fn apply_with(&mut self, at: Timestamp, event: &Event, mut changed: impl FnMut(Change)) {
        let (last_ns, since_ns) =
            (self.line.now_ns(), event.unobserved_since().map(|at| self.line.to_line(at)));
        let at_ns = self.line.advance(at);
        let changed = &mut changed;
        // Nothing that was to happen in a time that we did not observe happens; and whatever we were
        // told before, we were well then.
        let settled_ns = since_ns.map_or(at_ns, |since_ns| since_ns.max(last_ns).min(at_ns));
        self.settle(settled_ns, changed);
        match event {
            Event::PeerOnline { node_id } => self.hear(node_id, true, at_ns, changed),
            Event::PeerOffline { node_id } => self.hear(node_id, false, at_ns, changed),
            Event::ChannelOpened(opened) => self.open(opened, at_ns, changed),
            Event::ChannelClosed { channel_id } => self.close(channel_id, at_ns, changed),
            Event::FundingChanged { channel_id, funding } => self.fund(channel_id, *funding, changed),
            Event::Watch { node_id } => self.watch(node_id, true, at_ns, changed),
            Event::Unwatch { node_id } => self.watch(node_id, false, at_ns, changed),
            Event::Snapshot(snapshot) => self.reconcile(snapshot, at_ns, changed),
            Event::ObservationPaused => self.pause(at_ns, changed),
            Event::ObservationResumed => self.resume(at_ns, changed),
            Event::ChannelUsable { channel_id, usable } => {
                self.tell_usable(channel_id, *usable, at_ns, changed);
            }
            Event::Unobserved { .. } => self.lapse(settled_ns, at_ns, changed),
            Event::ClockSet { to } => {
                // Where the line was ahead of a clock that is right, no time passes on it.
                let is_ahead = *to > self.line.to_clock(at_ns);
                let to_ns = self.line.set(*to);
                if is_ahead {
                    self.lapse(at_ns, to_ns, changed);
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
        Some(self.line.to_clock(due_ns))
    }

    /// When peers that were online before a gap of ours, and are not back, are going to count as
    /// offline; `None` while nobody is waited for.
    #[must_use]
    pub fn reconnect_grace_deadline(&self) -> Option<Timestamp> {
        self.grace.ends_ns().map(|at_ns| self.line.to_clock(at_ns))
    }

    /// What was wrong with the times that were passed in.
    #[must_use]
    pub fn clock_faults(&self) -> ClockFaults {
        self.line.faults()
    }

    /// Whether observation is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many peers are known, those without a channel that only their history is kept of included.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.book.peer_count()
    }

    /// How many channels are open.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.book.channel_count()
    }

    /// How many peers have changes that were not taken to be stored, those that were dropped included.
    #[must_use]
    pub fn dirty_count(&self) -> usize {
        self.due.len() + self.dirty.len() + self.forgotten.len()
    }

    /// Whether there is anything at all that was not taken to be stored.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.due.is_empty()
            || !self.dirty.is_empty()
            || !self.forgotten.is_empty()
            || self.watch.has_unsaved()
    }

    fn mark_dirty(&mut self, slot: Slot) {
        self.note_dirty();
        self.dirty.insert(slot);
    }

    /// There is, or is going to be, something to store.
    fn note_dirty(&mut self) {
        if !self.is_dirty() {
            self.dirty_since_ns = self.line.now_ns();
        }
    }

    /// The peer's slot; a new one where it was not known, with what we heard of its connection.
    fn peer_slot(&mut self, node_id: &NodeId, at_ns: u64) -> Slot {
        if let Some(slot) = self.book.find_peer(node_id) {
            return slot;
        }
        let mut peer = Peer::new(*node_id, at_ns);
        if self.book.remove_stranger(node_id) {
            peer.heard = Presence::Online;
        }
        self.book.add_peer(peer)
    }

    fn open(&mut self, opened: &ChannelOpened, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let ChannelOpened { channel_id, node_id, funding, online } = *opened;
        if self.book.find_channel(&channel_id).is_some() {
            if let Some(funding) = funding {
                self.fund(&channel_id, funding, changed);
            }
            return;
        }
        let slot = self.peer_slot(&node_id, at_ns);
        self.follow_for_channel(slot, online, at_ns, changed);
        let Some(peer) = self.book.peers.get(slot) else { return };
        let opened_totals = peer.ledger.totals_at(at_ns);
        self.book.add_channel(slot, Channel::new(channel_id, funding, at_ns, opened_totals));
        self.mark_dirty(slot);
        changed(Change::ChannelOpened { channel_id, node_id, at: self.line.to_clock(at_ns) });
    }

    fn close(&mut self, channel_id: &ChannelId, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(slot) = self.book.find_channel(channel_id) else { return };
        let report =
            self.book.channel(channel_id).map(|(peer, channel)| self.report_channel(peer, channel, at_ns));
        self.book.remove_channel(slot, channel_id);
        self.mark_dirty(slot);
        if let Some(report) = report {
            changed(Change::ChannelClosed { at: self.line.to_clock(at_ns), report });
        }
        self.closed_channel(slot, at_ns, changed);
    }

    fn fund(&mut self, channel_id: &ChannelId, funding: OutPoint, changed: &mut impl FnMut(Change)) {
        let Some(slot) = self.book.find_channel(channel_id).filter(|_| !funding.is_null()) else { return };
        let was = self.book.set_funding(slot, channel_id, Some(funding));
        if was != Some(funding) {
            self.mark_dirty(slot);
            changed(Change::FundingChanged { channel_id: *channel_id, previous: was, funding });
        }
    }

    fn watch(&mut self, node_id: &NodeId, watched: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let slot = match self.book.find_peer(node_id) {
            Some(slot) => slot,
            None if watched => self.peer_slot(node_id, at_ns),
            None => return,
        };
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        if peer.watched == watched {
            return;
        }
        peer.watched = watched;
        self.mark_dirty(slot);
        changed(Change::Watched { node_id: *node_id, watched });
        if watched {
            self.refollow(slot, at_ns, changed);
        } else {
            self.unfollow(slot, at_ns, changed);
        }
    }
}
