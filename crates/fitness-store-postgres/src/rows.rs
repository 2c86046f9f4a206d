//! A batch as rows: encoded, in the order of their keys, in parts of bounded size.

use std::collections::BTreeMap;

use fitness_core::{LogSegment, NodeId, ObserverRecord, PeerRecord, Presence};
use fitness_store::codec::{encode_gap, encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, StoreError};

/// How many rows a statement carries at most, and from how many bytes on it carries no more.
const ROWS: usize = 8_192;
const BYTES: usize = 4 << 20;

/// What one statement carries.
#[derive(Debug)]
pub(crate) enum Rows {
    ForgottenSegments(Vec<NodeId>),
    ForgottenPeers(Vec<NodeId>),
    Peers(Peers),
    ClearedLogs {
        node_ids: Vec<NodeId>,
        below: Vec<i64>,
    },
    /// Segments whose peers may be gone.
    Thinned(Segments),
    Segments(Segments),
    Gaps(Gaps),
    ForgottenGaps(i64),
    Observer(ObserverRow),
}

/// Records one after the other.
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
        self.ends.len() >= ROWS || self.bytes.len() >= BYTES
    }
}

#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(crate) node_ids: Vec<NodeId>,
    pub(crate) tracked_since_ns: Vec<i64>,
    pub(crate) since_ns: Vec<i64>,
    pub(crate) online_ns: Vec<i64>,
    pub(crate) observed_ns: Vec<i64>,
    pub(crate) last_flap_ns: Vec<Option<i64>>,
    pub(crate) flap_counts: Vec<i64>,
    pub(crate) disconnects: Vec<i64>,
    pub(crate) channels: Vec<i32>,
    pub(crate) presences: Vec<i16>,
    pub(crate) watched: Vec<bool>,
    pub(crate) records: Records,
}

#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) node_ids: Vec<NodeId>,
    pub(crate) numbers: Vec<i64>,
    pub(crate) records: Records,
}

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
    pub(crate) heartbeat_ns: i64,
    pub(crate) clock_ahead_ns: i64,
    pub(crate) record: Vec<u8>,
}

/// The largest moment or length beside a record: 146 years. Two of them can be added.
const LARGEST: i64 = (1 << 62) - 1;

fn big(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX).min(LARGEST)
}

/// Hands the batch's rows to `take`, in the order in which they have to be stored.
///
/// Where several records bear one name, the last alone is there. `take` returns whether anybody wants
/// more.
pub(crate) fn encode(
    observer: &NodeId,
    batch: &Batch,
    take: &mut dyn FnMut(Rows) -> bool,
) -> Result<(), StoreError> {
    let changes = &batch.changes;
    for node_ids in changes.forgotten_peers.chunks(ROWS) {
        if !take(Rows::ForgottenSegments(node_ids.to_vec())) || !take(Rows::ForgottenPeers(node_ids.to_vec()))
        {
            return Ok(());
        }
    }
    let mut part = Parts::new(take);
    for peer in last_of_each(&changes.peers, |peer| peer.node_id) {
        part.add(Rows::Peers, |rows: &mut Peers| rows.push(peer))?;
    }
    part.end(Rows::Peers);

    let thinned = thinned(batch);
    let logs: Vec<(NodeId, i64)> = thinned.iter().map(|(id, log)| (*id, i64::from(log.below))).collect();
    for logs in logs.chunks(ROWS) {
        let (node_ids, below) = logs.iter().copied().unzip();
        if !take(Rows::ClearedLogs { node_ids, below }) {
            return Ok(());
        }
    }
    let mut part = Parts::new(take);
    for segment in thinned.values().flat_map(|log| log.segments.values()) {
        part.add(Rows::Thinned, |rows: &mut Segments| rows.push(segment))?;
    }
    part.end(Rows::Thinned);
    let mut part = Parts::new(take);
    for segment in last_of_each(&changes.segments, |segment| (segment.node_id, segment.index())) {
        part.add(Rows::Segments, |rows: &mut Segments| rows.push(segment))?;
    }
    part.end(Rows::Segments);
    let mut part = Parts::new(take);
    for gap in last_of_each(&changes.gaps, |gap| gap.number) {
        part.add(Rows::Gaps, |rows: &mut Gaps| rows.push(gap))?;
    }
    part.end(Rows::Gaps);
    if let Some(before) = batch.prune_gaps_before {
        take(Rows::ForgottenGaps(i64::from(before)));
    }
    if let Some(record) = &batch.observer {
        take(Rows::Observer(ObserverRow::new(observer, record)?));
    }
    Ok(())
}

