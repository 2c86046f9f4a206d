//! Reconciling with what the node itself lists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Awaited, Peer};
use crate::config::Rules;
use crate::slab::Slot;
use crate::{Change, ChannelId, ChannelOpened, NodeId, Presence, Snapshot};

impl Tracker {
    /// Channels first: what a peer does after its last channel is gone does not count. Of the
    /// connections those that went down: one that came up meanwhile came after them, or the network
    /// was not out.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, at_ns: u64, changed: &mut impl FnMut(Change)) {
        let taken_ns = snapshot.taken_at.map_or(u64::MAX, |at| self.line.to_line(at));
        let connected: BTreeSet<&NodeId> = snapshot.connected.iter().collect();
        self.reconcile_channels(snapshot, &connected, taken_ns, at_ns, changed);

        let different = self.different_presences(&connected, taken_ns);
        let strangers = self.book.strangers().filter(|node_id| !connected.contains(node_id));
        let lost_strangers: Vec<NodeId> = strangers.copied().collect();
        let is_lost =
            |slot: Slot| self.book.peers.get(slot).is_some_and(|peer| peer.heard == Presence::Online);
        let offline = different.iter().filter(|(_, online)| !online).map(|(slot, _)| *slot);
        let (lost, absent): (Vec<Slot>, Vec<Slot>) = offline.partition(|&slot| is_lost(slot));
        for slot in lost {
            self.hear_of(slot, false, at_ns, changed);
        }
        for node_id in lost_strangers {
            self.hear(&node_id, false, at_ns, changed);
        }
        // Whether our network is out is clear by now.
        for slot in absent {
            self.hear_of(slot, false, at_ns, changed);
        }
        // All at once: none of them came while our network was still out, and none after it.
        let mut came_up = 0;
        for &(slot, _) in different.iter().filter(|(_, online)| *online) {
            let Some(peer) = self.book.peers.get(slot) else { continue };
            // A connection that is listed may be one of before the gap.
            let may_be_shaky = peer.is_awaited() && (self.paused || self.is_shaky_time(at_ns));
            self.believe(slot, true, at_ns, changed);
            if let Some(peer) = self.book.peers.get_mut(slot).filter(|_| may_be_shaky) {
                peer.awaited = Awaited::Shaky;
            }
            came_up += 1;
        }
        for node_id in connected.iter().filter(|id| self.book.find_peer(id).is_none()).collect::<Vec<_>>() {
            // lnd 0.19 tracks everyone who is connected.
            if self.config.rules == Rules::Lnd019 {
                self.hear(node_id, true, at_ns, changed);
            } else {
                came_up += usize::from(self.book.add_stranger(**node_id));
            }
        }
        for _ in 0..came_up {
            self.connected(at_ns, changed);
        }
        for channel in &snapshot.channels {
            if let Some(usable) = channel.usable {
                self.tell_usable(&channel.channel_id, usable, at_ns, changed);
            }
        }
    }

    fn reconcile_channels(
        &mut self,
        snapshot: &Snapshot,
        connected: &BTreeSet<&NodeId>,
        taken_ns: u64,
        at_ns: u64,
        changed: &mut impl FnMut(Change),
    ) {
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
    }

    /// Whose connection is not as we heard, and what it is; what changed since the snapshot was
    /// taken is newer.
    fn different_presences(&self, connected: &BTreeSet<&NodeId>, taken_ns: u64) -> Vec<(Slot, bool)> {
        let listed = |(slot, peer): (Slot, &Peer)| {
            let online = connected.contains(&peer.node_id);
            let since_ns = peer.ledger.presence_since_ns();
            let newer = peer.ledger.presence() != Presence::Unobserved
                && since_ns >= taken_ns
                && self.lapse_ended_ns != Some(since_ns);
            (!newer && peer.heard != online.into()).then_some((slot, online))
        };
        self.book.peers.iter().filter_map(listed).collect()
    }
}
