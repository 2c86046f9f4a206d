//! Our own network: when nearly everybody is lost at once, it was not they.
//!
//! The rule is that of [`NetworkOutageRule`](crate::NetworkOutageRule).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Awaited, Before};
use crate::slab::Slot;
use crate::{Change, GapCause, Presence};

/// The connections there are, and those that were lost last.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// How many connections are up, of peers and strangers.
    up: usize,
    /// The losses since a connection last came up, as far as they may belong together.
    losses: VecDeque<Loss>,
    /// Whether it is out.
    pub(super) is_out: bool,
}

/// A connection that went down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    at_ns: u64,
    /// Whose it was, and what it was before; `None` for a stranger's.
    peer: Option<(Slot, Before)>,
}

impl Loss {
    pub(super) const fn of_stranger(at_ns: u64) -> Self {
        Self { at_ns, peer: None }
    }

    pub(super) const fn of_peer(at_ns: u64, slot: Slot, before: Before) -> Self {
        Self { at_ns, peer: Some((slot, before)) }
    }
}

impl Network {
    pub(super) const fn anybody_is_up(&self) -> bool {
        self.up > 0
    }

    /// Nothing is known of any connection.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// What was lost until now and what is lost from now on do not belong together.
    pub(super) fn forget_losses(&mut self) {
        self.losses.clear();
    }
}

impl Tracker {
    /// A connection came up.
    pub(super) fn connected(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        self.network.up = self.network.up.saturating_add(1);
        self.network.losses.clear();
        self.grace.meet();
        if core::mem::take(&mut self.network.is_out) {
            self.end_gap(at_ns, changed);
            self.begin_grace(at_ns);
            // We can see again who is offline.
            self.refollow_all(at_ns, changed);
        }
    }

    /// A connection is not up after all, or we do not know.
    pub(super) fn disconnected(&mut self) {
        self.network.up = self.network.up.saturating_sub(1);
    }

    /// A connection went down.
    pub(super) fn lost(&mut self, loss: Loss, changed: &mut impl FnMut(Change)) {
        self.disconnected();
        let Some(rule) = self.config.outage.filter(|_| !self.network.is_out && !self.paused) else { return };
        let losses = &mut self.network.losses;
        losses.push_back(loss);
        let is_old = |first: &Loss| loss.at_ns.saturating_sub(first.at_ns) > rule.settle_ns;
        while losses.front().is_some_and(is_old) {
            losses.pop_front();
        }
        if rule.applies(losses.len(), losses.len().saturating_add(self.network.up)) {
            self.take_network_for_out(changed);
        }
    }

    fn take_network_for_out(&mut self, changed: &mut impl FnMut(Change)) {
        let losses = core::mem::take(&mut self.network.losses);
        let Some(from_ns) = losses.front().map(|loss| loss.at_ns) else { return };
        for Loss { at_ns, peer } in losses {
            let Some((slot, before)) = peer else { continue };
            let Some(peer) = self.book.peers.get_mut(slot) else { continue };
            if !peer.take_back_loss(at_ns, before) {
                continue;
            }
            peer.awaited = Awaited::Yes;
            let (node_id, flap_count) = (peer.node_id, peer.flaps().count());
            self.mark_dirty(slot);
            changed(Change::Presence {
                node_id,
                at: self.line.to_clock(at_ns),
                previous: Presence::Offline,
                presence: Presence::Unobserved,
                flap_count,
            });
        }
        self.network_is_out(from_ns, changed);
    }

    /// From `from_ns` on, and until a connection comes up, we cannot tell who is offline.
    pub(super) fn network_is_out(&mut self, from_ns: u64, changed: &mut impl FnMut(Change)) {
        self.network.is_out = true;
        self.grace.suspend();
        self.begin_gap(GapCause::NetworkDown, from_ns, changed);
        for slot in self.book.peers.slots() {
            let Some(peer) = self.book.peers.get(slot) else { continue };
            if peer.ledger.presence() == Presence::Offline {
                let since_ns = from_ns.max(peer.settled_ns());
                self.set_presence(slot, Presence::Unobserved, since_ns, changed);
            }
        }
    }

    /// Whether so many peers are waited for that it must be our network, where nobody came back.
    pub(super) fn waits_for_many(&self) -> bool {
        let Some(rule) = self.config.outage else { return false };
        let is_waited_for = |slot: &Slot| {
            self.is_followed(*slot) && self.book.peers.get(*slot).is_some_and(super::peer::Peer::is_awaited)
        };
        let waited_for: Vec<_> = self.book.peers.slots().into_iter().filter(is_waited_for).collect();
        rule.applies(waited_for.len(), waited_for.len())
    }
}
