//! The statistics, timelines and calendar buckets of a history match the model's list of changes.

use fitness_core::{
    BucketWidth, LogEntry, LogSegment, OutageStats, PeerHistory, Presence, PresenceInterval, StandardWindow,
    Timestamp, Totals, Tracker,
};
use proptest::prelude::*;

use crate::model::{Model, ModelChannel, ModelPeer};
use crate::traces::{SECOND, START, all_nodes, trace};
use crate::{
    Store, at, check_window_errors, check_windows_add_up, clock_after, config, drain_all, moment_at,
};

/// An interval with one presence: its start, its end and the presence.
type Interval = (u64, u64, Presence);

/// Returns the non-empty intervals of a peer until `now`. Adjacent intervals have different presences.
fn intervals(peer: &ModelPeer, now: u64) -> Vec<Interval> {
    let first = (peer.tracked_since, Presence::Unobserved);
    let changes: Vec<_> = [first].into_iter().chain(peer.changes.iter().copied()).collect();
    let ends = changes.iter().skip(1).map(|change| change.0).chain([now]);
    let mut intervals: Vec<Interval> = Vec::new();
    for (&(start, presence), end) in changes.iter().zip(ends).filter(|(change, end)| change.0 < *end) {
        match intervals.last_mut() {
            Some(last) if last.2 == presence => last.1 = end,
            _ => intervals.push((start, end, presence)),
        }
    }
    intervals
}

struct ExpectedOutages {
    disconnects: u64,
    /// The durations of the recoveries, sorted.
    recoveries: Vec<u64>,
    longest: u64,
}

fn expected_outages(intervals: &[Interval], from: u64, to: u64) -> ExpectedOutages {
    let (mut disconnects, mut recoveries, mut longest) = (0, Vec::new(), 0);
    let outages = intervals.iter().enumerate().filter(|(_, interval)| interval.2 == Presence::Offline);
    for (i, &(start, end, _)) in outages {
        longest = longest.max(end.min(to).saturating_sub(start.max(from)));
        let was_online = i > 0 && intervals[i - 1].2 == Presence::Online;
        if was_online && from <= start && start < to {
            disconnects += 1;
            let reconnects = intervals.get(i + 1).is_some_and(|next| next.2 == Presence::Online);
            recoveries.extend((reconnects && end < to).then_some(end - start));
        }
    }
    recoveries.sort_unstable();
    ExpectedOutages { disconnects, recoveries, longest }
}

fn check_outages(outages: &OutageStats, expected: &ExpectedOutages) -> Result<(), TestCaseError> {
    if !outages.complete {
        prop_assert!(outages.disconnects <= expected.disconnects);
        prop_assert!(outages.longest_outage_ns <= expected.longest);
        return Ok(());
    }
    prop_assert_eq!(outages.disconnects, expected.disconnects);
    prop_assert_eq!(outages.longest_outage_ns, expected.longest);
    let recoveries = &expected.recoveries;
    prop_assert_eq!(outages.longest_recovery_ns, recoveries.last().copied());
    let middle = recoveries.len() / 2;
    let median = match recoveries.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(recoveries[middle]),
        _ => Some((recoveries[middle - 1] + recoveries[middle]) / 2),
    };
    prop_assert_eq!(outages.median_recovery_ns, median);
    Ok(())
}

/// Checks that the statistics of two adjacent windows add up to those of the whole window.
fn check_stats_add_up(
    history: &PeerHistory,
    [from, middle, to]: [Timestamp; 3],
) -> Result<(), TestCaseError> {
    let (first, second, whole) =
        (history.stats(from, middle), history.stats(middle, to), history.stats(from, to));
    check_windows_add_up(&first.window, &second.window, &whole.window)?;
    prop_assert_eq!(
        whole.outages.mean_time_between_disconnects_ns,
        whole.window.uptime_ns.checked_div(whole.outages.disconnects)
    );
    if first.outages.complete && second.outages.complete {
        prop_assert!(whole.outages.complete);
        prop_assert_eq!(first.outages.disconnects + second.outages.disconnects, whole.outages.disconnects);
        prop_assert!(
            whole.outages.longest_outage_ns
                >= first.outages.longest_outage_ns.max(second.outages.longest_outage_ns)
        );
    }
    prop_assert_eq!((first.presence, first.presence_since), (whole.presence, whole.presence_since));
    Ok(())
}

