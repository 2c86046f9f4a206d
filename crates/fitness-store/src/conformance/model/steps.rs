//! What a store is told and asked.

use std::fmt;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::sketch::{INDICES, NODES, NUMBERS, OBSERVERS, Sketch, sketches};

/// One call, or all it takes to open anew. Observers and peers are numbers here.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit(usize, Sketch),
    /// The commit of so many commits ago, once more.
    Again(usize),
    Observers,
    Observer(usize),
    Peer(usize, usize),
    Peers {
        who: usize,
        after: Option<usize>,
        limit: usize,
    },
    Segments {
        who: usize,
        node: usize,
        from: u32,
        limit: usize,
    },
    Gaps {
        who: usize,
        from: u32,
        limit: usize,
    },
    Claim(usize),
    Release(usize),
    Reopen,
}

const LIMITS: [usize; 5] = [0, 1, 2, 3, usize::MAX];

pub(super) fn sequences() -> impl Strategy<Value = Vec<Step>> {
    vec(steps(), 1..40)
}

fn steps() -> impl Strategy<Value = Step> {
    let (who, node, limit) = (0..OBSERVERS, 0..NODES, select(&LIMITS[..]));
    let peers = (who.clone(), weighted(0.7, node.clone()), limit.clone());
    let segments = (who.clone(), node.clone(), select(&INDICES[..]), limit.clone());
    let gaps = (who.clone(), select(&NUMBERS[..]), limit);
    prop_oneof![
        6 => (who.clone(), sketches()).prop_map(|(who, sketch)| Step::Commit(who, sketch)),
        1 => (0..3_usize).prop_map(Step::Again),
        1 => Just(Step::Observers),
        1 => who.clone().prop_map(Step::Observer),
        1 => (who.clone(), node).prop_map(|(who, node)| Step::Peer(who, node)),
        3 => peers.prop_map(|(who, after, limit)| Step::Peers { who, after, limit }),
        3 => segments.prop_map(|(who, node, from, limit)| Step::Segments { who, node, from, limit }),
        2 => gaps.prop_map(|(who, from, limit)| Step::Gaps { who, from, limit }),
        1 => who.clone().prop_map(Step::Claim),
        1 => who.prop_map(Step::Release),
        1 => Just(Step::Reopen),
    ]
}

/// One line a step.
pub(super) fn listed(steps: &[Step]) -> String {
    (1..).zip(steps).map(|(number, step)| format!("{number:3}. {step}\n")).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(who, sketch) => write!(f, "commit for observer {who}: {sketch}"),
            Self::Again(0) => write!(f, "commit the last batch again"),
            Self::Again(ago) => write!(f, "commit again the batch {ago} before the last one"),
            Self::Observers => write!(f, "read the observers"),
            Self::Observer(who) => write!(f, "read observer {who}"),
            Self::Peer(who, node) => write!(f, "read peer {node} of observer {who}"),
            Self::Peers { who, after, limit } => match after {
                None => write!(f, "read peers of observer {who}, at most {limit}"),
                Some(after) => write!(f, "read peers of observer {who} after {after}, at most {limit}"),
            },
            Self::Segments { who, node, from, limit } => {
                write!(f, "read segments of peer {node} of observer {who} from {from} on, at most {limit}")
            }
            Self::Gaps { who, from, limit } => {
                write!(f, "read gaps of observer {who} from {from} on, at most {limit}")
            }
            Self::Claim(who) => write!(f, "claim observer {who}"),
            Self::Release(who) => write!(f, "drop the claim on observer {who}, if there is one"),
            Self::Reopen => write!(f, "open anew"),
        }
    }
}
