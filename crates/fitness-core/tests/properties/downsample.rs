//! A downsampled log has a bounded size, and its windows are exact or within the errors that they state.

use fitness_core::{
    Event, Ledger, LogEntry, LogSegment, ObserverRecord, PeerHistory, PeerRecord, Presence, Retention,
    SEGMENT_ENTRIES, Totals, Tracker, downsample,
};
use proptest::prelude::*;

use crate::model::ModelPeer;
use crate::traces::{SECOND, START, node};
use crate::{Store, at, check_window_errors, drain_all, moment_at, new_tracker};

const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// The changes of a peer, and a log that contains some of them.
#[derive(Clone, Debug)]
struct PeerLog {
    start: u64,
    changes: Vec<(u64, Presence)>,
    entries: Vec<LogEntry>,
    now: u64,
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        4 => Just(Presence::Online),
        4 => Just(Presence::Offline),
        1 => Just(Presence::Unobserved),
    ]
}

/// Generates changes that are seconds, hours or days apart. Some are at a full hour, and some are not logged.
fn peer_log(max_changes: usize) -> impl Strategy<Value = PeerLog> {
    let pause = prop_oneof![
        1 => Just(0),
        4 => 1..60 * SECOND,
        8 => 60 * SECOND..HOUR,
        4 => HOUR..9 * HOUR,
        1 => DAY..9 * DAY,
    ];
    let step = (pause, prop::bool::weighted(0.1), presence(), prop::bool::weighted(0.8));
    let start = prop_oneof![Just(START), Just(START - START % DAY), START..START + DAY];
    (start, prop::collection::vec(step, 0..max_changes), 0..3 * DAY).prop_map(|(start, steps, idle)| {
        let (mut now, mut current, mut totals) = (start, Presence::Unobserved, Totals::default());
        let (mut changes, mut entries) = (Vec::new(), Vec::new());
        for (pause, at_full_hour, presence, is_logged) in steps {
            let mut next = now + pause;
            if at_full_hour {
                next = next.next_multiple_of(HOUR);
            }
            totals = totals.after(current, next - now);
            (now, current) = (next, presence);
            changes.push((now, presence));
            if is_logged {
                entries.push(LogEntry::new(now, presence, totals));
            }
        }
        PeerLog { start, changes, entries, now: now + idle }
    })
}

/// A retention and two of its ages.
#[derive(Clone, Copy, Debug)]
struct RetentionCase {
    retention: Retention,
    hourly_ns: u64,
    max_age_ns: u64,
}

fn retention_case() -> impl Strategy<Value = RetentionCase> {
    (0..3 * DAY, 0..40_u32, 0..12 * DAY, 0..30 * DAY).prop_map(|(detail_ns, entries, hourly, daily)| {
        let (hourly_ns, max_age_ns) = (detail_ns + hourly, detail_ns + hourly + daily);
        let retention = Retention::default()
            .with_full_detail_ns(detail_ns)
            .with_full_detail_entries(entries)
            .with_hourly_ns(hourly_ns)
            .with_max_age_ns(max_age_ns);
        RetentionCase { retention, hourly_ns, max_age_ns }
    })
}

/// Returns the history of a peer whose log is read from the store alone.
fn history_of(start: u64, log: &[LogEntry], now: u64) -> PeerHistory {
    let node_id = node(0);
    let mut tracker = new_tracker(4_096);
    tracker.apply(at(start), &Event::Watch { node_id });
    let record = drain_all(&mut tracker).peers.pop().expect("the peer is watched");
    let last = log.last().copied().unwrap_or_else(|| Ledger::starting(start).last_change());
    let record = PeerRecord {
        presence: last.presence(),
        presence_since_ns: last.at_ns(),
        totals: last.totals(),
        log_end: u32::try_from(log.len()).expect("the log is short"),
        ..record
    };
    let mut resumed = new_tracker(4_096);
    let observer =
        ObserverRecord { started_at_ns: start, last_heartbeat_ns: now, ..ObserverRecord::default() };
    resumed.resume_observer(&observer, &[]);
    resumed.resume_peer(&record);
    resumed.history(at(now), &node_id, &LogSegment::pack(node_id, log)).expect("the peer is watched")
}

