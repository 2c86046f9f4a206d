//! Applies events to a peer's ledger, flap count and log, by the native rules or those of lnd.

use super::Tracker;
use super::network_outage::Disconnect;
use super::peer::{Peer, RateLimit, ReconnectGrace};
use crate::config::Rules;
use crate::flap::log_rate_limit_ns;
use crate::slab::Slot;
use crate::{Change, GapCause, NodeId, Presence};

impl Tracker {
    /// Returns whether the peer in the slot is tracked.
    pub(super) fn is_tracked(&self, slot: Slot) -> bool {
        self.registry.peers.get(slot).is_some_and(|peer| self.is_tracked_peer(peer))
    }

    pub(super) fn is_tracked_peer(&self, peer: &Peer) -> bool {
        // lnd tracks every peer forever once its presence is known.
        let seen = self.config.rules.is_lnd() && peer.ledger.presence() != Presence::Unobserved;
        peer.watched || peer.has_channels() || seen
    }

    /// Records that a peer or stranger connected or disconnected.
    pub(super) fn record_connection_change(
        &mut self,
        node_id: &NodeId,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        match self.registry.find_peer(node_id) {
            Some(slot) => self.record_peer_connection_change(slot, online, at_ns, on_change),
            None if self.config.rules == Rules::Lnd019 => {
                let slot = self.peer_slot(node_id, at_ns);
                self.record_peer_connection_change(slot, online, at_ns, on_change);
            }
            None if online => {
                if self.registry.add_stranger(*node_id) {
                    self.connection_established(at_ns, on_change);
                }
            }
            None => {
                if self.registry.remove_stranger(node_id) {
                    self.connection_lost(Disconnect::of_stranger(at_ns), on_change);
                }
            }
        }
    }

    pub(super) fn record_peer_connection_change(
        &mut self,
        slot: Slot,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.registry.peers.get(slot) else { return };
        let (was_online, before) = (peer.connection == Presence::Online, peer.counters());
        self.set_connection(slot, online, at_ns, on_change);
        match (was_online, online) {
            (false, true) => self.connection_established(at_ns, on_change),
            (true, false) => self.connection_lost(Disconnect::of_peer(at_ns, slot, before), on_change),
            _ => {}
        }
    }

    /// Applies a connection report to the peer only. The caller applies it to the network.
    pub(super) fn set_connection(
        &mut self,
        slot: Slot,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let connections_may_be_stale = self.connections_may_be_stale(at_ns);
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let is_attributed_to_gap = peer.reconnect_grace == ReconnectGrace::MaybeStale
            && connections_may_be_stale
            || self.network.is_down;
        let is_disconnect = !online && peer.ledger.presence() == Presence::Online;
        let previous = core::mem::replace(&mut peer.connection, online.into());
        if self.paused && previous != online.into() && self.is_tracked(slot) {
            // If the process ends during the pause, only the record contains the connection state.
            self.mark_dirty(slot);
        }
        if online {
            self.set_reconnect_grace(slot, ReconnectGrace::None);
        } else if is_attributed_to_gap && is_disconnect && self.config.reconnect_grace_ns > 0 {
            self.set_reconnect_grace(slot, ReconnectGrace::Active);
        }
        match self.config.rules {
            Rules::Native => self.update_presence(slot, at_ns, on_change),
            Rules::Lnd019 => self.lnd_event(slot, online, at_ns, on_change),
            Rules::LndMaster => {
                if self.is_tracked(slot) {
                    self.lnd_event(slot, online, at_ns, on_change);
                }
            }
        }
    }

