//! Records are read back exactly as they were written.

use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, ImportSource, Imported, Ledger, NodeId, ObserverRecord,
    OutPoint, PeerRecord, Presence, Totals,
};

use super::Harness;
use super::extreme_values::{largest_observer, largest_peer, smallest_peer};
use super::open_store::{Contents, OpenStore};
use super::samples::{
    OBSERVER, OTHER_OBSERVER, PRESENCES, USABLE_STATES, gap, gaps_batch, node, observer_batch,
    observer_record, peer, peers_batch, segment, segments_batch,
};
use crate::{Batch, Store, StoreError};

/// Reading records that were never stored returns nothing, is not an error, and creates nothing.
pub(super) fn empty_store_returns_nothing<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    for _ in 0..2 {
        assert_eq!(store.observers(), []);
        assert_eq!(store.contents(OBSERVER, [node(1)]), Contents::default());
        assert_eq!(store.peer(OBSERVER, node(1)), None);
        assert_eq!(store.page(OBSERVER, Some(node(1)), 1), []);
        assert_eq!(store.segments(OBSERVER, node(1), 3, 1), []);
        assert_eq!(store.gaps(OBSERVER, 3, 1), []);
        store = store.reopen();
    }
}

/// A peer's record is read back as it was written, immediately and after reopening.
pub(super) fn peer_round_trips<H: Harness>(harness: &H) {
    let mut store = OpenStore::new(harness);
    let stored = peer(5, 1);
    store.commit(OBSERVER, peers_batch([stored.clone()]));
    for _ in 0..2 {
        assert_eq!(store.peer(OBSERVER, stored.node_id), Some(stored.clone()));
        assert_eq!(store.peers(OBSERVER, 10), std::slice::from_ref(&stored));
        assert_eq!(store.peer(OBSERVER, node(6)), None);
        store = store.reopen();
    }
}

/// Peers with the smallest and largest value of every field, and with combinations of the optional values,
/// are read back unchanged.
pub(super) fn extreme_peer_values_round_trip<H: Harness>(harness: &H) {
    let small = smallest_peer(NodeId([0; 33]));
    let smallest_import =
        Some(Imported { source: ImportSource::Lnd, at_ns: 0, totals: Totals::default(), flap_count: 0 });
    let mut stored = vec![small.clone()];
    let mut number = 1;
    for presence in PRESENCES {
        for last_flap_ns in [None, Some(0), Some(u64::MAX)] {
            for (watched, imported) in [false, true].into_iter().zip([None, smallest_import]) {
                let node_id = node(number);
                number += 1;
                stored.push(PeerRecord {
                    node_id,
                    presence,
                    last_flap_ns,
                    watched,
                    imported,
                    ..small.clone()
                });
            }
        }
    }
    stored.push(largest_peer(NodeId([0xff; 33])));

    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(store.peers(OBSERVER, 100), stored);
        for peer in &stored {
            assert_eq!(store.peer(OBSERVER, peer.node_id).as_ref(), Some(peer));
        }
        store = store.reopen();
    }
}

/// A peer's channels are read back in the order in which they were written.
pub(super) fn channel_order_is_preserved<H: Harness>(harness: &H) {
    let mut stored = peer(2, 1);
    stored.channels = (0..500_u32)
        .map(|number| {
            // Neither ascending nor descending.
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_le_bytes());
            ChannelRecord {
                channel_id: ChannelId(id),
                funding: (number % 3 == 0).then_some(OutPoint { txid: id, vout: number }),
                opened_at_ns: u64::from(1_000 - number),
                opened_totals: Totals::default(),
                reported_usable: None,
                usable_ledger: Ledger::starting(u64::from(1_000 - number)),
            }
        })
        .collect();
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch([stored.clone()]));
    assert_eq!(store.reopen().peer(OBSERVER, stored.node_id), Some(stored));
}

