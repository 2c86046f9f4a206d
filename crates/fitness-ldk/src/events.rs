//! What LDK's channel events mean to us. A pure translation.

use fitness_core::{ChannelOpened, Event, NodeId};
use lightning::events;

use crate::convert;

/// What an LDK event says of a channel: one event of ours or two, in order, and none for all events
/// that are none of our business.
///
/// - A channel is first seen when its funding transaction is broadcast (`ChannelPending`), or where
///   that event was missed when it is ready. It is not usable before it is ready, and is then: a
///   splice does not change that. Where the peer is gone by the time that the event is handled it
///   says nothing any more, and the next list does.
/// - It changes its funding outpoint when a splice is locked in, which is another `ChannelReady`:
///   until then its money is where it was (`SplicePending` changes nothing, and may come to nothing).
/// - A close always passes. One from before the funding carries the temporary channel id, which was
///   never opened, and changes nothing.
///
/// LDK delivers all of these at least once and in order; a replay ends where it ended before.
pub(crate) fn translate(
    event: &events::Event,
    is_connected: impl FnOnce(&NodeId) -> Option<bool>,
) -> Vec<Event> {
    let (channel_id, peer, funding, usable) = match event {
        events::Event::ChannelPending { channel_id, counterparty_node_id, funding_txo, .. } => {
            (channel_id, counterparty_node_id, Some(funding_txo), false)
        }
        events::Event::ChannelReady { channel_id, counterparty_node_id, funding_txo, .. } => {
            (channel_id, counterparty_node_id, funding_txo.as_ref(), true)
        }
        events::Event::ChannelClosed { channel_id, .. } => {
            return vec![Event::ChannelClosed { channel_id: convert::channel_id(channel_id) }];
        }
        _ => return vec![],
    };
    let (channel_id, node_id) = (convert::channel_id(channel_id), convert::node_id(peer));
    let opened = ChannelOpened {
        channel_id,
        node_id,
        funding: funding.map(convert::outpoint),
        online: is_connected(&node_id),
    };
    vec![Event::ChannelOpened(opened), Event::ChannelUsable { channel_id, usable }]
}
