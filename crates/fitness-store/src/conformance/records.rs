//! Records come back as they were stored.

use std::sync::Arc;

use fitness_core::{
    ChannelId, ChannelRecord, GapCause, GapRecord, ImportSource, Imported, Ledger, NodeId, ObserverRecord,
    OutPoint, PeerRecord, Presence, Totals,
};

use super::Harness;
use super::bench::{Bench, Sight};
use super::extremes::{largest_observer, largest_peer, smallest_peer};
use super::samples::{
    OURS, PRESENCES, READY, THEIRS, gap, gaps_batch, node, observer, observer_batch, peer, peers_batch,
    segment, segments_batch,
};
use crate::{Batch, Store, StoreError};

/// What was never stored is absent, which is no error; and reading creates nothing.
pub(super) fn an_empty_store_answers<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    for _ in 0..2 {
        assert_eq!(bench.observers(), []);
        assert_eq!(bench.sight(OURS, [node(1)]), Sight::default());
        assert_eq!(bench.peer(OURS, node(1)), None);
        assert_eq!(bench.page(OURS, Some(node(1)), 1), []);
        assert_eq!(bench.segments(OURS, node(1), 3, 1), []);
        assert_eq!(bench.gaps(OURS, 3, 1), []);
        bench = bench.reopen();
    }
}

/// A peer's record is read as it was stored, at once and after reopening.
pub(super) fn a_peer_comes_back<H: Harness>(harness: &H) {
    let mut bench = Bench::new(harness);
    let stored = peer(5, 1);
    bench.commit(OURS, peers_batch([stored.clone()]));
    for _ in 0..2 {
        assert_eq!(bench.peer(OURS, stored.node_id), Some(stored.clone()));
        assert_eq!(bench.peers(OURS, 10), std::slice::from_ref(&stored));
        assert_eq!(bench.peer(OURS, node(6)), None);
        bench = bench.reopen();
    }
}

/// The smallest and largest value of every field come back, and so does every combination of
/// what is optional.
pub(super) fn extreme_values_come_back<H: Harness>(harness: &H) {
    let small = smallest_peer(NodeId([0; 33]));
    let smallest_taken_over =
        Some(Imported { source: ImportSource::Lnd, at_ns: 0, totals: Totals::default(), flap_count: 0 });
    let mut stored = vec![small.clone()];
    let mut number = 1;
    for presence in PRESENCES {
        for last_flap_ns in [None, Some(0), Some(u64::MAX)] {
            for (watched, imported) in [false, true].into_iter().zip([None, smallest_taken_over]) {
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

    let mut bench = Bench::new(harness);
    bench.commit(OURS, peers_batch(stored.clone()));
    for _ in 0..2 {
        assert_eq!(bench.peers(OURS, 100), stored);
        for peer in &stored {
            assert_eq!(bench.peer(OURS, peer.node_id).as_ref(), Some(peer));
        }
        bench = bench.reopen();
    }
}

/// A peer's channels come back in the order in which they were stored, however many.
pub(super) fn channels_keep_their_order<H: Harness>(harness: &H) {
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
    let bench = Bench::new(harness);
    bench.commit(OURS, peers_batch([stored.clone()]));
    assert_eq!(bench.reopen().peer(OURS, stored.node_id), Some(stored));
}

/// What a node said of a channel, and the account of its usable time, come back in every
/// combination.
pub(super) fn every_account_of_a_channel_comes_back<H: Harness>(harness: &H) {
    let template = peer(5, 1).channels[0];
    let largest = Totals { online_ns: 0, observed_ns: Totals::LIMIT_NS };
    let mut stored = peer(5, 1);
    stored.channels.clear();
    for ready in READY {
        for presence in PRESENCES {
            for (later_ns, totals) in [(0, Totals::default()), (7, largest)] {
                let usable = Ledger::from_parts(presence, template.opened_at_ns + later_ns, totals);
                stored.channels.push(ChannelRecord {
                    reported_usable: ready,
                    usable_ledger: usable,
                    ..template
                });
            }
        }
    }
    let mut bench = Bench::new(harness);
    bench.commit(OURS, peers_batch([stored.clone()]));
    for _ in 0..2 {
        assert_eq!(bench.peer(OURS, stored.node_id), Some(stored.clone()));
        assert_eq!(bench.peers(OURS, 10), std::slice::from_ref(&stored));
        bench = bench.reopen();
    }
}

/// A record takes the place of the one before it, also where it is smaller.
pub(super) fn a_record_is_overwritten<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut last = peer(5, 1);
    bench.commit(OURS, peers_batch([last.clone(), peer(6, 1)]));
    last.channels.clear();
    last.last_flap_ns = None;
    last.flap_count = 77;
    bench.commit(OURS, peers_batch([last.clone()]));
    assert_eq!(bench.peers(OURS, 10), [last.clone(), peer(6, 1)]);
    assert_eq!(bench.reopen().peers(OURS, 10), [last, peer(6, 1)]);
}

/// Where a peer or a segment occurs twice in a batch, the later one counts: a batch may be
/// gathered in several goes.
pub(super) fn the_last_of_duplicates_counts<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let mut batch = peers_batch([peer(5, 3), peer(9, 1), peer(5, 1), peer(2, 1), peer(5, 2)]);
    batch.changes.segments = vec![segment(5, 0, 9, 1), segment(9, 0, 1, 1), segment(5, 0, 4, 2)];
    bench.commit(OURS, batch);
    assert_eq!(bench.peers(OURS, 10), [peer(2, 1), peer(5, 2), peer(9, 1)]);
    assert_eq!(bench.log(OURS, node(5)), [segment(5, 0, 4, 2)]);
}

/// The observer's record is read as it was last stored, at once and after reopening.
pub(super) fn the_observer_comes_back<H: Harness>(harness: &H) {
    let behind = ObserverRecord { clock_ahead_ns: i64::MIN, ..ObserverRecord::default() };
    let mut records = vec![observer(1), ObserverRecord::default(), largest_observer(), observer(2)];
    for cause in GapCause::ALL {
        records.push(ObserverRecord { ongoing_gap: Some((cause, 0)), ..behind });
    }
    let mut bench = Bench::new(harness);
    for record in records {
        bench.commit(OURS, observer_batch(record));
        assert_eq!(bench.observer(OURS), Some(record));
        bench = bench.reopen();
        assert_eq!(bench.observer(OURS), Some(record));
        assert_eq!(bench.observers(), [OURS]);
    }
}

/// Who has stored peers alone is not listed yet, and has them; whoever has stored nothing but its own
/// record is listed.
pub(super) fn an_observer_is_listed_with_its_record<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    bench.commit(OURS, peers_batch([peer(1, 1)]));
    bench.commit(THEIRS, observer_batch(observer(1)));
    let bench = bench.reopen();
    assert_eq!(bench.observers(), [THEIRS]);
    assert_eq!((bench.observer(OURS), bench.peers(OURS, 10)), (None, vec![peer(1, 1)]));
    assert_eq!((bench.observer(THEIRS), bench.peers(THEIRS, 10)), (Some(observer(1)), vec![]));
    bench.commit(OURS, observer_batch(observer(2)));
    assert_eq!(bench.reopen().observers(), [OURS, THEIRS]);
}

