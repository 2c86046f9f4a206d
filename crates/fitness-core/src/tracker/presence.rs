//! What an event means for a peer's ledger, flaps and log: our rules, and lnd's.

use super::Tracker;
use super::book::Peer;
use crate::config::Rules;
use crate::flap::rate_limit_ns;
use crate::slab::Slot;
use crate::{Change, NodeId, Presence};

impl Tracker {
    /// Whether a peer's presence counts at present.
    pub(super) fn is_followed(&self, slot: Slot) -> bool {
        self.book.peers.get(slot).is_some_and(|peer| self.is_followed_peer(peer))
    }

    fn is_followed_peer(&self, peer: &Peer) -> bool {
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
        let slot = match self.book.find_peer(node_id) {
            Some(slot) => slot,
            None if self.config.rules == Rules::Lnd019 => self.peer_slot(node_id, at_ns),
            None if online => return self.book.add_stranger(*node_id),
            None => {
                self.book.remove_stranger(node_id);
                return;
            }
        };
        self.hear_of(slot, online, at_ns, changed);
    }

    pub(super) fn hear_of(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        peer.hear(online);
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
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        match self.config.rules {
            Rules::Ours => {
                if let (Presence::Unobserved, Some(online)) = (peer.ledger.presence(), online) {
                    peer.hear(online);
                }
                let believed = peer.believed();
                if !self.paused {
                    self.set_presence(slot, believed, at_ns, changed);
                }
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
                peer.continue_log(peer.log().end());
            }
        } else {
            self.refollow(slot, at_ns, changed);
        }
    }

    /// Brings a peer's presence in line with whether it is followed: what it does while it is not
    /// counts neither for nor against it.
    pub(super) fn refollow(&mut self, slot: Slot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get(slot) else { return };
        let is_observed = self.is_followed_peer(peer) && !self.paused;
        let presence = if is_observed { peer.believed() } else { Presence::Unobserved };
        self.set_presence(slot, presence, at_ns, changed);
    }

    /// From now on nothing is known of anyone. lnd has no such notion.
    pub(super) fn pause(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if self.paused || self.config.rules.are_lnds() {
            return;
        }
        self.paused = true;
        let has_grace = self.config.reconnect_grace_ns > 0;
        self.book.clear_strangers();
        for slot in self.book.peers.slots() {
            if let Some(peer) = self.book.peers.get_mut(slot) {
                peer.heard = Presence::Unobserved;
                peer.awaited |= has_grace && peer.ledger.presence() == Presence::Online;
            }
            self.set_presence(slot, Presence::Unobserved, at_ns, changed);
        }
    }

    /// What was heard during the pause holds from now on.
    pub(super) fn resume(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if !self.paused {
            return;
        }
        self.paused = false;
        self.begin_grace(at_ns);
        for slot in self.book.peers.slots() {
            self.refollow(slot, at_ns, changed);
        }
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
            flaps.flap(at_ns);
            peer.set_flaps(flaps);
        }
        if was == Presence::Online && presence == Presence::Offline {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        // The account begins with nothing known: what is known at that very moment needs no entry,
        // so a peer that never changes costs no log.
        if at_ns > peer.first_seen_ns || !peer.log().is_empty() {
            peer.set_logged(presence, at_ns, rate_limit_ns(flap_count), self.config.log_capacity);
        } else {
            peer.set_unlogged(presence, at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        let at = self.line.to_clock(at_ns);
        changed(Change::Presence { node_id, at, was, online: presence, flap_count });
    }

    /// lnd's rule: every event is a flap, and is logged while there are channels.
    fn lnd_event(&mut self, slot: Slot, online: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let was = peer.ledger.presence();
        let mut flaps = peer.flaps();
        flaps.flap(at_ns);
        peer.set_flaps(flaps);
        if was == Presence::Online && !online {
            peer.disconnects = peer.disconnects.saturating_add(1);
        }
        let flap_count = flaps.count();
        if peer.has_channels() {
            peer.set_logged(online.into(), at_ns, rate_limit_ns(flap_count), self.config.log_capacity);
        } else {
            peer.set_unlogged(online.into(), at_ns);
        }
        let node_id = peer.node_id;
        self.mark_dirty(slot);
        if was != online.into() {
            let at = self.line.to_clock(at_ns);
            changed(Change::Presence { node_id, at, was, online: online.into(), flap_count });
        }
    }

    /// lnd logs the peer's state when a channel opens, unless it has committed an event already.
    fn lnd_log_channel(&mut self, slot: Slot, at_ns: u64) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        if peer.log().committed().is_empty() {
            let (presence, flap_count) = (peer.ledger.presence(), peer.flaps().count());
            peer.set_logged(presence, at_ns, rate_limit_ns(flap_count), self.config.log_capacity);
        }
    }
}
