//! A store in one file: the backend that docs/BACKENDS.md walks through.
//!
//! ```text
//! cargo run -p fitness-store --example one_file -- <directory>
//! ```
//!
//! lists what is stored there. The store is whole, passes the conformance suite (tests/one_file.rs) and
//! does for a wallet with some dozen peers: each commit writes the file anew, and keeps the thread
//! that polls it until the disk has it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::{Bound, Range, RangeBounds};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::codec::{self, RecordError, RecordKey};
use fitness_store::{Batch, Claim, LocalClaims, Store, StoreError};

// --- fitness: begin 1
/// The name of a record. Names ascend as the port wants its answers: by observer, node and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: u8,
    observer: NodeId,
    /// The observer itself, where the record is about no peer.
    node_id: NodeId,
    /// Which segment or which gap, and otherwise 0.
    number: u32,
}

const OBSERVER: u8 = b'O';
const PEER: u8 = b'P';
const SEGMENT: u8 = b'S';
const GAP: u8 = b'G';

const FIRST: NodeId = NodeId([0; 33]);
const LAST: NodeId = NodeId([0xff; 33]);

const fn key(kind: u8, observer: &NodeId, node_id: &NodeId, number: u32) -> Key {
    Key { kind, observer: *observer, node_id: *node_id, number }
}

/// All that is stored: each record as the bytes that the codec makes of it.
type Table = BTreeMap<Key, Vec<u8>>;
// --- fitness: end

