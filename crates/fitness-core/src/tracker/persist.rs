//! What an earlier process stored, and what is to be stored now.

use super::Tracker;
use super::peer::{Channel, Peer, ReconnectGrace};
use crate::slab::Slot;
use crate::{
    ChannelRecord, FlapCount, GapRecord, Ledger, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence,
    UnsavedChanges,
};

impl Tracker {
    /// Takes over until when an earlier process is known to have observed, and its account of that.
    ///
    /// `latest` are the latest gaps that are stored, oldest first: as many as are wanted in memory,
    /// of which some thousands are kept. To be called before everything else, where there is an
    /// observer's record.
    pub fn resume_observer(&mut self, record: &ObserverRecord, latest: &[GapRecord]) {
        self.monitoring.resume(record, latest);
        self.clock.resume_from(self.monitoring.resumed_from_ns(), record.clock_ahead_ns);
    }

    /// Takes a peer over from an earlier process.
    ///
    /// Until its last heartbeat what was known went on; from then on nothing is known, until an event
    /// or snapshot says it. That is a change to store: the record says that it goes on until the
    /// observer's heartbeat, and ours is going to move that ahead. To be called before the first
    /// event. A peer that is known already, and a channel id that another peer's record brought, are
    /// left as they are.
    pub fn resume_peer(&mut self, record: &PeerRecord) {
        let Some((slot, until_ns)) = self.insert_record(record) else { return };
        if record.presence != Presence::Unobserved {
            self.begin_unobserved(slot, until_ns, &mut |_| ());
        }
        self.resumed_in_grace |= self.registry.peers.get(slot).is_some_and(Peer::in_reconnect_grace);
    }

    /// Takes a peer over as its record has it, to be asked and not to go on: what is known until
    /// `until_ns`, a moment as the records have them, still is; what is not, is not.
    ///
    /// Asked as of that moment, which is the last that any record knows of, the tracker answers what
    /// the one did that was stored. An event would find that no time has passed since.
    pub fn load_archived_peer(&mut self, record: &PeerRecord, until_ns: u64) {
        let Some((slot, known_until_ns)) = self.insert_record(record) else { return };
        if known_until_ns < until_ns {
            self.begin_unobserved(slot, known_until_ns, &mut |_| ());
        } else if let Some(peer) = self.registry.peers.get_mut(slot) {
            peer.connection = record.presence;
        }
    }

    /// Adds what a record says; returns until when that is known. `None` where the peer is there already.
    fn insert_record(&mut self, record: &PeerRecord) -> Option<(Slot, u64)> {
        if self.registry.find_peer(&record.node_id).is_some() {
            return None;
        }
        let until_ns = self.monitoring.resumed_from_ns().max(record.presence_since_ns);
        self.clock.resume_from(until_ns, self.clock.clock_ahead_ns());
        let mut peer = Peer::new(record.node_id, record.tracked_since_ns);
        peer.watched = record.watched;
        peer.disconnects = record.disconnects;
        peer.set_flaps(FlapCount::from_parts(record.flap_count, record.last_flap_ns));
        peer.ledger = Ledger::from_parts(record.presence, record.presence_since_ns, record.totals);
        peer.continue_log(record.log_end);
        if record.in_reconnect_grace && self.config.reconnect_grace_ns > 0 {
            peer.reconnect_grace = ReconnectGrace::Active;
        }
        let slot = self.registry.add_peer(peer);
        if let Some(imported) = record.imported {
            self.registry.set_imported(record.node_id, imported);
        }
        for record in &record.channels {
            if self.registry.find_channel(&record.channel_id).is_none() {
                let &ChannelRecord {
                    channel_id,
                    funding,
                    opened_at_ns,
                    opened_totals,
                    reported_usable,
                    usable_ledger,
                } = record;
                let mut channel = Channel::new(channel_id, funding, opened_at_ns, opened_totals);
                (channel.reported_usable, channel.usable_ledger) = (reported_usable, usable_ledger);
                self.registry.add_channel(slot, channel);
            }
        }
        Some((slot, until_ns))
    }

    /// Begins a flush: [`Tracker::drain_changes`] takes what has changed until now before anything that
    /// changes from here on, so that a flush in several goes is whole after as many peers as this returns.
    pub fn begin_commit(&mut self) -> usize {
        if self.commit_pending.is_empty() {
            core::mem::swap(&mut self.commit_pending, &mut self.dirty);
        } else {
            for slot in self.dirty.take(usize::MAX) {
                self.commit_pending.insert(slot);
            }
        }
        self.commit_pending.len()
    }

