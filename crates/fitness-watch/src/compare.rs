//! Which of the nodes that are watched is the most reliable.

use std::cmp::Ordering;
use std::time::Duration;

use fitness_core::{NodeId, PeerReport, WindowStats};

/// A node, as it enters a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entrant {
    /// The node.
    pub node_id: NodeId,
    /// Uptime over observed time, from 0 to 1; `None` where nothing was observed.
    pub availability: Option<f64>,
    /// Nanoseconds in which we knew whether it was there.
    pub observed_ns: u64,
    /// How often it was lost.
    pub disconnects: u64,
    /// How long it takes to connect to, where it ever was.
    pub connecting: Option<Duration>,
}

impl Entrant {
    /// A node by all that is known of it.
    #[must_use]
    pub fn new(report: &PeerReport, connecting: Option<Duration>) -> Self {
        Self {
            node_id: report.node_id,
            availability: report.availability,
            observed_ns: report.observed_ns,
            disconnects: report.disconnects.into(),
            connecting,
        }
    }

    /// A node by what is known of a window.
    #[must_use]
    pub fn within(node_id: NodeId, stats: &WindowStats, connecting: Option<Duration>) -> Self {
        Self {
            node_id,
            availability: stats.window.availability,
            observed_ns: stats.window.observed_ns,
            disconnects: stats.outages.count,
            connecting,
        }
    }
}

/// A node, and its place.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// Its place, from 1. Those that nothing tells apart share one, and the next is as far down as if they
    /// did not.
    pub rank: usize,
    /// What it was ranked by.
    pub score: Option<f64>,
    /// The node.
    pub entrant: Entrant,
}

/// Ranks nodes by availability; see [`compare_by`].
///
/// Availability alone trusts an hour as much as a year: use a score that weighs how much was observed
/// where nodes have been watched for different times.
#[must_use]
pub fn compare(entrants: impl IntoIterator<Item = Entrant>) -> Vec<Row> {
    compare_by(entrants, |entrant| entrant.availability)
}

/// Ranks nodes by a score, the best first: then by disconnects, the fewest first, then by how long it takes
/// to connect. Those without a score come last, and so, within the same score, do those that we never
/// connected to. What is no number is no score.
#[must_use]
pub fn compare_by(
    entrants: impl IntoIterator<Item = Entrant>,
    score: impl Fn(&Entrant) -> Option<f64>,
) -> Vec<Row> {
    let rate =
        |entrant: Entrant| Row { rank: 0, score: score(&entrant).filter(|score| !score.is_nan()), entrant };
    let mut rows: Vec<Row> = entrants.into_iter().map(rate).collect();
    rows.sort_by(|a, b| order(a, b).then(a.entrant.node_id.cmp(&b.entrant.node_id)));
    let mut last: Option<Row> = None;
    for (i, row) in rows.iter_mut().enumerate() {
        row.rank = match last {
            Some(last) if order(&last, row) == Ordering::Equal => last.rank,
            _ => i + 1,
        };
        last = Some(*row);
    }
    rows
}

fn order(a: &Row, b: &Row) -> Ordering {
    // Without one is below every score there is.
    let score = |row: &Row| row.score.unwrap_or(f64::NEG_INFINITY);
    score(b)
        .total_cmp(&score(a))
        .then(b.score.is_some().cmp(&a.score.is_some()))
        .then(a.entrant.disconnects.cmp(&b.entrant.disconnects))
        .then_with(|| {
            let time = |row: &Row| row.entrant.connecting.unwrap_or(Duration::MAX);
            time(a).cmp(&time(b))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entrant(name: u8, availability: Option<f64>, disconnects: u64, ms: Option<u64>) -> Entrant {
        Entrant {
            node_id: NodeId([name; 33]),
            availability,
            observed_ns: 1,
            disconnects,
            connecting: ms.map(Duration::from_millis),
        }
    }

    fn places(rows: &[Row]) -> Vec<(usize, u8)> {
        rows.iter().map(|row| (row.rank, row.entrant.node_id.0[0])).collect()
    }

    #[test]
    fn availability_comes_first_then_disconnects_then_speed() {
        let rows = compare([
            entrant(1, None, 0, Some(1)),
            entrant(2, Some(0.0), 0, None),
            entrant(3, Some(0.9), 2, Some(5)),
            entrant(4, Some(0.9), 2, Some(4)),
            entrant(5, Some(0.9), 1, None),
            entrant(6, Some(1.0), 9, Some(900)),
            entrant(7, Some(f64::NAN), 0, Some(0)),
        ]);
        let nobody_knows = [(6, 7), (7, 1)];
        assert_eq!(places(&rows)[..5], [(1, 6), (2, 5), (3, 4), (4, 3), (5, 2)]);
        assert_eq!(places(&rows)[5..], nobody_knows);
    }

    #[test]
    fn those_that_nothing_tells_apart_share_a_place() {
        let rows = compare([
            entrant(3, Some(0.5), 0, None),
            entrant(2, Some(0.9), 1, Some(5)),
            entrant(1, Some(0.9), 1, Some(5)),
        ]);
        assert_eq!(places(&rows), [(1, 1), (1, 2), (3, 3)]);
    }

    #[test]
    fn another_score_makes_another_order() {
        let much = Entrant { observed_ns: 1_000, ..entrant(1, Some(0.99), 0, None) };
        let rows = compare_by([entrant(2, Some(1.0), 0, None), much], |e| Some(e.observed_ns as f64));
        assert_eq!(places(&rows), [(1, 1), (2, 2)]);
        assert_eq!(rows[0].score, Some(1_000.0));
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_the_order_does_not_depend_on_where_one_begins(
            given in prop::collection::vec((0_u8..9, prop::option::of(0.0..=1.0_f64), 0_u64..3, prop::option::of(0_u64..3)), 0..12)
        ) {
            let entrants: Vec<Entrant> =
                given.iter().map(|(name, availability, lost, ms)| entrant(*name, *availability, *lost, *ms)).collect();
            let rows = compare(entrants.clone());
            prop_assert_eq!(rows.len(), entrants.len());
            let ranks = |rows: &[Row]| rows.iter().map(|row| (row.rank, row.score.map(f64::to_bits))).collect::<Vec<_>>();
            let backwards = compare(entrants.into_iter().rev());
            prop_assert_eq!(ranks(&rows), ranks(&backwards));
            prop_assert!(rows.windows(2).all(|pair| pair[0].rank <= pair[1].rank));
        }
    }
}
