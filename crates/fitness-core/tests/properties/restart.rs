//! A restart costs the gap, and nothing else.

use proptest::prelude::*;

use crate::model::Model;
use crate::traces::{SECOND, START, all_nodes, trace};
use fitness_core::{Event, HashSeed, Tracker};

use crate::{Disk, TrackerConfig, at, clock_after, compare, reports};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model is never restarted: it is told that nothing was observed between the last heartbeat
    /// and the start, and that it does not know what is connected.
    #[test]
    fn the_answers_are_those_of_a_process_that_never_stopped(
        trace in trace(100),
        restarts in prop::collection::vec(prop::option::weighted(0.15, (0.0..1.0_f64, 0.0..1.0_f64)), 100),
        edges in prop::array::uniform2(0.0..1.1_f64),
    ) {
        let (config, mut model, mut disk) = (TrackerConfig::default(), Model::default(), Disk::default());
        let mut tracker = disk.restart(config);
        let (mut now, mut restarted) = (START, false);
        for ((time, event), restart) in trace.iter().zip(&restarts) {
            if let Some((beat, start)) = restart {
                let part = |of: u64, part: f64| {
                    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
                    let part = (of as f64 * part) as u64;
                    part.min(of)
                };
                let heartbeat = now + part(time - now, *beat);
                tracker.advance(at(heartbeat));
                model.advance(heartbeat);
                disk.commit(&mut tracker, heartbeat);
                let start = heartbeat + part(time - heartbeat, *start);
                tracker = disk.restart(config);
                tracker.advance(at(start));
                model.restart(heartbeat, start);
                compare(&tracker, &model, start)?;
                restarted = true;
            }
            tracker.apply(at(*time), event);
            model.apply(*time, event);
            now = clock_after(*time, event);
            compare(&tracker, &model, now)?;
        }
        let now = now + 5 * SECOND;
        disk.commit(&mut tracker, now);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let mut edges = edges.map(|edge| START + ((now - START) as f64 * edge) as u64);
        edges.sort_unstable();
        for node_id in all_nodes() {
            let Some(peer) = model.peers.get(&node_id) else { continue };
            let segments = disk.segments_of(&node_id);
            let history = tracker.history(at(now), &node_id, &segments).expect("the model knows it");
            let window = history.window(at(edges[0]), at(edges[1]));
            let (online, observed) = peer.spent(edges[0], edges[1].min(now));
            prop_assert!(window.uptime_ns.abs_diff(online) <= window.uptime_error_ns, "{restarted} {online} {window:?}");
            prop_assert!(window.observed_ns.abs_diff(observed) <= window.observed_error_ns, "{observed} {window:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever reads a store sees what its process last saw: who is connected, since when, and all that
    /// was counted.
    #[test]
    fn what_is_recalled_is_what_was_known(trace in trace(100), idle in 0..100 * SECOND, is_set_late: bool) {
        let (config, mut disk) = (TrackerConfig::default(), Disk::default());
        let mut tracker = disk.restart(config);
        let mut now = START;
        if is_set_late {
            // A device that boots in 1970.
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
        disk.commit(&mut tracker, now);

        let observer = disk.observer.expect("it was stored");
        let mut reader = Tracker::new(config, HashSeed([5; 16]));
        reader.resume_observer(&observer, &disk.gaps);
        disk.peers.values().for_each(|record| reader.load_archived_peer(record, observer.last_heartbeat_ns));
        prop_assert_eq!(reader.to_wall_clock(observer.last_heartbeat_ns), at(now));
        prop_assert_eq!(reports(&reader, now), reports(&tracker, now));
        prop_assert_eq!(reader.coverage(at(now)), tracker.coverage(at(now)));
        prop_assert!(!reader.is_dirty(), "there is nothing to store");
        for node_id in all_nodes() {
            let segments = disk.segments_of(&node_id);
            let known = tracker.history(at(now), &node_id, &segments);
            prop_assert_eq!(reader.history(at(now), &node_id, &segments).is_some(), known.is_some());
            let Some(known) = known else { continue };
            let recalled = reader.history(at(now), &node_id, &segments).expect("it was just asked for");
            let gaps = tracker.gaps(at(now), &[], at(START), at(now));
            prop_assert_eq!(
                recalled.timeline_with_gaps(at(START), at(now), &gaps),
                known.timeline_with_gaps(at(START), at(now), &gaps)
            );
            let connected = |tracker: &Tracker| tracker.is_connected(&node_id).unwrap_or_default();
            if tracker.peer(at(now), &node_id).is_some_and(|peer| peer.presence != fitness_core::Presence::Unobserved) {
                prop_assert_eq!(connected(&reader), connected(&tracker));
            }
        }
    }
}
