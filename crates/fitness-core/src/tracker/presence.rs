//! What an event means for a peer's ledger, flaps and log: our rules, and lnd's.

use super::Tracker;
use super::network::Loss;
use super::peer::{Awaited, Limit, Peer};
use crate::config::Rules;
use crate::flap::log_rate_limit_ns;
use crate::slab::Slot;
use crate::{Change, GapCause, NodeId, Presence};

impl Tracker {
    /// Whether a peer's presence counts at present.
    pub(super) fn is_followed(&self, slot: Slot) -> bool {
        self.book.peers.get(slot).is_some_and(|peer| self.is_followed_peer(peer))
    }

    pub(super) fn is_followed_peer(&self, peer: &Peer) -> bool {
        // lnd never lets go of a peer that it has seen.
        let seen = self.config.rules.are_lnds() && peer.ledger.presence() != Presence::Unobserved;
        peer.watched || peer.has_channels() || seen
    }

    /// The connection to a peer came up or went down.
    pub(super) fn hear(
        &mut self,
        node_id: &NodeId,
        online: bool,
        at_ns: u64,
        changed: &mut impl FnMut(Change),
    ) {
        match self.book.find_peer(node_id) {
            Some(slot) => self.hear_of(slot, online, at_ns, changed),
            None if self.config.rules == Rules::Lnd019 => {
                let slot = self.peer_slot(node_id, at_ns);
                self.hear_of(slot, online, at_ns, changed);
            }
            None if online => {
                if self.book.add_stranger(*node_id) {
                    self.connected(at_ns, changed);
                }
            }
            None => {
                if self.book.remove_stranger(node_id) {
                    self.lost(Loss::of_stranger(at_ns), changed);
                }
            }
        }
    }

    pub(super) fn hear_of(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get(slot) else { return };
        let (was_online, before) = (peer.heard == Presence::Online, peer.before());
        self.believe(slot, online, at_ns, changed);
        match (was_online, online) {
            (false, true) => self.connected(at_ns, changed),
            (true, false) => self.lost(Loss::of_peer(at_ns, slot, before), changed),
            _ => {}
        }
    }

    /// What we hear of a peer means this for its account, before it means anything for our network.
    pub(super) fn believe(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let is_shaky_time = self.is_shaky_time(at_ns);
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let is_ours = peer.awaited == Awaited::Shaky && is_shaky_time || self.network.is_out;
        let is_loss = !online && peer.ledger.presence() == Presence::Online;
        let was = core::mem::replace(&mut peer.heard, online.into());
        if self.paused && was != online.into() && self.is_followed(slot) {
            // Of a pause that ends with the process that is all that is known.
            self.mark_dirty(slot);
        }
        if online {
            self.set_awaited(slot, Awaited::No);
        } else if is_ours && is_loss && self.config.reconnect_grace_ns > 0 {
            self.set_awaited(slot, Awaited::Yes);
        }
        match self.config.rules {
            Rules::Ours => self.refollow(slot, at_ns, changed),
            Rules::Lnd019 => self.lnd_event(slot, online, at_ns, changed),
            Rules::LndMaster => {
                if self.is_followed(slot) {
                    self.lnd_event(slot, online, at_ns, changed);
                }
            }
        }
    }

