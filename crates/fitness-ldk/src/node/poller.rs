//! The thread that polls the node and records what has changed.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll as TaskPoll, Waker};
use std::time::Duration;

use fitness_actor::{Handle, Subscription};
use fitness_core::{Event, Timestamp};
use tokio::sync::oneshot;

use super::listing::{NodeState, NodeView};
use super::signal::Signal;
use super::stall::{Poll, StallDetector};
use crate::sequence::EventSequence;

/// The least time between two polls, regardless of how often the monitor is woken.
const MIN_INTERVAL: Duration = Duration::from_millis(20);

/// What a poll found, compared with the state that was recorded last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PollOutcome {
    Unchanged,
    NodeStopped,
    NodeStarted,
    ListsChanged,
}

impl PollOutcome {
    /// `recorded` is the state that was recorded last, if any. `others_recorded` is whether the tracker
    /// has changed since then, so that the same lists have to be recorded again.
    fn of(recorded: Option<&NodeState>, current: &NodeState, others_recorded: bool) -> Self {
        use NodeState::{NotRunning, Running};

        match (recorded, current) {
            (Some(NotRunning), NotRunning) => Self::Unchanged,
            (_, NotRunning) => Self::NodeStopped,
            (None | Some(NotRunning), Running(_)) => Self::NodeStarted,
            (Some(Running(recorded)), Running(current)) if recorded == current && !others_recorded => {
                Self::Unchanged
            }
            (Some(Running(_)), Running(_)) => Self::ListsChanged,
        }
    }
}

/// The state of the polling thread. Dropping it pauses monitoring, because the node is no longer
/// polled.
pub(super) struct Poller<N> {
    node: Weak<N>,
    handle: Handle,
    sequence: Arc<EventSequence>,
    signal: Arc<Signal>,
    interval: Duration,
    /// All changes of the tracker, from any source: for example a newly watched peer, or a gap that the
    /// service has detected. After such a change the same lists are recorded again.
    changes: Subscription,
    /// Whether the tracker has changed since the last poll that was recorded.
    changed: bool,
    recorded: Option<NodeState>,
    stalls: StallDetector,
    /// Closed when the poller is dropped. The last field, so that it is dropped last.
    _done: oneshot::Sender<()>,
}

impl<N: NodeView> Poller<N> {
    pub(super) fn new(
        node: Weak<N>,
        handle: Handle,
        sequence: Arc<EventSequence>,
        signal: Arc<Signal>,
        interval: Duration,
        done: oneshot::Sender<()>,
    ) -> Self {
        let changes = handle.subscribe();
        Self {
            node,
            handle,
            sequence,
            signal,
            interval,
            changes,
            changed: false,
            recorded: None,
            stalls: StallDetector::new(interval.max(MIN_INTERVAL)),
            _done: done,
        }
    }

    pub(super) fn run(mut self) {
        while self.poll() && self.signal.sleep(MIN_INTERVAL, self.interval) {}
    }

    /// Polls the node once. Returns `false` if the node has been dropped.
    fn poll(&mut self) -> bool {
        let Some(node) = self.node.upgrade() else { return false };
        // Read before the poll: changes during this poll concern the next one.
        self.changed |= drain(&mut self.changes);
        let taken_at = self.handle.now();
        let number = self.sequence.number();
        let state = NodeState::of(&*node);
        drop(node);
        if self.record_stall(&state, taken_at) {
            // The disconnects in these lists are older than the `Unobserved` event. Poll again.
            self.signal.wake();
            return true;
        }
        let outcome = PollOutcome::of(self.recorded.as_ref(), &state, self.changed);
        if outcome == PollOutcome::Unchanged {
            return true;
        }
        let record = || self.record(outcome, state.clone(), taken_at);
        if self.sequence.record_snapshot(number, record) {
            self.recorded = Some(state);
            self.changed = false;
        } else {
            self.signal.wake();
        }
        true
    }

    /// Records a process stall that disconnects are attributed to, before the disconnects themselves.
    /// Returns whether there was one.
    ///
    /// LDK logs a stall before it drops its connections, and the node was listed before this function
    /// reads the signal. So lists with these disconnects never arrive before the report.
    fn record_stall(&mut self, state: &NodeState, taken_at: Timestamp) -> bool {
        let reported_by_ldk = self.signal.take_stall_report();
        let Some(listing) = state.listing() else {
            self.stalls.skip();
            return false;
        };
        let recorded = self.recorded.as_ref().and_then(NodeState::listing);
        let poll = Poll { started: taken_at, ended: self.handle.now(), listing, recorded };
        let Some(since) = self.stalls.stalled_since(reported_by_ldk, &poll) else { return false };
        tracing::warn!(%since, reported_by_ldk, "process stalled; disconnects are attributed to us");
        self.handle.record(Event::Unobserved { since });
        true
    }