/// Checks that gaps split the unobserved intervals of a timeline by cause, and change nothing else.
fn check_timeline_with_gaps(tracker: &Tracker, history: &PeerHistory, now: u64) -> Result<(), TestCaseError> {
    let gaps = tracker.gaps(at(now), &[], at(0), Timestamp::MAX);
    let (from, to) = (history.start(), history.end());
    let mut joined: Vec<PresenceInterval> = Vec::new();
    for interval in history.timeline_with_gaps(from, to, &gaps) {
        prop_assert!(interval.from < interval.to);
        let overlapping: Vec<_> =
            gaps.iter().filter(|gap| gap.from < interval.to && interval.from < gap.to).collect();
        match (interval.presence, interval.cause) {
            (Some(Presence::Unobserved), None) => {
                prop_assert!(overlapping.is_empty(), "{interval:?} {overlapping:?}");
            }
            (Some(Presence::Unobserved), Some(cause)) => {
                prop_assert_eq!(overlapping.len(), 1);
                prop_assert!(overlapping[0].cause == cause && overlapping[0].from <= interval.from);
                prop_assert!(interval.to <= overlapping[0].to);
            }
            (_, cause) => prop_assert_eq!(cause, None),
        }
        match joined.last_mut() {
            Some(last) if last.presence.is_some() && last.presence == interval.presence => {
                last.to = interval.to;
                last.observed_ns += interval.observed_ns;
                last.uptime_ns += interval.uptime_ns;
            }
            _ => {
                let mut interval = interval;
                interval.cause = None;
                joined.push(interval);
            }
        }
    }
    prop_assert_eq!(joined, history.timeline(from, to));
    Ok(())
}

