//! When we could tell, and when not: our own gaps, the outages of our network as `NetworkOutageRule` has
//! them, and the time that is given to peers to come back. And what was told of each peer.

use std::collections::{BTreeMap, BTreeSet};

use fitness_core::{GapCause, OutPoint};

use super::GRACE;
use super::line::{Line, What};
use crate::script::{Channel, Listed, Word};
use crate::time::SECOND;

const SETTLE: u64 = 30 * SECOND;

/// A stretch of the line, and which notes made its ends.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) from_note: usize,
    pub(crate) to_note: usize,
}

impl Span {
    fn open(from: u64, note: usize) -> Self {
        Self { from, to: u64::MAX, from_note: note, to_note: usize::MAX }
    }

    fn has(&self, at: u64) -> bool {
        self.from <= at && at < self.to
    }
}

/// Time that a peer was connected without a break.
pub(crate) struct Stretch {
    pub(crate) span: Span,
    /// We lost sight of it, and it was not told that it was lost.
    is_cut: bool,
    /// It was waited for and then listed, right after a pause: it may be a connection from before.
    is_old: bool,
}

/// What was told of a peer.
#[derive(Default)]
pub(crate) struct Told {
    /// Whether it is connected, from when on, by which note; `None` where that is not known.
    pub(crate) states: Vec<(u64, usize, Option<bool>)>,
    pub(crate) stretches: Vec<Stretch>,
    /// Whether it has a channel or is watched.
    pub(crate) follows: Vec<(u64, usize, bool)>,
    is_watched: bool,
    is_forgotten: bool,
}

pub(crate) struct ToldChannel {
    pub(crate) is_open: bool,
    pub(crate) opened: u64,
    pub(crate) funding: OutPoint,
    /// Whether it could carry payments, as was told while its peer was connected.
    pub(crate) ready: Vec<(u64, bool)>,
}

struct Grace {
    from: u64,
    /// Connections of before the gap may be listed still.
    is_shaky: bool,
    somebody_came: bool,
}

#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) peers: BTreeMap<usize, Told>,
    pub(crate) channels: BTreeMap<Channel, ToldChannel>,
    /// Our gaps, as they are told.
    pub(crate) gaps: Vec<(GapCause, u64, Option<u64>)>,
    /// When nothing was known of anybody.
    pub(crate) blind: Vec<Span>,
    /// When our network was out, and since when that was known.
    pub(crate) outages: Vec<(Span, u64)>,
    /// The ends of times in which we were suspended, and their beginnings.
    lapses: Vec<(u64, u64)>,
    /// The times to come back that were not cut short by another gap: begin and end.
    graces: Vec<(u64, u64)>,
    up: BTreeSet<usize>,
    losses: Vec<(u64, usize)>,
    is_out: bool,
    is_paused: bool,
    grace: Option<Grace>,
    note: usize,
}

impl Watched {
    pub(super) fn new(line: &Line, keep_ns: u64) -> Self {
        let mut watched = Self::default();
        for (number, note) in line.notes.iter().enumerate() {
            watched.note = number;
            let at = note.at;
            let from = match note.what {
                What::Down { from } | What::Suspended { from } => from,
                _ => at,
            };
            watched.pass(from);
            match &note.what {
                What::Down { .. } => watched.was_down(from, at),
                What::Suspended { .. } => watched.was_suspended(from, at),
                What::Told(word) => watched.hear(at, word),
                What::Upkeep => {
                    for told in watched.peers.values_mut() {
                        let last = told.follows.last();
                        told.is_forgotten |= last.is_some_and(|last| !last.2 && at - last.0 > keep_ns);
                    }
                }
            }
        }
        watched.note += 1;
        watched.pass(line.now);
        watched
    }

    /// Until then nothing happened.
    fn pass(&mut self, until: u64) {
        let Some(grace) = self.grace.take_if(|grace| grace.from + GRACE <= until) else { return };
        let end = grace.from + GRACE;
        let waited_for = self.peers.values().filter(|told| self.is_waiting(told)).count();
        if !grace.somebody_came && self.up.is_empty() && !self.is_paused && waited_for >= 3 {
            self.network_is_out(grace.from, end);
        } else {
            self.graces.push((grace.from, end));
        }
    }

    fn begin_grace(&mut self, from: u64, is_shaky: bool, somebody_came: bool) {
        self.grace = Some(Grace { from, is_shaky, somebody_came });
    }

    fn network_is_out(&mut self, from: u64, known: u64) {
        self.is_out = true;
        self.grace = None;
        self.losses.clear();
        self.outages.push((Span::open(from, self.note), known));
        self.gaps.push((GapCause::NetworkDown, from, None));
    }