/// Returns the full hours and days at which a downsampled log keeps the totals of the original log.
fn checkpoints(log: &PeerLog, case: &RetentionCase) -> Vec<u64> {
    let grid = |width: u64, from: u64| {
        let near = log.entries.iter().map(move |entry| entry.at_ns() / width * width);
        let near = near.flat_map(move |at| [at, at + width, at + 5 * width]);
        near.filter(move |&at| from <= at && at <= log.now)
    };
    let hourly_from = (log.now - case.hourly_ns) / DAY * DAY;
    let daily_from = (log.now - case.max_age_ns) / DAY * DAY;
    let mut checkpoints: Vec<u64> = grid(HOUR, hourly_from).chain(grid(DAY, daily_from)).collect();
    checkpoints.sort_unstable();
    checkpoints.dedup();
    checkpoints
}

/// Compares a downsampled log with all changes, and with the original log.
fn check_downsampled(
    log: &PeerLog,
    case: &RetentionCase,
    downsampled: &[LogEntry],
    edges: &[f64],
) -> Result<(), TestCaseError> {
    let checkpoints = checkpoints(log, case);
    let peer = ModelPeer { tracked_since: log.start, changes: log.changes.clone(), ..ModelPeer::default() };
    prop_assert!(downsampled.is_sorted_by_key(LogEntry::at_ns));
    prop_assert_eq!(downsampled.last(), log.entries.last());
    for entry in downsampled {
        let totals = entry.totals();
        let exact = peer.totals_within(log.start, entry.at_ns());
        prop_assert_eq!((totals.online_ns, totals.observed_ns), exact);
    }
    // The ledger of `history_of` does not contain changes after the last log entry.
    let end = log.entries.last().map_or(log.start, LogEntry::at_ns);
    let original = history_of(log.start, &log.entries, log.now);
    let history = history_of(log.start, downsampled, log.now);
    let checkpoints_until_end = checkpoints.iter().copied().filter(|&at| log.start <= at && at <= end);
    let edges: Vec<u64> = edges
        .iter()
        .map(|edge| moment_at(log.start, end, *edge))
        .chain(checkpoints_until_end.step_by(7))
        .collect();
    for &from in &edges {
        for &to in edges.iter().filter(|&&to| from <= to) {
            check_window_errors(&history.window(at(from), at(to)), peer.totals_within(from, to))?;
        }
    }
    let mut previous = log.start;
    for checkpoint in checkpoints {
        let expected = original.window(at(log.start), at(checkpoint));
        if expected.is_exact() {
            prop_assert_eq!(history.window(at(log.start), at(checkpoint)), expected);
            prop_assert_eq!(
                history.window(at(previous), at(checkpoint)),
                original.window(at(previous), at(checkpoint))
            );
            previous = checkpoint;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn downsampled_log_is_consistent_with_the_original(
        log in peer_log(250),
        case in retention_case(),
        edges in prop::array::uniform5(0.0..1.0_f64),
    ) {
        let downsampled = downsample(&log.entries, log.start, log.now, &case.retention);
        prop_assert!(downsampled.len() <= log.entries.len().min(case.retention.max_entries()));
        prop_assert_eq!(&downsample(&downsampled, log.start, log.now, &case.retention), &downsampled);
        let dropped_before = (log.now - case.max_age_ns) / DAY * DAY;
        prop_assert!(downsampled.iter().filter(|entry| entry.at_ns() < dropped_before).count() <= 1);
        check_downsampled(&log, &case, &downsampled, &edges)?;
    }

    #[test]
    fn log_downsampled_daily_is_consistent_with_the_original(
        log in peer_log(250),
        case in retention_case(),
        edges in prop::array::uniform5(0.0..1.0_f64),
    ) {
        let (mut downsampled, mut remaining) = (Vec::new(), log.entries.as_slice());
        let mut now = log.start;
        while now < log.now {
            now = (now + DAY).min(log.now);
            let (new, later) = remaining.split_at(remaining.partition_point(|entry| entry.at_ns() <= now));
            downsampled.extend_from_slice(new);
            remaining = later;
            downsampled = downsample(&downsampled, log.start, now, &case.retention);
            prop_assert!(downsampled.len() <= case.retention.max_entries());
        }
        check_downsampled(&log, &case, &downsampled, &edges)?;
    }

    #[test]
    fn newest_entries_are_kept(log in peer_log(250), detail in 0..9 * DAY, count in 1..100_u32) {
        let retention =
            Retention::default().with_full_detail_ns(detail).with_full_detail_entries(count);
        let downsampled = downsample(&log.entries, log.start, log.now, &retention);
        let from = (log.now - detail) / HOUR * HOUR;
        let newest = log.entries.iter().rev().take(count as usize);
        let newest = newest.take_while(|entry| entry.at_ns() >= from);
        prop_assert!(downsampled.iter().rev().zip(newest.clone()).all(|(kept, original)| kept == original));
        prop_assert!(downsampled.len() >= newest.count());
    }

    #[test]
    fn arbitrary_entries_do_not_panic(
        entries in prop::collection::vec((any_time(), presence(), any_time(), any_time()), 0..40),
        is_consistent: bool,
        start in any_time(),
        now in any_time(),
        ages in prop::array::uniform3(any_time()),
        count in any::<u32>(),
    ) {
        let entry = |(at_ns, presence, online_ns, observed_ns)| {
            LogEntry::new(at_ns, presence, Totals { online_ns, observed_ns })
        };
        let mut entries: Vec<LogEntry> = entries.into_iter().map(entry).collect();
        let first_ns = entries.iter().map(LogEntry::at_ns).min().unwrap_or(start);
        let start = if is_consistent { start.min(first_ns) } else { start };
        if is_consistent {
            entries.sort_by_key(LogEntry::at_ns);
            let mut totals = Totals::default();
            let mut previous = start;
            for entry in &mut entries {
                totals = totals.after(entry.presence(), entry.at_ns() - previous);
                previous = entry.at_ns();
                *entry = LogEntry::new(entry.at_ns(), entry.presence(), totals);
            }
        }
        let [detail, hourly, max_age] = ages;
        let retention = Retention::default()
            .with_full_detail_ns(detail)
            .with_full_detail_entries(count % 8)
            .with_hourly_ns(hourly)
            .with_max_age_ns(max_age);
        prop_assert!(retention.max_entries() > 0);
        let downsampled = downsample(&entries, start, now, &retention);
        prop_assert!(downsampled == entries || downsampled.is_sorted_by_key(LogEntry::at_ns));
        prop_assert!(downsampled.len() <= entries.len());
        prop_assert_eq!(downsampled.last(), entries.last());
        prop_assert_eq!(downsample(&downsampled, start, now, &retention), downsampled);
    }
}

fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..3 * DAY,
        START..START + 3 * DAY,
        u64::MAX - 3 * DAY..=u64::MAX,
        Just(u64::MAX)
    ]
}

