//! Tests histories with one day whose values are easy to compute by hand.

use fitness_core::{
    BucketWidth, Event, GapCause, HashSeed, NodeId, PeerHistory, Presence, PresenceInterval, StandardWindow,
    Timestamp, Tracker, TrackerConfig,
};

const PEER: NodeId = NodeId([2; 33]);
const HOUR_NS: u64 = 3_600 * 1_000_000_000;

/// Midnight, UTC.
const START: Timestamp = Timestamp::from_secs(1_767_225_600);

fn at(hours: u64) -> Timestamp {
    START.after_nanos(hours * HOUR_NS)
}

/// Returns a day on which the peer is online from 1 to 4, from 5 to 8 and from 10 to 20 o'clock. Observation is
/// paused from 12 to 13 o'clock.
fn day() -> (Tracker, PeerHistory) {
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    let (online, offline) = (Event::PeerOnline { node_id: PEER }, Event::PeerOffline { node_id: PEER });
    let events = [
        (0, &Event::Watch { node_id: PEER }),
        (1, &online),
        (4, &offline),
        (5, &online),
        (8, &offline),
        (10, &online),
        (12, &Event::ObservationPaused),
        (13, &Event::ObservationResumed),
        (13, &online),
        (20, &offline),
    ];
    for (hour, event) in events {
        tracker.apply(at(hour), event);
    }
    let history = tracker.history(at(24), &PEER, &[]).expect("the peer is watched");
    (tracker, history)
}

#[test]
fn window_counts_its_disconnects_and_the_recoveries_that_lie_within_it() {
    let (_, history) = day();
    let hours = |ns: Option<u64>| ns.map(|ns| ns / HOUR_NS);
    let outages = |from, to| {
        let outages = history.outage_stats(at(from), at(to));
        assert!(outages.complete);
        (outages.disconnects, hours(outages.median_recovery_ns), outages.longest_outage_ns / HOUR_NS)
    };
    assert_eq!(outages(0, 24), (3, Some(1), 4));
    assert_eq!(outages(0, 4), (0, None, 0), "the end is exclusive");
    assert_eq!(outages(4, 5), (1, None, 1), "the outage has not ended before the end");
    assert_eq!(outages(4, 6), (1, Some(1), 1));
    assert_eq!(outages(9, 11), (0, None, 1), "the disconnect was before the window");
    assert_eq!(outages(8, 24), (2, Some(2), 4));
    let day = history.stats_over(StandardWindow::Day);
    assert_eq!(hours(day.outages.mean_time_between_disconnects_ns), Some(5));
    assert_eq!(hours(day.outages.longest_recovery_ns), Some(2));
    assert_eq!((day.presence, day.presence_since), (Presence::Offline, at(20)));
    assert_eq!(history.stats(at(12), at(13)).window.availability, None);
}

#[test]
fn shortened_history_has_the_same_statistics_from_its_start() {
    let (_, history) = day();
    let shortened = history.clone().starting_at(at(9));
    assert_eq!((history.start(), shortened.start(), shortened.end()), (START, at(9), at(24)));
    assert_eq!(shortened.stats_over(StandardWindow::Lifetime), history.stats(at(9), at(24)));
    assert_eq!(shortened.clone().starting_at(at(3)).start(), at(9), "a history cannot be extended again");
    assert_eq!(shortened.starting_at(Timestamp::MAX).stats_over(StandardWindow::Week).window.length_ns, 0);
}

#[test]
fn calendar_buckets_are_hours_and_days_in_utc() {
    let (_, history) = day();
    let (from, to) = (START.after_nanos(HOUR_NS / 2), START.after_nanos(3 * HOUR_NS + 1));
    let hours = history.calendar_buckets(from, to, BucketWidth::Hour, 100);
    let lengths: Vec<_> = hours.iter().map(|hour| hour.length_ns).collect();
    assert_eq!(lengths, [HOUR_NS / 2, HOUR_NS, HOUR_NS, 1]);
    assert_eq!(hours[1].availability, Some(1.0));
    assert_eq!(history.calendar_buckets(Timestamp::EPOCH, Timestamp::MAX, BucketWidth::Day, 100).len(), 1);
    assert_eq!(history.calendar_buckets(from, to, BucketWidth::Hour, 2).len(), 2);
}

#[test]
fn unobserved_intervals_have_the_cause_of_their_gap() {
    let (tracker, history) = day();
    let gaps = tracker.gaps(at(24), &[], START, at(24));
    let unobserved = |intervals: Vec<PresenceInterval>| -> Vec<_> {
        let intervals = intervals.into_iter().filter(|it| it.presence == Some(Presence::Unobserved));
        intervals.map(|it| (it.length_ns() / HOUR_NS, it.cause)).collect()
    };
    let paused = Some(GapCause::Paused);
    assert_eq!(unobserved(history.timeline_with_gaps(START, at(24), &gaps)), [(1, None), (1, paused)]);
    assert_eq!(unobserved(history.timeline(START, at(24))), [(1, None), (1, None)]);
}

/// These field names are a part of the program's JSON output.
#[cfg(feature = "serde")]
#[test]
fn serialized_forms_are_stable() {
    use serde_json::{from_value, json, to_value};

    let (tracker, history) = day();
    let stats = history.stats(at(0), at(12));
    let json = to_value(stats).expect("the value can be serialized");
    let expected = json!({
        "from_ns": START, "to_ns": at(12), "length_ns": 12 * HOUR_NS,
        "observed_ns": 11 * HOUR_NS, "observed_error_ns": 0, "uptime_ns": 8 * HOUR_NS, "uptime_error_ns": 0,
        "availability": 8.0 / 11.0,
        "outages": {
            "disconnects": 2, "mean_time_between_disconnects_ns": 4 * HOUR_NS, "median_recovery_ns": 3 * HOUR_NS / 2,
            "longest_recovery_ns": 2 * HOUR_NS, "longest_outage_ns": 2 * HOUR_NS, "complete": true,
        },
        "presence": "offline", "presence_since_ns": at(20),
    });
    assert_eq!(json, expected);
    assert_eq!(from_value::<fitness_core::WindowStats>(json).expect("the value can be deserialized"), stats);

    let gaps = tracker.gaps(at(24), &[], START, at(24));
    let timeline = history.timeline_with_gaps(at(11), at(14), &gaps);
    let json = to_value(&timeline).expect("the value can be serialized");
    assert_eq!(json[0]["presence"], "online");
    assert_eq!((&json[1]["presence"], &json[1]["cause"]), (&json!("unobserved"), &json!("paused")));
    assert_eq!(from_value::<Vec<PresenceInterval>>(json).expect("the value can be deserialized"), timeline);
    for window in StandardWindow::ALL {
        assert_eq!(to_value(window).expect("the value can be serialized"), window.name());
        assert_eq!(window.name().parse(), Ok(window));
    }
    assert!("1y".parse::<StandardWindow>().is_err());
    assert_eq!(
        to_value([BucketWidth::Hour, BucketWidth::Day]).expect("the values can be serialized"),
        json!(["hour", "day"])
    );
}
