//! The entry point for wallets built on ldk-node: polls the node and records the wallet's events.

mod events;
#[cfg(test)]
mod fake;
mod hint;
mod listing;
mod poller;
mod signal;
mod stall;

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use fitness_actor::Handle;
use ldk_node::Node;
use tokio::sync::oneshot;

pub use self::hint::ConnectionHint;
use self::listing::NodeView;
use self::poller::Poller;
use self::signal::Signal;
use crate::sequence::EventSequence;

/// Monitors a running ldk-node and records its channels and connections in the fitness service.
///
/// ldk-node reports channels in its events, but has no events for connections. The monitor therefore
/// polls the node's lists of channels and peers on a thread of its own, and records what has changed.
/// Pass every event from the wallet's event loop to [`NodeMonitor::record_event`] as well, so that
/// channels are opened and closed without delay.
///
/// With a [`ConnectionHint`], connects and disconnects are recorded without delay as well. Without it,
/// the monitor misses a peer that disconnects and reconnects between two polls.
///
/// Each poll also checks which channels are usable, so a channel that becomes unusable while its peer
/// is connected is recorded within one interval. With the hint, a channel whose peer has reconnected is
/// checked again as soon as LDK has re-established it.
///
/// # Stopping the node
///
/// Monitoring is paused while the node is not running, because its peers are not at fault for being
/// disconnected then. Monitoring is also paused once the monitor has stopped.
///
/// To stop both, stop the monitor before the node: otherwise the peers count as online until the node
/// has shut down.
///
/// If the node is stopped and started again within a few milliseconds, the monitor cannot distinguish
/// this from disconnects.
///
/// # Process stalls
///
/// After the process was stopped or suspended, for example on a sleeping phone, its old connections are
/// dead and are all lost at once. The peers are not at fault. If a poll is a second late or more, and
/// this poll or one in the next 30 seconds finds that all previously connected peers are
/// disconnected, the monitor first records the time since the poll before the late one as unobserved.
/// The disconnected peers then have the reconnect grace period to come back. The service itself detects
/// longer stalls, of ten seconds by default, and then does not charge disconnects to the peers even if
/// other connections survive.
///
/// LDK may detect a stall of a second or more first, and then drops all its connections. It logs this
/// beforehand, and a [`ConnectionHint`] recognises the message. The monitor then records at least the
/// last second as unobserved before it records the disconnects. ldk-node 0.7 enables this behaviour of
/// LDK, but gives LDK timers that never detect a stall.
///
/// # Cost
///
/// Listing peers and channels takes LDK's locks for a moment. The time of one list grows with the
/// square of the number of peers: microseconds for a few peers, about a millisecond for hundreds.
///
/// The monitor does not keep the node alive: it ends when the last `Arc` of the node is dropped.
#[derive(Debug)]
pub struct NodeMonitor {
    handle: Handle,
    sequence: Arc<EventSequence>,
    signal: Arc<Signal>,
    /// Closed when the thread has ended. Nothing is ever sent.
    finished: oneshot::Receiver<()>,
}

/// Configures and starts a [`NodeMonitor`]. Created by [`NodeMonitor::builder`].
#[must_use = "call `start` to start monitoring"]
pub struct NodeMonitorBuilder<'a> {
    node: &'a Arc<Node>,
    handle: Handle,
    interval: Duration,
    hint: Option<&'a ConnectionHint>,
}

impl<'a> NodeMonitorBuilder<'a> {
    /// Sets the time between two polls. The default is 1 s and the minimum 20 ms.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Polls immediately when LDK logs a connection change, and uses the stalls that LDK logs.
    ///
    /// A hint serves one monitor: the last one that was started with it.
    pub const fn hint(mut self, hint: &'a ConnectionHint) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Starts the monitor. It polls for the first time immediately, whether or not the node is running
    /// yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot create a thread.
    pub fn start(self) -> io::Result<NodeMonitor> {
        NodeMonitor::spawn(self.node, self.handle, self.interval, self.hint)
    }
}

impl fmt::Debug for NodeMonitorBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node: _, handle, interval, hint } = self;
        f.debug_struct("NodeMonitorBuilder")
            .field("handle", handle)
            .field("interval", interval)
            .field("hint", hint)
            .finish_non_exhaustive()
    }
}

