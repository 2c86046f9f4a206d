//! The state of a peer: its ledger, log and channels. The rules are in `presence`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::log::{LogCapacity, LogNumbers};
use crate::{ChannelId, EventLog, FlapCount, Ledger, LogEntry, NodeId, OutPoint, Presence, Totals};

/// A tracked or untracked peer.
///
/// The order of the fields is the order in memory: an event accesses the middle, and a query of a channel
/// accesses the middle and the end. Nearly every peer has one channel, which is stored inline.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    extras: Option<Box<PeerExtras>>,
    numbers: LogNumbers,
    /// The start of the ledger, with both totals at 0.
    pub(super) tracked_since_ns: u64,
    // The parts of a `FlapCount`, which would add four bytes of padding.
    last_flap_ns: u64,
    flap_count: u32,
    pub(super) disconnects: u32,
    pub(super) node_id: NodeId,
    /// Whether the peer is watched.
    pub(super) watched: bool,
    /// The connection state as last reported, whether or not the peer was tracked at that time.
    pub(super) connection: Presence,
    pub(super) reconnect_grace: ReconnectGrace,
    /// Whether the ledger's last change is the log's staged entry.
    is_staged: bool,
    pub(super) ledger: Ledger,
    channel: Option<Channel>,
}

/// Data that most peers do not have.
#[derive(Debug, Default)]
struct PeerExtras {
    /// The committed entries of the log.
    entries: Vec<LogEntry>,
    /// All channels but the first, ordered by id.
    channels: Vec<Channel>,
}

/// Whether a peer is in its reconnect grace period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReconnectGrace {
    #[default]
    None,
    /// The peer was online before a monitoring gap and has not reconnected.
    Active,
    /// The peer is reported as connected, but the connection may have been lost during the gap. If its loss
    /// is reported within the grace period, the peer is in its reconnect grace period from then on.
    MaybeStale,
}

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) channel_id: ChannelId,
    // `OutPoint::NULL` if not known, which takes four bytes less than an `Option`.
    funding: OutPoint,
    pub(super) opened_at_ns: u64,
    /// The peer's totals at `opened_at_ns`.
    pub(super) opened_totals: Totals,
    /// Whether the channel can carry payments while the peer is online, as last reported.
    pub(super) reported_usable: Option<bool>,
    /// `Online` means usable, `Offline` not usable.
    pub(super) usable_ledger: Ledger,
}

impl Channel {
    pub(super) fn new(channel_id: ChannelId, funding: Option<OutPoint>, at_ns: u64, totals: Totals) -> Self {
        Self {
            channel_id,
            funding: funding.unwrap_or(OutPoint::NULL),
            opened_at_ns: at_ns,
            opened_totals: totals,
            reported_usable: None,
            usable_ledger: Ledger::starting(at_ns),
        }
    }

    pub(super) fn funding(&self) -> Option<OutPoint> {
        Some(self.funding).filter(|funding| !funding.is_null())
    }

    /// Updates the usability from the last report and the peer's presence. Returns whether it changed.
    pub(super) fn update_usability(&mut self, peer: Presence, at_ns: u64) -> bool {
        let presence = match (self.reported_usable, peer) {
            (None, _) | (_, Presence::Unobserved) => Presence::Unobserved,
            (Some(true), Presence::Online) => Presence::Online,
            (Some(_), _) => Presence::Offline,
        };
        let changes = self.usable_ledger.presence() != presence;
        if changes {
            self.usable_ledger.set(presence, at_ns);
        }
        changes
    }

    /// Makes the usability unobserved from `at_ns` on, which is in the past.
    fn revert_to_unobserved(&mut self, at_ns: u64, totals: Totals) {
        if self.usable_ledger.presence_since_ns() < at_ns {
            if self.usable_ledger.presence() != Presence::Unobserved {
                self.usable_ledger.set(Presence::Unobserved, at_ns);
            }
        } else {
            self.usable_ledger.amend(Presence::Unobserved);
        }
        if self.opened_at_ns > at_ns {
            self.opened_totals = totals;
        }
    }
}

