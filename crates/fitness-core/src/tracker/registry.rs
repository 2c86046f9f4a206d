//! The peers with their channels, and the strangers, indexed by their ids. The rules are in `presence`.

use alloc::collections::BTreeMap;

use hashbrown::HashTable;

use super::peer::{Channel, Peer};
use crate::slab::{HashSeed, Index, MultiIndex, Slab, Slot};
use crate::{ChannelId, Imported, NodeId, OutPoint};

/// Returns the key of an outpoint. The output index is a part of it because one transaction may fund many
/// channels.
fn funding_key(funding: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(&funding.txid);
    key[32..].copy_from_slice(&funding.vout.to_le_bytes());
    key
}

/// All peers and channels, indexed by id.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) peers: Slab<Peer>,
    peer_index: Index,
    /// Maps channel ids to the slots of their peers.
    channel_index: MultiIndex,
    funding_index: MultiIndex,
    /// Connected nodes that are not in `peers`. Only their ids are held, and only while they are connected.
    strangers: HashTable<NodeId>,
    /// The imported values. Few peers have any, so they take no space in a peer.
    imported: BTreeMap<NodeId, Imported>,
    seed: HashSeed,
}

impl Registry {
    pub(super) const fn new(seed: HashSeed) -> Self {
        Self {
            peers: Slab::new(),
            peer_index: Index::new(seed),
            channel_index: MultiIndex::new(seed),
            funding_index: MultiIndex::new(seed),
            strangers: HashTable::new(),
            imported: BTreeMap::new(),
            seed,
        }
    }

    pub(super) fn peer_count(&self) -> usize {
        self.peer_index.len()
    }

    pub(super) fn channel_count(&self) -> usize {
        self.channel_index.len()
    }

    pub(super) fn find_peer(&self, node_id: &NodeId) -> Option<Slot> {
        self.peer_index
            .find(&node_id.0, |slot| self.peers.get(slot).is_some_and(|peer| peer.node_id == *node_id))
    }

    pub(super) fn peer(&self, node_id: &NodeId) -> Option<&Peer> {
        self.peers.get(self.find_peer(node_id)?)
    }

    pub(super) fn add_peer(&mut self, peer: Peer) -> Slot {
        let node_id = peer.node_id;
        let slot = self.peers.insert(peer);
        let peers = &self.peers;
        self.peer_index
            .insert(&node_id.0, slot, |other| peers.get(other).map_or(&[][..], |peer| &peer.node_id.0));
        slot
    }

    pub(super) fn remove_peer(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.remove(slot) {
            self.peer_index.remove(&peer.node_id.0, slot);
            self.imported.remove(&peer.node_id);
        }
    }

    /// Sets the imported values of a peer.
    pub(super) fn set_imported(&mut self, node_id: NodeId, imported: Imported) {
        self.imported.insert(node_id, imported);
    }

    pub(super) fn imported(&self, node_id: &NodeId) -> Option<Imported> {
        self.imported.get(node_id).copied()
    }

    /// Returns the slot of the peer of an open channel.
    pub(super) fn find_channel(&self, channel_id: &ChannelId) -> Option<Slot> {
        self.channel_index.find(&channel_id.0, |slot| {
            self.peers.get(slot).is_some_and(|peer| peer.channel(channel_id).is_some())
        })
    }

    /// Returns an open channel and its peer.
    pub(super) fn channel(&self, channel_id: &ChannelId) -> Option<(&Peer, &Channel)> {
        let peer = self.peers.get(self.find_channel(channel_id)?)?;
        Some((peer, peer.channel(channel_id)?))
    }

    /// Returns the channel with this funding outpoint, and its peer.
    pub(super) fn channel_by_funding(&self, funding: &OutPoint) -> Option<(&Peer, &Channel)> {
        let has_funding = |peer: &Peer| peer.channels().any(|channel| channel.funding() == Some(*funding));
        let slot = self
            .funding_index
            .find(&funding_key(funding), |slot| self.peers.get(slot).is_some_and(has_funding))?;
        let peer = self.peers.get(slot)?;
        Some((peer, peer.channels().find(|channel| channel.funding() == Some(*funding))?))
    }

    /// Adds a channel that is not in the registry.
    pub(super) fn add_channel(&mut self, slot: Slot, channel: Channel) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        self.channel_index.insert(&channel.channel_id.0, slot);
        if let Some(funding) = channel.funding() {
            self.funding_index.insert(&funding_key(&funding), slot);
        }
        peer.add_channel(channel);
    }

    pub(super) fn remove_channel(&mut self, slot: Slot, channel_id: &ChannelId) {
        self.set_funding(slot, channel_id, None);
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.remove_channel(channel_id);
            self.channel_index.remove(&channel_id.0, slot);
        }
    }

    /// Replaces a channel's funding outpoint and returns the previous one.
    pub(super) fn set_funding(
        &mut self,
        slot: Slot,
        channel_id: &ChannelId,
        funding: Option<OutPoint>,
    ) -> Option<OutPoint> {
        let previous = self.peers.get_mut(slot)?.set_funding(channel_id, funding);
        if let Some(previous) = previous {
            self.funding_index.remove(&funding_key(&previous), slot);
        }
        if let Some(funding) = funding {
            self.funding_index.insert(&funding_key(&funding), slot);
        }
        previous
    }

    pub(super) fn is_stranger(&self, node_id: &NodeId) -> bool {
        self.strangers.find(self.seed.hash(&node_id.0), |other| other == node_id).is_some()
    }

    /// Adds a stranger. Returns `false` if it was already present.
    pub(super) fn add_stranger(&mut self, node_id: NodeId) -> bool {
        let is_new = !self.is_stranger(&node_id);
        if is_new {
            let seed = self.seed;
            self.strangers.insert_unique(seed.hash(&node_id.0), node_id, |other| seed.hash(&other.0));
        }
        is_new
    }

    /// Removes a stranger. Returns whether it was present.
    pub(super) fn remove_stranger(&mut self, node_id: &NodeId) -> bool {
        match self.strangers.find_entry(self.seed.hash(&node_id.0), |other| other == node_id) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn strangers(&self) -> impl Iterator<Item = &NodeId> {
        self.strangers.iter()
    }

    pub(super) fn clear_strangers(&mut self) {
        self.strangers.clear();
    }
}
