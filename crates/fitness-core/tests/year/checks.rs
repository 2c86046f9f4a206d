//! What has to be true of the answers: against the oracle, against the truth, and in themselves.

use std::collections::BTreeMap;

use fitness_core::{GapCause, PeerHistory, Timestamp, Tracker, WindowReport};

use crate::dice::Dice;
use crate::embedder::{Embedder, at};
use crate::oracle::{Account, GRACE, Oracle};
use crate::peers::{PEERS, STRANGERS, is_up, up_since};
use crate::script::{channel_id, node_id};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::World;

pub(crate) struct Inspector {
    seed: u64,
    dice: Dice,
    /// What the peers' totals were when they were last looked at, online and observed, and what crashes
    /// had cost by then.
    glances: BTreeMap<usize, (u64, u64, u64)>,
    next: usize,
    looks: u32,
    windows: u32,
    exact: u32,
}

impl Inspector {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Dice::new(seed, "looks"),
            glances: BTreeMap::new(),
            next: 0,
            looks: 0,
            windows: 0,
            exact: 0,
        }
    }

    pub(crate) fn summary(&self) -> String {
        format!("{} looks, {} windows, {} of them exact", self.looks, self.windows, self.exact)
    }

    /// One peer's totals: in order, and no less than they were, but for what an outage takes back or a
    /// crash costs.
    pub(crate) fn glance(&mut self, embedder: &Embedder, now: u64) {
        let Some(process) = &embedder.process else { return };
        self.next = (self.next + 1) % STRANGERS.start;
        let Some(report) = process.tracker.peer(at(process.clock(now)), &node_id(self.next)) else { return };
        assert!(report.uptime_ns <= report.observed_ns, "{report:?}");
        for channel in &report.channels {
            assert!(channel.usable_ns <= channel.uptime_ns, "{report:?}");
            assert!(channel.usable_observed_ns <= channel.observed_ns, "{report:?}");
            assert!(channel.uptime_ns <= channel.observed_ns, "{report:?}");
            assert!(channel.observed_ns <= channel.lifetime_ns, "{report:?}");
        }
        let is = (report.uptime_ns, report.observed_ns, embedder.lost);
        let was = self.glances.insert(self.next, is).unwrap_or_default();
        // A grace may turn out to have been a part of an outage.
        let most = GRACE + is.2 - was.2;
        assert!(was.0 <= is.0 + most && was.1 <= is.1 + most, "seed {:#x}: {was:?}, now {is:?}", self.seed);
    }

    /// Everything, against all that is known by now.
    pub(crate) fn look(&mut self, embedder: &Embedder, world: &World, now: u64, keep_ns: u64) {
        let Some(process) = embedder.process.as_ref().filter(|_| embedder.is_awake()) else { return };
        self.looks += 1;
        let oracle = Oracle::new(&embedder.facts, now, keep_ns);
        let clock = at(process.clock(now));
        let case = Case {
            seed: self.seed,
            day: (now - crate::time::START) as f64 / DAY as f64,
            oracle: &oracle,
            tracker: &process.tracker,
            clock,
        };
        assert_eq!(oracle.line.clock, clock.as_nanos(), "{case}");
        case.coverage();
        (0..PEERS).for_each(|peer| case.peer(peer));
        case.channels();
        let unfair = [&world.faults.unfair[..], &embedder.unnoticed].concat();
        let unfair: Vec<(u64, u64)> = unfair.into_iter().map(|span| world.with_what_follows(span)).collect();
        for (&peer, account) in &oracle.peers {
            let blamed = against_the_truth(&oracle, account, world, peer, &unfair);
            assert!(blamed.is_empty(), "{case}: peer {peer} {blamed:?}");
        }
    }

    /// The windows of a whole history.
    pub(crate) fn look_back(&mut self, embedder: &mut Embedder, now: u64, keep_ns: u64) {
        let oracle = Oracle::new(&embedder.facts, now, keep_ns);
        let process = embedder.process.as_ref().expect("it runs at the end");
        let clock = at(process.clock(now));
        for (&peer, account) in &oracle.peers {
            let node_id = node_id(peer);
            let history = |segments: &[_]| {
                process.tracker.history(clock, &node_id, segments).expect("the oracle knows it")
            };
            let thinned = history(&embedder.disk.segments_of(&node_id));
            let whole = history(&embedder.disk.archive_of(&node_id));
            self.windows(&oracle, account, &thinned);
            self.windows(&oracle, account, &whole);
            let _ = (HOUR, SECOND);
        }
    }

    fn windows(&mut self, oracle: &Oracle, account: &Account, history: &PeerHistory) {
        let line = &oracle.line;
        for _ in 0..300 {
            let length = self.dice.any_size(MINUTE..300 * DAY).min(line.now - account.tracked_since - 1);
            let from = self.dice.within(account.tracked_since..line.now - length);
            let window = history.window(at(line.to_clock(from)), at(line.to_clock(from + length)));
            self.windows += 1;
            self.exact += u32::from(is_exact(&window));
            let (online, observed) = account.spent(from, from + length);
            assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns, "{online}: {window:?}");
            assert!(
                window.observed_ns.abs_diff(observed) <= window.observed_error_ns,
                "{observed}: {window:?}"
            );
        }
    }
}

fn is_exact(window: &WindowReport) -> bool {
    (window.uptime_error_ns, window.observed_error_ns) == (0, 0)
}

