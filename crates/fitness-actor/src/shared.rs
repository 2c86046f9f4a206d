//! What the handles and the task share: the tracker behind its lock, and the notes for the health.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fitness_core::{Change, Event, NodeId, Timestamp, Tracker};
use fitness_store::Store;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::FlushError;
use crate::clock::{ServiceClock, nanos};
use crate::health::{StoreHealth, WallClockHealth};

/// Somebody waits for everything recorded so far to be stored.
pub(crate) type FlushRequest = oneshot::Sender<Result<(), FlushError>>;

pub(crate) struct Shared {
    pub(crate) observer: NodeId,
    pub(crate) clock: ServiceClock,
    /// Whether there never is a task.
    pub(crate) at_rest: bool,
    /// Who has not been seen alive for longer was held up; see [`State::well_at`].
    late_ns: u64,
    /// The task owns the store, so that it is closed with the service and not with the last handle.
    pub(crate) store: Weak<dyn Store>,
    pub(crate) flushes: mpsc::Sender<FlushRequest>,
    /// Rung when there is something to store where there was nothing.
    pub(crate) wake: Notify,
    pub(crate) commit_delay: Duration,
    pub(crate) subscription_capacity: usize,
    state: Mutex<State>,
    notes: Mutex<Notes>,
}

/// What is behind the lock that every event and every question takes. It is never held across
/// anything that waits.
pub(crate) struct State {
    pub(crate) tracker: Tracker,
    /// The last moment at which we are known to have been running: an event, a question, the pulse.
    well_at: Timestamp,
    /// There while there may be subscribers, so that without any an event costs nothing more.
    pub(crate) changes: Option<broadcast::Sender<Change>>,
    /// Since the shutdown nothing more is going to be stored.
    pub(crate) closed: bool,
    pub(crate) events_after_shutdown: u64,
}

impl State {
    fn apply(&mut self, at: Timestamp, event: &Event) {
        match &self.changes {
            None => self.tracker.apply(at, event),
            Some(changes) => {
                let mut heard = true;
                // Within the lock, so that all subscribers see one order: that of the tracker.
                self.tracker.apply_with(at, event, |change| heard = changes.send(change).is_ok());
                self.keep_subscribers(heard);
            }
        }
    }

    fn advance(&mut self, at: Timestamp) {
        match &self.changes {
            None => self.tracker.advance(at),
            Some(changes) => {
                let mut heard = true;
                self.tracker.advance_with(at, |change| heard = changes.send(change).is_ok());
                self.keep_subscribers(heard);
            }
        }
    }

    fn keep_subscribers(&mut self, heard: bool) {
        if !heard {
            self.changes = None;
        }
    }
}

