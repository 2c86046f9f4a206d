//! The same rules, told once more by brute force: every change of every peer is kept for ever, and
//! every answer is a sum over all of them.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{ChannelId, Event, FlapCount, GapCause, NodeId, Presence, Snapshot};

/// What something was, from which moment on.
pub(crate) type History = Vec<(u64, Presence)>;

/// Nanoseconds of `Online`, and of anything known, in `[from, to)`.
pub(crate) fn spent(history: &History, from: u64, to: u64) -> (u64, u64) {
    let ends = history.iter().skip(1).map(|change| change.0).chain([u64::MAX]);
    let mut spent = (0, 0);
    for (&(start, presence), end) in history.iter().zip(ends) {
        let inside = end.min(to).saturating_sub(start.max(from));
        spent.0 += if presence == Presence::Online { inside } else { 0 };
        spent.1 += if presence == Presence::Unobserved { 0 } else { inside };
    }
    spent
}

fn last(history: &History) -> Presence {
    history.last().map_or(Presence::Unobserved, |change| change.1)
}

#[derive(Default)]
pub(crate) struct Account {
    pub(crate) tracked_since: u64,
    pub(crate) watched: bool,
    pub(crate) history: History,
}

impl Account {
    pub(crate) fn presence(&self) -> Presence {
        last(&self.history)
    }

    /// Online and observed nanoseconds in `[from, to)`.
    pub(crate) fn spent(&self, from: u64, to: u64) -> (u64, u64) {
        spent(&self.history, from, to)
    }

    /// Changes between online and offline, and how many of them were losses.
    pub(crate) fn flaps(&self) -> (FlapCount, u32) {
        let (mut flaps, mut disconnects) = (FlapCount::default(), 0);
        for (was, now) in self.history.iter().zip(self.history.iter().skip(1)) {
            if was.1 != Presence::Unobserved && now.1 != Presence::Unobserved && was.1 != now.1 {
                flaps.record_flap(now.0);
                disconnects += u32::from(now.1 == Presence::Offline);
            }
        }
        (flaps, disconnects)
    }
}

pub(crate) struct Channel {
    pub(crate) node_id: NodeId,
    pub(crate) opened: u64,
    ready: Option<bool>,
    pub(crate) usable: History,
}

#[derive(Clone, Copy, PartialEq)]
enum Awaited {
    Yes,
    Shaky,
}

struct Grace {
    from: u64,
    until: u64,
    met: bool,
}

/// Counts of connections are checked against all connections there are.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) peers: BTreeMap<NodeId, Account>,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    /// When and why we could not tell; the end is missing while it lasts.
    pub(crate) gaps: Vec<(GapCause, u64, Option<u64>)>,
    pub(crate) started: Option<u64>,
    heard: BTreeMap<NodeId, Presence>,
    paused: bool,
    awaited: BTreeMap<NodeId, Awaited>,
    grace: Option<Grace>,
    /// Until when a connection that is lost may have died in a gap of ours.
    shaky_until: u64,
    out: bool,
    /// Whose account is not kept is not told from whom.
    losses: Vec<(u64, Option<NodeId>)>,
    now: u64,
}

const SECOND: u64 = 1_000_000_000;
pub(crate) const GRACE: u64 = 120 * SECOND;

fn is_outage(lost: usize, of: usize) -> bool {
    lost >= 3 && lost * 10 >= of * 8
}

impl Model {
    pub(crate) fn is_followed(&self, node_id: &NodeId) -> bool {
        self.peers.get(node_id).is_some_and(|peer| peer.watched)
            || self.channels.values().any(|channel| channel.node_id == *node_id)
    }

    fn up(&self) -> usize {
        self.heard.values().filter(|heard| **heard == Presence::Online).count()
    }

    pub(crate) fn advance(&mut self, at: u64) {
        self.started.get_or_insert(at);
        if let Some(grace) = self.grace.take_if(|grace| at >= grace.until) {
            self.end_grace(&grace);
        }
    }

