//! Queries on a stored history without a running service.

use std::sync::Arc;
use std::time::Duration;

use fitness_core::{HashSeed, NodeId, ObserverRecord, PeerRecord, Timestamp, Tracker, TrackerConfig};
use fitness_store::{Store, StoreError};
use tokio::sync::mpsc;

use crate::clock::ServiceClock;
use crate::load::{self, MAX_LOADED_GAPS};
use crate::shared::Shared;
use crate::{Clock, Handle};

/// The stored history of a node, opened without a running service.
///
/// Its [`Handle`] answers every query as of [`Archive::as_of`], the last moment that the store covers. Time
/// does not advance.
///
/// An archive never writes to the store and claims no observer. Where the store allows it, a service can run
/// on the same store at the same time; what that service stores after the archive was opened is not visible.
/// [`Handle::health`] reports an archive like a service that has stopped. Recorded events are applied in
/// memory only.
///
/// ```
/// use std::sync::Arc;
/// use fitness_actor::{Archive, Service};
/// use fitness_core::{Event, NodeId};
/// use fitness_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (our_node, peer) = (NodeId([2; 33]), NodeId([3; 33]));
/// let store = Arc::new(MemoryStore::default());
/// let service = Service::builder(our_node, store.clone()).start().await?;
/// service.handle().record(Event::Watch { node_id: peer });
/// service.shutdown().await?;
///
/// let archive = Archive::open(our_node, store).await?;
/// let report = archive.handle().peer(&peer).expect("the peer is watched");
/// assert!(report.watched);
/// # Ok(())
/// # }
/// ```
pub struct Archive {
    shared: Arc<Shared>,
    /// Keeps the store open for the handles, which only hold a weak reference.
    _store: Arc<dyn Store>,
}

impl Archive {
    /// Loads what was stored for `observer`. Takes time and memory proportional to the number of peers and
    /// channels; histories are read when they are queried. Must be awaited within a tokio runtime.
    ///
    /// If the store has no data of `observer`, the archive is empty and [`Archive::as_of`] is the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read.
    pub async fn open(observer: NodeId, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let record = store.observer(&observer).await?;
        let heartbeat_ns = record.as_ref().map_or(0, |it| it.last_heartbeat_ns.max(it.started_at_ns));
        let (mut tracker, end_ns) = load_archived(&store, observer, record.as_ref(), heartbeat_ns).await?;
        if end_ns > heartbeat_ns {
            // A flush was interrupted, so the records of some peers are newer than the last heartbeat.
            (tracker, _) = load_archived(&store, observer, record.as_ref(), end_ns).await?;
        }
        let as_of = tracker.to_wall_clock(end_ns);
        // The receiver is dropped, so a flush fails with `FlushError::Stopped`.
        let (flush_sender, _) = mpsc::channel(1);
        let clock = ServiceClock::start(Arc::new(FixedClock(as_of)));
        let mut shared =
            Shared::new(observer, tracker, clock, &store, flush_sender, Duration::ZERO, 1, Duration::ZERO);
        shared.archived = true;
        shared.mark_stopped();
        Ok(Self { shared: Arc::new(shared), _store: store })
    }

    /// Returns the last moment that the store covers. All queries are answered as of this moment.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Returns a handle that answers queries. Queries that read the store fail once the archive is dropped.
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

/// Loads a tracker as of `until_ns`. Also returns the time of the newest record, at least `until_ns`.
async fn load_archived(
    store: &Arc<dyn Store>,
    observer: NodeId,
    record: Option<&ObserverRecord>,
    until_ns: u64,
) -> Result<(Tracker, u64), StoreError> {
    // A fixed seed is safe: the ids come from our own store, and no others are added.
    let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([0; 16]));
    if let Some(record) = record {
        let from = record.gap_count.saturating_sub(MAX_LOADED_GAPS);
        tracker.resume_observer(record, &store.gaps(&observer, from, MAX_LOADED_GAPS as usize).await?);
    }
    let mut end_ns = until_ns;
    let load_page = |page: &[PeerRecord]| {
        for record in page {
            tracker.load_archived_peer(record, until_ns);
            end_ns = end_ns.max(record.presence_since_ns);
        }
    };
    load::for_each_page(store, observer, load_page).await?;
    Ok((tracker, end_ns))
}

/// A clock that always shows the same time.
struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Timestamp {
        self.0
    }
}
