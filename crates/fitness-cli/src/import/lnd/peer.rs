//! Converts lnd's statistics of a peer to the records of its history.
//!
//! lnd reports only sums: each channel's lifetime, and its uptime within that. So the peer's ledger starts when
//! its longest-lived channel opened, and its log contains the totals at the opening of each channel. The peer's
//! presence in between is unknown, and windows report the resulting error.

use std::collections::BTreeMap;

use fitness_core::{
    ChannelId, ChannelRecord, ImportSource, Imported, Ledger, LogEntry, LogSegment, NodeId, OutPoint,
    PeerRecord, Presence, Timestamp, Totals,
};

use super::adjust::consistent_uptimes;
use super::lncli::{Flaps, LncliLists};

/// A peer to import.
#[derive(Debug)]
pub(super) struct ImportedPeer {
    pub(super) node_id: NodeId,
    /// `None` if lnd did not list the peer, because it was not connected.
    pub(super) flaps: Option<Flaps>,
    /// The open channels, youngest first.
    pub(super) channels: Vec<ImportedChannel>,
}

/// An open channel to import.
#[derive(Debug)]
pub(super) struct ImportedChannel {
    pub(super) channel_id: ChannelId,
    pub(super) funding: OutPoint,
    pub(super) lifetime_ns: u64,
    /// The uptime that lnd reported.
    pub(super) reported_uptime_ns: u64,
    /// The uptime after adjustment to the lifetime and to the peer's other channels.
    pub(super) uptime_ns: u64,
}

impl ImportedChannel {
    /// Returns the peer's totals over the channel's lifetime. lnd has no unobserved time.
    const fn totals(&self) -> Totals {
        Totals { online_ns: self.uptime_ns, observed_ns: self.lifetime_ns }
    }
}

impl LncliLists {
    /// Returns all peers of which lnd has statistics.
    pub(super) fn peers_with_data(&self) -> Vec<ImportedPeer> {
        let mut peers: BTreeMap<NodeId, ImportedPeer> = BTreeMap::new();
        let new = |node_id, flaps| ImportedPeer { node_id, flaps, channels: Vec::new() };
        for (&node_id, &flaps) in self.peers.iter().filter(|(_, flaps)| !flaps.is_empty()) {
            peers.insert(node_id, new(node_id, Some(flaps)));
        }
        for (&funding, channel) in &self.channels {
            let node_id = channel.node_id;
            let flaps = self.peers.get(&node_id).copied();
            let peer = peers.entry(node_id).or_insert_with(|| new(node_id, flaps));
            peer.channels.push(ImportedChannel {
                channel_id: channel.channel_id,
                funding,
                lifetime_ns: channel.lifetime_ns,
                reported_uptime_ns: channel.uptime_ns,
                uptime_ns: channel.uptime_ns,
            });
        }
        peers.into_values().map(ImportedPeer::with_consistent_uptimes).collect()
    }

    /// Returns the peers that lnd listed without any statistics.
    pub(super) fn peers_without_data(&self) -> Vec<NodeId> {
        let has_channel = |node_id| self.channels.values().any(|channel| channel.node_id == node_id);
        let no_flaps = self.peers.iter().filter(|(_, flaps)| flaps.is_empty()).map(|(&node_id, _)| node_id);
        no_flaps.filter(|&node_id| !has_channel(node_id)).collect()
    }
}

impl ImportedPeer {
    fn with_consistent_uptimes(mut self) -> Self {
        self.channels
            .sort_by_key(|channel| (channel.lifetime_ns, channel.reported_uptime_ns, channel.channel_id));
        let reported = self.channels.iter().map(|channel| (channel.lifetime_ns, channel.reported_uptime_ns));
        let uptimes = consistent_uptimes(&reported.collect::<Vec<_>>());
        for (channel, uptime_ns) in self.channels.iter_mut().zip(uptimes) {
            channel.uptime_ns = uptime_ns;
        }
        self
    }

    /// Returns the peer's totals, which are those of its oldest channel.
    pub(super) fn totals(&self) -> Totals {
        self.channels.last().map(ImportedChannel::totals).unwrap_or_default()
    }