    /// Another process goes on: it started at `at`, and the one before observed until `until`.
    pub(crate) fn restart(&mut self, until: u64, at: u64) {
        if std::mem::take(&mut self.paused) {
            let connected = self.heard.iter().filter(|(_, heard)| **heard == Presence::Online);
            let connected: Vec<NodeId> =
                connected.map(|(node_id, _)| *node_id).filter(|node_id| self.is_followed(node_id)).collect();
            self.awaited.extend(connected.into_iter().map(|node_id| (node_id, Awaited::Yes)));
        }
        self.shaky_until = 0;
        self.lose_sight(until);
        self.end_gap(until);
        self.gaps.push((GapCause::NotRunning, until, Some(at)));
        self.settle(until);
        self.now = at;
        if self.awaited.values().any(|awaited| *awaited == Awaited::Yes) {
            self.grace = Some(Grace { from: at, until: at + GRACE, met: false });
        }
    }

    fn lose_sight(&mut self, at: u64) {
        self.awaited.retain(|_, awaited| *awaited == Awaited::Yes);
        for (node_id, peer) in &self.peers {
            if peer.presence() == Presence::Online {
                self.awaited.insert(*node_id, Awaited::Yes);
            }
        }
        self.grace = None;
        self.out = false;
        self.losses.clear();
        self.heard.clear();
        self.now = at;
    }

    pub(crate) fn apply(&mut self, at: u64, event: &Event) {
        let settled = match event {
            Event::Unobserved { since } => since.as_nanos().clamp(self.now.min(at), at),
            _ => at,
        };
        self.advance(settled);
        self.now = at;
        match event {
            Event::PeerOnline { node_id } => self.hear(*node_id, true, at),
            Event::PeerOffline { node_id } => self.hear(*node_id, false, at),
            Event::ChannelOpened(opened) => {
                self.open(at, opened.channel_id, opened.node_id, opened.online);
            }
            Event::ChannelClosed { channel_id } => self.close(channel_id, at),
            Event::ChannelUsable { channel_id, usable } => self.tell(channel_id, *usable),
            Event::Watch { node_id } => self.account(at, *node_id).watched = true,
            Event::Unwatch { node_id } => {
                let was_followed = self.is_followed(node_id);
                if let Some(peer) = self.peers.get_mut(node_id) {
                    peer.watched = false;
                }
                self.let_go(node_id, was_followed, at);
            }
            Event::Snapshot(snapshot) => self.reconcile(snapshot, at),
            Event::ObservationPaused if !self.paused => {
                self.end_gap(at);
                self.gaps.push((GapCause::Paused, at, None));
                self.lose_sight(at);
                self.paused = true;
            }
            Event::ObservationResumed if self.paused => {
                self.paused = false;
                self.shaky_until = at + GRACE;
                self.end_gap(at);
                self.grace = Some(Grace { from: at, until: at + GRACE, met: false });
            }
            Event::Unobserved { .. } => self.lapse(settled, at),
            Event::ClockSet { to } if to.as_nanos() > at => {
                self.now = to.as_nanos();
                self.lapse(at, self.now);
            }
            _ => {}
        }
        self.settle(self.now);
    }

    /// We could not tell for a while, and who was online may be gone without our knowing.
    fn lapse(&mut self, from: u64, to: u64) {
        if self.paused {
            return;
        }
        if self.gaps.last().is_none_or(|gap| gap.2.is_some()) {
            self.gaps.push((GapCause::Suspended, from, Some(to)));
        }
        self.losses.clear();
        for (node_id, peer) in &mut self.peers {
            if peer.presence() == Presence::Online {
                self.awaited.insert(*node_id, Awaited::Shaky);
            }
            if from < to && peer.presence() != Presence::Unobserved {
                peer.history.push((from, Presence::Unobserved));
            }
        }
        self.settle_usable(from);
        self.shaky_until = to + GRACE;
        if !self.out {
            self.grace = Some(Grace { from: to, until: to + GRACE, met: false });
        }
    }

    fn end_gap(&mut self, at: u64) {
        if let Some((_, _, end @ None)) = self.gaps.last_mut() {
            *end = Some(at);
        }
    }

    fn end_grace(&mut self, grace: &Grace) {
        let waiting = |node_id: &&NodeId| self.awaited.get(*node_id) == Some(&Awaited::Yes);
        let many = self.peers.keys().filter(waiting).filter(|node_id| self.is_followed(node_id)).count();
        if !grace.met && self.up() == 0 && !self.paused && is_outage(many, many) {
            self.network_out(grace.from);
        } else {
            // They were offline all along: whoever has not changed since changes then.
            self.awaited.clear();
            self.settle(grace.from);
        }
    }