    fn end_gap(&mut self, at: u64) {
        if let Some((_, _, end @ None)) = self.gaps.last_mut() {
            *end = Some(at);
        }
        if std::mem::take(&mut self.is_out) {
            if let Some((span, _)) = self.outages.last_mut() {
                (span.to, span.to_note) = (at, self.note);
            }
        }
        if std::mem::take(&mut self.is_paused) {
            if let Some(span) = self.blind.last_mut() {
                (span.to, span.to_note) = (at, self.note);
            }
        }
    }

    /// We know of nobody any more.
    fn lose_sight(&mut self, at: u64) {
        for told in self.peers.values_mut() {
            if let Some(last) = told.stretches.last_mut().filter(|last| last.span.to == u64::MAX) {
                (last.span.to, last.span.to_note, last.is_cut) = (at, self.note, true);
            }
            told.states.push((at, self.note, None));
        }
        self.up.clear();
        self.losses.clear();
        self.grace = None;
    }

    fn was_down(&mut self, from: u64, at: u64) {
        self.end_gap(from);
        self.lose_sight(from);
        self.gaps.push((GapCause::NotRunning, from, Some(at)));
        self.blind.push(Span { from, to: at, from_note: self.note, to_note: self.note });
        self.begin_grace(at, false, false);
    }

    fn was_suspended(&mut self, from: u64, at: u64) {
        if self.is_paused {
            return;
        }
        self.blind.push(Span { from, to: at, from_note: self.note, to_note: self.note });
        self.lapses.push((at, from));
        self.losses.clear();
        if !self.is_out {
            self.gaps.push((GapCause::Suspended, from, Some(at)));
            self.begin_grace(at, true, false);
        }
    }

    fn hear(&mut self, at: u64, word: &Word) {
        match *word {
            Word::Up(peer) => self.came(at, peer, false),
            Word::Down(peer) => self.went(at, peer),
            Word::Opened(channel) => self.opened(at, channel, crate::script::outpoint(channel, 0)),
            Word::Closed(channel) => self.closed(at, channel),
            Word::Spliced(channel, funding) => {
                if let Some(told) = self.channels.get_mut(&channel) {
                    told.funding = funding;
                }
            }
            Word::Usable(channel, usable) => self.usable(at, channel, usable),
            Word::Watched(peer) => {
                self.peers.entry(peer).or_default().is_watched = true;
                self.follow(at, peer);
            }
            Word::Listed(ref listed) => self.listed(at, listed),
            Word::Paused => {
                self.end_gap(at);
                self.lose_sight(at);
                self.is_paused = true;
                self.gaps.push((GapCause::Paused, at, None));
                self.blind.push(Span::open(at, self.note));
            }
            Word::Resumed => {
                self.end_gap(at);
                self.begin_grace(at, true, false);
            }
        }
    }

    fn came(&mut self, at: u64, peer: usize, is_listed: bool) {
        if !self.up.insert(peer) {
            return;
        }
        let is_shaky = self.is_paused || self.grace.as_ref().is_some_and(|grace| grace.is_shaky);
        let is_waiting = self.peers.get(&peer).is_some_and(|told| self.is_waiting(told));
        let stretch = Stretch {
            span: Span::open(at, self.note),
            is_cut: false,
            is_old: is_listed && is_shaky && is_waiting,
        };
        let told = self.peers.entry(peer).or_default();
        told.states.push((at, self.note, Some(true)));
        told.stretches.push(stretch);
        self.losses.clear();
        if let Some(grace) = &mut self.grace {
            grace.somebody_came = true;
        }
        if self.is_out {
            self.end_gap(at);
            self.begin_grace(at, false, true);
        }
    }

    fn went(&mut self, at: u64, peer: usize) {
        let Some(told) = self.peers.get_mut(&peer) else { return };
        told.states.push((at, self.note, Some(false)));
        if !self.up.remove(&peer) {
            return;
        }
        if let Some(last) = told.stretches.last_mut() {
            (last.span.to, last.span.to_note) = (at, self.note);
        }
        if self.is_out || self.is_paused {
            return;
        }
        self.losses.push((at, peer));
        self.losses.retain(|loss| at - loss.0 <= SETTLE);
        let (lost, of) = (self.losses.len(), self.losses.len() + self.up.len());
        if lost >= 3 && lost * 100 >= of * 80 {
            self.network_is_out(self.losses[0].0, at);
        }
    }

    fn opened(&mut self, at: u64, channel: Channel, funding: OutPoint) {
        let is_open = self.channels.get(&channel).is_some_and(|told| told.is_open);
        if !is_open {
            self.channels
                .insert(channel, ToldChannel { is_open: true, opened: at, funding, ready: Vec::new() });
            self.peers.entry(channel.peer).or_default();
            self.follow(at, channel.peer);
        }
    }

