//! What must be in the file: totals that the parent computes from the reports of the wallet in each run,
//! up to the last heartbeat that the run has stored.

use std::path::Path;

use fitness_core::{
    ChannelReport, GapRecord, HashSeed, NodeId, ObserverRecord, PeerRecord, Presence, Timestamp, Tracker,
    TrackerConfig,
};
use fitness_store::Store as _;
use fitness_store_redb::RedbStore;

use crate::wallet_process::Report;

/// The contents of a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// `None` if nothing was ever stored.
    pub(crate) observer: Option<ObserverRecord>,
    pub(crate) peers: Vec<PeerRecord>,
    pub(crate) gaps: Vec<GapRecord>,
}

impl Stored {
    /// Reads a copy, since the next run of the wallet must be the first to open the file after a kill.
    pub(crate) fn read(file: &Path, observer: &NodeId) -> Self {
        if !file.exists() {
            return Self { observer: None, peers: Vec::new(), gaps: Vec::new() };
        }
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy.redb");
        std::fs::copy(file, &copy).unwrap();
        let store = RedbStore::open(&copy).unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            Self {
                observer: store.observer(observer).await.unwrap(),
                peers: store.peers(observer, None, usize::MAX).await.unwrap(),
                gaps: store.gaps(observer, 0, usize::MAX).await.unwrap(),
            }
        })
    }

    /// Returns the time of the last stored heartbeat.
    pub(crate) fn heartbeat(&self) -> Timestamp {
        self.observer.map_or(Timestamp::EPOCH, |record| Timestamp::from_nanos(record.last_heartbeat_ns))
    }

    pub(crate) fn peer(&self, node_id: NodeId) -> Option<&PeerRecord> {
        self.peers.iter().find(|record| record.node_id == node_id)
    }

    /// Returns the report on a peer's only channel as of the last heartbeat, as `ldk-fitness report` computes it.
    #[track_caller]
    pub(crate) fn report(&self, node_id: NodeId) -> ChannelReport {
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.resume_observer(&self.observer.unwrap(), &self.gaps);
        self.peers.iter().for_each(|record| tracker.resume_peer(record));
        let peer = tracker.peer(self.heartbeat(), &node_id).unwrap();
        let [channel] = peer.channels[..] else { panic!("expected one channel: {peer:?}") };
        channel
    }
}

/// A completed run of the wallet's process.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) spawned_at: Timestamp,
    pub(crate) reports: Vec<Report>,
    /// The run ended between these two times.
    pub(crate) ended: (Timestamp, Timestamp),
    /// The contents of the file at the end of the run.
    pub(crate) stored: Stored,
}

/// The time of a presence change, the presence, and the flap count including this change.
pub(crate) type PresenceChange = (Timestamp, Presence, u32);

impl Run {
    /// Returns when monitoring started, if the wallet reported it.
    pub(crate) fn watching(&self) -> Option<Timestamp> {
        self.reports.iter().find_map(|reports| match reports {
            Report::Watching(at) => Some(*at),
            _ => None,
        })
    }

    /// Returns when monitoring started, if the wallet stored it.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        let started_at = Timestamp::from_nanos(self.stored.observer?.started_at_ns);
        (started_at >= self.spawned_at).then_some(started_at)
    }

    /// Returns the reported presence changes of a peer.
    pub(crate) fn reported_presences(&self, of: NodeId) -> impl Iterator<Item = PresenceChange> {
        self.reports.iter().filter_map(move |reports| match *reports {
            Report::Presence { node_id, presence, at, flaps } if node_id == of => Some((at, presence, flaps)),
            _ => None,
        })
    }

    /// Returns the presence changes up to the last heartbeat, which must be in the file.
    fn kept_of(&self, of: NodeId) -> Vec<PresenceChange> {
        let heartbeat = self.stored.heartbeat();
        let mut kept: Vec<PresenceChange> =
            self.reported_presences(of).filter(|(at, ..)| *at <= heartbeat).collect();
        // The wallet may have been killed after storing a change and before reporting it.
        if let Some(record) = self.stored.peer(of) {
            let since = Timestamp::from_nanos(record.presence_since_ns);
            if since >= self.spawned_at && kept.last().is_none_or(|(at, ..)| *at < since) {
                kept.push((since, record.presence, record.flap_count));
            }
        }
        kept
    }
}

/// What must be in the file for one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    pub(crate) flaps: u32,
    pub(crate) disconnects: u32,
}

impl Totals {
    /// Returns the totals after these runs.
    pub(crate) fn of(node_id: NodeId, runs: &[Run]) -> Self {
        let mut totals = Self::default();
        for run in runs.iter().filter(|run| run.started().is_some()) {
            let kept = run.kept_of(node_id);
            let ends = kept.iter().skip(1).map(|(at, ..)| *at).chain([run.stored.heartbeat()]);
            let mut before = Presence::Unobserved;
            for (&(at, presence, flaps), end) in kept.iter().zip(ends) {
                let length_ns = end.nanos_since(at);
                totals.observed_ns += if presence == Presence::Unobserved { 0 } else { length_ns };
                totals.uptime_ns += if presence == Presence::Online { length_ns } else { 0 };
                totals.flaps = flaps;
                totals.disconnects += u32::from((before, presence) == (Presence::Online, Presence::Offline));
                before = presence;
            }
        }
        totals
    }

    /// Returns the totals in the file.
    pub(crate) fn stored(node_id: NodeId, stored: &Stored) -> Self {
        let Some(record) = stored.peer(node_id) else { return Self::default() };
        let ChannelReport { observed_ns, uptime_ns, .. } = stored.report(node_id);
        Self { observed_ns, uptime_ns, flaps: record.flap_count, disconnects: record.disconnects }
    }
}
