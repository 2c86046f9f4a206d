//! A restart costs the gap, and nothing else.

use proptest::prelude::*;

use crate::model::Model;
use crate::traces::{SECOND, START, all_nodes, trace};
use crate::{Disk, TrackerConfig, at, clock_after, compare};

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