struct Case<'a> {
    seed: u64,
    day: f64,
    oracle: &'a Oracle,
    tracker: &'a Tracker,
    clock: Timestamp,
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {:#x}, day {:.4}", self.seed, self.day)
    }
}

impl Case<'_> {
    fn coverage(&self) {
        let line = &self.oracle.line;
        let coverage = self.tracker.coverage(self.clock).expect("it has started");
        assert_eq!(coverage.starts, line.starts, "{self}");
        assert_eq!(coverage.first_started_at.as_nanos(), line.to_clock(line.first_started_at), "{self}");
        assert_eq!(coverage.started_at.as_nanos(), line.to_clock(line.started), "{self}");
        assert_eq!(coverage.lifetime_ns, line.now - line.first_started_at, "{self}");
        let gaps = &self.oracle.watched.gaps;
        let names_all = line.clock > line.now - line.first_started_at;
        let told = self.tracker.gaps(self.clock, &[], Timestamp::EPOCH, Timestamp::MAX);
        // A clock that reads some seconds after 1970 has no name for what was before.
        assert!(told.len() == gaps.len() || !names_all, "{self}");
        for (gap, &(cause, from, to)) in told.iter().rev().zip(gaps.iter().rev()) {
            let ends = [from, to.unwrap_or(line.now)].map(|at| line.to_clock(at));
            let is = (gap.cause, gap.from.as_nanos(), gap.to.as_nanos(), gap.ongoing);
            assert_eq!(is, (cause, ends[0], ends[1], to.is_none()), "{self}");
        }
        let lengths = |cause: Option<GapCause>| {
            let some = gaps.iter().filter(move |gap| cause.is_none_or(|cause| cause == gap.0));
            some.map(|gap| gap.2.unwrap_or(line.now) - gap.1).sum::<u64>()
        };
        assert_eq!(coverage.monitored_ns, coverage.lifetime_ns - lengths(None), "{self}");
        assert!(line.has_faults(self.tracker.clock_faults()), "{self}: {:?}", self.tracker.clock_faults());
    }

    fn peer(&self, peer: usize) {
        let line = &self.oracle.line;
        let report = self.tracker.peer(self.clock, &node_id(peer));
        let Some(account) = self.oracle.peers.get(&peer) else {
            assert_eq!(report, None, "{self}");
            return;
        };
        let report = report.unwrap_or_else(|| panic!("{self}: peer {peer} is not known"));
        let (online, observed) = account.sums(line.now);
        let is =
            (report.uptime_ns, report.observed_ns, report.disconnects, report.flap_count, report.presence);
        let flaps = account.flaps.count();
        assert_eq!(
            is,
            (online, observed, account.disconnects, flaps, account.presence()),
            "{self}: peer {peer}"
        );
        assert_eq!(
            report.tracked_since.as_nanos(),
            line.to_clock(account.tracked_since),
            "{self}: peer {peer}"
        );
        let last_flap = account.flaps.last_flap_ns().map(|at| line.to_clock(at));
        assert_eq!(report.last_flap.map(Timestamp::as_nanos), last_flap, "{self}: peer {peer}");
        assert_eq!(report.untracked_at.is_none(), account.is_followed, "{self}: peer {peer}");
    }

    fn channels(&self) {
        let line = &self.oracle.line;
        assert_eq!(self.tracker.channel_count(), self.oracle.channels.len(), "{self}");
        for (&channel, account) in &self.oracle.channels {
            let report = self.tracker.channel(self.clock, &channel_id(channel));
            let report = report.unwrap_or_else(|| panic!("{self}: {channel:?} is not known"));
            let (online, observed) = self.oracle.peers[&channel.peer].spent(account.opened, line.now);
            assert_eq!(report.lifetime_ns, line.now - account.opened, "{self}: {channel:?}");
            assert_eq!((report.uptime_ns, report.observed_ns), (online, observed), "{self}: {channel:?}");
            let usable = (report.usable, report.usable_ns, report.usable_observed_ns);
            let expected = (account.usable.is_online(), account.usable_ns, account.usable_observed_ns);
            assert_eq!(usable, expected, "{self}: {channel:?}");
            assert_eq!(report.funding, Some(account.funding), "{self}: {channel:?}");
            let found = self.tracker.channel_by_funding(self.clock, &account.funding);
            assert_eq!(found, Some(report), "{self}: {channel:?}");
        }
    }
}

/// The true times in which a peer is said to have been what it was not, and that nothing explains.
fn against_the_truth(
    oracle: &Oracle,
    account: &Account,
    world: &World,
    peer: usize,
    unfair: &[(u64, u64)],
) -> Vec<(u64, u64, bool)> {
    let (mut wrong, mut last_online) = (Vec::new(), 0);
    let truth = &world.truths[peer];
    // What is said of the last minutes may still be taken back.
    for (from, to, online) in account.known(oracle.line.now.saturating_sub(GRACE)) {
        for (from, to) in oracle.line.truly(from, to) {
            let mut at = from;
            while at < to {
                let (is_up, next) = is_up(truth, at);
                let next = next.min(to);
                let explains = |&(start, end): &(u64, u64)| start <= at && next <= end;
                // Who was online and has been up ever since is given time to come back.
                let was_down = up_since(truth, at) > last_online;
                let is_coming = !online && was_down && world.coming[peer].iter().any(explains);
                let is_explained =
                    is_coming || world.dead[peer].iter().any(explains) || unfair.iter().any(explains);
                if is_up != online && !is_explained {
                    wrong.push((at, next, online));
                }
                at = next;
            }
            if online {
                last_online = to;
            }
        }
    }
    wrong
}
