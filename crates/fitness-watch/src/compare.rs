//! Which of the nodes that are watched is the most reliable.

use std::cmp::Ordering;
use std::time::Duration;

use fitness_advice::Score;
use fitness_core::{NodeId, WindowStats};

/// A node, as it enters a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The node.
    pub node_id: NodeId,
    /// Its fitness, in the window that it is judged by.
    pub stats: WindowStats,
    /// How long it takes to connect to, where that is known.
    pub connect_time: Option<Duration>,
}

/// A node, and its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RankedCandidate {
    /// Its place, from 1. Those that nothing tells apart share one, and the next is as far down as if they
    /// did not.
    pub rank: usize,
    /// The node.
    pub node_id: NodeId,
    /// What it was ranked by; `None` where nothing was observed.
    pub score: Option<Score>,
    /// Whether it may turn out to be better than the one before it: they have not been watched for long
    /// enough to tell.
    pub rank_uncertain: bool,
    /// Its fitness.
    pub stats: WindowStats,
    /// How long it takes to connect to, where that is known.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "connect_time_ns", serialize_with = "crate::nanos::serialize_option")
    )]
    pub connect_time: Option<Duration>,
}

/// Ranks nodes by their [`Score`], the best first: it is the lower bound of the availability, so that one
/// hour of presence does not beat a good year, less what disconnects cost. Where that is the same, the
/// fewer disconnects come first, then whoever is connected to sooner. Nodes of which nothing was
/// observed come last.
#[must_use]
pub fn rank(entrants: impl IntoIterator<Item = Candidate>) -> Vec<RankedCandidate> {
    let mut rows: Vec<RankedCandidate> = entrants.into_iter().map(RankedCandidate::unranked).collect();
    rows.sort_by(|a, b| a.order(b).then(a.node_id.cmp(&b.node_id)));
    let mut last: Option<RankedCandidate> = None;
    for (i, row) in rows.iter_mut().enumerate() {
        row.rank = i + 1;
        if let Some(last) = last {
            if last.order(row) == Ordering::Equal {
                row.rank = last.rank;
            }
            row.rank_uncertain = row.upper_bound() > last.value();
        }
        last = Some(*row);
    }
    rows
}

impl RankedCandidate {
    fn unranked(entrant: Candidate) -> Self {
        let Candidate { node_id, stats, connect_time: connecting } = entrant;
        // Without a channel there is nothing to send over.
        let score = Score::of(&stats, None);
        Self { rank: 0, node_id, score, rank_uncertain: false, stats, connect_time: connecting }
    }

    /// Of a node that was never observed it is less than any.
    fn value(&self) -> f64 {
        self.score.map_or(-1.0, |score| score.value)
    }

    /// A node that was never observed may be as good as any.
    fn upper_bound(&self) -> f64 {
        self.score.map_or(100.0, |score| score.upper_bound)
    }

    fn order(&self, other: &Self) -> Ordering {
        let time = |row: &Self| row.connect_time.unwrap_or(Duration::MAX);
        other
            .value()
            .total_cmp(&self.value())
            .then(self.stats.outages.disconnects.cmp(&other.stats.outages.disconnects))
            .then_with(|| time(self).cmp(&time(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fitness_core::{Event, HashSeed, Timestamp, Tracker, TrackerConfig};
    use proptest::prelude::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// A node that was watched for so many hours, offline for the first so many of them, and lost for a
    /// second so often after that.
    fn entrant(name: u8, hours: u64, offline: u64, losses: u64, ms: Option<u64>) -> Candidate {
        let (node_id, start) = (NodeId([name; 33]), Timestamp::from_secs(1_800_000_000));
        let mut tracker = Tracker::new(TrackerConfig::default(), HashSeed([7; 16]));
        tracker.apply(start, &Event::Watch { node_id });
        if offline > 0 {
            tracker.apply(start, &Event::PeerOffline { node_id });
        }
        if hours > offline {
            tracker.apply(start.after_nanos(offline * HOUR_NS), &Event::PeerOnline { node_id });
        }
        for loss in 0..losses {
            let at = start.after_nanos(offline * HOUR_NS + (loss + 1) * 60_000_000_000);
            tracker.apply(at, &Event::PeerOffline { node_id });
            tracker.apply(at.after_secs(1), &Event::PeerOnline { node_id });
        }
        let end = start.after_nanos(hours * HOUR_NS);
        let stats = tracker.history(end, &node_id, &[]).unwrap().stats(start, end);
        Candidate { node_id, stats, connect_time: ms.map(Duration::from_millis) }
    }

    fn unknown(name: u8) -> Candidate {
        entrant(name, 0, 0, 0, None)
    }

    fn places(rows: &[RankedCandidate]) -> Vec<(usize, u8)> {
        rows.iter().map(|row| (row.rank, row.node_id.0[0])).collect()
    }

    #[test]
    fn an_hour_of_presence_does_not_beat_a_good_month() {
        let rows = rank([
            unknown(1),
            entrant(2, 1, 0, 0, Some(1)),
            entrant(3, 720, 7, 0, Some(900)),
            entrant(4, 720, 720, 0, None),
            entrant(5, 720, 0, 0, None),
        ]);
        assert_eq!(places(&rows), [(1, 5), (2, 3), (3, 2), (4, 4), (5, 1)]);
        let better: Vec<bool> = rows.iter().map(|row| row.rank_uncertain).collect();
        assert_eq!(better, [false, false, true, false, true], "who has not been watched for long may");
    }

    #[test]
    fn disconnects_cost_and_so_does_a_slow_connection() {
        let rows = rank([
            entrant(1, 720, 0, 0, None),
            entrant(2, 720, 0, 0, Some(80)),
            entrant(3, 720, 0, 0, Some(20)),
            entrant(4, 720, 0, 50, Some(1)),
        ]);
        assert_eq!(places(&rows), [(1, 3), (2, 2), (3, 1), (4, 4)]);
    }

    #[test]
    fn those_that_nothing_tells_apart_share_a_place() {
        let twin = |name| entrant(name, 24, 0, 0, Some(5));
        let rows = rank([entrant(3, 24, 12, 0, None), twin(2), twin(1), unknown(5), unknown(4)]);
        assert_eq!(places(&rows), [(1, 1), (1, 2), (3, 3), (4, 4), (4, 5)]);
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_the_order_does_not_depend_on_where_one_begins(
            given in prop::collection::vec((0_u64..4, 0_u64..3, 0_u64..3, prop::option::of(0_u64..3)), 0..8)
        ) {
            let entrants: Vec<Candidate> = (0..)
                .zip(&given)
                .map(|(name, (hours, offline, losses, ms))| entrant(name, *hours, *offline, *losses, *ms))
                .collect();
            let rows = rank(entrants.clone());
            prop_assert_eq!(rows.len(), entrants.len());
            prop_assert!(rows.windows(2).all(|pair| pair[0].rank <= pair[1].rank));
            prop_assert_eq!(places(&rank(entrants.into_iter().rev())), places(&rows));
        }
    }
}
