//! What a history says of outages, channels and gaps, held against the model's list of all changes.

use fitness_core::{
    BucketWidth, LogEntry, LogSegment, OutageStats, PeerHistory, Presence, PresenceInterval, StandardWindow,
    Timestamp, Totals, Tracker,
};
use proptest::prelude::*;

use crate::model::{Account, Channel, Model};
use crate::traces::{SECOND, START, all_nodes, trace};
use crate::{Disk, all_segments, at, clock_after, config};

/// A stretch of one presence: when it began, when it ended, and what it was.
type Stretch = (u64, u64, Presence);

/// Stretches of some length that meet, neighbours different.
fn stretches(account: &Account, now: u64) -> Vec<Stretch> {
    let first = (account.tracked_since, Presence::Unobserved);
    let changes: Vec<_> = [first].into_iter().chain(account.history.iter().copied()).collect();
    let ends = changes.iter().skip(1).map(|change| change.0).chain([now]);
    let mut stretches: Vec<Stretch> = Vec::new();
    for (&(start, presence), end) in changes.iter().zip(ends).filter(|(change, end)| change.0 < *end) {
        match stretches.last_mut() {
            Some(last) if last.2 == presence => last.1 = end,
            _ => stretches.push((start, end, presence)),
        }
    }
    stretches
}

struct Expected {
    count: u64,
    returns: Vec<u64>,
    longest: u64,
}

fn expected(stretches: &[Stretch], from: u64, to: u64) -> Expected {
    let (mut count, mut returns, mut longest) = (0, Vec::new(), 0);
    for (i, &(start, end, _)) in
        stretches.iter().enumerate().filter(|(_, stretch)| stretch.2 == Presence::Offline)
    {
        longest = longest.max(end.min(to).saturating_sub(start.max(from)));
        let was_online = i > 0 && stretches[i - 1].2 == Presence::Online;
        if was_online && from <= start && start < to {
            count += 1;
            let comes_back = stretches.get(i + 1).is_some_and(|next| next.2 == Presence::Online);
            returns.extend((comes_back && end < to).then_some(end - start));
        }
    }
    returns.sort_unstable();
    Expected { count, returns, longest }
}

fn check(outages: &OutageStats, expected: &Expected) -> Result<(), TestCaseError> {
    if !outages.complete {
        prop_assert!(outages.disconnects <= expected.count && outages.longest_outage_ns <= expected.longest);
        return Ok(());
    }
    prop_assert_eq!(outages.disconnects, expected.count);
    prop_assert_eq!(outages.longest_outage_ns, expected.longest);
    let returns = &expected.returns;
    prop_assert_eq!(outages.longest_recovery_ns, returns.last().copied());
    let middle = returns.len() / 2;
    let median = match returns.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(returns[middle]),
        _ => Some((returns[middle - 1] + returns[middle]) / 2),
    };
    prop_assert_eq!(outages.median_recovery_ns, median);
    Ok(())
}

