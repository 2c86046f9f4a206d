//! For the tests of this module: a node that does as it is told, and a clock that is set by hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fitness_actor::{Clock, Service, SystemClock};
use fitness_core::{ChannelId, NodeId, OpenChannel, Timestamp};
use fitness_store::MemoryStore;

use super::poll::{Listing, NodeView};

pub(super) const PEER: NodeId = NodeId([2; 33]);
pub(super) const CHANNEL: ChannelId = ChannelId([9; 32]);

/// A node that does as it is told.
#[derive(Default)]
pub(super) struct Puppet {
    pub(super) running: Mutex<bool>,
    pub(super) connected: Mutex<Vec<NodeId>>,
    /// All with [`PEER`].
    pub(super) channels: Mutex<Vec<ChannelId>>,
    pub(super) usable: Mutex<bool>,
    pub(super) looks: AtomicUsize,
    /// What happens while it is being listed.
    pub(super) meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Puppet {
    /// With one peer that is connected, and one channel that is usable.
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

impl NodeView for Puppet {
    fn is_running(&self) -> bool {
        *self.running.lock().unwrap()
    }

    fn list(&self) -> Listing {
        let usable = Some(*self.usable.lock().unwrap());
        let open = |&channel_id: &_| OpenChannel { channel_id, node_id: PEER, funding: None, usable };
        let channels = self.channels.lock().unwrap().iter().map(open).collect();
        let connected = self.connected.lock().unwrap();
        // As ldk-node does, whose two lists both tell of a peer.
        let twice = connected.iter().chain(&*connected).copied().collect();
        drop(connected);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self.looks.fetch_add(1, Ordering::SeqCst);
        Listing::new(channels, twice)
    }
}

/// A clock on which only that time passes that is let pass, on its wall as well.
#[derive(Default)]
pub(super) struct HandClock(Mutex<Duration>);

impl HandClock {
    pub(super) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for HandClock {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        let passed = self.monotonic().as_nanos().try_into().unwrap();
        Timestamp::from_secs(1_000).after_nanos(passed)
    }
}

/// A service that keeps everything in memory and never finds out by itself that it was held up.
pub(super) async fn service(clock: Arc<dyn Clock>) -> Service {
    let store = Arc::new(MemoryStore::default());
    let service = Service::builder(NodeId([1; 33]), store).pulse(Duration::from_secs(3600)).clock(clock);
    service.start().await.unwrap()
}

pub(super) async fn service_of_today() -> Service {
    service(Arc::new(SystemClock::new())).await
}
