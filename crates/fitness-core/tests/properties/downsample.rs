//! A thinned log tells the truth, says where it no longer knows it, and has an end.

use fitness_core::{
    Event, Ledger, LogEntry, LogSegment, ObserverRecord, PeerHistory, PeerRecord, Presence, Retention,
    SEGMENT_ENTRIES, Totals, Tracker, WindowReport, downsample,
};
use proptest::prelude::*;

use crate::model::Account;
use crate::traces::{SECOND, START, node};
use crate::{Disk, all_segments, at, new_tracker};

const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Every change of a peer, and what a log remembers of them.
#[derive(Clone, Debug)]
struct Past {
    start: u64,
    history: Vec<(u64, Presence)>,
    log: Vec<LogEntry>,
    now: u64,
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        4 => Just(Presence::Online),
        4 => Just(Presence::Offline),
        1 => Just(Presence::Unobserved),
    ]
}

/// Changes seconds, hours or days apart, some of them at a full hour, and some not logged.
fn past(length: usize) -> impl Strategy<Value = Past> {
    let pause = prop_oneof![
        1 => Just(0),
        4 => 1..60 * SECOND,
        8 => 60 * SECOND..HOUR,
        4 => HOUR..9 * HOUR,
        1 => DAY..9 * DAY,
    ];
    let step = (pause, prop::bool::weighted(0.1), presence(), prop::bool::weighted(0.8));
    let start = prop_oneof![Just(START), Just(START - START % DAY), START..START + DAY];
    (start, prop::collection::vec(step, 0..length), 0..3 * DAY).prop_map(|(start, steps, later)| {
        let (mut now, mut was, mut totals) = (start, Presence::Unobserved, Totals::default());
        let (mut history, mut log) = (Vec::new(), Vec::new());
        for (pause, at_full_hour, is, is_logged) in steps {
            let mut next = now + pause;
            if at_full_hour {
                next = next.next_multiple_of(HOUR);
            }
            totals = totals.after(was, next - now);
            (now, was) = (next, is);
            history.push((now, is));
            if is_logged {
                log.push(LogEntry::new(now, is, totals));
            }
        }
        Past { start, history, log, now: now + later }
    })
}

/// A retention, and what it was made from.
#[derive(Clone, Copy, Debug)]
struct Rule {
    retention: Retention,
    hourly_ns: u64,
    keep_ns: u64,
}

fn rule() -> impl Strategy<Value = Rule> {
    (0..3 * DAY, 0..40_u32, 0..12 * DAY, 0..30 * DAY).prop_map(|(detail_ns, entries, hourly, daily)| {
        let (hourly_ns, keep_ns) = (detail_ns + hourly, detail_ns + hourly + daily);
        let retention = Retention::default()
            .with_full_detail_ns(detail_ns)
            .with_full_detail_entries(entries)
            .with_hourly_ns(hourly_ns)
            .with_max_age_ns(keep_ns);
        Rule { retention, hourly_ns, keep_ns }
    })
}

/// What a log says when it is all that the store has of a peer.
fn history(start: u64, log: &[LogEntry], now: u64) -> PeerHistory {
    let node_id = node(0);
    let mut first = new_tracker(4_096);
    first.apply(at(start), &Event::Watch { node_id });
    let record = all_segments(&mut first).peers.pop().expect("it is watched");
    let last = log.last().copied().unwrap_or_else(|| Ledger::starting(start).last_change());
    let record = PeerRecord {
        presence: last.presence(),
        presence_since_ns: last.at_ns(),
        totals: last.totals(),
        log_end: u32::try_from(log.len()).expect("it is short"),
        ..record
    };
    let mut heir = new_tracker(4_096);
    let observer =
        ObserverRecord { started_at_ns: start, last_heartbeat_ns: now, ..ObserverRecord::default() };
    heir.resume_observer(&observer, &[]);
    heir.resume_peer(&record);
    heir.history(at(now), &node_id, &LogSegment::pack(node_id, log)).expect("it is watched")
}

fn is_exact(window: &WindowReport) -> bool {
    (window.uptime_error_ns, window.observed_error_ns) == (0, 0)
}

/// The moments of which a thinned log still knows what the whole one knew.
fn checkpoints(past: &Past, rule: &Rule) -> Vec<u64> {
    let grid = |width: u64, from: u64| {
        let near = past.log.iter().map(move |entry| entry.at_ns() / width * width);
        let near = near.flat_map(move |at| [at, at + width, at + 5 * width]);
        near.filter(move |&at| from <= at && at <= past.now)
    };
    let (hours, days) = ((past.now - rule.hourly_ns) / DAY * DAY, (past.now - rule.keep_ns) / DAY * DAY);
    let mut checkpoints: Vec<u64> = grid(HOUR, hours).chain(grid(DAY, days)).collect();
    checkpoints.sort_unstable();
    checkpoints.dedup();
    checkpoints
}

