//! A subscription, read without waiting: what has changed until now.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fitness_actor::{Handle, Subscription};
use fitness_core::{Change, ChannelId, ChannelReport, NodeId, Presence, Timestamp};

use super::until;

/// All changes since it was made, in order.
pub(crate) struct Changes {
    subscription: Subscription,
    seen: Vec<Change>,
}

impl Changes {
    pub(crate) fn since_now(handle: &Handle) -> Self {
        Self { subscription: handle.subscribe(), seen: Vec::new() }
    }

    pub(crate) fn all(&mut self) -> &[Change] {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(change)) = pin!(self.subscription.next()).poll(&mut context) {
            self.seen.push(change.expect("a test makes fewer changes than are kept"));
        }
        &self.seen
    }

    /// The presences that a peer went through, and when.
    pub(crate) fn presences(&mut self, peer: NodeId) -> Vec<(Presence, Timestamp)> {
        let of_peer = |change: &Change| match *change {
            Change::Presence { node_id, at, presence: online, .. } if node_id == peer => Some((online, at)),
            _ => None,
        };
        self.all().iter().filter_map(of_peer).collect()
    }

    /// Waits for a channel's last report, and returns it with its moment.
    pub(crate) fn last_report(&mut self, channel: ChannelId) -> (Timestamp, ChannelReport) {
        let mut found = None;
        until("the channel's last report", || {
            found = self.all().iter().find_map(|change| match change {
                Change::ChannelClosed { at, report } if report.channel_id == channel => Some((*at, *report)),
                _ => None,
            });
            found.is_some()
        });
        found.expect("it was found")
    }
}
