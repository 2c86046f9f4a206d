//! What an event means for a peer's ledger, flaps and log: our rules, and lnd's.

use super::Tracker;
use super::network_outage::Disconnect;
use super::peer::{LogLimit, Peer, ReconnectGrace};
use crate::config::Rules;
use crate::flap::log_rate_limit_ns;
use crate::slab::Slot;
use crate::{Change, GapCause, NodeId, Presence};

impl Tracker {
    /// Whether a peer's presence counts at present.
    pub(super) fn is_tracked(&self, slot: Slot) -> bool {
        self.registry.peers.get(slot).is_some_and(|peer| self.is_tracked_peer(peer))
    }

    pub(super) fn is_tracked_peer(&self, peer: &Peer) -> bool {
        // lnd never lets go of a peer that it has seen.
        let seen = self.config.rules.is_lnd() && peer.ledger.presence() != Presence::Unobserved;
        peer.watched || peer.has_channels() || seen
    }

    /// The connection to a peer came up or went down.
    pub(super) fn record_connection(
        &mut self,
        node_id: &NodeId,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        match self.registry.find_peer(node_id) {
            Some(slot) => self.record_peer_connection(slot, online, at_ns, on_change),
            None if self.config.rules == Rules::Lnd019 => {
                let slot = self.peer_slot(node_id, at_ns);
                self.record_peer_connection(slot, online, at_ns, on_change);
            }
            None if online => {
                if self.registry.add_stranger(*node_id) {
                    self.connection_opened(at_ns, on_change);
                }
            }
            None => {
                if self.registry.remove_stranger(node_id) {
                    self.connection_lost(Disconnect::of_stranger(at_ns), on_change);
                }
            }
        }
    }

