//! Detects outages of the observer's own network, as described at
//! [`NetworkOutageRule`](crate::NetworkOutageRule).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Counters, ReconnectGrace};
use crate::slab::Slot;
use crate::{Change, GapCause, Presence};

/// The number of connections, and the latest disconnects.
#[derive(Debug, Default)]
pub(super) struct NetworkMonitor {
    /// The number of current connections, including those of strangers.
    connection_count: usize,
    /// The disconnects since the last connection was established that are close enough in time to have a
    /// common cause.
    disconnects: VecDeque<Disconnect>,
    /// Whether the network is down.
    pub(super) is_down: bool,
}

/// A disconnect of a peer or stranger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disconnect {
    at_ns: u64,
    /// The peer, with its counters before the disconnect; `None` for a stranger.
    peer: Option<(Slot, Counters)>,
}

impl Disconnect {
    pub(super) const fn of_stranger(at_ns: u64) -> Self {
        Self { at_ns, peer: None }
    }

    pub(super) const fn of_peer(at_ns: u64, slot: Slot, before: Counters) -> Self {
        Self { at_ns, peer: Some((slot, before)) }
    }
}

impl NetworkMonitor {
    pub(super) const fn has_connections(&self) -> bool {
        self.connection_count > 0
    }

    /// Resets the monitor, because the state of all connections is not known.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Separates earlier disconnects from later ones, which have another cause.
    pub(super) fn clear_disconnects(&mut self) {
        self.disconnects.clear();
    }
}

impl Tracker {
    /// Records that a connection was established. It ends a network outage.
    pub(super) fn connection_established(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.network.connection_count = self.network.connection_count.saturating_add(1);
        self.network.disconnects.clear();
        self.grace_timer.record_connection();
        if core::mem::take(&mut self.network.is_down) {
            self.end_gap(at_ns, on_change);
            self.start_grace_timer(at_ns);
            // Offline peers can be distinguished from a network outage again.
            self.update_all_presences(at_ns, on_change);
        }
    }

    /// Removes a connection without recording a disconnect: its state was wrong or is not known.
    pub(super) fn remove_connection(&mut self) {
        self.network.connection_count = self.network.connection_count.saturating_sub(1);
    }

    /// Records a disconnect.
    pub(super) fn connection_lost(&mut self, disconnect: Disconnect, on_change: &mut impl FnMut(Change)) {
        self.remove_connection();
        let Some(rule) = self.config.network_outage_rule.filter(|_| !self.network.is_down && !self.paused)
        else {
            return;
        };
        let disconnects = &mut self.network.disconnects;
        disconnects.push_back(disconnect);
        let is_old = |first: &Disconnect| disconnect.at_ns.saturating_sub(first.at_ns) > rule.window_ns;
        while disconnects.front().is_some_and(is_old) {
            disconnects.pop_front();
        }
        if rule.applies(disconnects.len(), disconnects.len().saturating_add(self.network.connection_count)) {
            self.declare_network_down(on_change);
        }
    }

    fn declare_network_down(&mut self, on_change: &mut impl FnMut(Change)) {
        let disconnects = core::mem::take(&mut self.network.disconnects);
        let Some(from_ns) = disconnects.front().map(|disconnect| disconnect.at_ns) else { return };
        for Disconnect { at_ns, peer } in disconnects {
            let Some((slot, before)) = peer else { continue };
            let Some(peer) = self.registry.peers.get_mut(slot) else { continue };
            if !peer.revert_disconnect(at_ns, before) {
                continue;
            }
            peer.reconnect_grace = ReconnectGrace::Active;
            let (node_id, flap_count) = (peer.node_id, peer.flaps().count());
            self.mark_dirty(slot);
            on_change(Change::Presence {
                node_id,
                at: self.clock.to_wall_clock(at_ns),
                previous: Presence::Offline,
                presence: Presence::Unobserved,
                flap_count,
            });
        }
        self.begin_network_outage(from_ns, on_change);
    }

    /// Begins a network outage at `from_ns`. Offline peers are unobserved until a connection is established.
    pub(super) fn begin_network_outage(&mut self, from_ns: u64, on_change: &mut impl FnMut(Change)) {
        self.network.is_down = true;
        self.grace_timer.stop();
        self.begin_gap(GapCause::NetworkDown, from_ns, on_change);
        for slot in self.registry.peers.slots() {
            let Some(peer) = self.registry.peers.get(slot) else { continue };
            if peer.ledger.presence() == Presence::Offline {
                let since_ns = from_ns.max(peer.earliest_change_ns());
                self.set_presence(slot, Presence::Unobserved, since_ns, on_change);
            }
        }
    }

    /// Returns whether so many tracked peers are in their reconnect grace period that the network must be
    /// down, given that none has reconnected.
    pub(super) fn grace_meets_outage_rule(&self) -> bool {
        let Some(rule) = self.config.network_outage_rule else { return false };
        let is_in_grace = |slot: &Slot| {
            self.is_tracked(*slot)
                && self.registry.peers.get(*slot).is_some_and(super::peer::Peer::in_reconnect_grace)
        };
        let in_grace: Vec<_> = self.registry.peers.slots().into_iter().filter(is_in_grace).collect();
        rule.applies(in_grace.len(), in_grace.len())
    }
}
