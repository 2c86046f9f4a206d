//! Properties that hold for all inputs, most of them by comparison with a brute-force model.

mod downsample;
mod history;
mod imported;
mod model;
mod restart;
mod stats;
mod traces;

use std::collections::BTreeMap;

use fitness_core::{
    Event, GapRecord, HashSeed, LogEntry, LogSegment, NodeId, ObserverRecord, PeerRecord, PeerReport,
    Timestamp, Tracker, TrackerConfig, UnsavedChanges, WindowReport,
};
use model::{Model, ModelChannel, totals_within};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use traces::{SECOND, START, all_channels, all_nodes, event, set_times, snapshot, trace, wild_trace};

/// Returns a configuration whose log holds `log_capacity` entries, whether or not they are stored.
fn config(log_capacity: u32) -> TrackerConfig {
    TrackerConfig::default().with_log_capacity(log_capacity).with_unsaved_log_capacity(log_capacity)
}

fn new_tracker(log_capacity: u32) -> Tracker {
    Tracker::new(config(log_capacity), HashSeed([3; 16]))
}

/// Returns the reading of the clock after an event.
fn clock_after(time: u64, event: &Event) -> u64 {
    match event {
        Event::ClockSet { to } => to.as_nanos().max(time),
        _ => time,
    }
}

fn at(ns: u64) -> Timestamp {
    Timestamp::from_nanos(ns)
}

/// Returns the moment at a fraction of the time from `start` to `end`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn moment_at(start: u64, end: u64, fraction: f64) -> u64 {
    start + ((end - start) as f64 * fraction) as u64
}

fn peer_reports(tracker: &Tracker, now: u64) -> Vec<Option<PeerReport>> {
    all_nodes().map(|node_id| tracker.peer(at(now), &node_id)).collect()
}

/// Takes all unsaved changes and marks them as stored.
fn drain_all(tracker: &mut Tracker) -> UnsavedChanges {
    let mut changes = UnsavedChanges::default();
    while tracker.drain_changes(1, &mut changes) {}
    tracker.mark_stored(&changes);
    changes
}

/// An in-memory store.
#[derive(Default)]
struct Store {
    observer: Option<ObserverRecord>,
    peers: BTreeMap<NodeId, PeerRecord>,
    segments: BTreeMap<(NodeId, u32), LogSegment>,
    gaps: Vec<GapRecord>,
}

impl Store {
    fn write(&mut self, changes: UnsavedChanges) {
        for node_id in &changes.forgotten_peers {
            self.peers.remove(node_id);
            self.segments.retain(|(other, _), _| other != node_id);
        }
        self.peers.extend(changes.peers.into_iter().map(|record| (record.node_id, record)));
        let with_key = |segment: LogSegment| ((segment.node_id, segment.index()), segment);
        self.segments.extend(changes.segments.into_iter().map(with_key));
        self.gaps.extend(changes.gaps);
    }

    /// Writes all unsaved changes, and `now` as the last heartbeat.
    fn commit(&mut self, tracker: &mut Tracker, now: u64) {
        self.write(drain_all(tracker));
        self.observer = Some(tracker.observer_record(at(now)));
    }

    /// Creates a tracker from the stored records. It has not received a time yet.
    fn load_tracker(&self, config: TrackerConfig) -> Tracker {
        let mut tracker = Tracker::new(config, HashSeed([4; 16]));
        if let Some(observer) = &self.observer {
            tracker.resume_observer(observer, &self.gaps);
        }
        self.peers.values().for_each(|record| tracker.resume_peer(record));
        tracker
    }

    fn segments_of(&self, node_id: &NodeId) -> Vec<LogSegment> {
        self.segments.values().filter(|segment| segment.node_id == *node_id).cloned().collect()
    }
}

/// Checks that the errors of a window are within the bounds that it states. `online` and `observed` are the
/// exact values.
fn check_window_errors(window: &WindowReport, (online, observed): (u64, u64)) -> Result<(), TestCaseError> {
    prop_assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns, "{online}: {window:?}");
    prop_assert!(window.observed_ns.abs_diff(observed) <= window.observed_error_ns, "{observed}: {window:?}");
    Ok(())
}

