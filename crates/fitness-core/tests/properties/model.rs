//! The same rules, told once more by brute force: every change of every peer is kept for ever, and
//! every answer is a sum over all of them.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{ChannelId, Event, FlapCount, NodeId, Presence};

#[derive(Default)]
pub(crate) struct Account {
    pub(crate) first_seen: u64,
    pub(crate) watched: bool,
    pub(crate) flaps: FlapCount,
    pub(crate) disconnects: u32,
    pub(crate) history: Vec<(u64, Presence)>,
}

impl Account {
    pub(crate) fn presence(&self) -> Presence {
        self.history.last().map_or(Presence::Unobserved, |change| change.1)
    }

    /// Online and observed nanoseconds in `[from, to)`.
    pub(crate) fn spent(&self, from: u64, to: u64) -> (u64, u64) {
        let ends = self.history.iter().skip(1).map(|change| change.0).chain([u64::MAX]);
        let mut spent = (0, 0);
        for (&(start, presence), end) in self.history.iter().zip(ends) {
            let inside = end.min(to).saturating_sub(start.max(from));
            spent.0 += if presence == Presence::Online { inside } else { 0 };
            spent.1 += if presence == Presence::Unobserved { 0 } else { inside };
        }
        spent
    }
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) peers: BTreeMap<NodeId, Account>,
    pub(crate) channels: BTreeMap<ChannelId, (NodeId, u64)>,
    heard: BTreeMap<NodeId, Presence>,
    paused: bool,
    /// Who was online before the last pause and is not back, from when it ended, and until when.
    awaited: BTreeSet<NodeId>,
    grace: Option<(u64, u64)>,
}

const GRACE: u64 = 120 * 1_000_000_000;

impl Model {
    pub(crate) fn is_followed(&self, node_id: &NodeId) -> bool {
        self.peers.get(node_id).is_some_and(|peer| peer.watched)
            || self.channels.values().any(|channel| channel.0 == *node_id)
    }

    pub(crate) fn apply(&mut self, at: u64, event: &Event) {
        if let Some((from, _)) = self.grace.filter(|grace| at >= grace.1) {
            // They were offline all along: whoever has not changed since changes then.
            self.grace = None;
            self.awaited.clear();
            self.settle(from);
        }
        match event {
            Event::PeerOnline { node_id } => self.hear(*node_id, true),
            Event::PeerOffline { node_id } => self.hear(*node_id, false),
            Event::ChannelOpened(opened) => {
                self.open(at, opened.channel_id, opened.node_id, opened.online);
            }
            Event::ChannelClosed { channel_id } => {
                self.channels.remove(channel_id);
            }
            Event::Watch { node_id } => self.account(at, *node_id).watched = true,
            Event::Unwatch { node_id } => {
                if let Some(peer) = self.peers.get_mut(node_id) {
                    peer.watched = false;
                }
            }
            Event::Snapshot(snapshot) => {
                let connected: BTreeSet<_> = snapshot.connected.iter().copied().collect();
                let known: Vec<_> = self.peers.keys().copied().collect();
                self.heard.retain(|node_id, _| known.contains(node_id));
                for node_id in connected.iter().filter(|node_id| !known.contains(node_id)) {
                    self.heard.insert(*node_id, Presence::Online);
                }
                for channel in &snapshot.channels {
                    let online = connected.contains(&channel.node_id);
                    self.open(at, channel.channel_id, channel.node_id, Some(online));
                }
                self.channels.retain(|channel_id, _| {
                    snapshot.channels.iter().any(|other| other.channel_id == *channel_id)
                });
                for node_id in self.peers.keys() {
                    self.heard.insert(*node_id, connected.contains(node_id).into());
                }
                self.awaited.retain(|node_id| !connected.contains(node_id));
            }
            Event::ObservationPaused if !self.paused => {
                let online = self.peers.iter().filter(|(_, peer)| peer.presence() == Presence::Online);
                self.awaited.extend(online.map(|(node_id, _)| *node_id));
                self.paused = true;
                self.heard.clear();
            }
            Event::ObservationResumed if self.paused => {
                self.paused = false;
                self.grace = Some((at, at + GRACE));
            }
            _ => {}
        }
        self.settle(at);
    }

    fn hear(&mut self, node_id: NodeId, online: bool) {
        if online {
            self.awaited.remove(&node_id);
        }
        if online || self.peers.contains_key(&node_id) {
            self.heard.insert(node_id, online.into());
        } else {
            self.heard.remove(&node_id);
        }
    }

    fn account(&mut self, at: u64, node_id: NodeId) -> &mut Account {
        self.peers.entry(node_id).or_insert_with(|| Account { first_seen: at, ..Account::default() })
    }

    fn open(&mut self, at: u64, channel_id: ChannelId, node_id: NodeId, online: Option<bool>) {
        if self.channels.contains_key(&channel_id) {
            return;
        }
        let presence = self.account(at, node_id).presence();
        if presence == Presence::Unobserved && online.is_some() {
            self.heard.insert(node_id, online.into());
            if online == Some(true) {
                self.awaited.remove(&node_id);
            }
        }
        self.channels.insert(channel_id, (node_id, at));
    }

    /// Everyone's presence is what was heard, where it counts, from a moment on; for no peer from
    /// before its newest channel, though.
    fn settle(&mut self, from: u64) {
        let followed: BTreeSet<_> =
            self.peers.keys().copied().filter(|node_id| self.is_followed(node_id)).collect();
        for (node_id, peer) in &mut self.peers {
            let heard = self.heard.get(node_id).copied().unwrap_or_default();
            let is_awaited = self.awaited.contains(node_id) && heard == Presence::Offline;
            let is_known = followed.contains(node_id) && !self.paused && !is_awaited;
            let presence = if is_known { heard } else { Presence::Unobserved };
            let was = peer.presence();
            if was == presence {
                continue;
            }
            if was != Presence::Unobserved && presence != Presence::Unobserved {
                peer.flaps.flap(from);
                peer.disconnects += u32::from(presence == Presence::Offline);
            }
            let opened = self.channels.values().filter(|channel| channel.0 == *node_id);
            let newest = opened.map(|channel| channel.1).max().unwrap_or(0);
            let last = peer.history.last().map_or(peer.first_seen, |change| change.0);
            let at = from.max(last).max(newest);
            peer.history.push((at, presence));
        }
    }
}
