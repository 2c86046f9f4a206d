//! Derives when the observer could observe (monitoring gaps, network outages by `NetworkOutageRule`, reconnect
//! grace periods), and what was reported about each peer and channel.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{GapCause, OutPoint};

use super::GRACE;
use super::tracker_time::{ObservationKind, TrackerTimeline};
use crate::script::{Channel, NodeEvent, NodeSnapshot, outpoint};
use crate::time::SECOND;

/// The settle time of the default `NetworkOutageRule`.
const SETTLE: u64 = 30 * SECOND;

/// An interval of tracker time, with the indexes of the observations that began and ended it.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) from_index: usize,
    pub(crate) to_index: usize,
}

impl Interval {
    /// Creates an interval that has not ended.
    fn starting(from: u64, index: usize) -> Self {
        Self { from, to: u64::MAX, from_index: index, to_index: usize::MAX }
    }

    fn contains(&self, at: u64) -> bool {
        self.from <= at && at < self.to
    }
}

/// A connection with a peer.
pub(crate) struct Connection {
    pub(crate) interval: Interval,
    /// Whether the connection ended because its state became unknown, without a disconnect.
    is_cut_off: bool,
    /// Whether the peer was in its reconnect grace period and a snapshot just after a pause listed it. The
    /// connection may date from before the pause.
    may_be_stale: bool,
}

/// The observations of a peer.
#[derive(Default)]
pub(crate) struct PeerObservations {
    /// The time and index of each report, and whether the peer is connected; `None` if unknown.
    pub(crate) reports: Vec<(u64, usize, Option<bool>)>,
    pub(crate) connections: Vec<Connection>,
    /// The time and index of each change, and whether the peer is tracked.
    pub(crate) tracking: Vec<(u64, usize, bool)>,
    is_watched: bool,
    is_deleted: bool,
}

/// The observations of a channel.
pub(crate) struct ChannelObservations {
    pub(crate) is_open: bool,
    pub(crate) opened_at: u64,
    pub(crate) funding: OutPoint,
    /// The time of each report while the peer was connected, and whether the channel was usable.
    pub(crate) usable_reports: Vec<(u64, bool)>,
}

struct GraceTimer {
    gap_end: u64,
    /// Whether snapshots may still list connections from before the gap.
    connections_may_be_stale: bool,
    has_connection: bool,
}

pub(crate) struct NetworkOutage {
    pub(crate) interval: Interval,
    /// When the outage was detected.
    detected_at: u64,
}

struct Suspension {
    from: u64,
    to: u64,
}

/// A reconnect grace period that no other gap interrupted.
#[derive(Clone, Copy)]
pub(crate) struct GracePeriod {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

#[derive(Default)]
pub(crate) struct Observations {
    pub(crate) peers: BTreeMap<usize, PeerObservations>,
    pub(crate) channels: BTreeMap<Channel, ChannelObservations>,
    /// The monitoring gaps as they are reported; the end is `None` while a gap is ongoing.
    pub(crate) gaps: Vec<(GapCause, u64, Option<u64>)>,
    /// When all peers were unobserved.
    pub(crate) unobserved: Vec<Interval>,
    pub(crate) network_outages: Vec<NetworkOutage>,
    suspensions: Vec<Suspension>,
    grace_periods: Vec<GracePeriod>,
    connected: BTreeSet<usize>,
    /// The time and peer of each disconnect that may be a part of a network outage.
    recent_disconnects: Vec<(u64, usize)>,
    network_is_down: bool,
    is_paused: bool,
    grace_timer: Option<GraceTimer>,
    /// The index of the current observation.
    index: usize,
}

impl Observations {
    pub(super) fn new(timeline: &TrackerTimeline, max_age_ns: u64) -> Self {
        let mut observations = Self::default();
        for (index, observation) in timeline.observations.iter().enumerate() {
            observations.index = index;
            let at = observation.at;
            let from = match observation.kind {
                ObservationKind::NotRunning { from } | ObservationKind::Suspended { from } => from,
                _ => at,
            };
            observations.expire_grace_timer(from);
            match &observation.kind {
                ObservationKind::NotRunning { .. } => observations.add_restart(from, at),
                ObservationKind::Suspended { .. } => observations.add_suspension(from, at),
                ObservationKind::NodeEvent(event) => observations.add_node_event(at, event),
                ObservationKind::MaintenanceRan => {
                    for peer in observations.peers.values_mut() {
                        let last = peer.tracking.last();
                        peer.is_deleted |= last.is_some_and(|last| !last.2 && at - last.0 > max_age_ns);
                    }
                }
            }
        }
        observations.index += 1;
        observations.expire_grace_timer(timeline.now);
        observations
    }

