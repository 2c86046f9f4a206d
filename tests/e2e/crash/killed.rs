//! A wallet that is killed at random times and started again on the same file.

use std::time::Duration;

use fastrand::Rng;
use fitness_core::{GapCause, Presence, Timestamp};

use crate::expected::{Run, Stored, Totals};
use crate::ground_truth::{Connections, now};
use crate::setup::Setup;
use crate::wallet_process::{Report, WalletProcess, is_presence};

const KILLS: usize = 16;

/// Tolerance for a machine that builds at the same time and writes to a slow disk.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The longest delay until a change is noticed: the poll interval of the monitor.
const DETECTION: Duration = Duration::from_secs(1);

/// A kill loses at most what the commit delay and the heartbeat interval allow, and nothing older.
#[test]
fn kill_loses_only_recent_changes() {
    let seed = std::env::var("FITNESS_E2E_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("FITNESS_E2E_SEED={seed} kills at much the same moments again");
    let mut rng = Rng::with_seed(seed);
    let setup = Setup::start();
    let peer_view = setup.peer_view();
    let mut wires = Wires { setup: &setup, is_cut: [false; 3], cuts: [0; 3] };

    let (mut runs, mut busy) = (Vec::new(), Vec::new());
    for kill in 0..=KILLS {
        let mut child = WalletProcess::spawn(&setup.config);
        if kill == KILLS {
            wires.restore_all();
            setup.ids.iter().for_each(|&id| child.wait_for_presence(id, Presence::Online));
            child.read_until(after(now(), rng.u64(200..1_500)), |_| false);
            let ending_at = now();
            child.end();
            runs.push(over(&setup, child, (ending_at, now())));
            break;
        }
        // Some kills come during the start. The first run creates the history, so it is a complete one.
        let is_early = kill > 0 && rng.u8(..4) == 0;
        let until = if is_early {
            after(child.spawned_at, rng.u64(..800))
        } else {
            child.wait_for_report("the watch", |reports| matches!(reports, Report::Watching(_)));
            after(now(), rng.u64(300..3_000))
        };
        let is_busy = rng.u8(..3) > 0;
        if is_busy {
            wires.play(&mut child, &mut rng, until);
        } else {
            // No changes: the wallet stores only heartbeats.
            child.read_until(until, |_| false);
        }
        busy.push(is_busy);
        let killing_at = now();
        let killed_at = child.kill();
        runs.push(over(&setup, child, (killing_at, killed_at)));
        check(&setup, &runs);
        if rng.bool() {
            // A change while the wallet is not running.
            wires.toggle(rng.usize(1..3));
        }
    }
    check(&setup, &runs);
    check_losses(&setup, &runs, &busy);
    check_end(&setup, &runs, &wires, &peer_view.end());
}

/// The connections that are cut and restored: all but the first.
struct Wires<'a> {
    setup: &'a Setup,
    is_cut: [bool; 3],
    cuts: [u32; 3],
}

impl Wires<'_> {
    /// Changes one connection after the other, each when the wallet has noticed the last change.
    fn play(&mut self, child: &mut WalletProcess, rng: &mut Rng, until: Timestamp) {
        while now() < until {
            let peer = rng.usize(1..3);
            let id = self.setup.ids[peer];
            let is_online = child.presence(id) == Some(Presence::Online)
                || self.is_cut[peer]
                || child.read_until(until, |reports| is_presence(reports, id, Presence::Online));
            if !is_online {
                return;
            }
            let expected = if self.is_cut[peer] { Presence::Online } else { Presence::Offline };
            self.toggle(peer);
            child.read_until(until, |reports| is_presence(reports, id, expected));
            child.read_until(until.min(after(now(), rng.u64(..400))), |_| false);
        }
    }

    fn toggle(&mut self, peer: usize) {
        let proxy = self.setup.peers[peer].proxy();
        if self.is_cut[peer] {
            proxy.restore();
        } else {
            proxy.cut();
            self.cuts[peer] += 1;
        }
        self.is_cut[peer] = !self.is_cut[peer];
    }

    fn restore_all(&mut self) {
        for peer in 0..self.is_cut.len() {
            if self.is_cut[peer] {
                self.toggle(peer);
            }
        }
    }
}

