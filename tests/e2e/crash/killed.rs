//! Killed at any moment, and started again on the same file.

use std::time::Duration;

use fastrand::Rng;
use fitness_core::{GapCause, Presence, Timestamp};

use crate::account::{Account, Life, Stored};
use crate::child::{Child, Told, is_presence};
use crate::rig::Rig;
use crate::truth::{Seen, now};

const KILLS: usize = 16;

/// What a machine may add that builds and tests at once, and writes to a slow disk.
const SLACK: Duration = Duration::from_secs(2);

/// How late a change may be noticed: as long as the monitor may wait until it looks.
const DETECTION: Duration = Duration::from_secs(1);

/// What is lost is what the group commit and the heartbeat may lose, and never anything older.
#[test]
fn what_a_kill_loses_is_the_last_moment_and_nothing_older() {
    let seed = std::env::var("FITNESS_E2E_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("FITNESS_E2E_SEED={seed} kills at much the same moments again");
    let mut rng = Rng::with_seed(seed);
    let rig = Rig::start();
    let other_ends = rig.other_ends();
    let mut wires = Wires { rig: &rig, is_cut: [false; 3], cuts: [0; 3] };

    let (mut lives, mut busy) = (Vec::new(), Vec::new());
    for kill in 0..=KILLS {
        let mut child = Child::spawn(&rig.orders);
        if kill == KILLS {
            wires.restore_all();
            rig.ids.iter().for_each(|&id| child.await_presence(id, Presence::Online));
            child.hear(after(now(), rng.u64(200..1_500)), |_| false);
            let ending_at = now();
            child.end();
            lives.push(over(&rig, child, (ending_at, now())));
            break;
        }
        // A few while it starts. The first life begins the account, so it is a whole one.
        let is_early = kill > 0 && rng.u8(..4) == 0;
        let until = if is_early {
            after(child.spawned_at, rng.u64(..800))
        } else {
            child.await_told("the watch", |told| matches!(told, Told::Watching(_)));
            after(now(), rng.u64(300..3_000))
        };
        let is_busy = rng.u8(..3) > 0;
        if is_busy {
            wires.play(&mut child, &mut rng, until);
        } else {
            // Nothing happens, and there is nothing to store but that the wallet watches.
            child.hear(until, |_| false);
        }
        busy.push(is_busy);
        let killing_at = now();
        let killed_at = child.kill();
        lives.push(over(&rig, child, (killing_at, killed_at)));
        check(&rig, &lives);
        if rng.bool() {
            // Nobody is there to see it.
            wires.toggle(rng.usize(1..3));
        }
    }
    check(&rig, &lives);
    check_losses(&rig, &lives, &busy);
    check_end(&rig, &lives, &wires, &other_ends.end());
}

/// The wires that are cut and restored: all but the first.
struct Wires<'a> {
    rig: &'a Rig,
    is_cut: [bool; 3],
    cuts: [u32; 3],
}