    /// Adds what has to be stored for the next `limit` peers that changed to `changes`, with all that
    /// there is besides peers. Returns whether more is left.
    ///
    /// Each peer's record is whole in itself, so a long list may be taken in several goes, with
    /// events in between. What was taken counts as under way: say how it ended by
    /// [`Tracker::mark_stored`] or [`Tracker::requeue`].
    pub fn drain_changes(&mut self, limit: usize, changes: &mut UnsavedChanges) -> bool {
        changes.forgotten_peers.append(&mut self.forgotten_peers);
        changes.gaps.extend(self.monitoring.take_unsaved());
        let mut taken = self.commit_pending.take(limit);
        taken.extend(self.dirty.take(limit - taken.len()));
        changes.peers.reserve(taken.len());
        for slot in taken {
            let Some(peer) = self.registry.peers.get(slot) else { continue };
            let node_id = peer.node_id;
            let segments = peer.unsaved_log().into_iter();
            changes.segments.extend(segments.map(|(first, entries)| LogSegment {
                node_id,
                first_number: first,
                entries,
            }));
            changes.peers.push(self.record(peer));
        }
        !self.commit_pending.is_empty() || !self.dirty.is_empty()
    }

    /// Notes that changes were stored. What has changed again since is stored again.
    pub fn mark_stored(&mut self, changes: &UnsavedChanges) {
        for segment in &changes.segments {
            let slot = self.registry.find_peer(&segment.node_id);
            if let Some(peer) = slot.and_then(|slot| self.registry.peers.get_mut(slot)) {
                peer.saved_log(segment.first_number, &segment.entries);
            }
        }
    }

    /// Takes back changes that could not be stored: their peers are to be stored again, as they
    /// are by then.
    pub fn requeue(&mut self, changes: &UnsavedChanges) {
        if !changes.forgotten_peers.is_empty() || !changes.gaps.is_empty() {
            self.note_unsaved_change();
            // The order does not matter, and a peer that came back meanwhile is written after it.
            self.forgotten_peers.extend_from_slice(&changes.forgotten_peers);
            self.monitoring.requeue(&changes.gaps);
        }
        for record in &changes.peers {
            if let Some(slot) = self.registry.find_peer(&record.node_id) {
                self.mark_dirty(slot);
            }
        }
    }

    /// Whether a peer was dropped and is yet to be deleted from the store.
    #[must_use]
    pub fn is_forgotten(&self, node_id: &NodeId) -> bool {
        self.forgotten_peers.contains(node_id)
    }

    /// Drops a peer that is not followed, with its history, and returns whether it was there.
    ///
    /// One that has a channel or is watched stays, and the answer is `false`.
    pub fn forget(&mut self, node_id: &NodeId) -> bool {
        let Some(slot) = self.registry.find_peer(node_id).filter(|&slot| !self.is_tracked(slot)) else {
            return false;
        };
        self.note_unsaved_change();
        self.commit_pending.remove(slot);
        self.dirty.remove(slot);
        self.forgotten_peers.push(*node_id);
        if self.registry.peers.get(slot).is_some_and(|peer| peer.connection == Presence::Online) {
            // It is still a connection that there is.
            self.registry.add_stranger(*node_id);
        }
        self.registry.remove_peer(slot);
        true
    }

    fn record(&self, peer: &Peer) -> PeerRecord {
        // Should we end with the pause, who is connected by then was online before that gap.
        let is_connected = self.paused && peer.connection == Presence::Online && self.is_tracked_peer(peer);

        let flaps = peer.flaps();
        PeerRecord {
            node_id: peer.node_id,
            watched: peer.watched,
            in_reconnect_grace: peer.in_reconnect_grace() || is_connected,
            tracked_since_ns: peer.tracked_since_ns,
            presence: peer.ledger.presence(),
            presence_since_ns: peer.ledger.presence_since_ns(),
            totals: peer.ledger.totals(),
            flap_count: flaps.count(),
            last_flap_ns: flaps.last_flap_ns(),
            disconnects: peer.disconnects,
            log_end: peer.log().end_number(),
            imported: self.registry.imported(&peer.node_id),
            channels: peer
                .channels_by_age()
                .into_iter()
                .map(|channel| ChannelRecord {
                    channel_id: channel.channel_id,
                    funding: channel.funding(),
                    opened_at_ns: channel.opened_at_ns,
                    opened_totals: channel.opened_totals,
                    reported_usable: channel.reported_usable,
                    usable_ledger: channel.usable_ledger,
                })
                .collect(),
        }
    }
}
