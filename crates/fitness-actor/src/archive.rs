//! A store that no service runs on, asked as if one did.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::{HashSeed, NodeId, ObserverRecord, PeerRecord, Timestamp, Tracker, TrackerConfig};
use fitness_store::{Store, StoreError};
use tokio::sync::mpsc;

use crate::clock::ServiceClock;
use crate::load::{self, GAPS};
use crate::shared::Shared;
use crate::{Clock, Handle};

/// What a node had stored when it was last running: its [`Handle`] answers every question as of the last
/// moment that the store knows, at which time stands still.
///
/// Nothing is written and nobody is claimed. So a service may run on the store elsewhere, where the store
/// allows that; what it stores after the opening is not seen. To [`Handle::health`] it is a service that
/// has stopped, and what is recorded is not kept.
pub struct Archive {
    shared: Arc<Shared>,
    /// The handles have it for as long as this is held.
    _store: Arc<dyn Store>,
}

impl Archive {
    /// Reads what `observer` stored. O(peers and channels) in time and in memory; histories are read
    /// when they are asked for.
    ///
    /// Of a node that is not in the store it knows nothing, at the beginning of 1970. To be awaited within a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn open(observer: NodeId, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let record = store.observer(&observer).await?;
        let heartbeat_ns = record.as_ref().map_or(0, |it| it.last_heartbeat_ns.max(it.started_at_ns));
        let (mut tracker, end_ns) = recall(&store, observer, record.as_ref(), heartbeat_ns).await?;
        if end_ns > heartbeat_ns {
            // A flush was interrupted: some of the peers are known for longer than the rest.
            (tracker, _) = recall(&store, observer, record.as_ref(), end_ns).await?;
        }
        let at = tracker.to_wall_clock(end_ns);
        // Nobody takes requests, so a flush is told that the service has stopped.
        let (flushes, _) = mpsc::channel(1);
        let clock = ServiceClock::start(Arc::new(StandingStill(at)));
        let mut shared =
            Shared::new(observer, tracker, clock, &store, flushes, Duration::ZERO, 1, Duration::ZERO);
        shared.at_rest = true;
        shared.stopped();
        Ok(Self { shared: Arc::new(shared), _store: store })
    }

    /// The last moment that the store knows, as of which everything is answered.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// A handle, to ask. What is not in memory it finds in the store for as long as this is not dropped.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("observer", &self.shared.observer).finish_non_exhaustive()
    }
}

/// A tracker as of `until_ns`, and the last moment that anything is known of.
async fn recall(
    store: &Arc<dyn Store>,
    observer: NodeId,
    record: Option<&ObserverRecord>,
    until_ns: u64,
) -> Result<(Tracker, u64), StoreError> {
    // The ids are those of our own store, and nothing is added to them.
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    if let Some(record) = record {
        let from = record.gap_count.saturating_sub(GAPS);
        tracker.resume_observer(record, &store.gaps(&observer, from, GAPS as usize).await?);
    }
    let mut end_ns = until_ns;
    let take = |page: &[PeerRecord]| {
        for record in page {
            tracker.load_archived_peer(record, until_ns);
            end_ns = end_ns.max(record.presence_since_ns);
        }
    };
    load::all_peers(store, observer, take).await?;
    Ok((tracker, end_ns))
}

struct StandingStill(Timestamp);

impl Clock for StandingStill {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Timestamp {
        self.0
    }
}
