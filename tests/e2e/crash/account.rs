//! What has to be in the file: an account kept by the parent, from what the wallet has told in each of its
//! lives, up to the last heartbeat that was stored in it.

use std::path::Path;

use fitness_core::{
    ChannelReport, GapRecord, HashSeed, NodeId, ObserverRecord, PeerRecord, Presence, Timestamp, Tracker,
    TrackerConfig,
};
use fitness_store::Store as _;
use fitness_store_redb::RedbStore;

use crate::child::Told;

/// What a file holds.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// `None` where nothing was ever stored.
    pub(crate) observer: Option<ObserverRecord>,
    pub(crate) peers: Vec<PeerRecord>,
    pub(crate) gaps: Vec<GapRecord>,
}

impl Stored {
    /// Reads a copy: the file is to be opened first by who comes after the one that was killed.
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

    /// Until when the wallet is known to have watched.
    pub(crate) fn heartbeat(&self) -> Timestamp {
        self.observer.map_or(Timestamp::EPOCH, |record| Timestamp::from_nanos(record.last_heartbeat_ns))
    }

    pub(crate) fn peer(&self, node_id: NodeId) -> Option<&PeerRecord> {
        self.peers.iter().find(|record| record.node_id == node_id)
    }

    /// What `ldk-fitness report` says of a peer's only channel, as of the last heartbeat.
    #[track_caller]
    pub(crate) fn report(&self, node_id: NodeId) -> ChannelReport {
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
        tracker.resume_observer(&self.observer.unwrap(), &self.gaps);
        self.peers.iter().for_each(|record| tracker.resume_peer(record));
        let peer = tracker.peer(self.heartbeat(), &node_id).unwrap();
        let [channel] = peer.channels[..] else { panic!("one channel: {peer:?}") };
        channel
    }
}

/// A life of the wallet's process, when it is over.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) spawned_at: Timestamp,
    pub(crate) told: Vec<Told>,
    /// The end came between these two.
    pub(crate) ended: (Timestamp, Timestamp),
    /// What was in the file then.
    pub(crate) stored: Stored,
}

/// A peer's presence from a moment on, and its flaps by then.
pub(crate) type Fact = (Timestamp, Presence, u32);

impl Life {
    /// When it started to watch, if it came to tell that.
    pub(crate) fn watching(&self) -> Option<Timestamp> {
        self.told.iter().find_map(|told| match told {
            Told::Watching(at) => Some(*at),
            _ => None,
        })
    }

    /// When it started to watch, if it came to store that.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        let started_at = Timestamp::from_nanos(self.stored.observer?.started_at_ns);
        (started_at >= self.spawned_at).then_some(started_at)
    }

    /// What was told of a peer.
    pub(crate) fn told_of(&self, of: NodeId) -> impl Iterator<Item = Fact> {
        self.told.iter().filter_map(move |told| match *told {
            Told::Presence { node_id, presence, at, flaps } if node_id == of => Some((at, presence, flaps)),
            _ => None,
        })
    }

    /// What was known of a peer by the last heartbeat, and has to be in the file.
    fn kept_of(&self, of: NodeId) -> Vec<Fact> {
        let heartbeat = self.stored.heartbeat();
        let mut kept: Vec<Fact> = self.told_of(of).filter(|(at, ..)| *at <= heartbeat).collect();
        // It may have been killed between storing and telling.
        if let Some(record) = self.stored.peer(of) {
            let since = Timestamp::from_nanos(record.presence_since_ns);
            if since >= self.spawned_at && kept.last().is_none_or(|(at, ..)| *at < since) {
                kept.push((since, record.presence, record.flap_count));
            }
        }
        kept
    }
}

/// What has to be in the file of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) observed_ns: u64,
    pub(crate) uptime_ns: u64,
    pub(crate) flaps: u32,
    pub(crate) disconnects: u32,
}

impl Account {
    /// After these lives.
    pub(crate) fn of(node_id: NodeId, lives: &[Life]) -> Self {
        let mut account = Self::default();
        for life in lives.iter().filter(|life| life.started().is_some()) {
            let kept = life.kept_of(node_id);
            let ends = kept.iter().skip(1).map(|(at, ..)| *at).chain([life.stored.heartbeat()]);
            let mut before = Presence::Unobserved;
            for (&(at, presence, flaps), end) in kept.iter().zip(ends) {
                let length_ns = end.nanos_since(at);
                account.observed_ns += if presence == Presence::Unobserved { 0 } else { length_ns };
                account.uptime_ns += if presence == Presence::Online { length_ns } else { 0 };
                account.flaps = flaps;
                account.disconnects += u32::from((before, presence) == (Presence::Online, Presence::Offline));
                before = presence;
            }
        }
        account
    }

    /// What is in the file.
    pub(crate) fn stored(node_id: NodeId, stored: &Stored) -> Self {
        let Some(record) = stored.peer(node_id) else { return Self::default() };
        let ChannelReport { observed_ns, uptime_ns, .. } = stored.report(node_id);
        Self { observed_ns, uptime_ns, flaps: record.flap_count, disconnects: record.disconnects }
    }
}
