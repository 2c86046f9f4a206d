//! A store in a single file: the backend of the tutorial docs/writing-a-backend.md.
//!
//! This command lists the records stored in a directory:
//!
//! ```text
//! cargo run -p fitness-store --example single_file_store -- <directory>
//! ```
//!
//! The store is complete and passes the conformance suite (tests/single_file_store.rs). It suits a wallet with
//! a few dozen peers: each commit rewrites the whole file and blocks the polling thread until the file is
//! on disk.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::{Bound, Range, RangeBounds};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::codec::{self, RecordError, RecordKey};
use fitness_store::{Batch, Claim, LocalClaims, LogReplacement, Store, StoreError};

// --- fitness: begin 1
/// The key of a record. Keys are ordered as the port returns records: by observer, node id and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: u8,
    observer: NodeId,
    /// The peer, or the observer again if the record does not belong to a peer.
    node_id: NodeId,
    /// The index of a segment or the number of a gap; otherwise 0.
    number: u32,
}

const OBSERVER: u8 = b'O';
const PEER: u8 = b'P';
const SEGMENT: u8 = b'S';
const GAP: u8 = b'G';

const MIN_ID: NodeId = NodeId([0; 33]);
const MAX_ID: NodeId = NodeId([0xff; 33]);

const fn key(kind: u8, observer: &NodeId, node_id: &NodeId, number: u32) -> Key {
    Key { kind, observer: *observer, node_id: *node_id, number }
}

/// All stored records, each encoded by the codec.
type Table = BTreeMap<Key, Vec<u8>>;
// --- fitness: end

// --- fitness: begin 2
/// Applies a batch in the order that [`Batch`] documents.
fn apply(batch: &Batch, observer: &NodeId, table: &mut Table) -> Result<(), StoreError> {
    let peer_key = |node_id| key(PEER, observer, node_id, 0);
    let segment_key = |node_id, index| key(SEGMENT, observer, node_id, index);
    let gap_key = |number| key(GAP, observer, observer, number);
    for node_id in &batch.changes.forgotten_peers {
        table.remove(&peer_key(node_id));
        delete(table, segment_key(node_id, 0)..segment_key(node_id, u32::MAX));
    }
    for peer in &batch.changes.peers {
        write(table, peer_key(&peer.node_id), |out| codec::encode_peer(peer, out))?;
    }
    for LogReplacement { node_id, below_index, segments } in &batch.replacements {
        // Skip a peer that was forgotten after its log was read.
        if table.contains_key(&peer_key(node_id)) {
            delete(table, segment_key(node_id, 0)..segment_key(node_id, *below_index));
            write_segments(table, observer, segments)?;
        }
    }
    write_segments(table, observer, &batch.changes.segments)?;
    for gap in &batch.changes.gaps {
        write(table, gap_key(gap.number), |out| codec::encode_gap(gap, out))?;
    }
    if let Some(before) = batch.prune_gaps_before {
        delete(table, gap_key(0)..gap_key(before));
    }
    if let Some(record) = &batch.observer {
        let key = key(OBSERVER, observer, observer, 0);
        write(table, key, |out| codec::encode_observer(observer, record, out))?;
    }
    Ok(())
}

fn write_segments(table: &mut Table, observer: &NodeId, segments: &[LogSegment]) -> Result<(), StoreError> {
    for segment in segments {
        let key = key(SEGMENT, observer, &segment.node_id, segment.index());
        write(table, key, |out| codec::encode_segment(segment, out))?;
    }
    Ok(())
}

fn write(
    table: &mut Table,
    key: Key,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut value = Vec::new();
    encode(&mut value)?;
    table.insert(key, value);
    Ok(())
}

fn delete(table: &mut Table, range: Range<Key>) {
    let keys: Vec<Key> = table.range(range).map(|(key, _)| *key).collect();
    keys.iter().for_each(|key| drop(table.remove(key)));
}
// --- fitness: end

// --- fitness: begin 3
/// The first bytes of the file: the name of the format and its version.
const MAGIC: [u8; 8] = *b"fitness\x01";

