//! Derives the presence of a peer at each moment from the observations.

use fitness_core::{FlapCount, Presence};

use super::ExpectedChannel;
use super::observations::{ChannelObservations, Connection, Observations, PeerObservations};

/// The order in which transitions take effect: by time, by the index of the observation, and within one
/// observation those marked `true` last.
type Position = (u64, usize, bool);

/// A change of one of the inputs of the presence.
#[derive(Clone, Copy)]
enum Transition {
    /// The presence to report while the observer can observe.
    Presence(Presence),
    Tracked(bool),
    /// Adds to the number of reasons why all peers are unobserved.
    UnobservedReasons(i32),
    NetworkDown(bool),
}

/// The expected report of a peer.
pub(crate) struct ExpectedPeer {
    pub(crate) tracked_since: u64,
    /// The presence from each time on. Several changes may have the same time.
    changes: Vec<(u64, Presence)>,
    /// The online and observed time until each change.
    totals: Vec<(u64, u64)>,
    pub(crate) flaps: FlapCount,
    pub(crate) disconnects: u32,
    pub(crate) is_tracked: bool,
}

impl ExpectedPeer {
    /// Returns `None` if the peer was never tracked, or has been deleted.
    pub(super) fn new(peer: &PeerObservations, observations: &Observations, now: u64) -> Option<Self> {
        let &(tracked_since, first_index, _) = peer.tracking.first().filter(|_| !peer.is_deleted())?;
        let mut transitions = presence_transitions(peer, observations, now);
        let tracking = peer.tracking.iter();
        transitions.extend(tracking.map(|&(at, index, is)| ((at, index, false), Transition::Tracked(is))));
        for interval in observations.unobserved.iter().filter(|interval| interval.to >= tracked_since) {
            let (from, to) = (interval.from, interval.to);
            transitions.push(((from, interval.from_index, false), Transition::UnobservedReasons(1)));
            transitions.push(((to, interval.to_index, false), Transition::UnobservedReasons(-1)));
        }
        let outages = observations.network_outages.iter().map(|outage| outage.interval);
        for outage in outages.filter(|interval| interval.to >= tracked_since) {
            transitions.push(((outage.from, outage.from_index, false), Transition::NetworkDown(true)));
            transitions.push(((outage.to, outage.to_index, false), Transition::NetworkDown(false)));
        }
        transitions.sort_by_key(|transition| transition.0);

        let mut changes = Vec::new();
        let (mut reported, mut is_tracked) = (Presence::Unobserved, false);
        let (mut unobserved_reasons, mut network_is_down) = (0, false);
        for simultaneous in transitions.chunk_by(|one, next| one.0 == next.0) {
            let (at, index, _) = simultaneous[0].0;
            if at > now {
                break;
            }
            for &(_, transition) in simultaneous {
                match transition {
                    Transition::Presence(presence) => reported = presence,
                    Transition::Tracked(tracked) => is_tracked = tracked,
                    Transition::UnobservedReasons(added) => unobserved_reasons += added,
                    Transition::NetworkDown(down) => network_is_down = down,
                }
            }
            let is_unobserved =
                !is_tracked || unobserved_reasons > 0 || network_is_down && reported == Presence::Offline;
            let presence = if is_unobserved { Presence::Unobserved } else { reported };
            let last = changes.last().map_or(Presence::Unobserved, |change: &(u64, Presence)| change.1);
            if presence != last && (at, index) >= (tracked_since, first_index) {
                changes.push((at, presence));
            }
        }
        Some(Self::from_changes(tracked_since, changes, is_tracked))
    }

    fn from_changes(tracked_since: u64, changes: Vec<(u64, Presence)>, is_tracked: bool) -> Self {
        let (mut totals, mut total) = (Vec::new(), (0, 0));
        let mut last = (tracked_since, Presence::Unobserved);
        let (mut flaps, mut disconnects) = (FlapCount::default(), 0);
        for &(at, presence) in &changes {
            total = add_time(total, last.1, at - last.0);
            if last.1 != Presence::Unobserved && presence != Presence::Unobserved {
                flaps.record_flap(at);
                disconnects += u32::from(presence == Presence::Offline);
            }
            last = (at, presence);
            totals.push(total);
        }
        Self { tracked_since, changes, totals, flaps, disconnects, is_tracked }
    }

    pub(crate) fn presence(&self) -> Presence {
        self.changes.last().map_or(Presence::Unobserved, |last| last.1)
    }

    /// Returns the online and observed time until a moment.
    pub(crate) fn totals_at(&self, at: u64) -> (u64, u64) {
        let next = self.changes.partition_point(|change| change.0 <= at);
        let Some(index) = next.checked_sub(1) else { return (0, 0) };
        let (from, presence) = self.changes[index];
        add_time(self.totals[index], presence, at - from)
    }

    /// Returns the online and observed time in `[from, to)`.
    pub(crate) fn totals_within(&self, from: u64, to: u64) -> (u64, u64) {
        let (from, to) = (self.totals_at(from), self.totals_at(to));
        (to.0 - from.0, to.1 - from.1)
    }