/// Returns a log with a change at each of these times.
fn log_of(times: &[u64]) -> Vec<LogEntry> {
    let (mut totals, mut previous, mut online) = (Totals::default(), 0, false);
    let entry = |&at: &u64| {
        totals = totals.after(online.into(), at - previous);
        (previous, online) = (at, !online);
        LogEntry::new(at, online.into(), totals)
    };
    times.iter().map(entry).collect()
}

fn times(log: &[LogEntry]) -> Vec<u64> {
    log.iter().map(LogEntry::at_ns).collect()
}

#[test]
fn hour_with_several_changes_keeps_its_first_change_and_its_end() {
    let minutes = |hour: u64, minutes: &[u64]| -> Vec<u64> {
        minutes.iter().map(|minute| hour * HOUR + minute * 60 * SECOND).collect()
    };
    let log = log_of(
        &[
            minutes(1, &[5]),
            minutes(3, &[10, 20]),
            minutes(4, &[7, 8, 9]),
            minutes(6, &[0, 30]),
            minutes(9, &[1, 2]),
        ]
        .concat(),
    );
    let retention = Retention::default().with_full_detail_ns(0).with_max_age_ns(0);
    let downsampled = downsample(&log, 0, 9 * HOUR, &retention);
    let expected = [
        minutes(1, &[5]),
        minutes(3, &[10]),
        minutes(4, &[0]),
        minutes(5, &[0]),
        minutes(6, &[0, 30]),
        minutes(9, &[1, 2]),
    ];
    assert_eq!(times(&downsampled), expected.concat());
    // The newest five entries are kept in full, which includes one of hour 4.
    let downsampled = downsample(&log, 0, 9 * HOUR, &Retention::default().with_full_detail_entries(5));
    assert_eq!(times(&downsampled), [&expected[..3], &[minutes(4, &[9])], &expected[4..]].concat().concat());
}

