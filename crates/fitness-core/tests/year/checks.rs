//! Compares the reports with those of the oracle, with the actual states of the peers, and with each other.

use std::collections::BTreeMap;

use fitness_core::{GapCause, PeerHistory, Timestamp, Tracker};

use crate::oracle::{ExpectedPeer, GRACE, Oracle};
use crate::peers::{Intervals, PEERS, STRANGERS, is_up, up_since};
use crate::random::Random;
use crate::script::{channel_id, node_id};
use crate::service::{SimulatedService, at};
use crate::simulation::SimulatedYear;
use crate::time::{DAY, MINUTE, START};

pub(crate) struct Checker {
    seed: u64,
    random: Random,
    previous_totals: BTreeMap<usize, PreviousTotals>,
    next_peer: usize,
    checks: u32,
    windows: u32,
    exact_windows: u32,
}

/// The totals of a peer when they were last checked.
#[derive(Clone, Copy, Debug, Default)]
struct PreviousTotals {
    uptime_ns: u64,
    observed_ns: u64,
    crash_loss: u64,
}

impl Checker {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random::new(seed, "windows"),
            previous_totals: BTreeMap::new(),
            next_peer: 0,
            checks: 0,
            windows: 0,
            exact_windows: 0,
        }
    }

    pub(crate) fn summary(&self) -> String {
        let Self { checks, windows, exact_windows, .. } = self;
        format!("{checks} checks, {windows} windows, {exact_windows} of them exact")
    }

    /// Checks the totals of one peer. They are consistent, and have not decreased by more than a grace period
    /// and the time that crashes have lost.
    pub(crate) fn check_next_peer_totals(&mut self, service: &SimulatedService, now: u64) {
        let Some(process) = &service.process else { return };
        self.next_peer = (self.next_peer + 1) % STRANGERS.start;
        let Some(report) = process.tracker.peer(at(process.clock(now)), &node_id(self.next_peer)) else {
            return;
        };
        assert!(report.uptime_ns <= report.observed_ns, "{report:?}");
        for channel in &report.channels {
            assert!(channel.usable_ns <= channel.uptime_ns, "{report:?}");
            assert!(channel.usable_observed_ns <= channel.observed_ns, "{report:?}");
            assert!(channel.uptime_ns <= channel.observed_ns, "{report:?}");
            assert!(channel.observed_ns <= channel.lifetime_ns, "{report:?}");
        }
        let current = PreviousTotals {
            uptime_ns: report.uptime_ns,
            observed_ns: report.observed_ns,
            crash_loss: service.crash_loss,
        };
        let previous = self.previous_totals.insert(self.next_peer, current).unwrap_or_default();
        // A grace period can turn out to have been a part of a network outage.
        let max_decrease = GRACE + current.crash_loss - previous.crash_loss;
        assert!(
            previous.uptime_ns <= current.uptime_ns + max_decrease
                && previous.observed_ns <= current.observed_ns + max_decrease,
            "seed {:#x}: {current:?} after {previous:?}",
            self.seed
        );
    }

    /// Checks all reports, if the process is running.
    pub(crate) fn check_all_reports(
        &mut self,
        service: &SimulatedService,
        year: &SimulatedYear,
        now: u64,
        max_age_ns: u64,
    ) {
        let Some(process) = service.process.as_ref().filter(|_| service.is_awake()) else { return };
        self.checks += 1;
        let oracle = Oracle::new(&service.facts, now, max_age_ns);
        let clock = at(process.clock(now));
        let check = Check {
            seed: self.seed,
            day: (now - START) as f64 / DAY as f64,
            oracle: &oracle,
            tracker: &process.tracker,
            clock,
        };
        assert_eq!(oracle.time.clock, clock.as_nanos(), "{check}");
        check.coverage();
        (0..PEERS).for_each(|peer| check.peer(peer));
        check.channels();
        let undetectable = [&year.faults.undetectable[..], &service.undetectable_suspensions].concat();
        let undetectable: Intervals =
            undetectable.into_iter().map(|interval| year.with_subsequent_faults(interval)).collect();
        for (&number, peer) in &oracle.peers {
            let errors = unexplained_errors(&oracle, peer, year, number, &undetectable);
            assert!(errors.is_empty(), "{check}: peer {number}: {errors:?}");
        }
    }

    /// Checks random windows of all histories, with and without downsampling.
    pub(crate) fn check_windows(&mut self, service: &SimulatedService, now: u64, max_age_ns: u64) {
        let oracle = Oracle::new(&service.facts, now, max_age_ns);
        let process = service.process.as_ref().expect("the process runs at the end of the year");
        let clock = at(process.clock(now));
        for (&number, peer) in &oracle.peers {
            let node_id = node_id(number);
            let history = |segments: &[_]| {
                process.tracker.history(clock, &node_id, segments).expect("the oracle has this peer")
            };
            let downsampled = history(&service.store.segments_of(&node_id));
            let original = history(&service.store.original_segments_of(&node_id));
            self.check_windows_of_history(&oracle, peer, &downsampled);
            self.check_windows_of_history(&oracle, peer, &original);
        }
    }

    fn check_windows_of_history(&mut self, oracle: &Oracle, peer: &ExpectedPeer, history: &PeerHistory) {
        let time = &oracle.time;
        for _ in 0..300 {
            let length = self.random.log_uniform(MINUTE..300 * DAY).min(time.now - peer.tracked_since - 1);
            let from = self.random.uniform(peer.tracked_since..time.now - length);
            let window = history.window(at(time.to_clock(from)), at(time.to_clock(from + length)));
            self.windows += 1;
            self.exact_windows += u32::from(window.is_exact());
            let (online, observed) = peer.totals_within(from, from + length);
            assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns, "{online}: {window:?}");
            assert!(
                window.observed_ns.abs_diff(observed) <= window.observed_error_ns,
                "{observed}: {window:?}"
            );
        }
    }
}

