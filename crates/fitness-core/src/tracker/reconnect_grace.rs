//! The reconnect grace period, and monitoring gaps that are detected afterwards.

use super::Tracker;
use super::peer::ReconnectGrace;
use crate::{Change, GapCause, Presence};

/// The timer of the grace period after the latest gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GraceTimer {
    /// No peer is in its grace period, or no peer can reconnect yet.
    #[default]
    Stopped,
    Running {
        /// The end of the gap.
        gap_end_ns: u64,
        deadline_ns: u64,
        /// Whether a connection was established since the end of the gap.
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

    /// Records that a connection was established.
    pub(super) fn record_connection(&mut self) {
        if let Self::Running { has_connection, .. } = self {
            *has_connection = true;
        }
    }

    /// Stops the timer. Peers stay in their grace period: the timer must be started again before it can
    /// expire.
    pub(super) fn stop(&mut self) {
        *self = Self::Stopped;
    }
}

impl Tracker {
    /// Processes all deadlines up to `at_ns`.
    pub(super) fn process_deadlines(&mut self, at_ns: u64, on_change: &mut impl FnMut(Change)) {
        if !self.monitoring.has_started() {
            self.start_monitoring(at_ns, on_change);
            if self.resumed_in_grace {
                self.start_grace_timer(at_ns);
            }
        }
        if let GraceTimer::Running { gap_end_ns, deadline_ns, has_connection, .. } = self.grace_timer {
            if at_ns >= deadline_ns {
                self.end_grace(gap_end_ns, has_connection, at_ns, on_change);
            }
        }
    }

    /// Starts the grace timer at the end of a gap.
    pub(super) fn start_grace_timer(&mut self, at_ns: u64) {
        let deadline_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
        self.grace_timer = GraceTimer::Running { gap_end_ns: at_ns, deadline_ns, has_connection: false };
    }

    /// Starts the period in which a disconnect may be the late detection of a connection that was lost during
    /// the gap that ends at `at_ns`. It is as long as the grace period, but never ends early.
    pub(super) fn begin_stale_period(&mut self, at_ns: u64) {
        self.stale_until_ns = at_ns.saturating_add(self.config.reconnect_grace_ns);
    }

    pub(super) fn connections_may_be_stale(&self, at_ns: u64) -> bool {
        at_ns < self.stale_until_ns
    }

    /// Ends the grace period: peers that are reported as disconnected count as offline from the end of the
    /// gap. If no node is connected, the network may be down instead.
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
            // The change must not be earlier than the last change of a value derived from the presence.
            let since_ns = gap_end_ns.max(peer.earliest_change_ns()).min(at_ns);
            if peer.connection == Presence::Offline && self.is_tracked(slot) && !self.paused {
                self.set_presence(slot, Presence::Offline, since_ns, on_change);
            }
            // The record also changes for peers whose connection was not reported.
            self.mark_dirty(slot);
        }
    }

    /// Records that the process did not run from `from_ns` to `at_ns`. Connections may have been lost without
    /// notice in between.
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
            self.start_grace_timer(at_ns);
        }
        self.update_all_presences(at_ns, on_change);
    }
}
