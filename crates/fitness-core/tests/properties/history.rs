//! A history that is built from stored segments is complete, however few entries the tracker holds and however
//! often the process restarts.

use fitness_core::{Event, Presence, PresenceInterval, TrackerConfig};
use proptest::prelude::*;

use crate::model::Model;
use crate::traces::{SECOND, START, node};
use crate::{Store, at, drain_all, moment_at};

/// A step in the life of a watched peer and of the process that watches it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Online,
    Offline,
    Restart,
}

/// Generates steps with the seconds between them, more than any rate limit of the log.
fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![8 => Just(Step::Online), 8 => Just(Step::Offline), 1 => Just(Step::Restart)];
    prop::collection::vec((3_601..20_000_u64, step), 1..500)
}

fn config() -> TrackerConfig {
    TrackerConfig::default().with_reconnect_grace_ns(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn history_is_complete_across_restarts(steps in steps(), edges in prop::array::uniform2(0.0..1.1_f64)) {
        let node_id = node(0);
        let (mut model, mut store) = (Model::default(), Store::default());
        let mut tracker = store.load_tracker(config());
        let mut now = START;
        let watch = Event::Watch { node_id };
        tracker.apply(at(now), &watch);
        model.apply(now, &watch);
        store.write(drain_all(&mut tracker));
        for (pause_secs, step) in steps {
            now += pause_secs * SECOND;
            let event = match step {
                Step::Online => Event::PeerOnline { node_id },
                Step::Offline => Event::PeerOffline { node_id },
                Step::Restart => {
                    store.commit(&mut tracker, now);
                    model.restart(now, now + 1_000 * SECOND);
                    now += 1_000 * SECOND;
                    tracker = store.load_tracker(config());
                    tracker.advance(at(now));
                    store.write(drain_all(&mut tracker));
                    continue;
                }
            };
            tracker.apply(at(now), &event);
            model.apply(now, &event);
            store.write(drain_all(&mut tracker));
        }
        now += 5 * SECOND;
        let segments = store.segments_of(&node_id);
        let history = tracker.history(at(now), &node_id, &segments).expect("the peer is watched");
        let peer = &model.peers[&node_id];

        let mut edges = edges.map(|edge| moment_at(START, now, edge));
        edges.sort_unstable();
        let window = history.window(at(edges[0]), at(edges[1]));
        prop_assert!(window.is_exact());
        let exact = peer.totals_within(edges[0], edges[1].min(now));
        prop_assert_eq!((window.uptime_ns, window.observed_ns), exact);

        let timeline = history.timeline(at(START), at(now));
        let changes: Vec<(u64, Option<Presence>)> =
            timeline.iter().map(|interval| (interval.from.as_nanos(), interval.presence)).collect();
        let mut expected: Vec<_> = peer.changes.iter().map(|change| (change.0, Some(change.1))).collect();
        expected.insert(0, (START, Some(Presence::Unobserved)));
        prop_assert_eq!(changes, expected);
        let mut adjacent = timeline.iter().zip(timeline.iter().skip(1));
        prop_assert!(adjacent.all(|(interval, next)| interval.to == next.from));

        let buckets = history.buckets(at(START), at(now), 86_400 * SECOND, 100_000);
        let sum = |value: fn(&fitness_core::WindowReport) -> u64| buckets.iter().map(value).sum::<u64>();
        let totals = (sum(|bucket| bucket.uptime_ns), sum(|bucket| bucket.observed_ns));
        prop_assert_eq!(totals, peer.totals_within(START, now));

        let outages = history.outage_stats(at(START), at(now));
        prop_assert_eq!(outages.disconnects, u64::from(peer.flaps_and_disconnects().1));
        let is_offline = |interval: &&PresenceInterval| interval.presence == Some(Presence::Offline);
        let lengths = timeline.iter().filter(is_offline).map(PresenceInterval::length_ns);
        prop_assert_eq!(outages.longest_outage_ns, lengths.max().unwrap_or(0));
    }
}
