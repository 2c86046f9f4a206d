//! Batches are whole, whoever looks on and whoever loses patience.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use fitness_core::NodeId;

use super::Harness;
use super::samples::{
    Bench, OURS, Sight, forgetting_batch, gap, node, observer, peer, peers_batch, replacement, segment,
};
use crate::{Batch, Store};

const PEERS: u32 = 40;

/// A batch that bears `version` all over.
fn marked(version: u32) -> Batch {
    let mut batch = peers_batch((0..PEERS).map(|number| peer(number, version)));
    batch.replaced = vec![replacement(0, 2, (0..2).map(|index| segment(0, index, 8, version)))];
    batch.changes.segments = (2..4).map(|index| segment(0, index, 8, version)).collect();
    batch.changes.gaps = (0..3).map(|number| gap(number, version)).collect();
    batch.observer = Some(observer(u64::from(version)));
    batch
}

/// The one value that all of `versions` have; `None` where there are none.
fn only<T: Copy + Eq + std::hash::Hash + std::fmt::Debug>(versions: impl Iterator<Item = T>) -> Option<T> {
    let distinct: HashSet<T> = versions.collect();
    assert!(distinct.len() <= 1, "parts of several batches at once: {distinct:?}");
    distinct.into_iter().next()
}

/// Tells the readers to stop, also where the writer panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a read sees was left by whole batches: a page of peers or a run of segments never mixes
/// two, and what was seen once does not go away.
pub(super) fn readers_see_whole_batches<H: Harness>(harness: &H) {
    const READS: usize = 60;
    const COMMITS: std::ops::Range<u32> = 60..3_000;

    let bench = Bench::new(harness);
    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let read = || {
        let mut seen = 0;
        while !done.load(Ordering::Relaxed) {
            let page = bench.page(OURS, None, 1_000);
            assert!(page.is_empty() || page.len() == PEERS as usize, "{} peers", page.len());
            let version = only(page.iter().map(|peer| peer.flap_count)).unwrap_or(0);
            assert!(version >= seen, "batch {version} was seen after batch {seen}");
            seen = version;

            let log = bench.log(OURS, node(0));
            assert!(log.is_empty() || log.len() == 4, "{} segments", log.len());
            // The first entry of a segment bears the version, and a multiple of its number.
            let observed = log.iter().map(|segment| segment.entries[0].totals().observed_ns);
            let versions =
                observed.zip(0..).map(|(observed_ns, index): (u64, u64)| observed_ns - index * 64 * 5);
            let version = only(versions).unwrap_or(0);
            assert!(version >= u64::from(seen), "segments of {version} after peers of {seen}");

            let gaps = bench.gaps(OURS, 0, 10);
            assert!(gaps.is_empty() || gaps.len() == 3, "{} gaps", gaps.len());
            let gaps_version = only(gaps.iter().map(|gap| gap.to_ns - gap.from_ns)).unwrap_or(0);
            assert!(gaps_version >= version, "gaps of {gaps_version} after segments of {version}");
            reads.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut last = 0;
    thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        let _stop = Stop(&done);
        // At least so many commits, and as many more as it takes for the readers to get a look in.
        while last < COMMITS.start || (last < COMMITS.end && reads.load(Ordering::Relaxed) < READS) {
            last += 1;
            bench.commit(OURS, marked(last));
            if readers.iter().any(|reader| reader.is_finished()) {
                break;
            }
        }
    });
    assert_eq!(bench.page(OURS, None, 1_000)[0].flap_count, last);
}

/// Commits at the same time do not undo each other.
pub(super) fn commits_from_two_threads_both_land<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    thread::scope(|scope| {
        for half in 0..2 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..20 {
                    let number = round * 2 + half;
                    let mut batch = peers_batch([peer(number, 1)]);
                    batch.changes.segments = vec![segment(number, 0, 3, 1)];
                    bench.commit(OURS, batch);
                }
            });
        }
    });
    let bench = bench.reopen();
    let all: Vec<_> = (0..40).map(|number| peer(number, 1)).collect();
    assert_eq!(bench.peers(OURS, 100), all);
    for number in 0..40 {
        assert_eq!(bench.log(OURS, node(number)), [segment(number, 0, 3, 1)]);
    }
}

/// Begins a commit, polls it `polls` times and drops it.
fn abandon<H: Harness>(bench: &Bench<'_, H>, batch: Batch, polls: u32) {
    bench.harness.block_on(async {
        let mut commit = bench.store.commit(&OURS, Arc::new(batch));
        for _ in 0..polls {
            let ready = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_ready())).await;
            if ready {
                break;
            }
            thread::yield_now();
        }
    });
}

/// A commit whose future is dropped midway is wholly there or not at all, whenever one looks.
pub(super) fn a_dropped_commit_is_whole_or_absent<H: Harness>(harness: &H) {
    let nodes: Vec<NodeId> = (0..PEERS).chain([900]).map(node).collect();
    let mut bench = Bench::new(harness);
    for round in 0..6 {
        let version = round * 10 + 1;
        bench.commit(OURS, Batch { gaps_before: Some(u32::MAX), ..forgetting_batch(nodes.clone()) });
        abandon(&bench, marked(version), round % 3 + 1);
        for _ in 0..3 {
            let page = bench.page(OURS, None, 1_000);
            assert!(page.is_empty() || page.len() == PEERS as usize, "{} peers", page.len());
            only(page.iter().map(|peer| peer.flap_count));
        }
        // What comes after it waits for it, and from then on nothing moves.
        bench.commit(OURS, peers_batch([peer(900, version)]));
        bench = bench.reopen();
        let seen = bench.sight(OURS, [node(0)]);
        assert_eq!(seen.peers.last(), Some(&peer(900, version)));
        let Batch { changes, observer, replaced, .. } = marked(version);
        if seen.peers.len() == 1 {
            assert_eq!((seen.segments, seen.gaps), (Vec::new(), Vec::new()));
        } else {
            let mut peers = changes.peers;
            peers.push(peer(900, version));
            let segments = replaced.into_iter().flat_map(|part| part.segments).chain(changes.segments);
            let (segments, gaps) = (segments.collect(), changes.gaps);
            assert_eq!(seen, Sight { listed: true, observer, peers, segments, gaps });
        }
    }
}

/// A commit whose future was dropped is never stored over one that was begun after it: its data
/// is older.
pub(super) fn a_dropped_commit_never_lands_late<H: Harness>(harness: &H) {
    let bench = Bench::new(harness);
    for round in 0..20 {
        let (old, new) = (round * 2 + 1, round * 2 + 2);
        abandon(&bench, marked(old), 1);
        bench.commit(OURS, marked(new));
        for _ in 0..3 {
            let page = bench.page(OURS, None, 1_000);
            assert_eq!(only(page.iter().map(|peer| peer.flap_count)), Some(new));
            thread::yield_now();
        }
    }
}
