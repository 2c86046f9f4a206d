//! Reconciling with what the node itself lists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Tracker;
use crate::config::Rules;
use crate::slab::Slot;
use crate::{Change, ChannelOpened, NodeId, Presence, Snapshot};

impl Tracker {
    /// Channels first: what a peer does after its last channel is gone does not count.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, at_ns: u64, changed: &mut dyn FnMut(Change)) {
        let taken_ns = snapshot.taken_at.map_or(u64::MAX, |at| self.line.to_line(at));
        let connected = self.note_connected(&snapshot.connected);

        let mut listed = BTreeSet::new();
        for channel in &snapshot.channels {
            let online = match self.book.find_peer(&channel.node_id) {
                Some(slot) => connected.contains(&slot),
                None => self.book.is_stranger(&channel.node_id),
            };
            let opened = ChannelOpened {
                channel_id: channel.channel_id,
                node_id: channel.node_id,
                funding: channel.funding,
                online: Some(online),
            };
            self.open(&opened, at_ns, changed);
            listed.extend(self.book.find_channel(&channel.channel_id));
        }
        let closed: Vec<Slot> = self
            .book
            .channels
            .iter()
            .filter(|(slot, channel)| channel.opened_at_ns < taken_ns && !listed.contains(slot))
            .map(|(slot, _)| slot)
            .collect();
        for slot in closed {
            self.close(slot, at_ns, changed);
        }

        if self.config.rules == Rules::Lnd019 {
            self.track_strangers(&snapshot.connected, at_ns, changed);
        }
        for slot in self.book.peers.slots() {
            self.correct_presence(slot, connected.contains(&slot), taken_ns, at_ns, changed);
        }
    }

    /// Which of the peers that we know are connected; the others become the strangers.
    fn note_connected(&mut self, connected: &[NodeId]) -> BTreeSet<Slot> {
        self.book.clear_strangers();
        let mut known = BTreeSet::new();
        for node_id in connected {
            match self.book.find_peer(node_id) {
                Some(slot) => {
                    known.insert(slot);
                }
                None => self.book.add_stranger(*node_id),
            }
        }
        known
    }

    /// lnd 0.19 tracks everyone who is connected.
    fn track_strangers(&mut self, connected: &[NodeId], at_ns: u64, changed: &mut dyn FnMut(Change)) {
        for node_id in connected {
            let tracked = self.book.find_peer(node_id).is_some_and(|slot| self.is_followed(slot));
            if !tracked {
                self.book.remove_stranger(node_id);
                self.hear(node_id, true, at_ns, changed);
            }
        }
    }

    fn correct_presence(
        &mut self,
        slot: Slot,
        online: bool,
        taken_ns: u64,
        at_ns: u64,
        changed: &mut dyn FnMut(Change),
    ) {
        let Some(peer) = self.book.peers.get_mut(slot) else { return };
        let newer = peer.ledger.presence() != Presence::Unobserved && peer.ledger.since_ns() >= taken_ns;
        let agrees = peer.heard == online.into();
        if newer || agrees {
            return;
        }
        if self.is_followed(slot) {
            self.hear_of(slot, online, at_ns, changed);
        } else if let Some(peer) = self.book.peers.get_mut(slot) {
            peer.heard = online.into();
        }
    }
}