impl NodeMonitor {
    /// Configures a monitor that polls `node` and records in the service behind `handle`.
    pub const fn builder(node: &Arc<Node>, handle: Handle) -> NodeMonitorBuilder<'_> {
        NodeMonitorBuilder { node, handle, interval: Duration::from_secs(1), hint: None }
    }

    /// Records that a channel was opened, closed or spliced. Ignores all other events, so every event
    /// can be passed to it. Call it before `Node::event_handled`.
    ///
    /// Recording an event twice or late has no effect. Changes whose events are not recorded are found
    /// by the next poll. This method neither waits nor fails.
    pub fn record_event(&self, event: &ldk_node::Event) {
        let Some(event) = events::translate(event, |node_id| self.handle.is_connected(node_id)) else {
            return;
        };
        tracing::debug!(?event, "channel event");
        self.sequence.record_event(|| self.handle.record(event));
        // The tracker may not have the presence of the new channel's peer yet.
        self.signal.wake();
    }

    /// Stops the monitor, and waits until its thread has ended and monitoring is paused.
    ///
    /// This waits for a running poll, which waits in turn while another thread is in `Node::start` or
    /// `Node::stop`. To stop without waiting, drop the monitor.
    pub async fn stop(mut self) {
        self.signal.stop();
        // Completes with an error when the thread drops the sender.
        let _ = (&mut self.finished).await;
    }

    fn spawn<N: NodeView>(
        node: &Arc<N>,
        handle: Handle,
        interval: Duration,
        hint: Option<&ConnectionHint>,
    ) -> io::Result<Self> {
        let (sequence, signal) = (Arc::<EventSequence>::default(), Arc::<Signal>::default());
        let (done, finished) = oneshot::channel();
        let poller = Poller::new(
            Arc::downgrade(node),
            handle.clone(),
            Arc::clone(&sequence),
            Arc::clone(&signal),
            interval,
            done,
        );
        std::thread::Builder::new().name("ldk-fitness".into()).spawn(move || poller.run())?;
        if let Some(hint) = hint {
            hint.attach(&signal);
        }
        Ok(Self { handle, sequence, signal, finished })
    }
}

impl Drop for NodeMonitor {
    fn drop(&mut self) {
        self.signal.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::fake::{CHANNEL, FakeNode, PEER, service};
    use super::*;
    use fitness_core::{Change, ChannelId, ChannelOpened, Event, NodeId, Presence};
    use std::sync::atomic::Ordering;

    /// Longer than any test runs.
    const NEVER: Duration = Duration::from_secs(3600);

    fn presence(handle: &Handle) -> Option<Presence> {
        handle.peer(&PEER).map(|peer| peer.presence)
    }

    /// Waits until the polling thread has made `condition` true.
    #[track_caller]
    fn wait_until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..1_000 {
                if condition() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("{caller}: condition was not met within 5 s");
        }
    }

    /// Makes the monitor poll, and waits until the poll is recorded.
    async fn poll(monitor: &NodeMonitor, node: &FakeNode) {
        // The second of two polls begins after the first was recorded.
        for _ in 0..2 {
            let polls = node.polls.load(Ordering::SeqCst);
            monitor.signal.wake();
            wait_until(|| node.polls.load(Ordering::SeqCst) > polls).await;
        }
    }

    #[tokio::test]
    async fn channels_and_connections_are_recorded_when_they_change() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let interval = Duration::from_millis(25);
        let monitor = NodeMonitor::spawn(&node, handle.clone(), interval, None).unwrap();
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;
        assert!(handle.channel(&CHANNEL).is_some());

        node.connected.lock().unwrap().clear();
        wait_until(|| presence(&handle) == Some(Presence::Offline)).await;
        assert_eq!(handle.peer(&PEER).unwrap().disconnects, 1);

        node.channels.lock().unwrap().clear();
        wait_until(|| handle.channel(&CHANNEL).is_none()).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn peers_are_not_charged_while_the_node_is_stopped() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;

        // ldk-node drops its connections before it reports that it is stopped, here during a poll.
        let stopping = Arc::clone(&node);
        node.connected.lock().unwrap().clear();
        *node.on_list.lock().unwrap() = Some(Box::new(move || *stopping.running.lock().unwrap() = false));
        monitor.signal.wake();
        wait_until(|| handle.health().paused).await;
        assert_eq!(presence(&handle), Some(Presence::Unobserved));

