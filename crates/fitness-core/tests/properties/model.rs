//! A brute-force model of the tracker: it keeps all changes of all peers, and computes each result as a sum over
//! all of them.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{ChannelId, Event, FlapCount, GapCause, NodeId, Presence, Snapshot};

/// The presence from each time on.
pub(crate) type Changes = Vec<(u64, Presence)>;

/// Returns the online and observed nanoseconds in `[from, to)`.
pub(crate) fn totals_within(changes: &Changes, from: u64, to: u64) -> (u64, u64) {
    let ends = changes.iter().skip(1).map(|change| change.0).chain([u64::MAX]);
    let (mut online, mut observed) = (0, 0);
    for (&(start, presence), end) in changes.iter().zip(ends) {
        let overlap = end.min(to).saturating_sub(start.max(from));
        online += if presence == Presence::Online { overlap } else { 0 };
        observed += if presence == Presence::Unobserved { 0 } else { overlap };
    }
    (online, observed)
}

fn last_presence(changes: &Changes) -> Presence {
    changes.last().map_or(Presence::Unobserved, |change| change.1)
}

#[derive(Default)]
pub(crate) struct ModelPeer {
    pub(crate) tracked_since: u64,
    pub(crate) watched: bool,
    pub(crate) changes: Changes,
}

impl ModelPeer {
    pub(crate) fn presence(&self) -> Presence {
        last_presence(&self.changes)
    }

    /// Returns the time since which the peer has had its presence.
    pub(crate) fn presence_since(&self) -> u64 {
        self.changes.last().map_or(self.tracked_since, |change| change.0)
    }

    /// Returns the online and observed nanoseconds in `[from, to)`.
    pub(crate) fn totals_within(&self, from: u64, to: u64) -> (u64, u64) {
        totals_within(&self.changes, from, to)
    }

    /// Returns the flap count and the number of disconnects.
    pub(crate) fn flaps_and_disconnects(&self) -> (FlapCount, u32) {
        let (mut flaps, mut disconnects) = (FlapCount::default(), 0);
        for (previous, current) in self.changes.iter().zip(self.changes.iter().skip(1)) {
            let both_observed = previous.1 != Presence::Unobserved && current.1 != Presence::Unobserved;
            if both_observed && previous.1 != current.1 {
                flaps.record_flap(current.0);
                disconnects += u32::from(current.1 == Presence::Offline);
            }
        }
        (flaps, disconnects)
    }
}

pub(crate) struct ModelChannel {
    pub(crate) node_id: NodeId,
    pub(crate) opened: u64,
    reported_usable: Option<bool>,
    /// Whether the channel is usable: `Online` means usable, `Offline` means not usable.
    pub(crate) usability: Changes,
}

#[derive(Clone, Copy, PartialEq)]
enum ReconnectGrace {
    /// The peer is in its reconnect grace period.
    Active,
    /// The connection may have died in a gap. The grace period begins if it is lost soon.
    MaybeStale,
}

struct GraceTimer {
    gap_end: u64,
    deadline: u64,
    has_connection: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) peers: BTreeMap<NodeId, ModelPeer>,
    pub(crate) channels: BTreeMap<ChannelId, ModelChannel>,
    /// The monitoring gaps; the end is `None` while a gap is ongoing.
    pub(crate) gaps: Vec<(GapCause, u64, Option<u64>)>,
    pub(crate) started: Option<u64>,
    /// The reported connections, including those of strangers.
    connections: BTreeMap<NodeId, Presence>,
    paused: bool,
    reconnect_grace: BTreeMap<NodeId, ReconnectGrace>,
    grace_timer: Option<GraceTimer>,
    /// The time until which a lost connection may have died in a gap.
    stale_until: u64,
    network_is_down: bool,
    /// The disconnects that may be a part of a network outage; `None` for a stranger.
    recent_disconnects: Vec<(u64, Option<NodeId>)>,
    now: u64,
}

const SECOND: u64 = 1_000_000_000;
/// The default reconnect grace period.
const GRACE: u64 = 120 * SECOND;
/// The default settle time of the network outage rule.
const SETTLE: u64 = 30 * SECOND;

fn is_network_outage(lost: usize, total: usize) -> bool {
    lost >= 3 && lost * 10 >= total * 8
}

impl Model {
    pub(crate) fn is_tracked(&self, node_id: &NodeId) -> bool {
        self.peers.get(node_id).is_some_and(|peer| peer.watched)
            || self.channels.values().any(|channel| channel.node_id == *node_id)
    }

    fn is_connected(&self, node_id: &NodeId) -> bool {
        self.connections.get(node_id) == Some(&Presence::Online)
    }

    fn connection_count(&self) -> usize {
        self.connections.values().filter(|connection| **connection == Presence::Online).count()
    }