/// A comparison of a tracker with the oracle at one moment.
struct Check<'a> {
    seed: u64,
    day: f64,
    oracle: &'a Oracle,
    tracker: &'a Tracker,
    clock: Timestamp,
}

impl std::fmt::Display for Check<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {:#x}, day {:.4}", self.seed, self.day)
    }
}

impl Check<'_> {
    fn coverage(&self) {
        let time = &self.oracle.time;
        let coverage = self.tracker.coverage(self.clock).expect("the tracker has started");
        assert_eq!(coverage.starts, time.starts, "{self}");
        assert_eq!(coverage.first_started_at.as_nanos(), time.to_clock(time.first_started_at), "{self}");
        assert_eq!(coverage.started_at.as_nanos(), time.to_clock(time.started_at), "{self}");
        assert_eq!(coverage.lifetime_ns, time.now - time.first_started_at, "{self}");
        let expected = &self.oracle.observations.gaps;
        let reported = self.tracker.gaps(self.clock, &[], Timestamp::EPOCH, Timestamp::MAX);
        // A clock that reads a time soon after 1970 cannot represent earlier times.
        let can_represent_all = time.clock > time.now - time.first_started_at;
        assert!(reported.len() == expected.len() || !can_represent_all, "{self}");
        for (gap, &(cause, from, to)) in reported.iter().rev().zip(expected.iter().rev()) {
            let [from, end] = [from, to.unwrap_or(time.now)].map(|at| time.to_clock(at));
            let reported = (gap.cause, gap.from.as_nanos(), gap.to.as_nanos(), gap.ongoing);
            assert_eq!(reported, (cause, from, end, to.is_none()), "{self}");
        }
        let gap_ns = |gap: &(GapCause, u64, Option<u64>)| gap.2.unwrap_or(time.now) - gap.1;
        let gaps_ns = expected.iter().map(gap_ns).sum::<u64>();
        assert_eq!(coverage.monitored_ns, coverage.lifetime_ns - gaps_ns, "{self}");
        let faults = self.tracker.clock_faults();
        assert!(time.matches_clock_faults(faults), "{self}: {faults:?}");
    }

    fn peer(&self, number: usize) {
        let time = &self.oracle.time;
        let report = self.tracker.peer(self.clock, &node_id(number));
        let Some(expected) = self.oracle.peers.get(&number) else {
            assert_eq!(report, None, "{self}");
            return;
        };
        let report = report.unwrap_or_else(|| panic!("{self}: peer {number} has no report"));
        let (online, observed) = expected.totals_at(time.now);
        assert_eq!(
            (report.uptime_ns, report.observed_ns, report.disconnects, report.flap_count, report.presence),
            (online, observed, expected.disconnects, expected.flaps.count(), expected.presence()),
            "{self}: peer {number}"
        );
        let tracked_since = time.to_clock(expected.tracked_since);
        assert_eq!(report.tracked_since.as_nanos(), tracked_since, "{self}: peer {number}");
        let last_flap = expected.flaps.last_flap_ns().map(|at| time.to_clock(at));
        assert_eq!(report.last_flap.map(Timestamp::as_nanos), last_flap, "{self}: peer {number}");
        assert_eq!(report.untracked_at.is_none(), expected.is_tracked, "{self}: peer {number}");
    }

    fn channels(&self) {
        let time = &self.oracle.time;
        assert_eq!(self.tracker.channel_count(), self.oracle.channels.len(), "{self}");
        for (&id, expected) in &self.oracle.channels {
            let report = self.tracker.channel(self.clock, &channel_id(id));
            let report = report.unwrap_or_else(|| panic!("{self}: {id:?} has no report"));
            let peer = &self.oracle.peers[&id.peer];
            let (online, observed) = peer.totals_within(expected.opened_at, time.now);
            assert_eq!(report.lifetime_ns, time.now - expected.opened_at, "{self}: {id:?}");
            assert_eq!((report.uptime_ns, report.observed_ns), (online, observed), "{self}: {id:?}");
            assert_eq!(
                (report.usable, report.usable_ns, report.usable_observed_ns),
                (expected.usable.is_online(), expected.usable_ns, expected.usable_observed_ns),
                "{self}: {id:?}"
            );
            assert_eq!(report.funding, Some(expected.funding), "{self}: {id:?}");
            let by_funding = self.tracker.channel_by_funding(self.clock, &expected.funding);
            assert_eq!(by_funding, Some(report), "{self}: {id:?}");
        }
    }
}