/// The thinned log against every change there was, and against the log that was not thinned.
fn compare(past: &Past, rule: &Rule, thinned: &[LogEntry], edges: &[f64]) -> Result<(), TestCaseError> {
    let checkpoints = checkpoints(past, rule);
    let truth = Account { tracked_since: past.start, history: past.history.clone(), ..Account::default() };
    prop_assert!(thinned.is_sorted_by_key(LogEntry::at_ns));
    prop_assert_eq!(thinned.last(), past.log.last());
    for entry in thinned {
        let totals = entry.totals();
        prop_assert_eq!((totals.online_ns, totals.observed_ns), truth.spent(past.start, entry.at_ns()));
    }
    // The ledger's last change is the log's, so after the last logged one nothing else is true.
    let end = past.log.last().map_or(past.start, LogEntry::at_ns);
    let whole = history(past.start, &past.log, past.now);
    let less = history(past.start, thinned, past.now);
    let edges: Vec<u64> = edges
        .iter()
        .map(|edge| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let into = ((end - past.start) as f64 * edge) as u64;
            past.start + into
        })
        .chain(checkpoints.iter().copied().filter(|&at| past.start <= at && at <= end).step_by(7))
        .collect();
    for &from in &edges {
        for &to in edges.iter().filter(|&&to| from <= to) {
            let window = less.window(at(from), at(to));
            let (online, observed) = truth.spent(from, to);
            prop_assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns, "{online}: {window:?}");
            prop_assert!(
                window.observed_ns.abs_diff(observed) <= window.observed_error_ns,
                "{observed}: {window:?}"
            );
        }
    }
    let mut before = past.start;
    for checkpoint in checkpoints {
        let known = whole.window(at(past.start), at(checkpoint));
        if is_exact(&known) {
            prop_assert_eq!(less.window(at(past.start), at(checkpoint)), known);
            prop_assert_eq!(
                less.window(at(before), at(checkpoint)),
                whole.window(at(before), at(checkpoint))
            );
            before = checkpoint;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_true(past in past(250), rule in rule(), edges in prop::array::uniform5(0.0..1.0_f64)) {
        let thinned = downsample(&past.log, past.start, past.now, &rule.retention);
        prop_assert!(thinned.len() <= past.log.len().min(rule.retention.max_entries()));
        prop_assert_eq!(&downsample(&thinned, past.start, past.now, &rule.retention), &thinned);
        let dropped = (past.now - rule.keep_ns) / DAY * DAY;
        prop_assert!(thinned.iter().filter(|entry| entry.at_ns() < dropped).count() <= 1);
        compare(&past, &rule, &thinned, &edges)?;
    }

    #[test]
    fn what_is_left_day_after_day_is_true(past in past(250), rule in rule(), edges in prop::array::uniform5(0.0..1.0_f64)) {
        let (mut thinned, mut rest) = (Vec::new(), past.log.as_slice());
        let mut now = past.start;
        while now < past.now {
            now = (now + DAY).min(past.now);
            let (young, younger) = rest.split_at(rest.partition_point(|entry| entry.at_ns() <= now));
            thinned.extend_from_slice(young);
            rest = younger;
            thinned = downsample(&thinned, past.start, now, &rule.retention);
            prop_assert!(thinned.len() <= rule.retention.max_entries());
        }
        compare(&past, &rule, &thinned, &edges)?;
    }

    #[test]
    fn the_newest_stay_as_they_are(past in past(250), detail in 0..9 * DAY, entries in 1..100_usize) {
        let retention = Retention::default().with_full_detail_ns(detail).with_full_detail_entries(u32::try_from(entries).unwrap());
        let thinned = downsample(&past.log, past.start, past.now, &retention);
        let from = (past.now - detail) / HOUR * HOUR;
        let young = past.log.iter().rev().take(entries).take_while(|entry| entry.at_ns() >= from);
        prop_assert!(thinned.iter().rev().zip(young.clone()).all(|(kept, was)| kept == was));
        prop_assert!(thinned.len() >= young.count());
    }

    #[test]
    fn no_log_breaks_it(
        entries in prop::collection::vec((wild(), presence(), wild(), wild()), 0..40),
        sorted: bool,
        start in wild(),
        now in wild(),
        ages in prop::array::uniform3(wild()),
        kept in any::<u32>(),
    ) {
        let entry = |(at_ns, is, online_ns, observed_ns)| LogEntry::new(at_ns, is, Totals { online_ns, observed_ns });
        let mut entries: Vec<LogEntry> = entries.into_iter().map(entry).collect();
        let first_ns = entries.iter().map(LogEntry::at_ns).min().unwrap_or(start);
        let start = if sorted { start.min(first_ns) } else { start };
        if sorted {
            entries.sort_by_key(LogEntry::at_ns);
            // As a log may be, at the ends of time.
            let mut totals = Totals::default();
            let mut before = start;
            for entry in &mut entries {
                totals = totals.after(entry.presence(), entry.at_ns() - before);
                before = entry.at_ns();
                *entry = LogEntry::new(entry.at_ns(), entry.presence(), totals);
            }
        }
        let [detail, hourly, keep] = ages;
        let retention = Retention::default()
            .with_full_detail_ns(detail)
            .with_full_detail_entries(kept % 8)
            .with_hourly_ns(hourly)
            .with_max_age_ns(keep);
        prop_assert!(retention.max_entries() > 0);
        let thinned = downsample(&entries, start, now, &retention);
        prop_assert!(thinned == entries || thinned.is_sorted_by_key(LogEntry::at_ns));
        prop_assert!(thinned.len() <= entries.len());
        prop_assert_eq!(thinned.last(), entries.last());
        prop_assert_eq!(downsample(&thinned, start, now, &retention), thinned);
    }
}

fn wild() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..3 * DAY,
        START..START + 3 * DAY,
        u64::MAX - 3 * DAY..=u64::MAX,
        Just(u64::MAX)
    ]
}