    /// Returns the peer's record and log, for an observer whose history uses a clock that is `clock_ahead_ns`
    /// behind the correct one. Returns `None` if a part of the history would be before that clock's zero.
    pub(super) fn records(
        &self,
        at: Timestamp,
        clock_ahead_ns: i64,
    ) -> Option<(PeerRecord, Vec<LogSegment>)> {
        let at_ns = u64::try_from(i128::from(at.as_nanos()) - i128::from(clock_ahead_ns)).ok()?;
        let totals = self.totals();
        let flaps = self.flaps.unwrap_or_default();
        let last_flap_ns = match flaps.last_ago_ns {
            Some(ago_ns) => Some(at_ns.checked_sub(ago_ns)?),
            None => None,
        };
        let oldest_first = || self.channels.iter().rev();
        let channels: Vec<ChannelRecord> = oldest_first()
            .map(|channel| {
                let opened_at_ns = at_ns.checked_sub(channel.lifetime_ns)?;
                Some(ChannelRecord {
                    channel_id: channel.channel_id,
                    funding: Some(channel.funding),
                    opened_at_ns,
                    opened_totals: totals.since(channel.totals()),
                    reported_usable: None,
                    usable_ledger: Ledger::starting(opened_at_ns),
                })
            })
            .collect::<Option<_>>()?;
        let tracked_since_ns = channels.first().map_or(at_ns, |oldest| oldest.opened_at_ns);

        let mut checkpoints: Vec<(u64, Totals)> =
            channels.iter().map(|channel| (channel.opened_at_ns, channel.opened_totals)).collect();
        checkpoints.push((at_ns, totals));
        checkpoints.dedup();
        let log = log_entries(&checkpoints);
        let record = PeerRecord {
            node_id: self.node_id,
            watched: false,
            in_reconnect_grace: false,
            tracked_since_ns,
            presence: Presence::Unobserved,
            presence_since_ns: at_ns,
            totals,
            flap_count: flaps.count,
            last_flap_ns,
            disconnects: 0,
            log_end: u32::try_from(log.len()).ok()?,
            imported: Some(Imported { source: ImportSource::Lnd, at_ns, totals, flap_count: flaps.count }),
            channels,
        };
        Some((record, LogSegment::pack(self.node_id, &log)))
    }
}

