//! The thread that asks the node, and what it makes of the answers.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fitness_actor::{Handle, Subscription};
use fitness_core::{Event, NodeId, OpenChannel, Snapshot, Timestamp};
use ldk_node::Node;
use tokio::sync::oneshot;

use super::signal::Signal;
use crate::convert;
use crate::gate::Gate;
use crate::log;

/// The least time between two looks, however many hints there are.
const REST: Duration = Duration::from_millis(20);

/// A look that comes so much later than it should, in nanoseconds, was held up.
const LATE_NS: u64 = 1_000_000_000;

/// How long after that LDK may take to find out that connections are dead, in nanoseconds: two ticks of
/// its pings, and some more.
const SHAKY_NS: u64 = 30_000_000_000;

/// What is asked of a node. A seam for tests, and no more.
pub(super) trait NodeView: Send + Sync + 'static {
    fn is_running(&self) -> bool;
    fn list(&self) -> Listing;
}

/// Open channels and connected peers; both sorted, so that equal lists are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    channels: Vec<OpenChannel>,
    connected: Vec<NodeId>,
}

impl Listing {
    pub(super) fn new(mut channels: Vec<OpenChannel>, mut connected: Vec<NodeId>) -> Self {
        channels.sort_unstable_by_key(|channel| channel.channel_id);
        connected.sort_unstable();
        connected.dedup();
        // That no channel of an absent peer is usable says nothing new: see `seed::snapshot`.
        for channel in &mut channels {
            channel.usable = channel.usable.filter(|_| connected.binary_search(&channel.node_id).is_ok());
        }
        Self { channels, connected }
    }

    /// Whether there were connections in an earlier list, and not one of them is left.
    fn lost_all_of(&self, earlier: &Self) -> bool {
        let is_left = |node_id| self.connected.binary_search(node_id).is_ok();
        !earlier.connected.is_empty() && !earlier.connected.iter().any(is_left)
    }

    fn into_snapshot(self, taken_at: Timestamp) -> Snapshot {
        Snapshot { channels: self.channels, connected: self.connected, taken_at: Some(taken_at) }
    }
}

impl NodeView for Node {
    fn is_running(&self) -> bool {
        self.status().is_running
    }

    fn list(&self) -> Listing {
        // The peers first: of a channel whose peer connects only after that, nothing is said yet.
        let peers = self.list_peers().into_iter().filter(|peer| peer.is_connected);
        let mut connected: Vec<_> = peers.map(|peer| convert::node_id(&peer.node_id)).collect();
        let mut channels = Vec::new();
        for channel in self.list_channels() {
            let node_id = convert::node_id(&channel.counterparty_node_id);
            // The list of peers leaves out those whose address ldk-node does not know.
            if channel.is_usable {
                connected.push(node_id);
            }
            // Without a funding outpoint its id is a temporary one. See `seed::snapshot`.
            if let Some(funding) = &channel.funding_txo {
                channels.push(OpenChannel {
                    channel_id: convert::channel_id(&channel.channel_id),
                    node_id,
                    funding: Some(convert::outpoint(funding)),
                    usable: Some(channel.is_usable),
                });
            }
        }
        Listing::new(channels, connected)
    }
}

/// What the node lists; `None` where it is not running.
fn look(node: &impl NodeView) -> Option<Listing> {
    if !node.is_running() {
        return None;
    }
    let listing = node.list();
    // A node that is being stopped first drops its connections and only in the end says that it is
    // not running; but until then it does not answer.
    node.is_running().then_some(listing)
}

/// What a look at the node amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Nothing,
    Stopped,
    Started,
    Listed,
}

impl News {
    /// `before` is what the last look that was recorded saw, if there was one; `told` whether
    /// anything was recorded since, by us or by others.
    fn of(before: Option<&Option<Listing>>, now: Option<&Listing>, told: bool) -> Self {
        match (before, now) {
            (Some(None), None) => Self::Nothing,
            (_, None) => Self::Stopped,
            (None | Some(None), Some(_)) => Self::Started,
            (Some(Some(before)), Some(now)) if before == now && !told => Self::Nothing,
            (Some(Some(_)), Some(_)) => Self::Listed,
        }
    }
}

/// A look that was late.
#[derive(Clone, Copy, Debug)]
struct Late {
    /// When we were well.
    since: Timestamp,
    /// When we were again.
    at: Timestamp,
}