/// Windows that meet add up, counts and all.
fn adds_up(history: &PeerHistory, [from, middle, to]: [Timestamp; 3]) -> Result<(), TestCaseError> {
    let (first, second, whole) =
        (history.stats(from, middle), history.stats(middle, to), history.stats(from, to));
    prop_assert_eq!(first.window.uptime_ns + second.window.uptime_ns, whole.window.uptime_ns);
    prop_assert_eq!(first.window.observed_ns + second.window.observed_ns, whole.window.observed_ns);
    prop_assert_eq!(first.window.length_ns + second.window.length_ns, whole.window.length_ns);
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

/// What is unobserved is told apart by our gaps, and nothing else changes.
fn explained(tracker: &Tracker, history: &PeerHistory, now: u64) -> Result<(), TestCaseError> {
    let gaps = tracker.gaps(at(now), &[], at(0), Timestamp::MAX);
    let (from, to) = (history.start(), history.end());
    let pieces = history.timeline_with_gaps(from, to, &gaps);
    let mut joined: Vec<PresenceInterval> = Vec::new();
    for piece in &pieces {
        prop_assert!(piece.from < piece.to);
        let overlaps: Vec<_> = gaps.iter().filter(|gap| gap.from < piece.to && piece.from < gap.to).collect();
        match (piece.presence, piece.cause) {
            (Some(Presence::Unobserved), None) => prop_assert!(overlaps.is_empty(), "{piece:?} {overlaps:?}"),
            (Some(Presence::Unobserved), Some(cause)) => {
                prop_assert_eq!(overlaps.len(), 1);
                prop_assert!(overlaps[0].cause == cause && overlaps[0].from <= piece.from);
                prop_assert!(piece.to <= overlaps[0].to);
            }
            (_, cause) => prop_assert_eq!(cause, None),
        }
        match joined.last_mut() {
            Some(last) if last.presence.is_some() && last.presence == piece.presence => {
                last.to = piece.to;
                last.observed_ns += piece.observed_ns;
                last.uptime_ns += piece.uptime_ns;
                last.cause = None;
            }
            _ => {
                joined.push(*piece);
                joined.last_mut().expect("it was just pushed").cause = None;
            }
        }
    }
    prop_assert_eq!(joined, history.timeline(from, to));
    Ok(())
}

fn calendar(history: &PeerHistory, from: Timestamp, to: Timestamp) -> Result<(), TestCaseError> {
    let width_ns = BucketWidth::Day.width_ns();
    let days = history.calendar_buckets(from, to, BucketWidth::Day, 100_000);
    let whole = history.window(from, to);
    prop_assert_eq!(days.iter().map(|day| day.uptime_ns).sum::<u64>(), whole.uptime_ns);
    prop_assert_eq!(days.iter().map(|day| day.observed_ns).sum::<u64>(), whole.observed_ns);
    prop_assert_eq!(days.iter().map(|day| day.length_ns).sum::<u64>(), whole.length_ns);
    for (one, next) in days.iter().zip(days.iter().skip(1)) {
        prop_assert_eq!((one.to, one.to.as_nanos() % width_ns), (next.from, 0));
    }
    prop_assert!(days.iter().all(|day| (1..=width_ns).contains(&day.length_ns)));
    prop_assert!(history.calendar_buckets(from, to, BucketWidth::Hour, 3).len() <= 3);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_counts_what_happened(
        trace in trace(120),
        capacity in prop_oneof![2_u32..12, Just(4_096)],
        is_stored: bool,
        edges in prop::array::uniform3((0.0..1.1_f64, any::<prop::sample::Index>(), any::<bool>())),
    ) {
        let mut tracker = Disk::default().restart(config(capacity));
        let (mut model, mut disk) = (Model::default(), Disk::default());
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            model.apply(*time, event);
            if is_stored {
                disk.write(all_segments(&mut tracker));
            }
        }
        let (time, event) = trace.last().expect("a trace is not empty");
        let now = clock_after(*time, event) + 5 * SECOND;
        for (node_id, account) in &model.peers {
            let segments = disk.segments_of(node_id);
            let history = tracker.history(at(now), node_id, &segments).expect("the model knows it");
            let all = stretches(account, now);
            // Anywhere, and right where something happened.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let mut edges = edges.map(|(edge, index, at_change)| match at_change {
                true if !all.is_empty() => all[index.index(all.len())].0,
                _ => START + ((now - START) as f64 * edge) as u64,
            });
            edges.sort_unstable();
            let [from, middle, to] = edges;
            for (from, to) in [(from, to), (from, middle), (0, u64::MAX)] {
                let stats = history.stats(at(from), at(to));
                check(&stats.outages, &expected(&all, from, to.min(now)))?;
                prop_assert_eq!(stats.window, history.window(at(from), at(to)));
            }
            prop_assert_eq!(history.stats_over(StandardWindow::Lifetime).window.observed_ns, account.spent(0, now).1);
            let last = account.history.last().map_or(account.tracked_since, |change| change.0);
            prop_assert_eq!((history.presence(), history.presence_since()), (account.presence(), at(last)));
            adds_up(&history, edges.map(at))?;
            adds_up(&history.clone().starting_at(at(middle)), edges.map(at))?;
            calendar(&history, at(from), at(to))?;
            explained(&tracker, &history, now)?;

            let unlogged = usize::from(account.history.first().is_some_and(|change| change.0 == account.tracked_since));
            let kept = tracker.event_log(node_id).map_or(0, |log| log.len());
            if kept + unlogged >= account.history.len() {
                prop_assert!(history.outage_stats(at(from), at(to)).complete);
            }
        }
        for (channel_id, Channel { node_id, opened, .. }) in &model.channels {
            for segments in [Vec::new(), disk.segments_of(node_id)] {
                let history = tracker.channel_history(at(now), channel_id, &segments).expect("it is open");
                let report = tracker.channel(at(now), channel_id).expect("it is open");
                let whole = history.stats_over(StandardWindow::Lifetime);
                prop_assert_eq!(history.start(), at(*opened));
                prop_assert_eq!(whole.window.length_ns, report.lifetime_ns);
                prop_assert_eq!((whole.window.observed_ns, whole.window.observed_error_ns), (report.observed_ns, 0));
                prop_assert_eq!((whole.window.uptime_ns, whole.window.uptime_error_ns), (report.uptime_ns, 0));
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
                let edges = edges.map(|(edge, ..)| *opened + ((now - opened) as f64 * edge) as u64);
                let [from, to] = [edges[0].min(edges[1]), edges[0].max(edges[1])];
                let window = history.window(at(from), at(to));
                let (online, observed) = model.peers[node_id].spent(from, to.min(now));
                prop_assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns);
                prop_assert!(window.observed_ns.abs_diff(observed) <= window.observed_error_ns);
                check(&history.outage_stats(at(from), at(to)), &expected(&stretches(&model.peers[node_id], now), from, to.min(now)))?;
            }
        }
    }

    /// Parts of several logs, or of none: an old part that was thinned while the newer one was read.
    #[test]
    fn no_older_entries_break_it(
        trace in trace(60),
        entries in prop::collection::vec((any::<[u64; 3]>(), 0..90 * 24 * 3_600 * SECOND, 0..3_u8), 0..200),
        edges in prop::array::uniform3(0.0..1.1_f64),
    ) {
        let mut tracker = Disk::default().restart(config(2));
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
        }
        let (time, event) = trace.last().expect("a trace is not empty");
        let now = clock_after(*time, event) + 5 * SECOND;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let mut edges = edges.map(|edge| START + ((now - START) as f64 * edge) as u64);
        edges.sort_unstable();
        for node_id in all_nodes().filter(|node_id| tracker.peer(at(now), node_id).is_some()) {
            let entry = |&([wild, online, observed], after, kind): &([u64; 3], u64, u8)| {
                let at_ns = if kind == 0 { wild } else { START + after };
                let totals = match kind {
                    2 => Totals { online_ns: online % (after + 1), observed_ns: after },
                    _ => Totals { online_ns: online, observed_ns: observed },
                };
                LogEntry::new(at_ns, Presence::from(online % 2 == 0), totals)
            };
            let log: Vec<LogEntry> = entries.iter().map(entry).collect();
            let history = tracker.history(at(now), &node_id, &LogSegment::pack(node_id, &log));
            let history = history.expect("it is known");
            adds_up(&history, edges.map(at))?;
            explained(&tracker, &history, now)?;
            let whole = history.stats_over(StandardWindow::Lifetime).window;
            let report = tracker.peer(at(now), &node_id).expect("it is known");
            prop_assert_eq!((whole.uptime_ns, whole.observed_ns), (report.uptime_ns, report.observed_ns));
        }
    }
}