        *node.running.lock().unwrap() = true;
        node.connected.lock().unwrap().push(PEER);
        poll(&monitor, &node).await;
        let peer = handle.peer(&PEER).unwrap();
        assert_eq!((peer.presence, peer.flap_count, peer.disconnects), (Presence::Online, 0, 0));
        assert!(!handle.health().paused);
        monitor.stop().await;
    }

    #[tokio::test]
    async fn monitor_may_be_started_before_the_node() {
        let (service, node) = (service().await, FakeNode::running());
        *node.running.lock().unwrap() = false;
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), Duration::from_millis(25), None).unwrap();
        wait_until(|| handle.health().paused).await;
        assert_eq!(handle.channel(&CHANNEL), None);
        *node.running.lock().unwrap() = true;
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn unchanged_lists_are_recorded_again_after_other_changes() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        poll(&monitor, &node).await;
        poll(&monitor, &node).await;

        // Another source records that the peer is offline. The next poll corrects it.
        handle.record(Event::PeerOffline { node_id: PEER });
        poll(&monitor, &node).await;
        assert_eq!(presence(&handle), Some(Presence::Online));

        // A newly watched peer that the node does not list is offline.
        let candidate = NodeId([3; 33]);
        handle.record(Event::Watch { node_id: candidate });
        assert_eq!(handle.peer(&candidate).unwrap().presence, Presence::Unobserved);
        poll(&monitor, &node).await;
        assert_eq!(handle.peer(&candidate).unwrap().presence, Presence::Offline);
        monitor.stop().await;
    }

    #[tokio::test]
    async fn channel_closed_during_a_poll_is_not_opened_again() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let monitor = Arc::new(NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap());
        poll(&monitor, &node).await;
        let mut changes = handle.subscribe();

        // Another change, so that the lists would be recorded.
        node.connected.lock().unwrap().clear();
        let (closing, recorder) = (Arc::clone(&node), Arc::clone(&monitor));
        *node.on_list.lock().unwrap() = Some(Box::new(move || {
            closing.channels.lock().unwrap().clear();
            recorder.record_event(&ldk_node::Event::ChannelClosed {
                channel_id: crate::convert::to_ldk_channel_id(&CHANNEL),
                user_channel_id: ldk_node::UserChannelId(7),
                counterparty_node_id: None,
                reason: None,
            });
        }));
        poll(&monitor, &node).await;
        poll(&monitor, &node).await;
        assert_eq!(handle.channel(&CHANNEL), None);
        let mut reopened = 0;
        while let Ok(Some(Ok(change))) = tokio::time::timeout(Duration::ZERO, changes.next()).await {
            reopened += usize::from(matches!(change, Change::ChannelOpened { .. }));
        }
        assert_eq!(reopened, 0);
    }

    #[tokio::test]
    async fn hint_makes_the_monitor_poll_before_the_interval_ends() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let hint = ConnectionHint::new();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, Some(&hint)).unwrap();
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;
        node.connected.lock().unwrap().clear();
        ldk_node::logger::LogWriter::log(
            &*hint,
            ldk_node::logger::LogRecord {
                level: ldk_node::logger::LogLevel::Debug,
                args: format_args!("Marking channels with {PEER} disconnected and …"),
                module_path: "lightning::ln::channelmanager",
                line: 1,
            },
        );
        wait_until(|| presence(&handle) == Some(Presence::Offline)).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn stopping_a_monitor_pauses_monitoring_and_starting_one_resumes_it() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        for stop in [true, false] {
            let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
            wait_until(|| presence(&handle) == Some(Presence::Online)).await;
            assert!(!handle.health().paused);
            if stop {
                monitor.stop().await;
                assert!(handle.health().paused);
            } else {
                drop(monitor);
                wait_until(|| handle.health().paused).await;
            }
        }
        assert_eq!(handle.peer(&PEER).unwrap().flap_count, 0);
    }

    #[tokio::test]
    async fn monitor_does_not_keep_the_node_alive() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), Duration::from_millis(25), None).unwrap();
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;
        let weak = Arc::downgrade(&node);
        drop(node);
        wait_until(|| weak.upgrade().is_none() && handle.health().paused).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn panic_while_polling_pauses_monitoring() {
        let (service, node) = (service().await, FakeNode::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        wait_until(|| presence(&handle) == Some(Presence::Online)).await;
        *node.on_list.lock().unwrap() = Some(Box::new(|| panic!("a lock of the node is poisoned")));
        monitor.signal.wake();
        wait_until(|| handle.health().paused).await;
        // Events can still be recorded, and stopping does not hang.
        let opened =
            ChannelOpened { channel_id: ChannelId([8; 32]), node_id: PEER, funding: None, online: None };
        handle.record(Event::ChannelOpened(opened));
        monitor.stop().await;
    }
}