/// A log of changes at these times, all of them there.
fn log_of(times: &[u64]) -> Vec<LogEntry> {
    let (mut totals, mut before, mut online) = (Totals::default(), 0, false);
    let entry = |&at: &u64| {
        totals = totals.after(online.into(), at - before);
        (before, online) = (at, !online);
        LogEntry::new(at, online.into(), totals)
    };
    times.iter().map(entry).collect()
}

fn times(log: &[LogEntry]) -> Vec<u64> {
    log.iter().map(LogEntry::at_ns).collect()
}

#[test]
fn an_hour_with_two_changes_keeps_its_first_and_its_end() {
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
    let thinned = downsample(&log, 0, 9 * HOUR, &retention);
    let expected = [
        minutes(1, &[5]),
        minutes(3, &[10]),
        minutes(4, &[0]),
        minutes(5, &[0]),
        minutes(6, &[0, 30]),
        minutes(9, &[1, 2]),
    ];
    assert_eq!(times(&thinned), expected.concat());
    // Beyond the number kept in full, everything is old; up to there.
    let few = downsample(&log, 0, 9 * HOUR, &Retention::default().with_full_detail_entries(5));
    assert_eq!(times(&few), [&expected[..3], &[minutes(4, &[9])], &expected[4..]].concat().concat());
}

#[test]
fn of_entries_at_one_full_hour_the_last_counts() {
    let log = log_of(&[HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR]);
    let thinned = downsample(&log, 0, 9 * HOUR, &Retention::default().with_full_detail_ns(0));
    assert_eq!(thinned, [log[0], log[3], log[4]]);
}

#[test]
fn an_age_below_the_one_before_it_counts_as_that() {
    let log = log_of(&(1..100).map(|i| i * HOUR / 3).collect::<Vec<_>>());
    let detail = Retention::default().with_full_detail_ns(2 * DAY).with_hourly_ns(0).with_max_age_ns(0);
    assert_eq!(downsample(&log, 0, 2 * DAY, &detail), log);
    let hourly = detail.with_full_detail_ns(0).with_hourly_ns(2 * DAY);
    assert_eq!(downsample(&log, 0, 2 * DAY, &hourly).len(), 34);
    assert_eq!(hourly.max_entries(), hourly.with_max_age_ns(2 * DAY).max_entries());
}

/// Of a log that knows no hour's totals, two entries an hour and two a day stay.
#[test]
fn the_bound_is_reached() {
    let all = log_of(&(1..30_000).map(|i| i * 71 * SECOND).collect::<Vec<_>>());
    let log: Vec<_> = all.into_iter().step_by(3).collect();
    let retention = Retention::default()
        .with_full_detail_ns(0)
        .with_full_detail_entries(10)
        .with_hourly_ns(3 * DAY)
        .with_max_age_ns(9 * DAY);
    let now = log.last().unwrap().at_ns().next_multiple_of(DAY) - 1;
    let left = downsample(&log, 0, now, &retention).len();
    let most = retention.max_entries();
    assert!(left <= most && most - left < 60, "{left} of {most}");
}

