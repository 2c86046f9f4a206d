//! A batch, in one transaction.

use fitness_core::{NodeId, PeerRecord};
use fitness_store::codec::{encode_observer, encode_peer, encode_segment};
use fitness_store::{Batch, StoreError};

use crate::file::{Fault, Handle};
use crate::tables::{OBSERVERS, PEERS, SEGMENTS, SegmentKey, peer_key, segment_key};

/// Stores all of the batch, durably, or nothing of it.
pub(crate) fn commit(handle: &Handle, location: &str, observer: &NodeId, batch: &Batch) -> Result<(), Fault> {
    let Some(transaction) = handle.begin_write()? else {
        return Err(Fault::from(StoreError::ReadOnly { location: location.to_owned() }));
    };
    // Leaving early drops the transaction, and with it all that was done.
    let mut value = Vec::new();
    if !batch.forgotten.is_empty() || !batch.changes.peers.is_empty() {
        let mut peers = transaction.open_table(PEERS)?;
        for node_id in &batch.forgotten {
            peers.remove(&peer_key(observer, node_id))?;
        }
        for peer in ascending(&batch.changes.peers) {
            value.clear();
            encode_peer(peer, &mut value)?;
            peers.insert(&peer_key(observer, &peer.node_id), &*value)?;
        }
    }
    if !batch.forgotten.is_empty() || !batch.changes.segments.is_empty() {
        let mut segments = transaction.open_table(SEGMENTS)?;
        for node_id in &batch.forgotten {
            let (first, last) = (segment_key(observer, node_id, 0), segment_key(observer, node_id, u32::MAX));
            segments.retain_in::<&SegmentKey, _>(&first..=&last, |_, _| false)?;
        }
        let mut ordered: Vec<_> = batch.changes.segments.iter().collect();
        // Stable, so that of several of one name the last is written last.
        ordered.sort_by_key(|segment| (segment.node_id, segment.index()));
        for segment in ordered {
            value.clear();
            encode_segment(segment, &mut value)?;
            segments.insert(&segment_key(observer, &segment.node_id, segment.index()), &*value)?;
        }
    }
    if let Some(record) = &batch.observer {
        value.clear();
        encode_observer(observer, record, &mut value);
        transaction.open_table(OBSERVERS)?.insert(&observer.0, &*value)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The peers in the order of their keys, the later one last where two have the same.
///
/// Rows that are neighbours in the file are then written one after the other, which is several
/// times faster than in the order in which peers happened to change.
fn ascending(peers: &[PeerRecord]) -> impl Iterator<Item = &PeerRecord> {
    let mut ordered: Vec<&PeerRecord> = peers.iter().collect();
    ordered.sort_by_key(|peer| peer.node_id);
    ordered.into_iter()
}