fn over(setup: &Setup, child: WalletProcess, ended: (Timestamp, Timestamp)) -> Run {
    let stored = Stored::read(&setup.config.store(), &setup.observer());
    let (reports, spawned_at) = (child.reports.clone(), child.spawned_at);
    Run { spawned_at, reports, ended, stored }
}

/// Checks what must hold after every run, given the runs before it.
fn check(setup: &Setup, runs: &[Run]) {
    let (run, before) = runs.split_last().unwrap();
    let (killing_at, killed_at) = run.ended;
    let heartbeat = run.stored.heartbeat();
    assert!(heartbeat <= killed_at, "{heartbeat} is after the kill at {killed_at}");
    if let (Some(watching), Some(started)) = (run.watching(), run.started()) {
        assert_eq!(started, watching);
    }

    // Everything up to the last heartbeat is stored, to the nanosecond, and nothing later.
    for &id in &setup.ids {
        assert_eq!(Totals::stored(id, &run.stored), Totals::of(id, runs), "{id} of {run:#?}");
    }
    // The last heartbeat, and any change that it does not include, is not older than guaranteed.
    let (heart, delay) = (nanos(setup.config.heartbeat), nanos(setup.config.commit_delay));
    let lost_ns = killing_at.nanos_since(heartbeat.max(run.watching().unwrap_or(killing_at)));
    assert!(lost_ns <= heart + nanos(TOLERANCE), "{lost_ns} ns are lost of {run:#?}");
    let lost_change_ns = lost_change_ns(setup, run);
    assert!(
        lost_change_ns <= delay + nanos(TOLERANCE),
        "a change is lost that is {lost_change_ns} ns old: {run:#?}"
    );

    // Since the first start the wallet was either monitoring or not running.
    let Some(record) = run.stored.observer else { return };
    let started: Vec<&Run> = runs.iter().filter(|run| run.started().is_some()).collect();
    assert_eq!(record.first_started_at_ns, started[0].started().unwrap().as_nanos());
    assert_eq!(record.starts as usize, started.len());
    let down: Vec<_> = run.stored.gaps.iter().filter(|gap| gap.cause == GapCause::NotRunning).collect();
    let expected: Vec<_> =
        started.windows(2).map(|pair| (pair[0].stored.heartbeat(), pair[1].started().unwrap())).collect();
    let found: Vec<_> = down
        .iter()
        .map(|gap| (Timestamp::from_nanos(gap.from_ns), Timestamp::from_nanos(gap.to_ns)))
        .collect();
    assert_eq!(found, expected, "one gap for each kill, from the last heartbeat to the next start");
    let length_ns: u64 = run.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
    assert_eq!(record.gap_totals.iter().map(|sums| sums.length_ns).sum::<u64>(), length_ns);
    // Earlier contents of the file are kept.
    if let Some(last) = before.last() {
        assert_eq!(run.stored.gaps[..last.stored.gaps.len()], last.stored.gaps[..]);
        assert!(heartbeat >= last.stored.heartbeat());
    }
}

