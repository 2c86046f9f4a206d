//! Commits whose futures are dropped before they complete.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use fitness_core::NodeId;

use super::Harness;
use super::open_store::OpenStore;
use super::samples::{OBSERVER, forgetting_batch, node, peer, peers_batch};
use super::versioned::{PEERS, contents_of, single_version, versioned_batch};
use crate::{Batch, Store};

/// Starts a commit, polls it up to `polls` times and drops it.
fn start_and_drop_commit<H: Harness>(store: &OpenStore<'_, H>, batch: Batch, polls: u32) {
    store.harness.block_on(async {
        let mut commit = store.inner.commit(&OBSERVER, Arc::new(batch));
        for _ in 0..polls {
            let ready = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_ready())).await;
            if ready {
                break;
            }
            thread::yield_now();
        }
    });
}

/// A commit whose future is dropped is stored completely or not at all, at any time afterwards.
pub(super) fn dropped_commit_is_atomic<H: Harness>(harness: &H) {
    let nodes: Vec<NodeId> = (0..PEERS).chain([900]).map(node).collect();
    let mut store = OpenStore::new(harness);
    for round in 0..6 {
        let version = round * 10 + 1;
        store
            .commit(OBSERVER, Batch { prune_gaps_before: Some(u32::MAX), ..forgetting_batch(nodes.clone()) });
        start_and_drop_commit(&store, versioned_batch(version), round % 3 + 1);
        for _ in 0..3 {
            let page = store.page(OBSERVER, None, 1_000);
            assert!(
                page.is_empty() || page.len() == PEERS as usize,
                "read {} peers, expected none or {PEERS}",
                page.len()
            );
            single_version(page.iter().map(|peer| peer.flap_count));
        }
        // A later commit is applied after the dropped one, so the contents are final from then on.
        store.commit(OBSERVER, peers_batch([peer(900, version)]));
        store = store.reopen();
        let contents = store.contents(OBSERVER, [node(0)]);
        assert_eq!(contents.peers.last(), Some(&peer(900, version)));
        if contents.peers.len() == 1 {
            assert_eq!((contents.segments, contents.gaps), (Vec::new(), Vec::new()));
        } else {
            let mut expected = contents_of(version);
            expected.peers.push(peer(900, version));
            assert_eq!(contents, expected);
        }
    }
}

/// A commit whose future was dropped never overwrites the newer data of a commit that started later.
pub(super) fn dropped_commit_never_overwrites_newer_data<H: Harness>(harness: &H) {
    let store = OpenStore::new(harness);
    for round in 0..20 {
        let (old, new) = (round * 2 + 1, round * 2 + 2);
        start_and_drop_commit(&store, versioned_batch(old), 1);
        store.commit(OBSERVER, versioned_batch(new));
        for _ in 0..3 {
            let page = store.page(OBSERVER, None, 1_000);
            assert_eq!(single_version(page.iter().map(|peer| peer.flap_count)), Some(new));
            thread::yield_now();
        }
    }
}
