//! Writes a batch in one transaction.

use fitness_core::{LogSegment, NodeId, PeerRecord};
use fitness_store::codec::{self, encode_gap, encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, LogReplacement, StoreError};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::file::{Failure, Handle};
use crate::tables::{
    FORMAT, FORMAT_ROW, GAPS, GapKey, META, OBSERVERS, PEERS, PeerKey, SEGMENTS, SegmentKey, gap_key,
    peer_key, segment_key,
};

/// Stores the whole batch durably, or nothing of it.
pub(crate) fn commit(
    handle: &Handle,
    location: &str,
    observer: &NodeId,
    batch: &Batch,
) -> Result<(), Failure> {
    codec::validate_batch(observer, batch)?;
    let Some(transaction) = handle.begin_write()? else {
        return Err(Failure::from(StoreError::ReadOnly { location: location.to_owned() }));
    };
    // Returning early drops the transaction, which discards all its changes.
    upgrade(&transaction)?;
    peers_and_logs(&transaction, observer, batch)?;
    gaps(&transaction, observer, batch)?;
    if let Some(record) = &batch.observer {
        let mut value = Vec::new();
        encode_observer(observer, record, &mut value)?;
        transaction.open_table(OBSERVERS)?.insert(&observer.0, &*value)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Creates the tables of a new file, or upgrades a file of an older format.
///
/// Older releases reject the file from then on. So this happens together with the first rows that such a
/// release could not read.
pub(crate) fn upgrade(transaction: &WriteTransaction) -> Result<(), Failure> {
    let mut meta = transaction.open_table(META)?;
    if meta.get(FORMAT_ROW)?.is_some_and(|format| format.value() == FORMAT) {
        return Ok(());
    }
    meta.insert(FORMAT_ROW, FORMAT)?;
    transaction.open_table(PEERS)?;
    transaction.open_table(SEGMENTS)?;
    transaction.open_table(OBSERVERS)?;
    transaction.open_table(GAPS)?;
    Ok(())
}

fn peers_and_logs(transaction: &WriteTransaction, observer: &NodeId, batch: &Batch) -> Result<(), Failure> {
    let Batch { changes, replacements, .. } = batch;
    if changes.forgotten_peers.is_empty()
        && changes.peers.is_empty()
        && changes.segments.is_empty()
        && replacements.is_empty()
    {
        return Ok(());
    }
    let mut value = Vec::new();
    let mut peers = transaction.open_table(PEERS)?;
    let mut segments = transaction.open_table(SEGMENTS)?;
    for node_id in &changes.forgotten_peers {
        peers.remove(&peer_key(observer, node_id))?;
        let (first, last) = (segment_key(observer, node_id, 0), segment_key(observer, node_id, u32::MAX));
        segments.retain_in::<&SegmentKey, _>(&first..=&last, |_, _| false)?;
    }
    for peer in ascending(&changes.peers) {
        value.clear();
        encode_peer(peer, &mut value)?;
        peers.insert(&peer_key(observer, &peer.node_id), &*value)?;
    }
    for replacement in replacements {
        replace(&peers, &mut segments, observer, replacement)?;
    }
    let mut ordered: Vec<_> = changes.segments.iter().collect();
    // The sort is stable: of several segments with the same key the last one is written last.
    ordered.sort_by_key(|segment| (segment.node_id, segment.index()));
    for segment in ordered {
        insert(&mut segments, observer, segment, &mut value)?;
    }
    Ok(())
}

fn replace(
    peers: &Table<'_, &PeerKey, &[u8]>,
    segments: &mut Table<'_, &SegmentKey, &[u8]>,
    observer: &NodeId,
    replacement: &LogReplacement,
) -> Result<(), Failure> {
    let node_id = &replacement.node_id;
    if peers.get(&peer_key(observer, node_id))?.is_none() {
        return Ok(());
    }
    let first = segment_key(observer, node_id, 0);
    let end = segment_key(observer, node_id, replacement.below_index);
    segments.retain_in::<&SegmentKey, _>(&first..&end, |_, _| false)?;
    let mut value = Vec::new();
    replacement.segments.iter().try_for_each(|segment| insert(segments, observer, segment, &mut value))
}

fn insert(
    segments: &mut Table<'_, &SegmentKey, &[u8]>,
    observer: &NodeId,
    segment: &LogSegment,
    value: &mut Vec<u8>,
) -> Result<(), Failure> {
    value.clear();
    encode_segment(segment, value)?;
    segments.insert(&segment_key(observer, &segment.node_id, segment.index()), &**value)?;
    Ok(())
}

fn gaps(transaction: &WriteTransaction, observer: &NodeId, batch: &Batch) -> Result<(), Failure> {
    if batch.changes.gaps.is_empty() && batch.prune_gaps_before.is_none() {
        return Ok(());
    }
    let mut value = Vec::new();
    let mut gaps = transaction.open_table(GAPS)?;
    for gap in &batch.changes.gaps {
        value.clear();
        encode_gap(gap, &mut value)?;
        gaps.insert(&gap_key(observer, gap.number), &*value)?;
    }
    if let Some(before) = batch.prune_gaps_before {
        let (first, before) = (gap_key(observer, 0), gap_key(observer, before));
        gaps.retain_in::<&GapKey, _>(&first..&before, |_, _| false)?;
    }
    Ok(())
}

/// Returns the peers in the order of their keys. Of several with the same key the last one stays last.
///
/// Writing neighbouring rows one after the other is several times faster than writing them in the order of
/// the changes.
fn ascending(peers: &[PeerRecord]) -> impl Iterator<Item = &PeerRecord> {
    let mut ordered: Vec<&PeerRecord> = peers.iter().collect();
    ordered.sort_by_key(|peer| peer.node_id);
    ordered.into_iter()
}
