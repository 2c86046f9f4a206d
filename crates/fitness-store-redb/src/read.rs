//! Reads, each in one transaction.

use std::ops::Bound;

use fitness_core::{GapRecord, LogSegment, NodeId, ObserverRecord, PeerRecord};
use fitness_store::codec::{RecordKey, decode_gap, decode_observer, decode_peer, decode_segment};
use redb::{Key, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, TableError, Value};

use crate::file::{Failure, Handle};
use crate::tables::{
    GAPS, GapKey, OBSERVERS, PEERS, PeerKey, SEGMENTS, SegmentKey, gap_key, index_of, number_of, peer_key,
    peer_of, peers_of, segment_key,
};

/// Opens a table; returns `None` if the file was never written or predates the table.
fn table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, Failure> {
    match transaction.open_table(definition) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn observers(handle: &Handle) -> Result<Vec<NodeId>, Failure> {
    let Some(table) = table(&handle.begin_read()?, OBSERVERS)? else { return Ok(Vec::new()) };
    table.iter()?.map(|row| Ok(NodeId(*row?.0.value()))).collect()
}

pub(crate) fn observer(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
) -> Result<Option<ObserverRecord>, Failure> {
    let Some(table) = table(&handle.begin_read()?, OBSERVERS)? else { return Ok(None) };
    let Some(row) = table.get(&observer.0)? else { return Ok(None) };
    let decoded = decode_observer(observer, row.value());
    Ok(Some(decoded.map_err(|error| error.into_store_error(RecordKey::Observer(observer), location))?))
}

pub(crate) fn peers(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
    after: Option<&NodeId>,
    limit: usize,
) -> Result<Vec<PeerRecord>, Failure> {
    let Some(table) = table(&handle.begin_read()?, PEERS)? else { return Ok(Vec::new()) };
    let (first, last) = peers_of(observer);
    let after = after.map(|after| peer_key(observer, after));
    let start = after.as_ref().map_or(Bound::Included(&first), Bound::Excluded);
    let rows = table.range::<&PeerKey>((start, Bound::Included(&last)))?;
    let decoded = rows.take(limit).map(|row| {
        let (key, value) = row?;
        let node_id = peer_of(key.value());
        let peer = decode_peer(&node_id, value.value());
        Ok(peer.map_err(|error| error.into_store_error(RecordKey::Peer(&node_id), location))?)
    });
    decoded.collect()
}

pub(crate) fn peer(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
    node_id: &NodeId,
) -> Result<Option<PeerRecord>, Failure> {
    let Some(table) = table(&handle.begin_read()?, PEERS)? else { return Ok(None) };
    let Some(row) = table.get(&peer_key(observer, node_id))? else { return Ok(None) };
    let decoded = decode_peer(node_id, row.value());
    Ok(Some(decoded.map_err(|error| error.into_store_error(RecordKey::Peer(node_id), location))?))
}

pub(crate) fn segments(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
    node_id: &NodeId,
    from: u32,
    limit: usize,
) -> Result<Vec<LogSegment>, Failure> {
    let Some(table) = table(&handle.begin_read()?, SEGMENTS)? else { return Ok(Vec::new()) };
    let first = segment_key(observer, node_id, from);
    let last = segment_key(observer, node_id, u32::MAX);
    let rows = table.range::<&SegmentKey>(&first..=&last)?;
    let decoded = rows.take(limit).map(|row| {
        let (key, value) = row?;
        let index = index_of(key.value());
        let segment = decode_segment(node_id, index, value.value());
        Ok(segment.map_err(|error| error.into_store_error(RecordKey::Segment(node_id, index), location))?)
    });
    decoded.collect()
}

pub(crate) fn gaps(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
    from: u32,
    limit: usize,
) -> Result<Vec<GapRecord>, Failure> {
    let Some(table) = table(&handle.begin_read()?, GAPS)? else { return Ok(Vec::new()) };
    let (first, last) = (gap_key(observer, from), gap_key(observer, u32::MAX));
    let rows = table.range::<&GapKey>(&first..=&last)?;
    let decoded = rows.take(limit).map(|row| {
        let (key, value) = row?;
        let number = number_of(key.value());
        let gap = decode_gap(number, value.value());
        Ok(gap.map_err(|error| error.into_store_error(RecordKey::Gap(number), location))?)
    });
    decoded.collect()
}
