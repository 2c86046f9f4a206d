//! Batches whose records all carry a version, and a check that reads never mix versions.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use fitness_core::NodeId;

use super::Harness;
use super::open_store::{Contents, OpenStore};
use super::samples::{gap, node, observer_record, peer, peers_batch, replacement, segment};
use crate::Batch;

/// The number of peers in a versioned batch.
pub(super) const PEERS: u32 = 40;

/// Returns a batch whose records all depend on `version`. It overwrites every record of earlier versions.
pub(super) fn versioned_batch(version: u32) -> Batch {
    let mut batch = peers_batch((0..PEERS).map(|number| peer(number, version)));
    batch.replacements = vec![replacement(0, 2, (0..2).map(|index| segment(0, index, 8, version)))];
    batch.changes.segments = (2..4).map(|index| segment(0, index, 8, version)).collect();
    batch.changes.gaps = (0..3).map(|number| gap(number, version)).collect();
    batch.observer = Some(observer_record(u64::from(version)));
    batch
}

/// Returns the contents after a commit of `versioned_batch(version)`, with the log of node 0.
pub(super) fn contents_of(version: u32) -> Contents {
    let Batch { changes, observer, replacements, .. } = versioned_batch(version);
    let segments = replacements.into_iter().flat_map(|part| part.segments).chain(changes.segments);
    Contents {
        listed: true,
        observer,
        peers: changes.peers,
        segments: segments.collect(),
        gaps: changes.gaps,
    }
}

/// Returns the single version in `versions`, or `None` if it is empty.
///
/// # Panics
///
/// If there are several different versions.
pub(super) fn single_version<T: Copy + Eq + Hash + Debug>(versions: impl Iterator<Item = T>) -> Option<T> {
    let distinct: HashSet<T> = versions.collect();
    assert!(distinct.len() <= 1, "one read returned parts of several batches, of versions {distinct:?}");
    distinct.into_iter().next()
}

/// Reads peers, a log and gaps that versioned batches of `observer` wrote, one after the other, and returns
/// the last version read. 0 means that no batch has been stored.
///
/// # Panics
///
/// If a read mixes versions, or returns a version older than `last_seen` or than the previous read.
pub(super) fn read_version<H: Harness>(store: &OpenStore<'_, H>, observer: NodeId, last_seen: u64) -> u64 {
    let page = store.page(observer, None, 1_000);
    assert!(
        page.is_empty() || page.len() == PEERS as usize,
        "read {} peers, expected none or {PEERS}",
        page.len()
    );
    let peers_version = single_version(page.iter().map(|peer| peer.flap_count)).map_or(0, u64::from);
    assert!(peers_version >= last_seen, "read peers of version {peers_version} after version {last_seen}");

    let log = store.log(observer, node(0));
    assert!(log.is_empty() || log.len() == 4, "read {} segments, expected none or 4", log.len());
    // The observed time of a segment's first entry is the version plus 5 for each preceding log entry.
    let observed = log.iter().map(|segment| segment.entries[0].totals().observed_ns);
    let versions = observed.zip(0..).map(|(observed_ns, index): (u64, u64)| observed_ns - index * 64 * 5);
    let log_version = single_version(versions).unwrap_or(0);
    assert!(
        log_version >= peers_version,
        "read segments of version {log_version} after peers of version {peers_version}"
    );

    let gaps = store.gaps(observer, 0, 10);
    assert!(gaps.is_empty() || gaps.len() == 3, "read {} gaps, expected none or 3", gaps.len());
    let gaps_version = single_version(gaps.iter().map(|gap| gap.to_ns - gap.from_ns)).unwrap_or(0);
    assert!(
        gaps_version >= log_version,
        "read gaps of version {gaps_version} after segments of version {log_version}"
    );
    gaps_version
}