/// Encodes a table as a file: [`MAGIC`], the records, and a checksum of both.
fn to_bytes(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::from(MAGIC);
    for (key, value) in table {
        bytes.push(key.kind);
        bytes.extend_from_slice(&key.observer.0);
        bytes.extend_from_slice(&key.node_id.0);
        bytes.extend_from_slice(&key.number.to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Decodes a file.
fn from_bytes(bytes: &[u8], location: &str) -> Result<Table, StoreError> {
    let (item, location) = ("the file".to_owned(), location.to_owned());
    let corrupt = |reason: &str| {
        Err(StoreError::Corrupt { item: item.clone(), location: location.clone(), source: reason.into() })
    };
    // Check the checksum first, in this and every future format: a damaged file is then never mistaken for
    // a later format.
    let Some((checked, checksum)) = bytes.split_last_chunk() else { return corrupt("it is too short") };
    if crc32fast::hash(checked).to_le_bytes() != *checksum {
        return corrupt("checksum mismatch");
    }
    match checked.split_first_chunk() {
        Some((&MAGIC, records)) => {
            decode_records(records).map_or_else(|| corrupt("it ends in the middle of a record"), Ok)
        }
        Some((&[name @ .., found], _)) if name == MAGIC[..7] => {
            let (found, supported) = (u32::from(found), u32::from(MAGIC[7]));
            Err(StoreError::NewerFormat { item, location, found, supported })
        }
        _ => corrupt("it is not a fitness file"),
    }
}

fn decode_records(mut bytes: &[u8]) -> Option<Table> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*first)
    }
    let mut table = Table::new();
    while !bytes.is_empty() {
        let [kind] = take(&mut bytes)?;
        let (observer, node_id) = (NodeId(take(&mut bytes)?), NodeId(take(&mut bytes)?));
        let number = u32::from_le_bytes(take(&mut bytes)?);
        let length = usize::try_from(u64::from_le_bytes(take(&mut bytes)?)).ok()?;
        let (value, rest) = bytes.split_at_checked(length)?;
        table.insert(Key { kind, observer, node_id, number }, value.to_vec());
        bytes = rest;
    }
    Some(table)
}
// --- fitness: end

// --- fitness: begin 4
/// A store in a single file in a directory. Clones share the same store.
#[derive(Clone)]
pub struct SingleFileStore {
    directory: Arc<Directory>,
    table: Arc<Mutex<Table>>,
    claims: LocalClaims,
}

struct Directory {
    path: PathBuf,
    /// The path as error messages show it.
    location: String,
    /// Keeps other processes out while the store is open.
    _lock: File,
}