/// The reported usability of a channel and its usability ledger are read back in every combination.
pub(super) fn channel_readiness_and_usability_round_trip<H: Harness>(harness: &H) {
    let template = peer(5, 1).channels[0];
    let largest = Totals { online_ns: 0, observed_ns: Totals::LIMIT_NS };
    let mut stored = peer(5, 1);
    stored.channels.clear();
    for reported_usable in USABLE_STATES {
        for presence in PRESENCES {
            for (later_ns, totals) in [(0, Totals::default()), (7, largest)] {
                let usable = Ledger::from_parts(presence, template.opened_at_ns + later_ns, totals);
                stored.channels.push(ChannelRecord { reported_usable, usable_ledger: usable, ..template });
            }
        }
    }
    let mut store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch([stored.clone()]));
    for _ in 0..2 {
        assert_eq!(store.peer(OBSERVER, stored.node_id), Some(stored.clone()));
        assert_eq!(store.peers(OBSERVER, 10), std::slice::from_ref(&stored));
        store = store.reopen();
    }
}

/// A record overwrites the previous one, also if it is smaller.
pub(super) fn peer_record_is_overwritten<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut last = peer(5, 1);
    store.commit(OBSERVER, peers_batch([last.clone(), peer(6, 1)]));
    last.channels.clear();
    last.last_flap_ns = None;
    last.flap_count = 77;
    store.commit(OBSERVER, peers_batch([last.clone()]));
    assert_eq!(store.peers(OBSERVER, 10), [last.clone(), peer(6, 1)]);
    assert_eq!(store.reopen().peers(OBSERVER, 10), [last, peer(6, 1)]);
}

/// If a batch contains a peer or a segment more than once, the last one wins. Batches may be merged from
/// several sets of changes.
pub(super) fn last_duplicate_in_batch_wins<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let mut batch = peers_batch([peer(5, 3), peer(9, 1), peer(5, 1), peer(2, 1), peer(5, 2)]);
    batch.changes.segments = vec![segment(5, 0, 9, 1), segment(9, 0, 1, 1), segment(5, 0, 4, 2)];
    store.commit(OBSERVER, batch);
    assert_eq!(store.peers(OBSERVER, 10), [peer(2, 1), peer(5, 2), peer(9, 1)]);
    assert_eq!(store.log(OBSERVER, node(5)), [segment(5, 0, 4, 2)]);
}

/// The observer's record is read back as it was last written, immediately and after reopening.
pub(super) fn observer_record_round_trips<H: Harness>(harness: &H) {
    let behind = ObserverRecord { clock_ahead_ns: i64::MIN, ..ObserverRecord::default() };
    let mut records =
        vec![observer_record(1), ObserverRecord::default(), largest_observer(), observer_record(2)];
    for cause in GapCause::ALL {
        records.push(ObserverRecord { ongoing_gap: Some((cause, 0)), ..behind });
    }
    let mut store = OpenStore::new(harness);
    for record in records {
        store.commit(OBSERVER, observer_batch(record));
        assert_eq!(store.observer(OBSERVER), Some(record));
        store = store.reopen();
        assert_eq!(store.observer(OBSERVER), Some(record));
        assert_eq!(store.observers(), [OBSERVER]);
    }
}

/// An observer is listed once its record is stored. Peers stored before that are readable, but do not make
/// the observer listed.
pub(super) fn observer_is_listed_once_its_record_is_stored<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    store.commit(OBSERVER, peers_batch([peer(1, 1)]));
    store.commit(OTHER_OBSERVER, observer_batch(observer_record(1)));
    let store = store.reopen();
    assert_eq!(store.observers(), [OTHER_OBSERVER]);
    assert_eq!((store.observer(OBSERVER), store.peers(OBSERVER, 10)), (None, vec![peer(1, 1)]));
    assert_eq!(
        (store.observer(OTHER_OBSERVER), store.peers(OTHER_OBSERVER, 10)),
        (Some(observer_record(1)), vec![])
    );
    store.commit(OBSERVER, observer_batch(observer_record(2)));
    assert_eq!(store.reopen().observers(), [OBSERVER, OTHER_OBSERVER]);
}