    pub(crate) fn advance(&mut self, at: u64) {
        self.started.get_or_insert(at);
        if let Some(timer) = self.grace_timer.take_if(|timer| at >= timer.deadline) {
            self.end_grace(&timer);
        }
    }

    fn start_grace_timer(&mut self, gap_end: u64) {
        let deadline = gap_end + GRACE;
        self.grace_timer = Some(GraceTimer { gap_end, deadline, has_connection: false });
    }

    /// Continues with a process that started at `at`. The previous process observed until `until`.
    pub(crate) fn restart(&mut self, until: u64, at: u64) {
        if std::mem::take(&mut self.paused) {
            let node_ids = self.connections.keys().copied();
            let connected: Vec<NodeId> =
                node_ids.filter(|node_id| self.is_connected(node_id) && self.is_tracked(node_id)).collect();
            self.reconnect_grace
                .extend(connected.into_iter().map(|node_id| (node_id, ReconnectGrace::Active)));
        }
        self.stale_until = 0;
        self.forget_connections(until);
        self.end_gap(until);
        self.gaps.push((GapCause::NotRunning, until, Some(at)));
        self.update_presences(until);
        self.now = at;
        if self.reconnect_grace.values().any(|grace| *grace == ReconnectGrace::Active) {
            self.start_grace_timer(at);
        }
    }

    /// Makes the state of all connections unknown.
    fn forget_connections(&mut self, at: u64) {
        self.reconnect_grace.retain(|_, grace| *grace == ReconnectGrace::Active);
        for (node_id, peer) in &self.peers {
            if peer.presence() == Presence::Online {
                self.reconnect_grace.insert(*node_id, ReconnectGrace::Active);
            }
        }
        self.grace_timer = None;
        self.network_is_down = false;
        self.recent_disconnects.clear();
        self.connections.clear();
        self.now = at;
    }

    pub(crate) fn apply(&mut self, at: u64, event: &Event) {
        let observed_until = match event {
            Event::Unobserved { since } => since.as_nanos().clamp(self.now.min(at), at),
            _ => at,
        };
        self.advance(observed_until);
        self.now = at;
        match event {
            Event::PeerOnline { node_id } => self.record_connection_change(*node_id, true, at),
            Event::PeerOffline { node_id } => self.record_connection_change(*node_id, false, at),
            Event::ChannelOpened(opened) => {
                self.open_channel(at, opened.channel_id, opened.node_id, opened.online);
            }
            Event::ChannelClosed { channel_id } => self.close_channel(channel_id, at),
            Event::ChannelUsable { channel_id, usable } => self.record_usable(channel_id, *usable),
            Event::Watch { node_id } => self.peer_mut(at, *node_id).watched = true,
            Event::Unwatch { node_id } => {
                let was_tracked = self.is_tracked(node_id);
                if let Some(peer) = self.peers.get_mut(node_id) {
                    peer.watched = false;
                }
                self.untrack_if_unneeded(node_id, was_tracked, at);
            }
            Event::Snapshot(snapshot) => self.reconcile(snapshot, at),
            Event::ObservationPaused if !self.paused => {
                self.end_gap(at);
                self.gaps.push((GapCause::Paused, at, None));
                self.forget_connections(at);
                self.paused = true;
            }
            Event::ObservationResumed if self.paused => {
                self.paused = false;
                self.stale_until = at + GRACE;
                self.end_gap(at);
                self.start_grace_timer(at);
            }
            Event::Unobserved { .. } => self.record_suspension(observed_until, at),
            Event::ClockSet { to } if to.as_nanos() > at => {
                self.now = to.as_nanos();
                self.record_suspension(at, self.now);
            }
            _ => {}
        }
        self.update_presences(self.now);
    }

    /// Records a gap in which connections may have died unnoticed.
    fn record_suspension(&mut self, from: u64, to: u64) {
        if self.paused {
            return;
        }
        if self.gaps.last().is_none_or(|gap| gap.2.is_some()) {
            self.gaps.push((GapCause::Suspended, from, Some(to)));
        }
        self.recent_disconnects.clear();
        for (node_id, peer) in &mut self.peers {
            if peer.presence() == Presence::Online {
                self.reconnect_grace.insert(*node_id, ReconnectGrace::MaybeStale);
            }
            if from < to && peer.presence() != Presence::Unobserved {
                peer.changes.push((from, Presence::Unobserved));
            }
        }
        self.update_usability(from);
        self.stale_until = to + GRACE;
        if !self.network_is_down {
            self.start_grace_timer(to);
        }
    }

    fn end_gap(&mut self, at: u64) {
        if let Some((_, _, end @ None)) = self.gaps.last_mut() {
            *end = Some(at);
        }
    }