impl SingleFileStore {
    /// Opens the store in the directory `path`, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while another process has opened it, [`StoreError::Corrupt`] and
    /// [`StoreError::NewerFormat`] if the file cannot be decoded, and [`StoreError::OpenFailed`] if the
    /// operating system denies access. The stored data is not changed.
    // The library supports Rust 1.85, which has no file locks. Examples may need a later version.
    #[allow(clippy::incompatible_msrv)]
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let location = path.display().to_string();
        let open_failed = |source: io::Error| StoreError::OpenFailed {
            location: location.clone(),
            reason: format!("{source}; check that this process may write to the directory"),
            source: Some(source.into()),
        };
        fs::create_dir_all(&path).map_err(open_failed)?;
        let lock = File::create(path.join("lock")).map_err(open_failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { location }),
            Err(TryLockError::Error(source)) => return Err(open_failed(source)),
        }
        let table = match fs::read(path.join("data")) {
            Ok(bytes) => from_bytes(&bytes, &location)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Table::new(),
            Err(error) => return Err(open_failed(error)),
        };
        let directory = Arc::new(Directory { path, location, _lock: lock });
        Ok(Self { directory, table: Arc::new(Mutex::new(table)), claims: LocalClaims::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Replaces the file atomically: after a crash the directory has the old file or the new one.
    fn save(&self, table: &Table) -> io::Result<()> {
        let new = self.path.join("new");
        let mut file = File::create(&new)?;
        file.write_all(&to_bytes(table))?;
        file.sync_all()?;
        fs::rename(&new, self.path.join("data"))?;
        // Without this, a power loss after a successful commit could bring the old file back.
        if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }
}
// --- fitness: end

// --- fitness: begin 5
impl SingleFileStore {
    /// Reads and decodes up to `limit` records of a range of keys, in order.
    fn read<T>(
        &self,
        range: impl RangeBounds<Key>,
        limit: usize,
        decode: impl Fn(&Key, &[u8]) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, StoreError> {
        let table = self.table();
        let records = table.range(range).take(limit);
        records
            .map(|(key, value)| decode(key, value).map_err(|error| self.decode_error(error, key)))
            .collect()
    }

    /// Adds the record and the location to a decoding error.
    fn decode_error(&self, error: RecordError, key: &Key) -> StoreError {
        let record = match key.kind {
            PEER => RecordKey::Peer(&key.node_id),
            SEGMENT => RecordKey::Segment(&key.node_id, key.number),
            GAP => RecordKey::Gap(key.number),
            _ => RecordKey::Observer(&key.observer),
        };
        error.into_store_error(record, &self.directory.location)
    }
}

#[async_trait::async_trait]
impl Store for SingleFileStore {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        let all = key(OBSERVER, &MIN_ID, &MIN_ID, 0)..=key(OBSERVER, &MAX_ID, &MAX_ID, 0);
        self.read(all, usize::MAX, |key, _| Ok(key.observer))
    }

    async fn observer(&self, observer: &NodeId) -> Result<Option<ObserverRecord>, StoreError> {
        let key = key(OBSERVER, observer, observer, 0);
        let mut found = self.read(key..=key, 1, |_, value| codec::decode_observer(observer, value))?;
        Ok(found.pop())
    }

    async fn peers(
        &self,
        observer: &NodeId,
        after: Option<&NodeId>,
        limit: usize,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let end = Bound::Excluded(key(PEER, observer, &MAX_ID, 1));
        let start = match after {
            None => Bound::Included(key(PEER, observer, &MIN_ID, 0)),
            Some(after) => Bound::Excluded(key(PEER, observer, after, 0)),
        };
        self.read((start, end), limit, |key, value| codec::decode_peer(&key.node_id, value))
    }

    async fn peer(&self, observer: &NodeId, node_id: &NodeId) -> Result<Option<PeerRecord>, StoreError> {
        let key = key(PEER, observer, node_id, 0);
        let mut found = self.read(key..=key, 1, |_, value| codec::decode_peer(node_id, value))?;
        Ok(found.pop())
    }

    async fn segments(
        &self,
        observer: &NodeId,
        node_id: &NodeId,
        from: u32,
        limit: usize,
    ) -> Result<Vec<LogSegment>, StoreError> {
        let segment_key = |index| key(SEGMENT, observer, node_id, index);
        let decode = |key: &Key, value: &[u8]| codec::decode_segment(node_id, key.number, value);
        self.read(segment_key(from)..=segment_key(u32::MAX), limit, decode)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let gap_key = |number| key(GAP, observer, observer, number);
        self.read(gap_key(from)..=gap_key(u32::MAX), limit, |key, value| codec::decode_gap(key.number, value))
    }
    // --- fitness: end

    // --- fitness: begin 6
    /// No other process can open the store, so claims within this process are sufficient.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.claims.acquire(observer, &self.directory.location)
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        // The commit never waits, so it completes in its first poll: no commit can overtake another, and none
        // can be dropped halfway.
        let mut table = self.table();
        let mut next = table.clone();
        apply(&batch, observer, &mut next)?;
        self.directory.save(&next).map_err(|source| StoreError::Backend {
            operation: "commit a batch",
            location: self.directory.location.clone(),
            source: source.into(),
        })?;
        *table = next;
        Ok(())
    }
    // --- fitness: end
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: single_file_store <directory>")?;
    let store = SingleFileStore::open(directory)?;
    for (key, value) in &*store.table() {
        let (kind, bytes) = (char::from(key.kind), value.len());
        println!("{} {kind} {} {}: {bytes} bytes", key.observer, key.node_id, key.number);
    }
    Ok(())
}
