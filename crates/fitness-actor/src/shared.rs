//! The state that the handles and the task share: the tracker behind its lock, and the status of the task.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fitness_core::{Change, Event, NodeId, Timestamp, Tracker};
use fitness_store::Store;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::FlushError;
use crate::clock::{ServiceClock, nanos};
use crate::health::{StoreHealth, WallClockHealth};

/// The reply channel of a caller that waits until everything recorded so far is stored.
pub(crate) type FlushRequest = oneshot::Sender<Result<(), FlushError>>;

pub(crate) struct Shared {
    pub(crate) observer: NodeId,
    pub(crate) clock: ServiceClock,
    /// Whether this is the state of an [`Archive`](crate::Archive), which has no task.
    pub(crate) archived: bool,
    /// The process counts as stalled if it was not seen running for longer than this; see
    /// [`State::last_running_at`].
    stall_threshold_ns: u64,
    /// Weak, so that the store is closed with the service and not with the last handle. The task owns the
    /// store.
    pub(crate) store: Weak<dyn Store>,
    pub(crate) flush_sender: mpsc::Sender<FlushRequest>,
    /// Notified when the task has to update its schedule; see [`Shared::update`].
    pub(crate) wake: Notify,
    pub(crate) commit_delay: Duration,
    pub(crate) subscription_capacity: usize,
    state: Mutex<State>,
    status: Mutex<TaskStatus>,
}

/// The state behind the lock that every event and every query takes. The lock is never held while waiting for
/// anything else.
pub(crate) struct State {
    pub(crate) tracker: Tracker,
    /// The last moment at which the process is known to have been running: an event, a query or a stall
    /// check.
    last_running_at: Timestamp,
    /// `Some` while there may be subscribers, so that events cost nothing extra without any.
    pub(crate) changes: Option<broadcast::Sender<Change>>,
    /// Whether the service has shut down: no further changes are stored.
    pub(crate) closed: bool,
    pub(crate) events_after_shutdown: u64,
}

impl State {
    fn apply(&mut self, at: Timestamp, event: &Event) {
        match &self.changes {
            None => self.tracker.apply(at, event),
            Some(changes) => {
                let mut has_subscribers = true;
                // Send under the lock, so that every subscriber sees the changes in the tracker's order.
                self.tracker.apply_with(at, event, |change| has_subscribers = changes.send(change).is_ok());
                self.drop_unused_channel(has_subscribers);
            }
        }
    }

    fn advance(&mut self, at: Timestamp) {
        match &self.changes {
            None => self.tracker.advance(at),
            Some(changes) => {
                let mut has_subscribers = true;
                self.tracker.advance_with(at, |change| has_subscribers = changes.send(change).is_ok());
                self.drop_unused_channel(has_subscribers);
            }
        }
    }

    fn drop_unused_channel(&mut self, has_subscribers: bool) {
        if !has_subscribers {
            self.changes = None;
        }
    }
}