/// What the replacements of a log come to, done one after the other.
#[derive(Default)]
struct Log<'a> {
    /// No segment with a smaller number stays of what is stored.
    below: u32,
    segments: BTreeMap<u32, &'a LogSegment>,
}

fn thinned(batch: &Batch) -> BTreeMap<NodeId, Log<'_>> {
    let mut logs: BTreeMap<NodeId, Log<'_>> = BTreeMap::new();
    for replacement in &batch.replacements {
        let log = logs.entry(replacement.node_id).or_default();
        log.below = log.below.max(replacement.below_index);
        log.segments = log.segments.split_off(&replacement.below_index);
        log.segments.extend(replacement.segments.iter().map(|segment| (segment.index(), segment)));
    }
    logs
}

/// Ascending by name, as neighbours in the table; the last of each where a name occurs more than once.
fn last_of_each<T, K: Ord>(records: &[T], name: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let mut ordered: Vec<&T> = records.iter().collect();
    ordered.sort_by_key(|record| name(record));
    // Of two of one name the later one comes later. Nothing is kept where its successor is its equal.
    let is_last: Vec<bool> = (0..ordered.len())
        .map(|index| ordered.get(index + 1).is_none_or(|next| name(next) != name(ordered[index])))
        .collect();
    ordered.into_iter().zip(is_last).filter_map(|(record, is_last)| is_last.then_some(record))
}

/// Rows of one kind on their way into parts.
struct Parts<'t, R> {
    take: &'t mut dyn FnMut(Rows) -> bool,
    rows: R,
    is_empty: bool,
    is_wanted: bool,
}

impl<'t, R: Default + Part> Parts<'t, R> {
    fn new(take: &'t mut dyn FnMut(Rows) -> bool) -> Self {
        Self { take, rows: R::default(), is_empty: true, is_wanted: true }
    }

    fn add(
        &mut self,
        kind: fn(R) -> Rows,
        push: impl FnOnce(&mut R) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.is_wanted {
            push(&mut self.rows)?;
            self.is_empty = false;
            if self.rows.records().is_full() {
                self.is_wanted = (self.take)(kind(std::mem::take(&mut self.rows)));
                self.is_empty = true;
            }
        }
        Ok(())
    }

    fn end(self, kind: fn(R) -> Rows) {
        if self.is_wanted && !self.is_empty {
            (self.take)(kind(self.rows));
        }
    }
}

trait Part {
    fn records(&self) -> &Records;
}

impl Part for Peers {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Part for Segments {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Part for Gaps {
    fn records(&self) -> &Records {
        &self.records
    }
}

impl Peers {
    fn push(&mut self, peer: &PeerRecord) -> Result<(), StoreError> {
        self.records.push(|out| encode_peer(peer, out))?;
        self.node_ids.push(peer.node_id);
        self.tracked_since_ns.push(big(peer.tracked_since_ns));
        self.since_ns.push(big(peer.presence_since_ns));
        self.online_ns.push(big(peer.totals.online_ns));
        self.observed_ns.push(big(peer.totals.observed_ns));
        self.last_flap_ns.push(peer.last_flap_ns.map(big));
        self.flap_counts.push(i64::from(peer.flap_count));
        self.disconnects.push(i64::from(peer.disconnects));
        self.channels.push(i32::try_from(peer.channels.len()).unwrap_or(i32::MAX));
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
        self.numbers.push(i64::from(segment.index()));
        Ok(())
    }
}

impl Gaps {
    fn push(&mut self, gap: &fitness_core::GapRecord) -> Result<(), StoreError> {
        self.records.push(|out| encode_gap(gap, out))?;
        self.numbers.push(i64::from(gap.number));
        self.from_ns.push(big(gap.from_ns));
        self.to_ns.push(big(gap.to_ns));
        // As the record's own code has it; one that has none was refused above.
        let cause = fitness_core::GapCause::ALL.iter().position(|cause| *cause == gap.cause);
        self.causes.push(cause.and_then(|index| i16::try_from(index + 1).ok()).unwrap_or(0));
        Ok(())
    }
}

impl ObserverRow {
    fn new(observer: &NodeId, record: &ObserverRecord) -> Result<Self, StoreError> {
        let mut bytes = Vec::new();
        encode_observer(observer, record, &mut bytes)?;
        Ok(Self {
            started_at_ns: big(record.started_at_ns),
            heartbeat_ns: big(record.last_heartbeat_ns),
            clock_ahead_ns: record.clock_ahead_ns.clamp(-LARGEST, LARGEST),
            record: bytes,
        })
    }
}