/// What the task notes down, for the health.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) running: bool,
    pub(crate) store: StoreHealth,
    pub(crate) wall_clock: WallClockHealth,
    pub(crate) wakeups: u64,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(crate) fn new(
        observer: NodeId,
        tracker: Tracker,
        clock: ServiceClock,
        store: &Arc<dyn Store>,
        flushes: mpsc::Sender<FlushRequest>,
        commit_delay: Duration,
        subscription_capacity: usize,
        pulse: Duration,
    ) -> Self {
        let well_at = clock.now();
        Self {
            observer,
            clock,
            at_rest: false,
            late_ns: nanos(pulse).saturating_mul(2),
            store: Arc::downgrade(store),
            flushes,
            wake: Notify::new(),
            commit_delay,
            subscription_capacity,
            state: Mutex::new(State {
                tracker,
                well_at,
                changes: None,
                closed: false,
                events_after_shutdown: 0,
            }),
            notes: Mutex::new(Notes { running: true, ..Notes::default() }),
        }
    }

    /// The tracker and what belongs to it. A thread that panicked with the lock held poisons
    /// nothing: a monitor must not take its node down.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never taken together with [`Shared::lock`].
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, event: &Event) {
        let jumped = self.change(|state| {
            // Stamped with the lock held: stamps are in the order in which the tracker sees them.
            let now = self.now(state);
            // Who is lost right after we slept was lost while we slept.
            let jumped = match event {
                Event::PeerOnline { .. } => None,
                _ => self.follow_wall_clock(state, now),
            };
            state.apply(jumped.unwrap_or(now), event);
            if state.closed {
                state.events_after_shutdown += 1;
            }
            jumped
        });
        if jumped.is_some() {
            self.look_at_wall_clock();
        }
    }

    /// Now, by a process that is running. If it was not for a while, the tracker is told first.
    pub(crate) fn now(&self, state: &mut State) -> Timestamp {
        let now = self.clock.now();
        let well_at = state.well_at;
        state.well_at = now.max(well_at);
        if now.nanos_since(well_at) > self.late_ns {
            tracing::warn!(by_ns = now.nanos_since(well_at), "held up: what happened meanwhile is not known");
            state.apply(now, &Event::Unobserved { since: well_at });
        }
        now
    }

    /// A wall clock that is ahead went on while we were suspended, or was set: service time follows.
    /// Returns what it is from then on, where it did.
    fn follow_wall_clock(&self, state: &mut State, now: Timestamp) -> Option<Timestamp> {
        let ahead_ns = self.clock.wall_ahead_ns(now);
        if ahead_ns <= self.late_ns {
            return None;
        }
        tracing::warn!(ahead_ns, "the wall clock is ahead: suspended, or set");
        self.clock.jump(ahead_ns);
        let to = now.after_nanos(ahead_ns);
        state.apply(now, &Event::ClockSet { to });
        state.well_at = to;
        Some(to)
    }

    /// A sign of life, given every so often: finds out whether we were held up.
    pub(crate) fn pulse(&self) {
        self.change(|state| {
            let now = self.now(state);
            let now = self.follow_wall_clock(state, now).unwrap_or(now);
            state.advance(now);
        });
        self.look_at_wall_clock();
    }

    /// Changes the state, and wakes the task where there is something to store for the first time,
    /// or somebody to wait for.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let (was_dirty, grace) = (state.tracker.is_dirty(), state.tracker.reconnect_grace_deadline());
        let result = change(&mut state);
        let wake =
            !was_dirty && state.tracker.is_dirty() || grace != state.tracker.reconnect_grace_deadline();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        result
    }

    /// How long from now the changes so far may wait to be stored; `None` while there are none.
    pub(crate) fn commit_in(&self) -> Option<Duration> {
        let deadline = self.lock().tracker.commit_deadline()?;
        Some(Duration::from_nanos(deadline.nanos_since(self.clock.now())))
    }

    /// How long from now the tracker waits for peers to come back; `None` while it waits for nobody.
    pub(crate) fn grace_ends_in(&self) -> Option<Duration> {
        let deadline = self.lock().tracker.reconnect_grace_deadline()?;
        Some(Duration::from_nanos(deadline.nanos_since(self.clock.now())))
    }

    /// Tells the tracker the time.
    pub(crate) fn advance(&self) {
        self.change(|state| {
            let now = self.now(state);
            state.advance(now);
        });
    }

    /// Compares the wall clock with service time, for the health.
    fn look_at_wall_clock(&self) {
        let (now, jumped_ns) = (self.clock.now(), self.clock.jumped_ns());
        let drift_ns = self.clock.wall_drift_ns();
        let step = self.notes().wall_clock.look(now, drift_ns, jumped_ns);
        if let Some(step) = step {
            tracing::warn!(by_ns = step.offset_ns, drift_ns, "the wall clock stepped");
        }
    }

    /// From now on nothing that is recorded is going to be stored.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// The task has ended, in whatever way.
    pub(crate) fn stopped(&self) {
        let changes = {
            let mut state = self.lock();
            state.closed = true;
            state.changes.take()
        };
        // Ends the subscriptions; not with the lock held, as it wakes them.
        drop(changes);
        self.notes().running = false;
    }
}
