//! A fake node and a manual clock for the tests of this module.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Clock, Service, SystemClock};
use fitness_core::{ChannelId, NodeId, OpenChannel, Timestamp};
use fitness_store::MemoryStore;

use super::listing::{Listing, NodeView};

pub(super) const PEER: NodeId = NodeId([2; 33]);
pub(super) const CHANNEL: ChannelId = ChannelId([9; 32]);

/// A node whose state the test sets.
#[derive(Default)]
pub(super) struct FakeNode {
    pub(super) running: Mutex<bool>,
    pub(super) connected: Mutex<Vec<NodeId>>,
    /// Channels with [`PEER`].
    pub(super) channels: Mutex<Vec<ChannelId>>,
    pub(super) usable: Mutex<bool>,
    /// How often the node was listed.
    pub(super) polls: AtomicUsize,
    /// Called once, at the end of the next listing.
    pub(super) on_list: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl FakeNode {
    /// Returns a running node with one connected peer and one usable channel.
    pub(super) fn running() -> Arc<Self> {
        Arc::new(Self {
            running: true.into(),
            connected: vec![PEER].into(),
            channels: vec![CHANNEL].into(),
            usable: true.into(),
            ..Self::default()
        })
    }
}

impl NodeView for FakeNode {
    fn is_running(&self) -> bool {
        *self.running.lock().unwrap()
    }

    fn list(&self) -> Listing {
        let usable = Some(*self.usable.lock().unwrap());
        let open = |&channel_id: &_| OpenChannel { channel_id, node_id: PEER, funding: None, usable };
        let channels = self.channels.lock().unwrap().iter().map(open).collect();
        let connected = self.connected.lock().unwrap();
        // A peer can be in both of ldk-node's lists.
        let twice = connected.iter().chain(&*connected).copied().collect();
        drop(connected);
        let on_list = self.on_list.lock().unwrap().take();
        if let Some(on_list) = on_list {
            on_list();
        }
        self.polls.fetch_add(1, Ordering::SeqCst);
        Listing::new(channels, twice)
    }
}

/// A clock whose monotonic and wall time advance only when the test advances them.
#[derive(Default)]
pub(super) struct ManualClock(Mutex<Duration>);

impl ManualClock {
    pub(super) fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        let elapsed = self.monotonic().as_nanos().try_into().unwrap();
        Timestamp::from_secs(1_000).after_nanos(elapsed)
    }
}

/// Starts a service with an in-memory store that does not detect stalls itself.
pub(super) async fn service_with_clock(clock: Arc<dyn Clock>) -> Service {
    let store = Arc::new(MemoryStore::default());
    let service =
        Service::builder(NodeId([1; 33]), store).stall_check_interval(Duration::from_secs(3600)).clock(clock);
    service.start().await.unwrap()
}

pub(super) async fn service() -> Service {
    service_with_clock(Arc::new(SystemClock::new())).await
}
