//! What really happened, as the one who did it knows.

use std::time::Duration;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{FlapCount, GapCause, NodeId, PeerReport, Timestamp};

use super::script::Role;

/// The clock that the truth is told by: it does not belong to the wallet, and goes on without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    ticks: SystemClock,
    began: Timestamp,
}

impl Clock {
    pub(super) fn start() -> Self {
        let ticks = SystemClock::new();
        Self { ticks, began: ticks.wall() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.began.after_nanos(u64::try_from(self.ticks.monotonic().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn began(&self) -> Timestamp {
        self.began
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.ticks.monotonic()
    }
}

/// What really happened to everybody, ourselves included.
#[derive(Debug)]
pub(super) struct Truths {
    pub(super) clock: Clock,
    pub(super) peers: Vec<Truth>,
    pub(super) gaps: Vec<TrueGap>,
}

/// A time in which we could not tell, because of what the demo did.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueGap {
    pub(super) why: Why,
    pub(super) from: Timestamp,
    /// `None` while it lasts.
    pub(super) to: Option<Timestamp>,
}

/// What the demo did to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NetworkOut,
    Restart,
}

impl Why {
    /// What ldk-fitness should take it for. A wallet that is shut down in good order pauses first.
    pub(super) const fn causes(self) -> &'static [GapCause] {
        match self {
            Self::NetworkOut => &[GapCause::NetworkDown],
            Self::Restart => &[GapCause::Paused, GapCause::NotRunning],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NetworkOut => "every wire was cut at once",
            Self::Restart => "the wallet was restarted",
        }
    }
}

impl Truths {
    /// The play begins: everybody is there, and has a past as measured so far.
    pub(super) fn begin(peers: impl IntoIterator<Item = (Role, PeerReport)>) -> Self {
        let peers = peers.into_iter().map(|(role, report)| Truth::new(role, &report)).collect();
        Self { clock: Clock::start(), peers, gaps: Vec::new() }
    }

    pub(super) fn lost(&mut self, role: Role) {
        let now = self.clock.now();
        self.of(role).for_each(|truth| truth.lost(now));
    }

    /// A peer is there again. The first one after our network was out ends that.
    pub(super) fn found(&mut self, role: Role) {
        let now = self.clock.now();
        if self.gaps.last().is_some_and(|gap| gap.to.is_none() && gap.why == Why::NetworkOut) {
            self.see_again(now);
        }
        self.of(role).for_each(|truth| truth.found(now));
    }

    /// From now on we cannot tell who is there.
    pub(super) fn blind(&mut self, why: Why) {
        let now = self.clock.now();
        self.gaps.push(TrueGap { why, from: now, to: None });
        self.peers.iter_mut().for_each(|truth| truth.blind(now));
    }

    /// The wallet is up again, and looks.
    pub(super) fn restarted(&mut self) {
        self.see_again(self.clock.now());
    }

    /// Who was away before is away again; of the others nothing is known until they are back.
    fn see_again(&mut self, now: Timestamp) {
        if let Some(gap) = self.gaps.last_mut() {
            gap.to = Some(now);
        }
        self.peers.iter_mut().for_each(|truth| truth.see_again(now));
    }

    /// Who should come back once the network or the wallet is: whoever was there before.
    pub(super) fn awaited(&self) -> Vec<Role> {
        self.peers.iter().filter(|truth| !truth.is_away).map(|truth| truth.role).collect()
    }

    fn of(&mut self, role: Role) -> impl Iterator<Item = &mut Truth> {
        self.peers.iter_mut().filter(move |truth| truth.role == role)
    }
}

/// What really happened to a peer.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) role: Role,
    pub(super) node_id: NodeId,
    /// When its channel was opened; nothing that happens later may change that.
    pub(super) opened_at: Option<Timestamp>,
    /// What changed when, oldest first. Before the first change it was there.
    changes: Vec<(Timestamp, Sight)>,
    flaps: FlapCount,
    /// Whether it was there when it was last seen.
    is_away: bool,
}

/// What a wallet that notices everything at once sees of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    There,
    Away,
    Nothing,
}