/// Returns the log that has these totals at these times.
///
/// The first checkpoint is the start of the ledger and has no entry. After the last one the peer is unobserved.
fn log_entries(checkpoints: &[(u64, Totals)]) -> Vec<LogEntry> {
    let nexts = checkpoints.iter().skip(1).map(Some).chain([None]);
    let entry = |(&(at_ns, totals), next): (&(u64, Totals), Option<&(u64, Totals)>)| {
        let presence = match next.map(|next| next.1.since(totals)) {
            Some(increase) if increase.online_ns == increase.observed_ns => Presence::Online,
            Some(Totals { online_ns: 0, .. }) => Presence::Offline,
            _ => Presence::Unobserved,
        };
        LogEntry::new(at_ns, presence, totals)
    };
    checkpoints.iter().zip(nexts).skip(1).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fitness_core::{Event, HashSeed, Tracker, TrackerConfig};
    use fitness_store::{Batch, MemoryStore, Store as _};
    use proptest::prelude::*;

    use super::super::lncli::LndChannel;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const AT: Timestamp = Timestamp::from_secs(1_772_366_400);
    const PEER: NodeId = NodeId([2; 33]);

    fn channel_id(number: usize) -> ChannelId {
        ChannelId([u8::try_from(number).expect("few channels"); 32])
    }

    /// Returns a peer whose channels have these lifetimes and uptimes, in seconds.
    fn imported_peer(channels: &[(u64, u64)], flaps: Option<Flaps>) -> ImportedPeer {
        let mut lists = LncliLists::new(AT);
        lists.peers.extend(flaps.map(|flaps| (PEER, flaps)));
        for (number, &(lifetime, uptime)) in channels.iter().enumerate() {
            let (lifetime_ns, uptime_ns) = (lifetime * SECOND, uptime * SECOND);
            let channel =
                LndChannel { node_id: PEER, channel_id: channel_id(number), lifetime_ns, uptime_ns };
            lists.channels.insert(OutPoint { txid: channel.channel_id.0, vout: 0 }, channel);
        }
        lists.peers_with_data().pop().expect("one peer")
    }

    /// Returns a tracker that has loaded the peer, and the peer's log as a store returns it.
    fn load(peer: &ImportedPeer) -> (Tracker, Vec<LogSegment>) {
        let (record, log) = peer.records(AT, 0).expect("starts after 1970");
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        batch.changes.peers.push(record);
        batch.changes.segments = log;
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let log = runtime.block_on(async {
            store.commit(&PEER, Arc::new(batch)).await.expect("valid records");
            tracker.resume_peer(&store.peer(&PEER, &PEER).await.expect("readable").expect("stored"));
            store.segments(&PEER, &PEER, 0, 100).await.expect("readable")
        });
        (tracker, log)
    }

    fn flaps() -> impl Strategy<Value = Option<Flaps>> {
        let flaps = (any::<u32>(), prop::option::of(0..AT.as_nanos()));
        prop::option::of(flaps.prop_map(|(count, last_ago_ns)| Flaps { count, last_ago_ns }))
    }

    /// The lengths, in seconds, of alternating online and offline intervals, counted back from the import.
    fn intervals() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![0..100_u64, 0..1_000_000_u64], 1..12)
    }

    /// Returns for how many of the last `length` seconds the peer was online.
    fn online_secs(intervals: &[u64], length: u64) -> u64 {
        let mut remaining = length;
        let parts = intervals.iter().map(|interval| {
            let part = remaining.min(*interval);
            remaining -= part;
            part
        });
        parts.step_by(2).sum()
    }

    proptest! {
        #[test]
        fn any_channels_become_a_valid_history(
            channels in prop::collection::vec((0..2_000_000_u64, 0..2_100_000_u64), 1..9), flaps in flaps(),
        ) {
            let imported = imported_peer(&channels, flaps);
            let (tracker, log) = load(&imported);
            let peer = tracker.peer(AT, &PEER).expect("imported");
            let longest = channels.iter().map(|channel| channel.0).max().unwrap_or_default() * SECOND;
            prop_assert_eq!(peer.observed_ns, longest);
            prop_assert_eq!(peer.tracked_since, AT.before_nanos(longest));
            prop_assert_eq!((peer.presence, peer.presence_since), (Presence::Unobserved, AT));
            let flaps = flaps.unwrap_or_default();
            prop_assert_eq!(peer.flap_count, flaps.count);
            prop_assert_eq!(peer.last_flap, flaps.last_ago_ns.map(|ago_ns| AT.before_nanos(ago_ns)));
            let mark = peer.imported.expect("marked as imported");
            prop_assert_eq!((mark.source, mark.at, mark.flap_count), (ImportSource::Lnd, AT, flaps.count));
            prop_assert_eq!((mark.observed_ns, mark.uptime_ns), (peer.observed_ns, peer.uptime_ns));
            for (number, &(lifetime, _)) in channels.iter().enumerate() {
                let id = channel_id(number);
                let expected = imported.channels.iter().find(|channel| channel.channel_id == id);
                let report = tracker.channel(AT, &id).expect("imported");
                prop_assert_eq!(report.lifetime_ns, lifetime * SECOND);
                prop_assert_eq!(report.observed_ns, report.lifetime_ns);
                prop_assert_eq!(Some(report.uptime_ns), expected.map(|channel| channel.uptime_ns));
                prop_assert!(report.uptime_ns <= report.observed_ns);
                // The log agrees to the nanosecond.
                let history = tracker.history(AT, &PEER, &log).expect("imported");
                let window = history.window(report.opened_at, AT);
                prop_assert_eq!((window.uptime_ns, window.uptime_error_ns), (report.uptime_ns, 0));
                prop_assert_eq!((window.observed_ns, window.observed_error_ns), (report.observed_ns, 0));
            }
        }

        /// Consistent sums are imported unchanged, and every window's error covers the actual uptime.
        #[test]
        fn consistent_sums_are_kept_and_window_errors_are_sufficient(
            intervals in intervals(),
            lifetimes in prop::collection::vec(0..4_000_000_u64, 1..6),
            edges in prop::array::uniform2(0..5_000_000_u64),
            later in 0..1_000_000_u64,
        ) {
            let total: u64 = intervals.iter().sum();
            let channels: Vec<(u64, u64)> = lifetimes
                .iter()
                .map(|lifetime| (*lifetime).min(total))
                .map(|lifetime| (lifetime, online_secs(&intervals, lifetime)))
                .collect();
            let (mut tracker, log) = load(&imported_peer(&channels, None));
            // Later the service starts, and the peer is online for a minute.
            let start = AT.after_secs(later);
            tracker.apply(start, &Event::PeerOnline { node_id: PEER });
            tracker.apply(start.after_secs(60), &Event::PeerOffline { node_id: PEER });
            let now = start.after_secs(90);
            for (number, &(lifetime, uptime)) in channels.iter().enumerate() {
                let report = tracker.channel(now, &channel_id(number)).expect("imported");
                prop_assert_eq!(report.lifetime_ns, (lifetime + later + 90) * SECOND);
                prop_assert_eq!(report.observed_ns, (lifetime + 90) * SECOND);
                prop_assert_eq!(report.uptime_ns, (uptime + 60) * SECOND);
            }
            prop_assert_eq!(tracker.peer(now, &PEER).map(|peer| peer.flap_count), Some(1));

            let longest = channels.iter().map(|channel| channel.0).max().unwrap_or_default();
            let [from, to] = edges.map(|ago| ago.min(longest));
            let (from, to) = (from.max(to), from.min(to));
            let history = tracker.history(now, &PEER, &log).expect("imported");
            let window = history.window(AT.before_nanos(from * SECOND), AT.before_nanos(to * SECOND));
            let actual = (online_secs(&intervals, from) - online_secs(&intervals, to)) * SECOND;
            prop_assert!(window.uptime_ns.abs_diff(actual) <= window.uptime_error_ns, "{actual} {window:?}");
            prop_assert_eq!((window.observed_ns, window.observed_error_ns), (window.length_ns, 0));
            let after = history.window(AT, now);
            prop_assert_eq!((after.observed_ns, after.uptime_ns), (90 * SECOND, 60 * SECOND));
            prop_assert_eq!((after.observed_error_ns, after.uptime_error_ns), (0, 0));
        }
    }

    #[test]
    fn import_uses_the_clock_of_the_existing_history() {
        let peer = imported_peer(&[(100, 60)], Some(Flaps { count: 3, last_ago_ns: Some(40 * SECOND) }));
        let (right, _) = peer.records(AT, 0).expect("starts after the clock's zero");
        let ahead_ns = 1_700_000_000 * SECOND;
        let (behind, log) = peer.records(AT, ahead_ns.cast_signed()).expect("starts after the clock's zero");
        assert_eq!(behind.presence_since_ns + ahead_ns, AT.as_nanos());
        assert_eq!(behind.tracked_since_ns + ahead_ns, right.tracked_since_ns);
        assert_eq!(behind.last_flap_ns.map(|ns| ns + ahead_ns), right.last_flap_ns);
        assert_eq!(behind.channels[0].opened_at_ns + ahead_ns, right.channels[0].opened_at_ns);
        assert_eq!(log[0].entries[0].at_ns(), behind.presence_since_ns);
        assert_eq!(behind.imported.map(|imported| imported.at_ns), Some(behind.presence_since_ns));

        let ahead_ns = AT.as_nanos() - 50 * SECOND;
        assert_eq!(
            peer.records(AT, ahead_ns.cast_signed()).map(drop),
            None,
            "the channel would have opened before the clock's zero"
        );
        assert_eq!(peer.records(AT, i64::MAX).map(drop), None);
        let (ahead, _) = peer.records(AT, -7).expect("starts after the clock's zero");
        assert_eq!(ahead.presence_since_ns, AT.as_nanos() + 7);
    }
}