    /// Ends the grace period if it expires until `until`.
    fn expire_grace_timer(&mut self, until: u64) {
        let Some(timer) = self.grace_timer.take_if(|timer| timer.gap_end + GRACE <= until) else { return };
        let end = timer.gap_end + GRACE;
        let in_grace = self.peers.values().filter(|peer| self.is_in_grace(peer)).count();
        if !timer.has_connection && self.connected.is_empty() && !self.is_paused && in_grace >= 3 {
            self.begin_network_outage(timer.gap_end, end);
        } else {
            self.grace_periods.push(GracePeriod { from: timer.gap_end, to: end });
        }
    }

    fn start_grace_timer(&mut self, gap_end: u64, connections_may_be_stale: bool, has_connection: bool) {
        self.grace_timer = Some(GraceTimer { gap_end, connections_may_be_stale, has_connection });
    }

    fn begin_network_outage(&mut self, from: u64, detected_at: u64) {
        self.network_is_down = true;
        self.grace_timer = None;
        self.recent_disconnects.clear();
        self.network_outages
            .push(NetworkOutage { interval: Interval::starting(from, self.index), detected_at });
        self.gaps.push((GapCause::NetworkDown, from, None));
    }

    fn end_gap(&mut self, at: u64) {
        if let Some((_, _, end @ None)) = self.gaps.last_mut() {
            *end = Some(at);
        }
        if std::mem::take(&mut self.network_is_down) {
            if let Some(NetworkOutage { interval, .. }) = self.network_outages.last_mut() {
                (interval.to, interval.to_index) = (at, self.index);
            }
        }
        if std::mem::take(&mut self.is_paused) {
            if let Some(interval) = self.unobserved.last_mut() {
                (interval.to, interval.to_index) = (at, self.index);
            }
        }
    }

    /// Makes the state of all connections unknown.
    fn forget_connections(&mut self, at: u64) {
        for peer in self.peers.values_mut() {
            if let Some(last) = peer.connections.last_mut().filter(|last| last.interval.to == u64::MAX) {
                (last.interval.to, last.interval.to_index, last.is_cut_off) = (at, self.index, true);
            }
            peer.reports.push((at, self.index, None));
        }
        self.connected.clear();
        self.recent_disconnects.clear();
        self.grace_timer = None;
    }

    fn add_restart(&mut self, from: u64, at: u64) {
        self.end_gap(from);
        self.forget_connections(from);
        self.gaps.push((GapCause::NotRunning, from, Some(at)));
        self.unobserved.push(Interval { from, to: at, from_index: self.index, to_index: self.index });
        self.start_grace_timer(at, false, false);
    }

    fn add_suspension(&mut self, from: u64, at: u64) {
        if self.is_paused {
            return;
        }
        self.unobserved.push(Interval { from, to: at, from_index: self.index, to_index: self.index });
        self.suspensions.push(Suspension { from, to: at });
        self.recent_disconnects.clear();
        if !self.network_is_down {
            self.gaps.push((GapCause::Suspended, from, Some(at)));
            self.start_grace_timer(at, true, false);
        }
    }

