//! Who is known: peers, their channels, and the strangers that are connected. No rules.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::log::Committed;
use crate::slab::{HashSeed, Index, MultiIndex, Slab, Slot};
use crate::{ChannelId, EventLog, FlapCount, Ledger, LogEntry, NodeId, OutPoint, Presence, Totals};

/// A peer that we follow, or followed once and keep the history of.
///
/// The order of the fields is the order in memory: an event touches the middle, a question about
/// a channel the middle and the end. Nearly every peer has one channel, which stands inline.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    committed: Committed,
    // In order of their ids.
    more_channels: Option<Box<MoreChannels>>,
    /// When its account began, with both totals at 0.
    pub(super) first_seen_ns: u64,
    // The parts of a `FlapCount`, which would bring four bytes of padding.
    last_flap_ns: u64,
    flap_count: u32,
    pub(super) disconnects: u32,
    pub(super) node_id: NodeId,
    /// Followed for its own sake.
    pub(super) watched: bool,
    /// What events last said of its connection, whether or not it was followed then.
    pub(super) heard: Presence,
    /// It was online before a gap of ours, has a grace to come back, and is not back.
    pub(super) awaited: bool,
    /// Whether the ledger's last change is the log's staged entry.
    is_staged: bool,
    pub(super) ledger: Ledger,
    channel: Option<Channel>,
}

#[derive(Debug, Default)]
struct MoreChannels(Vec<Channel>);

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) channel_id: ChannelId,
    pub(super) funding: Option<OutPoint>,
    pub(super) opened_at_ns: u64,
    /// The peer's totals at that moment.
    pub(super) opened_totals: Totals,
}

impl Peer {
    pub(super) fn new(node_id: NodeId, at_ns: u64) -> Self {
        Self {
            committed: Committed::default(),
            more_channels: None,
            first_seen_ns: at_ns,
            last_flap_ns: 0,
            flap_count: 0,
            disconnects: 0,
            node_id,
            watched: false,
            heard: Presence::Unobserved,
            awaited: false,
            is_staged: false,
            ledger: Ledger::starting(at_ns),
            channel: None,
        }
    }

    /// Notes what an event says of its connection.
    pub(super) fn hear(&mut self, online: bool) {
        self.heard = online.into();
        self.awaited &= !online;
    }

    /// What to believe of its connection, if it is followed and we can tell.
    pub(super) fn believed(&self) -> Presence {
        if self.awaited && self.heard == Presence::Offline { Presence::Unobserved } else { self.heard }
    }

    pub(super) fn log(&self) -> EventLog<'_> {
        self.committed.with_staged(self.is_staged.then(|| self.ledger.last_change()))
    }

    /// Continues a log of which only the store knows: nothing is held of it.
    pub(super) fn continue_log(&mut self, end: u32) {
        self.committed = Committed::continuing(end);
        self.is_staged = false;
    }

    /// Changes the ledger and logs the change. It takes the place of the one before if that was not
    /// there for longer than `rate_limit_ns`.
    pub(super) fn set_logged(&mut self, presence: Presence, at_ns: u64, rate_limit_ns: u64, capacity: u32) {
        let staged = self.ledger.last_change();
        if self.is_staged && staged.at_ns().saturating_add(rate_limit_ns) < at_ns {
            self.committed.push(staged, capacity);
        }
        self.ledger.set(presence, at_ns);
        self.is_staged = true;
        self.committed.staged_another();
    }

    /// Changes the ledger alone; the log must have nothing staged.
    pub(super) fn set_unlogged(&mut self, presence: Presence, at_ns: u64) {
        self.ledger.set(presence, at_ns);
    }

    pub(super) fn take_unsaved_log(&mut self) -> Vec<(u32, Vec<LogEntry>)> {
        let staged = self.log().staged();
        self.committed.take_unsaved(staged)
    }

    pub(super) fn unsaved_log_from(&mut self, first: u32) {
        self.committed.unsaved_from(first);
    }

    pub(super) fn flaps(&self) -> FlapCount {
        FlapCount::from_parts(self.flap_count, Some(self.last_flap_ns).filter(|&at| at > 0))
    }

    pub(super) fn set_flaps(&mut self, flaps: FlapCount) {
        self.flap_count = flaps.count();
        self.last_flap_ns = flaps.last_ns().unwrap_or(0);
    }

    pub(super) fn has_channels(&self) -> bool {
        self.channel.is_some()
    }

    /// Its channels, in no particular order.
    pub(super) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channel.iter().chain(self.more_channels.iter().flat_map(|more| &more.0))
    }

    /// Its channels, oldest first.
    pub(super) fn channels_by_age(&self) -> Vec<&Channel> {
        let mut channels: Vec<_> = self.channels().collect();
        channels.sort_by_key(|channel| (channel.opened_at_ns, channel.channel_id));
        channels
    }

    pub(super) fn channel(&self, channel_id: &ChannelId) -> Option<&Channel> {
        match &self.channel {
            Some(channel) if channel.channel_id == *channel_id => Some(channel),
            _ => {
                let more = &self.more_channels.as_ref()?.0;
                more.get(more.binary_search_by_key(channel_id, |other| other.channel_id).ok()?)
            }
        }
    }

    fn channel_mut(&mut self, channel_id: &ChannelId) -> Option<&mut Channel> {
        match &mut self.channel {
            Some(channel) if channel.channel_id == *channel_id => Some(channel),
            _ => {
                let more = &mut self.more_channels.as_mut()?.0;
                let place = more.binary_search_by_key(channel_id, |other| other.channel_id).ok()?;
                more.get_mut(place)
            }
        }
    }

    fn add_channel(&mut self, channel: Channel) {
        if self.channel.is_none() {
            self.channel = Some(channel);
            return;
        }
        let more = &mut self.more_channels.get_or_insert_default().0;
        if let Err(place) = more.binary_search_by_key(&channel.channel_id, |other| other.channel_id) {
            more.insert(place, channel);
        }
    }

    fn remove_channel(&mut self, channel_id: &ChannelId) {
        if self.channel.as_ref().is_some_and(|channel| channel.channel_id == *channel_id) {
            self.channel = self.more_channels.as_mut().and_then(|more| more.0.pop());
        } else if let Some(more) = &mut self.more_channels {
            more.0.retain(|channel| channel.channel_id != *channel_id);
        }
        self.more_channels.take_if(|more| more.0.is_empty());
    }
}

