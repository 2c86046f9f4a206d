//! The same rows in a redb file of their own, without us.

use ::redb::{AccessGuard, Database, ReadableDatabase, StorageError, TableDefinition};
use fitness_core::NodeId;
use tempfile::TempDir;

use crate::kind::{Bare, BarePlace};
use crate::sample::{OBSERVER, Rows};

/// Observer and peer, observer and peer and index: the keys that the store has.
type PeerKey = [u8; 66];
type SegmentKey = [u8; 70];

const PEERS: TableDefinition<'_, &PeerKey, &[u8]> = TableDefinition::new("peers");
const SEGMENTS: TableDefinition<'_, &SegmentKey, &[u8]> = TableDefinition::new("segments");
const OBSERVERS: TableDefinition<'_, &[u8; 33], &[u8]> = TableDefinition::new("observers");

pub(crate) struct BareFile(TempDir);

impl BareFile {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

impl BarePlace for BareFile {
    fn open(&self) -> Box<dyn Bare> {
        Box::new(Database::create(self.0.path().join("bare.redb")).expect("nobody has it open"))
    }
}

impl Bare for Database {
    fn commit(&self, rows: &Rows) {
        let mut transaction = self.begin_write().expect("a transaction");
        // As durable as ours.
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
        transaction.commit().expect("a commit");
    }

    fn load(&self) -> usize {
        let transaction = self.begin_read().expect("a transaction");
        let observers = transaction.open_table(OBSERVERS).expect("it was filled");
        let observer = observers.get(&OBSERVER.0).expect("it reads").expect("it was stored").value().to_vec();
        let peers = transaction.open_table(PEERS).expect("it was filled");
        let (first, last) = (peer_key(&NodeId([0; 33])), peer_key(&NodeId([u8::MAX; 33])));
        let rows = peers.range::<&PeerKey>(&first..=&last).expect("it reads");
        let rows: Vec<(PeerKey, Vec<u8>)> = rows
            .map(|row| row.map(|(key, value)| (*key.value(), value.value().to_vec())).expect("it reads"))
            .collect();
        assert!(!observer.is_empty());
        rows.len()
    }

    fn one(&self, peer: &NodeId) -> Rows {
        let transaction = self.begin_read().expect("a transaction");
        let observers = transaction.open_table(OBSERVERS).expect("it was filled");
        let observer = observers.get(&OBSERVER.0).expect("it reads").expect("it was stored").value().to_vec();
        let peers = transaction.open_table(PEERS).expect("it was filled");
        let record = peers.get(&peer_key(peer)).expect("it reads").expect("it was stored").value().to_vec();
        let segments = transaction.open_table(SEGMENTS).expect("it was filled");
        let (first, last) = (segment_key(peer, 0), segment_key(peer, u32::MAX));
        let rows = segments.range::<&SegmentKey>(&first..=&last).expect("it reads");
        let segment = |row: Result<(AccessGuard<'_, &SegmentKey>, AccessGuard<'_, &[u8]>), StorageError>| {
            let (key, value) = row.expect("it reads");
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
