//! The steps of a random sequence.

use std::fmt;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::batch_spec::{BatchSpec, INDICES, NODES, NUMBERS, OBSERVERS, batch_specs};

/// One call to the store, or reopening it. Observers and peers are given by their number.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit(usize, BatchSpec),
    /// Commits an earlier batch again: 0 is the last one.
    CommitAgain(usize),
    ReadObservers,
    ReadObserver(usize),
    ReadPeer(usize, usize),
    ReadPeers {
        observer: usize,
        after: Option<usize>,
        limit: usize,
    },
    ReadSegments {
        observer: usize,
        node: usize,
        from: u32,
        limit: usize,
    },
    ReadGaps {
        observer: usize,
        from: u32,
        limit: usize,
    },
    Claim(usize),
    DropClaim(usize),
    Reopen,
}

const LIMITS: [usize; 5] = [0, 1, 2, 3, usize::MAX];

pub(super) fn sequences() -> impl Strategy<Value = Vec<Step>> {
    vec(steps(), 1..40)
}

fn steps() -> impl Strategy<Value = Step> {
    let (observer, node, limit) = (0..OBSERVERS, 0..NODES, select(&LIMITS[..]));
    let peers = (observer.clone(), weighted(0.7, node.clone()), limit.clone());
    let segments = (observer.clone(), node.clone(), select(&INDICES[..]), limit.clone());
    let gaps = (observer.clone(), select(&NUMBERS[..]), limit);
    prop_oneof![
        6 => (observer.clone(), batch_specs()).prop_map(|(observer, spec)| Step::Commit(observer, spec)),
        1 => (0..3_usize).prop_map(Step::CommitAgain),
        1 => Just(Step::ReadObservers),
        1 => observer.clone().prop_map(Step::ReadObserver),
        1 => (observer.clone(), node).prop_map(|(observer, node)| Step::ReadPeer(observer, node)),
        3 => peers.prop_map(|(observer, after, limit)| Step::ReadPeers { observer, after, limit }),
        3 => segments.prop_map(|(observer, node, from, limit)| {
            Step::ReadSegments { observer, node, from, limit }
        }),
        2 => gaps.prop_map(|(observer, from, limit)| Step::ReadGaps { observer, from, limit }),
        1 => observer.clone().prop_map(Step::Claim),
        1 => observer.prop_map(Step::DropClaim),
        1 => Just(Step::Reopen),
    ]
}

/// Formats a sequence as a numbered list, one line for each step.
pub(super) fn format_steps(steps: &[Step]) -> String {
    (1..).zip(steps).map(|(number, step)| format!("{number:3}. {step}\n")).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(observer, spec) => write!(f, "commit for observer {observer}: {spec}"),
            Self::CommitAgain(0) => write!(f, "commit the last batch again"),
            Self::CommitAgain(ago) => write!(f, "commit the batch {ago} before the last one again"),
            Self::ReadObservers => write!(f, "read the list of observers"),
            Self::ReadObserver(observer) => write!(f, "read the record of observer {observer}"),
            Self::ReadPeer(observer, node) => write!(f, "read peer {node} of observer {observer}"),
            Self::ReadPeers { observer, after: None, limit } => {
                write!(f, "read peers of observer {observer}, limit {limit}")
            }
            Self::ReadPeers { observer, after: Some(after), limit } => {
                write!(f, "read peers of observer {observer} after peer {after}, limit {limit}")
            }
            Self::ReadSegments { observer, node, from, limit } => {
                write!(
                    f,
                    "read segments of peer {node} of observer {observer} from index {from}, limit {limit}"
                )
            }
            Self::ReadGaps { observer, from, limit } => {
                write!(f, "read gaps of observer {observer} from number {from}, limit {limit}")
            }
            Self::Claim(observer) => write!(f, "claim observer {observer}"),
            Self::DropClaim(observer) => write!(f, "drop the claim on observer {observer}, if any"),
            Self::Reopen => write!(f, "close and reopen the store"),
        }
    }
}