    fn closed(&mut self, at: u64, channel: Channel) {
        if let Some(told) = self.channels.get_mut(&channel) {
            told.is_open = false;
        }
        self.follow(at, channel.peer);
    }

    fn follow(&mut self, at: u64, peer: usize) {
        let open = self.channels.iter().any(|(channel, told)| channel.peer == peer && told.is_open);
        let Some(told) = self.peers.get_mut(&peer) else { return };
        let is_followed = open || told.is_watched;
        if told.is_followed() != is_followed {
            told.follows.push((at, self.note, is_followed));
        }
    }

    fn usable(&mut self, at: u64, channel: Channel, usable: bool) {
        if !self.up.contains(&channel.peer) {
            return;
        }
        if let Some(told) = self.channels.get_mut(&channel) {
            told.ready.push((at, usable));
        }
    }

    fn listed(&mut self, at: u64, listed: &Listed) {
        for &(channel, funding, _) in &listed.channels {
            self.opened(at, channel, funding);
            if let Some(told) = self.channels.get_mut(&channel) {
                told.funding = funding;
            }
        }
        let is_listed = |channel: &Channel| listed.channels.iter().any(|other| other.0 == *channel);
        let gone: Vec<Channel> =
            self.channels.keys().copied().filter(|channel| !is_listed(channel)).collect();
        gone.into_iter().for_each(|channel| self.closed(at, channel));
        let absent: Vec<usize> =
            self.peers.keys().copied().filter(|peer| !listed.connected.contains(peer)).collect();
        let (lost, others): (Vec<usize>, Vec<usize>) = absent.iter().partition(|peer| self.up.contains(peer));
        lost.into_iter().chain(others).for_each(|peer| self.went(at, peer));
        listed.connected.iter().for_each(|peer| self.came(at, *peer, true));
        for &(channel, _, usable) in &listed.channels {
            self.usable(at, channel, usable);
        }
    }

    /// Whether a stretch ended by our fault.
    pub(super) fn is_excused(&self, told: &Told, stretch: &Stretch) -> bool {
        let Span { from, to: lost, .. } = stretch.span;
        let is_young = |gap_ended: u64| gap_ended <= lost && lost < gap_ended + GRACE;
        let lapses = &self.lapses[..self.lapses.partition_point(|lapse| lapse.0 <= lost)];
        let lapsed = lapses.iter().rev().take_while(|lapse| is_young(lapse.0)).any(|lapse| from <= lapse.1);
        let is_ours = stretch.is_cut
            || self.outage_at(lost).is_some()
            || lapsed
            || stretch.is_old && is_young(self.resumed_before(lost));
        is_ours && told.is_followed_at(lost)
    }

    fn resumed_before(&self, at: u64) -> u64 {
        let ended = self.gaps.iter().rev().filter(|gap| gap.0 == GapCause::Paused).filter_map(|gap| gap.2);
        ended.into_iter().find(|ended| *ended <= at).unwrap_or(0)
    }

    fn outage_at(&self, at: u64) -> Option<&(Span, u64)> {
        let next = self.outages.partition_point(|outage| outage.0.from <= at);
        self.outages[..next].last().filter(|outage| outage.0.has(at))
    }

    /// The first time to come back that was over after a stretch had ended by our fault.
    pub(super) fn grace_after(&self, stretch: &Stretch) -> Option<(u64, u64)> {
        let lost = stretch.span.to;
        let known =
            self.outage_at(lost).filter(|_| !stretch.is_cut).map_or(lost, |outage| outage.1.max(lost));
        let next = self.graces.partition_point(|grace| grace.1 <= known);
        self.graces.get(next).copied()
    }

    fn is_waiting(&self, told: &Told) -> bool {
        let Some(last) = told.stretches.last().filter(|last| last.span.to < u64::MAX) else { return false };
        let is_followed_since = told.is_followed()
            && told.follows.last().is_some_and(|last_follow| last_follow.0 <= last.span.to);
        is_followed_since && self.is_excused(told, last) && self.grace_after(last).is_none()
    }
}

impl Told {
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_forgotten
    }

    fn is_followed(&self) -> bool {
        self.follows.last().is_some_and(|last| last.2)
    }

    /// What was told last before a place.
    pub(super) fn state_before(&self, place: (u64, usize)) -> Option<bool> {
        let next = self.states.partition_point(|state| (state.0, state.1) < place);
        self.states[..next].last().and_then(|state| state.2)
    }

    fn is_followed_at(&self, at: u64) -> bool {
        self.follows.iter().rev().find(|follow| follow.0 <= at).is_some_and(|follow| follow.2)
    }
}
