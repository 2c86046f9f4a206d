//! The handle: records events and answers queries.

use std::sync::Arc;

use fitness_advice::AlertRules;
use fitness_core::{
    ChannelId, ChannelReport, Coverage, Event, NodeId, NotFound, OutPoint, PeerReport, Timestamp, Tracker,
    WindowReport,
};
use fitness_store::{Store, StoreError};
use tokio::sync::{broadcast, oneshot};

use crate::shared::Shared;
use crate::{AlertStream, FlushError, Health, Subscription};

/// Records events and answers queries. Cheap to clone; can be sent to any thread.
///
/// Every method that is not `async` returns immediately: it holds a lock briefly and never waits for the
/// store or for a runtime. These methods can be called from any thread, inside or outside
/// a runtime, and while holding any lock of the caller, because they call no user code.
///
/// A query sees every event whose [`Handle::record`] returned before the query was made. After the service
/// has stopped, queries are still answered from memory.
///
/// ```
/// use fitness_actor::Handle;
/// use fitness_core::{Event, NodeId};
///
/// fn on_peer_disconnected(handle: &Handle, node_id: NodeId) {
///     handle.record(Event::PeerOffline { node_id });
/// }
///
/// fn print_peers(handle: &Handle) {
///     for report in handle.peers() {
///         println!("{}: {:?}, {} disconnects", report.node_id, report.presence, report.disconnects);
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// The flap count of a peer, as lnd defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FlapInfo {
    /// The decayed flap count, as of the last flap.
    pub count: u32,
    /// The time of the last flap; `None` before the first.
    #[cfg_attr(feature = "serde", serde(rename = "last_flap_ns"))]
    pub last_flap: Option<Timestamp>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns the node whose view is stored.
    #[must_use]
    pub fn observer(&self) -> NodeId {
        self.shared.observer
    }

    /// Records an event that happens now.
    ///
    /// The event is stamped with the current service time and applied. It is never dropped, and is stored
    /// after the commit delay at the latest unless the store fails. After a shutdown, the event is applied
    /// and counted in [`Health::events_after_shutdown`], but not stored.
    ///
    /// Takes O(1) time for every event except a snapshot. A snapshot takes time in proportion to the number
    /// of known and listed peers and channels, and blocks other calls meanwhile.
    #[allow(clippy::needless_pass_by_value, reason = "drops a snapshot here, without the lock")]
    pub fn record(&self, event: Event) {
        self.shared.record(&event);
    }

    /// Returns the current service time: the wall clock at start plus the monotonic time since then, adjusted
    /// when the wall clock jumps forward.
    ///
    /// Call this before reading a snapshot from the node, and set [`Snapshot::taken_at`] to it.
    ///
    /// [`Snapshot::taken_at`]: fitness_core::Snapshot::taken_at
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn query<T>(&self, query: impl FnOnce(&Tracker, Timestamp) -> T) -> T {
        let mut state = self.shared.lock();
        let now = self.shared.now(&mut state);
        query(&state.tracker, now)
    }

    /// Returns the lifetime report of an open channel; `None` if the channel is not open. O(1).
    #[must_use]
    pub fn channel(&self, channel_id: &ChannelId) -> Option<ChannelReport> {
        self.query(|tracker, now| tracker.channel(now, channel_id))
    }

    /// Returns the lifetime report of the open channel with the given funding outpoint. O(1).
    #[must_use]
    pub fn channel_by_funding(&self, funding: &OutPoint) -> Option<ChannelReport> {
        self.query(|tracker, now| tracker.channel_by_funding(now, funding))
    }

    /// Returns the lifetime report of an open channel with the given peer. O(1).
    ///
    /// # Errors
    ///
    /// - [`NotFound::Peer`] if the peer is not tracked.
    /// - [`NotFound::Channel`] if the channel is not open with this peer.
    pub fn peer_channel(&self, node_id: &NodeId, channel_id: &ChannelId) -> Result<ChannelReport, NotFound> {
        self.query(|tracker, now| tracker.peer_channel(now, node_id, channel_id))
    }

    /// Returns a channel's uptime within `[from, to)`, cut to the channel's lifetime. O(log n) in its
    /// history.
    ///
    /// Reads memory only, which holds the newest part of each peer's log. A window that reaches further back
    /// is as exact as memory allows, and states its error. [`Handle::channel_history`] reads the older part
    /// from the store.
    #[must_use]
    pub fn channel_window(
        &self,
        channel_id: &ChannelId,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<WindowReport> {
        self.query(|tracker, now| tracker.channel_window(now, channel_id, from, to))
    }

    /// Returns a peer's uptime within `[from, to)`, cut to the time since the peer was first tracked. O(log
    /// n) in its history.
    ///
    /// Reads memory only, like [`Handle::channel_window`]. [`Handle::history_since`] reads the older part
    /// from the store.
    #[must_use]
    pub fn peer_window(&self, node_id: &NodeId, from: Timestamp, to: Timestamp) -> Option<WindowReport> {
        self.query(|tracker, now| tracker.peer_window(now, node_id, from, to))
    }

    /// Returns the report of a peer with its open channels; `None` if the peer is not known.
    #[must_use]
    pub fn peer(&self, node_id: &NodeId) -> Option<PeerReport> {
        self.query(|tracker, now| tracker.peer(now, node_id))
    }

    /// Returns the reports of all tracked peers, ordered by node id. O(peers and channels).
    ///
    /// Reads 1,000 peers at a time, so that other calls are not blocked. The reports are therefore of
    /// slightly different times.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerReport> {
        const PEERS_PER_LOCK: usize = 1_000;
        let (mut peers, mut next) = (Vec::new(), Some(0));
        while let Some(start) = next {
            let (page, after) = self.query(|tracker, now| tracker.peers_page(now, start, PEERS_PER_LOCK));
            peers.extend(page);
            next = after;
        }
        peers.sort_unstable_by_key(|peer| peer.node_id);
        peers
    }

    /// Returns the last reported connection state of a peer, tracked or not; `None` if there is none. O(1).
    #[must_use]
    pub fn is_connected(&self, node_id: &NodeId) -> Option<bool> {
        self.query(|tracker, _| tracker.is_connected(node_id))
    }

    /// Returns a peer's flap count and last flap. Reads the store if the peer is not in memory. Returns
    /// `None` if neither has it.
    ///
    /// # Errors
    ///
    /// Returns the error of the store if it cannot be read. After the service has stopped, the store can be
    /// read only while the caller keeps it open.
    pub async fn flap_count(&self, node_id: &NodeId) -> Result<Option<FlapInfo>, StoreError> {
        {
            let state = self.shared.lock();
            if let Some((count, last_flap)) = state.tracker.flap_count(node_id) {
                return Ok(Some(FlapInfo { count, last_flap }));
            }
        }
        let store = self.store()?;
        let record = store.peer(&self.shared.observer, node_id).await?;
        let state = self.shared.lock();
        Ok(record.filter(|_| !state.tracker.is_forgotten(node_id)).map(|record| FlapInfo {
            count: record.flap_count,
            last_flap: record.last_flap_ns.map(|at_ns| state.tracker.to_wall_clock(at_ns)),
        }))
    }

    /// Returns the store while it is open.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.shared.store.upgrade().ok_or_else(|| StoreError::OpenFailed {
            location: "the store".into(),
            reason: "the service has stopped and closed it".into(),
            source: None,
        })
    }

    /// Returns how long the observer has been monitoring, and the monitoring gaps by cause; `None` before the
    /// first event. O(1).
    #[must_use]
    pub fn coverage(&self) -> Option<Coverage> {
        self.query(|tracker, now| tracker.coverage(now))
    }

    /// Deletes a peer and its whole history from memory, and from the store with the next commit.
    ///
    /// A peer that has a channel or is watched is not deleted. Returns whether the peer was deleted.
    pub fn forget(&self, node_id: &NodeId) -> bool {
        self.shared.update(|state| state.tracker.forget(node_id))
    }

    /// Subscribes to all changes from now on.
    ///
    /// After the service has stopped, the subscription yields nothing.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let mut state = self.shared.lock();
        let receiver = match &state.changes {
            Some(changes) => changes.subscribe(),
            None => {
                let (changes, receiver) = broadcast::channel(self.shared.subscription_capacity);
                if !state.closed {
                    state.changes = Some(changes);
                }
                receiver
            }
        };
        Subscription::new(receiver)
    }

    /// Returns a stream of the alerts that `rules` raise from now on.
    #[must_use]
    pub fn alerts(&self, rules: AlertRules) -> AlertStream {
        AlertStream::new(self.clone(), rules)
    }

    /// Returns the state of the service.
    #[must_use]
    pub fn health(&self) -> Health {
        let (running, store, wall_clock, wakeups) = {
            let status = self.shared.status();
            (status.running, status.store.clone(), status.wall_clock, status.wakeups)
        };
        let state = self.shared.lock();
        Health {
            observer: self.shared.observer,
            running,
            archived: self.shared.archived,
            paused: state.tracker.is_paused(),
            started_at: self.shared.clock.started_at(),
            now: self.shared.clock.now(),
            peers: state.tracker.peer_count(),
            channels: state.tracker.channel_count(),
            dirty_peers: state.tracker.dirty_count(),
            store,
            coverage: state.tracker.coverage(self.shared.clock.now()),
            clock_faults: state.tracker.clock_faults(),
            wall_clock,
            subscribers: state.changes.as_ref().map_or(0, broadcast::Sender::receiver_count),
            events_after_shutdown: state.events_after_shutdown,
            wakeups,
        }
    }

    /// Stores everything that was recorded before this call, without waiting for the commit delay.
    ///
    /// Waits for a commit that is in progress first, so this takes up to twice the commit timeout. If there
    /// is nothing to store, returns `Ok` without writing.
    ///
    /// # Errors
    ///
    /// Returns a [`FlushError`] if the store fails or does not respond in time, or if the service has
    /// stopped. Unless the service has stopped, the changes are kept and retried with the usual back-off.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let (reply, result) = oneshot::channel();
        self.shared.flush_sender.send(reply).await.map_err(|_| FlushError::Stopped)?;
        result.await.unwrap_or(Err(FlushError::Stopped))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("observer", &self.shared.observer).finish_non_exhaustive()
    }
}