/// The state of the polling thread. Dropping it pauses observation: nobody looks any more.
pub(super) struct Poller<N> {
    node: Weak<N>,
    handle: Handle,
    gate: Arc<Gate>,
    signal: Arc<Signal>,
    interval: Duration,
    /// What the tracker changed, whoever caused it: a peer that is watched from now on, a gap that
    /// the service noticed. A list that is the same as before says something new then.
    changes: Subscription,
    told: bool,
    before: Option<Option<Listing>>,
    /// When the last look began at which the node was running.
    looked_at: Option<Timestamp>,
    /// The last look that was late, and the one before it.
    late: Option<Late>,
    /// Closes as the last thing.
    _done: oneshot::Sender<()>,
}

impl<N: NodeView> Poller<N> {
    pub(super) fn new(
        node: Weak<N>,
        handle: Handle,
        gate: Arc<Gate>,
        signal: Arc<Signal>,
        interval: Duration,
        done: oneshot::Sender<()>,
    ) -> Self {
        let changes = handle.subscribe();
        Self {
            node,
            handle,
            gate,
            signal,
            interval,
            changes,
            told: false,
            before: None,
            looked_at: None,
            late: None,
            _done: done,
        }
    }

    pub(super) fn run(mut self) {
        while self.poll() && self.signal.sleep(REST, self.interval) {}
    }

    /// Returns whether there is still a node.
    fn poll(&mut self) -> bool {
        let Some(node) = self.node.upgrade() else { return false };
        // Before the look: what changes during it has to be compared with the next one.
        self.told |= any_change(&mut self.changes);
        let taken_at = self.handle.now();
        let passed = self.gate.passed();
        let now = look(&*node);
        drop(node);
        if self.excuse(now.as_ref(), taken_at) {
            // What this list lacks is older than that we were held up: the next one counts.
            self.signal.wake();
            return true;
        }
        let news = News::of(self.before.as_ref(), now.as_ref(), self.told);
        if news == News::Nothing {
            return true;
        }
        let record = || self.record(news, now.clone(), taken_at);
        if self.gate.listing(passed, record) {
            self.before = Some(now);
            self.told = false;
        } else {
            self.signal.wake();
        }
        true
    }

    /// If losses are due to our being held up, tells so before them; returns whether it did.
    ///
    /// LDK says that it was held up before it drops its connections, and `now` was listed before this
    /// looks for the word: so a list with the losses never comes without the word. Where LDK says
    /// nothing, a look that was late and losing everybody after it is as good.
    fn excuse(&mut self, now: Option<&Listing>, taken_at: Timestamp) -> bool {
        let has_said_so = self.signal.take_held_up();
        let looked_at = std::mem::replace(&mut self.looked_at, now.map(|_| taken_at));
        // While the node does not run observation is paused.
        let Some(now) = now else { return false };
        let at = self.handle.now();
        self.notice_late(looked_at, at);
        let since = if has_said_so {
            // We may have looked meanwhile, and found what LDK knew before.
            let since = at.before_nanos(log::HELD_UP_NS);
            looked_at.map_or(since, |looked_at| looked_at.min(since))
        } else {
            let (Some(late), Some(Some(before))) = (self.late, &self.before) else { return false };
            if !now.lost_all_of(before) {
                return false;
            }
            late.since
        };
        self.late = None;
        tracing::warn!(%since, has_said_so, "held up: whose connection is lost now was lost by us");
        self.handle.record(Event::Unobserved { since });
        true
    }

    fn notice_late(&mut self, looked_at: Option<Timestamp>, at: Timestamp) {
        let interval_ns = nanos(self.interval.max(REST));
        let late_ns = |since: Timestamp| at.nanos_since(since.after_nanos(interval_ns));
        if let Some(since) = looked_at.filter(|&since| late_ns(since) >= LATE_NS) {
            self.late = Some(Late { since, at });
        } else {
            self.late = self.late.filter(|late| at.nanos_since(late.at) <= SHAKY_NS);
        }
    }

    fn record(&self, news: News, now: Option<Listing>, taken_at: Timestamp) {
        match news {
            News::Nothing => {}
            News::Stopped => {
                tracing::info!("the node is not running: observation is paused");
                self.handle.record(Event::ObservationPaused);
            }
            News::Started => {
                tracing::info!("the node is running: observation begins");
                self.handle.record(Event::ObservationResumed);
            }
            News::Listed => {}
        }
        if let Some(listing) = now {
            let (channels, connected) = (listing.channels.len(), listing.connected.len());
            self.handle.record(Event::Snapshot(listing.into_snapshot(taken_at)));
            tracing::trace!(channels, connected, "looked");
        }
    }
}

impl<N> Drop for Poller<N> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the node panicked when asked: connections are no longer observed");
        }
        self.handle.record(Event::ObservationPaused);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether there were changes since the last call. Takes them all.