    fn hear(&mut self, node_id: NodeId, online: bool, at: u64) {
        let was = self.heard.get(&node_id).copied().unwrap_or_default();
        self.believe(node_id, online, at);
        if online && was != Presence::Online {
            self.connected(at);
        }
        if was == Presence::Online && !online {
            self.lost(node_id, at);
        }
    }

    fn believe(&mut self, node_id: NodeId, online: bool, at: u64) {
        let presence = self.peers.get(&node_id).map(Account::presence);
        let shaky = self.awaited.get(&node_id) == Some(&Awaited::Shaky) && at < self.shaky_until;
        if online {
            self.awaited.remove(&node_id);
        } else if presence == Some(Presence::Online) && (shaky || self.out) {
            self.awaited.insert(node_id, Awaited::Yes);
        }
        if online || self.peers.contains_key(&node_id) {
            self.heard.insert(node_id, online.into());
        } else {
            self.heard.remove(&node_id);
        }
        self.settle(at);
    }

    fn connected(&mut self, at: u64) {
        self.losses.clear();
        if let Some(grace) = &mut self.grace {
            grace.met = true;
        }
        if std::mem::take(&mut self.out) {
            self.end_gap(at);
            self.grace = Some(Grace { from: at, until: at + GRACE, met: false });
            self.settle(at);
        }
    }

    fn lost(&mut self, node_id: NodeId, at: u64) {
        if self.out || self.paused {
            return;
        }
        self.losses.push((at, Some(node_id).filter(|node_id| self.peers.contains_key(node_id))));
        self.losses.retain(|loss| at - loss.0 <= 30 * SECOND);
        if !is_outage(self.losses.len(), self.losses.len() + self.up()) {
            return;
        }
        let losses = std::mem::take(&mut self.losses);
        for (lost, node_id) in losses.iter().filter_map(|(at, node_id)| Some((at, node_id.as_ref()?))) {
            let Some(peer) = self.peers.get_mut(node_id) else { continue };
            if let Some(change) =
                peer.history.last_mut().filter(|change| **change == (*lost, Presence::Offline))
            {
                change.1 = Presence::Unobserved;
                self.awaited.insert(*node_id, Awaited::Yes);
                for channel in self.channels.values_mut().filter(|channel| channel.node_id == *node_id) {
                    channel.usable.retain(|change| change.0 < *lost);
                    channel.usable.push((*lost, Presence::Unobserved));
                }
            }
        }
        self.network_out(losses[0].0);
    }

    fn network_out(&mut self, from: u64) {
        self.out = true;
        self.grace = None;
        self.gaps.push((GapCause::NetworkDown, from, None));
        self.settle(from);
    }

    fn account(&mut self, at: u64, node_id: NodeId) -> &mut Account {
        self.peers.entry(node_id).or_insert_with(|| Account { tracked_since: at, ..Account::default() })
    }

    fn open(&mut self, at: u64, channel_id: ChannelId, node_id: NodeId, online: Option<bool>) {
        if self.channels.contains_key(&channel_id) {
            return;
        }
        let presence = self.account(at, node_id).presence();
        if let (Presence::Unobserved, Some(online)) = (presence, online) {
            let was = self.heard.insert(node_id, online.into());
            if online {
                self.awaited.remove(&node_id);
                if was != Some(Presence::Online) {
                    self.connected(at);
                }
            }
        }
        let channel = Channel { node_id, opened: at, ready: None, usable: Vec::new() };
        self.channels.insert(channel_id, channel);
        self.settle(at);
    }

    fn close(&mut self, channel_id: &ChannelId, at: u64) {
        let Some(channel) = self.channels.get(channel_id) else { return };
        let node_id = channel.node_id;
        let was_followed = self.is_followed(&node_id);
        self.channels.remove(channel_id);
        self.let_go(&node_id, was_followed, at);
    }

