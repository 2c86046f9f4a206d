//! What really happened, as the other ends of the connections saw it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{NodeId, Timestamp};
use ldk_node::Node;
use ldk_node::bitcoin::secp256k1::PublicKey;

/// How often the peers are asked.
const LOOK: Duration = Duration::from_millis(5);

/// The wall clock, which all processes of a machine share.
pub(crate) fn now() -> Timestamp {
    SystemClock::new().wall()
}

/// When each peer had a connection to the wallet, by its own account.
pub(crate) struct OtherEnds {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Seen>>>,
}

/// One peer's account: the moments at which it changed, a connection first.
pub(crate) struct Seen {
    pub(crate) node_id: NodeId,
    changes: Vec<Timestamp>,
}

impl OtherEnds {
    pub(crate) fn watch(peers: impl IntoIterator<Item = (NodeId, Arc<Node>)>, wallet: PublicKey) -> Self {
        let ending = Arc::<AtomicBool>::default();
        let mut seen: Vec<_> =
            peers.into_iter().map(|(node_id, node)| (node, Seen { node_id, changes: Vec::new() })).collect();
        let end = Arc::clone(&ending);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                for (node, seen) in &mut seen {
                    let is_there =
                        node.list_peers().iter().any(|peer| peer.node_id == wallet && peer.is_connected);
                    if is_there == seen.changes.len().is_multiple_of(2) {
                        seen.changes.push(now());
                    }
                }
                std::thread::sleep(LOOK);
            }
            seen.into_iter().map(|(_, seen)| seen).collect()
        });
        Self { ending, thread: Some(thread) }
    }

    pub(crate) fn end(mut self) -> Vec<Seen> {
        self.ending.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for OtherEnds {
    fn drop(&mut self) {
        // Where a test has failed the thread must not go on holding the nodes.
        self.ending.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Nanoseconds in `[from, to)` with a connection.
    pub(crate) fn uptime_ns(&self, from: Timestamp, to: Timestamp) -> u64 {
        let changes: Vec<_> = self.changes.iter().copied().chain([Timestamp::MAX]).collect();
        changes.chunks_exact(2).map(|there| there[1].min(to).nanos_since(there[0].max(from))).sum()
    }
}
