//! One flap is one alert, what is told is told once, and our own outages are one notice.

use fitness_advice::{Alert, AlertKind, AlertRules, AlertTracker, AvailabilityRule, FlappingRule};
use fitness_core::{Event, GapCause, HashSeed, NodeId, StandardWindow, Timestamp, Tracker, TrackerConfig};
use proptest::prelude::*;

const START: u64 = 1_700_000_000;

fn peer(number: u8) -> NodeId {
    NodeId([number; 33])
}

/// A tracker and the alarms that are told its changes.
struct Rig {
    tracker: Tracker,
    alarms: AlertTracker,
    told: Vec<Alert>,
}

impl Rig {
    fn new(rules: AlertRules, peers: u8) -> Self {
        let tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
        let mut rig = Self { tracker, alarms: AlertTracker::new(rules), told: Vec::new() };
        for number in 1..=peers {
            rig.apply(0, &Event::Watch { node_id: peer(number) });
            rig.apply(0, &Event::PeerOnline { node_id: peer(number) });
        }
        rig
    }

    fn apply(&mut self, secs: u64, event: &Event) {
        self.pass(secs);
        let at = Timestamp::from_secs(START + secs);
        let alarms = &mut self.alarms;
        self.tracker.apply_with(at, event, |change| alarms.record_change(&change));
        self.told.extend(self.alarms.advance(at));
    }

    fn set(&mut self, secs: u64, number: u8, online: bool) {
        let node_id = peer(number);
        self.apply(
            secs,
            &if online { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } },
        );
    }

    /// Nothing happens until then, but time passes as the alarms want it.
    fn pass(&mut self, secs: u64) {
        let until = Timestamp::from_secs(START + secs);
        while let Some(at) = self.alarms.next_deadline().filter(|at| *at <= until) {
            self.told.extend(self.alarms.advance(at));
        }
        let alarms = &mut self.alarms;
        self.tracker.advance_with(until, |change| alarms.record_change(&change));
        self.told.extend(self.alarms.advance(until));
    }

    fn kinds(&self) -> Vec<(Option<NodeId>, &'static str)> {
        self.told.iter().map(|alert| (alert.node_id, name(&alert.kind))).collect()
    }
}

fn name(kind: &AlertKind) -> &'static str {
    match kind {
        AlertKind::Offline { .. } => "offline",
        AlertKind::BackOnline { .. } => "back",
        AlertKind::Flapping { .. } => "flapping",
        AlertKind::FlappingStopped => "calm",
        AlertKind::AvailabilityLow { .. } => "low",
        AlertKind::AvailabilityRecovered { .. } => "recovered",
        AlertKind::MonitoringInterrupted { .. } => "ourselves",
        AlertKind::MonitoringResumed { .. } => "ourselves back",
        _ => "unknown",
    }
}

#[test]
fn a_long_outage_is_told_once_and_its_end_once() {
    let mut rig = Rig::new(AlertRules::default(), 1);
    rig.set(1_000, 1, false);
    rig.pass(1_599);
    assert_eq!(rig.told, []);
    rig.pass(90_000);
    rig.set(90_000, 1, true);
    assert_eq!(rig.kinds(), [(Some(peer(1)), "offline"), (Some(peer(1)), "back")]);
    assert_eq!(rig.told[0].at, Timestamp::from_secs(START + 1_600));
    assert_eq!(rig.told[0].kind.to_string(), "has been offline for 10 min");
    assert_eq!(rig.told[1].kind.to_string(), "is back after 1 d");
}

#[test]
fn a_short_outage_is_not_told() {
    let mut rig = Rig::new(AlertRules::default(), 1);
    for round in 0..5 {
        rig.set(10_000 * round + 1_000, 1, false);
        rig.set(10_000 * round + 1_599, 1, true);
    }
    rig.pass(100_000);
    assert_eq!(rig.told, []);
}

#[test]
fn flapping_is_told_once_and_ends_once() {
    let rules = AlertRules {
        flapping: Some(FlappingRule { flaps: 6, window_ns: 60_000_000_000 }),
        ..AlertRules::default()
    };
    let mut rig = Rig::new(rules, 1);
    for second in 0..20 {
        rig.set(100 + second, 1, second % 2 == 1);
    }
    rig.pass(10_000);
    assert_eq!(rig.kinds(), [(Some(peer(1)), "flapping"), (Some(peer(1)), "calm")]);
    // The third last change was at 117 s.
    assert_eq!(rig.told[1].at, Timestamp::from_secs(START + 177));
    for second in 0..20 {
        rig.set(20_000 + second, 1, second % 2 == 1);
    }
    assert_eq!(rig.told.len(), 3, "it can flap again");
}