/// The rate limit of the log: it decides whether a change is appended or replaces the last entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum RateLimit {
    /// Always append.
    None,
    /// Append if the last entry is older than this many nanoseconds. This is lnd's limit. A peer that
    /// flaps continuously adds no entries.
    SinceLastChange(u64),
    /// Append if the last committed entry is older than this many nanoseconds. This never keeps more
    /// entries than lnd's limit could, and keeps one per interval however fast the peer flaps.
    SinceLastCommitted(u64),
}

/// The counters of a peer before a disconnect, which are restored if the disconnect is attributed to a
/// monitoring gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    flaps: FlapCount,
    disconnects: u32,
}

impl Peer {
    pub(super) fn new(node_id: NodeId, at_ns: u64) -> Self {
        Self {
            extras: None,
            numbers: LogNumbers::default(),
            tracked_since_ns: at_ns,
            last_flap_ns: 0,
            flap_count: 0,
            disconnects: 0,
            node_id,
            watched: false,
            connection: Presence::Unobserved,
            reconnect_grace: ReconnectGrace::None,
            is_staged: false,
            ledger: Ledger::starting(at_ns),
            channel: None,
        }
    }

    pub(super) fn in_reconnect_grace(&self) -> bool {
        self.reconnect_grace == ReconnectGrace::Active
    }

