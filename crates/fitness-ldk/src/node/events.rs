//! Translates ldk-node's channel events into fitness events.

use fitness_core::{ChannelOpened, Event, NodeId};

use crate::convert;

/// Returns the fitness event for a channel event of ldk-node, or `None` for any other event.
pub(super) fn translate(
    event: &ldk_node::Event,
    is_connected: impl FnOnce(&NodeId) -> Option<bool>,
) -> Option<Event> {
    let (channel_id, peer, funding) = match event {
        ldk_node::Event::ChannelPending { channel_id, counterparty_node_id, funding_txo, .. } => {
            (channel_id, Some(counterparty_node_id), Some(funding_txo))
        }
        ldk_node::Event::ChannelReady { channel_id, counterparty_node_id, funding_txo, .. } => {
            (channel_id, counterparty_node_id.as_ref(), funding_txo.as_ref())
        }
        ldk_node::Event::ChannelClosed { channel_id, .. } => {
            return Some(Event::ChannelClosed { channel_id: convert::channel_id(channel_id) });
        }
        _ => return None,
    };
    let channel_id = convert::channel_id(channel_id);
    let funding = funding.map(convert::outpoint);
    let Some(peer) = peer else {
        // Events stored by ldk-node 0.1 or earlier have no peer; the node's list of channels has it.
        return funding.map(|funding| Event::FundingChanged { channel_id, funding });
    };
    let node_id = convert::node_id(peer);
    let online = is_connected(&node_id);
    Some(Event::ChannelOpened(ChannelOpened { channel_id, node_id, funding, online }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{ChannelId, OutPoint};
    use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
    use ldk_node::{Event as NodeEvent, UserChannelId, bitcoin};

    const CHANNEL: ChannelId = ChannelId([9; 32]);

    fn peer() -> PublicKey {
        PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[7; 32]).unwrap())
    }

    fn funding(vout: u32) -> bitcoin::OutPoint {
        convert::to_bitcoin_outpoint(&OutPoint { txid: [5; 32], vout })
    }

    fn ready(counterparty_node_id: Option<PublicKey>, funding_txo: Option<bitcoin::OutPoint>) -> NodeEvent {
        NodeEvent::ChannelReady {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: UserChannelId(1),
            counterparty_node_id,
            funding_txo,
        }
    }

    fn opened(vout: Option<u32>, online: Option<bool>) -> Option<Event> {
        Some(Event::ChannelOpened(ChannelOpened {
            channel_id: CHANNEL,
            node_id: convert::node_id(&peer()),
            funding: vout.map(|vout| convert::outpoint(&funding(vout))),
            online,
        }))
    }

    #[test]
    fn pending_opens_a_channel_and_ready_sets_its_funding() {
        let pending = NodeEvent::ChannelPending {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: UserChannelId(1),
            former_temporary_channel_id: convert::to_ldk_channel_id(&ChannelId([1; 32])),
            counterparty_node_id: peer(),
            funding_txo: funding(0),
        };
        assert_eq!(translate(&pending, |_| Some(true)), opened(Some(0), Some(true)));
        assert_eq!(translate(&ready(Some(peer()), Some(funding(1))), |_| None), opened(Some(1), None));
        assert_eq!(translate(&ready(Some(peer()), None), |_| Some(false)), opened(None, Some(false)));
    }

    #[test]
    fn ready_without_a_peer_changes_only_the_funding() {
        let changed = Event::FundingChanged { channel_id: CHANNEL, funding: convert::outpoint(&funding(1)) };
        assert_eq!(translate(&ready(None, Some(funding(1))), |_| None), Some(changed));
        assert_eq!(translate(&ready(None, None), |_| None), None);
    }

    #[test]
    fn pending_and_failed_splices_are_ignored() {
        let pending = NodeEvent::SplicePending {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: UserChannelId(1),
            counterparty_node_id: peer(),
            new_funding_txo: funding(1),
        };
        let failed = NodeEvent::SpliceFailed {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: UserChannelId(1),
            counterparty_node_id: peer(),
            abandoned_funding_txo: Some(funding(1)),
        };
        assert_eq!((translate(&pending, |_| None), translate(&failed, |_| None)), (None, None));
    }

    #[test]
    fn close_without_a_peer_is_translated() {
        let closed = NodeEvent::ChannelClosed {
            channel_id: convert::to_ldk_channel_id(&CHANNEL),
            user_channel_id: UserChannelId(1),
            counterparty_node_id: None,
            reason: None,
        };
        assert_eq!(translate(&closed, |_| None), Some(Event::ChannelClosed { channel_id: CHANNEL }));
    }
}
