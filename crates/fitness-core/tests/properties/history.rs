//! A history with what the store has of it is whole, however little the tracker holds and however
//! often the process was restarted.

use fitness_core::{Event, Presence, PresenceInterval, TrackerConfig};
use proptest::prelude::*;

use crate::model::Model;
use crate::traces::{SECOND, START, node};
use crate::{Disk, all_segments, at};

/// A watched peer that changes more rarely than any rate limit, and a process that is restarted.
#[derive(Clone, Copy, Debug)]
enum Step {
    Online,
    Offline,
    Restart,
}

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
    fn a_history_is_whole_across_restarts(steps in steps(), edges in prop::array::uniform2(0.0..1.1_f64)) {
        let node_id = node(0);
        let (mut tracker, mut model, mut disk) = (Disk::default().restart(config()), Model::default(), Disk::default());
        let mut now = START;
        let watch = Event::Watch { node_id };
        tracker.apply(at(now), &watch);
        model.apply(now, &watch);
        disk.write(all_segments(&mut tracker));
        for (pause, step) in steps {
            now += pause * SECOND;
            let event = match step {
                Step::Online => Event::PeerOnline { node_id },
                Step::Offline => Event::PeerOffline { node_id },
                Step::Restart => {
                    disk.commit(&mut tracker, now);
                    model.restart(now, now + 1_000 * SECOND);
                    now += 1_000 * SECOND;
                    tracker = disk.restart(config());
                    tracker.advance(at(now));
                    disk.write(all_segments(&mut tracker));
                    continue;
                }
            };
            tracker.apply(at(now), &event);
            model.apply(now, &event);
            disk.write(all_segments(&mut tracker));
        }
        now += 5 * SECOND;
        let segments = disk.segments_of(&node_id);
        let history = tracker.history(at(now), &node_id, &segments).expect("it is watched");
        let account = &model.peers[&node_id];

        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let mut edges = edges.map(|edge| START + ((now - START) as f64 * edge) as u64);
        edges.sort_unstable();
        let window = history.window(at(edges[0]), at(edges[1]));
        let (online, observed) = account.spent(edges[0], edges[1].min(now));
        prop_assert_eq!((window.uptime_error_ns, window.observed_error_ns), (0, 0));
        prop_assert_eq!((window.uptime_ns, window.observed_ns), (online, observed));

        let timeline = history.timeline(at(START), at(now));
        let changes: Vec<(u64, Option<Presence>)> =
            timeline.iter().map(|interval| (interval.from.as_nanos(), interval.presence)).collect();
        let mut expected: Vec<_> = account.history.iter().map(|change| (change.0, Some(change.1))).collect();
        expected.insert(0, (START, Some(Presence::Unobserved)));
        prop_assert_eq!(changes, expected);
        prop_assert!(timeline.iter().zip(timeline.iter().skip(1)).all(|(one, next)| one.to == next.from));

        let buckets = history.buckets(at(START), at(now), 86_400 * SECOND, 100_000);
        let sums = |spent: fn(&fitness_core::WindowReport) -> u64| buckets.iter().map(spent).sum::<u64>();
        prop_assert_eq!((sums(|day| day.uptime_ns), sums(|day| day.observed_ns)), account.spent(START, now));

        let outages = history.outage_stats(at(START), at(now));
        prop_assert_eq!(outages.disconnects, u64::from(account.flaps().1));
        let offline = |interval: &&PresenceInterval| interval.presence == Some(Presence::Offline);
        let lengths = timeline.iter().filter(offline).map(|interval| interval.to.nanos_since(interval.from));
        prop_assert_eq!(outages.longest_outage_ns, lengths.max().unwrap_or(0));
    }
}
