//! Batches that bear their version all over, and looks at what is there of them.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use fitness_core::NodeId;

use super::Harness;
use super::bench::{Bench, Sight};
use super::samples::{gap, node, observer, peer, peers_batch, replacement, segment};
use crate::Batch;

pub(super) const PEERS: u32 = 40;

/// Every marked batch replaces all that an earlier one wrote.
pub(super) fn marked(version: u32) -> Batch {
    let mut batch = peers_batch((0..PEERS).map(|number| peer(number, version)));
    batch.replacements = vec![replacement(0, 2, (0..2).map(|index| segment(0, index, 8, version)))];
    batch.changes.segments = (2..4).map(|index| segment(0, index, 8, version)).collect();
    batch.changes.gaps = (0..3).map(|number| gap(number, version)).collect();
    batch.observer = Some(observer(u64::from(version)));
    batch
}

/// What is to be seen of a marked batch, with the log of the first node.
pub(super) fn sight_of(version: u32) -> Sight {
    let Batch { changes, observer, replacements: replaced, .. } = marked(version);
    let segments = replaced.into_iter().flat_map(|part| part.segments).chain(changes.segments);
    Sight { listed: true, observer, peers: changes.peers, segments: segments.collect(), gaps: changes.gaps }
}

/// The one value that all of `versions` have; `None` where there are none.
pub(super) fn only<T: Copy + Eq + Hash + Debug>(versions: impl Iterator<Item = T>) -> Option<T> {
    let distinct: HashSet<T> = versions.collect();
    assert!(distinct.len() <= 1, "parts of several batches at once: {distinct:?}");
    distinct.into_iter().next()
}

/// Looks at all kinds of things that a marked batch of `who` wrote, one after the other, and returns
/// the latest version that it saw.
///
/// Panics where two batches mix, or where something is older than `seen` or than what it saw before.
pub(super) fn look<H: Harness>(bench: &Bench<'_, H>, who: NodeId, seen: u64) -> u64 {
    let page = bench.page(who, None, 1_000);
    assert!(page.is_empty() || page.len() == PEERS as usize, "{} peers", page.len());
    let of_peers = only(page.iter().map(|peer| peer.flap_count)).map_or(0, u64::from);
    assert!(of_peers >= seen, "peers of batch {of_peers} were seen after batch {seen}");

    let log = bench.log(who, node(0));
    assert!(log.is_empty() || log.len() == 4, "{} segments", log.len());
    // The first entry of a segment bears the version, and a multiple of its number.
    let observed = log.iter().map(|segment| segment.entries[0].totals().observed_ns);
    let versions = observed.zip(0..).map(|(observed_ns, index): (u64, u64)| observed_ns - index * 64 * 5);
    let of_log = only(versions).unwrap_or(0);
    assert!(of_log >= of_peers, "segments of {of_log} after peers of {of_peers}");

    let gaps = bench.gaps(who, 0, 10);
    assert!(gaps.is_empty() || gaps.len() == 3, "{} gaps", gaps.len());
    let of_gaps = only(gaps.iter().map(|gap| gap.to_ns - gap.from_ns)).unwrap_or(0);
    assert!(of_gaps >= of_log, "gaps of {of_gaps} after segments of {of_log}");
    of_gaps
}
