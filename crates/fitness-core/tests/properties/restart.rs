//! After a restart, reports differ from those of an uninterrupted process only by the monitoring gap.

use fitness_core::{Event, HashSeed, Presence, Tracker, TrackerConfig};
use proptest::prelude::*;

use crate::model::Model;
use crate::traces::{SECOND, START, all_nodes, trace};
use crate::{Store, at, check_window_errors, clock_after, compare, moment_at, peer_reports};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model does not store and load anything. It only records that nothing was observed between the last
    /// heartbeat and the start, and that the connections are unknown.
    #[test]
    fn restart_costs_only_the_gap(
        trace in trace(100),
        restarts in prop::collection::vec(prop::option::weighted(0.15, (0.0..1.0_f64, 0.0..1.0_f64)), 100),
        edges in prop::array::uniform2(0.0..1.1_f64),
    ) {
        let (config, mut model, mut store) = (TrackerConfig::default(), Model::default(), Store::default());
        let mut tracker = store.load_tracker(config);
        let (mut now, mut restart_count) = (START, 0);
        for ((time, event), restart) in trace.iter().zip(&restarts) {
            if let Some((until_heartbeat, until_start)) = restart {
                let heartbeat = moment_at(now, *time, *until_heartbeat).min(*time);
                tracker.advance(at(heartbeat));
                model.advance(heartbeat);
                store.commit(&mut tracker, heartbeat);
                let start = moment_at(heartbeat, *time, *until_start).min(*time);
                tracker = store.load_tracker(config);
                tracker.advance(at(start));
                model.restart(heartbeat, start);
                compare(&tracker, &model, start)?;
                restart_count += 1;
            }
            tracker.apply(at(*time), event);
            model.apply(*time, event);
            now = clock_after(*time, event);
            compare(&tracker, &model, now)?;
        }
        let now = now + 5 * SECOND;
        store.commit(&mut tracker, now);
        prop_assert_eq!(tracker.coverage(at(now)).map(|coverage| coverage.starts), Some(restart_count + 1));
        let mut edges = edges.map(|edge| moment_at(START, now, edge));
        edges.sort_unstable();
        for node_id in all_nodes() {
            let Some(peer) = model.peers.get(&node_id) else { continue };
            let segments = store.segments_of(&node_id);
            let history = tracker.history(at(now), &node_id, &segments).expect("the model has this peer");
            let window = history.window(at(edges[0]), at(edges[1]));
            check_window_errors(&window, peer.totals_within(edges[0], edges[1].min(now)))?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn archived_peers_have_the_reports_of_the_last_heartbeat(
        trace in trace(100),
        idle in 0..100 * SECOND,
        starts_in_1970: bool,
    ) {
        let (config, mut store) = (TrackerConfig::default(), Store::default());
        let mut tracker = store.load_tracker(config);
        let mut now = START;
        if starts_in_1970 {
            // A device without a battery for its clock.
            for (secs, node_id) in (1..).zip(all_nodes()) {
                tracker.apply(at(secs * SECOND), &Event::Watch { node_id });
                tracker.apply(at(secs * SECOND), &Event::PeerOnline { node_id });
            }
            tracker.apply(at(100 * SECOND), &Event::ClockSet { to: at(START) });
        }
        for (time, event) in &trace {
            tracker.apply(at(*time), event);
            now = clock_after(*time, event);
        }
        now += idle;
        tracker.advance(at(now));
        store.commit(&mut tracker, now);

        let observer = store.observer.expect("the observer was committed");
        let mut archive = Tracker::new(config, HashSeed([5; 16]));
        archive.resume_observer(&observer, &store.gaps);
        let heartbeat_ns = observer.last_heartbeat_ns;
        store.peers.values().for_each(|record| archive.load_archived_peer(record, heartbeat_ns));
        prop_assert_eq!(archive.to_wall_clock(heartbeat_ns), at(now));
        prop_assert_eq!(peer_reports(&archive, now), peer_reports(&tracker, now));
        prop_assert_eq!(archive.coverage(at(now)), tracker.coverage(at(now)));
        prop_assert!(!archive.is_dirty());
        for node_id in all_nodes() {
            let segments = store.segments_of(&node_id);
            let expected = tracker.history(at(now), &node_id, &segments);
            let history = archive.history(at(now), &node_id, &segments);
            prop_assert_eq!(history.is_some(), expected.is_some());
            let (Some(history), Some(expected)) = (history, expected) else { continue };
            let gaps = tracker.gaps(at(now), &[], at(START), at(now));
            prop_assert_eq!(
                history.timeline_with_gaps(at(START), at(now), &gaps),
                expected.timeline_with_gaps(at(START), at(now), &gaps)
            );
            let is_connected = |tracker: &Tracker| tracker.is_connected(&node_id).unwrap_or_default();
            let report = tracker.peer(at(now), &node_id);
            if report.is_some_and(|report| report.presence != Presence::Unobserved) {
                prop_assert_eq!(is_connected(&archive), is_connected(&tracker));
            }
        }
    }
}
