//! Commits that somebody began and then no longer waited for.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use fitness_core::NodeId;

use super::Harness;
use super::bench::Bench;
use super::marked::{PEERS, marked, only, sight_of};
use super::samples::{OURS, forgetting_batch, node, peer, peers_batch};
use crate::{Batch, Store};

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
        bench.commit(OURS, Batch { prune_gaps_before: Some(u32::MAX), ..forgetting_batch(nodes.clone()) });
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
        if seen.peers.len() == 1 {
            assert_eq!((seen.segments, seen.gaps), (Vec::new(), Vec::new()));
        } else {
            let mut expected = sight_of(version);
            expected.peers.push(peer(900, version));
            assert_eq!(seen, expected);
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
