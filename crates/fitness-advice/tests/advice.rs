//! Recommendations and their reasons, scores, and confidence bounds.

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

/// Returns the evidence of a peer that is observed for `days` days and offline for the first `offline_secs`
/// seconds of each day.
fn daily_outage(number: u8, days: u64, offline_secs: u64) -> Evidence {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
    let (node_id, at) = (peer(number), |secs| Timestamp::from_secs(START + secs));
    tracker.apply(at(0), &Event::Watch { node_id });
    tracker.apply(at(0), &Event::PeerOnline { node_id });
    for day in (0..days).filter(|_| offline_secs > 0) {
        tracker.apply(at(day * DAY), &Event::PeerOffline { node_id });
        tracker.apply(at(day * DAY + offline_secs), &Event::PeerOnline { node_id });
    }
    evidence(&tracker, number, days * DAY)
}

fn evidence(tracker: &Tracker, number: u8, secs: u64) -> Evidence {
    let now = Timestamp::from_secs(START + secs);
    let report = tracker.peer(now, &peer(number)).expect("the peer is watched");
    let history = tracker.history(now, &peer(number), &[]).expect("the peer is watched");
    Evidence::of(&report, &history, StandardWindow::Quarter)
}

fn recommendations(advice: &[Advice]) -> Vec<Recommendation> {
    advice.iter().map(|advice| advice.recommendation).collect()
}

#[test]
fn availability_at_the_threshold_recommends_closing() {
    // The first peer is offline for exactly a quarter of each day.
    let peers = [daily_outage(1, 40, DAY / 4), daily_outage(2, 40, DAY / 4 - 1)];
    let policy = Policy { availability_threshold: Some(0.75), ..Policy::default() };
    let advice = advise(&peers, &policy);
    assert_eq!(recommendations(&advice), [Recommendation::Close, Recommendation::Keep]);
    assert!(
        matches!(
            advice[0].reasons[..],
            [Reason::AvailabilityLow { availability: 0.75, threshold: 0.75, .. }]
        ),
        "{advice:?}"
    );
    assert_eq!(advice[1].reasons, []);
}

#[test]
fn an_outlier_needs_peers_to_compare_with() {
    let reliable = |count: u8| (1..=count).map(|number| daily_outage(number, 60, u64::from(number) * 60));
    let unreliable = daily_outage(99, 60, DAY / 8);
    let advise_with =
        |count| advise(&reliable(count).chain([unreliable.clone()]).collect::<Vec<_>>(), &Policy::default());
    assert_eq!(advise_with(1)[1].recommendation, Recommendation::Keep, "two peers have no quartiles");
    let advice = advise_with(9);
    assert!(recommendations(&advice[..9]).iter().all(|each| *each == Recommendation::Keep), "{advice:?}");
    let Reason::Outlier { compared_peers: 10, lower_fence, first_quartile, availability } =
        advice[9].reasons[0]
    else {
        panic!("{advice:?}")
    };
    assert!(availability < lower_fence && lower_fence < first_quartile);
}

#[test]
fn aggressive_sensitivity_has_a_higher_fence() {
    // The peers are offline for 0% to 5% of the time, and the last one for `worst`%. NumPy's quartiles of the
    // availability are 95.5 and 98.5, so the fences are at 91 and 86.5.
    let recommendation = |sensitivity, worst| {
        let percents = [0, 1, 2, 3, 4, 5].into_iter().chain([worst]);
        let peers: Vec<_> = percents
            .zip(1..)
            .map(|(percent, number)| daily_outage(number, 60, percent * DAY / 100))
            .collect();
        advise(&peers, &Policy { outlier: Some(sensitivity), ..Policy::default() })[6].recommendation
    };
    assert_eq!(recommendation(OutlierSensitivity::Aggressive, 8), Recommendation::Keep);
    assert_eq!(recommendation(OutlierSensitivity::Aggressive, 10), Recommendation::Close);
    assert_eq!(recommendation(OutlierSensitivity::Conservative, 10), Recommendation::Keep);
    assert_eq!(recommendation(OutlierSensitivity::Conservative, 14), Recommendation::Close);
}

#[test]
fn a_minute_offline_a_day_is_not_an_outlier() {
    let peers: Vec<_> =
        (1..=8).map(|number| daily_outage(number, 60, 0)).chain([daily_outage(9, 60, 60)]).collect();
    assert!(
        recommendations(&advise(&peers, &Policy::default())).iter().all(|each| *each == Recommendation::Keep)
    );
}

#[test]
fn a_flapping_peer_is_to_be_reviewed() {
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
    assert_eq!(advice[0].reasons, [Reason::Flapping { flaps: 52, limit: 50 }]);
    let a_week_later = [evidence(&tracker, 1, 50 * DAY)];
    assert_eq!(advise(&a_week_later, &Policy::default())[0].recommendation, Recommendation::Keep);
}

#[test]
fn a_peer_is_evaluated_from_28_observed_days_on() {
    let advice = advise(&[daily_outage(1, 27, DAY - 60)], &Policy::default());
    assert_eq!(advice[0].recommendation, Recommendation::InsufficientData);
    let day_ns = DAY * 1_000_000_000;
    let expected = Reason::InsufficientData { observed_ns: 27 * day_ns, needed_ns: 28 * day_ns };
    assert_eq!(advice[0].reasons, [expected]);
    assert_eq!(
        advise(&[daily_outage(1, 28, DAY - 60)], &Policy::default())[0].recommendation,
        Recommendation::Close
    );
}