#[test]
fn what_cannot_be_a_log_is_left_alone() {
    let log = log_of(&(1..100).map(|i| i * 60 * SECOND).collect::<Vec<_>>());
    let now = 1_000 * DAY;
    let thinned = |log: &[LogEntry], start| downsample(log, start, now, &Retention::default());
    assert_eq!(thinned(&log, 0), log[98..]);
    assert_eq!(thinned(&log, 61 * SECOND), log);
    let broken = |totals: fn(Totals) -> Totals| {
        let mut broken = log.clone();
        broken[98] = LogEntry::new(log[98].at_ns(), log[98].presence(), totals(log[98].totals()));
        broken
    };
    let broken = [
        broken(|totals| Totals { online_ns: totals.online_ns + 61 * SECOND, ..totals }),
        broken(|totals| Totals { online_ns: totals.online_ns - 1, ..totals }),
        broken(|totals| Totals { observed_ns: totals.observed_ns + 1, ..totals }),
        broken(|totals| Totals { observed_ns: totals.observed_ns - 61 * SECOND, ..totals }),
        log.iter().rev().copied().collect(),
    ];
    for log in broken {
        assert_eq!(thinned(&log, 0), log);
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

/// Two years of a peer that flaps as soon as the log takes another entry, thinned once a day.
#[test]
fn the_most_that_a_peer_can_log_is_bounded() {
    let (node_id, retention) = (node(0), Retention::default().with_full_detail_entries(500));
    let (mut tracker, mut disk) = (new_tracker(256), Disk::default());
    let mut truth = Account { tracked_since: START, ..Account::default() };
    let (mut now, mut online, mut tomorrow) = (START, false, START + DAY);
    tracker.apply(at(now), &Event::Watch { node_id });
    let mut logged = 0;
    while now < START + 730 * DAY {
        let flaps = tracker.flap_count(&node_id).map_or(0, |flaps| flaps.0);
        now += fitness_core::log_rate_limit_ns(flaps + 1) + 1;
        online = !online;
        let event = if online { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } };
        tracker.apply(at(now), &event);
        truth.history.push((now, online.into()));
        if now >= tomorrow {
            tomorrow += DAY;
            disk.write(all_segments(&mut tracker));
            logged = logged.max(thin_once(&mut disk, &tracker, now, &retention));
        }
    }
    let held = tracker.event_log(&node_id).expect("it is watched");
    assert!(held.end_number() > 18_000, "{}", held.end_number());
    // 60 days at 24 an hour that nothing was dropped from, 310 at two a day.
    assert!(logged <= 500 + 60 * 25 + 310 * 2 + 500, "{logged}");

    disk.write(all_segments(&mut tracker));
    let segments: Vec<_> = disk.segments.into_values().collect();
    let history = tracker.history(at(now), &node_id, &segments).expect("it is watched");
    let windows = |width| (1..399 - width).map(move |i| (now - (i + width) * DAY, now - i * DAY));
    for (from, to) in windows(1).chain(windows(7)).chain(windows(90)) {
        let window = history.window(at(from), at(to));
        let (uptime, observed) = truth.spent(from, to);
        assert!(window.uptime_ns.abs_diff(uptime) <= window.uptime_error_ns, "{uptime}: {window:?}");
        assert_eq!((window.observed_ns, window.observed_error_ns), (observed, 0));
        // A day's error is a few hours at most: what the day's end does not tell.
        assert!(window.uptime_error_ns <= 13 * HOUR * 2, "{window:?}");
    }
}

/// Thins what the tracker no longer holds, as the store's user would; returns how much is stored.
fn thin_once(disk: &mut Disk, tracker: &Tracker, now: u64, retention: &Retention) -> usize {
    let node_id = node(0);
    let first = tracker.event_log(&node_id).map_or(0, |log| log.first_number());
    let is_older = |segment: &LogSegment| segment.index() < first / SEGMENT_ENTRIES;
    let older = disk.segments.values().filter(|segment| is_older(segment));
    let older: Vec<_> = older.flat_map(|segment| segment.entries.iter().copied()).collect();
    let thinned = downsample(&older, disk.peers[&node_id].tracked_since_ns, now, retention);
    assert!(thinned.len() <= retention.max_entries());
    disk.segments.retain(|_, segment| !is_older(segment));
    let packed = LogSegment::pack(node_id, &thinned).into_iter();
    disk.segments.extend(packed.map(|segment| ((node_id, segment.index()), segment)));
    disk.segments.values().map(|segment| segment.entries.len()).sum()
}
