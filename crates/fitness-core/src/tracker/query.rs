//! Queries. They do not change the state, and take the time of the query as an argument.

use alloc::vec::Vec;

use super::Tracker;
use super::peer::{Channel, Peer};
use crate::history::{PeerHistory, older_entries};
use crate::report::{LifetimeTotals, availability};
use crate::window::WindowCalculator;
use crate::{
    ChannelId, ChannelReport, EventLog, LogSegment, NodeId, NotFound, OutPoint, PeerReport, Timestamp,
    WindowReport,
};

impl Tracker {
    /// Returns a channel's uptime and usability over its lifetime; `None` if the channel is not open.
    #[must_use]
    pub fn channel(&self, at: Timestamp, channel_id: &ChannelId) -> Option<ChannelReport> {
        let (peer, channel) = self.registry.channel(channel_id)?;
        Some(self.report_channel(peer, channel, self.clock.peek(at)))
    }

    /// Like [`Tracker::channel`], for the channel with this funding outpoint.
    #[must_use]
    pub fn channel_by_funding(&self, at: Timestamp, funding: &OutPoint) -> Option<ChannelReport> {
        let (peer, channel) = self.registry.channel_by_funding(funding)?;
        Some(self.report_channel(peer, channel, self.clock.peek(at)))
    }

    /// Like [`Tracker::channel`], but also requires that the channel is with the given peer.
    ///
    /// # Errors
    ///
    /// - [`NotFound::Peer`] if the tracker has no such peer: it was never tracked, or it was forgotten. With
    ///   the lnd presets, also if the peer is untracked.
    /// - [`NotFound::Channel`] if the channel is not open with this peer.
    pub fn peer_channel(
        &self,
        at: Timestamp,
        node_id: &NodeId,
        channel_id: &ChannelId,
    ) -> Result<ChannelReport, NotFound> {
        let found = self.registry.find_peer(node_id);
        let tracked = found.filter(|&slot| !self.config.rules.is_lnd() || self.is_tracked(slot));
        let peer = tracked.and_then(|slot| self.registry.peers.get(slot)).ok_or(NotFound::Peer(*node_id))?;
        let channel = peer.channel(channel_id).ok_or(NotFound::Channel(*channel_id))?;
        Ok(self.report_channel(peer, channel, self.clock.peek(at)))
    }

