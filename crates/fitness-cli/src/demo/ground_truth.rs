//! The ground truth: what the demo did, and the values that follow from it.

use std::time::Duration;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{FlapCount, GapCause, NodeId, PeerReport, Presence, Timestamp};

use super::scenario::Role;

/// A clock that is independent of the wallet and keeps running while the wallet is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    clock: SystemClock,
    started_at: Timestamp,
}

impl Clock {
    pub(super) fn start() -> Self {
        let clock = SystemClock::new();
        Self { clock, started_at: clock.wall() }
    }

    pub(super) fn now(&self) -> Timestamp {
        let elapsed_ns = u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX);
        self.started_at.after_nanos(elapsed_ns)
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// What the demo did to the peers and to the wallet.
#[derive(Debug)]
pub(super) struct GroundTruth {
    pub(super) clock: Clock,
    pub(super) peers: Vec<PeerTruth>,
    pub(super) gaps: Vec<TrueGap>,
}

/// A monitoring gap that the demo caused.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueGap {
    pub(super) trigger: GapTrigger,
    pub(super) from: Timestamp,
    /// `None` while the gap is ongoing.
    pub(super) to: Option<Timestamp>,
}

/// The action that caused a monitoring gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GapTrigger {
    NetworkDown,
    Restart,
}

impl GapTrigger {
    /// Returns the causes that ldk-fitness may report. A wallet that shuts down in an orderly way pauses the
    /// monitoring first.
    pub(super) const fn expected_causes(self) -> &'static [GapCause] {
        match self {
            Self::NetworkDown => &[GapCause::NetworkDown],
            Self::Restart => &[GapCause::Paused, GapCause::NotRunning],
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::NetworkDown => "all connections cut",
            Self::Restart => "wallet restarted",
        }
    }
}

impl GroundTruth {
    /// Starts the clock. All peers are online; their flap counts so far are taken from the reports.
    pub(super) fn start(peers: impl IntoIterator<Item = (Role, PeerReport)>) -> Self {
        let peers = peers.into_iter().map(|(role, report)| PeerTruth::new(role, &report)).collect();
        Self { clock: Clock::start(), peers, gaps: Vec::new() }
    }

    pub(super) fn record_offline(&mut self, role: Role) {
        let now = self.clock.now();
        self.peers_with(role).for_each(|peer| peer.record_offline(now));
    }

    /// Records that a peer is online. The first one after a network failure ends the gap.
    pub(super) fn record_online(&mut self, role: Role) {
        let now = self.clock.now();
        if self.gaps.last().is_some_and(|gap| gap.to.is_none() && gap.trigger == GapTrigger::NetworkDown) {
            self.end_gap(now);
        }
        self.peers_with(role).for_each(|peer| peer.record_online(now));
    }

    /// Records the start of a monitoring gap: all peers are unobserved.
    pub(super) fn start_gap(&mut self, trigger: GapTrigger) {
        let now = self.clock.now();
        self.gaps.push(TrueGap { trigger, from: now, to: None });
        self.peers.iter_mut().for_each(|peer| peer.start_gap(now));
    }

    /// Records that the wallet is running again, which ends the gap.
    pub(super) fn record_wallet_running(&mut self) {
        self.end_gap(self.clock.now());
    }

    /// Peers that were offline before the gap are offline again; the others stay unobserved until they are
    /// online.
    fn end_gap(&mut self, now: Timestamp) {
        if let Some(gap) = self.gaps.last_mut() {
            gap.to = Some(now);
        }
        self.peers.iter_mut().for_each(|peer| peer.end_gap(now));
    }

    /// Returns the peers to reconnect after a gap: those that were online before it.
    pub(super) fn peers_to_reconnect(&self) -> Vec<Role> {
        self.peers.iter().filter(|peer| !peer.is_offline).map(|peer| peer.role).collect()
    }

    fn peers_with(&mut self, role: Role) -> impl Iterator<Item = &mut PeerTruth> {
        self.peers.iter_mut().filter(move |peer| peer.role == role)
    }
}

/// What the demo did to a peer.
#[derive(Debug)]
pub(super) struct PeerTruth {
    pub(super) role: Role,
    pub(super) node_id: NodeId,
    /// When the peer's channel was opened, read at the start of the scenario. Later reports must agree.
    pub(super) opened_at: Option<Timestamp>,
    /// The changes of the presence that an ideal observer would record, oldest first. Before the first change
    /// the peer is online.
    changes: Vec<(Timestamp, Presence)>,
    flaps: FlapCount,
    /// Whether the peer was offline when it was last observed.
    is_offline: bool,
}