#[test]
fn a_long_offline_peer_with_little_data_is_to_be_reviewed() {
    let mut new_peer = daily_outage(1, 10, 0);
    new_peer.offline_ns = 5 * DAY * 1_000_000_000;
    let policy = Policy { long_offline_after_ns: Some(4 * DAY * 1_000_000_000), ..Policy::default() };
    let advice = advise(&[new_peer.clone()], &policy);
    assert_eq!(advice[0].recommendation, Recommendation::Review);
    assert!(
        matches!(advice[0].reasons[..], [Reason::LongOffline { .. }, Reason::InsufficientData { .. }]),
        "{advice:?}"
    );
    assert_eq!(advise(&[new_peer], &Policy::default())[0].recommendation, Recommendation::InsufficientData);
}

#[test]
fn phones_and_private_peers_are_not_compared() {
    let phone = daily_outage(1, 60, DAY - 600).with_kind(PeerKind::Mobile);
    let others = (2..8).map(|number| daily_outage(number, 60, 60));
    let peers: Vec<_> = others.chain([phone]).collect();
    let advice = advise(&peers, &Policy::default());
    assert!(recommendations(&advice).iter().all(|each| *each == Recommendation::Keep), "{advice:?}");
    assert_eq!(advice[6].reasons, [Reason::NotCompared]);
    let mut long_offline = daily_outage(1, 60, 0).with_kind(PeerKind::Private);
    long_offline.offline_ns = 31 * DAY * 1_000_000_000;
    assert_eq!(advise(&[long_offline], &Policy::default())[0].recommendation, Recommendation::Close);
}

#[test]
fn an_ignored_peer_is_not_evaluated() {
    let peers: Vec<_> = (1..=3).map(|number| daily_outage(number, 60, DAY / 2)).collect();
    let policy = Policy { ignore: [peer(1)].into(), availability_threshold: None, ..Policy::default() };
    let advice = advise(&peers, &policy);
    assert_eq!(
        recommendations(&advice),
        [Recommendation::Ignored, Recommendation::Keep, Recommendation::Keep]
    );
}

/// The expected values are those of `statsmodels`: `proportion_confint(up, n, alpha=0.10, method="wilson")`.
#[test]
fn bounds_match_statsmodels() {
    let bounds =
        |up: u64, n: u64| availability_bounds(up * SAMPLE_INTERVAL_NS, n * SAMPLE_INTERVAL_NS).unwrap();
    let assert_close = |bounds: ConfidenceBounds, low: f64, high: f64| {
        assert!((bounds.low - low).abs() < 1e-11 && (bounds.high - high).abs() < 1e-11, "{bounds:?}");
    };
    assert_close(bounds(1, 1), 0.269_865_948_784, 1.0);
    assert_close(bounds(0, 1), 0.0, 0.730_134_051_216);
    assert_close(bounds(5, 10), 0.269_271_821_138, 0.730_728_178_862);
    assert_close(bounds(90, 100), 0.839_644_490_389, 0.939_281_332_985);
    assert_close(bounds(719, 720), 0.993_798_900_715, 0.999_690_088_685);
    assert_eq!(availability_bounds(0, 0), None);
}

proptest! {
    #[test]
    fn bounds_contain_the_availability_and_narrow_with_time(
        up in 0..=u64::MAX >> 2,
        down in 0..=u64::MAX >> 2,
    ) {
        let observed = up.saturating_add(down).max(1);
        let bounds = availability_bounds(up, observed).unwrap();
        let availability = up as f64 / observed as f64;
        prop_assert!((bounds.low..=bounds.high).contains(&availability));
        prop_assert!(0.0 <= bounds.low && bounds.high <= 1.0);
        if let Some(shorter) = availability_bounds(up / 16 * 15, observed / 16 * 15) {
            prop_assert!(shorter.low <= bounds.low + 1e-6 && shorter.high >= bounds.high - 1e-6);
        }
    }

    #[test]
    fn scores_are_from_0_to_100(
        days in 1..90_u64,
        offline_secs in 0..DAY,
        usable_ratio in prop::option::of(-1.0..2.0),
    ) {
        let evidence = daily_outage(1, days, offline_secs);
        let score = Score::of(&evidence.stats, usable_ratio).unwrap();
        prop_assert!(0.0 <= score.value && score.value <= score.upper_bound, "{score:?}");
        prop_assert!(score.upper_bound <= 100.0, "{score:?}");
        // More time offline never raises the score.
        let worse = daily_outage(1, days, offline_secs + (DAY - offline_secs) / 2);
        let worse = Score::of(&worse.stats, usable_ratio).unwrap();
        prop_assert!(offline_secs == 0 || worse.value <= score.value + 1e-9);
    }

    #[test]
    fn advice_does_not_depend_on_the_order_of_peers(offline_secs in prop::collection::vec(0..DAY, 1..12)) {
        let outages = offline_secs.iter().zip(1..);
        let mut peers: Vec<_> = outages.map(|(secs, number)| daily_outage(number, 40, *secs)).collect();
        let advice = advise(&peers, &Policy::default());
        peers.reverse();
        let mut reversed = advise(&peers, &Policy::default());
        reversed.reverse();
        prop_assert_eq!(advice, reversed);
    }
}
