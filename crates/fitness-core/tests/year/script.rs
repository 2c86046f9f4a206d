//! What a node tells its embedder, and when: between the world, which writes it, and who plays it.

use fitness_core::{ChannelId, NodeId, OutPoint};

use crate::faults::Step;

/// Something that the node says. Peers go by number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    Up(usize),
    Down(usize),
    Opened(Channel),
    Closed(Channel),
    Spliced(Channel, OutPoint),
    Usable(Channel, bool),
    Watched(usize),
    Listed(Listed),
    Paused,
    Resumed,
}

/// A peer, and which of its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel {
    pub(crate) peer: usize,
    pub(crate) number: u8,
}

/// All that is connected and open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) connected: Vec<usize>,
    pub(crate) channels: Vec<(Channel, OutPoint, bool)>,
    /// Whether it says when it was made.
    pub(crate) dated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    Step(Step),
    /// Told with a time stamp that is so many nanoseconds old.
    Told(Word, u64),
    /// The wall clock is ahead of the truth by this much from now on.
    Wall(i64),
    /// Whether nothing can be stored from now on.
    Disk {
        is_broken: bool,
    },
    /// Somebody looks at the answers.
    Look,
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("there are few peers")
}

pub(crate) fn node_id(peer: usize) -> NodeId {
    NodeId([byte(peer) + 2; 33])
}

pub(crate) fn channel_id(channel: Channel) -> ChannelId {
    ChannelId([byte(channel.peer) * 8 + channel.number; 32])
}

pub(crate) fn outpoint(channel: Channel, splices: u32) -> OutPoint {
    OutPoint { txid: [byte(channel.peer) * 8 + channel.number + 1; 32], vout: splices }
}