/// The true observed time and uptime in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TrueTimes {
    pub(super) observed_ns: u64,
    pub(super) uptime_ns: u64,
}

impl PeerTruth {
    fn new(role: Role, report: &PeerReport) -> Self {
        let last_flap_ns = report.last_flap.map(Timestamp::as_nanos);
        Self {
            role,
            node_id: report.node_id,
            opened_at: report.channels.first().map(|channel| channel.opened_at),
            changes: Vec::new(),
            flaps: FlapCount::from_parts(report.flap_count, last_flap_ns),
            is_offline: false,
        }
    }

    fn presence(&self) -> Presence {
        self.changes.last().map_or(Presence::Online, |(_, presence)| *presence)
    }

    fn record_offline(&mut self, at: Timestamp) {
        if self.presence() == Presence::Online {
            self.flaps.record_flap(at.as_nanos());
            self.changes.push((at, Presence::Offline));
            self.is_offline = true;
        }
    }

    fn record_online(&mut self, at: Timestamp) {
        match self.presence() {
            Presence::Online => return,
            Presence::Offline => self.flaps.record_flap(at.as_nanos()),
            // Not a flap: the disconnect was not observed either.
            Presence::Unobserved => {}
        }
        self.changes.push((at, Presence::Online));
        self.is_offline = false;
    }

    fn start_gap(&mut self, at: Timestamp) {
        self.changes.push((at, Presence::Unobserved));
    }

    fn end_gap(&mut self, at: Timestamp) {
        if self.presence() == Presence::Unobserved && self.is_offline {
            self.changes.push((at, Presence::Offline));
        }
    }

    /// Returns the flap count, including flaps before the scenario.
    pub(super) fn flap_count(&self) -> u32 {
        self.flaps.count()
    }

    /// Returns the true observed time and uptime in `[from, to)`.
    pub(super) fn times(&self, from: Timestamp, to: Timestamp) -> TrueTimes {
        let starts =
            std::iter::once((Timestamp::EPOCH, Presence::Online)).chain(self.changes.iter().copied());
        let ends = self.changes.iter().map(|(at, _)| *at).chain([Timestamp::MAX]);
        starts.zip(ends).fold(TrueTimes::default(), |mut times, ((start, presence), end)| {
            let length_ns = end.min(to).nanos_since(start.max(from));
            if presence != Presence::Unobserved {
                times.observed_ns += length_ns;
            }
            if presence == Presence::Online {
                times.uptime_ns += length_ns;
            }
            times
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn peer() -> PeerTruth {
        PeerTruth {
            role: Role::Steady,
            node_id: NodeId([2; 33]),
            opened_at: None,
            changes: Vec::new(),
            flaps: FlapCount::default(),
            is_offline: false,
        }
    }

    /// Returns observed time and uptime in seconds.
    fn times(peer: &PeerTruth, from: u64, to: u64) -> (u64, u64) {
        let TrueTimes { observed_ns, uptime_ns } =
            peer.times(Timestamp::from_secs(from), Timestamp::from_secs(to));
        (observed_ns / SECOND, uptime_ns / SECOND)
    }

    #[test]
    fn uptime_excludes_outages() {
        let (at, mut peer) = (Timestamp::from_secs, peer());
        assert_eq!(times(&peer, 10, 20), (10, 10));
        peer.record_offline(at(12));
        peer.record_offline(at(13));
        assert_eq!(times(&peer, 10, 20), (10, 2));
        peer.record_online(at(15));
        peer.record_online(at(16));
        assert_eq!(times(&peer, 10, 20), (10, 7));
        assert_eq!(times(&peer, 13, 14), (1, 0));
        assert_eq!(peer.flap_count(), 2);
    }

    #[test]
    fn gap_is_neither_observed_time_nor_a_flap() {
        let (at, mut online, mut offline) = (Timestamp::from_secs, peer(), peer());
        offline.record_offline(at(11));
        for peer in [&mut online, &mut offline] {
            peer.start_gap(at(12));
            peer.end_gap(at(14));
        }
        online.record_online(at(15));
        assert_eq!(times(&online, 10, 20), (7, 7), "unobserved until the peer is online again");
        assert_eq!(times(&offline, 10, 20), (8, 1), "offline again from the end of the gap");
        assert_eq!((online.flap_count(), offline.flap_count()), (0, 1));
    }
}
