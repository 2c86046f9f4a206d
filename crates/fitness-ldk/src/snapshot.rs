//! Takes a snapshot of LDK's channels and connected peers.

use std::collections::BTreeSet;
use std::ops::Deref;

use fitness_core::{NodeId, OpenChannel, Snapshot, Timestamp};
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::APeerManager;

use crate::convert;

/// Returns all channels and connected peers that LDK lists.
///
/// Read the clock for `taken_at` before calling this function: changes that happen while the lists
/// are made are newer than the lists.
///
/// A channel is included once its funding outpoint is known, which is just before LDK emits
/// `ChannelPending`. Before that it has a temporary id that no later event mentions, and it may be
/// abandoned at no cost to either side. A channel that is being closed cooperatively is included
/// until LDK removes it from its list, but is not usable.
///
/// `usable` is set only for channels whose peer is connected. LDK lists every channel of a
/// disconnected peer as unusable, which adds no information.
///
/// This function takes LDK's locks. Calling it from one of LDK's callbacks, such as those of a
/// message handler, deadlocks. Calling it from an event handler is safe.
pub fn snapshot<CM, PM>(channel_manager: &CM, peer_manager: &PM, taken_at: Timestamp) -> Snapshot
where
    CM: Deref<Target: AChannelManager>,
    PM: Deref<Target: APeerManager>,
{
    // List the peers first: if a channel's peer connects after this, `usable` is left unknown.
    let peers = APeerManager::as_ref(&**peer_manager).list_peers();
    let channels = channel_manager.get_cm().list_channels();
    let connected: BTreeSet<NodeId> =
        peers.iter().map(|peer| convert::node_id(&peer.counterparty_node_id)).collect();
    Snapshot {
        channels: channels.iter().filter_map(|channel| open_channel(channel, &connected)).collect(),
        connected: connected.into_iter().collect(),
        taken_at: Some(taken_at),
    }
}

fn open_channel(channel: &ChannelDetails, connected: &BTreeSet<NodeId>) -> Option<OpenChannel> {
    let node_id = convert::node_id(&channel.counterparty.node_id);
    Some(OpenChannel {
        channel_id: convert::channel_id(&channel.channel_id),
        node_id,
        funding: Some(convert::outpoint_from_ldk(channel.funding_txo.as_ref()?)),
        usable: connected.contains(&node_id).then_some(channel.is_usable),
    })
}