    fn add_node_event(&mut self, at: u64, event: &NodeEvent) {
        match *event {
            NodeEvent::Connected(peer) => self.add_connect(at, peer, false),
            NodeEvent::Disconnected(peer) => self.add_disconnect(at, peer),
            NodeEvent::ChannelOpened(channel) => self.add_channel(at, channel, outpoint(channel, 0)),
            NodeEvent::ChannelClosed(channel) => self.close_channel(at, channel),
            NodeEvent::FundingChanged(channel, funding) => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.funding = funding;
                }
            }
            NodeEvent::ChannelUsable(channel, usable) => self.add_usable_report(at, channel, usable),
            NodeEvent::Watch(peer) => {
                self.peers.entry(peer).or_default().is_watched = true;
                self.update_tracking(at, peer);
            }
            NodeEvent::Snapshot(ref snapshot) => self.add_snapshot(at, snapshot),
            NodeEvent::Paused => {
                self.end_gap(at);
                self.forget_connections(at);
                self.is_paused = true;
                self.gaps.push((GapCause::Paused, at, None));
                self.unobserved.push(Interval::starting(at, self.index));
            }
            NodeEvent::Resumed => {
                self.end_gap(at);
                self.start_grace_timer(at, true, false);
            }
        }
    }

    fn add_connect(&mut self, at: u64, number: usize, from_snapshot: bool) {
        if !self.connected.insert(number) {
            return;
        }
        let timer = self.grace_timer.as_ref();
        let connections_may_be_stale =
            self.is_paused || timer.is_some_and(|timer| timer.connections_may_be_stale);
        let is_in_grace = self.peers.get(&number).is_some_and(|peer| self.is_in_grace(peer));
        let connection = Connection {
            interval: Interval::starting(at, self.index),
            is_cut_off: false,
            may_be_stale: from_snapshot && connections_may_be_stale && is_in_grace,
        };
        let peer = self.peers.entry(number).or_default();
        peer.reports.push((at, self.index, Some(true)));
        peer.connections.push(connection);
        self.recent_disconnects.clear();
        if let Some(timer) = &mut self.grace_timer {
            timer.has_connection = true;
        }
        if self.network_is_down {
            self.end_gap(at);
            self.start_grace_timer(at, false, true);
        }
    }

    fn add_disconnect(&mut self, at: u64, number: usize) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        peer.reports.push((at, self.index, Some(false)));
        if !self.connected.remove(&number) {
            return;
        }
        if let Some(last) = peer.connections.last_mut() {
            (last.interval.to, last.interval.to_index) = (at, self.index);
        }
        if self.network_is_down || self.is_paused {
            return;
        }
        self.recent_disconnects.push((at, number));
        self.recent_disconnects.retain(|disconnect| at - disconnect.0 <= SETTLE);
        let lost = self.recent_disconnects.len();
        let total = lost + self.connected.len();
        if lost >= 3 && lost * 100 >= total * 80 {
            self.begin_network_outage(self.recent_disconnects[0].0, at);
        }
    }

    fn add_channel(&mut self, at: u64, id: Channel, funding: OutPoint) {
        let is_open = self.channels.get(&id).is_some_and(|channel| channel.is_open);
        if !is_open {
            let usable_reports = Vec::new();
            let channel = ChannelObservations { is_open: true, opened_at: at, funding, usable_reports };
            self.channels.insert(id, channel);
            self.peers.entry(id.peer).or_default();
            self.update_tracking(at, id.peer);
        }
    }

    fn close_channel(&mut self, at: u64, id: Channel) {
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.is_open = false;
        }
        self.update_tracking(at, id.peer);
    }

    fn update_tracking(&mut self, at: u64, number: usize) {
        let has_channel = self.channels.iter().any(|(id, channel)| id.peer == number && channel.is_open);
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let is_tracked = has_channel || peer.is_watched;
        if peer.is_tracked() != is_tracked {
            peer.tracking.push((at, self.index, is_tracked));
        }
    }

    fn add_usable_report(&mut self, at: u64, id: Channel, usable: bool) {
        if !self.connected.contains(&id.peer) {
            return;
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.usable_reports.push((at, usable));
        }
    }

    fn add_snapshot(&mut self, at: u64, snapshot: &NodeSnapshot) {
        for &(id, funding, _) in &snapshot.channels {
            self.add_channel(at, id, funding);
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.funding = funding;
            }
        }
        let is_listed = |id: &Channel| snapshot.channels.iter().any(|listed| listed.0 == *id);
        let closed: Vec<Channel> = self.channels.keys().copied().filter(|id| !is_listed(id)).collect();
        closed.into_iter().for_each(|id| self.close_channel(at, id));
        let missing: Vec<usize> =
            self.peers.keys().copied().filter(|peer| !snapshot.connected.contains(peer)).collect();
        let (disconnected, others): (Vec<usize>, Vec<usize>) =
            missing.iter().partition(|peer| self.connected.contains(peer));
        disconnected.into_iter().chain(others).for_each(|peer| self.add_disconnect(at, peer));
        snapshot.connected.iter().for_each(|peer| self.add_connect(at, *peer, true));
        for &(id, _, usable) in &snapshot.channels {
            self.add_usable_report(at, id, usable);
        }
    }

    /// Returns whether the end of a connection is attributed to the observer and not to the peer.
    pub(super) fn is_attributed_to_observer(&self, peer: &PeerObservations, connection: &Connection) -> bool {
        let Interval { from, to: ended, .. } = connection.interval;
        let is_in_grace_after = |gap_end: u64| gap_end <= ended && ended < gap_end + GRACE;
        let next = self.suspensions.partition_point(|suspension| suspension.to <= ended);
        let mut recent =
            self.suspensions[..next].iter().rev().take_while(|suspension| is_in_grace_after(suspension.to));
        let may_have_died_in_suspension = recent.any(|suspension| from <= suspension.from);
        let is_observers_fault = connection.is_cut_off
            || self.network_outage_at(ended).is_some()
            || may_have_died_in_suspension
            || connection.may_be_stale && is_in_grace_after(self.last_pause_end(ended));
        is_observers_fault && peer.is_tracked_at(ended)
    }

    /// Returns the end of the last pause that ended until `at`, or 0.
    fn last_pause_end(&self, at: u64) -> u64 {
        let pauses = self.gaps.iter().rev().filter(|gap| gap.0 == GapCause::Paused);
        let mut ends = pauses.filter_map(|gap| gap.2);
        ends.find(|end| *end <= at).unwrap_or(0)
    }

    fn network_outage_at(&self, at: u64) -> Option<&NetworkOutage> {
        let next = self.network_outages.partition_point(|outage| outage.interval.from <= at);
        self.network_outages[..next].last().filter(|outage| outage.interval.contains(at))
    }

    /// Returns the first grace period that expired after the observer caused a connection to end.
    pub(super) fn grace_period_after(&self, connection: &Connection) -> Option<GracePeriod> {
        let ended = connection.interval.to;
        let outage = self.network_outage_at(ended).filter(|_| !connection.is_cut_off);
        let known_at = outage.map_or(ended, |outage| outage.detected_at.max(ended));
        let next = self.grace_periods.partition_point(|grace| grace.to <= known_at);
        self.grace_periods.get(next).copied()
    }

    fn is_in_grace(&self, peer: &PeerObservations) -> bool {
        let Some(last) = peer.connections.last().filter(|last| last.interval.to < u64::MAX) else {
            return false;
        };
        let is_tracked_since =
            peer.is_tracked() && peer.tracking.last().is_some_and(|change| change.0 <= last.interval.to);
        is_tracked_since
            && self.is_attributed_to_observer(peer, last)
            && self.grace_period_after(last).is_none()
    }
}

impl PeerObservations {
    pub(super) fn is_deleted(&self) -> bool {
        self.is_deleted
    }

    fn is_tracked(&self) -> bool {
        self.tracking.last().is_some_and(|last| last.2)
    }

    /// Returns the last report before a time and index.
    pub(super) fn report_before(&self, position: (u64, usize)) -> Option<bool> {
        let next = self.reports.partition_point(|report| (report.0, report.1) < position);
        self.reports[..next].last().and_then(|report| report.2)
    }

    fn is_tracked_at(&self, at: u64) -> bool {
        self.tracking.iter().rev().find(|change| change.0 <= at).is_some_and(|change| change.2)
    }
}
