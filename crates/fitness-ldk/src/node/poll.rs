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

/// The least time between two looks, however many hints there are.
const REST: Duration = Duration::from_millis(20);

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
        Self { channels, connected }
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
        let mut connected = Vec::new();
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
        let peers = self.list_peers().into_iter().filter(|peer| peer.is_connected);
        connected.extend(peers.map(|peer| convert::node_id(&peer.node_id)));
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
        Self { node, handle, gate, signal, interval, changes, told: false, before: None, _done: done }
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
    use super::*;
    use fitness_core::ChannelId;

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
}
