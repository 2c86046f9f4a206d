//! What another program had counted is added to what we count, stays told apart, and changes nothing else.

use std::collections::BTreeMap;

use fitness_core::{ImportSource, Imported, NodeId, PeerRecord, Presence, Totals, Tracker, TrackerConfig};
use proptest::prelude::*;

use crate::traces::{SECOND, START, all_nodes, node, trace};
use crate::{Disk, at, clock_after};

const UNTIL: u64 = START - SECOND;

fn totals() -> impl Strategy<Value = Totals> {
    (0..UNTIL / 2, 0..UNTIL / 2)
        .prop_map(|(online_ns, offline_ns)| Totals { online_ns, observed_ns: online_ns + offline_ns })
}

/// What was taken over of each peer, if anything was.
fn seeds() -> impl Strategy<Value = Vec<Option<(Totals, u32)>>> {
    prop::collection::vec(prop::option::of((totals(), 0..1_000_u32)), all_nodes().count())
}

fn seed(node_id: NodeId, totals: Totals, flap_count: u32) -> PeerRecord {
    PeerRecord {
        node_id,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: UNTIL - totals.observed_ns,
        presence: Presence::Unobserved,
        presence_since_ns: UNTIL,
        totals,
        flap_count,
        last_flap_ns: (flap_count > 0).then_some(UNTIL),
        disconnects: 0,
        log_end: 0,
        imported: Some(Imported { source: ImportSource::Lnd, at_ns: UNTIL, totals, flap_count }),
        channels: Vec::new(),
    }
}

/// Of each peer that was seeded the same is known, and what was taken over besides.
#[allow(clippy::cast_precision_loss)]
fn compare(
    heir: &Tracker,
    plain: &Tracker,
    seeds: &BTreeMap<NodeId, PeerRecord>,
    now: u64,
) -> Result<(), TestCaseError> {
    for node_id in all_nodes() {
        let (report, mut expected) = (heir.peer(at(now), &node_id), plain.peer(at(now), &node_id));
        let taken = report.as_ref().and_then(|report| report.imported);
        prop_assert_eq!(taken.is_some(), seeds.contains_key(&node_id));
        if let (Some(expected), Some(taken), Some(seed)) = (&mut expected, taken, seeds.get(&node_id)) {
            let totals = Totals { online_ns: taken.uptime_ns, observed_ns: taken.observed_ns };
            prop_assert_eq!((taken.source, taken.at), (ImportSource::Lnd, at(UNTIL)));
            prop_assert_eq!((totals, taken.flap_count), (seed.totals, seed.flap_count));
            expected.imported = Some(taken);
            expected.tracked_since = at(seed.tracked_since_ns);
            expected.uptime_ns += totals.online_ns;
            expected.observed_ns += totals.observed_ns;
            let (uptime, observed) = (expected.uptime_ns as f64, expected.observed_ns as f64);
            expected.availability = (expected.observed_ns > 0).then(|| uptime / observed);
        }
        prop_assert_eq!(report, expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_added_to_ours_and_comes_back_with_every_record(
        seeds in seeds(),
        trace in trace(80),
        restarts in prop::collection::vec(prop::bool::weighted(0.1), 80),
    ) {
        let config = TrackerConfig::default();
        let (mut disk, mut plain_disk) = (Disk::default(), Disk::default());
        let seeds: BTreeMap<NodeId, PeerRecord> = all_nodes()
            .zip(seeds)
            .filter_map(|(node_id, of)| of.map(|(totals, flaps)| (node_id, seed(node_id, totals, flaps))))
            .collect();
        disk.peers.clone_from(&seeds);
        plain_disk.peers = seeds
            .iter()
            .map(|(node_id, seed)| {
                let (tracked_since_ns, totals) = (UNTIL, Totals::default());
                (*node_id, PeerRecord { tracked_since_ns, totals, imported: None, ..seed.clone() })
            })
            .collect();
        let (mut heir, mut plain) = (disk.restart(config), plain_disk.restart(config));
        prop_assert_eq!(heir.dirty_count(), 0, "what was seeded is stored");
        for ((time, event), restart) in trace.iter().zip(&restarts) {
            if *restart {
                disk.commit(&mut heir, *time);
                plain_disk.commit(&mut plain, *time);
                for (node_id, record) in &disk.peers {
                    let seed = seeds.get(node_id).and_then(|seed| seed.imported);
                    prop_assert_eq!(record.imported, seed);
                }
                (heir, plain) = (disk.restart(config), plain_disk.restart(config));
            }
            heir.apply(at(*time), event);
            plain.apply(at(*time), event);
            compare(&heir, &plain, &seeds, clock_after(*time, event))?;
        }
    }
}

/// Whoever comes back after that is new, and all of it is ours.
#[test]
fn it_is_forgotten_with_its_peer() {
    let node_id = node(0);
    let totals = Totals { online_ns: 7 * SECOND, observed_ns: 9 * SECOND };
    let mut disk = Disk::default();
    disk.peers.insert(node_id, seed(node_id, totals, 3));
    let mut tracker = disk.restart(TrackerConfig::default());
    tracker.advance(at(START));
    assert!(tracker.forget(&node_id));
    tracker.apply(at(START), &fitness_core::Event::Watch { node_id });
    let report = tracker.peer(at(START), &node_id).expect("it is watched");
    assert_eq!((report.imported, report.observed_ns, report.flap_count), (None, 0, 0));
    disk.commit(&mut tracker, START);
    assert_eq!(disk.peers[&node_id].imported, None);
}
