//! Imported values are added to the tracker's own values, are reported separately, and change nothing else.

use std::collections::BTreeMap;

use fitness_core::{
    Event, ImportSource, Imported, NodeId, PeerRecord, Presence, Totals, Tracker, TrackerConfig,
};
use proptest::prelude::*;

use crate::traces::{SECOND, START, all_nodes, node, trace};
use crate::{Store, at, clock_after};

/// The time of the import.
const IMPORTED_AT: u64 = START - SECOND;

fn totals() -> impl Strategy<Value = Totals> {
    (0..IMPORTED_AT / 2, 0..IMPORTED_AT / 2)
        .prop_map(|(online_ns, offline_ns)| Totals { online_ns, observed_ns: online_ns + offline_ns })
}

/// Generates the imported totals and flap count of some peers.
fn imports() -> impl Strategy<Value = Vec<Option<(Totals, u32)>>> {
    prop::collection::vec(prop::option::of((totals(), 0..1_000_u32)), all_nodes().count())
}

fn imported_record(node_id: NodeId, totals: Totals, flap_count: u32) -> PeerRecord {
    PeerRecord {
        node_id,
        watched: false,
        in_reconnect_grace: false,
        tracked_since_ns: IMPORTED_AT - totals.observed_ns,
        presence: Presence::Unobserved,
        presence_since_ns: IMPORTED_AT,
        totals,
        flap_count,
        last_flap_ns: (flap_count > 0).then_some(IMPORTED_AT),
        disconnects: 0,
        log_end: 0,
        imported: Some(Imported { source: ImportSource::Lnd, at_ns: IMPORTED_AT, totals, flap_count }),
        channels: Vec::new(),
    }
}

/// Checks that the reports of the two trackers differ only by the imported values.
#[allow(clippy::cast_precision_loss)]
fn compare(
    tracker: &Tracker,
    without_imports: &Tracker,
    imports: &BTreeMap<NodeId, PeerRecord>,
    now: u64,
) -> Result<(), TestCaseError> {
    for node_id in all_nodes() {
        let report = tracker.peer(at(now), &node_id);
        let mut expected = without_imports.peer(at(now), &node_id);
        let imported = report.as_ref().and_then(|report| report.imported);
        prop_assert_eq!(imported.is_some(), imports.contains_key(&node_id));
        if let (Some(expected), Some(imported), Some(record)) =
            (&mut expected, imported, imports.get(&node_id))
        {
            let totals = Totals { online_ns: imported.uptime_ns, observed_ns: imported.observed_ns };
            prop_assert_eq!((imported.source, imported.at), (ImportSource::Lnd, at(IMPORTED_AT)));
            prop_assert_eq!((totals, imported.flap_count), (record.totals, record.flap_count));
            expected.imported = Some(imported);
            expected.tracked_since = at(record.tracked_since_ns);
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
    fn imported_values_are_added_and_survive_restarts(
        imports in imports(),
        trace in trace(80),
        restarts in prop::collection::vec(prop::bool::weighted(0.1), 80),
    ) {
        let config = TrackerConfig::default();
        let (mut store, mut store_without_imports) = (Store::default(), Store::default());
        let imports: BTreeMap<NodeId, PeerRecord> = all_nodes()
            .zip(imports)
            .filter_map(|(node_id, import)| Some((node_id, import?)))
            .map(|(node_id, (totals, flap_count))| (node_id, imported_record(node_id, totals, flap_count)))
            .collect();
        store.peers.clone_from(&imports);
        // The same records, but without the imported totals.
        store_without_imports.peers = imports
            .iter()
            .map(|(node_id, record)| {
                let (tracked_since_ns, totals) = (IMPORTED_AT, Totals::default());
                (*node_id, PeerRecord { tracked_since_ns, totals, imported: None, ..record.clone() })
            })
            .collect();
        let mut tracker = store.load_tracker(config);
        let mut without_imports = store_without_imports.load_tracker(config);
        prop_assert_eq!(tracker.dirty_count(), 0);
        for ((time, event), restart) in trace.iter().zip(&restarts) {
            if *restart {
                store.commit(&mut tracker, *time);
                store_without_imports.commit(&mut without_imports, *time);
                for (node_id, record) in &store.peers {
                    let expected = imports.get(node_id).and_then(|import| import.imported);
                    prop_assert_eq!(record.imported, expected);
                }
                tracker = store.load_tracker(config);
                without_imports = store_without_imports.load_tracker(config);
            }
            tracker.apply(at(*time), event);
            without_imports.apply(at(*time), event);
            compare(&tracker, &without_imports, &imports, clock_after(*time, event))?;
        }
    }
}

#[test]
fn forgetting_a_peer_deletes_its_imported_values() {
    let node_id = node(0);
    let totals = Totals { online_ns: 7 * SECOND, observed_ns: 9 * SECOND };
    let mut store = Store::default();
    store.peers.insert(node_id, imported_record(node_id, totals, 3));
    let mut tracker = store.load_tracker(TrackerConfig::default());
    tracker.advance(at(START));
    assert!(tracker.forget(&node_id));
    tracker.apply(at(START), &Event::Watch { node_id });
    let report = tracker.peer(at(START), &node_id).expect("the peer is watched");
    assert_eq!((report.imported, report.observed_ns, report.flap_count), (None, 0, 0));
    store.commit(&mut tracker, START);
    assert_eq!(store.peers[&node_id].imported, None);
}
