//! What lnd told of one peer, as the beginning of its history.
//!
//! lnd tells sums: how long it has known each channel, and for how long of that the peer was there.
//! So the account of a peer begins with the channel it has known longest, and what stands in its log are the
//! sums at each channel's opening. What the peer was in between is not known, and windows say so.

use std::collections::BTreeMap;

use fitness_core::{
    ChannelId, ChannelRecord, ImportSource, Imported, Ledger, LogEntry, LogSegment, NodeId, OutPoint,
    PeerRecord, Presence, Timestamp, Totals,
};

use super::fit::consistent;
use super::lists::{Flaps, Lists};

/// A peer to take over.
#[derive(Debug)]
pub(super) struct Seed {
    pub(super) node_id: NodeId,
    /// `None` where lnd told nothing of it, since the peer was not connected.
    pub(super) flaps: Option<Flaps>,
    /// The youngest first.
    pub(super) channels: Vec<SeedChannel>,
}

/// An open channel to take over.
#[derive(Debug)]
pub(super) struct SeedChannel {
    pub(super) channel_id: ChannelId,
    pub(super) funding: OutPoint,
    pub(super) lifetime_ns: u64,
    /// What lnd told.
    pub(super) told_uptime_ns: u64,
    /// What of that can be true, given its lifetime and its peer's other channels.
    pub(super) uptime_ns: u64,
}

impl SeedChannel {
    /// The peer's sums over the channel's lifetime. lnd always takes itself to know who is there.
    const fn totals(&self) -> Totals {
        Totals { online_ns: self.uptime_ns, observed_ns: self.lifetime_ns }
    }
}

impl Lists {
    /// Everybody that lnd has counted anything of.
    pub(super) fn seeds(&self) -> Vec<Seed> {
        let mut seeds: BTreeMap<NodeId, Seed> = BTreeMap::new();
        let new = |node_id, flaps| Seed { node_id, flaps, channels: Vec::new() };
        for (&node_id, &flaps) in self.peers.iter().filter(|(_, flaps)| !flaps.are_none()) {
            seeds.insert(node_id, new(node_id, Some(flaps)));
        }
        for (&funding, channel) in &self.channels {
            let node_id = channel.node_id;
            let flaps = self.peers.get(&node_id).copied();
            let seed = seeds.entry(node_id).or_insert_with(|| new(node_id, flaps));
            seed.channels.push(SeedChannel {
                channel_id: channel.channel_id,
                funding,
                lifetime_ns: channel.lifetime_ns,
                told_uptime_ns: channel.uptime_ns,
                uptime_ns: channel.uptime_ns,
            });
        }
        seeds.into_values().map(Seed::consistent).collect()
    }

    /// Peers that lnd listed without having counted anything.
    pub(super) fn uncounted(&self) -> Vec<NodeId> {
        let has_channel = |node_id| self.channels.values().any(|channel| channel.node_id == node_id);
        let none = self.peers.iter().filter(|(_, flaps)| flaps.are_none()).map(|(&node_id, _)| node_id);
        none.filter(|&node_id| !has_channel(node_id)).collect()
    }
}

impl Seed {
    fn consistent(mut self) -> Self {
        self.channels
            .sort_by_key(|channel| (channel.lifetime_ns, channel.told_uptime_ns, channel.channel_id));
        let told = self.channels.iter().map(|channel| (channel.lifetime_ns, channel.told_uptime_ns));
        let uptimes = consistent(&told.collect::<Vec<_>>());
        for (channel, uptime_ns) in self.channels.iter_mut().zip(uptimes) {
            channel.uptime_ns = uptime_ns;
        }
        self
    }

    /// The peer's sums, which are those of its oldest channel.
    pub(super) fn totals(&self) -> Totals {
        self.channels.last().map(SeedChannel::totals).unwrap_or_default()
    }

    /// The peer's record and log, for an observer whose history is told by a clock that is behind the
    /// right one by `clock_ahead_ns`. `None` where a part of it would lie before that clock began.
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

