//! Stores that keep no more of a record than format 1 had, or do not look at it.

use std::sync::Arc;

use fitness_core::{Ledger, NodeId, ObserverRecord};
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_fails};

/// What a node said of a channel is not stored.
#[derive(Default)]
struct LosesReadiness;
impl Fault for LosesReadiness {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for channel in batch.changes.peers.iter_mut().flat_map(|peer| &mut peer.channels) {
            channel.reported_usable = None;
        }
        batch
    }
}

#[test]
fn lost_readiness_is_noticed() {
    assert_fails::<LosesReadiness>(&["every_account_of_a_channel_comes_back", "a_peer_comes_back"]);
}

/// A peer is stored as if all of it were ours.
#[derive(Default)]
struct LosesWhatWasTakenOver;
impl Fault for LosesWhatWasTakenOver {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for peer in &mut batch.changes.peers {
            peer.imported = None;
        }
        batch
    }
}

#[test]
fn what_was_taken_over_and_lost_is_noticed() {
    assert_fails::<LosesWhatWasTakenOver>(&[
        "a_peer_comes_back",
        "extreme_values_come_back",
        "an_unreadable_record_is_refused",
    ]);
}

/// A channel is stored without its account of usable time.
#[derive(Default)]
struct LosesAccounts;
impl Fault for LosesAccounts {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for channel in batch.changes.peers.iter_mut().flat_map(|peer| &mut peer.channels) {
            channel.usable_ledger = Ledger::starting(channel.opened_at_ns);
        }
        batch
    }
}

#[test]
fn lost_accounts_are_noticed() {
    assert_fails::<LosesAccounts>(&[
        "every_account_of_a_channel_comes_back",
        "extreme_values_come_back",
        "an_unreadable_record_is_refused",
    ]);
}

/// Of an observer the present process alone is stored.
#[derive(Default)]
struct LosesThePast;
impl Fault for LosesThePast {
    fn batch(&self, batch: &Batch) -> Batch {
        let observer = batch.observer.map(|record| ObserverRecord {
            started_at_ns: record.started_at_ns,
            last_heartbeat_ns: record.last_heartbeat_ns,
            ..ObserverRecord::default()
        });
        Batch { observer, ..batch.clone() }
    }
}

#[test]
fn a_lost_past_is_noticed() {
    assert_fails::<LosesThePast>(&["the_observer_comes_back", "a_batch_lands_as_a_whole"]);
}

/// What could not be read back is dropped from the batch, and the rest is stored.
#[derive(Default)]
struct DropsTheUnreadable;
#[async_trait::async_trait]
impl Fault for DropsTheUnreadable {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let sound = |batch: Batch| codec::validate_batch(observer, &batch).is_ok();
        batch.changes.gaps.retain(|gap| {
            let mut alone = Batch::default();
            alone.changes.gaps = vec![*gap];
            sound(alone)
        });
        batch.replacements.retain(|replacement| {
            sound(Batch { replacements: vec![replacement.clone()], ..Batch::default() })
        });
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn faults_that_are_passed_over_are_noticed() {
    assert_fails::<DropsTheUnreadable>(&[
        "a_refused_batch_leaves_no_trace",
        "a_replacement_that_is_none_is_refused",
        "an_unreadable_record_is_refused",
    ]);
}
