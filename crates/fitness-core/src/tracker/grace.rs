//! A fair chance to come back: who was online before a gap of ours is not offline at its very end.

use super::Tracker;
use super::peer::Awaited;
use crate::{Change, GapCause, Presence};

/// The grace after the last gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Grace {
    /// Nobody is waited for, or nobody can come back yet.
    #[default]
    None,
    Running {
        /// When the gap ended.
        from_ns: u64,
        until_ns: u64,
        /// Whether a connection came up since.
        met: bool,
    },
}

impl Grace {
    pub(super) const fn ends_ns(self) -> Option<u64> {
        match self {
            Self::Running { until_ns, .. } => Some(until_ns),
            Self::None => None,
        }
    }

    /// A connection came up.
    pub(super) fn meet(&mut self) {
        if let Self::Running { met, .. } = self {
            *met = true;
        }
    }

    /// Who is waited for is waited for until another grace has begun and ended.
    pub(super) fn suspend(&mut self) {
        *self = Self::None;
    }
}

impl Tracker {
    /// Does what was to happen until `at_ns`.
    pub(super) fn settle(&mut self, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if !self.watch.has_started() {
            self.start_watch(at_ns, changed);
            if self.restored_awaited {
                self.begin_grace(at_ns);
            }
        }
        if let Grace::Running { from_ns, until_ns, met, .. } = self.grace {
            if at_ns >= until_ns {
                self.end_grace(from_ns, met, at_ns, changed);
            }
        }
    }

    /// A gap ends at `at_ns`.
    pub(super) fn begin_grace(&mut self, at_ns: u64) {
        let until_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
        self.grace = Grace::Running { from_ns: at_ns, until_ns, met: false };
    }

    /// A gap ends at `at_ns` in which connections may have died that are still said to be up. That
    /// they do is seen within a grace, whatever else happens in it.
    pub(super) fn begin_shaky_time(&mut self, at_ns: u64) {
        self.shaky_until_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
    }

    pub(super) fn is_shaky_time(&self, at_ns: u64) -> bool {
        at_ns < self.shaky_until_ns
    }

    /// Whoever is not back was offline all the time since the gap, unless nobody at all is there.
    fn end_grace(&mut self, from_ns: u64, met: bool, at_ns: u64, changed: &mut impl FnMut(Change)) {
        self.grace = Grace::None;
        if !met && !self.network.anybody_is_up() && !self.paused && self.waits_for_many() {
            self.network_is_out(from_ns, changed);
            return;
        }
        for slot in self.book.peers.slots() {
            let Some(peer) = self.book.peers.get_mut(slot) else { continue };
            let was_awaited = core::mem::take(&mut peer.awaited) == Awaited::Yes;
            if !was_awaited {
                continue;
            }
            // Only as far back as nothing else was known since.
            let since_ns = from_ns.max(peer.settled_ns()).min(at_ns);
            if peer.heard == Presence::Offline && self.is_followed(slot) && !self.paused {
                self.set_presence(slot, Presence::Offline, since_ns, changed);
            }
            // Of whom nothing was heard the record says so.
            self.mark_dirty(slot);
        }
    }

    /// We could not tell from `from_ns` until `at_ns`, while connections stayed what they were or
    /// died unnoticed.
    pub(super) fn lapse(&mut self, from_ns: u64, at_ns: u64, changed: &mut impl FnMut(Change)) {
        if self.paused || self.config.rules.are_lnds() {
            return;
        }
        let from_ns = from_ns.min(at_ns);
        let has_grace = self.config.reconnect_grace_ns > 0;
        self.note_gap(GapCause::Suspended, from_ns, at_ns, changed);
        self.network.forget_losses();
        let slots = self.book.peers.slots();
        for &slot in &slots {
            let Some(peer) = self.book.peers.get_mut(slot) else { continue };
            if has_grace && peer.ledger.presence() == Presence::Online {
                peer.awaited = Awaited::Shaky;
            }
            if from_ns < at_ns {
                let since_ns = from_ns.max(peer.settled_ns()).min(at_ns);
                self.set_presence(slot, Presence::Unobserved, since_ns, changed);
            }
        }
        self.lapse_ended_ns = Some(at_ns);
        self.begin_shaky_time(at_ns);
        if !self.network.is_out {
            self.begin_grace(at_ns);
        }
        self.refollow_all(at_ns, changed);
    }
}
