//! A wallet process that is suspended and resumed, as a phone does with an app in the background.

use std::time::Duration;

use fitness_core::{GapCause, Presence, Timestamp};

use crate::expected::{Run, Stored, Totals};
use crate::ground_truth::now;
use crate::setup::Setup;
use crate::wallet_process::{Report, WalletProcess};

/// The interval of the service's pulse.
const PULSE: Duration = Duration::from_millis(250);

/// How long the process is suspended.
const STOP: Duration = Duration::from_secs(3);

/// Longer than the poll interval of the monitor.
const LONGER: Duration = Duration::from_millis(1_500);

/// Tolerance for a machine that builds at the same time.
const TOLERANCE: Duration = Duration::from_secs(2);

#[test]
fn suspension_does_not_count_against_peers() {
    let mut setup = Setup::start();
    setup.config.pulse = PULSE;
    let mut child = watching(&setup);
    let stop = stop(&mut child, || ());
    // LDK may detect the stall as well, and disconnect all peers.
    child.read_until(now().after_nanos(nanos(LONGER)), |_| false);
    setup.ids.iter().for_each(|&id| child.wait_for_presence(id, Presence::Online));
    let run = end(&setup, child);
    check_gap(&run, &stop);
    for &id in &setup.ids {
        let totals = check_totals(&run, id);
        assert_eq!((totals.flaps, totals.disconnects), (0, 0));
        assert_eq!(totals.uptime_ns, totals.observed_ns, "never observed offline");
    }
}

#[test]
fn peer_that_does_not_return_after_a_suspension_is_offline_since_its_end() {
    let mut setup = Setup::start();
    setup.config.pulse = PULSE;
    // Long enough for the other peers to reconnect.
    setup.config.grace = Duration::from_secs(8);
    let mut child = watching(&setup);
    let (lost, others) = setup.ids.split_last().unwrap();
    let proxy = setup.peers.last().unwrap().proxy();
    let stop = stop(&mut child, || proxy.cut());
    others.iter().for_each(|&id| child.wait_for_presence(id, Presence::Online));
    // The peer is unobserved until the reconnect grace period expires.
    child.wait_for_presence(*lost, Presence::Offline);
    let noticed_at = now();
    proxy.restore();
    child.wait_for_presence(*lost, Presence::Online);
    let run = end(&setup, child);
    check_gap(&run, &stop);
    for &id in others {
        let totals = check_totals(&run, id);
        assert_eq!((totals.flaps, totals.disconnects), (0, 0));
        assert_eq!(totals.uptime_ns, totals.observed_ns, "never observed offline");
    }

    let totals = check_totals(&run, *lost);
    assert_eq!((totals.flaps, totals.disconnects), (1, 0), "only the reconnect is a flap: {run:#?}");
    let offline =
        run.reported_presences(*lost).find(|(_, presence, _)| *presence == Presence::Offline).unwrap().0;
    assert!(stop.over_at <= offline, "offline before the end of the suspension");
    assert!(offline.nanos_since(stop.over_at) <= nanos(TOLERANCE), "offline too late");
    let grace_ns = nanos(setup.config.grace);
    assert!(noticed_at.nanos_since(stop.over_at) >= grace_ns, "the grace period was too short");
    assert!(
        totals.observed_ns - totals.uptime_ns >= grace_ns - nanos(TOLERANCE),
        "the grace period counts as offline"
    );
}

/// Starts a wallet, and waits until it has observed all its peers for a while.
fn watching(setup: &Setup) -> WalletProcess {
    let mut child = WalletProcess::spawn(&setup.config);
    setup.ids.iter().for_each(|&id| child.wait_for_presence(id, Presence::Online));
    child.read_until(now().after_nanos(nanos(LONGER)), |_| false);
    child
}

/// The time of the suspension.
struct Stop {
    from: Timestamp,
    over_at: Timestamp,
}

/// Suspends the wallet while `meanwhile` runs, and waits until it reports the gap.
fn stop(child: &mut WalletProcess, meanwhile: impl FnOnce()) -> Stop {
    let from = now();
    child.stop();
    meanwhile();
    std::thread::sleep(STOP);
    let over_at = now();
    child.resume();
    child.wait_for_report("the gap", |reports| is_of(reports, over_at));
    Stop { from, over_at }
}

/// Whether the report is of a gap that ended after the suspension.
fn is_of(reports: &Report, over_at: Timestamp) -> bool {
    matches!(reports, Report::Gap { cause: GapCause::Suspended, to, .. } if *to >= over_at)
}

fn end(setup: &Setup, mut child: WalletProcess) -> Run {
    let ending_at = now();
    child.end();
    let stored = Stored::read(&setup.config.store(), &setup.observer());
    Run { spawned_at: child.spawned_at, reports: child.reports.clone(), ended: (ending_at, now()), stored }
}

/// Checks that the file has one gap for the suspension, from the last pulse before it to the first one after it.
fn check_gap(run: &Run, stop: &Stop) {
    let gaps: Vec<_> = run.stored.gaps.iter().filter(|gap| gap.cause == GapCause::Suspended).collect();
    let of_the_stop: Vec<_> = gaps
        .iter()
        .filter(|gap| gap.to_ns >= stop.over_at.as_nanos() && gap.from_ns <= stop.over_at.as_nanos())
        .collect();
    let [gap] = of_the_stop[..] else { panic!("expected one gap: {gaps:?}") };
    let (from, to) = (Timestamp::from_nanos(gap.from_ns), Timestamp::from_nanos(gap.to_ns));
    // The signal takes a moment to arrive, and the wallet takes a moment to resume.
    assert!(
        from.nanos_since(stop.from) <= nanos(TOLERANCE),
        "{from} is long after the stop at {}",
        stop.from
    );
    assert!(stop.from.nanos_since(from) <= nanos(PULSE + TOLERANCE), "{from} is long before the stop");
    assert!(to.nanos_since(stop.over_at) <= nanos(TOLERANCE), "{to} is long after {}", stop.over_at);
}

/// Checks that the file has the reported totals, and that the suspension is not included.
fn check_totals(run: &Run, id: fitness_core::NodeId) -> Totals {
    let totals = Totals::stored(id, &run.stored);
    assert_eq!(totals, Totals::of(id, std::slice::from_ref(run)), "{run:#?}");
    let report = run.stored.report(id);
    let gaps_ns: u64 = run.stored.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum();
    assert!(report.observed_ns + gaps_ns <= report.lifetime_ns, "{report:?} {:?}", run.stored.gaps);
    totals
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}
