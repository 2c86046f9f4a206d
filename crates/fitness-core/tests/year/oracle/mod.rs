//! Computes the expected reports by brute force, in hindsight.
//!
//! The oracle does not update state event by event as the tracker does. [`tracker_time`] dates all
//! observations on the scale of tracker time, [`observations`] derives when the observer could observe and
//! what was reported about each peer, and [`peer`] derives the presence of each peer at each moment by the
//! documented rules.

mod observations;
mod peer;
mod tracker_time;

use std::collections::BTreeMap;

use fitness_core::{OutPoint, Presence};

use self::observations::Observations;
pub(crate) use self::peer::ExpectedPeer;
use self::tracker_time::TrackerTimeline;
use crate::facts::Fact;
use crate::script::Channel;

/// The reconnect grace period.
pub(crate) const GRACE: u64 = 120 * crate::time::SECOND;

pub(crate) struct Oracle {
    pub(crate) time: TrackerTimeline,
    pub(crate) observations: Observations,
    pub(crate) peers: BTreeMap<usize, ExpectedPeer>,
    pub(crate) channels: BTreeMap<Channel, ExpectedChannel>,
}

/// The expected report of an open channel.
pub(crate) struct ExpectedChannel {
    pub(crate) opened_at: u64,
    pub(crate) funding: OutPoint,
    pub(crate) usable: Presence,
    pub(crate) usable_ns: u64,
    pub(crate) usable_observed_ns: u64,
}

impl Oracle {
    /// Computes the expected reports at the true time `now`. Untracked peers are deleted after `max_age_ns`.
    pub(crate) fn new(facts: &[Fact], now: u64, max_age_ns: u64) -> Self {
        let time = TrackerTimeline::new(facts, now);
        let observations = Observations::new(&time, max_age_ns);
        let peers: BTreeMap<usize, ExpectedPeer> = observations
            .peers
            .iter()
            .filter_map(|(&number, peer)| Some((number, ExpectedPeer::new(peer, &observations, time.now)?)))
            .collect();
        let mut channels = BTreeMap::new();
        for (&id, channel) in &observations.channels {
            if let (true, Some(peer)) = (channel.is_open, peers.get(&id.peer)) {
                channels.insert(id, peer.channel(channel, time.now));
            }
        }
        Self { time, observations, peers, channels }
    }
}