// --- fitness: begin 2
/// Does what a batch says, in the order in which [`Batch`] says it.
fn apply(batch: &Batch, observer: &NodeId, table: &mut Table) -> Result<(), StoreError> {
    let own = |kind, number| key(kind, observer, observer, number);
    let of = |kind, node_id, number| key(kind, observer, node_id, number);
    for node_id in &batch.changes.forgotten_peers {
        table.remove(&of(PEER, node_id, 0));
        delete(table, of(SEGMENT, node_id, 0)..of(SEGMENT, node_id, u32::MAX));
    }
    for peer in &batch.changes.peers {
        write(table, of(PEER, &peer.node_id, 0), |out| codec::encode_peer(peer, out))?;
    }
    for part in &batch.replacements {
        // A peer that was forgotten since its log was read is passed over.
        if table.contains_key(&of(PEER, &part.node_id, 0)) {
            delete(table, of(SEGMENT, &part.node_id, 0)..of(SEGMENT, &part.node_id, part.below_index));
            write_segments(table, observer, &part.segments)?;
        }
    }
    write_segments(table, observer, &batch.changes.segments)?;
    for gap in &batch.changes.gaps {
        write(table, own(GAP, gap.number), |out| codec::encode_gap(gap, out))?;
    }
    if let Some(before) = batch.prune_gaps_before {
        delete(table, own(GAP, 0)..own(GAP, before));
    }
    if let Some(record) = &batch.observer {
        write(table, own(OBSERVER, 0), |out| codec::encode_observer(observer, record, out))?;
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
    let gone: Vec<Key> = table.range(range).map(|(key, _)| *key).collect();
    gone.iter().for_each(|key| drop(table.remove(key)));
}
// --- fitness: end

// --- fitness: begin 3
/// What the file begins with: whose it is, and its format's number.
const MAGIC: [u8; 8] = *b"fitness\x01";

/// The file of a table: [`MAGIC`], the rows, and a checksum of all that.
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

fn from_bytes(bytes: &[u8], location: &str) -> Result<Table, StoreError> {
    let (what, location) = ("the file".to_owned(), location.to_owned());
    let damaged = |why: &str| {
        Err(StoreError::Corrupt { item: what.clone(), location: location.clone(), source: why.into() })
    };
    // First, and in every format to come: so damage is never taken for a later format.
    let Some((checked, checksum)) = bytes.split_last_chunk() else { return damaged("it is cut off") };
    if crc32fast::hash(checked).to_le_bytes() != *checksum {
        return damaged("its checksum is wrong");
    }
    match checked.split_first_chunk() {
        Some((&MAGIC, rows)) => from_rows(rows).map_or_else(|| damaged("it ends within a row"), Ok),
        Some((&[name @ .., found], _)) if name == MAGIC[..7] => {
            let (found, supported) = (u32::from(found), u32::from(MAGIC[7]));
            Err(StoreError::NewerFormat { item: what, location, found, supported })
        }
        _ => damaged("it belongs to another program"),
    }
}

fn from_rows(mut bytes: &[u8]) -> Option<Table> {
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
/// A store in one file of a directory. Clones are the same store.
#[derive(Clone)]
pub struct OneFile {
    place: Arc<Place>,
    table: Arc<Mutex<Table>>,
    claims: LocalClaims,
}

struct Place {
    directory: PathBuf,
    /// The same, as errors have it.
    location: String,
    /// Held as long as the store is open.
    _lock: File,
}

impl OneFile {
    /// Opens what is in `directory`, or begins it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] while another process has it, [`StoreError::Corrupt`] and
    /// [`StoreError::NewerFormat`] where it cannot be read, and [`StoreError::OpenFailed`] where the system
    /// does not let us. What is stored is as it was.
    // The library builds with Rust 1.85, which cannot lock files yet. An example may ask for more.
    #[allow(clippy::incompatible_msrv)]
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        let location = directory.display().to_string();
        let failed = |source: io::Error| StoreError::OpenFailed {
            location: location.clone(),
            reason: format!("{source}; see that we may write to that directory"),
            source: Some(source.into()),
        };
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = File::create(directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { location }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let table = match fs::read(directory.join("data")) {
            Ok(bytes) => from_bytes(&bytes, &location)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Table::new(),
            Err(error) => return Err(failed(error)),
        };
        let place = Arc::new(Place { directory, location, _lock: lock });
        Ok(Self { place, table: Arc::new(Mutex::new(table)), claims: LocalClaims::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Puts a new file in the place of the old one: after a crash there is one or the other.
    fn save(&self, table: &Table) -> io::Result<()> {
        let new = self.directory.join("new");
        let mut file = File::create(&new)?;
        file.write_all(&to_bytes(table))?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join("data"))?;
        // Without this a power loss may bring the old file back after we said that the new one is stored.
        if cfg!(unix) { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }
}
// --- fitness: end

// --- fitness: begin 5
impl OneFile {
    /// Reads a stretch of the table, in order.
    fn read<T>(
        &self,
        range: impl RangeBounds<Key>,
        limit: usize,
        decode: impl Fn(&Key, &[u8]) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, StoreError> {
        let table = self.table();
        let rows = table.range(range).take(limit);
        rows.map(|(key, value)| decode(key, value).map_err(|error| self.damaged(error, key))).collect()
    }

    /// What cannot be read is named.
    fn damaged(&self, error: RecordError, key: &Key) -> StoreError {
        let record = match key.kind {
            PEER => RecordKey::Peer(&key.node_id),
            SEGMENT => RecordKey::Segment(&key.node_id, key.number),
            GAP => RecordKey::Gap(key.number),
            _ => RecordKey::Observer(&key.observer),
        };
        error.into_store_error(record, &self.place.location)
    }
}

#[async_trait::async_trait]
impl Store for OneFile {
    async fn observers(&self) -> Result<Vec<NodeId>, StoreError> {
        let all = key(OBSERVER, &FIRST, &FIRST, 0)..=key(OBSERVER, &LAST, &LAST, 0);
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
        let end = Bound::Excluded(key(PEER, observer, &LAST, 1));
        let start = match after {
            None => Bound::Included(key(PEER, observer, &FIRST, 0)),
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
        let of = |index| key(SEGMENT, observer, node_id, index);
        let decode = |key: &Key, value: &[u8]| codec::decode_segment(node_id, key.number, value);
        self.read(of(from)..=of(u32::MAX), limit, decode)
    }

    async fn gaps(&self, observer: &NodeId, from: u32, limit: usize) -> Result<Vec<GapRecord>, StoreError> {
        let of = |number| key(GAP, observer, observer, number);
        self.read(of(from)..=of(u32::MAX), limit, |key, value| codec::decode_gap(key.number, value))
    }
    // --- fitness: end

    // --- fitness: begin 6
    /// No other process can open the file, so it is enough to keep apart who claims in this one.
    async fn claim(&self, observer: &NodeId) -> Result<Claim, StoreError> {
        self.claims.acquire(observer, &self.place.location)
    }

    async fn commit(&self, observer: &NodeId, batch: Arc<Batch>) -> Result<(), StoreError> {
        codec::validate_batch(observer, &batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        // There is nothing to wait for, so a commit is over with its first poll: none can overtake
        // another, and none can be given up halfway.
        let mut table = self.table();
        let mut next = table.clone();
        apply(&batch, observer, &mut next)?;
        self.place.save(&next).map_err(|source| StoreError::Backend {
            operation: "commit a batch",
            location: self.place.location.clone(),
            source: source.into(),
        })?;
        *table = next;
        Ok(())
    }
    // --- fitness: end
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: one_file <directory>")?;
    let store = OneFile::open(directory)?;
    for (key, value) in &*store.table() {
        let (kind, bytes) = (char::from(key.kind), value.len());
        println!("{kind} of {}: {} {}, {bytes} bytes", key.observer, key.node_id, key.number);
    }
    Ok(())
}