    pub(super) fn record_peer_connection(
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
            (false, true) => self.connection_opened(at_ns, on_change),
            (true, false) => self.connection_lost(Disconnect::of_peer(at_ns, slot, before), on_change),
            _ => {}
        }
    }

    /// What we hear of a peer means this for its account, before it means anything for our network.
    pub(super) fn set_connection(
        &mut self,
        slot: Slot,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let is_stale_period = self.is_stale_period(at_ns);
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let is_ours =
            peer.reconnect_grace == ReconnectGrace::MaybeStale && is_stale_period || self.network.is_down;
        let is_loss = !online && peer.ledger.presence() == Presence::Online;
        let was = core::mem::replace(&mut peer.connection, online.into());
        if self.paused && was != online.into() && self.is_tracked(slot) {
            // Of a pause that ends with the process that is all that is known.
            self.mark_dirty(slot);
        }
        if online {
            self.set_reconnect_grace(slot, ReconnectGrace::None);
        } else if is_ours && is_loss && self.config.reconnect_grace_ns > 0 {
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

    /// Whether it is awaited is a part of its record.
    fn set_reconnect_grace(&mut self, slot: Slot, grace: ReconnectGrace) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let was = core::mem::replace(&mut peer.reconnect_grace, grace);
        if (was == ReconnectGrace::Active) != (grace == ReconnectGrace::Active) {
            self.mark_dirty(slot);
        }
    }

    /// Notes what is said of a peer's connection by the way.
    fn set_connection_from_channel(
        &mut self,
        slot: Slot,
        online: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let was = core::mem::replace(&mut peer.connection, online.into());
        if online {
            self.set_reconnect_grace(slot, ReconnectGrace::None);
        }
        match (was == Presence::Online, online) {
            (false, true) => self.connection_opened(at_ns, on_change),
            (true, false) => self.remove_connection(),
            _ => {}
        }
    }

    /// A channel is about to open: from here on the peer is followed.
    ///
    /// `online` is what the event says of the connection; of a peer that is followed already we
    /// know better.
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
                // A peer of which lnd has not heard is offline to it, without a flap.
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

    /// A channel of this peer is gone, perhaps its last.
    pub(super) fn after_channel_closed(
        &mut self,
        slot: Slot,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        if self.config.rules.is_lnd() {
            if let Some(peer) = self.registry.peers.get_mut(slot).filter(|peer| !peer.has_channels()) {
                // lnd forgets its log then.
                peer.continue_log(peer.log().end_number());
            }
        } else {
            self.untrack_if_unneeded(slot, at_ns, on_change);
        }
    }

    /// A peer is perhaps not followed any more. If so, that is noted in its log: from then on it
    /// is unobserved, and so `since` tells when it was let go.
    pub(super) fn untrack_if_unneeded(&mut self, slot: Slot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.update_presence(slot, at_ns, on_change);
        if self.is_tracked(slot) {
            return;
        }
        self.set_reconnect_grace(slot, ReconnectGrace::None);
        let capacity = self.config.log_capacity;
        if let Some(peer) = self.registry.peers.get_mut(slot) {
            if peer.ledger.presence_since_ns() < at_ns {
                peer.set_presence_logged(Presence::Unobserved, at_ns, LogLimit::Unlimited, capacity);
                self.mark_dirty(slot);
            }
        }
    }

    /// What to believe of a peer if it is followed: while our own network is out, and while it has a
    /// fair chance to come back, no peer is offline.
    fn effective_presence(&self, slot: Slot) -> Presence {
        let Some(peer) = self.registry.peers.get(slot).filter(|_| !self.paused) else {
            return Presence::Unobserved;
        };
        let may_be_ours = self.network.is_down || peer.in_reconnect_grace();
        if may_be_ours && peer.connection == Presence::Offline {
            Presence::Unobserved
        } else {
            peer.connection
        }
    }

    /// Brings a peer's presence in line with whether it is followed: what it does while it is not
    /// counts neither for nor against it.
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

    /// From now on nothing is known of anyone. lnd has no such notion.
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

    /// Nothing is known of a peer from `at_ns` on, whose connection ended then or later.
    pub(super) fn begin_unobserved(&mut self, slot: Slot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        peer.connection = Presence::Unobserved;
        if self.config.reconnect_grace_ns > 0 && peer.ledger.presence() == Presence::Online {
            self.set_reconnect_grace(slot, ReconnectGrace::Active);
        }
        self.set_presence(slot, Presence::Unobserved, at_ns, on_change);
    }

    /// What was heard during the pause holds from now on.
    pub(super) fn resume_observation(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if !self.paused {
            return;
        }
        self.paused = false;
        self.end_gap(at_ns, on_change);
        self.begin_stale_period(at_ns);
        self.begin_grace(at_ns);
        self.update_all_presences(at_ns, on_change);
    }

    /// Our rule: a change between online and offline is a flap, and nothing else is.
    pub(super) fn set_presence(
        &mut self,
        slot: Slot,
        presence: Presence,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let was = peer.ledger.presence();
        if was == presence {
            return;
        }
        let mut flaps = peer.flaps();
        if was != Presence::Unobserved && presence != Presence::Unobserved {
            flaps.record_flap(at_ns);
            peer.set_flaps(flaps);
        }
        if was == Presence::Online && presence == Presence::Offline {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        // The edges of what we could not tell are always kept: they are ours, and few.
        let is_edge = was == Presence::Unobserved || presence == Presence::Unobserved;
        let limit =
            if is_edge { LogLimit::Unlimited } else { LogLimit::MinInterval(log_rate_limit_ns(flap_count)) };
        // The account begins with nothing known: what is known at that very moment needs no entry,
        // so a peer that never changes costs no log.
        if at_ns > peer.tracked_since_ns || !peer.log().is_empty() {
            peer.set_presence_logged(presence, at_ns, limit, self.config.log_capacity);
        } else {
            peer.set_presence_unlogged(presence, at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        let at = self.clock.to_wall_clock(at_ns);
        on_change(Change::Presence { node_id, at, previous: was, presence, flap_count });
    }

    /// lnd's rule: every event is a flap, and is logged while there are channels.
    fn lnd_event(&mut self, slot: Slot, online: bool, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        let was = peer.ledger.presence();
        let mut flaps = peer.flaps();
        flaps.record_flap(at_ns);
        peer.set_flaps(flaps);
        if was == Presence::Online && !online {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        if peer.has_channels() {
            peer.set_presence_logged(
                online.into(),
                at_ns,
                LogLimit::MinQuiet(log_rate_limit_ns(flap_count)),
                self.config.log_capacity,
            );
        } else {
            peer.set_presence_unlogged(online.into(), at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        if was != online.into() {
            let at = self.clock.to_wall_clock(at_ns);
            on_change(Change::Presence { node_id, at, previous: was, presence: online.into(), flap_count });
        }
    }

    /// lnd logs the peer's state when a channel opens, unless it has committed an event already.
    fn lnd_log_channel(&mut self, slot: Slot, at_ns: u64) {
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        if peer.log().committed().is_empty() {
            let (presence, flap_count) = (peer.ledger.presence(), peer.flaps().count());
            peer.set_presence_logged(
                presence,
                at_ns,
                LogLimit::MinQuiet(log_rate_limit_ns(flap_count)),
                self.config.log_capacity,
            );
        }
    }
}
