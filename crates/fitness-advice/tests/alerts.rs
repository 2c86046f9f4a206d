//! Each problem raises one alert, its end raises one more, and a monitoring gap is reported once.

use fitness_advice::{Alert, AlertKind, AlertRules, AlertTracker, AvailabilityRule, FlappingRule};
use fitness_core::{Event, GapCause, HashSeed, NodeId, StandardWindow, Timestamp, Tracker, TrackerConfig};
use proptest::prelude::*;

const START: u64 = 1_700_000_000;

fn peer(number: u8) -> NodeId {
    NodeId([number; 33])
}

/// A tracker whose changes an alert tracker records, and the alerts so far.
struct Simulation {
    tracker: Tracker,
    alert_tracker: AlertTracker,
    alerts: Vec<Alert>,
}

impl Simulation {
    fn new(rules: AlertRules, peers: u8) -> Self {
        let tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
        let mut simulation = Self { tracker, alert_tracker: AlertTracker::new(rules), alerts: Vec::new() };
        for number in 1..=peers {
            simulation.apply(0, &Event::Watch { node_id: peer(number) });
            simulation.apply(0, &Event::PeerOnline { node_id: peer(number) });
        }
        simulation
    }

    fn apply(&mut self, secs: u64, event: &Event) {
        self.advance(secs);
        let at = Timestamp::from_secs(START + secs);
        let alert_tracker = &mut self.alert_tracker;
        self.tracker.apply_with(at, event, |change| alert_tracker.record_change(&change));
        self.alerts.extend(self.alert_tracker.advance(at));
    }

    fn set_online(&mut self, secs: u64, number: u8, online: bool) {
        let node_id = peer(number);
        self.apply(
            secs,
            &if online { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } },
        );
    }

    /// Lets time pass without events, and wakes the alert tracker at each of its deadlines.
    fn advance(&mut self, secs: u64) {
        let until = Timestamp::from_secs(START + secs);
        while let Some(at) = self.alert_tracker.next_deadline().filter(|at| *at <= until) {
            self.alerts.extend(self.alert_tracker.advance(at));
        }
        let alert_tracker = &mut self.alert_tracker;
        self.tracker.advance_with(until, |change| alert_tracker.record_change(&change));
        self.alerts.extend(self.alert_tracker.advance(until));
    }

    fn kinds(&self) -> Vec<(Option<NodeId>, &'static str)> {
        self.alerts.iter().map(|alert| (alert.node_id, name(&alert.kind))).collect()
    }
}

fn name(kind: &AlertKind) -> &'static str {
    match kind {
        AlertKind::Offline { .. } => "offline",
        AlertKind::BackOnline { .. } => "back_online",
        AlertKind::Flapping { .. } => "flapping",
        AlertKind::FlappingStopped => "flapping_stopped",
        AlertKind::AvailabilityLow { .. } => "availability_low",
        AlertKind::AvailabilityRecovered { .. } => "availability_recovered",
        AlertKind::MonitoringInterrupted { .. } => "monitoring_interrupted",
        AlertKind::MonitoringResumed { .. } => "monitoring_resumed",
        _ => "unknown",
    }
}

#[test]
fn a_long_outage_raises_one_alert_and_one_resolution() {
    let mut simulation = Simulation::new(AlertRules::default(), 1);
    simulation.set_online(1_000, 1, false);
    simulation.advance(1_599);
    assert_eq!(simulation.alerts, []);
    simulation.advance(90_000);
    simulation.set_online(90_000, 1, true);
    assert_eq!(simulation.kinds(), [(Some(peer(1)), "offline"), (Some(peer(1)), "back_online")]);
    assert_eq!(simulation.alerts[0].at, Timestamp::from_secs(START + 1_600));
    assert!(matches!(simulation.alerts[0].kind, AlertKind::Offline { offline_ns: 600_000_000_000, .. }));
    assert_eq!(simulation.alerts[1].kind, AlertKind::BackOnline { outage_ns: 89_000_000_000_000 });
}

#[test]
fn a_short_outage_raises_no_alert() {
    let mut simulation = Simulation::new(AlertRules::default(), 1);
    for round in 0..5 {
        simulation.set_online(10_000 * round + 1_000, 1, false);
        simulation.set_online(10_000 * round + 1_599, 1, true);
    }
    simulation.advance(100_000);
    assert_eq!(simulation.alerts, []);
}

#[test]
fn flapping_raises_one_alert_and_one_resolution() {
    let rules = AlertRules {
        flapping: Some(FlappingRule { flaps: 6, window_ns: 60_000_000_000 }),
        ..AlertRules::default()
    };
    let mut simulation = Simulation::new(rules, 1);
    for second in 0..20 {
        simulation.set_online(100 + second, 1, second % 2 == 1);
    }
    simulation.advance(10_000);
    assert_eq!(simulation.kinds(), [(Some(peer(1)), "flapping"), (Some(peer(1)), "flapping_stopped")]);
    // The third-last flap was at 117 s; the window is 60 s long.
    assert_eq!(simulation.alerts[1].at, Timestamp::from_secs(START + 177));
    for second in 0..20 {
        simulation.set_online(20_000 + second, 1, second % 2 == 1);
    }
    assert_eq!(simulation.alerts.len(), 3, "flapping is reported again after it stopped");
}

