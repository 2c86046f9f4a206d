//! A file with a history.

use std::path::Path;
use std::sync::Arc;

use fitness_core::{
    Changes, ChannelId, ChannelOpened, Event, HashSeed, NodeId, Timestamp, Tracker, TrackerConfig,
};
use fitness_store::{Batch, Store as _};
use fitness_store_redb::RedbStore;

use crate::common::{HOUR, T0, block_on};

/// Ten hours of so many peers, every other one of which went off in the fourth. In the eighth we were paused.
pub(crate) fn file(directory: &Path, peers: u32) -> String {
    let at = |hours: u64| Timestamp::from_nanos(T0 + hours * HOUR);
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    let id = |number: u32| {
        let mut node_id = NodeId([2; 33]);
        node_id.0[29..].copy_from_slice(&number.to_be_bytes());
        node_id
    };
    for number in 0..peers {
        let mut channel_id = ChannelId([1; 32]);
        channel_id.0[28..].copy_from_slice(&number.to_be_bytes());
        let opened = ChannelOpened { channel_id, node_id: id(number), funding: None, online: Some(true) };
        tracker.apply(at(0), &Event::ChannelOpened(opened));
    }
    for number in (0..peers).step_by(2) {
        // Not all at once, which would be an outage of ours.
        tracker.apply(at(3).after_secs(u64::from(number) / 10), &Event::PeerOffline { node_id: id(number) });
    }
    tracker.apply(at(7), &Event::ObservationPaused);
    tracker.apply(at(8), &Event::ObservationResumed);
    for number in 0..peers {
        let node_id = id(number);
        let event =
            if number % 2 == 1 { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } };
        tracker.apply(at(8), &event);
    }
    let mut changes = Changes::default();
    assert!(!tracker.take_changes(usize::MAX, &mut changes));
    let batch = Batch { changes, observer: Some(tracker.observer_record(at(10))), ..Batch::default() };
    let path = directory.join(format!("{peers}.redb"));
    let store = RedbStore::open(&path).expect("a new file");
    block_on(store.commit(&NodeId([3; 33]), Arc::new(batch))).expect("it is stored");
    path.display().to_string()
}