/// The status of the task, for [`Health`](crate::Health).
#[derive(Default)]
pub(crate) struct TaskStatus {
    pub(crate) running: bool,
    pub(crate) store: StoreHealth,
    pub(crate) wall_clock: WallClockHealth,
    pub(crate) wakeups: u64,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "called by the builder and the archive only")]
    pub(crate) fn new(
        observer: NodeId,
        tracker: Tracker,
        clock: ServiceClock,
        store: &Arc<dyn Store>,
        flush_sender: mpsc::Sender<FlushRequest>,
        commit_delay: Duration,
        subscription_capacity: usize,
        stall_check_interval: Duration,
    ) -> Self {
        let last_running_at = clock.now();
        Self {
            observer,
            clock,
            archived: false,
            stall_threshold_ns: nanos(stall_check_interval).saturating_mul(2),
            store: Arc::downgrade(store),
            flush_sender,
            wake: Notify::new(),
            commit_delay,
            subscription_capacity,
            state: Mutex::new(State {
                tracker,
                last_running_at,
                changes: None,
                closed: false,
                events_after_shutdown: 0,
            }),
            status: Mutex::new(TaskStatus { running: true, ..TaskStatus::default() }),
        }
    }

    /// Locks the state. Ignores poisoning: a panic of one thread must not stop the monitoring or the node.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the status. Never held together with [`Shared::lock`].
    pub(crate) fn status(&self) -> MutexGuard<'_, TaskStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, event: &Event) {
        let adjusted_to = self.update(|state| {
            // Stamp under the lock, so that the tracker sees the stamps in order.
            let now = self.now(state);
            // A peer that disconnects right after a suspend was lost during it. Adjust the time first.
            let adjusted_to = match event {
                Event::PeerOnline { .. } => None,
                _ => self.adjust_to_wall_clock(state, now),
            };
            state.apply(adjusted_to.unwrap_or(now), event);
            if state.closed {
                state.events_after_shutdown += 1;
            }
            adjusted_to
        });
        if adjusted_to.is_some() {
            self.check_wall_clock();
        }
    }

    /// Returns the current service time, and records a stall in the tracker if the process did not run for a
    /// while.
    pub(crate) fn now(&self, state: &mut State) -> Timestamp {
        let now = self.clock.now();
        let last_running_at = state.last_running_at;
        state.last_running_at = now.max(last_running_at);
        let stalled_ns = now.nanos_since(last_running_at);
        if stalled_ns > self.stall_threshold_ns {
            tracing::warn!(stalled_ns, "process stalled; disconnects are attributed to us");
            state.apply(now, &Event::Unobserved { since: last_running_at });
        }
        now
    }

    /// Sets service time forward if the wall clock is ahead, because the system was suspended or the clock
    /// was set. Returns the new service time, or `None` if it did not change.
    fn adjust_to_wall_clock(&self, state: &mut State, now: Timestamp) -> Option<Timestamp> {
        let ahead_ns = self.clock.wall_ahead_ns(now);
        if ahead_ns <= self.stall_threshold_ns {
            return None;
        }
        tracing::warn!(ahead_ns, "wall clock is ahead: system was suspended or clock was set");
        self.clock.adjust(ahead_ns);
        let to = now.after_nanos(ahead_ns);
        state.apply(now, &Event::ClockSet { to });
        state.last_running_at = to;
        Some(to)
    }

    /// Detects a stall, a suspend and a step of the wall clock. Called once per stall check interval.
    pub(crate) fn check_for_stall(&self) {
        self.update(|state| {
            let now = self.now(state);
            let now = self.adjust_to_wall_clock(state, now).unwrap_or(now);
            state.advance(now);
        });
        self.check_wall_clock();
    }

    /// Changes the state. Wakes the task if that creates the first unsaved change or moves the end of the
    /// reconnect grace period.
    pub(crate) fn update<T>(&self, update: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let was_dirty = state.tracker.is_dirty();
        let old_grace_deadline = state.tracker.reconnect_grace_deadline();
        let result = update(&mut state);
        let became_dirty = !was_dirty && state.tracker.is_dirty();
        let wake = became_dirty || old_grace_deadline != state.tracker.reconnect_grace_deadline();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        result
    }

    /// Returns the time left until the unsaved changes are due to be stored; `None` if there are none.
    pub(crate) fn time_until_commit(&self) -> Option<Duration> {
        let deadline = self.lock().tracker.commit_deadline()?;
        Some(Duration::from_nanos(deadline.nanos_since(self.clock.now())))
    }

    /// Returns the time left until the reconnect grace period of a peer ends; `None` if none is running.
    pub(crate) fn time_until_grace_ends(&self) -> Option<Duration> {
        let deadline = self.lock().tracker.reconnect_grace_deadline()?;
        Some(Duration::from_nanos(deadline.nanos_since(self.clock.now())))
    }

    /// Advances the tracker to the current time.
    pub(crate) fn advance(&self) {
        self.update(|state| {
            let now = self.now(state);
            state.advance(now);
        });
    }

    /// Compares the wall clock with service time, and records the result for [`Health`](crate::Health).
    fn check_wall_clock(&self) {
        let (now, adjusted_ns) = (self.clock.now(), self.clock.adjusted_ns());
        let drift_ns = self.clock.wall_drift_ns();
        let step = self.status().wall_clock.record_drift(now, drift_ns, adjusted_ns);
        if let Some(step) = step {
            tracing::warn!(offset_ns = step.offset_ns, drift_ns, "wall clock stepped");
        }
    }

    /// Marks the service as shut down: events recorded from now on are not stored.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Marks the task as ended, and ends all subscriptions.
    pub(crate) fn mark_stopped(&self) {
        let changes = {
            let mut state = self.lock();
            state.closed = true;
            state.changes.take()
        };
        // Dropping the sender wakes the subscribers, so do that without the lock.
        drop(changes);
        self.status().running = false;
    }
}