    /// Returns the uptime of a channel's peer within `[from, to)`, limited to the channel's lifetime; `None`
    /// if the channel is not open.
    ///
    /// Uses only the log entries in memory, and takes O(log n) in their number. [`Tracker::channel_history`]
    /// also uses the entries in the store.
    #[must_use]
    pub fn channel_window(
        &self,
        at: Timestamp,
        channel_id: &ChannelId,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<WindowReport> {
        let (peer, channel) = self.registry.channel(channel_id)?;
        Some(self.report_window(peer, channel.opened_at_ns, self.clock.peek(at), from, to))
    }

    /// Returns a peer's uptime within `[from, to)`, limited to the time since the peer was first tracked;
    /// `None` if the peer is not found.
    ///
    /// Uses only the log entries in memory, and takes O(log n) in their number. [`Tracker::history`] also
    /// uses the entries in the store.
    #[must_use]
    pub fn peer_window(
        &self,
        at: Timestamp,
        node_id: &NodeId,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<WindowReport> {
        let peer = self.registry.peer(node_id)?;
        Some(self.report_window(peer, peer.tracked_since_ns, self.clock.peek(at), from, to))
    }

    /// Returns the report of a tracked or untracked peer with its open channels; `None` if the peer is not
    /// found.
    #[must_use]
    pub fn peer(&self, at: Timestamp, node_id: &NodeId) -> Option<PeerReport> {
        Some(self.report_peer(self.registry.peer(node_id)?, self.clock.peek(at)))
    }

    /// Returns the reports of the tracked peers, in no particular order. [`Tracker::all_peers`] includes
    /// untracked ones.
    pub fn peers(&self, at: Timestamp) -> impl Iterator<Item = PeerReport> {
        let now_ns = self.clock.peek(at);
        self.registry
            .peers
            .iter()
            .filter(|(slot, _)| self.is_tracked(*slot))
            .map(move |(_, peer)| self.report_peer(peer, now_ns))
    }

    /// Returns a page of tracked peers, starting at `cursor`, and the cursor of the next page. Use this if it
    /// would take too long to build all reports at once.
    ///
    /// Pass 0 to get the first page. The next cursor is `None` after the last page. A page covers `limit`
    /// peers and may contain fewer, because untracked peers are left out. A peer that is tracked throughout
    /// is returned once. A peer that is added or removed between pages may be missing.
    #[must_use]
    pub fn peers_page(&self, at: Timestamp, cursor: usize, limit: usize) -> (Vec<PeerReport>, Option<usize>) {
        let now_ns = self.clock.peek(at);
        let (end, slot_count) = (cursor.saturating_add(limit), self.registry.peers.slot_count());
        let peers = self.registry.peers.range(cursor, end).filter(|(slot, _)| self.is_tracked(*slot));
        (peers.map(|(_, peer)| self.report_peer(peer, now_ns)).collect(), (end < slot_count).then_some(end))
    }

    /// Returns a peer's flap count as of its last flap, and the time of that flap; `None` if the peer is not
    /// found. O(1).
    #[must_use]
    pub fn flap_count(&self, node_id: &NodeId) -> Option<(u32, Option<Timestamp>)> {
        let flaps = self.registry.peer(node_id)?.flaps();
        Some((flaps.count(), flaps.last_flap_ns().map(|at_ns| self.clock.to_wall_clock(at_ns))))
    }

    /// Returns a channel's uptime in nanoseconds as lnd computes it, from the rate-limited log; `None` if the
    /// channel is not open. O(n) in the number of log entries in memory.
    ///
    /// The result may differ widely from the real uptime. Use it only to compare a preset with lnd. The exact
    /// value is in the report of [`Tracker::channel`].
    #[must_use]
    pub fn lnd_uptime_ns(&self, at: Timestamp, channel_id: &ChannelId) -> Option<u64> {
        let (peer, channel) = self.registry.channel(channel_id)?;
        let now_ns = self.clock.peek(at);
        Some(peer.log().lnd_uptime_ns(channel.opened_at_ns, now_ns, now_ns))
    }

    /// Returns the part of a peer's log that is in memory; `None` if the peer is not found. Its times are in
    /// tracker time.
    #[must_use]
    pub fn event_log(&self, node_id: &NodeId) -> Option<EventLog<'_>> {
        Some(self.registry.peer(node_id)?.log())
    }

    /// Returns a peer's history up to `at`, as a value that later events do not change; `None` if the peer is
    /// not found.
    ///
    /// `older` contains the peer's segments from the store. Entries in `older` that are also in memory are
    /// ignored. If `older` is empty, only the totals are available for the time before the oldest entry in
    /// memory.
    ///
    /// O(n) in the number of log entries in memory and in `older`.
    #[must_use]
    pub fn history(&self, at: Timestamp, node_id: &NodeId, older: &[LogSegment]) -> Option<PeerHistory> {
        Some(self.history_of(self.registry.peer(node_id)?, at, older))
    }

    /// Returns the history of a channel's peer since the channel was first monitored; `None` if the channel
    /// is not open.
    ///
    /// `older` and the cost are as in [`Tracker::history`]. The totals over the channel's lifetime are exact
    /// even if `older` is empty.
    #[must_use]
    pub fn channel_history(
        &self,
        at: Timestamp,
        channel_id: &ChannelId,
        older: &[LogSegment],
    ) -> Option<PeerHistory> {
        let (peer, channel) = self.registry.channel(channel_id)?;
        Some(self.history_of(peer, at, older).starting_at_totals(channel.opened_at_ns, channel.opened_totals))
    }

    fn history_of(&self, peer: &Peer, at: Timestamp, older: &[LogSegment]) -> PeerHistory {
        let held = peer.log();
        let mut log = older_entries(&peer.node_id, older, held.first_number());
        log.extend_from_slice(held.committed());
        let now_ns = self.clock.peek(at);
        // The timestamps of the history use the wall clock as it is set at the time of the query.
        let mut clock = self.clock;
        clock.advance(at);
        PeerHistory::new(peer.node_id, peer.tracked_since_ns, now_ns, log, peer.ledger, clock)
    }

    /// Returns the reports of all peers, including untracked ones, in no particular order.
    pub fn all_peers(&self, at: Timestamp) -> impl Iterator<Item = PeerReport> {
        let now_ns = self.clock.peek(at);
        self.registry.peers.iter().map(move |(_, peer)| self.report_peer(peer, now_ns))
    }

    /// Returns the last reported connection state of a tracked peer, an untracked peer or a stranger.
    ///
    /// Returns `None` if no state was reported since the process started or since observation was last
    /// paused, and for a node that is neither a peer nor a stranger.
    #[must_use]
    pub fn is_connected(&self, node_id: &NodeId) -> Option<bool> {
        match self.registry.peer(node_id) {
            Some(peer) => peer.connection.is_online(),
            None => self.registry.is_stranger(node_id).then_some(true),
        }
    }

    pub(super) fn report_channel(&self, peer: &Peer, channel: &Channel, now_ns: u64) -> ChannelReport {
        let totals = peer.ledger.totals_at(now_ns).since(channel.opened_totals);
        ChannelReport::new(
            channel.channel_id,
            peer.node_id,
            channel.funding(),
            self.clock.to_wall_clock(channel.opened_at_ns),
            LifetimeTotals {
                lifetime_ns: now_ns.saturating_sub(channel.opened_at_ns),
                observed_ns: totals.observed_ns,
                uptime_ns: totals.online_ns,
            },
            channel.usable_ledger.presence(),
            channel.usable_ledger.totals_at(now_ns),
        )
    }

    fn report_peer(&self, peer: &Peer, now_ns: u64) -> PeerReport {
        let by_age = peer.channels_by_age().into_iter();
        let channels = by_age.map(|channel| self.report_channel(peer, channel, now_ns)).collect();
        let flaps = peer.flaps();
        let totals = peer.ledger.totals_at(now_ns);
        PeerReport {
            node_id: peer.node_id,
            presence: peer.ledger.presence(),
            presence_since: self.clock.to_wall_clock(peer.ledger.presence_since_ns()),
            flap_count: flaps.count(),
            last_flap: flaps.last_flap_ns().map(|at_ns| self.clock.to_wall_clock(at_ns)),
            disconnects: peer.disconnects,
            watched: peer.watched,
            untracked_at: (!self.is_tracked_peer(peer))
                .then(|| self.clock.to_wall_clock(peer.ledger.presence_since_ns())),
            tracked_since: self.clock.to_wall_clock(peer.tracked_since_ns),
            observed_ns: totals.observed_ns,
            uptime_ns: totals.online_ns,
            availability: availability(totals.online_ns, totals.observed_ns),
            imported: self
                .registry
                .imported(&peer.node_id)
                .map(|imported| imported.report(self.clock.to_wall_clock(imported.at_ns))),
            channels,
        }
    }

    fn report_window(
        &self,
        peer: &Peer,
        start_ns: u64,
        now_ns: u64,
        from: Timestamp,
        to: Timestamp,
    ) -> WindowReport {
        let calculator = WindowCalculator {
            start_ns: peer.tracked_since_ns,
            log: peer.log().committed(),
            ledger: &peer.ledger,
            now_ns,
        };
        calculator.window(
            start_ns,
            self.clock.to_tracker_time(from),
            self.clock.to_tracker_time(to),
            self.clock,
        )
    }
}