fn any_change(changes: &mut Subscription) -> bool {
    let mut any = false;
    // Nobody waits here, so nobody needs to be woken.
    let mut context = Context::from_waker(Waker::noop());
    // Missed ones are changes, too; at its end there are none any more.
    while let Poll::Ready(Some(_)) = pin!(changes.next()).poll(&mut context) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::super::puppet::{self, CHANNEL, HandClock, PEER, Puppet};
    use super::*;
    use fitness_actor::Service;
    use fitness_core::{ChannelId, Presence};

    fn listing(channel: u8, peer: u8) -> Listing {
        let node_id = NodeId([peer; 33]);
        let channel =
            OpenChannel { channel_id: ChannelId([channel; 32]), node_id, funding: None, usable: None };
        Listing::new(vec![channel], vec![node_id])
    }

    #[test]
    fn the_order_of_a_list_is_no_news() {
        let [a, b] = [listing(1, 1), listing(2, 2)];
        let join = |x: &Listing, y: &Listing| {
            let channels = [&x.channels[..], &y.channels].concat();
            Listing::new(channels, [&x.connected[..], &y.connected].concat())
        };
        assert_eq!(join(&a, &b), join(&b, &a));
        let before = Some(join(&a, &b));
        assert_eq!(News::of(Some(&before), Some(&join(&b, &a)), false), News::Nothing);
    }

    #[test]
    fn that_an_absent_peers_channel_is_not_usable_is_no_news() {
        let usable = |usable, connected| {
            let [open] = listing(1, 1).channels[..] else { panic!("one channel") };
            Listing::new(vec![OpenChannel { usable: Some(usable), ..open }], connected)
        };
        let present = || vec![NodeId([1; 33])];
        assert_eq!(usable(false, vec![]), usable(true, vec![]));
        assert_ne!(usable(false, present()), usable(true, present()));
        assert_eq!(usable(false, present()).channels[0].usable, Some(false));
    }

    #[test]
    fn what_a_look_amounts_to() {
        let (a, b, stopped) = (Some(listing(1, 1)), Some(listing(1, 2)), None);
        let of = |before: Option<&Option<Listing>>, now: &Option<Listing>, told| {
            News::of(before, now.as_ref(), told)
        };
        assert_eq!(of(None, &a, false), News::Started);
        assert_eq!(of(None, &stopped, false), News::Stopped);
        assert_eq!(of(Some(&a), &a, false), News::Nothing);
        assert_eq!(of(Some(&a), &a, true), News::Listed);
        assert_eq!(of(Some(&a), &b, false), News::Listed);
        assert_eq!(of(Some(&a), &stopped, true), News::Stopped);
        assert_eq!(of(Some(&stopped), &stopped, true), News::Nothing);
        assert_eq!(of(Some(&stopped), &a, false), News::Started);
    }
    /// A poller whose looks are taken by hand, and a clock that is set by hand.
    struct ByHand {
        poller: Poller<Puppet>,
        node: Arc<Puppet>,
        signal: Arc<Signal>,
        handle: Handle,
        clock: Arc<HandClock>,
        _service: Service,
    }

    impl ByHand {
        /// Has looked once, a second ago, and found one peer with a usable channel.
        async fn new() -> Self {
            let (clock, node) = (Arc::<HandClock>::default(), Puppet::running());
            let service = puppet::service(clock.clone()).await;
            let (handle, signal) = (service.handle(), Arc::<Signal>::default());
            let (done, _) = oneshot::channel();
            let second = Duration::from_secs(1);
            let mut poller = Poller::new(
                Arc::downgrade(&node),
                handle.clone(),
                Arc::default(),
                Arc::clone(&signal),
                second,
                done,
            );
            assert!(poller.poll());
            clock.pass(second);
            Self { poller, node, signal, handle, clock, _service: service }
        }

        /// Looks, and again if it was woken by itself.
        fn look(&mut self) {
            assert!(self.poller.poll());
            if self.signal.take_woken() {
                self.clock.pass(REST);
                assert!(self.poller.poll());
            }
        }

        fn lose(&self, peer: NodeId) {
            self.node.connected.lock().unwrap().retain(|other| *other != peer);
        }

        fn presence(&self) -> (Presence, u32) {
            let peer = self.handle.peer(&PEER).unwrap();
            (peer.presence, peer.disconnects)
        }

        /// How often we were held up, and how long altogether.
        fn held_up(&self) -> (u32, Duration) {
            let suspended = self.handle.health().coverage.unwrap().suspended;
            (suspended.count, Duration::from_nanos(suspended.length_ns))
        }
    }

    #[tokio::test]
    async fn a_channel_that_is_no_longer_usable_is_noticed_while_nothing_else_changes() {
        let mut by_hand = ByHand::new().await;
        let usable = |by_hand: &ByHand| by_hand.handle.channel(&CHANNEL).unwrap();
        by_hand.look();
        assert_eq!(usable(&by_hand).usable, Some(true));
        *by_hand.node.usable.lock().unwrap() = false;
        by_hand.clock.pass(Duration::from_secs(1));
        by_hand.look();
        assert_eq!(usable(&by_hand).usable, Some(false));
        by_hand.clock.pass(Duration::from_secs(3));
        let report = usable(&by_hand);
        assert_eq!((report.usable_ns, report.usable_observed_ns), (2_000_000_000, 5_000_000_000));
        assert_eq!(by_hand.presence(), (Presence::Online, 0));

        *by_hand.node.usable.lock().unwrap() = true;
        by_hand.look();
        assert_eq!(usable(&by_hand).usable, Some(true));
    }

    #[tokio::test]
    async fn whom_ldk_drops_because_it_was_held_up_was_lost_by_us() {
        let mut by_hand = ByHand::new().await;
        by_hand.signal.held_up();
        by_hand.lose(PEER);
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Unobserved, 0));
        assert_eq!(by_hand.held_up(), (1, Duration::from_secs(1)), "LDK says for how long at least");

        by_hand.node.connected.lock().unwrap().push(PEER);
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Online, 0));
        assert_eq!(by_hand.handle.peer(&PEER).unwrap().flap_count, 0);
    }

    #[tokio::test]
    async fn that_ldk_was_held_up_is_told_before_it_drops_anybody() {
        let mut by_hand = ByHand::new().await;
        by_hand.signal.held_up();
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Online, 0));
        by_hand.lose(PEER);
        by_hand.clock.pass(Duration::from_secs(1));
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Unobserved, 0));
        // But not for ever: who stays away was away from then on.
        by_hand.clock.pass(Duration::from_secs(120));
        by_hand.handle.record(Event::Watch { node_id: NodeId([3; 33]) });
        assert_eq!(by_hand.presence().0, Presence::Offline);
    }

    #[tokio::test]
    async fn a_late_look_that_finds_nobody_left_was_held_up() {
        let mut by_hand = ByHand::new().await;
        by_hand.clock.pass(Duration::from_secs(1));
        by_hand.lose(PEER);
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Unobserved, 0));
        assert_eq!(by_hand.held_up(), (1, Duration::from_secs(2)), "since the last look");
    }

    #[tokio::test]
    async fn a_late_look_may_find_connections_that_are_dead() {
        for (found_out_ns, expected) in
            [(SHAKY_NS, (Presence::Unobserved, 0)), (SHAKY_NS + 1, (Presence::Offline, 1))]
        {
            let mut by_hand = ByHand::new().await;
            by_hand.clock.pass(Duration::from_secs(1));
            by_hand.look();
            assert_eq!((by_hand.presence(), by_hand.held_up().0), ((Presence::Online, 0), 0));
            // A look every second until then.
            for _ in 1..SHAKY_NS / LATE_NS {
                by_hand.clock.pass(Duration::from_secs(1));
                by_hand.look();
            }
            by_hand.clock.pass(Duration::from_nanos(found_out_ns - (SHAKY_NS - LATE_NS)));
            by_hand.lose(PEER);
            by_hand.look();
            assert_eq!(by_hand.presence(), expected);
        }
    }

    #[tokio::test]
    async fn a_look_in_time_and_one_that_finds_somebody_left_were_not() {
        let mut by_hand = ByHand::new().await;
        by_hand.clock.pass(Duration::from_millis(999));
        by_hand.lose(PEER);
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Offline, 1));

        let mut by_hand = ByHand::new().await;
        by_hand.node.connected.lock().unwrap().push(NodeId([3; 33]));
        by_hand.look();
        by_hand.clock.pass(Duration::from_secs(2));
        by_hand.lose(PEER);
        by_hand.look();
        assert_eq!(by_hand.presence(), (Presence::Offline, 1));
        assert_eq!(by_hand.held_up().0, 0);
    }

    #[tokio::test]
    async fn a_stopped_node_was_not_held_up() {
        let mut by_hand = ByHand::new().await;
        *by_hand.node.running.lock().unwrap() = false;
        by_hand.signal.held_up();
        by_hand.clock.pass(Duration::from_secs(5));
        by_hand.look();
        assert!(by_hand.handle.health().paused);
        *by_hand.node.running.lock().unwrap() = true;
        by_hand.look();
        assert_eq!(by_hand.held_up().0, 0);
    }
}
