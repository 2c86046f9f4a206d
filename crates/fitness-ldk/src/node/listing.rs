//! Lists the open channels and connected peers of an ldk-node.

use fitness_core::{NodeId, OpenChannel, Snapshot, Timestamp};
use ldk_node::Node;

use crate::convert;

/// The part of a node that the poller uses. It is a trait so that tests can replace the node.
pub(super) trait NodeView: Send + Sync + 'static {
    fn is_running(&self) -> bool;
    fn list(&self) -> Listing;
}

impl NodeView for Node {
    fn is_running(&self) -> bool {
        self.status().is_running
    }

    fn list(&self) -> Listing {
        // List the peers first: if a channel's peer connects after this, `usable` is left unknown.
        let peers = self.list_peers().into_iter().filter(|peer| peer.is_connected);
        let mut connected: Vec<_> = peers.map(|peer| convert::node_id(&peer.node_id)).collect();
        let mut channels = Vec::new();
        for channel in self.list_channels() {
            let node_id = convert::node_id(&channel.counterparty_node_id);
            // ldk-node's list of peers omits peers whose address it does not know.
            if channel.is_usable {
                connected.push(node_id);
            }
            // Without a funding outpoint the channel id is temporary: see `crate::snapshot`.
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

/// Open channels and connected peers. Both lists are sorted, so that lists with the same content are
/// equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) channels: Vec<OpenChannel>,
    pub(super) connected: Vec<NodeId>,
}

impl Listing {
    pub(super) fn new(mut channels: Vec<OpenChannel>, mut connected: Vec<NodeId>) -> Self {
        channels.sort_unstable_by_key(|channel| channel.channel_id);
        connected.sort_unstable();
        connected.dedup();
        // Every channel of a disconnected peer is listed as unusable: see `crate::snapshot`.
        for channel in &mut channels {
            channel.usable = channel.usable.filter(|_| connected.binary_search(&channel.node_id).is_ok());
        }
        Self { channels, connected }
    }

    /// Returns whether an earlier list had connected peers and none of them is still connected.
    pub(super) fn lost_all_peers_of(&self, earlier: &Self) -> bool {
        let is_connected = |node_id| self.connected.binary_search(node_id).is_ok();
        !earlier.connected.is_empty() && !earlier.connected.iter().any(is_connected)
    }

    pub(super) fn into_snapshot(self, taken_at: Timestamp) -> Snapshot {
        Snapshot { channels: self.channels, connected: self.connected, taken_at: Some(taken_at) }
    }
}

/// The state of a node at one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeState {
    NotRunning,
    Running(Listing),
}

impl NodeState {
    pub(super) fn of(node: &impl NodeView) -> Self {
        if !node.is_running() {
            return Self::NotRunning;
        }
        let listing = node.list();
        // A node that is being stopped drops its connections first and reports only at the end that
        // it is not running. `is_running` blocks until then.
        if node.is_running() { Self::Running(listing) } else { Self::NotRunning }
    }

    pub(super) fn listing(&self) -> Option<&Listing> {
        match self {
            Self::NotRunning => None,
            Self::Running(listing) => Some(listing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::ChannelId;

    fn channel(channel: u8, peer: u8) -> OpenChannel {
        let (channel_id, node_id) = (ChannelId([channel; 32]), NodeId([peer; 33]));
        OpenChannel { channel_id, node_id, funding: None, usable: None }
    }

    #[test]
    fn order_of_the_lists_is_ignored() {
        let (one, two) = (NodeId([1; 33]), NodeId([2; 33]));
        let listing = Listing::new(vec![channel(1, 1), channel(2, 2)], vec![one, two]);
        assert_eq!(listing, Listing::new(vec![channel(2, 2), channel(1, 1)], vec![two, one]));
    }

    #[test]
    fn usable_is_kept_only_while_the_peer_is_connected() {
        let usable = |usable, connected| {
            Listing::new(vec![OpenChannel { usable: Some(usable), ..channel(1, 1) }], connected)
        };
        let present = || vec![NodeId([1; 33])];
        assert_eq!(usable(false, vec![]), usable(true, vec![]));
        assert_ne!(usable(false, present()), usable(true, present()));
        assert_eq!(usable(false, present()).channels[0].usable, Some(false));
    }
}