    /// Sets the grace state. The record contains whether it is active.
    fn set_reconnect_grace(&mut self, slot: Slot, grace: ReconnectGrace) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let previous = core::mem::replace(&mut peer.reconnect_grace, grace);
        if (previous == ReconnectGrace::Active) != (grace == ReconnectGrace::Active) {
            self.mark_dirty(slot);
        }
    }

    /// Sets the connection state from a channel event.
    fn set_connection_from_channel(
        &mut self,
        slot: Slot,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let previous = core::mem::replace(&mut peer.connection, online.into());
        if online {
            self.set_reconnect_grace(slot, ReconnectGrace::None);
        }
        match (previous == Presence::Online, online) {
            (false, true) => self.connection_established(at_ns, on_change),
            (true, false) => self.remove_connection(),
            _ => {}
        }
    }

    /// Tracks a peer because a channel is about to open.
    ///
    /// `online` is the connection state in the event. It is ignored if the presence of the peer is known.
    pub(super) fn track_for_channel(
        &mut self,
        slot: Slot,
        online: Option<bool>,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let was_tracked = self.is_tracked(slot);
        if let (Rules::Native, Some(online)) = (self.config.rules, online) {
            let presence = self.registry.peers.get(slot).map(|peer| peer.ledger.presence());
            if presence == Some(Presence::Unobserved) {
                self.set_connection_from_channel(slot, online, at_ns, on_change);
            }
        }
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        match self.config.rules {
            Rules::Native => {
                let presence = self.effective_presence(slot);
                self.set_presence(slot, presence, at_ns, on_change);
            }
            Rules::Lnd019 => {
                // lnd treats a peer that was never connected as offline, without a flap.
                if !was_tracked {
                    peer.set_presence_unlogged(Presence::Offline, at_ns);
                }
                self.lnd_log_channel(slot, at_ns);
            }
            Rules::LndMaster => {
                if !was_tracked {
                    let online = online.unwrap_or(peer.connection == Presence::Online);
                    self.lnd_event(slot, online, at_ns, on_change);
                }
                self.lnd_log_channel(slot, at_ns);
            }
        }
    }

    /// Handles a channel close, which may end the tracking of the peer.
    pub(super) fn after_channel_closed(
        &mut self,
        slot: Slot,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        if self.config.rules.is_lnd() {
            if let Some(peer) = self.registry.peers.get_mut(slot).filter(|peer| !peer.has_channels()) {
                // lnd deletes the log with the last channel.
                peer.continue_log(peer.log().end_number());
            }
        } else {
            self.untrack_if_unneeded(slot, at_ns, on_change);
        }
    }

    /// Ends the tracking of a peer that has no channel and is not watched. The peer becomes unobserved, and
    /// the time of this last change is the time at which tracking ended.
    pub(super) fn untrack_if_unneeded(&mut self, slot: Slot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.update_presence(slot, at_ns, on_change);
        if self.is_tracked(slot) {
            return;
        }
        self.set_reconnect_grace(slot, ReconnectGrace::None);
        let capacity = self.config.log_capacity;
        if let Some(peer) = self.registry.peers.get_mut(slot) {
            if peer.ledger.presence_since_ns() < at_ns {
                peer.set_presence_logged(Presence::Unobserved, at_ns, RateLimit::None, capacity);
                self.mark_dirty(slot);
            }
        }
    }

    /// Returns the presence of a tracked peer. Peers are not offline while the network is down or while they
    /// are in their reconnect grace period.
    fn effective_presence(&self, slot: Slot) -> Presence {
        let Some(peer) = self.registry.peers.get(slot).filter(|_| !self.paused) else {
            return Presence::Unobserved;
        };
        let is_attributed_to_gap = self.network.is_down || peer.in_reconnect_grace();
        if is_attributed_to_gap && peer.connection == Presence::Offline {
            Presence::Unobserved
        } else {
            peer.connection
        }
    }

    /// Updates a peer's presence from its connection and from whether it is tracked. Untracked peers are
    /// unobserved.
    pub(super) fn update_presence(&mut self, slot: Slot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let presence =
            if self.is_tracked(slot) { self.effective_presence(slot) } else { Presence::Unobserved };
        self.set_presence(slot, presence, at_ns, on_change);
    }

    pub(super) fn update_all_presences(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        for slot in self.registry.peers.slots() {
            self.update_presence(slot, at_ns, on_change);
        }
    }

    /// Begins a pause: all peers become unobserved. Ignored by the lnd presets.
    pub(super) fn pause_observation(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if self.paused || self.config.rules.is_lnd() {
            return;
        }
        self.paused = true;
        self.network.reset();
        self.grace_timer.stop();
        self.begin_gap(GapCause::Paused, at_ns, on_change);
        self.registry.clear_strangers();
        for slot in self.registry.peers.slots() {
            self.begin_unobserved(slot, at_ns, on_change);
        }
    }

    /// Makes a peer unobserved from `at_ns` on. An online peer enters its reconnect grace period.
    pub(super) fn begin_unobserved(&mut self, slot: Slot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        peer.connection = Presence::Unobserved;
        if self.config.reconnect_grace_ns > 0 && peer.ledger.presence() == Presence::Online {
            self.set_reconnect_grace(slot, ReconnectGrace::Active);
        }
        self.set_presence(slot, Presence::Unobserved, at_ns, on_change);
    }

    /// Ends a pause. Connections reported during the pause take effect now.
    pub(super) fn resume_observation(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if !self.paused {
            return;
        }
        self.paused = false;
        self.end_gap(at_ns, on_change);
        self.begin_stale_period(at_ns);
        self.start_grace_timer(at_ns);
        self.update_all_presences(at_ns, on_change);
    }

    /// Sets the presence by the native rules: only changes between online and offline are flaps.
    pub(super) fn set_presence(
        &mut self,
        slot: Slot,
        presence: Presence,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let previous = peer.ledger.presence();
        if previous == presence {
            return;
        }
        let mut flaps = peer.flaps();
        if previous != Presence::Unobserved && presence != Presence::Unobserved {
            flaps.record_flap(at_ns);
            peer.set_flaps(flaps);
        }
        if previous == Presence::Online && presence == Presence::Offline {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        // Changes from and to unobserved are always logged. The observer causes them, and they are few.
        let involves_unobserved = previous == Presence::Unobserved || presence == Presence::Unobserved;
        let limit = if involves_unobserved {
            RateLimit::None
        } else {
            RateLimit::SinceLastCommitted(log_rate_limit_ns(flap_count))
        };
        // The ledger begins unobserved. A presence that is known from the start needs no entry, so a peer
        // that never changes has an empty log.
        if at_ns > peer.tracked_since_ns || !peer.log().is_empty() {
            peer.set_presence_logged(presence, at_ns, limit, self.config.log_capacity);
        } else {
            peer.set_presence_unlogged(presence, at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        let at = self.clock.to_wall_clock(at_ns);
        on_change(Change::Presence { node_id, at, previous, presence, flap_count });
    }

    /// Sets the presence by lnd's rules: every event is a flap, and is logged if the peer has channels.
    fn lnd_event(&mut self, slot: Slot, online: bool, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let previous = peer.ledger.presence();
        let mut flaps = peer.flaps();
        flaps.record_flap(at_ns);
        peer.set_flaps(flaps);
        if previous == Presence::Online && !online {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        if peer.has_channels() {
            peer.set_presence_logged(
                online.into(),
                at_ns,
                RateLimit::SinceLastChange(log_rate_limit_ns(flap_count)),
                self.config.log_capacity,
            );
        } else {
            peer.set_presence_unlogged(online.into(), at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        if previous != online.into() {
            let at = self.clock.to_wall_clock(at_ns);
            on_change(Change::Presence { node_id, at, previous, presence: online.into(), flap_count });
        }
    }

    /// Logs the peer's state when a channel opens, as lnd does if it has not committed an entry yet.
    fn lnd_log_channel(&mut self, slot: Slot, at_ns: u64) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        if peer.log().committed().is_empty() {
            let (presence, flap_count) = (peer.ledger.presence(), peer.flaps().count());
            peer.set_presence_logged(
                presence,
                at_ns,
                RateLimit::SinceLastChange(log_rate_limit_ns(flap_count)),
                self.config.log_capacity,
            );
        }
    }
}