/// Checks that the totals of two adjacent windows add up to those of the whole window.
fn check_windows_add_up(
    first: &WindowReport,
    second: &WindowReport,
    whole: &WindowReport,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(first.uptime_ns + second.uptime_ns, whole.uptime_ns);
    prop_assert_eq!(first.observed_ns + second.observed_ns, whole.observed_ns);
    prop_assert_eq!(first.length_ns + second.length_ns, whole.length_ns);
    Ok(())
}

/// Checks all reports, counts and gaps of the tracker against the model.
fn compare(tracker: &Tracker, model: &Model, now: u64) -> Result<(), TestCaseError> {
    for channel_id in all_channels() {
        let Some(&ModelChannel { node_id, opened, ref usability, .. }) = model.channels.get(&channel_id)
        else {
            prop_assert!(tracker.channel(at(now), &channel_id).is_none());
            continue;
        };
        let report = tracker.channel(at(now), &channel_id).expect("the channel is open in the model");
        let (online, observed) = model.peers[&node_id].totals_within(opened, now);
        prop_assert_eq!(report.lifetime_ns, now - opened);
        prop_assert_eq!(report.observed_ns, observed);
        prop_assert_eq!(report.uptime_ns, online);
        prop_assert_eq!(report.availability.is_some(), observed > 0);
        prop_assert_eq!((report.usable_ns, report.usable_observed_ns), totals_within(usability, 0, now));
        prop_assert!(report.usable_ns <= report.uptime_ns && report.usable_observed_ns <= report.observed_ns);
    }
    prop_assert_eq!(tracker.channel_count(), model.channels.len());
    prop_assert_eq!(tracker.peer_count(), model.peers.len());
    for (node_id, peer) in &model.peers {
        let report = tracker.peer(at(now), node_id).expect("the model has this peer");
        prop_assert_eq!(report.presence, peer.presence());
        let (flaps, disconnects) = peer.flaps_and_disconnects();
        prop_assert_eq!(report.flap_count, flaps.count());
        prop_assert_eq!(report.last_flap.map(Timestamp::as_nanos), flaps.last_flap_ns());
        prop_assert_eq!(report.disconnects, disconnects);
        prop_assert_eq!(report.untracked_at.is_none(), model.is_tracked(node_id));
        prop_assert_eq!(report.tracked_since.as_nanos(), peer.tracked_since);
        prop_assert_eq!(report.presence_since.as_nanos(), peer.presence_since());
        prop_assert_eq!((report.uptime_ns, report.observed_ns), peer.totals_within(0, now));
        prop_assert_eq!(
            tracker.peers(at(now)).any(|other| other.node_id == *node_id),
            model.is_tracked(node_id)
        );
    }
    let gaps = tracker.gaps(at(now), &[], at(0), Timestamp::MAX).into_iter();
    let gaps: Vec<_> = gaps
        .map(|gap| (gap.cause, gap.from.as_nanos(), (!gap.ongoing).then_some(gap.to.as_nanos())))
        .collect();
    prop_assert_eq!(&gaps, &model.gaps);
    if let (Some(started), Some(coverage)) = (model.started, tracker.coverage(at(now))) {
        let gaps_ns: u64 = gaps.iter().map(|gap| gap.2.unwrap_or(now) - gap.1).sum();
        prop_assert_eq!(coverage.lifetime_ns, now - started);
        prop_assert_eq!(coverage.monitored_ns, now - started - gaps_ns);
    }
    Ok(())
}

