//! Loads stored records, and collects the changes to store.

use super::Tracker;
use super::peer::{Channel, Peer, ReconnectGrace};
use crate::slab::Slot;
use crate::{
    ChannelRecord, FlapCount, GapRecord, Ledger, LogSegment, NodeId, ObserverRecord, PeerRecord, Presence,
    UnsavedChanges,
};

impl Tracker {
    /// Resumes the observation of an earlier process, from the observer's record.
    ///
    /// `latest` contains the latest stored gaps, oldest first. The tracker keeps up to 4,096 of them in
    /// memory. If the store has an observer record, call this before all other methods.
    pub fn resume_observer(&mut self, record: &ObserverRecord, latest: &[GapRecord]) {
        self.monitoring.resume(record, latest);
        self.clock.resume_from(self.monitoring.resumed_from_ns(), record.clock_ahead_ns);
    }

    /// Resumes a peer from the record of an earlier process.
    ///
    /// The recorded presence is taken to have lasted until the observer's last heartbeat. From then on the
    /// peer is unobserved until an event or snapshot reports it.
    ///
    /// Unless the peer was already unobserved, it is dirty after this call. A stored record is valid until
    /// the last heartbeat, so the heartbeats of this process would otherwise extend the recorded presence.
    ///
    /// Call this before the first event. Has no effect on a peer that is already loaded. A channel that is
    /// already loaded with another peer is skipped.
    pub fn resume_peer(&mut self, record: &PeerRecord) {
        let Some((slot, until_ns)) = self.insert_record(record) else { return };
        if record.presence != Presence::Unobserved {
            self.begin_unobserved(slot, until_ns, &mut |_| ());
        }
        self.resumed_in_grace |= self.registry.peers.get(slot).is_some_and(Peer::in_reconnect_grace);
    }

    /// Loads a peer for queries only, in the state in which it was stored.
    ///
    /// `until_ns` is the time of the last record in the store, in tracker time. Queries at that time return
    /// the same results as the tracker that stored the records.
    ///
    /// A record is valid until the last heartbeat or its own last presence change, whichever is later. A peer
    /// whose record is still valid at `until_ns` keeps its presence; all others become unobserved.
    ///
    /// Do not store changes of such a tracker. If events are applied to it, the time between `until_ns` and
    /// the first event counts as if the peers had kept their presence.
    pub fn load_archived_peer(&mut self, record: &PeerRecord, until_ns: u64) {
        let Some((slot, known_until_ns)) = self.insert_record(record) else { return };
        if known_until_ns < until_ns {
            self.begin_unobserved(slot, known_until_ns, &mut |_| ());
        } else if let Some(peer) = self.registry.peers.get_mut(slot) {
            peer.connection = record.presence;
        }
    }

    /// Inserts a record. Returns the time until which it is valid, or `None` if the peer is already loaded.
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

    /// Begins a commit: [`Tracker::drain_changes`] will return the peers that have changed so far before
    /// peers that change later. Returns the number of peers that have changed so far. The commit is complete
    /// when this number of peers has been drained.
    ///
    /// Calling this is optional. It matters only if a commit is split into several parts.
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

    /// Moves the changes of up to `limit` peers into `changes`, together with all deletions of forgotten
    /// peers and all ended gaps. Returns whether there are more changed peers.
    ///
    /// Each peer's record is complete, so the changes may be drained in several parts, with events in
    /// between. Drained changes are pending until the caller passes them to [`Tracker::mark_stored`] or
    /// [`Tracker::requeue`].
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

    /// Records that drained changes were stored. Peers that have changed again in the meantime still have
    /// unsaved changes.
    pub fn mark_stored(&mut self, changes: &UnsavedChanges) {
        for segment in &changes.segments {
            let slot = self.registry.find_peer(&segment.node_id);
            if let Some(peer) = slot.and_then(|slot| self.registry.peers.get_mut(slot)) {
                peer.saved_log(segment.first_number, &segment.entries);
            }
        }
    }

    /// Takes back drained changes that could not be stored. Their peers will be drained again, in their
    /// latest state.
    pub fn requeue(&mut self, changes: &UnsavedChanges) {
        if !changes.forgotten_peers.is_empty() || !changes.gaps.is_empty() {
            self.start_commit_delay();
            // The order does not matter: a forgotten peer that has been added again is written after its
            // deletion.
            self.forgotten_peers.extend_from_slice(&changes.forgotten_peers);
            self.monitoring.requeue(&changes.gaps);
        }
        for record in &changes.peers {
            if let Some(slot) = self.registry.find_peer(&record.node_id) {
                self.mark_dirty(slot);
            }
        }
    }

    /// Returns whether a peer was forgotten and its deletion has not been drained yet. O(n) in the number of
    /// such peers.
    #[must_use]
    pub fn is_forgotten(&self, node_id: &NodeId) -> bool {
        self.forgotten_peers.contains(node_id)
    }

    /// Forgets a peer: deletes an untracked peer together with its history. Returns whether it was deleted.
    ///
    /// Returns `false`, without any effect, if the tracker has no such peer or if the peer is tracked.
    pub fn forget(&mut self, node_id: &NodeId) -> bool {
        let Some(slot) = self.registry.find_peer(node_id).filter(|&slot| !self.is_tracked(slot)) else {
            return false;
        };
        self.start_commit_delay();
        self.commit_pending.remove(slot);
        self.dirty.remove(slot);
        self.forgotten_peers.push(*node_id);
        if self.registry.peers.get(slot).is_some_and(|peer| peer.connection == Presence::Online) {
            // The peer is still connected.
            self.registry.add_stranger(*node_id);
        }
        self.registry.remove_peer(slot);
        true
    }

    fn record(&self, peer: &Peer) -> PeerRecord {
        // If the process ends during the pause, peers that are connected now were online before that gap.
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
