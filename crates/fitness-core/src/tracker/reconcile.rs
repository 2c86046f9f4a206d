//! Reconciles the tracker with a snapshot of the node's state.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Peer, ReconnectGrace};
use crate::config::Rules;
use crate::slab::Slot;
use crate::{Change, ChannelId, ChannelOpened, NodeId, Presence, Snapshot};

impl Tracker {
    /// Applies a snapshot.
    ///
    /// Channels come first, because connection changes after a peer's last channel was closed do not count.
    /// Then lost connections come before new ones: if a connection were established in between, the network
    /// would not count as down.
    pub(super) fn reconcile(&mut self, snapshot: &Snapshot, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        let taken_ns = snapshot.taken_at.map_or(u64::MAX, |at| self.clock.to_tracker_time(at));
        let connected: BTreeSet<&NodeId> = snapshot.connected.iter().collect();
        self.reconcile_channels(snapshot, &connected, taken_ns, at_ns, on_change);

        let changed = self.changed_connections(&connected, taken_ns);
        let strangers = self.registry.strangers().filter(|node_id| !connected.contains(node_id));
        let disconnected_strangers: Vec<NodeId> = strangers.copied().collect();
        let was_connected = |slot: Slot| {
            self.registry.peers.get(slot).is_some_and(|peer| peer.connection == Presence::Online)
        };
        let offline = changed.iter().filter(|(_, online)| !online).map(|(slot, _)| *slot);
        let (disconnected, unreported): (Vec<Slot>, Vec<Slot>) =
            offline.partition(|&slot| was_connected(slot));
        for slot in disconnected {
            self.record_peer_connection_change(slot, false, at_ns, on_change);
        }
        for node_id in disconnected_strangers {
            self.record_connection_change(&node_id, false, at_ns, on_change);
        }
        // All disconnects have been processed, so `is_down` is final here.
        for slot in unreported {
            self.record_peer_connection_change(slot, false, at_ns, on_change);
        }
        // The network counts these connections after all presences are set, so that none of them is treated
        // as made while the network was still down, and none as made after it recovered.
        let mut opened_count = 0;
        for &(slot, _) in changed.iter().filter(|(_, online)| *online) {
            let Some(peer) = self.registry.peers.get(slot) else { continue };
            // A listed connection may date from before the gap.
            let may_be_stale =
                peer.in_reconnect_grace() && (self.paused || self.connections_may_be_stale(at_ns));
            self.set_connection(slot, true, at_ns, on_change);
            if let Some(peer) = self.registry.peers.get_mut(slot).filter(|_| may_be_stale) {
                peer.reconnect_grace = ReconnectGrace::MaybeStale;
            }
            opened_count += 1;
        }
        for node_id in connected.iter().filter(|id| self.registry.find_peer(id).is_none()).collect::<Vec<_>>()
        {
            // lnd 0.19 tracks every connected peer.
            if self.config.rules == Rules::Lnd019 {
                self.record_connection_change(node_id, true, at_ns, on_change);
            } else {
                opened_count += usize::from(self.registry.add_stranger(**node_id));
            }
        }
        for _ in 0..opened_count {
            self.connection_established(at_ns, on_change);
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

    /// Returns the peers whose connection differs from the last report, with the new state. Ignores changes
    /// that are newer than the snapshot.
    fn changed_connections(&self, connected: &BTreeSet<&NodeId>, taken_ns: u64) -> Vec<(Slot, bool)> {
        let changed = |(slot, peer): (Slot, &Peer)| {
            let online = connected.contains(&peer.node_id);
            let since_ns = peer.ledger.presence_since_ns();
            let newer = peer.ledger.presence() != Presence::Unobserved
                && since_ns >= taken_ns
                && self.last_suspension_end_ns != Some(since_ns);
            (!newer && peer.connection != online.into()).then_some((slot, online))
        };
        self.registry.peers.iter().filter_map(changed).collect()
    }
}
