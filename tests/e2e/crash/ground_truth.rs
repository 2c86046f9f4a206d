//! The true connections, as the peers saw them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fitness_actor::{Clock as _, SystemClock};
use fitness_core::{NodeId, Timestamp};
use ldk_node::Node;
use ldk_node::bitcoin::secp256k1::PublicKey;

/// How often the peers are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The wall clock, which all processes of a machine share.
pub(crate) fn now() -> Timestamp {
    SystemClock::new().wall()
}

/// Records when each peer was connected to the wallet.
pub(crate) struct PeerView {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Connections>>>,
}

/// The times at which one peer's connection changed; the first change is a connect.
pub(crate) struct Connections {
    pub(crate) node_id: NodeId,
    changes: Vec<Timestamp>,
}

impl PeerView {
    pub(crate) fn watch(peers: impl IntoIterator<Item = (NodeId, Arc<Node>)>, wallet: PublicKey) -> Self {
        let ending = Arc::<AtomicBool>::default();
        let mut seen: Vec<_> = peers
            .into_iter()
            .map(|(node_id, node)| (node, Connections { node_id, changes: Vec::new() }))
            .collect();
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
                std::thread::sleep(POLL_INTERVAL);
            }
            seen.into_iter().map(|(_, seen)| seen).collect()
        });
        Self { ending, thread: Some(thread) }
    }

    pub(crate) fn end(mut self) -> Vec<Connections> {
        self.ending.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for PeerView {
    fn drop(&mut self) {
        // After a failed test the thread must not keep the nodes alive.
        self.ending.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Connections {
    /// Returns the time in `[from, to)` with a connection, in nanoseconds.
    pub(crate) fn uptime_ns(&self, from: Timestamp, to: Timestamp) -> u64 {
        let changes: Vec<_> = self.changes.iter().copied().chain([Timestamp::MAX]).collect();
        changes.chunks_exact(2).map(|there| there[1].min(to).nanos_since(there[0].max(from))).sum()
    }
}
