//! The handle: events in, answers out.

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

/// Tells the service what happens, and asks it questions. Cheap to clone, and to send anywhere.
///
/// Every call but those that are `async` returns at once: it takes a short lock, and never waits
/// for the store, for a runtime or for another call that waits. All of them may be made from any
/// thread, within a runtime or without, and with any lock of the caller's held: none calls back.
///
/// A question sees every event whose [`Handle::record`] returned before it was asked. After the
/// service was shut down, or its task died, questions are still answered from memory.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// A peer's flaps, as lnd counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FlapInfo {
    /// The flap count, cooled down as of the last flap.
    pub count: u32,
    /// When the last flap was; `None` before the first.
    #[cfg_attr(feature = "serde", serde(rename = "last_flap_ns"))]
    pub last_flap: Option<Timestamp>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The node that observes.
    #[must_use]
    pub fn observer(&self) -> NodeId {
        self.shared.observer
    }

    /// Takes an event that happens now.
    ///
    /// It is stamped, applied and never dropped, and is stored after the commit delay at the
    /// latest, unless the store fails. After a shutdown it is applied and counted in
    /// [`Health::events_after_shutdown`], and not stored.
    ///
    /// For an event other than a snapshot this is O(1). A snapshot takes time in proportion to all
    /// that is known and all that it lists, and other calls wait for it.
    // By value, as an event is told once, and a snapshot is freed here and not with the lock held.
    #[allow(clippy::needless_pass_by_value)]
    pub fn record(&self, event: Event) {
        self.shared.record(&event);
    }

    /// Service time: the wall clock at start plus the monotonic time since.
    ///
    /// Take it before asking the node for a snapshot, as [`Snapshot::taken_at`].
    ///
    /// [`Snapshot::taken_at`]: fitness_core::Snapshot::taken_at
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Tracker, Timestamp) -> T) -> T {
        let mut state = self.shared.lock();
        let now = self.shared.now(&mut state);
        question(&state.tracker, now)
    }

    /// A channel's fitness over its lifetime; `None` where it is not open. O(1).
    #[must_use]
    pub fn channel(&self, channel_id: &ChannelId) -> Option<ChannelReport> {
        self.ask(|tracker, now| tracker.channel(now, channel_id))
    }

    /// The same for the channel whose money is at `funding`. O(1).
    #[must_use]
    pub fn channel_by_funding(&self, funding: &OutPoint) -> Option<ChannelReport> {
        self.ask(|tracker, now| tracker.channel_by_funding(now, funding))
    }

    /// The same for a channel with a certain peer, telling which of the two is not known. O(1).
    ///
    /// # Errors
    ///
    /// [`NotFound::Peer`] for a peer that is not tracked, [`NotFound::Channel`] for a channel that
    /// is not open with it.
    pub fn peer_channel(&self, node_id: &NodeId, channel_id: &ChannelId) -> Result<ChannelReport, NotFound> {
        self.ask(|tracker, now| tracker.peer_channel(now, node_id, channel_id))
    }

    /// A channel's fitness within `[from, to)`, cut to its lifetime. O(log n) in its history.
    ///
    /// Answered from memory, which holds the newest part of each peer's log: a window that reaches
    /// further back is as exact as memory allows and states its error.
    /// [`Handle::channel_history`] reads the store for what is older.
    #[must_use]
    pub fn channel_window(
        &self,
        channel_id: &ChannelId,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<WindowReport> {
        self.ask(|tracker, now| tracker.channel_window(now, channel_id, from, to))
    }

    /// A peer's fitness within `[from, to)`, cut to the time since it was first followed.
    /// O(log n) in its history.
    ///
    /// Answered from memory, as [`Handle::channel_window`] is: [`Handle::history_since`] reads the
    /// store for what is older.
    #[must_use]
    pub fn peer_window(&self, node_id: &NodeId, from: Timestamp, to: Timestamp) -> Option<WindowReport> {
        self.ask(|tracker, now| tracker.peer_window(now, node_id, from, to))
    }

    /// What is known of a peer, its open channels included; `None` where it is not tracked.
    #[must_use]
    pub fn peer(&self, node_id: &NodeId) -> Option<PeerReport> {
        self.ask(|tracker, now| tracker.peer(now, node_id))
    }

    /// All peers that are followed, ascending by node id.
    ///
    /// O(peers and channels). They are asked for a thousand at a time, so that nobody waits for all
    /// of it: the reports are of moments that lie that much apart.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerReport> {
        const AT_A_TIME: usize = 1_000;
        let (mut peers, mut place) = (Vec::new(), Some(0));
        while let Some(from) = place {
            let (some, next) = self.ask(|tracker, now| tracker.peers_page(now, from, AT_A_TIME));
            peers.extend(some);
            place = next;
        }
        peers.sort_unstable_by_key(|peer| peer.node_id);
        peers
    }

    /// What was last heard of a peer's connection, whether or not it is followed: `None` where
    /// nothing was. O(1).
    #[must_use]
    pub fn is_connected(&self, node_id: &NodeId) -> Option<bool> {
        self.ask(|tracker, _| tracker.is_connected(node_id))
    }

    /// A peer's flap count and last flap: from memory where it is tracked, else from the store;
    /// `None` where neither knows it.
    ///
    /// # Errors
    ///
    /// What the store says, where it has to be asked. After the service has stopped it cannot be,
    /// unless its owner keeps it open.
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

    /// The store, for as long as the service has it open.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.shared.store.upgrade().ok_or_else(|| StoreError::OpenFailed {
            location: "the store".into(),
            reason: "the service has stopped and closed it".into(),
            source: None,
        })
    }

    /// How long we have watched, and how often we were gone. O(1).
    #[must_use]
    pub fn coverage(&self) -> Option<Coverage> {
        self.ask(|tracker, now| tracker.coverage(now))
    }

    /// Drops a peer and its whole history, here and with the next commit in the store.
    ///
    /// One that has a channel or is watched stays. Returns whether it was there and is gone.
    pub fn forget(&self, node_id: &NodeId) -> bool {
        self.shared.change(|state| state.tracker.forget(node_id))
    }

    /// Subscribes to all changes from now on.
    ///
    /// After the service has stopped, the subscription is at its end from the start.
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

    /// Alerts by `rules`, from now on.
    #[must_use]
    pub fn alerts(&self, rules: AlertRules) -> AlertStream {
        AlertStream::new(self.clone(), rules)
    }

    /// How the service is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let (running, store, wall_clock, wakeups) = {
            let notes = self.shared.notes();
            (notes.running, notes.store.clone(), notes.wall_clock, notes.wakeups)
        };
        let state = self.shared.lock();
        Health {
            observer: self.shared.observer,
            running,
            archived: self.shared.at_rest,
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

    /// Stores everything that was recorded before this call, now, and waits until it is.
    ///
    /// A commit that is under way is waited for first, so this takes up to twice the commit
    /// timeout. Where nothing is left to store it is not an error, and nothing is written.
    ///
    /// # Errors
    ///
    /// Why not: what the store said, or that it did not answer, or that the service has stopped.
    /// The changes are kept, and are tried again with the usual back-off.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let (reply, answer) = oneshot::channel();
        self.shared.flushes.send(reply).await.map_err(|_| FlushError::Stopped)?;
        answer.await.unwrap_or(Err(FlushError::Stopped))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("observer", &self.shared.observer).finish_non_exhaustive()
    }
}
