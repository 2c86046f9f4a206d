//! What LDK lists: its channels and its connected peers.

use std::collections::BTreeSet;
use std::ops::Deref;

use fitness_core::{NodeId, OpenChannel, Snapshot, Timestamp};
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::channelmanager::AChannelManager;
use lightning::ln::peer_handler::APeerManager;

use crate::convert;

/// All channels and connected peers, as LDK lists them.
///
/// `taken_at` is to be read before the call: what changes while the lists are made is newer than
/// they are.
///
/// A channel counts from the moment that its funding outpoint is settled, which is just before
/// LDK's `ChannelPending`. Until then it has a temporary id, under which nothing else will ever be
/// heard of it, and may come to nothing at no cost to anyone. One that is being shut down
/// cooperatively counts until it is gone from the list, and is not usable any more.
///
/// Whether a channel is usable is told where its peer is connected. Where it is not, LDK calls no
/// channel of it usable, which says nothing new.
///
/// This takes LDK's locks, and so deadlocks when it is called from one of LDK's callbacks, such as
/// those of a message handler. An event handler is none of those.
pub fn snapshot<CM, PM>(channel_manager: &CM, peer_manager: &PM, taken_at: Timestamp) -> Snapshot
where
    CM: Deref<Target: AChannelManager>,
    PM: Deref<Target: APeerManager>,
{
    // The peers first: of a channel whose peer connects only after that, nothing is said yet.
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