#[test]
fn a_network_failure_of_ours_raises_one_alert() {
    let mut simulation =
        Simulation::new(AlertRules { offline_after_ns: Some(60_000_000_000), ..AlertRules::default() }, 20);
    for number in 1..=20 {
        simulation.set_online(1_000, number, false);
    }
    simulation.advance(4_600);
    for number in 1..=20 {
        simulation.set_online(4_600, number, true);
    }
    simulation.advance(10_000);
    assert_eq!(simulation.kinds(), [(None, "monitoring_interrupted"), (None, "monitoring_resumed")]);
    assert_eq!(simulation.alerts[0].kind, AlertKind::MonitoringInterrupted { cause: GapCause::NetworkDown });
    let resumed = AlertKind::MonitoringResumed { cause: GapCause::NetworkDown, gap_ns: 3_600_000_000_000 };
    assert_eq!(simulation.alerts[1].kind, resumed);
}

#[test]
fn a_suspend_raises_no_alert() {
    let mut simulation = Simulation::new(AlertRules::default(), 3);
    let since = Timestamp::from_secs(START + 1_000);
    simulation.apply(30_000, &Event::Unobserved { since });
    (1..=3).for_each(|number| simulation.set_online(30_001, number, true));
    simulation.advance(90_000);
    assert_eq!(simulation.alerts, []);
}

#[test]
fn an_ignored_peer_raises_no_alert() {
    let rules = AlertRules { ignore: [peer(1)].into(), ..AlertRules::default() };
    let mut simulation = Simulation::new(rules, 2);
    simulation.set_online(1_000, 1, false);
    simulation.advance(50_000);
    assert_eq!(simulation.alerts, []);
}

#[test]
fn low_availability_is_resolved_above_the_recovery_margin() {
    let rule = AvailabilityRule { min_observed_ns: 0, ..AvailabilityRule::default() };
    let mut simulation = Simulation::new(
        AlertRules { availability: Some(rule), offline_after_ns: None, ..AlertRules::default() },
        1,
    );
    simulation.set_online(50_000, 1, false);
    simulation.set_online(60_000, 1, true);
    let mut alerts = Vec::new();
    for hour in 17..60 {
        let at = Timestamp::from_secs(START + hour * 3_600);
        simulation.tracker.advance(at);
        let window = simulation.tracker.peer_window(at, &peer(1), StandardWindow::Day.start(at), at).unwrap();
        simulation.alert_tracker.record_availability(at, &peer(1), &window);
        alerts.extend(simulation.alert_tracker.advance(at));
    }
    let names: Vec<_> = alerts.iter().map(|alert| name(&alert.kind)).collect();
    assert_eq!(names, ["availability_low", "availability_recovered"], "{alerts:?}");
    let AlertKind::AvailabilityRecovered { availability } = alerts[1].kind else { panic!("{alerts:?}") };
    assert!(availability >= 0.92);
}

#[test]
fn a_peer_missing_from_reconcile_raises_no_alert() {
    let mut simulation = Simulation::new(AlertRules::default(), 2);
    simulation.set_online(1_000, 1, false);
    let at = Timestamp::from_secs(START + 1_100);
    let others: Vec<_> = simulation.tracker.peers(at).filter(|report| report.node_id != peer(1)).collect();
    simulation.alert_tracker.reconcile(&others);
    simulation.advance(50_000);
    assert_eq!(simulation.alerts, []);
    assert_eq!(simulation.alert_tracker.peers().collect::<Vec<_>>(), [&peer(2)]);
}

proptest! {
    /// Every resolution follows exactly one alert for the same problem, and no peer is reported during a
    /// monitoring gap.
    #[test]
    fn alerts_and_resolutions_alternate(
        steps in prop::collection::vec((0..2_000_u64, 1..5_u8, 0..9_u8), 1..200),
    ) {
        let mut simulation = Simulation::new(AlertRules::default(), 4);
        let mut now = 100;
        for (secs, number, action) in steps {
            now += secs;
            match action {
                0..=3 => simulation.set_online(now, number, false),
                4..=6 => simulation.set_online(now, number, true),
                7 => simulation.apply(now, &Event::ObservationPaused),
                _ => simulation.apply(now, &Event::ObservationResumed),
            }
        }
        simulation.advance(now + 100_000);
        let mut open: std::collections::BTreeSet<(Option<NodeId>, &str)> = Default::default();
        let mut is_interrupted = false;
        for alert in &simulation.alerts {
            let node_id = alert.node_id;
            match alert.kind {
                AlertKind::Offline { offline_ns, .. } => {
                    prop_assert!(!is_interrupted && offline_ns >= 600_000_000_000);
                    prop_assert!(open.insert((node_id, "offline")));
                }
                AlertKind::BackOnline { .. } => prop_assert!(open.remove(&(node_id, "offline"))),
                AlertKind::Flapping { .. } => {
                    prop_assert!(!is_interrupted && open.insert((node_id, "flapping")));
                }
                AlertKind::FlappingStopped => prop_assert!(open.remove(&(node_id, "flapping"))),
                AlertKind::MonitoringInterrupted { .. } => {
                    prop_assert!(!is_interrupted);
                    is_interrupted = true;
                }
                AlertKind::MonitoringResumed { .. } => {
                    prop_assert!(is_interrupted);
                    is_interrupted = false;
                }
                _ => {}
            }
        }
    }
}