/// Checks that no part of a duration is longer than the whole, which must hold for any clock.
fn check_order_of_durations(tracker: &Tracker, now: Timestamp) -> Result<(), TestCaseError> {
    for channel_id in all_channels() {
        if let Some(report) = tracker.channel(now, &channel_id) {
            prop_assert!(report.uptime_ns <= report.observed_ns, "{report:?}");
            prop_assert!(report.observed_ns <= report.lifetime_ns, "{report:?}");
            prop_assert!(report.usable_ns <= report.uptime_ns, "{report:?}");
            prop_assert!(report.usable_observed_ns <= report.observed_ns, "{report:?}");
            prop_assert!(report.availability.is_none_or(|ratio| (0.0..=1.0).contains(&ratio)), "{report:?}");
            let window = tracker.channel_window(now, &channel_id, Timestamp::EPOCH, Timestamp::MAX);
            let window = window.expect("the channel has a report");
            prop_assert!(window.uptime_ns <= window.observed_ns, "{window:?}");
            prop_assert!(window.observed_ns <= window.length_ns, "{window:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/properties/regressions.txt"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn reports_are_exact_whatever_the_log_drops(
        trace in trace(120),
        capacity in 2_u32..12,
        idle in 0..SECOND * 100_000,
    ) {
        let (mut tracker, mut model) = (new_tracker(capacity), Model::default());
        let mut now = START;
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            model.apply(*time, event);
            now = clock_after(*time, event);
            compare(&tracker, &model, now)?;
            for node_id in all_nodes() {
                let entries = tracker.event_log(&node_id).map_or(0, |log| log.len());
                prop_assert!(entries <= capacity as usize);
            }
        }
        compare(&tracker, &model, now + idle)?;
        check_order_of_durations(&tracker, at(now + idle))?;
        prop_assert_eq!(tracker.clock_faults(), fitness_core::ClockFaults::default());
    }

    #[test]
    fn window_errors_are_within_the_stated_bounds(
        trace in trace(120),
        capacity in prop_oneof![2_u32..12, Just(4_096)],
        edges in prop::array::uniform3(0.0..1.1_f64),
    ) {
        let (mut tracker, mut model) = (new_tracker(capacity), Model::default());
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            model.apply(*time, event);
        }
        let (time, event) = trace.last().expect("a trace is not empty");
        let now = clock_after(*time, event) + 5 * SECOND;
        let mut edges = edges.map(|edge| moment_at(START, now, edge));
        edges.sort_unstable();
        let [from, middle, to] = edges;
        for (node_id, peer) in &model.peers {
            let window = |from, to| {
                tracker.peer_window(at(now), node_id, at(from), at(to)).expect("the model has this peer")
            };
            let whole = window(from, to);
            check_window_errors(&whole, peer.totals_within(from, to.min(now)))?;
            prop_assert!(whole.uptime_ns <= whole.observed_ns && whole.observed_ns <= whole.length_ns);
            check_windows_add_up(&window(from, middle), &window(middle, to), &whole)?;

            // A change at the moment from which the peer is tracked is not logged.
            let first = peer.changes.first();
            let unlogged = usize::from(first.is_some_and(|change| change.0 == peer.tracked_since));
            let entries = tracker.event_log(node_id).map_or(0, |log| log.len());
            if entries + unlogged >= peer.changes.len() {
                prop_assert!(whole.is_exact());
            }
        }
        for (channel_id, ModelChannel { node_id, opened, .. }) in &model.channels {
            let window = tracker.channel_window(at(now), channel_id, at(from), at(to));
            let window = window.expect("the channel is open in the model");
            let exact = model.peers[node_id].totals_within(from.max(*opened), to.min(now));
            check_window_errors(&window, exact)?;
        }
    }

    #[test]
    fn log_keeps_all_changes_that_are_far_apart(
        events in prop::collection::vec((3_601..20_000_u64, event()), 1..80),
        edges in prop::array::uniform2(0..80 * 20_000_u64),
    ) {
        let (mut tracker, mut model) = (new_tracker(4_096), Model::default());
        let mut now = START;
        for (step, mut event) in events {
            now += step * SECOND;
            let (time, after) = (now, set_times(now, &mut event));
            tracker.apply(at(time), &event);
            model.apply(time, &event);
            now = after;
        }
        let [from, to] = edges.map(|edge| START + edge * SECOND);
        for (node_id, peer) in &model.peers {
            let window = tracker.peer_window(at(now), node_id, at(from), at(to));
            let window = window.expect("the model has this peer");
            prop_assert!(window.is_exact());
            prop_assert_eq!((window.uptime_ns, window.observed_ns), peer.totals_within(from, to.min(now)));
        }
    }

    #[test]
    fn broken_clock_leaves_consistent_durations(trace in wild_trace(60), preset in 0..3) {
        let config = match preset {
            0 => TrackerConfig::default(),
            1 => TrackerConfig::lnd_0_19(),
            _ => TrackerConfig::lnd_master(),
        };
        let mut tracker = Tracker::new(config, HashSeed([5; 16]));
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            check_order_of_durations(&tracker, at(*time))?;
        }
        // From here on the clock is correct, and lifetimes grow with it.
        tracker.apply(at(START), &Event::ObservationResumed);
        tracker.apply(at(START + 2 * SECOND), &Event::ObservationResumed);
        let lifetimes = |tracker: &Tracker, now| -> Vec<_> {
            all_channels().map(|id| tracker.channel(at(now), &id).map(|report| report.lifetime_ns)).collect()
        };
        let before = lifetimes(&tracker, START + 2 * SECOND);
        let after = lifetimes(&tracker, START + 12 * SECOND);
        for (before, after) in before.into_iter().zip(after) {
            prop_assert_eq!(before.map(|ns| ns + 10 * SECOND), after);
        }
        for node_id in all_nodes() {
            let log = tracker.event_log(&node_id);
            let times: Vec<_> = log.iter().flat_map(|log| log.entries()).map(|entry| entry.at_ns()).collect();
            prop_assert!(times.is_sorted());
        }
    }

    #[test]
    fn repeated_snapshot_changes_nothing(trace in trace(60), snapshot in snapshot()) {
        let mut tracker = new_tracker(4_096);
        let mut now = START;
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            now = *time;
        }
        tracker.apply(at(now), &snapshot);
        let before = peer_reports(&tracker, now + 7);
        drain_all(&mut tracker);
        let mut changes = Vec::new();
        tracker.apply_with(at(now + 3), &snapshot, |change| changes.push(change));
        prop_assert_eq!(changes, vec![]);
        prop_assert!(drain_all(&mut tracker).is_empty());
        prop_assert_eq!(peer_reports(&tracker, now + 7), before);
    }

    #[test]
    fn repeated_events_change_nothing(
        trace in trace(80),
        repeats in prop::collection::vec(any::<bool>(), 80),
    ) {
        let (mut once, mut repeated) = (new_tracker(64), new_tracker(64));
        let mut opened: Vec<Event> = Vec::new();
        for ((time, event), repeat) in trace.iter().zip(&repeats) {
            once.apply(at(*time), event);
            repeated.apply(at(*time), event);
            if matches!(event, Event::ChannelOpened(_)) {
                opened.push(event.clone());
            }
            // If a clock is set twice to the same time, it was set back in between.
            if *repeat && !matches!(event, Event::ClockSet { .. }) {
                repeated.apply(at(*time), event);
                // LDK reports open channels again, regardless of when they were opened.
                for replay in &opened {
                    let Event::ChannelOpened(channel) = replay else { continue };
                    if repeated.channel(at(*time), &channel.channel_id).is_some() {
                        repeated.apply(at(*time), replay);
                    }
                }
            }
            prop_assert_eq!(peer_reports(&once, *time), peer_reports(&repeated, *time));
        }
    }

    #[test]
    fn failed_commits_lose_no_log_entries(
        trace in trace(150),
        failures in prop::collection::vec(any::<bool>(), 150),
    ) {
        let config = config(100_000).with_reconnect_grace_ns(0);
        let mut tracker = Tracker::new(config, HashSeed([3; 16]));
        let mut store = Store::default();
        for ((time, event), fails) in trace.iter().zip(&failures) {
            tracker.apply(at(*time), event);
            let mut changes = UnsavedChanges::default();
            while tracker.drain_changes(1, &mut changes) {}
            if *fails {
                tracker.requeue(&changes);
                prop_assert_eq!(tracker.is_dirty(), !changes.is_empty());
            } else {
                prop_assert!(tracker.commit_deadline().is_none());
                tracker.mark_stored(&changes);
                store.write(changes);
            }
        }
        store.write(drain_all(&mut tracker));
        for node_id in all_nodes() {
            let segments = store.segments_of(&node_id);
            let stored: Vec<LogEntry> =
                segments.iter().flat_map(|segment| segment.entries.iter().copied()).collect();
            let in_memory: Vec<_> =
                tracker.event_log(&node_id).iter().flat_map(|log| log.entries()).collect();
            prop_assert_eq!(stored, in_memory);
        }
    }
}