fn check_calendar_buckets(
    history: &PeerHistory,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), TestCaseError> {
    let width_ns = BucketWidth::Day.width_ns();
    let days = history.calendar_buckets(from, to, BucketWidth::Day, 100_000);
    let whole = history.window(from, to);
    prop_assert_eq!(days.iter().map(|day| day.uptime_ns).sum::<u64>(), whole.uptime_ns);
    prop_assert_eq!(days.iter().map(|day| day.observed_ns).sum::<u64>(), whole.observed_ns);
    prop_assert_eq!(days.iter().map(|day| day.length_ns).sum::<u64>(), whole.length_ns);
    for (day, next) in days.iter().zip(days.iter().skip(1)) {
        prop_assert_eq!((day.to, day.to.as_nanos() % width_ns), (next.from, 0));
    }
    prop_assert!(days.iter().all(|day| (1..=width_ns).contains(&day.length_ns)));
    prop_assert!(history.calendar_buckets(from, to, BucketWidth::Hour, 3).len() <= 3);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn history_matches_the_model(
        trace in trace(120),
        capacity in prop_oneof![2_u32..12, Just(4_096)],
        is_stored: bool,
        edges in prop::array::uniform3((0.0..1.1_f64, any::<prop::sample::Index>(), any::<bool>())),
    ) {
        let (mut model, mut store) = (Model::default(), Store::default());
        let mut tracker = store.load_tracker(config(capacity));
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            model.apply(*time, event);
            if is_stored {
                store.write(drain_all(&mut tracker));
            }
        }
        let (time, event) = trace.last().expect("a trace is not empty");
        let now = clock_after(*time, event) + 5 * SECOND;
        for (node_id, peer) in &model.peers {
            let segments = store.segments_of(node_id);
            let history = tracker.history(at(now), node_id, &segments).expect("the model has this peer");
            let intervals = intervals(peer, now);
            // Some windows begin or end at a change.
            let mut edges = edges.map(|(edge, index, at_change)| match at_change {
                true if !intervals.is_empty() => intervals[index.index(intervals.len())].0,
                _ => moment_at(START, now, edge),
            });
            edges.sort_unstable();
            let [from, middle, to] = edges;
            for (from, to) in [(from, to), (from, middle), (0, u64::MAX)] {
                let stats = history.stats(at(from), at(to));
                check_outages(&stats.outages, &expected_outages(&intervals, from, to.min(now)))?;
                prop_assert_eq!(stats.window, history.window(at(from), at(to)));
            }
            let lifetime = history.stats_over(StandardWindow::Lifetime);
            prop_assert_eq!(lifetime.window.observed_ns, peer.totals_within(0, now).1);
            prop_assert_eq!(history.presence(), peer.presence());
            prop_assert_eq!(history.presence_since(), at(peer.presence_since()));
            check_stats_add_up(&history, edges.map(at))?;
            check_stats_add_up(&history.clone().starting_at(at(middle)), edges.map(at))?;
            check_calendar_buckets(&history, at(from), at(to))?;
            check_timeline_with_gaps(&tracker, &history, now)?;

            // A change at the moment from which the peer is tracked is not logged.
            let first = peer.changes.first();
            let unlogged = usize::from(first.is_some_and(|change| change.0 == peer.tracked_since));
            let entries = tracker.event_log(node_id).map_or(0, |log| log.len());
            if entries + unlogged >= peer.changes.len() {
                prop_assert!(history.outage_stats(at(from), at(to)).complete);
            }
        }
        for (channel_id, ModelChannel { node_id, opened, .. }) in &model.channels {
            for segments in [Vec::new(), store.segments_of(node_id)] {
                let history = tracker.channel_history(at(now), channel_id, &segments);
                let history = history.expect("the channel is open in the model");
                let report = tracker.channel(at(now), channel_id).expect("the channel is open in the model");
                let lifetime = history.stats_over(StandardWindow::Lifetime).window;
                prop_assert_eq!(history.start(), at(*opened));
                prop_assert_eq!(lifetime.length_ns, report.lifetime_ns);
                prop_assert_eq!((lifetime.observed_ns, lifetime.observed_error_ns), (report.observed_ns, 0));
                prop_assert_eq!((lifetime.uptime_ns, lifetime.uptime_error_ns), (report.uptime_ns, 0));
                let edges = edges.map(|(edge, ..)| moment_at(*opened, now, edge));
                let [from, to] = [edges[0].min(edges[1]), edges[0].max(edges[1])];
                let peer = &model.peers[node_id];
                let window = history.window(at(from), at(to));
                check_window_errors(&window, peer.totals_within(from, to.min(now)))?;
                let expected = expected_outages(&intervals(peer, now), from, to.min(now));
                check_outages(&history.outage_stats(at(from), at(to)), &expected)?;
            }
        }
    }

    /// The stored entries can come from several logs, for example if one was downsampled while a later segment
    /// was read, or be arbitrary.
    #[test]
    fn inconsistent_stored_entries_leave_consistent_statistics(
        trace in trace(60),
        entries in prop::collection::vec((any::<[u64; 3]>(), 0..90 * 24 * 3_600 * SECOND, 0..3_u8), 0..200),
        edges in prop::array::uniform3(0.0..1.1_f64),
    ) {
        let mut tracker = Store::default().load_tracker(config(2));
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
        }
        let (time, event) = trace.last().expect("a trace is not empty");
        let now = clock_after(*time, event) + 5 * SECOND;
        let mut edges = edges.map(|edge| moment_at(START, now, edge));
        edges.sort_unstable();
        for node_id in all_nodes() {
            let Some(report) = tracker.peer(at(now), &node_id) else { continue };
            let entry = |&([any_ns, online, observed], after, kind): &([u64; 3], u64, u8)| {
                let at_ns = if kind == 0 { any_ns } else { START + after };
                let totals = match kind {
                    2 => Totals { online_ns: online % (after + 1), observed_ns: after },
                    _ => Totals { online_ns: online, observed_ns: observed },
                };
                LogEntry::new(at_ns, Presence::from(online % 2 == 0), totals)
            };
            let log: Vec<LogEntry> = entries.iter().map(entry).collect();
            let history = tracker.history(at(now), &node_id, &LogSegment::pack(node_id, &log));
            let history = history.expect("the peer has a report");
            check_stats_add_up(&history, edges.map(at))?;
            check_timeline_with_gaps(&tracker, &history, now)?;
            let lifetime = history.stats_over(StandardWindow::Lifetime).window;
            prop_assert_eq!(
                (lifetime.uptime_ns, lifetime.observed_ns),
                (report.uptime_ns, report.observed_ns)
            );
        }
    }
}
