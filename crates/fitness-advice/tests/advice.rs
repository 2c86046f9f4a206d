//! Who is to be closed and why; and what a score is made of.

use fitness_advice::{
    Advice, ConfidenceBounds, Evidence, OutlierSensitivity, PeerKind, Policy, Reason, Recommendation,
    SAMPLE_INTERVAL_NS, Score, advise, availability_bounds,
};
use fitness_core::{Event, HashSeed, NodeId, StandardWindow, Timestamp, Tracker, TrackerConfig};
use proptest::prelude::*;

const START: u64 = 1_700_000_000;
const DAY: u64 = 86_400;

fn peer(number: u8) -> NodeId {
    NodeId([number; 33])
}

/// A peer that is observed for so many days, and offline for the first `off` seconds of each of them.
fn daily(number: u8, days: u64, off: u64) -> Evidence {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    let (node_id, at) = (peer(number), |secs| Timestamp::from_secs(START + secs));
    tracker.apply(at(0), &Event::Watch { node_id });
    tracker.apply(at(0), &Event::PeerOnline { node_id });
    for day in (0..days).filter(|_| off > 0) {
        tracker.apply(at(day * DAY), &Event::PeerOffline { node_id });
        tracker.apply(at(day * DAY + off), &Event::PeerOnline { node_id });
    }
    evidence(&tracker, number, days * DAY)
}

fn evidence(tracker: &Tracker, number: u8, secs: u64) -> Evidence {
    let now = Timestamp::from_secs(START + secs);
    let report = tracker.peer(now, &peer(number)).expect("it is watched");
    let history = tracker.history(now, &peer(number), &[]).expect("it is watched");
    Evidence::of(&report, &history, StandardWindow::Quarter)
}

fn verdicts(advice: &[Advice]) -> Vec<Recommendation> {
    advice.iter().map(|advice| advice.recommendation).collect()
}

#[test]
fn at_or_below_the_threshold_is_too_little() {
    // A quarter of each day.
    let peers = [daily(1, 40, DAY / 4), daily(2, 40, DAY / 4 - 1)];
    let policy = Policy { availability_threshold: Some(0.75), ..Policy::default() };
    let advice = advise(&peers, &policy);
    assert_eq!(verdicts(&advice), [Recommendation::Close, Recommendation::Keep]);
    assert_eq!(advice[0].reasons[0].to_string(), "online 75.0 % of 40.0 days, at or below 75.0 %");
    assert_eq!(advice[1].reasons, []);
}

#[test]
fn outliers_need_others() {
    let good = |count: u8| (1..=count).map(|number| daily(number, 60, u64::from(number) * 60));
    let bad = daily(99, 60, DAY / 8);
    let with = |count| advise(&good(count).chain([bad.clone()]).collect::<Vec<_>>(), &Policy::default());
    assert_eq!(with(1).last().unwrap().recommendation, Recommendation::Keep, "of two nobody stands out");
    let advice = with(9);
    assert!(verdicts(&advice[..9]).iter().all(|verdict| *verdict == Recommendation::Keep), "{advice:?}");
    let Reason::Outlier { compared_peers: 10, lower_fence: fence, first_quartile, availability } =
        advice[9].reasons[0]
    else {
        panic!("{advice:?}")
    };
    assert!(availability < fence && fence < first_quartile);
}

#[test]
fn the_aggressive_fence_is_closer() {
    // Percents of the time offline. NumPy's quartiles of the rest of the time are 95.5 and 98.5: one fence
    // is at 91, the other at 86.5.
    let verdict = |style, worst| {
        let percents = [0, 1, 2, 3, 4, 5].into_iter().chain([worst]);
        let peers: Vec<_> =
            percents.zip(1..).map(|(percent, number)| daily(number, 60, percent * DAY / 100)).collect();
        advise(&peers, &Policy { outlier: Some(style), ..Policy::default() })[6].recommendation
    };
    assert_eq!(verdict(OutlierSensitivity::Aggressive, 8), Recommendation::Keep);
    assert_eq!(verdict(OutlierSensitivity::Aggressive, 10), Recommendation::Close);
    assert_eq!(verdict(OutlierSensitivity::Conservative, 10), Recommendation::Keep);
    assert_eq!(verdict(OutlierSensitivity::Conservative, 14), Recommendation::Close);
}

#[test]
fn where_all_are_always_there_an_hour_is_no_outlier() {
    let peers: Vec<_> = (1..=8).map(|number| daily(number, 60, 0)).chain([daily(9, 60, 60)]).collect();
    assert!(
        verdicts(&advise(&peers, &Policy::default())).iter().all(|verdict| *verdict == Recommendation::Keep)
    );
}

#[test]
fn who_flaps_is_looked_at() {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    let node_id = peer(1);
    tracker.apply(Timestamp::from_secs(START), &Event::Watch { node_id });
    tracker.apply(Timestamp::from_secs(START), &Event::PeerOnline { node_id });
    for round in 0..26 {
        let at = START + 40 * DAY + round * 3_600;
        tracker.apply(Timestamp::from_secs(at), &Event::PeerOffline { node_id });
        tracker.apply(Timestamp::from_secs(at + 30), &Event::PeerOnline { node_id });
    }
    let peers = [evidence(&tracker, 1, 42 * DAY)];
    assert_eq!((peers[0].flaps_7d, peers[0].flaps_complete), (52, true));
    let advice = advise(&peers, &Policy::default());
    assert_eq!(advice[0].recommendation, Recommendation::Review);
    assert_eq!(advice[0].reasons[0].to_string(), "its connection changed 52 times in 7 days, more than 50");
    let calm = [evidence(&tracker, 1, 50 * DAY)];
    assert_eq!(advise(&calm, &Policy::default())[0].recommendation, Recommendation::Keep);
}