/// The parts of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans {
    /// In which it could be told whether the peer was there.
    pub(super) observed_ns: u64,
    /// In which it was.
    pub(super) uptime_ns: u64,
}

impl Truth {
    fn new(role: Role, report: &PeerReport) -> Self {
        let last_flap_ns = report.last_flap.map(Timestamp::as_nanos);
        Self {
            role,
            node_id: report.node_id,
            opened_at: report.channels.first().map(|channel| channel.opened_at),
            changes: Vec::new(),
            flaps: FlapCount::from_parts(report.flap_count, last_flap_ns),
            is_away: false,
        }
    }

    fn sight(&self) -> Sight {
        self.changes.last().map_or(Sight::There, |(_, sight)| *sight)
    }

    fn lost(&mut self, at: Timestamp) {
        if self.sight() == Sight::There {
            self.flaps.record_flap(at.as_nanos());
            self.changes.push((at, Sight::Away));
            self.is_away = true;
        }
    }

    fn found(&mut self, at: Timestamp) {
        match self.sight() {
            Sight::There => return,
            Sight::Away => self.flaps.record_flap(at.as_nanos()),
            // It is no news: nobody saw it go.
            Sight::Nothing => {}
        }
        self.changes.push((at, Sight::There));
        self.is_away = false;
    }

    fn blind(&mut self, at: Timestamp) {
        self.changes.push((at, Sight::Nothing));
    }

    fn see_again(&mut self, at: Timestamp) {
        if self.sight() == Sight::Nothing && self.is_away {
            self.changes.push((at, Sight::Away));
        }
    }

    /// Flaps, those of before the play included.
    pub(super) fn flap_count(&self) -> u32 {
        self.flaps.count()
    }

    /// What there was to be seen of it in `[from, to)`.
    pub(super) fn spans(&self, from: Timestamp, to: Timestamp) -> Spans {
        let begins = std::iter::once((Timestamp::EPOCH, Sight::There)).chain(self.changes.iter().copied());
        let ends = self.changes.iter().map(|(at, _)| *at).chain([Timestamp::MAX]);
        begins.zip(ends).fold(Spans::default(), |mut spans, ((start, sight), end)| {
            let length_ns = end.min(to).nanos_since(start.max(from));
            if sight != Sight::Nothing {
                spans.observed_ns += length_ns;
            }
            if sight == Sight::There {
                spans.uptime_ns += length_ns;
            }
            spans
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn truth() -> Truth {
        Truth {
            role: Role::Steady,
            node_id: NodeId([2; 33]),
            opened_at: None,
            changes: Vec::new(),
            flaps: FlapCount::default(),
            is_away: false,
        }
    }

    fn spans(truth: &Truth, from: u64, to: u64) -> (u64, u64) {
        let Spans { observed_ns, uptime_ns } =
            truth.spans(Timestamp::from_secs(from), Timestamp::from_secs(to));
        (observed_ns / SECOND, uptime_ns / SECOND)
    }

    #[test]
    fn uptime_is_what_lies_between_losses() {
        let (at, mut truth) = (Timestamp::from_secs, truth());
        assert_eq!(spans(&truth, 10, 20), (10, 10));
        truth.lost(at(12));
        truth.lost(at(13));
        assert_eq!(spans(&truth, 10, 20), (10, 2));
        truth.found(at(15));
        truth.found(at(16));
        assert_eq!(spans(&truth, 10, 20), (10, 7));
        assert_eq!(spans(&truth, 13, 14), (1, 0));
        assert_eq!(truth.flap_count(), 2);
    }

    #[test]
    fn what_we_do_not_see_is_neither_up_nor_down_and_no_flap() {
        let (at, mut there, mut away) = (Timestamp::from_secs, truth(), truth());
        away.lost(at(11));
        for truth in [&mut there, &mut away] {
            truth.blind(at(12));
            truth.see_again(at(14));
        }
        there.found(at(15));
        assert_eq!(spans(&there, 10, 20), (7, 7), "unseen until it is back");
        assert_eq!(spans(&away, 10, 20), (8, 1), "away again as soon as we can tell");
        assert_eq!((there.flap_count(), away.flap_count()), (0, 1));
    }
}
