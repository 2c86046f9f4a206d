//! Stores that drop fields of a record, or do not validate records.

use std::sync::Arc;

use fitness_core::{Ledger, NodeId, ObserverRecord};
use fitness_store::{Batch, MemoryStore, Store, StoreError, codec};

use super::{Fault, assert_fails};

/// Does not store the reported usability of channels.
#[derive(Default)]
struct LosesReportedUsability;
impl Fault for LosesReportedUsability {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for channel in batch.changes.peers.iter_mut().flat_map(|peer| &mut peer.channels) {
            channel.reported_usable = None;
        }
        batch
    }
}

#[test]
fn lost_reported_usability_is_detected() {
    assert_fails::<LosesReportedUsability>(&[
        "channel_readiness_and_usability_round_trip",
        "peer_round_trips",
    ]);
}

/// Does not store imported values.
#[derive(Default)]
struct LosesImportedValues;
impl Fault for LosesImportedValues {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for peer in &mut batch.changes.peers {
            peer.imported = None;
        }
        batch
    }
}

#[test]
fn lost_imported_values_are_detected() {
    assert_fails::<LosesImportedValues>(&[
        "peer_round_trips",
        "extreme_peer_values_round_trip",
        "invalid_record_is_rejected",
    ]);
}

/// Does not store the usability ledger of channels.
#[derive(Default)]
struct LosesUsableLedger;
impl Fault for LosesUsableLedger {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        for channel in batch.changes.peers.iter_mut().flat_map(|peer| &mut peer.channels) {
            channel.usable_ledger = Ledger::starting(channel.opened_at_ns);
        }
        batch
    }
}

#[test]
fn lost_usable_ledger_is_detected() {
    assert_fails::<LosesUsableLedger>(&[
        "channel_readiness_and_usability_round_trip",
        "extreme_peer_values_round_trip",
        "invalid_record_is_rejected",
    ]);
}

/// Stores only the current process of an observer.
#[derive(Default)]
struct LosesEarlierProcesses;
impl Fault for LosesEarlierProcesses {
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
fn lost_observer_fields_are_detected() {
    assert_fails::<LosesEarlierProcesses>(&["observer_record_round_trips", "batch_is_stored_completely"]);
}

/// Drops invalid records from a batch and stores the rest.
#[derive(Default)]
struct DropsInvalidRecords;
#[async_trait::async_trait]
impl Fault for DropsInvalidRecords {
    async fn commit(
        &self,
        store: &MemoryStore,
        observer: &NodeId,
        mut batch: Batch,
    ) -> Result<(), StoreError> {
        let is_valid = |batch: Batch| codec::validate_batch(observer, &batch).is_ok();
        batch.changes.gaps.retain(|gap| {
            let mut single = Batch::default();
            single.changes.gaps = vec![*gap];
            is_valid(single)
        });
        batch.replacements.retain(|replacement| {
            is_valid(Batch { replacements: vec![replacement.clone()], ..Batch::default() })
        });
        store.commit(observer, Arc::new(batch)).await
    }
}

#[test]
fn dropped_invalid_records_are_detected() {
    assert_fails::<DropsInvalidRecords>(&[
        "rejected_batch_changes_nothing",
        "invalid_replacement_is_rejected",
        "invalid_record_is_rejected",
    ]);
}