#[test]
fn last_of_several_entries_at_a_full_hour_is_kept() {
    let log = log_of(&[HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR]);
    let downsampled = downsample(&log, 0, 9 * HOUR, &Retention::default().with_full_detail_ns(0));
    assert_eq!(downsampled, [log[0], log[3], log[4]]);
}

#[test]
fn age_below_the_age_of_the_finer_level_is_raised_to_it() {
    let log = log_of(&(1..100).map(|i| i * HOUR / 3).collect::<Vec<_>>());
    let detail = Retention::default().with_full_detail_ns(2 * DAY).with_hourly_ns(0).with_max_age_ns(0);
    assert_eq!(downsample(&log, 0, 2 * DAY, &detail), log);
    let hourly = detail.with_full_detail_ns(0).with_hourly_ns(2 * DAY);
    assert_eq!(downsample(&log, 0, 2 * DAY, &hourly).len(), 34);
    assert_eq!(hourly.max_entries(), hourly.with_max_age_ns(2 * DAY).max_entries());
}

/// A log in which the totals at full hours are unknown keeps two entries per hour and two per day.
#[test]
fn max_entries_is_a_tight_bound() {
    let all = log_of(&(1..30_000).map(|i| i * 71 * SECOND).collect::<Vec<_>>());
    let log: Vec<_> = all.into_iter().step_by(3).collect();
    let retention = Retention::default()
        .with_full_detail_ns(0)
        .with_full_detail_entries(10)
        .with_hourly_ns(3 * DAY)
        .with_max_age_ns(9 * DAY);
    let now = log.last().unwrap().at_ns().next_multiple_of(DAY) - 1;
    let entries = downsample(&log, 0, now, &retention).len();
    let max_entries = retention.max_entries();
    assert!(entries <= max_entries && max_entries - entries < 60, "{entries} of {max_entries}");
}

#[test]
fn inconsistent_log_is_not_changed() {
    let log = log_of(&(1..100).map(|i| i * 60 * SECOND).collect::<Vec<_>>());
    let now = 1_000 * DAY;
    let downsampled = |log: &[LogEntry], start| downsample(log, start, now, &Retention::default());
    assert_eq!(downsampled(&log, 0), log[98..]);
    assert_eq!(downsampled(&log, 61 * SECOND), log);
    let with_last_totals = |totals: fn(Totals) -> Totals| {
        let mut changed = log.clone();
        changed[98] = LogEntry::new(log[98].at_ns(), log[98].presence(), totals(log[98].totals()));
        changed
    };
    let inconsistent = [
        with_last_totals(|totals| Totals { online_ns: totals.online_ns + 61 * SECOND, ..totals }),
        with_last_totals(|totals| Totals { online_ns: totals.online_ns - 1, ..totals }),
        with_last_totals(|totals| Totals { observed_ns: totals.observed_ns + 1, ..totals }),
        with_last_totals(|totals| Totals { observed_ns: totals.observed_ns - 61 * SECOND, ..totals }),
        log.iter().rev().copied().collect(),
    ];
    for log in inconsistent {
        assert_eq!(downsampled(&log, 0), log);
    }
}

