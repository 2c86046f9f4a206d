//! Converts a batch to rows: encoded, in the order of their keys, in chunks of limited size.

use std::collections::BTreeMap;

use fitness_core::{GapCause, GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence};
use fitness_store::codec::{encode_gap, encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, StoreError};

/// How many rows a statement writes at most.
const MAX_ROWS: usize = 8_192;

/// From this many bytes of records on, no further row is added to a statement.
const MAX_BYTES: usize = 4 << 20;

/// The rows of one statement.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Peers whose log segments are deleted.
    ForgottenSegments(Vec<NodeId>),
    /// Peers that are deleted.
    ForgottenPeers(Vec<NodeId>),
    Peers(Peers),
    /// Peers whose log segments below an index are deleted, unless the peer is not stored.
    ReplacedSegments {
        node_ids: Vec<NodeId>,
        below_indices: Vec<i64>,
    },
    /// Segments of log replacements. They are written only if their peer is stored.
    ReplacementSegments(Segments),
    Segments(Segments),
    Gaps(Gaps),
    /// Gaps with smaller numbers are deleted.
    PrunedGaps {
        before: i64,
    },
    Observer(ObserverRow),
}

/// Encoded records in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    fn push(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        encode(&mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let mut start = 0;
        let slice = |end: &usize| &self.bytes[std::mem::replace(&mut start, *end)..*end];
        self.ends.iter().map(slice).collect()
    }

    fn is_full(&self) -> bool {
        self.ends.len() >= MAX_ROWS || self.bytes.len() >= MAX_BYTES
    }
}

/// The columns of peer rows.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(crate) node_ids: Vec<NodeId>,
    pub(crate) tracked_since_ns: Vec<i64>,
    pub(crate) presence_since_ns: Vec<i64>,
    pub(crate) online_ns: Vec<i64>,
    pub(crate) observed_ns: Vec<i64>,
    pub(crate) last_flap_ns: Vec<Option<i64>>,
    pub(crate) flap_counts: Vec<i64>,
    pub(crate) disconnects: Vec<i64>,
    pub(crate) open_channels: Vec<i32>,
    pub(crate) presences: Vec<i16>,
    pub(crate) watched: Vec<bool>,
    pub(crate) records: Records,
}

/// The columns of log segment rows.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) node_ids: Vec<NodeId>,
    pub(crate) indices: Vec<i64>,
    pub(crate) records: Records,
}

/// The columns of gap rows.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    pub(crate) numbers: Vec<i64>,
    pub(crate) from_ns: Vec<i64>,
    pub(crate) to_ns: Vec<i64>,
    pub(crate) causes: Vec<i16>,
    pub(crate) records: Records,
}

#[derive(Debug)]
pub(crate) struct ObserverRow {
    pub(crate) started_at_ns: i64,
    pub(crate) last_heartbeat_ns: i64,
    pub(crate) clock_offset_ns: i64,
    pub(crate) record: Vec<u8>,
}

/// The largest moment or duration in a column, 146 years. The sum of two does not overflow.
const MAX_NS: i64 = (1 << 62) - 1;

fn to_bigint(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX).min(MAX_NS)
}

/// Passes the batch's rows to `emit`, in the order in which they must be written.
///
/// Of several records with the same key, only the last is passed. `emit` returns `false` to stop.
pub(crate) fn encode(
    observer: &NodeId,
    batch: &Batch,
    emit: &mut dyn FnMut(Rows) -> bool,
) -> Result<(), StoreError> {
    let changes = &batch.changes;
    for node_ids in changes.forgotten_peers.chunks(MAX_ROWS) {
        if !emit(Rows::ForgottenSegments(node_ids.to_vec())) || !emit(Rows::ForgottenPeers(node_ids.to_vec()))
        {
            return Ok(());
        }
    }
    let mut chunks = Chunks::new(Rows::Peers, emit);
    for peer in last_by_key(&changes.peers, |peer| peer.node_id) {
        chunks.add(|rows: &mut Peers| rows.push(peer))?;
    }
    chunks.finish();

    let replacements = combined_replacements(batch);
    let below: Vec<(NodeId, i64)> =
        replacements.iter().map(|(id, replacement)| (*id, i64::from(replacement.below_index))).collect();
    for below in below.chunks(MAX_ROWS) {
        let (node_ids, below_indices) = below.iter().copied().unzip();
        if !emit(Rows::ReplacedSegments { node_ids, below_indices }) {
            return Ok(());
        }
    }
    let mut chunks = Chunks::new(Rows::ReplacementSegments, emit);
    for segment in replacements.values().flat_map(|replacement| replacement.segments.values()) {
        chunks.add(|rows: &mut Segments| rows.push(segment))?;
    }
    chunks.finish();
    let mut chunks = Chunks::new(Rows::Segments, emit);
    for segment in last_by_key(&changes.segments, |segment| (segment.node_id, segment.index())) {
        chunks.add(|rows: &mut Segments| rows.push(segment))?;
    }
    chunks.finish();
    let mut chunks = Chunks::new(Rows::Gaps, emit);
    for gap in last_by_key(&changes.gaps, |gap| gap.number) {
        chunks.add(|rows: &mut Gaps| rows.push(gap))?;
    }
    chunks.finish();
    if let Some(before) = batch.prune_gaps_before {
        emit(Rows::PrunedGaps { before: i64::from(before) });
    }
    if let Some(record) = &batch.observer {
        emit(Rows::Observer(ObserverRow::new(observer, record)?));
    }
    Ok(())
}

