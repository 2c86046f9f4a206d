//! A fair chance to come back: who was online before a gap of ours is not offline at its very end.

use super::Tracker;
use super::peer::ReconnectGrace;
use crate::{Change, GapCause, Presence};

/// The grace after the last gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GraceTimer {
    /// Nobody is waited for, or nobody can come back yet.
    #[default]
    Stopped,
    Running {
        /// When the gap ended.
        gap_end_ns: u64,
        deadline_ns: u64,
        /// Whether a connection came up since.
        has_connection: bool,
    },
}

impl GraceTimer {
    pub(super) const fn deadline_ns(self) -> Option<u64> {
        match self {
            Self::Running { deadline_ns, .. } => Some(deadline_ns),
            Self::Stopped => None,
        }
    }

    /// A connection came up.
    pub(super) fn record_connection(&mut self) {
        if let Self::Running { has_connection, .. } = self {
            *has_connection = true;
        }
    }

    /// Who is waited for is waited for until another grace has begun and ended.
    pub(super) fn stop(&mut self) {
        *self = Self::Stopped;
    }
}

impl Tracker {
    /// Does what was to happen until `at_ns`.
    pub(super) fn process_deadlines(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if !self.monitoring.has_started() {
            self.start_monitoring(at_ns, on_change);
            if self.resumed_in_grace {
                self.begin_grace(at_ns);
            }
        }
        if let GraceTimer::Running { gap_end_ns, deadline_ns, has_connection, .. } = self.grace_timer {
            if at_ns >= deadline_ns {
                self.end_grace(gap_end_ns, has_connection, at_ns, on_change);
            }
        }
    }

    /// A gap ends at `at_ns`.
    pub(super) fn begin_grace(&mut self, at_ns: u64) {
        let deadline_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
        self.grace_timer = GraceTimer::Running { gap_end_ns: at_ns, deadline_ns, has_connection: false };
    }

    /// A gap ends at `at_ns` in which connections may have died that are still said to be up. That
    /// they do is seen within a grace, whatever else happens in it.
    pub(super) fn begin_stale_period(&mut self, at_ns: u64) {
        self.stale_until_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
    }

    pub(super) fn is_stale_period(&self, at_ns: u64) -> bool {
        at_ns < self.stale_until_ns
    }

    /// Whoever is not back was offline all the time since the gap, unless nobody at all is there.
    fn end_grace(
        &mut self,
        gap_end_ns: u64,
        has_connection: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        self.grace_timer = GraceTimer::Stopped;
        if !has_connection
            && !self.network.has_connections()
            && !self.paused
            && self.grace_meets_outage_rule()
        {
            self.begin_network_outage(gap_end_ns, on_change);
            return;
        }
        for slot in self.registry.peers.slots() {
            let Some(peer) = self.registry.peers.get_mut(slot) else { continue };
            let was_in_grace = core::mem::take(&mut peer.reconnect_grace) == ReconnectGrace::Active;
            if !was_in_grace {
                continue;
            }
            // Only as far back as nothing else was known since.
            let since_ns = gap_end_ns.max(peer.earliest_change_ns()).min(at_ns);
            if peer.connection == Presence::Offline && self.is_tracked(slot) && !self.paused {
                self.set_presence(slot, Presence::Offline, since_ns, on_change);
            }
            // Of whom nothing was heard the record says so.
            self.mark_dirty(slot);
        }
    }

    /// We could not tell from `from_ns` until `at_ns`, while connections stayed what they were or
    /// died unnoticed.
    pub(super) fn record_suspension(&mut self, from_ns: u64, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if self.paused || self.config.rules.is_lnd() {
            return;
        }
        let from_ns = from_ns.min(at_ns);
        let has_grace = self.config.reconnect_grace_ns > 0;
        self.record_past_gap(GapCause::Suspended, from_ns, at_ns, on_change);
        self.network.clear_disconnects();
        let slots = self.registry.peers.slots();
        for &slot in &slots {
            let Some(peer) = self.registry.peers.get_mut(slot) else { continue };
            if has_grace && peer.ledger.presence() == Presence::Online {
                peer.reconnect_grace = ReconnectGrace::MaybeStale;
            }
            if from_ns < at_ns {
                let since_ns = from_ns.max(peer.earliest_change_ns()).min(at_ns);
                self.set_presence(slot, Presence::Unobserved, since_ns, on_change);
            }
        }
        self.last_suspension_end_ns = Some(at_ns);
        self.begin_stale_period(at_ns);
        if !self.network.is_down {
            self.begin_grace(at_ns);
        }
        self.update_all_presences(at_ns, on_change);
    }
}