/// Checks how much time and how old a change each kill has lost, against what is guaranteed. Single
/// outliers are allowed, since the machine may be slow at times.
fn check_losses(setup: &Setup, runs: &[Run], busy: &[bool]) {
    let (heart, delay) = (setup.config.heartbeat, setup.config.commit_delay);
    let killed: Vec<_> = runs.iter().zip(busy).filter(|(run, _)| run.started().is_some()).collect();
    let lost_time = killed.iter().map(|(run, _)| run.ended.0.nanos_since(run.stored.heartbeat()));
    let lost_time = sorted_ms(lost_time);
    // A run without changes cannot lose any.
    let lost_changes = killed.iter().filter(|(_, busy)| **busy).map(|(run, _)| lost_change_ns(setup, run));
    let lost_changes = sorted_ms(lost_changes);
    println!("{KILLS} kills, {} of them before anything was stored", KILLS - killed.len());
    println!("set back, in ms: {lost_time:?}; at most {} is promised", heart.as_millis());
    println!("lost_changes, in ms: {lost_changes:?}; at most {} is promised", delay.as_millis());
    let two_thirds = |sorted: &[u128]| sorted.get(sorted.len() * 2 / 3).copied().unwrap_or(0);
    assert!(two_thirds(&lost_time) <= heart.as_millis() + 100);
    assert!(two_thirds(&lost_changes) <= delay.as_millis() + 100);
}

/// Checks the final report against the cuts that were made and against the peers' own view.
fn check_end(setup: &Setup, runs: &[Run], wires: &Wires<'_>, seen: &[Connections]) {
    let last = runs.last().unwrap();
    let end = last.stored.heartbeat();
    let (heart, delay) = (setup.config.heartbeat, setup.config.commit_delay);
    let started = || runs.iter().filter(|run| run.started().is_some());
    let first = started().next().unwrap();
    for (peer, &id) in setup.ids.iter().enumerate() {
        let (report, record) = (last.stored.report(id), last.stored.peer(id).unwrap());
        // The lifetime continues from the first report on the channel.
        let (opened, ..) = first.reported_presences(id).next().unwrap();
        assert_eq!((report.opened_at, report.lifetime_ns), (opened, end.nanos_since(opened)));
        let gaps_ns: u64 = last.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
        assert!(report.observed_ns + gaps_ns <= report.lifetime_ns);

        // No flap is counted that did not happen.
        assert!(record.disconnects <= wires.cuts[peer], "{record:?}");
        assert!(record.flap_count <= 2 * wires.cuts[peer], "{record:?}");

        // The measured uptime is what the peers saw while the wallet was monitoring, less what was lost.
        let seen = seen.iter().find(|seen| seen.node_id == id).unwrap();
        let up_ns = |until: fn(&Run) -> Timestamp| -> u64 {
            started().map(|run| seen.uptime_ns(run.started().unwrap(), until(run))).sum()
        };
        let truth_ns = up_ns(|run| run.ended.0);
        let kept_ns = up_ns(|run| run.stored.heartbeat());
        println!(
            "{id}: uptime {} ms, seen {} ms, of that before a last heartbeat {} ms, flaps {} of {}",
            report.uptime_ns / 1_000_000,
            truth_ns / 1_000_000,
            kept_ns / 1_000_000,
            record.flap_count,
            2 * wires.cuts[peer],
        );
        let detection_ns = nanos(DETECTION);
        assert!(report.uptime_ns <= truth_ns + detection_ns);
        let lost_ns = u64::try_from(KILLS).unwrap() * nanos(heart + delay);
        assert!(truth_ns <= report.uptime_ns + lost_ns + detection_ns);
        assert!(report.uptime_ns.abs_diff(kept_ns) <= 2 * detection_ns);
    }
}

/// Returns the age of the oldest change that the wallet reported and did not store.
fn lost_change_ns(setup: &Setup, run: &Run) -> u64 {
    let reports = setup.ids.iter().flat_map(|&id| run.reported_presences(id));
    let lost = reports.filter(|(at, ..)| *at > run.stored.heartbeat());
    lost.map(|(at, ..)| run.ended.0.nanos_since(at)).max().unwrap_or(0)
}

fn sorted_ms(ns: impl Iterator<Item = u64>) -> Vec<u128> {
    let mut ms: Vec<_> = ns.map(|ns| u128::from(ns / 1_000_000)).collect();
    ms.sort_unstable();
    ms
}

fn after(at: Timestamp, millis: u64) -> Timestamp {
    at.after_nanos(millis * 1_000_000)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
