//! The script of a simulated year: what the node reports to the service, and what happens to the process.

use fitness_core::{ChannelId, NodeId, OutPoint};

use crate::faults::Step;

/// An event that the node reports. Peers are identified by their number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeEvent {
    Connected(usize),
    Disconnected(usize),
    ChannelOpened(Channel),
    ChannelClosed(Channel),
    FundingChanged(Channel, OutPoint),
    ChannelUsable(Channel, bool),
    Watch(usize),
    Snapshot(NodeSnapshot),
    Paused,
    Resumed,
}

/// A channel, identified by its peer and by its number among the channels of that peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel {
    pub(crate) peer: usize,
    pub(crate) number: u8,
}

/// All connected peers and open channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeSnapshot {
    pub(crate) connected: Vec<usize>,
    /// Each channel with its funding outpoint and whether it is usable.
    pub(crate) channels: Vec<(Channel, OutPoint, bool)>,
    /// Whether the snapshot contains the time at which it was taken.
    pub(crate) has_time: bool,
}

/// An entry of the script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScriptEvent {
    Step(Step),
    /// The node reports an event with a timestamp that is `delay` nanoseconds old.
    NodeEvent {
        event: NodeEvent,
        delay: u64,
    },
    /// The wall clock is ahead of true time by this many nanoseconds from now on.
    WallClockOffset(i64),
    /// Commits fail from now on, or succeed again.
    StoreFails(bool),
    /// Compare all reports with the oracle.
    Check,
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("fewer than 256 peers")
}

pub(crate) fn node_id(peer: usize) -> NodeId {
    NodeId([byte(peer) + 2; 33])
}

pub(crate) fn channel_id(channel: Channel) -> ChannelId {
    ChannelId([byte(channel.peer) * 8 + channel.number; 32])
}

/// Returns the funding outpoint of a channel after a number of splices.
pub(crate) fn outpoint(channel: Channel, splices: u32) -> OutPoint {
    OutPoint { txid: [byte(channel.peer) * 8 + channel.number + 1; 32], vout: splices }
}
