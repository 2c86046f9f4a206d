//! What an earlier process stored, and what is to be stored now.

use super::Tracker;
use super::book::{Channel, Peer};
use super::grace::Grace;
use crate::slab::Slot;
use crate::{Changes, ChannelRecord, FlapCount, Ledger, LogSegment, NodeId, PeerRecord, Presence, Timestamp};

impl Tracker {
    /// Takes a peer over from an earlier process that is known to have observed until
    /// `observed_until` (its last heartbeat).
    ///
    /// Until then what was known went on; from then on nothing is known, until an event or
    /// snapshot says it. That is a change to store: the record says that it goes on until the
    /// observer's heartbeat, and ours is going to move that ahead. To be called before the first
    /// event. A peer that is known already, and a channel id that another peer's record brought, are
    /// left as they are.
    pub fn restore(&mut self, record: &PeerRecord, observed_until: Timestamp) {
        if self.book.find_peer(&record.node_id).is_some() {
            return;
        }
        let until_ns = observed_until.as_nanos().max(record.since_ns);
        self.line.resume_from(until_ns);
        let mut peer = Peer::new(record.node_id, record.first_seen_ns);
        peer.watched = record.watched;
        peer.disconnects = record.disconnects;
        peer.set_flaps(FlapCount::from_parts(record.flap_count, record.last_flap_ns));
        peer.ledger = Ledger::from_parts(record.presence, record.since_ns, record.totals);
        peer.continue_log(record.log_end);
        if record.presence != Presence::Unobserved {
            if self.config.rules.are_lnds() {
                peer.set_unlogged(Presence::Unobserved, until_ns);
            } else {
                peer.set_logged(Presence::Unobserved, until_ns, 0, self.config.log_capacity);
            }
        }
        let was_online = record.presence == Presence::Online || record.awaited;
        if was_online && self.config.reconnect_grace_ns > 0 {
            peer.awaited = true;
            self.grace = Grace::AtFirstEvent;
        }
        let slot = self.book.add_peer(peer);
        if record.presence != Presence::Unobserved {
            self.mark_dirty(slot);
        }
        for &ChannelRecord { channel_id, funding, opened_at_ns, opened_totals } in &record.channels {
            if self.book.find_channel(&channel_id).is_none() {
                self.book.add_channel(slot, Channel { channel_id, funding, opened_at_ns, opened_totals });
            }
        }
    }

    /// Adds what has to be stored for the next `limit` peers that changed to `changes`, and
    /// counts it as stored. Returns whether more is left.
    ///
    /// Each peer's record is whole in itself, so a long list may be taken in several goes, with
    /// events in between.
    pub fn take_changes(&mut self, limit: usize, changes: &mut Changes) -> bool {
        let taken = self.dirty.take(limit);
        changes.peers.reserve(taken.len());
        for slot in taken {
            if let Some(peer) = self.book.peers.get_mut(slot) {
                let node_id = peer.node_id;
                let segments = peer.take_unsaved_log().into_iter();
                changes.segments.extend(segments.map(|(first, entries)| LogSegment {
                    node_id,
                    first,
                    entries,
                }));
            }
            changes.peers.extend(self.record(slot));
        }
        !self.dirty.is_empty()
    }

    /// Takes back changes that could not be stored: their peers are to be stored again, as they
    /// are by then.
    pub fn put_back(&mut self, changes: &Changes) {
        for segment in &changes.segments {
            let slot = self.book.find_peer(&segment.node_id);
            if let Some(peer) = slot.and_then(|slot| self.book.peers.get_mut(slot)) {
                peer.unsaved_log_from(segment.first);
            }
        }
        for record in &changes.peers {
            if let Some(slot) = self.book.find_peer(&record.node_id) {
                self.mark_dirty(slot);
            }
        }
    }

    /// Drops a peer that is not followed, with its history, and returns whether it was there.
    ///
    /// One that has a channel or is watched stays, and the answer is `false`.
    pub fn forget(&mut self, node_id: &NodeId) -> bool {
        let Some(slot) = self.book.find_peer(node_id).filter(|&slot| !self.is_followed(slot)) else {
            return false;
        };
        self.dirty.remove(slot);
        self.book.remove_peer(slot);
        true
    }

    fn record(&self, slot: Slot) -> Option<PeerRecord> {
        let peer = self.book.peers.get(slot)?;
        let flaps = peer.flaps();
        Some(PeerRecord {
            node_id: peer.node_id,
            watched: peer.watched,
            awaited: peer.awaited,
            first_seen_ns: peer.first_seen_ns,
            presence: peer.ledger.presence(),
            since_ns: peer.ledger.since_ns(),
            totals: peer.ledger.totals(),
            flap_count: flaps.count(),
            last_flap_ns: flaps.last_ns(),
            disconnects: peer.disconnects,
            log_end: peer.log().end(),
            channels: peer
                .channels_by_age()
                .into_iter()
                .map(|channel| ChannelRecord {
                    channel_id: channel.channel_id,
                    funding: channel.funding,
                    opened_at_ns: channel.opened_at_ns,
                    opened_totals: channel.opened_totals,
                })
                .collect(),
        })
    }
}