#[test]
fn our_own_outage_is_one_notice() {
    let mut rig =
        Rig::new(AlertRules { offline_after_ns: Some(60_000_000_000), ..AlertRules::default() }, 20);
    for number in 1..=20 {
        rig.set(1_000, number, false);
    }
    rig.pass(4_600);
    for number in 1..=20 {
        rig.set(4_600, number, true);
    }
    rig.pass(10_000);
    assert_eq!(rig.kinds(), [(None, "ourselves"), (None, "ourselves back")]);
    assert_eq!(rig.told[0].kind, AlertKind::MonitoringInterrupted { cause: GapCause::NetworkDown });
    assert_eq!(rig.told[1].kind.to_string(), "we can tell again who is online, after 1 h (network out)");
}

#[test]
fn a_sleep_of_ours_is_nothing_to_tell() {
    let mut rig = Rig::new(AlertRules::default(), 3);
    let since = Timestamp::from_secs(START + 1_000);
    rig.apply(30_000, &Event::Unobserved { since });
    (1..=3).for_each(|number| rig.set(30_001, number, true));
    rig.pass(90_000);
    assert_eq!(rig.told, []);
}

#[test]
fn who_is_ignored_is_never_told_of() {
    let rules = AlertRules { ignore: [peer(1)].into(), ..AlertRules::default() };
    let mut rig = Rig::new(rules, 2);
    rig.set(1_000, 1, false);
    rig.pass(50_000);
    assert_eq!(rig.told, []);
}

#[test]
fn availability_has_to_recover_by_more_than_it_fell() {
    let rule = AvailabilityRule { min_observed_ns: 0, ..AvailabilityRule::default() };
    let mut rig =
        Rig::new(AlertRules { availability: Some(rule), offline_after_ns: None, ..AlertRules::default() }, 1);
    rig.set(50_000, 1, false);
    rig.set(60_000, 1, true);
    let mut measured = Vec::new();
    for hour in 17..60 {
        let at = Timestamp::from_secs(START + hour * 3_600);
        rig.tracker.advance(at);
        let window = rig.tracker.peer_window(at, &peer(1), StandardWindow::Day.start(at), at).unwrap();
        rig.alarms.record_availability(at, &peer(1), &window);
        measured.extend(rig.alarms.advance(at));
    }
    let names: Vec<_> = measured.iter().map(|alert| name(&alert.kind)).collect();
    assert_eq!(names, ["low", "recovered"], "{measured:?}");
    let AlertKind::AvailabilityRecovered { availability } = measured[1].kind else { panic!("{measured:?}") };
    assert!(availability >= 0.92);
}

#[test]
fn who_is_gone_is_no_longer_waited_for() {
    let mut rig = Rig::new(AlertRules::default(), 2);
    rig.set(1_000, 1, false);
    let at = Timestamp::from_secs(START + 1_100);
    let rest: Vec<_> = rig.tracker.peers(at).filter(|report| report.node_id != peer(1)).collect();
    rig.alarms.reconcile(&rest);
    rig.pass(50_000);
    assert_eq!(rig.told, []);
    assert_eq!(rig.alarms.peers().collect::<Vec<_>>(), [&peer(2)]);
}

proptest! {
    /// Whatever happens: of every two alerts that undo each other the bad one comes first, and they
    /// alternate, and nothing is said of peers while we cannot tell.
    #[test]
    fn alerts_alternate(steps in prop::collection::vec((0..2_000_u64, 1..5_u8, 0..9_u8), 1..200)) {
        let mut rig = Rig::new(AlertRules::default(), 4);
        let mut now = 100;
        for (wait, number, what) in steps {
            now += wait;
            match what {
                0..=3 => rig.set(now, number, false),
                4..=6 => rig.set(now, number, true),
                7 => rig.apply(now, &Event::ObservationPaused),
                _ => rig.apply(now, &Event::ObservationResumed),
            }
        }
        rig.pass(now + 100_000);
        let mut open: std::collections::BTreeSet<(Option<NodeId>, &str)> = Default::default();
        let mut ours = false;
        for alert in &rig.told {
            let of = alert.node_id;
            match alert.kind {
                AlertKind::Offline { offline_ns, .. } => {
                    prop_assert!(!ours && offline_ns >= 600_000_000_000);
                    prop_assert!(open.insert((of, "offline")));
                }
                AlertKind::BackOnline { .. } => prop_assert!(open.remove(&(of, "offline"))),
                AlertKind::Flapping { .. } => prop_assert!(!ours && open.insert((of, "flapping"))),
                AlertKind::FlappingStopped => prop_assert!(open.remove(&(of, "flapping"))),
                AlertKind::MonitoringInterrupted { .. } => { prop_assert!(!ours); ours = true; }
                AlertKind::MonitoringResumed { .. } => { prop_assert!(ours); ours = false; }
                _ => {}
            }
        }
    }
}
