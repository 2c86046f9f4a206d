//! The answers, worked out by brute force from all that happened, with hindsight.
//!
//! Nothing here is told one thing after another and keeps a state of each peer: `line` puts what
//! is known on the tracker's line, `watch` finds out when we could tell and when not, and `account` says
//! for every peer what it was at each moment, by the rules as the documentation has them.

mod account;
mod line;
mod watch;

use std::collections::BTreeMap;

use fitness_core::{OutPoint, Presence};

pub(crate) use self::account::Account;
pub(crate) use self::line::Line;
pub(crate) use self::watch::Watched;
use crate::facts::Fact;
use crate::script::Channel;

/// Until when our own fault is given to a peer to come back.
pub(crate) const GRACE: u64 = 120 * crate::time::SECOND;

pub(crate) struct Oracle {
    pub(crate) line: Line,
    pub(crate) watched: Watched,
    pub(crate) peers: BTreeMap<usize, Account>,
    pub(crate) channels: BTreeMap<Channel, ChannelAccount>,
}

/// An open channel.
pub(crate) struct ChannelAccount {
    pub(crate) opened: u64,
    pub(crate) funding: OutPoint,
    pub(crate) usable: Presence,
    pub(crate) usable_ns: u64,
    pub(crate) usable_observed_ns: u64,
}

impl Oracle {
    /// What is known at the true time `now`, with peers let go after `keep_ns`.
    pub(crate) fn new(facts: &[Fact], now: u64, keep_ns: u64) -> Self {
        let line = Line::new(facts, now);
        let watched = Watched::new(&line, keep_ns);
        let peers: BTreeMap<usize, Account> = watched
            .peers
            .iter()
            .filter_map(|(&peer, told)| Some((peer, Account::new(told, &watched, line.now)?)))
            .collect();
        let mut channels = BTreeMap::new();
        for (&channel, told) in &watched.channels {
            if let (true, Some(account)) = (told.is_open, peers.get(&channel.peer)) {
                channels.insert(channel, account.channel(told, line.now));
            }
        }
        Self { line, watched, peers, channels }
    }
}
