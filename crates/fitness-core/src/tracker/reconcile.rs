//! Reconciling with what the node itself lists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Peer, ReconnectGrace};
use crate::config::Rules;
use crate::slab::Slot;
use crate::{Change, ChannelId, ChannelOpened, NodeId, Presence, Snapshot};

impl Tracker {
    /// Channels first: what a peer does after its last channel is gone does not count. Of the
    /// connections those that went down: one that came up meanwhile came after them, or the network
    /// was not out.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let taken_ns = snapshot.taken_at.map_or(u64::MAX, |at| self.clock.to_tracker_time(at));
        let connected: BTreeSet<&NodeId> = snapshot.connected.iter().collect();
        self.reconcile_channels(snapshot, &connected, taken_ns, at_ns, on_change);

        let different = self.changed_connections(&connected, taken_ns);
        let strangers = self.registry.strangers().filter(|node_id| !connected.contains(node_id));
        let lost_strangers: Vec<NodeId> = strangers.copied().collect();
        let is_lost = |slot: Slot| {
            self.registry.peers.get(slot).is_some_and(|peer| peer.connection == Presence::Online)
        };
        let offline = different.iter().filter(|(_, online)| !online).map(|(slot, _)| *slot);
        let (lost, absent): (Vec<Slot>, Vec<Slot>) = offline.partition(|&slot| is_lost(slot));
        for slot in lost {
            self.record_peer_connection(slot, false, at_ns, on_change);
        }
        for node_id in lost_strangers {
            self.record_connection(&node_id, false, at_ns, on_change);
        }
        // Whether our network is out is clear by now.
        for slot in absent {
            self.record_peer_connection(slot, false, at_ns, on_change);
        }
        // All at once: none of them came while our network was still out, and none after it.
        let mut came_up = 0;
        for &(slot, _) in different.iter().filter(|(_, online)| *online) {
            let Some(peer) = self.registry.peers.get(slot) else { continue };
            // A connection that is listed may be one of before the gap.
            let may_be_stale = peer.in_reconnect_grace() && (self.paused || self.is_stale_period(at_ns));
            self.set_connection(slot, true, at_ns, on_change);
            if let Some(peer) = self.registry.peers.get_mut(slot).filter(|_| may_be_stale) {
                peer.reconnect_grace = ReconnectGrace::MaybeStale;
            }
            came_up += 1;
        }
        for node_id in connected.iter().filter(|id| self.registry.find_peer(id).is_none()).collect::<Vec<_>>()
        {
            // lnd 0.19 tracks everyone who is connected.
            if self.config.rules == Rules::Lnd019 {
                self.record_connection(node_id, true, at_ns, on_change);
            } else {
                came_up += usize::from(self.registry.add_stranger(**node_id));
            }
        }
        for _ in 0..came_up {
            self.connection_opened(at_ns, on_change);
        }
        for channel in &snapshot.channels {
            if let Some(usable) = channel.usable {
                self.record_usable(&channel.channel_id, usable, at_ns, on_change);
            }
        }
    }

    fn reconcile_channels(
        &mut self,
        snapshot: &Snapshot,
        connected: &BTreeSet<&NodeId>,
        taken_ns: u64,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        for channel in &snapshot.channels {
            let opened = ChannelOpened {
                channel_id: channel.channel_id,
                node_id: channel.node_id,
                funding: channel.funding,
                online: Some(connected.contains(&channel.node_id)),
            };
            self.open_channel(&opened, at_ns, on_change);
        }
        let listed: BTreeSet<&ChannelId> =
            snapshot.channels.iter().map(|channel| &channel.channel_id).collect();
        let closed: Vec<ChannelId> = self
            .registry
            .peers
            .iter()
            .flat_map(|(_, peer)| peer.channels())
            .filter(|channel| channel.opened_at_ns < taken_ns && !listed.contains(&channel.channel_id))
            .map(|channel| channel.channel_id)
            .collect();
        for channel_id in closed {
            self.close_channel(&channel_id, at_ns, on_change);
        }
    }

    /// Whose connection is not as we heard, and what it is; what changed since the snapshot was
    /// taken is newer.
    fn changed_connections(&self, connected: &BTreeSet<&NodeId>, taken_ns: u64) -> Vec<(Slot, bool)> {
        let listed = |(slot, peer): (Slot, &Peer)| {
            let online = connected.contains(&peer.node_id);
            let since_ns = peer.ledger.presence_since_ns();
            let newer = peer.ledger.presence() != Presence::Unobserved
                && since_ns >= taken_ns
                && self.last_suspension_end_ns != Some(since_ns);
            (!newer && peer.connection != online.into()).then_some((slot, online))
        };
        self.registry.peers.iter().filter_map(listed).collect()
    }
}