/// The combined effect of a batch's replacements of one peer's log.
#[derive(Default)]
struct CombinedReplacement<'a> {
    /// Stored segments with a smaller index are deleted.
    below_index: u32,
    segments: BTreeMap<u32, &'a LogSegment>,
}

/// Combines the replacements of each log, as if they were applied one after the other.
fn combined_replacements(batch: &Batch) -> BTreeMap<NodeId, CombinedReplacement<'_>> {
    let mut combined: BTreeMap<NodeId, CombinedReplacement<'_>> = BTreeMap::new();
    for replacement in &batch.replacements {
        let log = combined.entry(replacement.node_id).or_default();
        log.below_index = log.below_index.max(replacement.below_index);
        log.segments = log.segments.split_off(&replacement.below_index);
        log.segments.extend(replacement.segments.iter().map(|segment| (segment.index(), segment)));
    }
    combined
}

/// Returns the records in ascending order of key, as the table stores them; of records with the same key,
/// only the last.
fn last_by_key<T, K: Ord>(records: &[T], key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let mut ordered: Vec<&T> = records.iter().collect();
    // The sort is stable: records with the same key keep their order.
    ordered.sort_by_key(|record| key(record));
    let is_last: Vec<bool> = (0..ordered.len())
        .map(|index| ordered.get(index + 1).is_none_or(|next| key(next) != key(ordered[index])))
        .collect();
    ordered.into_iter().zip(is_last).filter_map(|(record, is_last)| is_last.then_some(record))
}

/// Splits rows of one kind into chunks and emits each chunk when it is full.
struct Chunks<'e, R> {
    into_rows: fn(R) -> Rows,
    emit: &'e mut dyn FnMut(Rows) -> bool,
    chunk: R,
    is_empty: bool,
    is_stopped: bool,
}

impl<'e, R: Default + Chunk> Chunks<'e, R> {
    fn new(into_rows: fn(R) -> Rows, emit: &'e mut dyn FnMut(Rows) -> bool) -> Self {
        Self { into_rows, emit, chunk: R::default(), is_empty: true, is_stopped: false }
    }

    fn add(&mut self, push: impl FnOnce(&mut R) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if !self.is_stopped {
            push(&mut self.chunk)?;
            self.is_empty = false;
            if self.chunk.records().is_full() {
                self.is_stopped = !(self.emit)((self.into_rows)(std::mem::take(&mut self.chunk)));
                self.is_empty = true;
            }
        }
        Ok(())
    }

    /// Emits the last chunk, unless it is empty.
    fn finish(self) {
        if !self.is_stopped && !self.is_empty {
            (self.emit)((self.into_rows)(self.chunk));
        }
    }
}

trait Chunk {
    fn records(&self) -> &Records;
}

impl Chunk for Peers {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Chunk for Segments {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Chunk for Gaps {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Peers {
    fn push(&mut self, peer: &PeerRecord) -> Result<(), StoreError> {
        self.records.push(|out| encode_peer(peer, out))?;
        self.node_ids.push(peer.node_id);
        self.tracked_since_ns.push(to_bigint(peer.tracked_since_ns));
        self.presence_since_ns.push(to_bigint(peer.presence_since_ns));
        self.online_ns.push(to_bigint(peer.totals.online_ns));
        self.observed_ns.push(to_bigint(peer.totals.observed_ns));
        self.last_flap_ns.push(peer.last_flap_ns.map(to_bigint));
        self.flap_counts.push(i64::from(peer.flap_count));
        self.disconnects.push(i64::from(peer.disconnects));
        self.open_channels.push(i32::try_from(peer.channels.len()).unwrap_or(i32::MAX));
        self.presences.push(match peer.presence {
            Presence::Unobserved => 0,
            Presence::Offline => 1,
            Presence::Online => 2,
        });
        self.watched.push(peer.watched);
        Ok(())
    }
}

impl Segments {
    fn push(&mut self, segment: &LogSegment) -> Result<(), StoreError> {
        self.records.push(|out| encode_segment(segment, out))?;
        self.node_ids.push(segment.node_id);
        self.indices.push(i64::from(segment.index()));
        Ok(())
    }
}

impl Gaps {
    fn push(&mut self, gap: &GapRecord) -> Result<(), StoreError> {
        self.records.push(|out| encode_gap(gap, out))?;
        self.numbers.push(i64::from(gap.number));
        self.from_ns.push(to_bigint(gap.from_ns));
        self.to_ns.push(to_bigint(gap.to_ns));
        // The same code as in the record. Encoding has already rejected a cause without a code.
        let cause = GapCause::ALL.iter().position(|cause| *cause == gap.cause);
        self.causes.push(cause.and_then(|index| i16::try_from(index + 1).ok()).unwrap_or(0));
        Ok(())
    }
}

impl ObserverRow {
    fn new(observer: &NodeId, record: &ObserverRecord) -> Result<Self, StoreError> {
        let mut bytes = Vec::new();
        encode_observer(observer, record, &mut bytes)?;
        Ok(Self {
            started_at_ns: to_bigint(record.started_at_ns),
            last_heartbeat_ns: to_bigint(record.last_heartbeat_ns),
            clock_offset_ns: record.clock_ahead_ns.clamp(-MAX_NS, MAX_NS),
            record: bytes,
        })
    }
}
