//! Ranks watched nodes by reliability.

use std::cmp::Ordering;
use std::time::Duration;

use fitness_advice::Score;
use fitness_core::{NodeId, WindowStats};

/// A node to be ranked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The node.
    pub node_id: NodeId,
    /// The node's statistics over the window by which it is ranked.
    pub stats: WindowStats,
    /// The time that it takes to connect to the node; `None` if unknown.
    pub connect_time: Option<Duration>,
}

/// A node and its rank.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RankedCandidate {
    /// The rank, starting at 1. Candidates that compare equal share a rank, and the following ranks are
    /// skipped: 1, 1, 3.
    pub rank: usize,
    /// The node.
    pub node_id: NodeId,
    /// The score by which the node was ranked; `None` if it was never observed.
    pub score: Option<Score>,
    /// Whether the node may turn out to be better than the one ranked before it. This is so if they were not
    /// observed for long enough to be sure.
    pub rank_uncertain: bool,
    /// The node's statistics.
    pub stats: WindowStats,
    /// The time that it takes to connect to the node; `None` if unknown.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "connect_time_ns", serialize_with = "crate::nanos::serialize_option")
    )]
    pub connect_time: Option<Duration>,
}

/// Ranks nodes by their [`Score`], the best first.
///
/// The score is the lower bound of the availability minus a penalty for disconnects, so one hour online does
/// not beat a good year. Ties are broken by fewer disconnects, then by a shorter connect time. Nodes that
/// were never observed come last.
#[must_use]
pub fn rank(candidates: impl IntoIterator<Item = Candidate>) -> Vec<RankedCandidate> {
    let mut ranked: Vec<RankedCandidate> = candidates.into_iter().map(RankedCandidate::unranked).collect();
    ranked.sort_by(|a, b| a.order(b).then(a.node_id.cmp(&b.node_id)));
    let mut previous: Option<RankedCandidate> = None;
    for (i, candidate) in ranked.iter_mut().enumerate() {
        candidate.rank = i + 1;
        if let Some(previous) = previous {
            if previous.order(candidate) == Ordering::Equal {
                candidate.rank = previous.rank;
            }
            candidate.rank_uncertain = candidate.upper_bound() > previous.value();
        }
        previous = Some(*candidate);
    }
    ranked
}

impl RankedCandidate {
    fn unranked(candidate: Candidate) -> Self {
        let Candidate { node_id, stats, connect_time } = candidate;
        // A watched node has no channel, so its usability is unknown.
        let score = Score::of(&stats, None);
        Self { rank: 0, node_id, score, rank_uncertain: false, stats, connect_time }
    }

    /// Returns the score's value, or less than any score if the node was never observed.
    fn value(&self) -> f64 {
        self.score.map_or(-1.0, |score| score.value)
    }

    /// Returns the score's upper bound, or the best possible score if the node was never observed.
    fn upper_bound(&self) -> f64 {
        self.score.map_or(100.0, |score| score.upper_bound)
    }

    fn order(&self, other: &Self) -> Ordering {
        let connect_time = |candidate: &Self| candidate.connect_time.unwrap_or(Duration::MAX);
        other
            .value()
            .total_cmp(&self.value())
            .then(self.stats.outages.disconnects.cmp(&other.stats.outages.disconnects))
            .then_with(|| connect_time(self).cmp(&connect_time(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, Timestamp, Tracker, TrackerConfig};
    use proptest::prelude::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// Creates a node that was watched for `hours`, offline for the first `offline_hours` of them, and then
    /// disconnected `disconnects` times for one second.
    fn candidate(
        id: u8,
        hours: u64,
        offline_hours: u64,
        disconnects: u64,
        connect_ms: Option<u64>,
    ) -> Candidate {
        let (node_id, start) = (NodeId([id; 33]), Timestamp::from_secs(1_800_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
        tracker.apply(start, &Event::Watch { node_id });
        if offline_hours > 0 {
            tracker.apply(start, &Event::PeerOffline { node_id });
        }
        if hours > offline_hours {
            tracker.apply(start.after_nanos(offline_hours * HOUR_NS), &Event::PeerOnline { node_id });
        }
        for disconnect in 0..disconnects {
            let at = start.after_nanos(offline_hours * HOUR_NS + (disconnect + 1) * 60_000_000_000);
            tracker.apply(at, &Event::PeerOffline { node_id });
            tracker.apply(at.after_secs(1), &Event::PeerOnline { node_id });
        }
        let end = start.after_nanos(hours * HOUR_NS);
        let stats = tracker.history(end, &node_id, &[]).unwrap().stats(start, end);
        Candidate { node_id, stats, connect_time: connect_ms.map(Duration::from_millis) }
    }

    fn unobserved(id: u8) -> Candidate {
        candidate(id, 0, 0, 0, None)
    }

    fn ranks_and_ids(ranked: &[RankedCandidate]) -> Vec<(usize, u8)> {
        ranked.iter().map(|candidate| (candidate.rank, candidate.node_id.0[0])).collect()
    }

    #[test]
    fn an_hour_online_does_not_beat_a_good_month() {
        let ranked = rank([
            unobserved(1),
            candidate(2, 1, 0, 0, Some(1)),
            candidate(3, 720, 7, 0, Some(900)),
            candidate(4, 720, 720, 0, None),
            candidate(5, 720, 0, 0, None),
        ]);
        assert_eq!(ranks_and_ids(&ranked), [(1, 5), (2, 3), (3, 2), (4, 4), (5, 1)]);
        let uncertain: Vec<bool> = ranked.iter().map(|candidate| candidate.rank_uncertain).collect();
        assert_eq!(uncertain, [false, false, true, false, true]);
    }

    #[test]
    fn disconnects_and_slow_connections_lower_the_rank() {
        let ranked = rank([
            candidate(1, 720, 0, 0, None),
            candidate(2, 720, 0, 0, Some(80)),
            candidate(3, 720, 0, 0, Some(20)),
            candidate(4, 720, 0, 50, Some(1)),
        ]);
        assert_eq!(ranks_and_ids(&ranked), [(1, 3), (2, 2), (3, 1), (4, 4)]);
    }

    #[test]
    fn equal_candidates_share_a_rank() {
        let twin = |id| candidate(id, 24, 0, 0, Some(5));
        let ranked = rank([candidate(3, 24, 12, 0, None), twin(2), twin(1), unobserved(5), unobserved(4)]);
        assert_eq!(ranks_and_ids(&ranked), [(1, 1), (1, 2), (3, 3), (4, 4), (4, 5)]);
    }

    proptest! {
        #[test]
        fn ranking_keeps_every_candidate_and_ignores_the_input_order(
            given in prop::collection::vec((0_u64..4, 0_u64..3, 0_u64..3, prop::option::of(0_u64..3)), 0..8)
        ) {
            let candidates: Vec<Candidate> = (0..)
                .zip(&given)
                .map(|(id, (hours, offline, disconnects, ms))| {
                    candidate(id, *hours, *offline, *disconnects, *ms)
                })
                .collect();
            let ranked = rank(candidates.clone());
            prop_assert_eq!(ranked.len(), candidates.len());
            prop_assert!(ranked.windows(2).all(|pair| pair[0].rank <= pair[1].rank));
            prop_assert_eq!(ranks_and_ids(&rank(candidates.into_iter().rev())), ranks_and_ids(&ranked));
        }
    }
}