        let mut known: Vec<(u64, Totals)> =
            channels.iter().map(|channel| (channel.opened_at_ns, channel.opened_totals)).collect();
        known.push((at_ns, totals));
        known.dedup();
        let log = log_of(&known);
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

/// The sums at moments, as a log: all but the first, with which the account begins. From the last on
/// nothing is known.
fn log_of(known: &[(u64, Totals)]) -> Vec<LogEntry> {
    let nexts = known.iter().skip(1).map(Some).chain([None]);
    let entry = |(&(at_ns, totals), next): (&(u64, Totals), Option<&(u64, Totals)>)| {
        let presence = match next.map(|next| next.1.since(totals)) {
            Some(grown) if grown.online_ns == grown.observed_ns => Presence::Online,
            Some(Totals { online_ns: 0, .. }) => Presence::Offline,
            _ => Presence::Unobserved,
        };
        LogEntry::new(at_ns, presence, totals)
    };
    known.iter().zip(nexts).skip(1).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fitness_core::{Event, HashSeed, Tracker, TrackerConfig};
    use fitness_store::{Batch, MemoryStore, Store as _};
    use proptest::prelude::*;

    use super::super::lists::LndChannel;
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const AT: Timestamp = Timestamp::from_secs(1_772_366_400);
    const PEER: NodeId = NodeId([2; 33]);

    fn channel_id(number: usize) -> ChannelId {
        ChannelId([u8::try_from(number).expect("few channels"); 32])
    }

    /// The only peer, with channels of so many seconds of lifetime and uptime.
    fn seed(channels: &[(u64, u64)], flaps: Option<Flaps>) -> Seed {
        let mut lists = Lists::at(AT);
        lists.peers.extend(flaps.map(|flaps| (PEER, flaps)));
        for (number, &(lifetime, uptime)) in channels.iter().enumerate() {
            let (lifetime_ns, uptime_ns) = (lifetime * SECOND, uptime * SECOND);
            let channel =
                LndChannel { node_id: PEER, channel_id: channel_id(number), lifetime_ns, uptime_ns };
            lists.channels.insert(OutPoint { txid: channel.channel_id.0, vout: 0 }, channel);
        }
        lists.seeds().pop().expect("one peer")
    }

    /// What a tracker makes of it, and the log as a store gives it back.
    fn imported(seed: &Seed) -> (Tracker, Vec<LogSegment>) {
        let (record, log) = seed.records(AT, 0).expect("it is not that old");
        let store = MemoryStore::default();
        let mut batch = Batch::default();
        batch.changes.peers.push(record);
        batch.changes.segments = log;
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let log = runtime.block_on(async {
            store.commit(&PEER, Arc::new(batch)).await.expect("it keeps every rule of a record");
            tracker.resume_peer(&store.peer(&PEER, &PEER).await.expect("an answer").expect("it is there"));
            store.segments(&PEER, &PEER, 0, 100).await.expect("an answer")
        });
        (tracker, log)
    }

    fn flaps() -> impl Strategy<Value = Option<Flaps>> {
        let flaps = (any::<u32>(), prop::option::of(0..AT.as_nanos()));
        prop::option::of(flaps.prop_map(|(count, last_ago_ns)| Flaps { count, last_ago_ns }))
    }

    /// A connection's past, looking back from the import: online and offline in turn, in seconds.
    fn past() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![0..100_u64, 0..1_000_000_u64], 1..12)
    }

    /// How much of the last `life` the peer was online.
    fn online(past: &[u64], life: u64) -> u64 {
        let mut left = life;
        let spent = past.iter().map(|length| {
            let part = left.min(*length);
            left -= part;
            part
        });
        spent.step_by(2).sum()
    }

    proptest! {
        /// Whatever lnd says, what is made of it is a history, and as near to what it says as can be.
        #[test]
        fn any_channels_make_a_history(
            channels in prop::collection::vec((0..2_000_000_u64, 0..2_100_000_u64), 1..9), flaps in flaps(),
        ) {
            let seed = seed(&channels, flaps);
            let (tracker, log) = imported(&seed);
            let peer = tracker.peer(AT, &PEER).expect("it was taken over");
            let longest = channels.iter().map(|channel| channel.0).max().unwrap_or_default() * SECOND;
            prop_assert_eq!(peer.observed_ns, longest);
            prop_assert_eq!(peer.tracked_since, AT.before_nanos(longest));
            prop_assert_eq!((peer.presence, peer.presence_since), (Presence::Unobserved, AT));
            let flaps = flaps.unwrap_or_default();
            prop_assert_eq!(peer.flap_count, flaps.count);
            prop_assert_eq!(peer.last_flap, flaps.last_ago_ns.map(|ago_ns| AT.before_nanos(ago_ns)));
            let mark = peer.imported.expect("it is marked");
            prop_assert_eq!((mark.source, mark.at, mark.flap_count), (ImportSource::Lnd, AT, flaps.count));
            prop_assert_eq!((mark.observed_ns, mark.uptime_ns), (peer.observed_ns, peer.uptime_ns));
            for (number, &(lifetime, _)) in channels.iter().enumerate() {
                let id = channel_id(number);
                let of_seed = seed.channels.iter().find(|channel| channel.channel_id == id);
                let report = tracker.channel(AT, &id).expect("it was taken over");
                prop_assert_eq!(report.lifetime_ns, lifetime * SECOND);
                prop_assert_eq!(report.observed_ns, report.lifetime_ns);
                prop_assert_eq!(Some(report.uptime_ns), of_seed.map(|channel| channel.uptime_ns));
                prop_assert!(report.uptime_ns <= report.observed_ns);
                // It is in the log as well, to the nanosecond.
                let history = tracker.history(AT, &PEER, &log).expect("it was taken over");
                let window = history.window(report.opened_at, AT);
                prop_assert_eq!((window.uptime_ns, window.uptime_error_ns), (report.uptime_ns, 0));
                prop_assert_eq!((window.observed_ns, window.observed_error_ns), (report.observed_ns, 0));
            }
        }

        /// What lnd tells of one connection comes out as it was told, and what it does not tell is
        /// within the error of every window.
        #[test]
        fn what_can_be_true_comes_out_and_the_truth_is_within_the_error(
            past in past(),
            lives in prop::collection::vec(0..4_000_000_u64, 1..6),
            edges in prop::array::uniform2(0..5_000_000_u64),
            later in 0..1_000_000_u64,
        ) {
            let known: u64 = past.iter().sum();
            let channels: Vec<(u64, u64)> =
                lives.iter().map(|life| (*life).min(known)).map(|life| (life, online(&past, life))).collect();
            let (mut tracker, log) = imported(&seed(&channels, None));
            // A while after, the service starts and the peer is there for a minute, and gone.
            let start = AT.after_secs(later);
            tracker.apply(start, &Event::PeerOnline { node_id: PEER });
            tracker.apply(start.after_secs(60), &Event::PeerOffline { node_id: PEER });
            let now = start.after_secs(90);
            for (number, &(lifetime, uptime)) in channels.iter().enumerate() {
                let report = tracker.channel(now, &channel_id(number)).expect("it was taken over");
                prop_assert_eq!(report.lifetime_ns, (lifetime + later + 90) * SECOND);
                prop_assert_eq!(report.observed_ns, (lifetime + 90) * SECOND);
                prop_assert_eq!(report.uptime_ns, (uptime + 60) * SECOND);
            }
            prop_assert_eq!(tracker.peer(now, &PEER).map(|peer| peer.flap_count), Some(1), "a loss, and no more");

            let longest = channels.iter().map(|channel| channel.0).max().unwrap_or_default();
            let [from, to] = edges.map(|ago| ago.min(longest));
            let (from, to) = (from.max(to), from.min(to));
            let history = tracker.history(now, &PEER, &log).expect("it was taken over");
            let window = history.window(AT.before_nanos(from * SECOND), AT.before_nanos(to * SECOND));
            let truth = (online(&past, from) - online(&past, to)) * SECOND;
            prop_assert!(window.uptime_ns.abs_diff(truth) <= window.uptime_error_ns, "{truth} {window:?}");
            prop_assert_eq!((window.observed_ns, window.observed_error_ns), (window.length_ns, 0));
            let after = history.window(AT, now);
            prop_assert_eq!((after.observed_ns, after.uptime_ns), (90 * SECOND, 60 * SECOND));
            prop_assert_eq!((after.observed_error_ns, after.uptime_error_ns), (0, 0));
        }
    }

    #[test]
    fn a_history_told_by_another_clock_is_seeded_by_that_clock() {
        let seed = seed(&[(100, 60)], Some(Flaps { count: 3, last_ago_ns: Some(40 * SECOND) }));
        let (right, _) = seed.records(AT, 0).expect("there is time enough");
        let ahead_ns = 1_700_000_000 * SECOND;
        let (behind, log) = seed.records(AT, ahead_ns.cast_signed()).expect("there is time enough");
        assert_eq!(behind.presence_since_ns + ahead_ns, AT.as_nanos());
        assert_eq!(behind.tracked_since_ns + ahead_ns, right.tracked_since_ns);
        assert_eq!(behind.last_flap_ns.map(|ns| ns + ahead_ns), right.last_flap_ns);
        assert_eq!(behind.channels[0].opened_at_ns + ahead_ns, right.channels[0].opened_at_ns);
        assert_eq!(log[0].entries[0].at_ns(), behind.presence_since_ns);
        assert_eq!(behind.imported.map(|taken| taken.at_ns), Some(behind.presence_since_ns));

        let ahead_ns = AT.as_nanos() - 50 * SECOND;
        assert_eq!(
            seed.records(AT, ahead_ns.cast_signed()).map(drop),
            None,
            "the channel would begin before time"
        );
        assert_eq!(seed.records(AT, i64::MAX).map(drop), None);
        let (ahead, _) = seed.records(AT, -7).expect("there is time enough");
        assert_eq!(ahead.presence_since_ns, AT.as_nanos() + 7);
    }
}