    fn end_grace(&mut self, timer: &GraceTimer) {
        let in_grace =
            |node_id: &&NodeId| self.reconnect_grace.get(*node_id) == Some(&ReconnectGrace::Active);
        let count = self.peers.keys().filter(in_grace).filter(|node_id| self.is_tracked(node_id)).count();
        let has_connection = timer.has_connection || self.connection_count() > 0;
        if !has_connection && !self.paused && is_network_outage(count, count) {
            self.begin_network_outage(timer.gap_end);
        } else {
            // Peers that are still disconnected were offline since the end of the gap.
            self.reconnect_grace.clear();
            self.update_presences(timer.gap_end);
        }
    }

    fn record_connection_change(&mut self, node_id: NodeId, online: bool, at: u64) {
        let was_connected = self.is_connected(&node_id);
        self.set_connection(node_id, online, at);
        if online && !was_connected {
            self.connection_opened(at);
        }
        if was_connected && !online {
            self.connection_lost(node_id, at);
        }
    }

    fn set_connection(&mut self, node_id: NodeId, online: bool, at: u64) {
        let presence = self.peers.get(&node_id).map(ModelPeer::presence);
        let is_stale =
            self.reconnect_grace.get(&node_id) == Some(&ReconnectGrace::MaybeStale) && at < self.stale_until;
        if online {
            self.reconnect_grace.remove(&node_id);
        } else if presence == Some(Presence::Online) && (is_stale || self.network_is_down) {
            self.reconnect_grace.insert(node_id, ReconnectGrace::Active);
        }
        if online || self.peers.contains_key(&node_id) {
            self.connections.insert(node_id, online.into());
        } else {
            self.connections.remove(&node_id);
        }
        self.update_presences(at);
    }

    fn connection_opened(&mut self, at: u64) {
        self.recent_disconnects.clear();
        if let Some(timer) = &mut self.grace_timer {
            timer.has_connection = true;
        }
        if std::mem::take(&mut self.network_is_down) {
            self.end_gap(at);
            self.start_grace_timer(at);
            self.update_presences(at);
        }
    }

    fn connection_lost(&mut self, node_id: NodeId, at: u64) {
        if self.network_is_down || self.paused {
            return;
        }
        let peer = Some(node_id).filter(|node_id| self.peers.contains_key(node_id));
        self.recent_disconnects.push((at, peer));
        self.recent_disconnects.retain(|disconnect| at - disconnect.0 <= SETTLE);
        let lost = self.recent_disconnects.len();
        if !is_network_outage(lost, lost + self.connection_count()) {
            return;
        }
        let disconnects = std::mem::take(&mut self.recent_disconnects);
        let of_peers = disconnects.iter().filter_map(|(at, node_id)| Some((*at, node_id.as_ref()?)));
        for (lost_at, node_id) in of_peers {
            let Some(peer) = self.peers.get_mut(node_id) else { continue };
            let last = peer.changes.last_mut();
            if let Some(change) = last.filter(|change| **change == (lost_at, Presence::Offline)) {
                change.1 = Presence::Unobserved;
                self.reconnect_grace.insert(*node_id, ReconnectGrace::Active);
                for channel in self.channels.values_mut().filter(|channel| channel.node_id == *node_id) {
                    channel.usability.retain(|change| change.0 < lost_at);
                    channel.usability.push((lost_at, Presence::Unobserved));
                }
            }
        }
        self.begin_network_outage(disconnects[0].0);
    }

    fn begin_network_outage(&mut self, from: u64) {
        self.network_is_down = true;
        self.grace_timer = None;
        self.gaps.push((GapCause::NetworkDown, from, None));
        self.update_presences(from);
    }

    fn peer_mut(&mut self, at: u64, node_id: NodeId) -> &mut ModelPeer {
        self.peers.entry(node_id).or_insert_with(|| ModelPeer { tracked_since: at, ..ModelPeer::default() })
    }

    fn open_channel(&mut self, at: u64, channel_id: ChannelId, node_id: NodeId, online: Option<bool>) {
        if self.channels.contains_key(&channel_id) {
            return;
        }
        let presence = self.peer_mut(at, node_id).presence();
        if let (Presence::Unobserved, Some(online)) = (presence, online) {
            let previous = self.connections.insert(node_id, online.into());
            if online {
                self.reconnect_grace.remove(&node_id);
                if previous != Some(Presence::Online) {
                    self.connection_opened(at);
                }
            }
        }
        let channel = ModelChannel { node_id, opened: at, reported_usable: None, usability: Vec::new() };
        self.channels.insert(channel_id, channel);
        self.update_presences(at);
    }

