//! The entry for wallets on ldk-node: asks the node at intervals, and takes the wallet's events.

mod events;
mod hint;
mod poll;
#[cfg(test)]
mod puppet;
mod signal;

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use fitness_actor::Handle;
use ldk_node::Node;
use tokio::sync::oneshot;

pub use self::hint::ConnectionHint;
use self::poll::{NodeView, Poller};
use self::signal::Signal;
use crate::gate::Gate;

/// Tells the fitness service what an ldk-node does, from a thread of its own.
///
/// ldk-node reports channels in its events, and connections not at all. So the monitor asks the node
/// for both at intervals, and tells the service where something is different; and it takes the
/// events that the wallet's own loop passes to [`NodeMonitor::record_event`], so that channels open and
/// close at once. With a [`ConnectionHint`] connections are noticed at once, too; without it a peer
/// that goes and comes back within an interval is not noticed at all.
///
/// While the node does not run, observation is paused: that it has no connections then is not its
/// peers' fault. The same holds from the end of the monitor on. For the same reason stop the monitor
/// before the node where both are to stop: until the node has shut down its peers count as online.
/// A node that is stopped and started again within a few milliseconds looks as if it had
/// lost its connections.
///
/// Which channels are usable is asked with the rest, so that a channel that is of no use while its peer
/// is connected shows within an interval. With the hint a channel whose peer came back is asked for
/// again at the moment when LDK has re-established it.
///
/// # When we are held up
///
/// A process that was stopped, a phone that slept: the connections of before are dead, and are lost
/// all at once when we go on. That is not the peers' fault. So where a look comes a second too late,
/// and it or one within the next half a minute finds not one of the connections that the last one found,
/// the monitor tells first that nothing is known since before; then who was lost has the grace to come
/// back. What takes longer, ten seconds by default, the service notices by itself, and excuses whom we
/// lose after it even if others are left.
///
/// LDK may find out before anybody else that it was held up for a second, and drops all its connections
/// then. It says so in its log, which the hint hears: that is told first, too, with at least the second
/// before as unobserved. ldk-node 0.7 asks LDK to do so, but hands it timers by which it never finds out.
///
/// # Cost
///
/// The node's lists take LDK's locks for a moment, and the time of one grows with the square of
/// the number of peers: microseconds for a few, about a millisecond for hundreds. The monitor keeps
/// no node alive: it ends when the last `Arc` is dropped.
#[derive(Debug)]
pub struct NodeMonitor {
    handle: Handle,
    gate: Arc<Gate>,
    signal: Arc<Signal>,
    /// Never sends; it closes when the thread is done.
    finished: oneshot::Receiver<()>,
}

/// How a [`NodeMonitor`] is to watch.
#[must_use = "nothing is watched until it is started"]
pub struct NodeMonitorBuilder<'a> {
    node: &'a Arc<Node>,
    handle: Handle,
    interval: Duration,
    hint: Option<&'a ConnectionHint>,
}

impl<'a> NodeMonitorBuilder<'a> {
    /// How long between two looks; the default is one second. Looks are never closer than 20 ms.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Also looks whenever LDK's log speaks of a connection, and knows when LDK was held up. A hint serves one monitor: the last one
    /// that was started with it.
    pub const fn hint(mut self, hint: &'a ConnectionHint) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Starts to watch. The first look is taken at once, whether or not the node is running yet.
    ///
    /// # Errors
    ///
    /// Where the operating system has no thread for it.
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
    /// A monitor for `node` that tells the service behind `handle`.
    pub const fn builder(node: &Arc<Node>, handle: Handle) -> NodeMonitorBuilder<'_> {
        NodeMonitorBuilder { node, handle, interval: Duration::from_secs(1), hint: None }
    }

    /// Takes note of an event of the node: of channels that open, close or are spliced. All others
    /// are ignored, so that it can be handed every event, before `Node::event_handled`.
    ///
    /// Events that are told twice or too late do no harm, and without any the monitor still finds
    /// out by itself. This neither waits nor fails.
    pub fn record_event(&self, event: &ldk_node::Event) {
        let Some(event) = events::translate(event, |node_id| self.handle.is_connected(node_id)) else {
            return;
        };
        tracing::debug!(?event, "channel");
        self.gate.event(|| self.handle.record(event));
        // Whether the new channel's peer is connected may not be known yet.
        self.signal.wake();
    }

