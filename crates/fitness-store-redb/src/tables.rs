//! The five tables of the file, and the keys of their rows.
//!
//! Keys have a fixed width and sort by their bytes, observer first, so that each read is one range: the
//! peers of an observer, the segments of a peer, the gaps from a number on.

use fitness_core::NodeId;
use redb::TableDefinition;

const ID: usize = 33;
/// Observer and peer.
pub(crate) const PEER_KEY: usize = 2 * ID;
/// Observer, peer and the index of the segment, big-endian.
pub(crate) const SEGMENT_KEY: usize = PEER_KEY + 4;
/// Observer and the number of the gap, big-endian.
pub(crate) const GAP_KEY: usize = ID + 4;

pub(crate) type PeerKey = [u8; PEER_KEY];
pub(crate) type SegmentKey = [u8; SEGMENT_KEY];
pub(crate) type GapKey = [u8; GAP_KEY];

pub(crate) const PEERS: TableDefinition<'_, &PeerKey, &[u8]> = TableDefinition::new("peers");
pub(crate) const SEGMENTS: TableDefinition<'_, &SegmentKey, &[u8]> = TableDefinition::new("segments");
pub(crate) const OBSERVERS: TableDefinition<'_, &[u8; ID], &[u8]> = TableDefinition::new("observers");
/// Since format 2.
pub(crate) const GAPS: TableDefinition<'_, &GapKey, &[u8]> = TableDefinition::new("gaps");
/// Describes the file itself.
pub(crate) const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

/// The row of [`META`] with the format of the file: which tables there are, and their keys. The
/// values have formats of their own.
pub(crate) const FORMAT_ROW: &str = "format";
/// The format of new files, and the latest that can be read.
///
/// A file of an older format is read as it is; its first commit upgrades it.
pub(crate) const FORMAT: u32 = 2;
/// The oldest format that can be read.
pub(crate) const OLDEST_FORMAT: u32 = 1;

pub(crate) fn peer_key(observer: &NodeId, node_id: &NodeId) -> PeerKey {
    let mut key = [0; PEER_KEY];
    key[..ID].copy_from_slice(&observer.0);
    key[ID..].copy_from_slice(&node_id.0);
    key
}

pub(crate) fn segment_key(observer: &NodeId, node_id: &NodeId, index: u32) -> SegmentKey {
    let mut key = [0; SEGMENT_KEY];
    key[..ID].copy_from_slice(&observer.0);
    key[ID..PEER_KEY].copy_from_slice(&node_id.0);
    key[PEER_KEY..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn gap_key(observer: &NodeId, number: u32) -> GapKey {
    let mut key = [0; GAP_KEY];
    key[..ID].copy_from_slice(&observer.0);
    key[ID..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Returns the first and the last possible key of a peer of `observer`.
pub(crate) fn peers_of(observer: &NodeId) -> (PeerKey, PeerKey) {
    (peer_key(observer, &NodeId([0; ID])), peer_key(observer, &NodeId([0xff; ID])))
}

pub(crate) fn peer_of(key: &PeerKey) -> NodeId {
    let mut id = [0; ID];
    id.copy_from_slice(&key[ID..]);
    NodeId(id)
}

pub(crate) fn index_of(key: &SegmentKey) -> u32 {
    let mut index = [0; 4];
    index.copy_from_slice(&key[PEER_KEY..]);
    u32::from_be_bytes(index)
}

pub(crate) fn number_of(key: &GapKey) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&key[ID..]);
    u32::from_be_bytes(number)
}