/// Returns the intervals of true time in which the expected presence differs from the actual state of the peer
/// without a known reason, each with whether the peer is expected to be online.
fn unexplained_errors(
    oracle: &Oracle,
    expected: &ExpectedPeer,
    year: &SimulatedYear,
    number: usize,
    undetectable: &[(u64, u64)],
) -> Vec<(u64, u64, bool)> {
    let (mut errors, mut last_online) = (Vec::new(), 0);
    let uptimes = &year.peer_uptimes[number];
    // The presence of the last grace period may still change.
    let until = oracle.time.now.saturating_sub(GRACE);
    for (from, to, online) in expected.observed_intervals(until) {
        for (from, to) in oracle.time.to_true_intervals(from, to) {
            let mut at = from;
            while at < to {
                let (is_up, next) = is_up(uptimes, at);
                let next = next.min(to);
                let contains = |&(start, end): &(u64, u64)| start <= at && next <= end;
                // A peer that was online and has been up since has a grace period to reconnect.
                let was_down = up_since(uptimes, at) > last_online;
                let is_reconnecting =
                    !online && was_down && year.pending_reconnects[number].iter().any(contains);
                let is_explained = is_reconnecting
                    || year.dead_connections[number].iter().any(contains)
                    || undetectable.iter().any(contains);
                if is_up != online && !is_explained {
                    errors.push((at, next, online));
                }
                at = next;
            }
            if online {
                last_online = to;
            }
        }
    }
    errors
}