    /// Stops watching, and waits until the thread has ended and observation is paused.
    ///
    /// That takes as long as a look at the node does; while another thread is in `Node::start` or
    /// `Node::stop` a look waits for that. To stop without waiting, drop the monitor.
    pub async fn stop(mut self) {
        self.signal.stop();
        // An error is what we wait for: the other end is gone.
        let _ = (&mut self.finished).await;
    }

    fn spawn<N: NodeView>(
        node: &Arc<N>,
        handle: Handle,
        interval: Duration,
        hint: Option<&ConnectionHint>,
    ) -> io::Result<Self> {
        let (gate, signal) = (Arc::<Gate>::default(), Arc::<Signal>::default());
        let (done, finished) = oneshot::channel();
        let poller = Poller::new(
            Arc::downgrade(node),
            handle.clone(),
            Arc::clone(&gate),
            Arc::clone(&signal),
            interval,
            done,
        );
        std::thread::Builder::new().name("ldk-fitness".into()).spawn(move || poller.run())?;
        if let Some(hint) = hint {
            hint.attach(&signal);
        }
        Ok(Self { handle, gate, signal, finished })
    }
}

impl Drop for NodeMonitor {
    fn drop(&mut self) {
        self.signal.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::puppet::{CHANNEL, PEER, Puppet, service_of_today as service};
    use super::*;
    use fitness_core::{Change, ChannelId, ChannelOpened, Event, NodeId, Presence};
    use std::sync::atomic::Ordering;

    /// Long enough that no test ever sees its end.
    const NEVER: Duration = Duration::from_secs(3600);

    fn presence(handle: &Handle) -> Option<Presence> {
        handle.peer(&PEER).map(|peer| peer.presence)
    }

    /// Waits for something that the polling thread is going to bring about.
    async fn until(mut so: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it did not happen within five seconds");
    }

    /// Makes the monitor look, and waits until it has.
    async fn look(monitor: &NodeMonitor, node: &Puppet) {
        let looks = node.looks.load(Ordering::SeqCst);
        monitor.signal.wake();
        // The second of two looks begins after the first was recorded.
        until(|| node.looks.load(Ordering::SeqCst) > looks).await;
        let looks = node.looks.load(Ordering::SeqCst);
        monitor.signal.wake();
        until(|| node.looks.load(Ordering::SeqCst) > looks).await;
    }

    #[tokio::test]
    async fn a_monitor_finds_what_is_open_and_connected_and_what_changes() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let interval = Duration::from_millis(25);
        let monitor = NodeMonitor::spawn(&node, handle.clone(), interval, None).unwrap();
        until(|| presence(&handle) == Some(Presence::Online)).await;
        assert!(handle.channel(&CHANNEL).is_some());

        node.connected.lock().unwrap().clear();
        until(|| presence(&handle) == Some(Presence::Offline)).await;
        assert_eq!(handle.peer(&PEER).unwrap().disconnects, 1);

        node.channels.lock().unwrap().clear();
        until(|| handle.channel(&CHANNEL).is_none()).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn a_stopped_node_is_nobodys_fault() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        until(|| presence(&handle) == Some(Presence::Online)).await;

        // As ldk-node stops: connections first, and while it is being asked.
        let stopping = Arc::clone(&node);
        node.connected.lock().unwrap().clear();
        *node.meanwhile.lock().unwrap() = Some(Box::new(move || *stopping.running.lock().unwrap() = false));
        monitor.signal.wake();
        until(|| handle.health().paused).await;
        assert_eq!(presence(&handle), Some(Presence::Unobserved));

        *node.running.lock().unwrap() = true;
        node.connected.lock().unwrap().push(PEER);
        look(&monitor, &node).await;
        let peer = handle.peer(&PEER).unwrap();
        assert_eq!((peer.presence, peer.flap_count, peer.disconnects), (Presence::Online, 0, 0));
        assert!(!handle.health().paused);
        monitor.stop().await;
    }