    pub(super) fn log(&self) -> EventLog<'_> {
        let entries = self.extras.as_ref().map_or(&[][..], |extras| &extras.entries);
        self.numbers.log(entries, self.is_staged.then(|| self.ledger.last_change()))
    }

    /// Continues a log whose entries are in the store only.
    pub(super) fn continue_log(&mut self, end: u32) {
        if let Some(extras) = &mut self.extras {
            extras.entries = Vec::new();
        }
        self.numbers = LogNumbers::continuing(end);
        self.is_staged = false;
    }

    /// Changes the presence and logs the change. The change replaces the staged entry within `limit`.
    pub(super) fn set_presence_logged(
        &mut self,
        presence: Presence,
        at_ns: u64,
        limit: RateLimit,
        capacity: LogCapacity,
    ) {
        let staged = self.ledger.last_change();
        let is_over = match limit {
            RateLimit::None => staged.at_ns() < at_ns,
            RateLimit::SinceLastChange(limit_ns) => staged.at_ns().saturating_add(limit_ns) < at_ns,
            RateLimit::SinceLastCommitted(limit_ns) => {
                let last_ns = self.log().committed().last().map_or(0, LogEntry::at_ns);
                last_ns.saturating_add(limit_ns) < at_ns
            }
        };
        if self.is_staged && is_over {
            let entries = &mut self.extras.get_or_insert_default().entries;
            self.numbers.push(entries, staged, capacity);
        }
        self.set_presence_unlogged(presence, at_ns);
        self.is_staged = true;
        self.record_staged_change();
    }

    /// Changes the presence without logging it. The log must not have a staged entry.
    pub(super) fn set_presence_unlogged(&mut self, presence: Presence, at_ns: u64) {
        self.ledger.set(presence, at_ns);
        for channel in self.channels_mut() {
            channel.update_usability(presence, at_ns);
        }
    }

    fn record_staged_change(&mut self) {
        let committed = self.extras.as_ref().map_or(0, |extras| extras.entries.len());
        self.numbers.record_staged_change(committed);
    }

    /// Returns the earliest time from which the presence can still be changed. Later values were derived from
    /// the presence before that time.
    pub(super) fn earliest_change_ns(&self) -> u64 {
        let last_change_ns =
            |channel: &Channel| channel.opened_at_ns.max(channel.usable_ledger.presence_since_ns());
        self.channels().map(last_change_ns).max().unwrap_or(0).max(self.ledger.presence_since_ns())
    }

    pub(super) fn counters(&self) -> Counters {
        Counters { flaps: self.flaps(), disconnects: self.disconnects }
    }

    /// Reverts a disconnect at `at_ns`: the peer is unobserved from then on. Returns whether the disconnect
    /// was the last change.
    pub(super) fn revert_disconnect(&mut self, at_ns: u64, before: Counters) -> bool {
        if self.ledger.presence() != Presence::Offline || self.ledger.presence_since_ns() != at_ns {
            return false;
        }
        self.ledger.amend(Presence::Unobserved);
        let totals = self.ledger.totals();
        for channel in self.channels_mut() {
            channel.revert_to_unobserved(at_ns, totals);
        }
        self.set_flaps(before.flaps);
        self.disconnects = before.disconnects;
        if self.is_staged {
            self.record_staged_change();
        }
        true
    }

    pub(super) fn unsaved_log(&self) -> Vec<(u32, Vec<LogEntry>)> {
        self.numbers.unsaved(self.log())
    }

    pub(super) fn saved_log(&mut self, first: u32, entries: &[LogEntry]) {
        let mut numbers = self.numbers;
        numbers.saved(first, entries, self.log());
        self.numbers = numbers;
    }

    pub(super) fn flaps(&self) -> FlapCount {
        FlapCount::from_parts(self.flap_count, Some(self.last_flap_ns).filter(|&at| at > 0))
    }

    pub(super) fn set_flaps(&mut self, flaps: FlapCount) {
        self.flap_count = flaps.count();
        self.last_flap_ns = flaps.last_flap_ns().unwrap_or(0);
    }

    pub(super) fn has_channels(&self) -> bool {
        self.channel.is_some()
    }

    /// Returns the channels in no particular order.
    pub(super) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channel.iter().chain(self.extras.iter().flat_map(|extras| &extras.channels))
    }

    fn channels_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.channel.iter_mut().chain(self.extras.iter_mut().flat_map(|extras| &mut extras.channels))
    }

    /// Returns the channels, oldest first.
    pub(super) fn channels_by_age(&self) -> Vec<&Channel> {
        let mut channels: Vec<_> = self.channels().collect();
        channels.sort_by_key(|channel| (channel.opened_at_ns, channel.channel_id));
        channels
    }

    pub(super) fn channel(&self, channel_id: &ChannelId) -> Option<&Channel> {
        match &self.channel {
            Some(channel) if channel.channel_id == *channel_id => Some(channel),
            _ => {
                let extras = &self.extras.as_ref()?.channels;
                extras.get(extras.binary_search_by_key(channel_id, |other| other.channel_id).ok()?)
            }
        }
    }

    pub(super) fn channel_mut(&mut self, channel_id: &ChannelId) -> Option<&mut Channel> {
        match &mut self.channel {
            Some(channel) if channel.channel_id == *channel_id => Some(channel),
            _ => {
                let extras = &mut self.extras.as_mut()?.channels;
                let index = extras.binary_search_by_key(channel_id, |other| other.channel_id).ok()?;
                extras.get_mut(index)
            }
        }
    }

    pub(super) fn set_funding(
        &mut self,
        channel_id: &ChannelId,
        funding: Option<OutPoint>,
    ) -> Option<OutPoint> {
        let channel = self.channel_mut(channel_id)?;
        let previous = channel.funding();
        channel.funding = funding.unwrap_or(OutPoint::NULL);
        previous
    }

    pub(super) fn add_channel(&mut self, channel: Channel) {
        if self.channel.is_none() {
            self.channel = Some(channel);
            return;
        }
        let extras = &mut self.extras.get_or_insert_default().channels;
        if let Err(index) = extras.binary_search_by_key(&channel.channel_id, |other| other.channel_id) {
            extras.insert(index, channel);
        }
    }

    pub(super) fn remove_channel(&mut self, channel_id: &ChannelId) {
        if self.channel.as_ref().is_some_and(|channel| channel.channel_id == *channel_id) {
            self.channel = self.extras.as_mut().and_then(|extras| extras.channels.pop());
        } else if let Some(extras) = &mut self.extras {
            extras.channels.retain(|channel| channel.channel_id != *channel_id);
        }
    }
}