/// Observers are listed once each, ascending by their bytes.
pub(super) fn observers_are_listed_in_order<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    let ids = [NodeId([0xff; 33]), node(300), NodeId([0; 33]), node(2), NodeId([0x80; 33])];
    for version in 0..2 {
        for id in ids {
            bench.commit(id, observer_batch(observer(version)));
        }
    }
    let mut ascending = ids;
    ascending.sort_unstable();
    assert_eq!(bench.observers(), ascending);
    assert_eq!(bench.reopen().observers(), ascending);
}

/// A record that breaks the model's rules, and could never be read back, is refused by a
/// permanent error.
pub(super) fn an_unreadable_record_is_refused<H: Harness>(harness: &H) {
    let impossible = Totals { online_ns: 2, observed_ns: 1 };
    let mut bad_channel = peer(2, 1);
    bad_channel.channels[0].opened_totals = impossible;
    let mut bad_account = peer(2, 1);
    let since_ns = bad_account.channels[0].opened_at_ns;
    bad_account.channels[0].usable_ledger = Ledger::from_parts(Presence::Online, since_ns, impossible);
    let mut early_account = peer(2, 1);
    early_account.channels[0].usable_ledger = Ledger::starting(since_ns - 1);
    let mut bad_taken_over = peer(5, 1);
    if let Some(imported) = &mut bad_taken_over.imported {
        imported.totals = impossible;
    }
    let mut unordered = segment(1, 0, 3, 1);
    unordered.entries.reverse();
    let batches = [
        peers_batch([PeerRecord { totals: impossible, ..peer(1, 1) }]),
        peers_batch([bad_channel]),
        peers_batch([bad_account]),
        peers_batch([early_account]),
        peers_batch([bad_taken_over]),
        segments_batch([unordered]),
        segments_batch([segment(1, 0, 65, 1)]),
        gaps_batch([gap(3, 1), GapRecord { from_ns: 2, to_ns: 1, ..gap(4, 1) }]),
    ];
    let bench = Bench::new(harness);
    for batch in batches {
        let error = bench.refused(OURS, batch);
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
        assert!(!error.is_transient());
    }
    assert_eq!(bench.sight(OURS, [node(1), node(2), node(5)]), Sight::default());
}

/// What was committed is there although the store was dropped, not closed.
pub(super) fn dropping_a_store_loses_nothing<H: Harness>(harness: &H) {
    for version in 1..4 {
        let bench = Bench::new(harness);
        let mut batch = peers_batch([peer(version, version)]);
        batch.changes.segments = vec![segment(version, 0, version, 1)];
        batch.observer = Some(observer(u64::from(version)));
        bench.commit(OURS, batch);
        drop(bench.store);

        let bench = Bench::new(harness);
        assert_eq!(bench.peer(OURS, node(version)), Some(peer(version, version)));
        assert_eq!(bench.log(OURS, node(version)), [segment(version, 0, version, 1)]);
        assert_eq!(bench.observer(OURS), Some(observer(u64::from(version))));
        assert_eq!(bench.peers(OURS, 100).len(), version as usize);
        harness.close(bench.store);
    }
}

/// A store can be held, shared and used without its type.
pub(super) fn a_store_works_as_a_trait_object<H: Harness>(harness: &H) {
    let store: Arc<dyn Store> = Arc::new(harness.open());
    let shared = Arc::clone(&store);
    let batch = Batch { observer: Some(observer(1)), ..peers_batch([peer(1, 1)]) };
    // What a runtime with several threads asks of the futures it is given.
    fn sendable<F: Future + Send>(future: F) -> F {
        future
    }
    harness.block_on(sendable(async {
        shared.commit(&OURS, Arc::new(batch)).await.expect("a commit failed");
        assert_eq!(store.peers(&OURS, None, 10).await.expect("no page"), [peer(1, 1)]);
        assert_eq!(store.observer(&THEIRS).await.expect("no answer"), None);
    }));
}
