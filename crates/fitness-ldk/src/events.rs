//! Translates LDK's channel events into fitness events.

use fitness_core::{ChannelOpened, Event, NodeId};
use lightning::events;

use crate::convert;

/// Returns the fitness events for an LDK event, in order: one or two for a channel event, none for
/// any other event.
///
/// - A channel is opened when its funding transaction is broadcast (`ChannelPending`), or when it is
///   ready if that event was missed. It is usable from when it is ready; a splice does not change
///   that. If the peer has disconnected by the time the event is handled, the tracker ignores the
///   usable state, and the next snapshot sets it.
/// - The funding outpoint changes when a splice is locked in, which emits another `ChannelReady`.
///   `SplicePending` changes nothing, because the splice may still fail.
/// - A close is always translated. A channel that closes before it was funded has its temporary id,
///   under which no channel was opened, so the close has no effect.
///
/// LDK delivers these events at least once and in order. Replaying them leads to the same state.
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