    /// Returns the observed intervals until `until`, and whether the peer was online in each.
    pub(crate) fn observed_intervals(&self, until: u64) -> impl Iterator<Item = (u64, u64, bool)> {
        let ends = self.changes.iter().skip(1).map(|change| change.0).chain([u64::MAX]);
        let ends = ends.map(move |end| end.min(until));
        let intervals = self.changes.iter().zip(ends).filter(|((from, _), to)| from < to);
        intervals.filter_map(|(&(from, presence), to)| Some((from, to, presence.is_online()?)))
    }

    /// Returns the expected report of a channel with this peer. The channel is usable while the peer is online
    /// and the last report called the channel usable.
    pub(super) fn channel(&self, channel: &ChannelObservations, now: u64) -> ExpectedChannel {
        let reports = &channel.usable_reports;
        let (mut usable_ns, mut usable_observed_ns) = (0, 0);
        let ends = reports.iter().skip(1).map(|report| report.0).chain([now]);
        for (&(from, usable), to) in reports.iter().zip(ends) {
            let (online, observed) = self.totals_within(from, to);
            usable_ns += if usable { online } else { 0 };
            usable_observed_ns += observed;
        }
        let usable = match (reports.last(), self.presence()) {
            (None, _) | (_, Presence::Unobserved) => Presence::Unobserved,
            (Some((_, usable)), presence) => (*usable && presence == Presence::Online).into(),
        };
        let (opened_at, funding) = (channel.opened_at, channel.funding);
        ExpectedChannel { opened_at, funding, usable, usable_ns, usable_observed_ns }
    }
}

/// Adds a duration in which a peer had a presence to its online and observed time.
fn add_time(totals: (u64, u64), presence: Presence, duration: u64) -> (u64, u64) {
    match presence {
        Presence::Unobserved => totals,
        Presence::Offline => (totals.0, totals.1 + duration),
        Presence::Online => (totals.0 + duration, totals.1 + duration),
    }
}

/// Returns the presence of a peer as if the observer could always observe.
///
/// A peer whose connection ended because of the observer has a reconnect grace period. If it reconnects within
/// that period, or if no period expired without interruption, it is unobserved until it reconnects. Otherwise
/// it is offline from the end of the gap on, if it was reported as disconnected.
fn presence_transitions(
    peer: &PeerObservations,
    observations: &Observations,
    now: u64,
) -> Vec<(Position, Transition)> {
    let reports = peer.reports.iter();
    let mut transitions: Vec<(Position, Transition)> =
        reports.map(|&(at, index, is)| ((at, index, false), Transition::Presence(is.into()))).collect();
    let mut exempt_intervals = Vec::new();
    for (number, connection) in peer.connections.iter().enumerate() {
        if connection.interval.to > now || !observations.is_attributed_to_observer(peer, connection) {
            continue;
        }
        let next = peer.connections.get(number + 1).map(|next| next.interval);
        let reconnect = next.map_or((u64::MAX, usize::MAX), |next| (next.from, next.from_index));
        exempt_intervals.push(ExemptInterval::new(peer, observations, connection, reconnect));
    }
    // Reports within these intervals are ignored.
    let mut remaining = exempt_intervals.iter().peekable();
    transitions.retain(|&((at, index, _), _)| {
        while remaining.next_if(|interval| interval.until < (at, index)).is_some() {}
        remaining.peek().is_none_or(|interval| (at, index) < interval.from || interval.until <= (at, index))
    });
    for ExemptInterval { from, presence_after, .. } in exempt_intervals {
        transitions.push(((from.0, from.1, false), Transition::Presence(Presence::Unobserved)));
        transitions.extend(presence_after);
    }
    transitions
}

/// The interval after a connection ended because of the observer. The peer is unobserved in it.
struct ExemptInterval {
    from: (u64, usize),
    until: (u64, usize),
    /// The presence after the interval, unless the peer reconnected. It can begin before `until`.
    presence_after: Option<(Position, Transition)>,
}

impl ExemptInterval {
    fn new(
        peer: &PeerObservations,
        observations: &Observations,
        connection: &Connection,
        reconnect: (u64, usize),
    ) -> Self {
        let from = (connection.interval.to, connection.interval.to_index);
        let untracked = peer.tracking.iter().find(|change| (change.0, change.1) > from && !change.2);
        let end = untracked.map_or(reconnect, |change| reconnect.min((change.0, change.1)));
        let presence_at = |position: (u64, usize), is: Option<bool>| {
            Some(((position.0, position.1, true), Transition::Presence(is.into())))
        };
        // A grace period that expires at `end` expires before it.
        let grace = observations.grace_period_after(connection).filter(|grace| grace.to <= end.0);
        let Some(grace) = grace else {
            // A peer that is untracked and tracked again has the presence that was reported last.
            let presence_after =
                if end < reconnect { presence_at(end, peer.report_before(end)) } else { None };
            return Self { from, until: end, presence_after };
        };
        let until = (grace.to, 0);
        let offline = peer.report_before(until).filter(|is_connected| !is_connected);
        let offline_since = (grace.from.max(from.0), usize::MAX);
        let presence_after = offline.and_then(|_| presence_at(offline_since, offline));
        Self { from, until, presence_after }
    }
}