#[test]
fn a_restart_costs_no_observed_time_and_the_young_are_not_judged() {
    let advice = advise(&[daily(1, 27, DAY - 60)], &Policy::default());
    assert_eq!(advice[0].recommendation, Recommendation::InsufficientData);
    assert_eq!(advice[0].reasons[0].to_string(), "observed for 27.0 days, and judged after 28.0");
    assert_eq!(
        advise(&[daily(1, 28, DAY - 60)], &Policy::default())[0].recommendation,
        Recommendation::Close
    );
}

#[test]
fn who_is_young_and_gone_is_to_be_looked_at() {
    let mut young = daily(1, 10, 0);
    young.offline_ns = 5 * DAY * 1_000_000_000;
    let policy = Policy { long_offline_after_ns: Some(4 * DAY * 1_000_000_000), ..Policy::default() };
    let advice = advise(&[young.clone()], &policy);
    assert_eq!(advice[0].recommendation, Recommendation::Review);
    assert!(
        matches!(advice[0].reasons[..], [Reason::LongOffline { .. }, Reason::InsufficientData { .. }]),
        "{advice:?}"
    );
    assert_eq!(advise(&[young], &Policy::default())[0].recommendation, Recommendation::InsufficientData);
}

#[test]
fn phones_are_judged_apart() {
    let phone = daily(1, 60, DAY - 600).with_kind(PeerKind::Mobile);
    let others = (2..8).map(|number| daily(number, 60, 60));
    let peers: Vec<_> = others.chain([phone]).collect();
    let advice = advise(&peers, &Policy::default());
    assert!(verdicts(&advice).iter().all(|verdict| *verdict == Recommendation::Keep), "{advice:?}");
    assert_eq!(advice[6].reasons, [Reason::NotCompared]);
    let mut gone = daily(1, 60, 0).with_kind(PeerKind::Private);
    gone.offline_ns = 31 * DAY * 1_000_000_000;
    assert_eq!(advise(&[gone], &Policy::default())[0].recommendation, Recommendation::Close);
}

#[test]
fn who_is_ignored_is_left_alone_and_does_not_count() {
    let peers: Vec<_> = (1..=3).map(|number| daily(number, 60, DAY / 2)).collect();
    let policy = Policy { ignore: [peer(1)].into(), availability_threshold: None, ..Policy::default() };
    let advice = advise(&peers, &policy);
    assert_eq!(verdicts(&advice), [Recommendation::Ignored, Recommendation::Keep, Recommendation::Keep]);
}

/// What `statsmodels` answers: `proportion_confint(up, n, alpha=0.10, method="wilson")`.
#[test]
fn wilsons_bounds() {
    let of = |up: u64, n: u64| availability_bounds(up * SAMPLE_INTERVAL_NS, n * SAMPLE_INTERVAL_NS).unwrap();
    let close = |bounds: ConfidenceBounds, low: f64, high: f64| {
        assert!((bounds.low - low).abs() < 1e-11 && (bounds.high - high).abs() < 1e-11, "{bounds:?}");
    };
    close(of(1, 1), 0.269_865_948_784, 1.0);
    close(of(0, 1), 0.0, 0.730_134_051_216);
    close(of(5, 10), 0.269_271_821_138, 0.730_728_178_862);
    close(of(90, 100), 0.839_644_490_389, 0.939_281_332_985);
    close(of(719, 720), 0.993_798_900_715, 0.999_690_088_685);
    assert_eq!(availability_bounds(0, 0), None);
}

proptest! {
    #[test]
    fn bounds_hold_the_truth_and_close_in(up in 0..=u64::MAX >> 2, more in 0..=u64::MAX >> 2) {
        let observed = up.saturating_add(more).max(1);
        let bounds = availability_bounds(up, observed).unwrap();
        let truth = up as f64 / observed as f64;
        prop_assert!(0.0 <= bounds.low && bounds.low <= truth && truth <= bounds.high && bounds.high <= 1.0);
        if let Some(longer) = availability_bounds(up / 16 * 15, observed / 16 * 15) {
            prop_assert!(longer.low <= bounds.low + 1e-6 && longer.high >= bounds.high - 1e-6);
        }
    }

    #[test]
    fn scores_are_from_0_to_100(days in 1..90_u64, off in 0..DAY, usability in prop::option::of(-1.0..2.0)) {
        let evidence = daily(1, days, off);
        let score = Score::of(&evidence.stats, usability).unwrap();
        prop_assert!(0.0 <= score.value && score.value <= score.upper_bound && score.upper_bound <= 100.0, "{score:?}");
        // More time offline is never better.
        let worse = daily(1, days, off + (DAY - off) / 2);
        let worse = Score::of(&worse.stats, usability).unwrap();
        prop_assert!(off == 0 || worse.value <= score.value + 1e-9);
    }

    /// What is said does not depend on the order in which peers are passed in.
    #[test]
    fn order_does_not_matter(offs in prop::collection::vec(0..DAY, 1..12)) {
        let mut peers: Vec<_> = offs.iter().zip(1..).map(|(off, number)| daily(number, 40, *off)).collect();
        let advice = advise(&peers, &Policy::default());
        peers.reverse();
        let mut again = advise(&peers, &Policy::default());
        again.reverse();
        prop_assert_eq!(advice, again);
    }
}