    /// Whether it is awaited is a part of its record.
    fn set_awaited(&mut self, slot: Slot, awaited: Awaited) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let was = core::mem::replace(&mut peer.awaited, awaited);
        if (was == Awaited::Yes) != (awaited == Awaited::Yes) {
            self.mark_dirty(slot);
        }
    }

    /// Notes what is said of a peer's connection by the way.
    fn hear_by_the_way(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let was = core::mem::replace(&mut peer.heard, online.into());
        if online {
            self.set_awaited(slot, Awaited::No);
        }
        match (was == Presence::Online, online) {
            (false, true) => self.connected(at_ns, changed),
            (true, false) => self.disconnected(),
            _ => {}
        }
    }

    /// A channel is about to open: from here on the peer is followed.
    ///
    /// `online` is what the event says of the connection; of a peer that is followed already we
    /// know better.
    pub(super) fn follow_for_channel(
        &mut self,
        slot: Slot,
        online: Option<bool>,
        at_ns: u64,
        changed: &mut impl FnMut(Change),
    ) {
        let followed = self.is_followed(slot);
        if let (Rules::Ours, Some(online)) = (self.config.rules, online) {
            let presence = self.book.peers.get(slot).map(|peer| peer.ledger.presence());
            if presence == Some(Presence::Unobserved) {
                self.hear_by_the_way(slot, online, at_ns, changed);
            }
        }
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        match self.config.rules {
            Rules::Ours => {
                let believed = self.believed(slot);
                self.set_presence(slot, believed, at_ns, changed);
            }
            Rules::Lnd019 => {
                // A peer of which lnd has not heard is offline to it, without a flap.
                if !followed {
                    peer.set_unlogged(Presence::Offline, at_ns);
                }
                self.lnd_log_channel(slot, at_ns);
            }
            Rules::LndMaster => {
                if !followed {
                    let online = online.unwrap_or(peer.heard == Presence::Online);
                    self.lnd_event(slot, online, at_ns, changed);
                }
                self.lnd_log_channel(slot, at_ns);
            }
        }
    }

    /// A channel of this peer is gone, perhaps its last.
    pub(super) fn closed_channel(&mut self, slot: Slot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if self.config.rules.are_lnds() {
            if let Some(peer) = self.book.peers.get_mut(slot).filter(|peer| !peer.has_channels()) {
                // lnd forgets its log then.
                peer.continue_log(peer.log().end_number());
            }
        } else {
            self.unfollow(slot, at_ns, changed);
        }
    }

    /// A peer is perhaps not followed any more. If so, that is noted in its log: from then on it
    /// is unobserved, and so `since` tells when it was let go.
    pub(super) fn unfollow(&mut self, slot: Slot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        self.refollow(slot, at_ns, changed);
        if self.is_followed(slot) {
            return;
        }
        self.set_awaited(slot, Awaited::No);
        let bounds = self.config.log;
        if let Some(peer) = self.book.peers.get_mut(slot) {
            if peer.ledger.presence_since_ns() < at_ns {
                peer.set_logged(Presence::Unobserved, at_ns, Limit::None, bounds);
                self.mark_dirty(slot);
            }
        }
    }

    /// What to believe of a peer if it is followed: while our own network is out, and while it has a
    /// fair chance to come back, no peer is offline.
    fn believed(&self, slot: Slot) -> Presence {
        let Some(peer) = self.book.peers.get(slot).filter(|_| !self.paused) else {
            return Presence::Unobserved;
        };
        let may_be_ours = self.network.is_out || peer.is_awaited();
        if may_be_ours && peer.heard == Presence::Offline { Presence::Unobserved } else { peer.heard }
    }

    /// Brings a peer's presence in line with whether it is followed: what it does while it is not
    /// counts neither for nor against it.
    pub(super) fn refollow(&mut self, slot: Slot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let presence = if self.is_followed(slot) { self.believed(slot) } else { Presence::Unobserved };
        self.set_presence(slot, presence, at_ns, changed);
    }

    pub(super) fn refollow_all(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        for slot in self.book.peers.slots() {
            self.refollow(slot, at_ns, changed);
        }
    }

    /// From now on nothing is known of anyone. lnd has no such notion.
    pub(super) fn pause(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if self.paused || self.config.rules.are_lnds() {
            return;
        }
        self.paused = true;
        self.network.forget_all();
        self.grace.suspend();
        self.begin_gap(GapCause::Paused, at_ns, changed);
        self.book.clear_strangers();
        for slot in self.book.peers.slots() {
            self.lose_sight(slot, at_ns, changed);
        }
    }

    /// Nothing is known of a peer from `at_ns` on, whose connection ended then or later.
    pub(super) fn lose_sight(&mut self, slot: Slot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        peer.heard = Presence::Unobserved;
        if self.config.reconnect_grace_ns > 0 && peer.ledger.presence() == Presence::Online {
            self.set_awaited(slot, Awaited::Yes);
        }
        self.set_presence(slot, Presence::Unobserved, at_ns, changed);
    }

    /// What was heard during the pause holds from now on.
    pub(super) fn resume(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if !self.paused {
            return;
        }
        self.paused = false;
        self.end_gap(at_ns, changed);
        self.begin_shaky_time(at_ns);
        self.begin_grace(at_ns);
        self.refollow_all(at_ns, changed);
    }

    /// Our rule: a change between online and offline is a flap, and nothing else is.
    pub(super) fn set_presence(
        &mut self,
        slot: Slot,
        presence: Presence,
        at_ns: u64,
        changed: &mut impl FnMut(Change),
    ) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
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
        let limit = if is_edge { Limit::None } else { Limit::Pace(log_rate_limit_ns(flap_count)) };
        // The account begins with nothing known: what is known at that very moment needs no entry,
        // so a peer that never changes costs no log.
        if at_ns > peer.tracked_since_ns || !peer.log().is_empty() {
            peer.set_logged(presence, at_ns, limit, self.config.log);
        } else {
            peer.set_unlogged(presence, at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        let at = self.line.to_clock(at_ns);
        changed(Change::Presence { node_id, at, previous: was, presence, flap_count });
    }

    /// lnd's rule: every event is a flap, and is logged while there are channels.
    fn lnd_event(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let was = peer.ledger.presence();
        let mut flaps = peer.flaps();
        flaps.record_flap(at_ns);
        peer.set_flaps(flaps);
        if was == Presence::Online && !online {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        if peer.has_channels() {
            peer.set_logged(
                online.into(),
                at_ns,
                Limit::Quiet(log_rate_limit_ns(flap_count)),
                self.config.log,
            );
        } else {
            peer.set_unlogged(online.into(), at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        if was != online.into() {
            let at = self.line.to_clock(at_ns);
            changed(Change::Presence { node_id, at, previous: was, presence: online.into(), flap_count });
        }
    }

    /// lnd logs the peer's state when a channel opens, unless it has committed an event already.
    fn lnd_log_channel(&mut self, slot: Slot, at_ns: u64) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        if peer.log().committed().is_empty() {
            let (presence, flap_count) = (peer.ledger.presence(), peer.flaps().count());
            peer.set_logged(presence, at_ns, Limit::Quiet(log_rate_limit_ns(flap_count)), self.config.log);
        }
    }
}
