//! Reconciling with what the node itself lists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Tracker;
use crate::config::Rules;
use crate::slab::Slot;
use crate::{Change, ChannelId, ChannelOpened, NodeId, Presence, Snapshot};

impl Tracker {
    /// Channels first: what a peer does after its last channel is gone does not count.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let taken_ns = snapshot.taken_at.map_or(u64::MAX, |at| self.line.to_line(at));
        let connected: BTreeSet<&NodeId> = snapshot.connected.iter().collect();
        self.book.clear_strangers();

        for channel in &snapshot.channels {
            let opened = ChannelOpened {
                channel_id: channel.channel_id,
                node_id: channel.node_id,
                funding: channel.funding,
                online: Some(connected.contains(&channel.node_id)),
            };
            self.open(&opened, at_ns, changed);
        }
        let listed: BTreeSet<&ChannelId> =
            snapshot.channels.iter().map(|channel| &channel.channel_id).collect();
        let closed: Vec<ChannelId> = self
            .book
            .peers
            .iter()
            .flat_map(|(_, peer)| peer.channels())
            .filter(|channel| channel.opened_at_ns < taken_ns && !listed.contains(&channel.channel_id))
            .map(|channel| channel.channel_id)
            .collect();
        for channel_id in closed {
            self.close(&channel_id, at_ns, changed);
        }

        for slot in self.book.peers.slots() {
            let online = self.book.peers.get(slot).is_some_and(|peer| connected.contains(&peer.node_id));
            self.correct_presence(slot, online, taken_ns, at_ns, changed);
        }
        for node_id in connected {
            if self.book.find_peer(node_id).is_some() {
                continue;
            }
            // lnd 0.19 tracks everyone who is connected.
            if self.config.rules == Rules::Lnd019 {
                self.hear(node_id, true, at_ns, changed);
            } else {
                self.book.add_stranger(*node_id);
            }
        }
    }

    fn correct_presence(
        &mut self,
        slot: Slot,
        online: bool,
        taken_ns: u64,
        at_ns: u64,
        changed: &mut impl FnMut(Change),
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
            peer.hear(online);
        }
    }
}