impl Wires<'_> {
    /// Changes one wire after the other, each when the wallet has noticed the last change.
    fn play(&mut self, child: &mut Child, rng: &mut Rng, until: Timestamp) {
        while now() < until {
            let peer = rng.usize(1..3);
            let id = self.rig.ids[peer];
            let is_known = child.presence(id) == Some(Presence::Online)
                || self.is_cut[peer]
                || child.hear(until, |told| is_presence(told, id, Presence::Online));
            if !is_known {
                return;
            }
            let expected = if self.is_cut[peer] { Presence::Online } else { Presence::Offline };
            self.toggle(peer);
            child.hear(until, |told| is_presence(told, id, expected));
            child.hear(until.min(after(now(), rng.u64(..400))), |_| false);
        }
    }

    fn toggle(&mut self, peer: usize) {
        let proxy = self.rig.peers[peer].proxy();
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

fn over(rig: &Rig, child: Child, ended: (Timestamp, Timestamp)) -> Life {
    let stored = Stored::read(&rig.orders.store(), &rig.observer());
    let (told, spawned_at) = (child.told.clone(), child.spawned_at);
    Life { spawned_at, told, ended, stored }
}

/// What holds after every life: the last one added to what was there.
fn check(rig: &Rig, lives: &[Life]) {
    let (life, before) = lives.split_last().unwrap();
    let (killing_at, killed_at) = life.ended;
    let heartbeat = life.stored.heartbeat();
    assert!(heartbeat <= killed_at, "{heartbeat} is after the kill at {killed_at}");
    if let (Some(watching), Some(started)) = (life.watching(), life.started()) {
        assert_eq!(started, watching);
    }

    // Everything until the last heartbeat is there, to the nanosecond; of what came later nothing is.
    for &id in &rig.ids {
        assert_eq!(Account::stored(id, &life.stored), Account::of(id, lives), "{id} of {life:#?}");
    }
    // And the last heartbeat was no longer ago than is promised, nor was any fact that it did not carry.
    let (heart, delay) = (nanos(rig.orders.heartbeat), nanos(rig.orders.commit_delay));
    let lost_ns = killing_at.nanos_since(heartbeat.max(life.watching().unwrap_or(killing_at)));
    assert!(lost_ns <= heart + nanos(SLACK), "{lost_ns} ns are lost of {life:#?}");
    let forgotten_ns = forgotten_ns(rig, life);
    assert!(forgotten_ns <= delay + nanos(SLACK), "a fact {forgotten_ns} ns old is lost of {life:#?}");

    // The account of ourselves: from the first start on we watched, or were down.
    let Some(record) = life.stored.observer else { return };
    let started: Vec<&Life> = lives.iter().filter(|life| life.started().is_some()).collect();
    assert_eq!(record.first_started_at_ns, started[0].started().unwrap().as_nanos());
    assert_eq!(record.starts as usize, started.len());
    let down: Vec<_> = life.stored.gaps.iter().filter(|gap| gap.cause == GapCause::NotRunning).collect();
    let expected: Vec<_> =
        started.windows(2).map(|pair| (pair[0].stored.heartbeat(), pair[1].started().unwrap())).collect();
    let found: Vec<_> = down
        .iter()
        .map(|gap| (Timestamp::from_nanos(gap.from_ns), Timestamp::from_nanos(gap.to_ns)))
        .collect();
    assert_eq!(found, expected, "one gap for each kill, from the last heartbeat to the next start");
    let length_ns: u64 = life.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
    assert_eq!(record.gap_totals.iter().map(|sums| sums.length_ns).sum::<u64>(), length_ns);
    // What was in the file before is in it still.
    if let Some(last) = before.last() {
        assert_eq!(life.stored.gaps[..last.stored.gaps.len()], last.stored.gaps[..]);
        assert!(heartbeat >= last.stored.heartbeat());
    }
}

/// How far each kill set the wallet back, and how old the oldest fact was that it took with it: no more than
/// is promised. The machine may be slow now and then, and not always.
fn check_losses(rig: &Rig, lives: &[Life], busy: &[bool]) {
    let (heart, delay) = (rig.orders.heartbeat, rig.orders.commit_delay);
    let killed: Vec<_> = lives.iter().zip(busy).filter(|(life, _)| life.started().is_some()).collect();
    let set_back = killed.iter().map(|(life, _)| life.ended.0.nanos_since(life.stored.heartbeat()));
    let set_back = sorted_ms(set_back);
    // Where nothing happens there is nothing to forget.
    let forgotten = killed.iter().filter(|(_, busy)| **busy).map(|(life, _)| forgotten_ns(rig, life));
    let forgotten = sorted_ms(forgotten);
    println!("{KILLS} kills, {} of them before anything was stored", KILLS - killed.len());
    println!("set back, in ms: {set_back:?}; at most {} is promised", heart.as_millis());
    println!("forgotten, in ms: {forgotten:?}; at most {} is promised", delay.as_millis());
    let two_thirds = |sorted: &[u128]| sorted.get(sorted.len() * 2 / 3).copied().unwrap_or(0);
    assert!(two_thirds(&set_back) <= heart.as_millis() + 100);
    assert!(two_thirds(&forgotten) <= delay.as_millis() + 100);
}

/// Holds the end report against what was done, and against what the peers saw.
fn check_end(rig: &Rig, lives: &[Life], wires: &Wires<'_>, seen: &[Seen]) {
    let last = lives.last().unwrap();
    let end = last.stored.heartbeat();
    let (heart, delay) = (rig.orders.heartbeat, rig.orders.commit_delay);
    let started = || lives.iter().filter(|life| life.started().is_some());
    let first = started().next().unwrap();
    for (peer, &id) in rig.ids.iter().enumerate() {
        let (report, record) = (last.stored.report(id), last.stored.peer(id).unwrap());
        // Its lifetime goes on from the first time that it was seen.
        let (opened, ..) = first.told_of(id).next().unwrap();
        assert_eq!((report.opened_at, report.lifetime_ns), (opened, end.nanos_since(opened)));
        let gaps_ns: u64 = last.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
        assert!(report.observed_ns + gaps_ns <= report.lifetime_ns);

        // No flap that was not made.
        assert!(record.disconnects <= wires.cuts[peer], "{record:?}");
        assert!(record.flap_count <= 2 * wires.cuts[peer], "{record:?}");

        // What the other end saw while the wallet watched; less what was lost, it is what was measured.
        let seen = seen.iter().find(|seen| seen.node_id == id).unwrap();
        let up_ns = |until: fn(&Life) -> Timestamp| -> u64 {
            started().map(|life| seen.uptime_ns(life.started().unwrap(), until(life))).sum()
        };
        let truth_ns = up_ns(|life| life.ended.0);
        let kept_ns = up_ns(|life| life.stored.heartbeat());
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

/// How old the oldest fact was that the wallet had told and is not in the file.
fn forgotten_ns(rig: &Rig, life: &Life) -> u64 {
    let told = rig.ids.iter().flat_map(|&id| life.told_of(id));
    let lost = told.filter(|(at, ..)| *at > life.stored.heartbeat());
    lost.map(|(at, ..)| life.ended.0.nanos_since(at)).max().unwrap_or(0)
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