/// One transaction may fund many channels.
fn key(funding: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(&funding.txid);
    key[32..].copy_from_slice(&funding.vout.to_le_bytes());
    key
}

/// All peers and channels, found by their names.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) peers: Slab<Peer>,
    peer_index: Index,
    /// Channels lead to their peers.
    channel_index: MultiIndex,
    funding_index: MultiIndex,
    /// Connected peers that are not in `peers`: nothing but their names, while they are connected.
    strangers: HashTable<NodeId>,
    seed: HashSeed,
}

impl Book {
    pub(super) const fn new(seed: HashSeed) -> Self {
        Self {
            peers: Slab::new(),
            peer_index: Index::new(seed),
            channel_index: MultiIndex::new(seed),
            funding_index: MultiIndex::new(seed),
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
        }
    }

    /// The peer of an open channel.
    pub(super) fn find_channel(&self, channel_id: &ChannelId) -> Option<Slot> {
        self.channel_index.find(&channel_id.0, |slot| {
            self.peers.get(slot).is_some_and(|peer| peer.channel(channel_id).is_some())
        })
    }

    /// An open channel and its peer.
    pub(super) fn channel(&self, channel_id: &ChannelId) -> Option<(&Peer, &Channel)> {
        let peer = self.peers.get(self.find_channel(channel_id)?)?;
        Some((peer, peer.channel(channel_id)?))
    }

    /// The channel whose money is at an outpoint, and its peer.
    pub(super) fn channel_at(&self, funding: &OutPoint) -> Option<(&Peer, &Channel)> {
        let there = |peer: &Peer| peer.channels().any(|channel| channel.funding == Some(*funding));
        let slot = self.funding_index.find(&key(funding), |slot| self.peers.get(slot).is_some_and(there))?;
        let peer = self.peers.get(slot)?;
        Some((peer, peer.channels().find(|channel| channel.funding == Some(*funding))?))
    }

    /// Adds a channel that is not there.
    pub(super) fn add_channel(&mut self, slot: Slot, channel: Channel) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        self.channel_index.insert(&channel.channel_id.0, slot);
        if let Some(funding) = channel.funding {
            self.funding_index.insert(&key(&funding), slot);
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

    /// Gives a channel another funding outpoint and returns the one it had.
    pub(super) fn set_funding(
        &mut self,
        slot: Slot,
        channel_id: &ChannelId,
        funding: Option<OutPoint>,
    ) -> Option<OutPoint> {
        let channel = self.peers.get_mut(slot)?.channel_mut(channel_id)?;
        let was = core::mem::replace(&mut channel.funding, funding);
        if let Some(was) = was {
            self.funding_index.remove(&key(&was), slot);
        }
        if let Some(funding) = funding {
            self.funding_index.insert(&key(&funding), slot);
        }
        was
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
