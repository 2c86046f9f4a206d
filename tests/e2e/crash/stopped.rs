//! Stopped and continued, as a phone does with a wallet in the background.

use std::time::Duration;

use fitness_core::{GapCause, Presence, Timestamp};

use crate::account::{Account, Life, Stored};
use crate::child::{Child, Told};
use crate::rig::Rig;
use crate::truth::now;

/// How often the wallet gives itself a sign of life.
const PULSE: Duration = Duration::from_millis(250);

/// How long it stands still.
const STOP: Duration = Duration::from_secs(3);

/// Longer than the monitor waits until it looks.
const LONGER: Duration = Duration::from_millis(1_500);

/// What a machine may add that builds and tests at once.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_wallet_that_was_stopped_blames_nobody() {
    let mut rig = Rig::start();
    rig.orders.pulse = PULSE;
    let mut child = watching(&rig);
    let stop = stop(&mut child, || ());
    // LDK, too, may find that it was held up, and drop all connections to be on the safe side.
    child.hear(now().after_nanos(nanos(LONGER)), |_| false);
    rig.ids.iter().for_each(|&id| child.await_presence(id, Presence::Online));
    let life = end(&rig, child);
    check_gap(&life, &stop);
    for &id in &rig.ids {
        let account = check_account(&life, id);
        assert_eq!((account.flaps, account.disconnects), (0, 0));
        assert_eq!(account.uptime_ns, account.observed_ns, "it was never seen to be away");
    }
}

#[test]
fn who_is_lost_while_the_wallet_is_stopped_and_stays_away_is_offline_from_then_on() {
    let mut rig = Rig::start();
    rig.orders.pulse = PULSE;
    // Long enough for the others to be back.
    rig.orders.grace = Duration::from_secs(8);
    let mut child = watching(&rig);
    let (lost, others) = rig.ids.split_last().unwrap();
    let proxy = rig.peers.last().unwrap().proxy();
    let stop = stop(&mut child, || proxy.cut());
    others.iter().for_each(|&id| child.await_presence(id, Presence::Online));
    // Nothing is known of it until its time is over.
    child.await_presence(*lost, Presence::Offline);
    let noticed_at = now();
    proxy.restore();
    child.await_presence(*lost, Presence::Online);
    let life = end(&rig, child);
    check_gap(&life, &stop);
    for &id in others {
        let account = check_account(&life, id);
        assert_eq!((account.flaps, account.disconnects), (0, 0));
        assert_eq!(account.uptime_ns, account.observed_ns, "it was never seen to be away");
    }

    let account = check_account(&life, *lost);
    assert_eq!((account.flaps, account.disconnects), (1, 0), "its return, and nothing else: {life:#?}");
    let offline = life.told_of(*lost).find(|(_, presence, _)| *presence == Presence::Offline).unwrap().0;
    assert!(stop.over_at <= offline, "it may have been there until we looked again");
    assert!(offline.nanos_since(stop.over_at) <= nanos(SLACK), "and no longer");
    let grace_ns = nanos(rig.orders.grace);
    assert!(noticed_at.nanos_since(stop.over_at) >= grace_ns, "it had its time to come back");
    assert!(account.observed_ns - account.uptime_ns >= grace_ns - nanos(SLACK), "which counts after all");
}

/// A wallet that has seen all its peers for a while.
fn watching(rig: &Rig) -> Child {
    let mut child = Child::spawn(&rig.orders);
    rig.ids.iter().for_each(|&id| child.await_presence(id, Presence::Online));
    child.hear(now().after_nanos(nanos(LONGER)), |_| false);
    child
}

/// The time in which the wallet stood still.
struct Stop {
    from: Timestamp,
    over_at: Timestamp,
}

/// Has the wallet stand still while something happens, and waits until it has found that out.
fn stop(child: &mut Child, meanwhile: impl FnOnce()) -> Stop {
    let from = now();
    child.stop();
    meanwhile();
    std::thread::sleep(STOP);
    let over_at = now();
    child.go_on();
    child.await_told("the gap", |told| is_of(told, over_at));
    Stop { from, over_at }
}

/// Whether it is a gap that came to its end after the stop.
fn is_of(told: &Told, over_at: Timestamp) -> bool {
    matches!(told, Told::Gap { cause: GapCause::Suspended, to, .. } if *to >= over_at)
}

fn end(rig: &Rig, mut child: Child) -> Life {
    let ending_at = now();
    child.end();
    let stored = Stored::read(&rig.orders.store(), &rig.observer());
    Life { spawned_at: child.spawned_at, told: child.told.clone(), ended: (ending_at, now()), stored }
}

/// The stop is one gap, from the last sign of life before it to the first one after it, and in the file.
fn check_gap(life: &Life, stop: &Stop) {
    let gaps: Vec<_> = life.stored.gaps.iter().filter(|gap| gap.cause == GapCause::Suspended).collect();
    let of_the_stop: Vec<_> = gaps
        .iter()
        .filter(|gap| gap.to_ns >= stop.over_at.as_nanos() && gap.from_ns <= stop.over_at.as_nanos())
        .collect();
    let [gap] = of_the_stop[..] else { panic!("one gap: {gaps:?}") };
    let (from, to) = (Timestamp::from_nanos(gap.from_ns), Timestamp::from_nanos(gap.to_ns));
    // The signal takes a moment to arrive, and the wallet a moment to be itself again.
    assert!(from.nanos_since(stop.from) <= nanos(SLACK), "{from} is long after the stop at {}", stop.from);
    assert!(stop.from.nanos_since(from) <= nanos(PULSE + SLACK), "{from} is long before the stop");
    assert!(to.nanos_since(stop.over_at) <= nanos(SLACK), "{to} is long after {}", stop.over_at);
}

/// What is in the file is what was told, and nothing of the stop is in it.
fn check_account(life: &Life, id: fitness_core::NodeId) -> Account {
    let account = Account::stored(id, &life.stored);
    assert_eq!(account, Account::of(id, std::slice::from_ref(life)), "{life:#?}");
    let report = life.stored.report(id);
    let gaps_ns: u64 = life.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
    assert!(report.observed_ns + gaps_ns <= report.lifetime_ns, "{report:?} {:?}", life.stored.gaps);
    account
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
