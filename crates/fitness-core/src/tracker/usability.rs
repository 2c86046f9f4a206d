//! Tracks whether channels are usable, in a second ledger per channel.

use super::Tracker;
use crate::{Change, ChannelId, Presence};

impl Tracker {
    /// Records whether a channel can carry payments. Ignored if the peer is not connected: the channel is not
    /// usable then.
    pub(super) fn record_usable(
        &mut self,
        channel_id: &ChannelId,
        usable: bool,
        at_ns: u64,
        on_change: &mut impl FnMut(Change),
    ) {
        let Some(slot) = self.registry.find_channel(channel_id) else { return };
        let Some(peer) = self.registry.peers.get_mut(slot) else { return };
        if peer.connection != Presence::Online {
            return;
        }
        let (presence, node_id) = (peer.ledger.presence(), peer.node_id);
        let Some(channel) =
            peer.channel_mut(channel_id).filter(|channel| channel.reported_usable != Some(usable))
        else {
            return;
        };
        channel.reported_usable = Some(usable);
        channel.update_usability(presence, at_ns);
        self.mark_dirty(slot);
        let (channel_id, at) = (*channel_id, self.clock.to_wall_clock(at_ns));
        on_change(Change::ChannelUsable { channel_id, node_id, at, usable });
    }
}
