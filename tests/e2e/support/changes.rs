//! Reads a subscription without waiting.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fitness_actor::{Handle, Subscription};
use fitness_core::{Change, ChannelId, ChannelReport, NodeId, Presence, Timestamp};

use super::wait_until;

/// All changes since its creation, in order.
pub(crate) struct Changes {
    subscription: Subscription,
    received: Vec<Change>,
}

impl Changes {
    pub(crate) fn since_now(handle: &Handle) -> Self {
        Self { subscription: handle.subscribe(), received: Vec::new() }
    }

    pub(crate) fn all(&mut self) -> &[Change] {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(change)) = pin!(self.subscription.next()).poll(&mut context) {
            self.received.push(change.expect("fewer changes than the subscription buffers"));
        }
        &self.received
    }

    /// Returns the changes of a peer's presence with their times.
    pub(crate) fn presences(&mut self, peer: NodeId) -> Vec<(Presence, Timestamp)> {
        let of_peer = |change: &Change| match *change {
            Change::Presence { node_id, at, presence: online, .. } if node_id == peer => Some((online, at)),
            _ => None,
        };
        self.all().iter().filter_map(of_peer).collect()
    }

    /// Waits for a channel's last report; returns the time and the report.
    pub(crate) fn last_report(&mut self, channel: ChannelId) -> (Timestamp, ChannelReport) {
        let mut found = None;
        wait_until("the channel's last report", || {
            found = self.all().iter().find_map(|change| match change {
                Change::ChannelClosed { at, report } if report.channel_id == channel => Some((*at, *report)),
                _ => None,
            });
            found.is_some()
        });
        found.expect("a report")
    }
}
