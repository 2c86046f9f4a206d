//! A batch as one value: what is written at a commit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fitness_core::{LogSegment, NodeId};
use fitness_store::codec::{decode_segment, encode_gap, encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, StoreError};

use crate::frame::{self, Body, Broken, push_bytes, push_row};
use crate::keys::Values;
use crate::row::{Overlay, Record, Row};

/// One thing that a batch does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Deletes a peer and its log.
    Forget(NodeId),
    /// Deletes the segments of a peer below an index.
    Cut(NodeId, u32),
    /// Writes a row.
    Put(Row, Record),
    /// Goes on with a segment that the journal has already.
    Append(NodeId, u32, Record),
    /// Deletes the gaps below a number.
    GapsBefore(u32),
    /// Writes the observer's record.
    Observer(Record),
}

const FORGET: u8 = 1;
const CUT: u8 = 2;
const PUT: u8 = 3;
const APPEND: u8 = 4;
const GAPS_BEFORE: u8 = 5;
const OBSERVER: u8 = 6;

/// What a batch does, in the order that the port demands. `stored` are those peers of its
/// replacements that the store has or the batch writes; the others are passed over.
pub(crate) fn ops(
    observer: &NodeId,
    batch: &Batch,
    stored: &HashSet<NodeId>,
    overlay: &Overlay,
) -> Result<Vec<Op>, StoreError> {
    let Batch { changes, observer: record, replacements: replaced, prune_gaps_before } = batch;
    let mut ops: Vec<Op> = changes.forgotten_peers.iter().copied().map(Op::Forget).collect();
    for peer in &changes.peers {
        let record = record_of(|out| encode_peer(peer, out))?;
        ops.push(Op::Put(Row::Peer(peer.node_id), record));
    }
    // Segments of these are not in the journal as they were.
    let mut changed: HashSet<NodeId> = changes.forgotten_peers.iter().copied().collect();
    for replacement in replaced.iter().filter(|replacement| stored.contains(&replacement.node_id)) {
        changed.insert(replacement.node_id);
        ops.push(Op::Cut(replacement.node_id, replacement.below_index));
        for segment in &replacement.segments {
            ops.push(put(segment)?);
        }
    }
    let mut seen = HashSet::new();
    for segment in &changes.segments {
        let first_time = seen.insert((segment.node_id, segment.index()));
        let more =
            if first_time && !changed.contains(&segment.node_id) { append(segment, overlay)? } else { None };
        ops.push(match more {
            Some(more) => more,
            None => put(segment)?,
        });
    }
    let gaps: BTreeMap<u32, _> = changes.gaps.iter().map(|gap| (gap.number, gap)).collect();
    for (number, gap) in gaps {
        ops.push(Op::Put(Row::Gap(number), record_of(|out| encode_gap(gap, out))?));
    }
    ops.extend(prune_gaps_before.map(Op::GapsBefore));
    if let Some(record) = record {
        ops.push(Op::Observer(record_of(|out| encode_observer(observer, record, out))?));
    }
    Ok(ops)
}

fn record_of(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<Record, StoreError> {
    let mut bytes = Vec::new();
    encode(&mut bytes)?;
    Ok(bytes.into())
}

fn put(segment: &LogSegment) -> Result<Op, StoreError> {
    let record = record_of(|out| encode_segment(segment, out))?;
    Ok(Op::Put(Row::Segment(segment.node_id, segment.index()), record))
}

/// What a segment has more than the journal's; `None` where it is another one.
fn append(segment: &LogSegment, overlay: &Overlay) -> Result<Option<Op>, StoreError> {
    let (node_id, index) = (segment.node_id, segment.index());
    let Some(Some(known)) = overlay.rows.get(&Row::Segment(node_id, index)) else { return Ok(None) };
    let Ok(known) = decode_segment(&node_id, index, known) else { return Ok(None) };
    let count = known.entries.len();
    let goes_on = known.first_number == segment.first_number
        && segment.entries.len() > count
        && segment.entries.starts_with(&known.entries);
    let Ok(length) = u32::try_from(count) else { return Ok(None) };
    if !goes_on {
        return Ok(None);
    }
    let more = LogSegment {
        node_id,
        first_number: segment.first_number + length,
        entries: segment.entries[count..].to_vec(),
    };
    Ok(Some(Op::Append(node_id, index, record_of(|out| encode_segment(&more, out))?)))
}

/// The journal entry numbered `number`, to stand under `key`.
pub(crate) fn encode(values: &Values, key: &str, number: u64, ops: &[Op]) -> Result<Vec<u8>, StoreError> {
    let mut written = Ok(());
    let value = frame::seal(values, key, |out| {
        out.extend_from_slice(&number.to_le_bytes());
        written = ops.iter().try_for_each(|op| push(out, op));
    });
    match written {
        Ok(()) => Ok(value),
        Err(reason) => Err(StoreError::Invalid { item: values.name(key), reason }),
    }
}

fn push(out: &mut Vec<u8>, op: &Op) -> Result<(), Broken> {
    match op {
        Op::Forget(node_id) => {
            out.push(FORGET);
            out.extend_from_slice(&node_id.0);
        }
        Op::Cut(node_id, below) => {
            out.push(CUT);
            out.extend_from_slice(&node_id.0);
            out.extend_from_slice(&below.to_le_bytes());
        }
        Op::Put(row, record) => {
            out.push(PUT);
            push_row(out, row);
            push_bytes(out, record)?;
        }
        Op::Append(node_id, index, record) => {
            out.push(APPEND);
            push_row(out, &Row::Segment(*node_id, *index));
            push_bytes(out, record)?;
        }
        Op::GapsBefore(before) => {
            out.push(GAPS_BEFORE);
            out.extend_from_slice(&before.to_le_bytes());
        }
        Op::Observer(record) => {
            out.push(OBSERVER);
            push_bytes(out, record)?;
        }
    }
    Ok(())
}

/// A journal entry: its number, and what it does.
pub(crate) fn decode(values: &Values, key: &str, value: &[u8]) -> Result<(u64, Vec<Op>), StoreError> {
    frame::open(values, key, value, |body| {
        let number = body.u64()?;
        let mut ops = Vec::new();
        while !body.is_empty() {
            ops.push(op(body)?);
        }
        Ok((number, ops))
    })
}

fn op(body: &mut Body<'_>) -> Result<Op, Broken> {
    Ok(match body.u8()? {
        FORGET => Op::Forget(body.node_id()?),
        CUT => Op::Cut(body.node_id()?, body.u32()?),
        PUT => Op::Put(body.row()?, Arc::from(body.bytes()?)),
        APPEND => match body.row()? {
            Row::Segment(node_id, index) => Op::Append(node_id, index, Arc::from(body.bytes()?)),
            _ => return Err("it goes on with what is no segment"),
        },
        GAPS_BEFORE => Op::GapsBefore(body.u32()?),
        OBSERVER => Op::Observer(Arc::from(body.bytes()?)),
        _ => return Err("it does something that does not exist"),
    })
}