    fn record(&self, outcome: PollOutcome, state: NodeState, taken_at: Timestamp) {
        match outcome {
            PollOutcome::Unchanged | PollOutcome::ListsChanged => {}
            PollOutcome::NodeStopped => {
                tracing::info!("node is not running, monitoring paused");
                self.handle.record(Event::ObservationPaused);
            }
            PollOutcome::NodeStarted => {
                tracing::info!("node is running, monitoring started");
                self.handle.record(Event::ObservationResumed);
            }
        }
        if let NodeState::Running(listing) = state {
            let (channels, connected) = (listing.channels.len(), listing.connected.len());
            self.handle.record(Event::Snapshot(listing.into_snapshot(taken_at)));
            tracing::trace!(channels, connected, "polled node");
        }
    }
}

impl<N> Drop for Poller<N> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("node panicked while polled, monitoring stopped");
        }
        self.handle.record(Event::ObservationPaused);
    }
}

/// Removes all pending changes from the subscription; returns whether there were any.
fn drain(changes: &mut Subscription) -> bool {
    let mut any = false;
    // This polls without waiting, so no waker is needed.
    let mut context = Context::from_waker(Waker::noop());
    // A report of missed changes counts as well. A subscription that has ended yields `None`.
    while let TaskPoll::Ready(Some(_)) = pin!(changes.next()).poll(&mut context) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, CHANNEL, FakeNode, ManualClock, PEER};
    use super::super::listing::Listing;
    use super::super::stall::{DEAD_CONNECTION_DETECTION_NS, LATE_POLL_NS};
    use super::*;
    use fitness_actor::Service;
    use fitness_core::{ChannelId, NodeId, OpenChannel, Presence};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn outcome_compares_a_poll_with_the_recorded_state() {
        let running = |channel, peer| {
            let (channel_id, node_id) = (ChannelId([channel; 32]), NodeId([peer; 33]));
            let channel = OpenChannel { channel_id, node_id, funding: None, usable: None };
            NodeState::Running(Listing::new(vec![channel], vec![node_id]))
        };
        let (a, b, stopped) = (running(1, 1), running(1, 2), NodeState::NotRunning);
        assert_eq!(PollOutcome::of(None, &a, false), PollOutcome::NodeStarted);
        assert_eq!(PollOutcome::of(None, &stopped, false), PollOutcome::NodeStopped);
        assert_eq!(PollOutcome::of(Some(&a), &a, false), PollOutcome::Unchanged);
        assert_eq!(PollOutcome::of(Some(&a), &a, true), PollOutcome::ListsChanged);
        assert_eq!(PollOutcome::of(Some(&a), &b, false), PollOutcome::ListsChanged);
        assert_eq!(PollOutcome::of(Some(&a), &stopped, true), PollOutcome::NodeStopped);
        assert_eq!(PollOutcome::of(Some(&stopped), &stopped, true), PollOutcome::Unchanged);
        assert_eq!(PollOutcome::of(Some(&stopped), &a, false), PollOutcome::NodeStarted);
    }

    /// A poller without a thread: the test makes it poll, and sets its clock.
    struct ManualPoller {
        poller: Poller<FakeNode>,
        node: Arc<FakeNode>,
        signal: Arc<Signal>,
        handle: Handle,
        clock: Arc<ManualClock>,
        _service: Service,
    }

    impl ManualPoller {
        /// Creates a poller that polled once, a second ago, and found one peer with a usable channel.
        async fn new() -> Self {
            let (clock, node) = (Arc::<ManualClock>::default(), FakeNode::running());
            let service = fake::service_with_clock(clock.clone()).await;
            let (handle, signal) = (service.handle(), Arc::<Signal>::default());
            let (done, _) = oneshot::channel();
            let mut poller = Poller::new(
                Arc::downgrade(&node),
                handle.clone(),
                Arc::default(),
                Arc::clone(&signal),
                SECOND,
                done,
            );
            assert!(poller.poll());
            clock.advance(SECOND);
            Self { poller, node, signal, handle, clock, _service: service }
        }

        /// Polls, and again if the poller has woken itself.
        fn poll(&mut self) {
            assert!(self.poller.poll());
            if self.signal.take_woken() {
                self.clock.advance(MIN_INTERVAL);
                assert!(self.poller.poll());
            }
        }

        fn connect(&self, peer: NodeId) {
            self.node.connected.lock().unwrap().push(peer);
        }

        fn disconnect(&self, peer: NodeId) {
            self.node.connected.lock().unwrap().retain(|other| *other != peer);
        }

        /// Returns the peer's presence and its number of disconnects.
        fn peer(&self) -> (Presence, u32) {
            let peer = self.handle.peer(&PEER).unwrap();
            (peer.presence, peer.disconnects)
        }

        /// Returns the number of recorded stalls and their total length.
        fn stalls(&self) -> (u32, Duration) {
            let suspended = self.handle.health().coverage.unwrap().suspended;
            (suspended.count, Duration::from_nanos(suspended.length_ns))
        }
    }

    #[tokio::test]
    async fn change_of_usable_alone_is_recorded() {
        let mut poller = ManualPoller::new().await;
        let channel = |poller: &ManualPoller| poller.handle.channel(&CHANNEL).unwrap();
        poller.poll();
        assert_eq!(channel(&poller).usable, Some(true));
        *poller.node.usable.lock().unwrap() = false;
        poller.clock.advance(SECOND);
        poller.poll();
        assert_eq!(channel(&poller).usable, Some(false));
        poller.clock.advance(3 * SECOND);
        let report = channel(&poller);
        assert_eq!((report.usable_ns, report.usable_observed_ns), (2_000_000_000, 5_000_000_000));
        assert_eq!(poller.peer(), (Presence::Online, 0));

        *poller.node.usable.lock().unwrap() = true;
        poller.poll();
        assert_eq!(channel(&poller).usable, Some(true));
    }

    #[tokio::test]
    async fn disconnects_after_a_stall_reported_by_ldk_are_attributed_to_us() {
        let mut poller = ManualPoller::new().await;
        poller.signal.report_stall();
        poller.disconnect(PEER);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Unobserved, 0));
        assert_eq!(poller.stalls(), (1, SECOND), "LDK reports stalls of at least one second");

        poller.connect(PEER);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Online, 0));
        assert_eq!(poller.handle.peer(&PEER).unwrap().flap_count, 0);
    }

    #[tokio::test]
    async fn peer_lost_after_a_reported_stall_has_the_reconnect_grace_period() {
        let mut poller = ManualPoller::new().await;
        poller.signal.report_stall();
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Online, 0));
        poller.disconnect(PEER);
        poller.clock.advance(SECOND);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Unobserved, 0));
        poller.clock.advance(120 * SECOND);
        // Any event makes the tracker handle the expiry.
        poller.handle.record(Event::Watch { node_id: NodeId([3; 33]) });
        assert_eq!(poller.peer().0, Presence::Offline);
    }

    #[tokio::test]
    async fn late_poll_that_finds_no_peer_left_is_a_stall() {
        let mut poller = ManualPoller::new().await;
        poller.clock.advance(SECOND);
        poller.disconnect(PEER);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Unobserved, 0));
        assert_eq!(poller.stalls(), (1, 2 * SECOND), "the stall began after the last poll");
    }

    #[tokio::test]
    async fn dead_connections_may_be_detected_some_time_after_a_late_poll() {
        let limit_ns = DEAD_CONNECTION_DETECTION_NS;
        for (detected_after_ns, expected) in
            [(limit_ns, (Presence::Unobserved, 0)), (limit_ns + 1, (Presence::Offline, 1))]
        {
            let mut poller = ManualPoller::new().await;
            poller.clock.advance(SECOND);
            poller.poll();
            assert_eq!((poller.peer(), poller.stalls().0), ((Presence::Online, 0), 0));
            // Polls every second until then.
            for _ in 1..limit_ns / LATE_POLL_NS {
                poller.clock.advance(SECOND);
                poller.poll();
            }
            poller.clock.advance(Duration::from_nanos(detected_after_ns - (limit_ns - LATE_POLL_NS)));
            poller.disconnect(PEER);
            poller.poll();
            assert_eq!(poller.peer(), expected);
        }
    }

    #[tokio::test]
    async fn poll_in_time_is_not_a_stall() {
        let mut poller = ManualPoller::new().await;
        poller.clock.advance(Duration::from_millis(999));
        poller.disconnect(PEER);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Offline, 1));
        assert_eq!(poller.stalls().0, 0);
    }

    #[tokio::test]
    async fn late_poll_that_finds_a_peer_left_is_not_a_stall() {
        let mut poller = ManualPoller::new().await;
        poller.connect(NodeId([3; 33]));
        poller.poll();
        poller.clock.advance(2 * SECOND);
        poller.disconnect(PEER);
        poller.poll();
        assert_eq!(poller.peer(), (Presence::Offline, 1));
        assert_eq!(poller.stalls().0, 0);
    }

    #[tokio::test]
    async fn node_that_is_not_running_is_not_a_stall() {
        let mut poller = ManualPoller::new().await;
        *poller.node.running.lock().unwrap() = false;
        poller.signal.report_stall();
        poller.clock.advance(5 * SECOND);
        poller.poll();
        assert!(poller.handle.health().paused);
        *poller.node.running.lock().unwrap() = true;
        poller.poll();
        assert_eq!(poller.stalls().0, 0);
    }
}