#[test]
fn segments_are_full_and_numbered_from_0() {
    let log: Vec<_> = (0..150).map(|at| LogEntry::new(at, Presence::Online, Totals::default())).collect();
    let segments = LogSegment::pack(node(0), &log);
    let shape: Vec<_> = segments
        .iter()
        .map(|segment| (segment.index(), segment.first_number, segment.entries.len()))
        .collect();
    assert_eq!(shape, [(0, 0, 64), (1, 64, 64), (2, 128, 22)]);
    assert_eq!(segments.into_iter().flat_map(|segment| segment.entries).collect::<Vec<_>>(), log);
    assert_eq!(LogSegment::pack(node(0), &[]), []);
}

/// Simulates two years of a peer that flaps as often as the rate limit of the log allows. The log is downsampled
/// once a day.
#[test]
fn log_of_a_flapping_peer_is_bounded() {
    let (node_id, retention) = (node(0), Retention::default().with_full_detail_entries(500));
    let (mut tracker, mut store) = (new_tracker(256), Store::default());
    let mut peer = ModelPeer { tracked_since: START, ..ModelPeer::default() };
    let (mut now, mut online, mut next_day) = (START, false, START + DAY);
    tracker.apply(at(now), &Event::Watch { node_id });
    let mut max_stored = 0;
    while now < START + 730 * DAY {
        let flaps = tracker.flap_count(&node_id).map_or(0, |flaps| flaps.0);
        now += fitness_core::log_rate_limit_ns(flaps + 1) + 1;
        online = !online;
        let event = if online { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } };
        tracker.apply(at(now), &event);
        peer.changes.push((now, online.into()));
        if now >= next_day {
            next_day += DAY;
            store.write(drain_all(&mut tracker));
            max_stored = max_stored.max(downsample_stored(&mut store, &tracker, now, &retention));
        }
    }
    let log = tracker.event_log(&node_id).expect("the peer is watched");
    assert!(log.end_number() > 18_000, "{}", log.end_number());
    // 500 entries in full detail, 60 days with up to 25 entries, 310 days with up to 2, and 500 entries that are
    // not final.
    assert!(max_stored <= 500 + 60 * 25 + 310 * 2 + 500, "{max_stored}");

    store.write(drain_all(&mut tracker));
    let segments: Vec<_> = store.segments.into_values().collect();
    let history = tracker.history(at(now), &node_id, &segments).expect("the peer is watched");
    let windows = |days| (1..399 - days).map(move |i| (now - (i + days) * DAY, now - i * DAY));
    for (from, to) in windows(1).chain(windows(7)).chain(windows(90)) {
        let window = history.window(at(from), at(to));
        let (uptime, observed) = peer.totals_within(from, to);
        assert!(window.uptime_ns.abs_diff(uptime) <= window.uptime_error_ns, "{uptime}: {window:?}");
        assert_eq!((window.observed_ns, window.observed_error_ns), (observed, 0));
        // Each end of a window adds an error of some hours at most.
        assert!(window.uptime_error_ns <= 13 * HOUR * 2, "{window:?}");
    }
}

/// Downsamples the segments that the tracker will not write again. Returns the number of stored entries.
fn downsample_stored(store: &mut Store, tracker: &Tracker, now: u64, retention: &Retention) -> usize {
    let node_id = node(0);
    let first = tracker.event_log(&node_id).map_or(0, |log| log.first_number());
    let is_final = |segment: &LogSegment| segment.index() < first / SEGMENT_ENTRIES;
    let segments = store.segments.values().filter(|segment| is_final(segment));
    let entries: Vec<_> = segments.flat_map(|segment| segment.entries.iter().copied()).collect();
    let downsampled = downsample(&entries, store.peers[&node_id].tracked_since_ns, now, retention);
    assert!(downsampled.len() <= retention.max_entries());
    store.segments.retain(|_, segment| !is_final(segment));
    let packed = LogSegment::pack(node_id, &downsampled).into_iter();
    store.segments.extend(packed.map(|segment| ((node_id, segment.index()), segment)));
    store.segments.values().map(|segment| segment.entries.len()).sum()
}