    /// Who is not followed any more is unobserved from now on, even where it was before.
    fn let_go(&mut self, node_id: &NodeId, was_followed: bool, at: u64) {
        if !was_followed || self.is_followed(node_id) {
            return;
        }
        self.awaited.remove(node_id);
        if let Some(peer) = self.peers.get_mut(node_id) {
            let since = peer.history.last().map_or(peer.tracked_since, |change| change.0);
            if peer.presence() != Presence::Unobserved || since < at {
                peer.history.push((at, Presence::Unobserved));
            }
        }
    }

    fn tell(&mut self, channel_id: &ChannelId, usable: bool) {
        let Some(channel) = self.channels.get_mut(channel_id) else { return };
        if self.heard.get(&channel.node_id) == Some(&Presence::Online) {
            channel.ready = Some(usable);
        }
    }

    fn reconcile(&mut self, snapshot: &Snapshot, at: u64) {
        let connected: BTreeSet<_> = snapshot.connected.iter().copied().collect();
        for channel in &snapshot.channels {
            let online = connected.contains(&channel.node_id);
            self.open(at, channel.channel_id, channel.node_id, Some(online));
        }
        let listed: BTreeSet<_> = snapshot.channels.iter().map(|channel| channel.channel_id).collect();
        let gone: Vec<_> = self.channels.keys().copied().filter(|id| !listed.contains(id)).collect();
        for channel_id in gone {
            self.close(&channel_id, at);
        }
        let known: BTreeSet<_> = self.peers.keys().chain(self.heard.keys()).copied().collect();
        let is_up = |node_id: &NodeId| self.heard.get(node_id) == Some(&Presence::Online);
        let (lost, absent): (Vec<NodeId>, Vec<NodeId>) =
            known.difference(&connected).copied().partition(is_up);
        for node_id in lost.into_iter().chain(absent) {
            if self.heard.get(&node_id) != Some(&Presence::Offline) {
                self.hear(node_id, false, at);
            }
        }
        let came: Vec<_> = connected
            .into_iter()
            .filter(|node_id| self.heard.get(node_id) != Some(&Presence::Online))
            .collect();
        for node_id in &came {
            let awaited = self.awaited.get(node_id) == Some(&Awaited::Yes);
            let shaky = self.paused || at < self.shaky_until;
            self.believe(*node_id, true, at);
            if awaited && shaky {
                self.awaited.insert(*node_id, Awaited::Shaky);
            }
        }
        if !came.is_empty() {
            self.connected(at);
        }
        for channel in &snapshot.channels {
            if let Some(usable) = channel.usable {
                self.settle(at);
                self.tell(&channel.channel_id, usable);
            }
        }
    }

    /// Everyone's presence is what was heard, where it counts, from a moment on; for no peer from
    /// before its newest channel, though, or what was last noted of one.
    fn settle(&mut self, from: u64) {
        let followed: BTreeSet<_> =
            self.peers.keys().copied().filter(|node_id| self.is_followed(node_id)).collect();
        for (node_id, peer) in &mut self.peers {
            let heard = self.heard.get(node_id).copied().unwrap_or_default();
            let is_ours = self.out || self.awaited.get(node_id) == Some(&Awaited::Yes);
            let is_known =
                followed.contains(node_id) && !self.paused && !(is_ours && heard == Presence::Offline);
            let presence = if is_known { heard } else { Presence::Unobserved };
            if peer.presence() == presence {
                continue;
            }
            let channels = self.channels.values().filter(|channel| channel.node_id == *node_id);
            let noted = channels
                .flat_map(|channel| [channel.opened, channel.usable.last().map_or(0, |change| change.0)]);
            let newest = noted.max().unwrap_or(0);
            let last = peer.history.last().map_or(peer.tracked_since, |change| change.0);
            peer.history.push((from.max(last).max(newest), presence));
        }
        self.settle_usable(from);
    }

    fn settle_usable(&mut self, from: u64) {
        for channel in self.channels.values_mut() {
            let Some(peer) = self.peers.get(&channel.node_id) else { continue };
            let usable = match (channel.ready, peer.presence()) {
                (None, _) | (_, Presence::Unobserved) => Presence::Unobserved,
                (Some(true), Presence::Online) => Presence::Online,
                _ => Presence::Offline,
            };
            if last(&channel.usable) != usable {
                let peers = peer.history.last().map_or(0, |change| change.0);
                channel.usable.push((from.max(peers), usable));
            }
        }
    }
}