    #[tokio::test]
    async fn a_node_that_was_not_started_yet_is_waited_for() {
        let (service, node) = (service().await, Puppet::running());
        *node.running.lock().unwrap() = false;
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), Duration::from_millis(25), None).unwrap();
        until(|| handle.health().paused).await;
        assert_eq!(handle.channel(&CHANNEL), None);
        *node.running.lock().unwrap() = true;
        until(|| presence(&handle) == Some(Presence::Online)).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn the_same_list_is_recorded_once_unless_something_else_happened() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        look(&monitor, &node).await;
        look(&monitor, &node).await;

        // Somebody says otherwise, which the tracker believes until the node is asked again.
        handle.record(Event::PeerOffline { node_id: PEER });
        look(&monitor, &node).await;
        assert_eq!(presence(&handle), Some(Presence::Online));

        // A peer that is watched from now on is not listed, and for that reason known to be offline.
        let candidate = NodeId([3; 33]);
        handle.record(Event::Watch { node_id: candidate });
        assert_eq!(handle.peer(&candidate).unwrap().presence, Presence::Unobserved);
        look(&monitor, &node).await;
        assert_eq!(handle.peer(&candidate).unwrap().presence, Presence::Offline);
        monitor.stop().await;
    }

    #[tokio::test]
    async fn a_close_overtakes_the_list_that_still_has_the_channel() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let monitor = Arc::new(NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap());
        look(&monitor, &node).await;
        let mut changes = handle.subscribe();

        // Something else is new, so that the list would be recorded.
        node.connected.lock().unwrap().clear();
        let (closing, told) = (Arc::clone(&node), Arc::clone(&monitor));
        *node.meanwhile.lock().unwrap() = Some(Box::new(move || {
            closing.channels.lock().unwrap().clear();
            told.record_event(&ldk_node::Event::ChannelClosed {
                channel_id: crate::convert::to_ldk_channel_id(&CHANNEL),
                user_channel_id: ldk_node::UserChannelId(7),
                counterparty_node_id: None,
                reason: None,
            });
        }));
        look(&monitor, &node).await;
        look(&monitor, &node).await;
        assert_eq!(handle.channel(&CHANNEL), None);
        let mut reopened = 0;
        while let Ok(Some(Ok(change))) = tokio::time::timeout(Duration::ZERO, changes.next()).await {
            reopened += usize::from(matches!(change, Change::ChannelOpened { .. }));
        }
        assert_eq!(reopened, 0, "a closed channel came back");
    }

    #[tokio::test]
    async fn a_hint_ends_the_interval() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let hint = ConnectionHint::new();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, Some(&hint)).unwrap();
        until(|| presence(&handle) == Some(Presence::Online)).await;
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
        until(|| presence(&handle) == Some(Presence::Offline)).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn the_end_of_the_monitor_pauses_observation_and_the_next_one_resumes_it() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        for stop in [true, false] {
            let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
            until(|| presence(&handle) == Some(Presence::Online)).await;
            assert!(!handle.health().paused);
            if stop {
                monitor.stop().await;
                assert!(handle.health().paused, "stopped means stopped");
            } else {
                drop(monitor);
                until(|| handle.health().paused).await;
            }
        }
        assert_eq!(handle.peer(&PEER).unwrap().flap_count, 0);
    }

    #[tokio::test]
    async fn a_monitor_keeps_no_node_alive() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), Duration::from_millis(25), None).unwrap();
        until(|| presence(&handle) == Some(Presence::Online)).await;
        let gone = Arc::downgrade(&node);
        drop(node);
        until(|| gone.upgrade().is_none() && handle.health().paused).await;
        monitor.stop().await;
    }

    #[tokio::test]
    async fn a_node_that_panics_when_asked_pauses_observation() {
        let (service, node) = (service().await, Puppet::running());
        let handle = service.handle();
        let monitor = NodeMonitor::spawn(&node, handle.clone(), NEVER, None).unwrap();
        until(|| presence(&handle) == Some(Presence::Online)).await;
        *node.meanwhile.lock().unwrap() = Some(Box::new(|| panic!("a lock of the node is poisoned")));
        monitor.signal.wake();
        until(|| handle.health().paused).await;
        // Its events still count, and stopping does not hang.
        let opened =
            ChannelOpened { channel_id: ChannelId([8; 32]), node_id: PEER, funding: None, online: None };
        handle.record(Event::ChannelOpened(opened));
        monitor.stop().await;
    }
}
