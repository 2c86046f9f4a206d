//! redb alone, with the same rows in the same tables.

use ::redb::{AccessGuard, Database, ReadableDatabase, StorageError, TableDefinition};
use fitness_core::NodeId;
use tempfile::TempDir;

use crate::backend::{RawDatabase, RawLocation};
use crate::sample::{OBSERVER, Rows};

/// The keys of the store: observer and peer; observer, peer and index.
type PeerKey = [u8; 66];
type SegmentKey = [u8; 70];

const PEERS: TableDefinition<'_, &PeerKey, &[u8]> = TableDefinition::new("peers");
const SEGMENTS: TableDefinition<'_, &SegmentKey, &[u8]> = TableDefinition::new("segments");
const OBSERVERS: TableDefinition<'_, &[u8; 33], &[u8]> = TableDefinition::new("observers");

pub(crate) struct RawFile(TempDir);

impl RawFile {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }
}

impl RawLocation for RawFile {
    fn open(&self) -> Box<dyn RawDatabase> {
        Box::new(Database::create(self.0.path().join("raw.redb")).expect("no other process has it open"))
    }
}

impl RawDatabase for Database {
    fn commit(&self, rows: &Rows) {
        let mut transaction = self.begin_write().expect("a transaction");
        // As durable as the store.
        transaction.set_two_phase_commit(true);
        {
            let mut peers = transaction.open_table(PEERS).expect("a table");
            for (node_id, value) in &rows.peers {
                peers.insert(&peer_key(node_id), &**value).expect("an insert");
            }
            let mut segments = transaction.open_table(SEGMENTS).expect("a table");
            for (node_id, index, value) in &rows.segments {
                segments.insert(&segment_key(node_id, *index), &**value).expect("an insert");
            }
            let mut observers = transaction.open_table(OBSERVERS).expect("a table");
            observers.insert(&OBSERVER.0, &*rows.observer).expect("an insert");
        }
        transaction.commit().expect("a successful commit");
    }

    fn load(&self) -> usize {
        let transaction = self.begin_read().expect("a transaction");
        let observers = transaction.open_table(OBSERVERS).expect("an existing table");
        let observer =
            observers.get(&OBSERVER.0).expect("a successful read").expect("a stored record").value().to_vec();
        let peers = transaction.open_table(PEERS).expect("an existing table");
        let (first, last) = (peer_key(&NodeId([0; 33])), peer_key(&NodeId([u8::MAX; 33])));
        let rows = peers.range::<&PeerKey>(&first..=&last).expect("a successful read");
        let rows: Vec<(PeerKey, Vec<u8>)> = rows
            .map(|row| {
                row.map(|(key, value)| (*key.value(), value.value().to_vec())).expect("a successful read")
            })
            .collect();
        assert!(!observer.is_empty());
        rows.len()
    }

    fn read_peer(&self, peer: &NodeId) -> Rows {
        let transaction = self.begin_read().expect("a transaction");
        let observers = transaction.open_table(OBSERVERS).expect("an existing table");
        let observer =
            observers.get(&OBSERVER.0).expect("a successful read").expect("a stored record").value().to_vec();
        let peers = transaction.open_table(PEERS).expect("an existing table");
        let record =
            peers.get(&peer_key(peer)).expect("a successful read").expect("a stored record").value().to_vec();
        let segments = transaction.open_table(SEGMENTS).expect("an existing table");
        let (first, last) = (segment_key(peer, 0), segment_key(peer, u32::MAX));
        let rows = segments.range::<&SegmentKey>(&first..=&last).expect("a successful read");
        let segment = |row: Result<(AccessGuard<'_, &SegmentKey>, AccessGuard<'_, &[u8]>), StorageError>| {
            let (key, value) = row.expect("a successful read");
            let [.., a, b, c, d] = *key.value();
            (*peer, u32::from_be_bytes([a, b, c, d]), value.value().to_vec())
        };
        Rows { observer, peers: vec![(*peer, record)], segments: rows.map(segment).collect() }
    }
}

fn peer_key(node_id: &NodeId) -> PeerKey {
    let mut key = [0; 66];
    key[..33].copy_from_slice(&OBSERVER.0);
    key[33..].copy_from_slice(&node_id.0);
    key
}

fn segment_key(node_id: &NodeId, index: u32) -> SegmentKey {
    let mut key = [0; 70];
    key[..66].copy_from_slice(&peer_key(node_id));
    key[66..].copy_from_slice(&index.to_be_bytes());
    key
}