/// Each observer is listed once, in ascending order of its bytes.
pub(super) fn observers_are_listed_in_order<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    let ids = [NodeId([0xff; 33]), node(300), NodeId([0; 33]), node(2), NodeId([0x80; 33])];
    for version in 0..2 {
        for id in ids {
            store.commit(id, observer_batch(observer_record(version)));
        }
    }
    let mut ascending = ids;
    ascending.sort_unstable();
    assert_eq!(store.observers(), ascending);
    assert_eq!(store.reopen().observers(), ascending);
}

/// A record that violates the rules of the model is rejected with a permanent error.
pub(super) fn invalid_record_is_rejected<H: Harness>(harness: &H) {
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let mut bad_channel = peer(2, 1);
    bad_channel.channels[0].opened_totals = impossible;
    let mut bad_ledger = peer(2, 1);
    let since_ns = bad_ledger.channels[0].opened_at_ns;
    bad_ledger.channels[0].usable_ledger = Ledger::from_parts(Presence::Online, since_ns, impossible);
    let mut early_ledger = peer(2, 1);
    early_ledger.channels[0].usable_ledger = Ledger::starting(since_ns - 1);
    let mut bad_import = peer(5, 1);
    if let Some(imported) = &mut bad_import.imported {
        imported.totals = impossible;
    }
    let mut unordered = segment(1, 0, 3, 1);
    unordered.entries.reverse();
    let batches = [
        peers_batch([PeerRecord { totals: impossible, ..peer(1, 1) }]),
        peers_batch([bad_channel]),
        peers_batch([bad_ledger]),
        peers_batch([early_ledger]),
        peers_batch([bad_import]),
        segments_batch([unordered]),
        segments_batch([segment(1, 0, 65, 1)]),
        gaps_batch([gap(3, 1), GapRecord { from_ns: 2, to_ns: 1, ..gap(4, 1) }]),
    ];
    let store = OpenStore::new(harness);
    for batch in batches {
        let error = store.rejected(OBSERVER, batch);
        assert!(matches!(error, StoreError::Invalid { .. }), "expected StoreError::Invalid, got: {error}");
        assert!(!error.is_transient(), "StoreError::Invalid is transient");
    }
    assert_eq!(store.contents(OBSERVER, [node(1), node(2), node(5)]), Contents::default());
}

/// Committed data survives dropping the store without closing it.
pub(super) fn committed_data_survives_dropping_the_store<H: Harness>(harness: &H) {
    for version in 1..4 {
        let store = OpenStore::new(harness);
        let mut batch = peers_batch([peer(version, version)]);
        batch.changes.segments = vec![segment(version, 0, version, 1)];
        batch.observer = Some(observer_record(u64::from(version)));
        store.commit(OBSERVER, batch);
        drop(store.inner);

        let store = OpenStore::new(harness);
        assert_eq!(store.peer(OBSERVER, node(version)), Some(peer(version, version)));
        assert_eq!(store.log(OBSERVER, node(version)), [segment(version, 0, version, 1)]);
        assert_eq!(store.observer(OBSERVER), Some(observer_record(u64::from(version))));
        assert_eq!(store.peers(OBSERVER, 100).len(), version as usize);
        harness.close(store.inner);
    }
}

/// A store can be shared and used as a trait object.
pub(super) fn store_works_as_trait_object<H: Harness>(harness: &H) {
    let store: Arc<dyn Store> = Arc::new(harness.open());
    let shared = Arc::clone(&store);
    let batch = Batch { observer: Some(observer_record(1)), ..peers_batch([peer(1, 1)]) };
    // Multi-threaded runtimes require futures to be `Send`.
    fn require_send<F: Future + Send>(future: F) -> F {
        future
    }
    harness.block_on(require_send(async {
        shared.commit(&OBSERVER, Arc::new(batch)).await.expect("a commit failed");
        assert_eq!(store.peers(&OBSERVER, None, 10).await.expect("reading a page failed"), [peer(1, 1)]);
        assert_eq!(store.observer(&OTHER_OBSERVER).await.expect("reading the observer failed"), None);
    }));
}
