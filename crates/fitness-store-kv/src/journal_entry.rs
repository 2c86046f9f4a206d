//! A journal entry: the value that a commit writes for its batch.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fitness_core::{LogSegment, NodeId};
use fitness_store::codec::{decode_segment, encode_gap, encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, StoreError};

use crate::envelope::{self, Body, InvalidReason, push_bytes, push_row};
use crate::keys::Values;
use crate::row::{Overlay, Record, Row};

/// An operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Deletes a peer and its log.
    Forget(NodeId),
    /// Deletes the segments of a peer below an index.
    DeleteSegmentsBelow(NodeId, u32),
    /// Writes a row.
    Put(Row, Record),
    /// Appends entries to a segment that the journal contains.
    Append(NodeId, u32, Record),
    /// Deletes the gaps below a number.
    PruneGaps(u32),
    /// Writes the observer's record.
    Observer(Record),
}

const FORGET: u8 = 1;
const DELETE_SEGMENTS_BELOW: u8 = 2;
const PUT: u8 = 3;
const APPEND: u8 = 4;
const PRUNE_GAPS: u8 = 5;
const OBSERVER: u8 = 6;

/// Returns the operations of a batch in the order that the port requires. Log replacements are skipped for
/// peers that are not in `stored`.
pub(crate) fn ops(
    observer: &NodeId,
    batch: &Batch,
    stored: &HashSet<NodeId>,
    overlay: &Overlay,
) -> Result<Vec<Op>, StoreError> {
    let Batch { changes, observer: record, replacements, prune_gaps_before } = batch;
    let mut ops: Vec<Op> = changes.forgotten_peers.iter().copied().map(Op::Forget).collect();
    for peer in &changes.peers {
        let record = encoded(|out| encode_peer(peer, out))?;
        ops.push(Op::Put(Row::Peer(peer.node_id), record));
    }
    // The journal does not contain the current segments of these peers.
    let mut changed: HashSet<NodeId> = changes.forgotten_peers.iter().copied().collect();
    for replacement in replacements.iter().filter(|replacement| stored.contains(&replacement.node_id)) {
        changed.insert(replacement.node_id);
        ops.push(Op::DeleteSegmentsBelow(replacement.node_id, replacement.below_index));
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
        ops.push(Op::Put(Row::Gap(number), encoded(|out| encode_gap(gap, out))?));
    }
    ops.extend(prune_gaps_before.map(Op::PruneGaps));
    if let Some(record) = record {
        ops.push(Op::Observer(encoded(|out| encode_observer(observer, record, out))?));
    }
    Ok(ops)
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<Record, StoreError> {
    let mut bytes = Vec::new();
    encode(&mut bytes)?;
    Ok(bytes.into())
}

fn put(segment: &LogSegment) -> Result<Op, StoreError> {
    let record = encoded(|out| encode_segment(segment, out))?;
    Ok(Op::Put(Row::Segment(segment.node_id, segment.index()), record))
}

/// Returns an append operation if the segment extends that of the journal.
fn append(segment: &LogSegment, overlay: &Overlay) -> Result<Option<Op>, StoreError> {
    let (node_id, index) = (segment.node_id, segment.index());
    let Some(Some(known)) = overlay.rows.get(&Row::Segment(node_id, index)) else { return Ok(None) };
    let Ok(known) = decode_segment(&node_id, index, known) else { return Ok(None) };
    let count = known.entries.len();
    let extends = known.first_number == segment.first_number
        && segment.entries.len() > count
        && segment.entries.starts_with(&known.entries);
    let Ok(length) = u32::try_from(count) else { return Ok(None) };
    if !extends {
        return Ok(None);
    }
    let more = LogSegment {
        node_id,
        first_number: segment.first_number + length,
        entries: segment.entries[count..].to_vec(),
    };
    Ok(Some(Op::Append(node_id, index, encoded(|out| encode_segment(&more, out))?)))
}

/// Encodes the journal entry with this number as the value of `key`.
pub(crate) fn encode(values: &Values, key: &str, number: u64, ops: &[Op]) -> Result<Vec<u8>, StoreError> {
    let mut written = Ok(());
    let value = envelope::seal(values, key, |out| {
        out.extend_from_slice(&number.to_le_bytes());
        written = ops.iter().try_for_each(|op| push(out, op));
    });
    match written {
        Ok(()) => Ok(value),
        Err(reason) => Err(StoreError::Invalid { item: values.name(key), reason }),
    }
}

fn push(out: &mut Vec<u8>, op: &Op) -> Result<(), InvalidReason> {
    match op {
        Op::Forget(node_id) => {
            out.push(FORGET);
            out.extend_from_slice(&node_id.0);
        }
        Op::DeleteSegmentsBelow(node_id, below) => {
            out.push(DELETE_SEGMENTS_BELOW);
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
        Op::PruneGaps(before) => {
            out.push(PRUNE_GAPS);
            out.extend_from_slice(&before.to_le_bytes());
        }
        Op::Observer(record) => {
            out.push(OBSERVER);
            push_bytes(out, record)?;
        }
    }
    Ok(())
}

/// Decodes a journal entry; returns its number and operations.
pub(crate) fn decode(values: &Values, key: &str, value: &[u8]) -> Result<(u64, Vec<Op>), StoreError> {
    envelope::open(values, key, value, |body| {
        let number = body.u64()?;
        let mut ops = Vec::new();
        while !body.is_empty() {
            ops.push(op(body)?);
        }
        Ok((number, ops))
    })
}

fn op(body: &mut Body<'_>) -> Result<Op, InvalidReason> {
    Ok(match body.u8()? {
        FORGET => Op::Forget(body.node_id()?),
        DELETE_SEGMENTS_BELOW => Op::DeleteSegmentsBelow(body.node_id()?, body.u32()?),
        PUT => Op::Put(body.row()?, Arc::from(body.bytes()?)),
        APPEND => match body.row()? {
            Row::Segment(node_id, index) => Op::Append(node_id, index, Arc::from(body.bytes()?)),
            _ => return Err("it appends to a row that is not a segment"),
        },
        PRUNE_GAPS => Op::PruneGaps(body.u32()?),
        OBSERVER => Op::Observer(Arc::from(body.bytes()?)),
        _ => return Err("unknown operation"),
    })
}