    fn close_channel(&mut self, channel_id: &ChannelId, at: u64) {
        let Some(channel) = self.channels.get(channel_id) else { return };
        let node_id = channel.node_id;
        let was_tracked = self.is_tracked(&node_id);
        self.channels.remove(channel_id);
        self.untrack_if_unneeded(&node_id, was_tracked, at);
    }

    /// Makes a peer unobserved if it is no longer tracked. An unobserved peer is unobserved since then.
    fn untrack_if_unneeded(&mut self, node_id: &NodeId, was_tracked: bool, at: u64) {
        if !was_tracked || self.is_tracked(node_id) {
            return;
        }
        self.reconnect_grace.remove(node_id);
        if let Some(peer) = self.peers.get_mut(node_id) {
            if peer.presence() != Presence::Unobserved || peer.presence_since() < at {
                peer.changes.push((at, Presence::Unobserved));
            }
        }
    }

    fn record_usable(&mut self, channel_id: &ChannelId, usable: bool) {
        let Some(channel) = self.channels.get_mut(channel_id) else { return };
        if self.connections.get(&channel.node_id) == Some(&Presence::Online) {
            channel.reported_usable = Some(usable);
        }
    }

    fn reconcile(&mut self, snapshot: &Snapshot, at: u64) {
        let connected: BTreeSet<_> = snapshot.connected.iter().copied().collect();
        for channel in &snapshot.channels {
            let online = connected.contains(&channel.node_id);
            self.open_channel(at, channel.channel_id, channel.node_id, Some(online));
        }
        let listed: BTreeSet<_> = snapshot.channels.iter().map(|channel| channel.channel_id).collect();
        let closed: Vec<_> = self.channels.keys().copied().filter(|id| !listed.contains(id)).collect();
        for channel_id in closed {
            self.close_channel(&channel_id, at);
        }
        let known: BTreeSet<_> = self.peers.keys().chain(self.connections.keys()).copied().collect();
        let missing = known.difference(&connected).copied();
        let (lost, others): (Vec<NodeId>, Vec<NodeId>) =
            missing.partition(|node_id| self.is_connected(node_id));
        for node_id in lost.into_iter().chain(others) {
            if self.connections.get(&node_id) != Some(&Presence::Offline) {
                self.record_connection_change(node_id, false, at);
            }
        }
        let opened: Vec<_> = connected.into_iter().filter(|node_id| !self.is_connected(node_id)).collect();
        for node_id in &opened {
            let in_grace = self.reconnect_grace.get(node_id) == Some(&ReconnectGrace::Active);
            let may_be_stale = self.paused || at < self.stale_until;
            self.set_connection(*node_id, true, at);
            if in_grace && may_be_stale {
                self.reconnect_grace.insert(*node_id, ReconnectGrace::MaybeStale);
            }
        }
        if !opened.is_empty() {
            self.connection_opened(at);
        }
        for channel in &snapshot.channels {
            if let Some(usable) = channel.usable {
                self.update_presences(at);
                self.record_usable(&channel.channel_id, usable);
            }
        }
    }

    /// Updates the presence of all peers from `from` on, but of no peer before its last change, before its
    /// newest channel opened or before the last change of a channel's usability.
    fn update_presences(&mut self, from: u64) {
        let tracked: BTreeSet<_> =
            self.peers.keys().copied().filter(|node_id| self.is_tracked(node_id)).collect();
        for (node_id, peer) in &mut self.peers {
            let connection = self.connections.get(node_id).copied().unwrap_or_default();
            let is_exempt =
                self.network_is_down || self.reconnect_grace.get(node_id) == Some(&ReconnectGrace::Active);
            let is_observed =
                tracked.contains(node_id) && !self.paused && !(is_exempt && connection == Presence::Offline);
            let presence = if is_observed { connection } else { Presence::Unobserved };
            if peer.presence() == presence {
                continue;
            }
            let channels = self.channels.values().filter(|channel| channel.node_id == *node_id);
            let times = channels
                .flat_map(|channel| [channel.opened, channel.usability.last().map_or(0, |change| change.0)]);
            let earliest = times.max().unwrap_or(0);
            peer.changes.push((from.max(peer.presence_since()).max(earliest), presence));
        }
        self.update_usability(from);
    }

    fn update_usability(&mut self, from: u64) {
        for channel in self.channels.values_mut() {
            let Some(peer) = self.peers.get(&channel.node_id) else { continue };
            let usability = match (channel.reported_usable, peer.presence()) {
                (None, _) | (_, Presence::Unobserved) => Presence::Unobserved,
                (Some(true), Presence::Online) => Presence::Online,
                _ => Presence::Offline,
            };
            if last_presence(&channel.usability) != usability {
                let last_change = peer.changes.last().map_or(0, |change| change.0);
                channel.usability.push((from.max(last_change), usability));
            }
        }
    }
}
