//! A store with a history.

use std::path::Path;

use fitness_core::{Event, NodeId};
use fitness_store_redb::RedbStore;

use crate::common::{at, block_on, eight_hour_tracker, peer_id, store_tracker};

/// Creates a store with ten hours of history. After the pause in it, each peer has the same presence as
/// before.
pub(crate) fn create_store(directory: &Path, peers: u32) -> String {
    let mut tracker = eight_hour_tracker(peers);
    for number in 0..peers {
        let node_id = peer_id(number);
        let event =
            if number % 2 == 1 { Event::PeerOnline { node_id } } else { Event::PeerOffline { node_id } };
        tracker.apply(at(8), &event);
    }
    let path = directory.join(format!("{peers}.redb"));
    let store = RedbStore::open(&path).expect("create the store");
    block_on(store_tracker(&store, NodeId([3; 33]), tracker));
    path.display().to_string()
}
