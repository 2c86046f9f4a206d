//! Trackers with many peers or a long log, and a plain hash map for comparison.

// Each benchmark uses only a part of this module.
#![allow(dead_code)]

use fitness_core::{
    ChannelId, ChannelOpened, Event, HashSeed, NodeId, OutPoint, Timestamp, Tracker, TrackerConfig,
};
use hashbrown::DefaultHashBuilder;

pub(crate) const PEERS: usize = 100_000;
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The value of the plain map, which has about the size of a tracked peer.
pub(crate) type RawValue = [u8; 144];
pub(crate) type RawMap = hashbrown::HashMap<[u8; 33], RawValue, DefaultHashBuilder>;

/// A reproducible random number generator (SplitMix64).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

/// The ids of peers with one channel each.
pub(crate) struct Ids {
    pub(crate) peers: Vec<NodeId>,
    pub(crate) channels: Vec<ChannelId>,
    /// The order in which peers are accessed. It is random to prevent cache hits.
    pub(crate) order: Vec<usize>,
}

impl Ids {
    pub(crate) fn new(count: usize) -> Self {
        let mut random = Random(42);
        let peers = (0..count).map(|_| NodeId(random.bytes())).collect();
        let channels = (0..count).map(|_| ChannelId(random.bytes())).collect();
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            #[allow(clippy::cast_possible_truncation)]
            order.swap(i, (random.next() % (i as u64 + 1)) as usize);
        }
        Self { peers, channels, order }
    }
}

/// Returns a tracker whose peers are online with one channel each.
pub(crate) fn tracker_with_peers(ids: &Ids, config: TrackerConfig) -> Tracker {
    let mut tracker = Tracker::new(config, HashSeed([9; 16]));
    for (node_id, channel_id) in ids.peers.iter().zip(&ids.channels) {
        let funding = OutPoint { txid: channel_id.0, vout: 0 };
        let opened = ChannelOpened {
            channel_id: *channel_id,
            node_id: *node_id,
            funding: Some(funding),
            online: Some(true),
        };
        tracker.apply(START, &Event::ChannelOpened(opened));
    }
    tracker
}

pub(crate) fn raw_map(ids: &Ids) -> RawMap {
    let mut map = RawMap::default();
    for node_id in &ids.peers {
        map.insert(node_id.0, [0; 144]);
    }
    map
}

/// Updates a value of the plain map: reads and writes each word.
pub(crate) fn update_raw_value(map: &mut RawMap, key: &[u8; 33], increment: u64) {
    if let Some(value) = map.get_mut(key) {
        for word in value.chunks_exact_mut(8) {
            let value = u64::from_le_bytes(word.try_into().unwrap_or_default());
            word.copy_from_slice(&value.wrapping_add(increment).to_le_bytes());
        }
    }
}

/// Returns a tracker with one channel whose peer has a log with `entries` entries, two hours apart, and the
/// time two hours after the last entry.
pub(crate) fn tracker_with_log(entries: usize) -> (Tracker, ChannelId, Timestamp) {
    let capacity = u32::try_from(entries).unwrap_or(u32::MAX).max(4_096);
    let config = TrackerConfig::default().with_log_capacity(capacity).with_unsaved_log_capacity(capacity);
    let (node_id, channel_id) = (NodeId([2; 33]), ChannelId([3; 32]));
    let mut tracker = Tracker::new(config, HashSeed([9; 16]));
    let opened = ChannelOpened { channel_id, node_id, funding: None, online: Some(true) };
    tracker.apply(START, &Event::ChannelOpened(opened));
    let mut now = START;
    for i in 0..entries {
        now = now.after_secs(7_200);
        let event = if i % 2 == 0 { Event::PeerOffline { node_id } } else { Event::PeerOnline { node_id } };
        tracker.apply(now, &event);
    }
    assert_eq!(tracker.event_log(&node_id).map(|log| log.len()), Some(entries));
    (tracker, channel_id, now.after_secs(7_200))
}
