//! Who is known: peers, their channels, and the strangers that are connected. No rules.

use hashbrown::HashTable;

use crate::slab::{HashSeed, Index, Slab, Slot};
use crate::{ChannelId, EventLog, FlapCount, Ledger, NodeId, OutPoint, Presence, Totals};

/// A peer that we follow, or followed once and keep the history of.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node_id: NodeId,
    /// Followed for its own sake.
    pub(super) watched: bool,
    /// Listed among the changes to persist.
    pub(super) dirty: bool,
    /// What events last said of its connection, whether or not it was followed then.
    pub(super) heard: Presence,
    pub(super) disconnects: u32,
    // The parts of a `FlapCount`, which would bring four bytes of padding.
    flap_count: u32,
    last_flap_ns: u64,
    first_channel: Slot,
    /// When its account began, with both totals at 0.
    pub(super) first_seen_ns: u64,
    pub(super) ledger: Ledger,
    pub(super) log: EventLog,
}

impl Peer {
    pub(super) fn new(node_id: NodeId, at_ns: u64) -> Self {
        Self {
            node_id,
            watched: false,
            dirty: false,
            heard: Presence::Unobserved,
            disconnects: 0,
            flap_count: 0,
            last_flap_ns: 0,
            first_channel: Slot::NONE,
            first_seen_ns: at_ns,
            ledger: Ledger::starting(at_ns),
            log: EventLog::default(),
        }
    }

    pub(super) fn flaps(&self) -> FlapCount {
        FlapCount::from_parts(self.flap_count, Some(self.last_flap_ns).filter(|&at| at > 0))
    }

    pub(super) fn set_flaps(&mut self, flaps: FlapCount) {
        self.flap_count = flaps.count();
        self.last_flap_ns = flaps.last_ns().unwrap_or(0);
    }

    pub(super) fn has_channels(&self) -> bool {
        self.first_channel != Slot::NONE
    }
}

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) channel_id: ChannelId,
    pub(super) funding: Option<OutPoint>,
    pub(super) opened_at_ns: u64,
    /// The peer's totals at that moment.
    pub(super) opened_totals: Totals,
    pub(super) peer: Slot,
    next: Slot,
}

/// All peers and channels, found by their names.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) peers: Slab<Peer>,
    peer_index: Index,
    pub(super) channels: Slab<Channel>,
    channel_index: Index,
    funding_index: Index,
    /// Connected peers that are not in `peers`: nothing but their names, while they are connected.
    strangers: HashTable<NodeId>,
    seed: HashSeed,
}

impl Book {
    pub(super) const fn new(seed: HashSeed) -> Self {
        Self {
            peers: Slab::new(),
            peer_index: Index::new(seed),
            channels: Slab::new(),
            channel_index: Index::new(seed),
            funding_index: Index::new(seed),
            strangers: HashTable::new(),
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

    pub(super) fn add_peer(&mut self, peer: Peer) -> Slot {
        let node_id = peer.node_id;
        let slot = self.peers.insert(peer);
        let peers = &self.peers;
        self.peer_index.insert(&node_id.0, slot, |seed, other| {
            peers.get(other).map_or(0, |peer| seed.hash(&peer.node_id.0))
        });
        slot
    }

    pub(super) fn remove_peer(&mut self, slot: Slot) {
        if let Some(peer) = self.peers.remove(slot) {
            self.peer_index.remove(&peer.node_id.0, slot);
        }
    }

    pub(super) fn find_channel(&self, channel_id: &ChannelId) -> Option<Slot> {
        self.channel_index.find(&channel_id.0, |slot| {
            self.channels.get(slot).is_some_and(|channel| channel.channel_id == *channel_id)
        })
    }

    pub(super) fn find_funding(&self, funding: &OutPoint) -> Option<Slot> {
        self.funding_index.find(&funding.txid, |slot| {
            self.channels.get(slot).is_some_and(|channel| channel.funding == Some(*funding))
        })
    }

    /// Adds a channel that is not there, as its peer's newest.
    pub(super) fn add_channel(
        &mut self,
        peer: Slot,
        channel_id: ChannelId,
        opened_at_ns: u64,
        opened_totals: Totals,
    ) -> Slot {
        let channel =
            Channel { channel_id, funding: None, opened_at_ns, opened_totals, peer, next: Slot::NONE };
        let slot = self.channels.insert(channel);
        let last = self.channels_of(peer).last();
        match last.and_then(|last| self.channels.get_mut(last)) {
            Some(last) => last.next = slot,
            None => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.first_channel = slot;
                }
            }
        }
        let channels = &self.channels;
        self.channel_index.insert(&channel_id.0, slot, |seed, other| {
            channels.get(other).map_or(0, |channel| seed.hash(&channel.channel_id.0))
        });
        slot
    }

    pub(super) fn remove_channel(&mut self, slot: Slot) {
        self.set_funding(slot, None);
        let Some(Channel { channel_id, peer, next, .. }) = self.channels.get(slot) else { return };
        let (channel_id, peer, next) = (*channel_id, *peer, *next);
        let before = self.channels_of(peer).take_while(|&other| other != slot).last();
        match before.and_then(|before| self.channels.get_mut(before)) {
            Some(before) => before.next = next,
            None => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.first_channel = next;
                }
            }
        }
        self.channel_index.remove(&channel_id.0, slot);
        self.channels.remove(slot);
    }

    /// Gives a channel another funding outpoint and returns the one it had.
    pub(super) fn set_funding(&mut self, slot: Slot, funding: Option<OutPoint>) -> Option<OutPoint> {
        let channel = self.channels.get_mut(slot)?;
        let was = channel.funding;
        if was == funding {
            return was;
        }
        if let Some(was) = was {
            self.funding_index.remove(&was.txid, slot);
        }
        channel.funding = funding;
        if let Some(funding) = funding {
            let channels = &self.channels;
            self.funding_index.insert(&funding.txid, slot, |seed, other| {
                let funding = channels.get(other).and_then(|channel| channel.funding);
                funding.map_or(0, |funding| seed.hash(&funding.txid))
            });
        }
        was
    }

    /// A peer's channels, oldest first.
    pub(super) fn channels_of(&self, peer: Slot) -> impl Iterator<Item = Slot> {
        let first = self.peers.get(peer).map(|peer| peer.first_channel);
        core::iter::successors(first, |&slot| self.channels.get(slot).map(|channel| channel.next))
            .take_while(|&slot| slot != Slot::NONE)
    }

    pub(super) fn is_stranger(&self, node_id: &NodeId) -> bool {
        self.strangers.find(self.seed.hash(&node_id.0), |other| other == node_id).is_some()
    }

    pub(super) fn add_stranger(&mut self, node_id: NodeId) {
        if !self.is_stranger(&node_id) {
            let seed = self.seed;
            self.strangers.insert_unique(seed.hash(&node_id.0), node_id, |other| seed.hash(&other.0));
        }
    }

    /// Whether it was one.
    pub(super) fn remove_stranger(&mut self, node_id: &NodeId) -> bool {
        match self.strangers.find_entry(self.seed.hash(&node_id.0), |other| other == node_id) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn clear_strangers(&mut self) {
        self.strangers.clear();
    }
}
